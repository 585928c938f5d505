/* SPDX-License-Identifier: MIT
 *
 * The engine against servers of its own on 127.0.0.1. Nothing is asserted about
 * how fast anything is, only about what comes out in the end.
 */
#include "probe_bench.h"

#include "local_server.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A tcp:// target goes through CONNECT, an http:// one does not. */
static const char through_proxy[] = "<Plugin egress_probe>\n"
                                    "Interval 0.4\n"
                                    "<Hop \"proxy\">\n"
                                    "URL \"http://127.0.0.1:%u\"\n"
                                    "%s"
                                    "</Hop>\n"
                                    "<Chain \"c\">\n"
                                    "Hops \"proxy\"\n"
                                    "<Target \"tunnel\">\n"
                                    "URL \"tcp://origin.invalid:443\"\n"
                                    "</Target>\n"
                                    "<Target \"plain\">\n"
                                    "URL \"http://origin.invalid/\"\n"
                                    "ExpectBody \"^fine$\"\n"
                                    "</Target>\n"
                                    "</Chain>\n"
                                    "</Plugin>\n";

static const struct fault {
  enum local_server_mode mode;
  enum result tunnel, plain;
  int tunnel_status;
} faults[] = {
    {LOCAL_SERVER_HANG, RESULT_TUNNEL_TIMEOUT, RESULT_TIMEOUT, 0},
    /* libcurl takes it for a status line, and so it counts. */
    {LOCAL_SERVER_LOOSE, RESULT_OK, RESULT_BODY, 200},
    {LOCAL_SERVER_ERROR, RESULT_PROXY_ERROR, RESULT_PROXY_ERROR, 503},
    {LOCAL_SERVER_GARBAGE, RESULT_PROXY_ERROR, RESULT_PROXY_ERROR, 0},
    {LOCAL_SERVER_DENY, RESULT_PROXY_DENIED, RESULT_PROXY_DENIED, 407},
    {LOCAL_SERVER_DENY_ENDLESS, RESULT_PROXY_DENIED, RESULT_PROXY_DENIED, 407},
    {LOCAL_SERVER_CLOSE, RESULT_PROXY_ERROR, RESULT_PROXY_ERROR, 0},
    /* What has no end is cut long before the time is up. */
    {LOCAL_SERVER_HEADERS, RESULT_PROXY_ERROR, RESULT_OTHER, 200},
    {LOCAL_SERVER_TRAILERS, RESULT_OK, RESULT_OTHER, 200},
    {LOCAL_SERVER_HINTS, RESULT_PROXY_ERROR, RESULT_OTHER, 103},
    {LOCAL_SERVER_LONG_LINE, RESULT_PROXY_ERROR, RESULT_OTHER, 503},
};

static bool fails_as(const struct bench *bench, int index) {
  return target_of(bench, 0)->last.outcome.result == faults[index].tunnel &&
         target_of(bench, 0)->last.connect_statuses[0] == faults[index].tunnel_status &&
         target_of(bench, 1)->last.outcome.result == faults[index].plain;
}

static void test_proxy_faults(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_GOOD);
  struct bench bench;

  (void)state;
  start(&bench, through_proxy, local_server_port(server), "");
  wait_for(&bench, "a good round", is_judged_at, VERDICT_NONE);
  assert_int_equal(RESULT_OK, target_of(&bench, 0)->last.outcome.result);
  assert_int_equal(RESULT_OK, target_of(&bench, 1)->last.outcome.result);
  assert_int_equal(200, target_of(&bench, 0)->last.connect_statuses[0]);
  assert_int_equal(200, target_of(&bench, 1)->last.status);
  assert_int_equal(PART_WORKED, target_of(&bench, 1)->parts[2]);
  assert_adds_up(&target_of(&bench, 0)->last);
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
    local_server_set_mode(server, faults[i].mode);
    wait_for(&bench, "the fault's results", fails_as, (int)i);
    assert_int_equal(PHASE_TUNNEL, phases_current(&target_of(&bench, 0)->last.phases));
    assert_adds_up(&target_of(&bench, 0)->last);
    assert_adds_up(&target_of(&bench, 1)->last);
  }
  local_server_set_mode(server, LOCAL_SERVER_GOOD);
  wait_for(&bench, "mending", is_judged_at, VERDICT_NONE);
  stop(&bench);
  local_server_stop(server);
}

static void test_dead_proxy_is_blamed_and_forgiven(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_DENY);
  struct bench bench;

  (void)state;
  start(&bench, through_proxy, local_server_port(server), "");
  wait_for(&bench, "the verdict", is_judged_at, VERDICT_HOP);
  assert_true(bench.report.change.raised);
  assert_non_null(strstr(bench.report.change.sentence, "c: fault at proxy (127.0.0.1:"));
  assert_non_null(strstr(bench.report.change.sentence, "407"));
  assert_int_equal(PART_FAILED, target_of(&bench, 0)->parts[0]);
  local_server_set_mode(server, LOCAL_SERVER_GOOD);
  wait_for(&bench, "the all-clear", is_judged_at, VERDICT_NONE);
  assert_false(bench.report.change.raised);
  assert_true(bench.report.change.serial >= 2);
  stop(&bench);
  local_server_stop(server);
}

/* A port that nobody listens on: bound, and kept by us. */
static int take_port(uint16_t *port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  assert_true(holder >= 0);
  assert_int_equal(0, bind(holder, (struct sockaddr *)&address, size));
  assert_int_equal(0, getsockname(holder, (struct sockaddr *)&address, &size));
  *port = ntohs(address.sin_port);
  return holder;
}

static void test_refused(void **state) {
  struct bench bench;
  uint16_t port = 0;
  int holder = take_port(&port);

  (void)state;
  start(&bench, through_proxy, port, "");
  wait_for(&bench, "a verdict", is_judged_at, VERDICT_HOP);
  assert_int_equal(RESULT_REFUSED, target_of(&bench, 0)->last.outcome.result);
  assert_int_equal(ECONNREFUSED, target_of(&bench, 0)->last.outcome.system_error);
  stop(&bench);
  close(holder);
}

/* With a full accept queue Linux drops the SYN: the client waits. */
struct full_queue {
  uint16_t port;
  int listener, fillers[4];
};

static void fill_queue(struct full_queue *queue) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

  queue->listener = take_port(&queue->port);
  assert_int_equal(0, listen(queue->listener, 0));
  address.sin_port = htons(queue->port);
  for (size_t i = 0; i < 4; i++) {
    queue->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)!connect(queue->fillers[i], (struct sockaddr *)&address, sizeof(address));
  }
}

static void empty_queue(struct full_queue *queue) {
  for (size_t i = 0; i < 4; i++)
    close(queue->fillers[i]);
  close(queue->listener);
}

static void test_connect_timeout_of_the_hop(void **state) {
  struct full_queue queue;
  struct bench bench;

  (void)state;
  fill_queue(&queue);
  start(&bench, through_proxy, queue.port, "ConnectTimeout 0.02\n");
  wait_for(&bench, "a timeout", has_result, RESULT_CONNECT_TIMEOUT);
  assert_true(phases_total(&target_of(&bench, 0)->last.phases) <
              bench.config.chains[0].timeout);
  stop(&bench);
  empty_queue(&queue);
}

/* Every second connection goes to this port instead; 0: none. */
static atomic_uint diverted_to;

__attribute__((visibility("default"))) int connect(int descriptor,
                                                   const struct sockaddr *address,
                                                   socklen_t size) {
  static atomic_uint calls;
  union {
    void *object;
    int (*function)(int, const struct sockaddr *, socklen_t);
  } real = {.object = dlsym(RTLD_NEXT, "connect")};
  struct sockaddr_in other = {0};

  if (atomic_load(&diverted_to) == 0 || size != sizeof(other) ||
      atomic_fetch_add(&calls, 1) % 2 == 0)
    return real.function(descriptor, address, size);
  memcpy(&other, address, sizeof(other));
  other.sin_port = htons((uint16_t)atomic_load(&diverted_to));
  return real.function(descriptor, (const struct sockaddr *)&other, size);
}

/* It answers once, with a redirect, and then it does not answer at all. */
static void test_connect_timeout_behind_a_redirect(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_REDIRECT);
  struct full_queue queue;
  struct bench bench;

  (void)state;
  fill_queue(&queue);
  local_server_set_location(server, "http://origin.invalid/elsewhere");
  atomic_store(&diverted_to, queue.port);
  start(&bench,
        "<Plugin egress_probe>\nInterval 4\nTimeout 3.5\n<Hop \"proxy\">\n"
        "URL \"http://127.0.0.1:%u\"\nConnectTimeout 0.1\n</Hop>\n"
        "<Chain \"c\">\nHops \"proxy\"\nLadder false\n"
        "<Target \"t\">\nURL \"http://origin.invalid/\"\nFollowRedirects true\n"
        "</Target>\n</Chain>\n</Plugin>\n",
        local_server_port(server));
  wait_for(&bench, "a timeout", has_result, RESULT_CONNECT_TIMEOUT);
  assert_true(phases_total(&target_of(&bench, 0)->last.phases) <
              bench.config.chains[0].timeout);
  atomic_store(&diverted_to, 0);
  stop(&bench);
  empty_queue(&queue);
  local_server_stop(server);
}

static void wait_for_rounds(struct bench *bench, int rounds) {
  for (int i = 0; i < WAIT_SECONDS * 100 && rounds > 0; i++) {
    nanoseconds before = bench->report.finished;

    usleep(10000);
    board_take(bench->board, 0, &bench->report);
    rounds -= bench->report.finished != before;
  }
  assert_int_equal(0, rounds);
}

static bool is_unknown(const struct bench *bench, int argument) {
  return !is_known(bench, argument);
}

static void test_missing_password_file(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_GOOD);
  char path[] = "/tmp/egress-secret-XXXXXX", option[128];
  struct bench bench;
  unsigned requests;
  int file;

  (void)state;
  close(mkstemp(path));
  unlink(path);
  snprintf(option, sizeof(option), "User \"u\"\nPasswordFile \"%s\"\n", path);
  start(&bench, through_proxy, local_server_port(server), option);
  wait_for_rounds(&bench, 1);
  assert_int_equal(ENOENT, bench.report.hop_errors[0]);
  assert_false(target_of(&bench, 0)->known);
  assert_false(bench.report.judged);
  assert_int_equal(0, local_server_requests(server));

  file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  assert_int_equal(3, write(file, "pw\n", 3));
  close(file);
  wait_for(&bench, "the file to be found", is_known, 0);
  assert_int_equal(0, bench.report.hop_errors[0]);
  assert_int_equal(RESULT_OK, target_of(&bench, 0)->last.outcome.result);
  /* base64 of "u:pw" */
  assert_true(local_server_last_has(server, "Proxy-Authorization: Basic dTpwdw=="));

  /* Gone again: nothing is said of the target any more, and nothing is sent. */
  unlink(path);
  wait_for(&bench, "the file to be missed", is_unknown, 0);
  assert_int_equal(ENOENT, bench.report.hop_errors[0]);
  assert_false(bench.report.judged);
  requests = local_server_requests(server);
  wait_for_rounds(&bench, 2);
  assert_int_equal(requests, local_server_requests(server));
  stop(&bench);
  local_server_stop(server);
}

static void test_redirect_takes_no_header_to_another_host(void **state) {
  struct local_server *first = local_server_start(LOCAL_SERVER_REDIRECT);
  struct local_server *second = local_server_start(LOCAL_SERVER_GOOD);
  struct bench bench;
  char location[64];

  (void)state;
  snprintf(location, sizeof(location), "http://127.0.0.1:%u/there",
           local_server_port(second));
  local_server_set_location(first, location);
  start(&bench,
        "<Plugin egress_probe>\nInterval 0.4\n<Chain \"c\">\n<Target \"t\">\n"
        "URL \"http://127.0.0.1:%u/\"\nFollowRedirects true\nHeader \"X-Key: abc\"\n"
        "MaxRedirects 2\n</Target>\n</Chain>\n</Plugin>\n",
        local_server_port(first));
  wait_for(&bench, "a good round", has_result, RESULT_OK);
  assert_true(local_server_last_has(first, "X-Key: abc"));
  assert_true(local_server_requests(second) > 0);
  assert_true(local_server_last_has(second, "GET /there"));
  assert_false(local_server_last_has(second, "X-Key"));
  assert_adds_up(&target_of(&bench, 0)->last);

  snprintf(location, sizeof(location), "http://127.0.0.1:%u/round",
           local_server_port(first));
  local_server_set_location(first, location);
  wait_for(&bench, "the loop's end", has_result, RESULT_STATUS);
  stop(&bench);
  local_server_stop(first);
  local_server_stop(second);
}

/* MaxBody is for the answer behind the redirect. */
static void test_redirect_with_a_body_of_its_own(void **state) {
  struct local_server *first = local_server_start(LOCAL_SERVER_REDIRECT_LONG);
  struct local_server *second = local_server_start(LOCAL_SERVER_GOOD);
  struct bench bench;
  char location[64];

  (void)state;
  snprintf(location, sizeof(location), "http://127.0.0.1:%u/", local_server_port(second));
  local_server_set_location(first, location);
  start(&bench,
        "<Plugin egress_probe>\nInterval 1\n<Chain \"c\">\n<Target \"t\">\n"
        "URL \"http://127.0.0.1:%u/\"\nFollowRedirects true\nMaxBody 100\n"
        "ExpectBody \"^fine$\"\n</Target>\n</Chain>\n</Plugin>\n",
        local_server_port(first));
  wait_for(&bench, "a good round", has_result, RESULT_OK);
  assert_int_equal(200, target_of(&bench, 0)->last.status);
  local_server_set_mode(second, LOCAL_SERVER_ENDLESS);
  wait_for(&bench, "the wrong body behind the redirect", has_result, RESULT_BODY);
  local_server_set_mode(first, LOCAL_SERVER_REDIRECT_ENDLESS);
  wait_for(&bench, "a redirect without end", has_result, RESULT_STATUS);
  stop(&bench);
  local_server_stop(first);
  local_server_stop(second);
}

static void test_endless_body_is_cut(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_ENDLESS);
  struct bench bench;

  (void)state;
  start(&bench,
        "<Plugin egress_probe>\nInterval 2\n<Chain \"c\">\n<Target \"t\">\n"
        "URL \"http://127.0.0.1:%u/\"\nExpectBody \"^x+$\"\nMaxBody 10000\n"
        "</Target>\n</Chain>\n</Plugin>\n",
        local_server_port(server));
  wait_for(&bench, "a round", is_known, 0);
  assert_int_equal(RESULT_OK, target_of(&bench, 0)->last.outcome.result);
  stop(&bench);
  local_server_stop(server);
}

/* Each attempt counts, also those that are tried again. */
static void test_retries_are_counted(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_CLOSE);
  const struct target_report *target;
  struct bench bench;

  (void)state;
  start(&bench,
        "<Plugin egress_probe>\nInterval 1\nRetries 2\n<Chain \"c\">\nLadder false\n"
        "<Target \"t\">\nURL \"http://127.0.0.1:%u/\"\n</Target>\n</Chain>\n</Plugin>\n",
        local_server_port(server));
  wait_for(&bench, "a failed round", has_result, RESULT_OTHER);
  target = target_of(&bench, 0);
  assert_int_equal(0, target->counters.results[RESULT_OTHER] % 3);
  stop(&bench);
  local_server_stop(server);
}

/* The time limit would be 4 s, and the server never answers. */
static void test_stops_whatever_hangs(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_HANG);
  struct bench bench;
  nanoseconds begun;

  (void)state;
  start(&bench,
        "<Plugin egress_probe>\nInterval 10\nTimeout 4\n<Chain \"c\">\n<Target \"t\">\n"
        "URL \"http://127.0.0.1:%u/\"\n</Target>\n</Chain>\n</Plugin>\n",
        local_server_port(server));
  for (int i = 0; i < WAIT_SECONDS * 100 && local_server_requests(server) == 0; i++)
    usleep(10000);
  assert_true(local_server_requests(server) > 0);
  begun = clock_now(CLOCK_MONOTONIC);
  stop(&bench);
  assert_true(clock_now(CLOCK_MONOTONIC) - begun < NANOSECONDS_PER_SECOND);
  local_server_stop(server);
}

/* --- Many probes ------------------------------------------------------------------- */

#define MANY_TARGETS 40
#define MANY_PROBES 1000u

/* What is left when no probe is under way, or nearly so: the least of some looks. */
struct held {
  size_t bytes, descriptors;
};

static size_t count_descriptors(void) {
  DIR *folder = opendir("/proc/self/fd");
  size_t count = 0;

  assert_non_null(folder);
  while (readdir(folder))
    count++;
  closedir(folder);
  return count;
}

static struct held look(void) {
  struct held least = {SIZE_MAX, SIZE_MAX};

  for (int i = 0; i < 300; i++) {
    size_t bytes = mallinfo2().uordblks, descriptors = count_descriptors();

    least.bytes = bytes < least.bytes ? bytes : least.bytes;
    least.descriptors = descriptors < least.descriptors ? descriptors : least.descriptors;
    usleep(1000);
  }
  return least;
}

static void wait_for_requests(struct local_server *server, unsigned count) {
  for (int i = 0; local_server_requests(server) < count; i++) {
    assert_in_range(i, 0, 60 * 100);
    usleep(10000);
  }
}

/* A leak loses 24 bytes a probe at least: malloc gives no less. Under AddressSanitizer, which looks itself, mallinfo2 knows nothing. */
static void test_many_probes_leave_nothing_behind(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_GOOD);
  unsigned port = local_server_port(server);
  char targets[MANY_TARGETS * 96] = "";
  struct held early, late;
  size_t length = 0;
  struct bench bench;

  (void)state;
  for (int i = 0; i < MANY_TARGETS; i++)
    length += (size_t)snprintf(targets + length, sizeof(targets) - length,
                               "<Target \"t%d\">\nURL \"http://origin.invalid/%d\"\n"
                               "</Target>\n",
                               i, i);
  start(&bench,
        "<Plugin egress_probe>\nInterval 0.1\n"
        "<Hop \"proxy\">\nURL \"http://127.0.0.1:%u\"\n</Hop>\n"
        "<Chain \"c\">\nHops \"proxy\"\nLadder false\n%s</Chain>\n</Plugin>\n",
        port, targets);
  wait_for_requests(server, MANY_PROBES / 4);
  early = look();
  wait_for_requests(server, local_server_requests(server) + MANY_PROBES);
  late = look();
  assert_in_range(late.bytes, 0, early.bytes + MANY_PROBES * 24 / 2);
  assert_in_range(late.descriptors, 0, early.descriptors + 4);
  stop(&bench);
  local_server_stop(server);
}

/* glibc's caches of each thread count as in use, and fill for long: only the start of a
 * process can do without them. */
static void start_without_malloc_caches(char *const *arguments) {
  static const char name[] = "GLIBC_TUNABLES";

  if (getenv(name) || setenv(name, "glibc.malloc.tcache_count=0", 1) < 0)
    return;
  execv("/proc/self/exe", arguments);
}

int main(int count, char **arguments) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_proxy_faults),
      cmocka_unit_test(test_dead_proxy_is_blamed_and_forgiven),
      cmocka_unit_test(test_refused),
      cmocka_unit_test(test_connect_timeout_of_the_hop),
      cmocka_unit_test(test_connect_timeout_behind_a_redirect),
      cmocka_unit_test(test_missing_password_file),
      cmocka_unit_test(test_redirect_takes_no_header_to_another_host),
      cmocka_unit_test(test_redirect_with_a_body_of_its_own),
      cmocka_unit_test(test_endless_body_is_cut),
      cmocka_unit_test(test_retries_are_counted),
      cmocka_unit_test(test_stops_whatever_hangs),
      cmocka_unit_test(test_many_probes_leave_nothing_behind),
  };

  (void)count;
  start_without_malloc_caches(arguments);
  poison_environment();
  curl_global_init(CURL_GLOBAL_DEFAULT);
  return cmocka_run_group_tests_name("probe engine", tests, NULL, NULL);
}
