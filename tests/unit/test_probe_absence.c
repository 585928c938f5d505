/* SPDX-License-Identifier: MIT
 *
 * The prober where others have the processor, or where its own work keeps it: what it
 * could not see is not held against anybody.
 */
#include "probe_bench.h"

#include "local_server.h"
#include "poll_token.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ABSENCE 400000 /* microseconds */
static const struct limits {
  const char *whole, *connect;
} /* It is longer than a whole probe may take. */
    short_timeout = {"Interval 1\nTimeout 0.3\n", ""},
    /* It is longer than a connection may take. One call of libcurl's may open several,
     * and all of them together must not be longer than libcurl's own limit. */
    short_connect = {"Interval 4\nTimeout 2\n", "ConnectTimeout 0.3\n"};

static atomic_bool wakes_late, is_interrupted, wakes_for_nothing, works_long;

/* The engine's and libcurl's calls come here: the program stands before the C library. */

__attribute__((visibility("default"))) int epoll_wait(int epoll, struct epoll_event *events,
                                                      int most, int milliseconds) {
  union {
    void *object;
    int (*function)(int, struct epoll_event *, int, int);
  } real = {.object = dlsym(RTLD_NEXT, "epoll_wait")};
  static atomic_uint calls;
  int count;

  /* As after SIGSTOP and SIGCONT. */
  if (atomic_load(&is_interrupted) && atomic_fetch_add(&calls, 1) % 2 == 0) {
    usleep(ABSENCE);
    errno = EINTR;
    return -1;
  }
  count = real.function(epoll, events, most, milliseconds);
  if (atomic_load(&wakes_late) || atomic_load(&wakes_for_nothing))
    usleep(ABSENCE);
  if (count == 0 && atomic_load(&wakes_for_nothing)) {
    events[0] = (struct epoll_event){.data.u64 = poll_token_of_socket(STDERR_FILENO)};
    count = 1;
  }
  return count;
}

__attribute__((visibility("default"))) int connect(int descriptor,
                                                   const struct sockaddr *address,
                                                   socklen_t size) {
  union {
    void *object;
    int (*function)(int, const struct sockaddr *, socklen_t);
  } real = {.object = dlsym(RTLD_NEXT, "connect")};
  int result = real.function(descriptor, address, size);
  int error = errno;

  if (atomic_load(&works_long))
    usleep(ABSENCE);
  errno = error;
  return result;
}

static void start_chains(struct bench *bench, const struct limits *limits,
                         unsigned port) {
  start(bench,
        "<Plugin egress_probe>\n%s"
        "<Hop \"p\">\nURL \"http://127.0.0.1:%u\"\n%s</Hop>\n"
        "<Chain \"c\">\nHops \"p\"\n<Target \"t\">\nURL \"tcp://origin.invalid:443\"\n"
        "</Target>\n</Chain>\n"
        "<Chain \"d\">\n<Target \"t\">\nURL \"http://127.0.0.1:%u/\"\n</Target>\n"
        "</Chain>\n</Plugin>\n",
        limits->whole, port, limits->connect, port);
}

static bool has_many(const struct bench *bench, int result) {
  return target_of(bench, 0)->counters.results[result] >= 2;
}

static void assert_only(const struct target_counters *counters, enum result expected) {
  for (size_t i = 0; i < RESULT_COUNT; i++)
    if (i != expected)
      assert_int_equal(0, counters->results[i]);
}

static void assert_second_chain_is_well(struct bench *bench) {
  struct chain_report report;

  assert_int_equal(0, chain_report_init(&report, &bench->config.chains[1]));
  board_take(bench->board, 1, &report);
  assert_only(&report.targets[0].counters, RESULT_OK);
  chain_report_clear(&report);
}

static void assert_all_is_well_if(atomic_bool *trouble, const struct limits *limits) {
  struct local_server *server = local_server_start(LOCAL_SERVER_GOOD);
  struct bench bench;

  atomic_store(trouble, true);
  start_chains(&bench, limits, local_server_port(server));
  wait_for(&bench, "two good rounds", has_many, RESULT_OK);
  assert_only(&target_of(&bench, 0)->counters, RESULT_OK);
  assert_int_equal(VERDICT_NONE, bench.report.location);
  assert_true(bench.report.absence >= ABSENCE * NANOSECONDS_PER_MICROSECOND);
  assert_second_chain_is_well(&bench);
  atomic_store(trouble, false);
  stop(&bench);
  local_server_stop(server);
}

static void test_it_is_woken_late(void **state) {
  (void)state;
  assert_all_is_well_if(&wakes_late, &short_timeout);
}

static void test_it_is_interrupted(void **state) {
  (void)state;
  assert_all_is_well_if(&is_interrupted, &short_timeout);
}

static void test_its_own_work_takes_long(void **state) {
  (void)state;
  assert_all_is_well_if(&works_long, &short_connect);
}

/* What hangs still comes to its end. */
static void assert_limits_pass_if(atomic_bool *trouble, const struct limits *limits) {
  struct local_server *server = local_server_start(LOCAL_SERVER_HANG);
  struct bench bench;

  atomic_store(trouble, true);
  start_chains(&bench, limits, local_server_port(server));
  wait_for(&bench, "a timeout", has_result, RESULT_TUNNEL_TIMEOUT);
  assert_only(&target_of(&bench, 0)->counters, RESULT_TUNNEL_TIMEOUT);
  atomic_store(trouble, false);
  stop(&bench);
  local_server_stop(server);
}

/* The name behind the redirect is resolved while others have the processor. */
static void test_a_redirect_to_a_name(void **state) {
  struct local_server *first = local_server_start(LOCAL_SERVER_REDIRECT);
  struct local_server *second = local_server_start(LOCAL_SERVER_GOOD);
  char location[64];
  struct bench bench;

  (void)state;
  snprintf(location, sizeof(location), "http://localhost:%u/", local_server_port(second));
  local_server_set_location(first, location);
  atomic_store(&wakes_late, true);
  start(&bench,
        "<Plugin egress_probe>\n%s<Chain \"c\">\n<Target \"t\">\n"
        "URL \"http://127.0.0.1:%u/\"\nFollowRedirects true\nAddressFamily \"ipv4\"\n"
        "</Target>\n</Chain>\n</Plugin>\n",
        short_timeout.whole, local_server_port(first));
  wait_for(&bench, "two good rounds", has_many, RESULT_OK);
  assert_only(&target_of(&bench, 0)->counters, RESULT_OK);
  atomic_store(&wakes_late, false);
  stop(&bench);
  local_server_stop(first);
  local_server_stop(second);
}

/* There is always something, and so late that nobody can say when it came. */
static void test_no_excuse_is_for_ever(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_HANG);
  const struct outcome *outcome;
  struct bench bench;

  (void)state;
  atomic_store(&wakes_for_nothing, true);
  start_chains(&bench, &short_timeout, local_server_port(server));
  wait_for(&bench, "an end", has_result, RESULT_LOCAL);
  outcome = &target_of(&bench, 0)->last.outcome;
  assert_int_equal(OUTCOME_ABSENT, outcome->system_error);
  assert_only(&target_of(&bench, 0)->counters, RESULT_LOCAL);
  atomic_store(&wakes_for_nothing, false);
  stop(&bench);
  local_server_stop(server);
}

static void test_limits_pass_all_the_same(void **state) {
  (void)state;
  assert_limits_pass_if(&wakes_late, &short_timeout);
  assert_limits_pass_if(&works_long, &short_connect);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_it_is_woken_late),
      cmocka_unit_test(test_it_is_interrupted),
      cmocka_unit_test(test_its_own_work_takes_long),
      cmocka_unit_test(test_a_redirect_to_a_name),
      cmocka_unit_test(test_no_excuse_is_for_ever),
      cmocka_unit_test(test_limits_pass_all_the_same),
  };

  poison_environment();
  curl_global_init(CURL_GLOBAL_DEFAULT);
  return cmocka_run_group_tests_name("probe absence", tests, NULL, NULL);
}
