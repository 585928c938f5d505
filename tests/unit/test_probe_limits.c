/* SPDX-License-Identifier: MIT
 *
 * The prober where means run out: descriptors, and a resolver that never answers.
 */
#include "probe_bench.h"

#include "local_server.h"

#include <curl/curl.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- A resolver that hangs on names that end in ".dead" ---------------------------- */

static atomic_bool is_dead;
static atomic_int asked;

static bool hangs(const char *name) {
  size_t length = name ? strlen(name) : 0;

  return length > 5 && strcmp(name + length - 5, ".dead") == 0;
}

/* libcurl's calls come here: the program stands before the C library. */
__attribute__((visibility("default"))) int getaddrinfo(const char *name,
                                                       const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **found) {
  union {
    void *object;
    int (*function)(const char *, const char *, const struct addrinfo *,
                    struct addrinfo **);
  } real = {.object = dlsym(RTLD_NEXT, "getaddrinfo")};

  if (!hangs(name))
    return real.function(name, service, hints, found);
  atomic_fetch_add(&asked, 1);
  while (atomic_load(&is_dead))
    usleep(10000);
  return EAI_AGAIN;
}

static size_t count_threads(void) {
  struct stat status;

  assert_int_equal(0, stat("/proc/self/task", &status));
  return status.st_nlink - 2;
}

/* The text of many targets. */
static char *many_targets(const char *url, size_t count) {
  size_t size = count * 128 + 1, used = 0;
  char *text = malloc(size);

  assert_non_null(text);
  text[0] = '\0';
  for (size_t i = 0; i < count; i++)
    used += (size_t)snprintf(text + used, size - used,
                             "<Target \"t%zu\">\nURL \"%s\"\n</Target>\n", i, url);
  return text;
}

static void wait_for_chain(struct bench *bench, size_t chain, size_t target,
                           enum result result) {
  struct chain_report report;
  bool found = false;

  assert_int_equal(0, chain_report_init(&report, &bench->config.chains[chain]));
  for (int i = 0; i < WAIT_SECONDS * 100 && !found; i++) {
    board_take(bench->board, chain, &report);
    found = report.targets[target].counters.results[result] > 0;
    usleep(10000);
  }
  chain_report_clear(&report);
  assert_true(found);
}

static void wait_for_threads(size_t count) {
  for (int i = 0; i < WAIT_SECONDS * 100 && count_threads() > count; i++)
    usleep(10000);
  assert_true(count_threads() <= count);
}

/* 400 probes, each on a thread of libcurl's; the chain beside them goes on. */
static void test_dead_resolver(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_GOOD);
  char *targets = many_targets("http://name.dead/", 400);
  size_t threads = count_threads(), most = 0;
  struct bench bench;
  nanoseconds begun;
  int answers = 0;

  (void)state;
  atomic_store(&is_dead, true);
  start(&bench,
        "<Plugin egress_probe>\nInterval 0.5\n<Chain \"dead\">\n%s</Chain>\n"
        "<Chain \"well\">\n<Target \"t\">\nURL \"http://127.0.0.1:%u/\"\n</Target>\n"
        "</Chain>\n</Plugin>\n",
        targets, local_server_port(server));
  free(targets);
  wait_for(&bench, "the verdict", is_judged_at, VERDICT_LOCAL);
  assert_int_equal(RESULT_DNS, target_of(&bench, 0)->last.outcome.result);
  assert_true(atomic_load(&asked) > 0);
  for (int i = 0; i < 100; i++) {
    size_t now = count_threads();

    most = now > most ? now : most;
    usleep(10000);
  }
  /* The budget's, and those that were started in its last moment. */
  assert_true(most <= engine_budget(bench.engine)->threads + 8);
  wait_for_chain(&bench, 1, 0, RESULT_OK);
  answers = (int)local_server_requests(server);
  for (int i = 0; i < WAIT_SECONDS * 100 &&
                  (int)local_server_requests(server) < answers + 3;
       i++)
    usleep(10000);
  assert_true((int)local_server_requests(server) >= answers + 3);

  begun = clock_now(CLOCK_MONOTONIC);
  stop(&bench);
  assert_true(clock_now(CLOCK_MONOTONIC) - begun < NANOSECONDS_PER_SECOND);
  atomic_store(&is_dead, false);
  local_server_stop(server);
  wait_for_threads(threads);
}

/* --- Descriptors --------------------------------------------------------------------- */

static rlim_t count_descriptors(void) {
  DIR *folder = opendir("/proc/self/fd");
  rlim_t count = 0;

  assert_non_null(folder);
  while (readdir(folder))
    count++;
  closedir(folder);
  return count - 3; /* ".", ".." and the folder's own */
}

static struct rlimit limit_descriptors(rlim_t limit) {
  struct rlimit before, now;

  assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &before));
  now = before;
  now.rlim_cur = limit;
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &now));
  return before;
}

static void test_no_descriptors(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_GOOD);
  struct rlimit before;
  struct bench bench;

  (void)state;
  start(&bench,
        "<Plugin egress_probe>\nInterval 0.4\n<Hop \"p\">\nURL \"http://127.0.0.1:%u\"\n"
        "</Hop>\n<Chain \"c\">\nHops \"p\"\n<Target \"t\">\nURL \"http://origin.invalid/\"\n"
        "</Target>\n</Chain>\n</Plugin>\n",
        local_server_port(server));
  wait_for(&bench, "a good round", has_result, RESULT_OK);
  before = limit_descriptors(3);
  wait_for(&bench, "the verdict", is_judged_at, VERDICT_LOCAL);
  assert_int_equal(RESULT_LOCAL, target_of(&bench, 0)->last.outcome.result);
  assert_int_equal(EMFILE, target_of(&bench, 0)->last.outcome.system_error);
  assert_non_null(strstr(bench.report.change.sentence, "descriptors"));
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &before));
  wait_for(&bench, "the all-clear", is_judged_at, VERDICT_NONE);
  stop(&bench);
  local_server_stop(server);
}

/* Whoever connects waits: nobody accepts. */
static int listen_only(uint16_t *port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  assert_true(listener >= 0);
  assert_int_equal(0, bind(listener, (struct sockaddr *)&address, size));
  assert_int_equal(0, listen(listener, 128));
  assert_int_equal(0, getsockname(listener, (struct sockaddr *)&address, &size));
  *port = ntohs(address.sin_port);
  return listener;
}

static bool all_are_known(const struct bench *bench, int count) {
  for (int i = 0; i < count; i++)
    if (!target_of(bench, (size_t)i)->known)
      return false;
  return true;
}

/* 40 probes hang, and 5 may do so at a time: the others wait, and none is lost. */
static void test_probes_wait_for_room(void **state) {
  char *targets = many_targets("http://127.0.0.1/", 40);
  rlim_t most = 0, base;
  struct rlimit before;
  struct bench bench;
  uint16_t port = 0;
  int listener = listen_only(&port);

  (void)state;
  before = limit_descriptors(count_descriptors() + 3 + 64 + 5 * 4);
  start(&bench,
        "<Plugin egress_probe>\nInterval 1\nTimeout 0.5\n<Hop \"p\">\n"
        "URL \"http://127.0.0.1:%u\"\n</Hop>\n<Chain \"c\">\nHops \"p\"\nLadder false\n%s"
        "</Chain>\n</Plugin>\n",
        port, targets);
  base = count_descriptors();
  free(targets);
  assert_in_range(engine_budget(bench.engine)->transfers, 3, 5);
  assert_int_equal(40, budget_wanted(&bench.config));
  for (int i = 0; i < WAIT_SECONDS * 100 && !all_are_known(&bench, 40); i++) {
    rlim_t now = count_descriptors();

    most = now > most ? now : most;
    board_take(bench.board, 0, &bench.report);
    usleep(10000);
  }
  for (size_t i = 0; i < 40; i++)
    assert_int_equal(RESULT_TIMEOUT, target_of(&bench, i)->last.outcome.result);
  assert_true(most > base);
  assert_true(most <= base + engine_budget(bench.engine)->transfers);
  stop(&bench);
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &before));
  close(listener);
}

/* The same, and a chain beside them that has no part in it: it goes on all the while. */
static void test_a_hanging_chain_leaves_room_for_others(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_GOOD);
  char *targets = many_targets("http://127.0.0.1/", 40);
  struct chain_report report;
  struct rlimit before;
  struct bench bench;
  uint16_t port = 0;
  int listener = listen_only(&port);

  (void)state;
  before = limit_descriptors(count_descriptors() + 3 + 64 + 5 * 4);
  start(&bench,
        "<Plugin egress_probe>\nTimeout 0.4\n<Hop \"p\">\nURL \"http://127.0.0.1:%u\"\n"
        "</Hop>\n<Chain \"c\">\nInterval 1\nHops \"p\"\nLadder false\n%s</Chain>\n"
        "<Chain \"well\">\nInterval 0.4\nLadder false\n<Target \"t\">\n"
        "URL \"http://127.0.0.1:%u/\"\n</Target>\n</Chain>\n</Plugin>\n",
        port, targets, local_server_port(server));
  free(targets);
  assert_int_equal(0, chain_report_init(&report, &bench.config.chains[1]));
  for (int i = 0; i < WAIT_SECONDS * 100 && !all_are_known(&bench, 40); i++) {
    board_take(bench.board, 0, &bench.report);
    board_take(bench.board, 1, &report);
    usleep(10000);
  }
  assert_true(all_are_known(&bench, 40));
  assert_int_equal(RESULT_TIMEOUT, target_of(&bench, 0)->last.outcome.result);
  /* 40 of them, 4 at a time, take 4 s. */
  assert_true(report.targets[0].counters.results[RESULT_OK] >= 4);
  chain_report_clear(&report);
  stop(&bench);
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &before));
  close(listener);
  local_server_stop(server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_probes_wait_for_room),
      cmocka_unit_test(test_a_hanging_chain_leaves_room_for_others),
      cmocka_unit_test(test_no_descriptors),
      cmocka_unit_test(test_dead_resolver),
  };

  poison_environment();
  curl_global_init(CURL_GLOBAL_DEFAULT);
  return cmocka_run_group_tests_name("probe limits", tests, NULL, NULL);
}
