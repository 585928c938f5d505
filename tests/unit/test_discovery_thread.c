/* SPDX-License-Identifier: MIT
 *
 * The thread against a little server on loopback: it asks, learns, waits for nobody,
 * and ends at once.
 */
#include "unit.h"

#include "discovery_thread.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE (60 * NANOSECONDS_PER_SECOND)

/* --- The server --------------------------------------------------------------------------- */

enum mood { WELL, HANGS, DENIES, NOT_GOOGLE };

static int listener;
static char url[64];
static enum mood mood; /* atomic */
static int token_requests; /* atomic */

static enum mood current_mood(void) { return __atomic_load_n(&mood, __ATOMIC_RELAXED); }

static void set_mood(enum mood next) {
  __atomic_store_n(&mood, next, __ATOMIC_RELAXED);
}

static const struct {
  const char *path, *body;
} answers[] = {
    {"/computeMetadata/v1/project/project-id ", "own"},
    {"/computeMetadata/v1/instance/id ", "4711"},
    {"/computeMetadata/v1/instance/name ", "vm-1"},
    {"/computeMetadata/v1/instance/zone ", "projects/12/zones/europe-west3-b"},
    {"/computeMetadata/v1/instance/network-interfaces/0/ip ", "10.0.0.2"},
    {"/computeMetadata/v1/instance/network-interfaces/0/network ",
     "projects/34/networks/default"},
    {"/computeMetadata/v1/instance/service-accounts/default/token ",
     "{\"access_token\":\"secret-token-0123456789\",\"expires_in\":3600}"},
    {"/compute/v1/projects/34/regions/europe-west3/routers?",
     "{\"items\":[{\"name\":\"r\",\"network\":\"x/default\",\"nats\":[{\"name\":\"n\","
     "\"effectiveTcpTimeWaitTimeoutSec\":30}]}]}"},
    {"/compute/v1/projects/34/regions/europe-west3/routers/r ",
     "{\"name\":\"r\",\"network\":\"x/default\",\"nats\":[{\"name\":\"n\","
     "\"effectiveTcpTimeWaitTimeoutSec\":30}]}"},
    {"/compute/v1/projects/34/regions/europe-west3/routers/r/getNatMappingInfo?",
     "{\"result\":[{\"interfaceNatMappings\":[{\"sourceVirtualIp\":\"10.0.0.2\","
     "\"numTotalNatPorts\":64}]}]}"},
    {"/v3/projects/own/timeSeries?", "{}"},
};

static const char *find_body(const char *request) {
  for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
    if (strncmp(request + strlen("GET "), answers[i].path, strlen(answers[i].path)) == 0)
      return answers[i].body;
  return NULL;
}

static void answer(int connection, const char *request) {
  bool metadata = strstr(request, "/computeMetadata/") != NULL;
  bool denied = !metadata && current_mood() == DENIES;
  const char *body = find_body(request);
  char text[1024];
  int status = !body ? 404 : denied ? 403 : 200;

  if (denied)
    body = "{\"error\":{\"errors\":[{\"reason\":\"forbidden\"}]}}";
  if (strstr(request, "/token "))
    __atomic_add_fetch(&token_requests, 1, __ATOMIC_RELAXED);
  snprintf(text, sizeof(text),
           "HTTP/1.1 %d X\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n%s", status,
           metadata && current_mood() != NOT_GOOGLE ? "Metadata-Flavor: Google\r\n" : "",
           body ? strlen(body) : 0, body ? body : "");
  (void)!write(connection, text, strlen(text));
}

/* One connection after the other; one that hangs is kept until the client goes. */
static void *serve(void *data) {
  int connection;

  (void)data;
  while ((connection = accept(listener, NULL, NULL)) >= 0) {
    char request[8192] = "";
    ssize_t size = read(connection, request, sizeof(request) - 1);

    if (size > 0 && current_mood() == HANGS)
      (void)!read(connection, request, sizeof(request) - 1);
    else if (size > 0)
      answer(connection, request);
    close(connection);
  }
  return NULL;
}

static pthread_t server;

static int start_server(void **state) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);

  (void)state;
  curl_global_init(CURL_GLOBAL_DEFAULT);
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 8) < 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) < 0)
    return -1;
  snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(address.sin_port));
  return pthread_create(&server, NULL, serve, NULL);
}

static int stop_server(void **state) {
  (void)state;
  shutdown(listener, SHUT_RDWR);
  pthread_join(server, NULL);
  close(listener);
  return 0;
}

/* --- Tests --------------------------------------------------------------------------------- */

static struct discovery *discovery;
static struct gateway_view view;

static struct gateway_source make_source(bool discover, bool cloud_monitoring) {
  return (struct gateway_source){.discover = discover,
                                 .cloud_monitoring = cloud_monitoring,
                                 .interval = NANOSECONDS_PER_SECOND / 10,
                                 .metadata_url = url,
                                 .compute_url = url,
                                 .monitoring_url = url};
}

static void start(const struct gateway_source *source) {
  assert_int_equal(0, discovery_start(&source, 1, &discovery));
  assert_non_null(discovery);
}

/* Until the condition holds of the view. */
static void wait_for(bool (*condition)(void)) {
  nanoseconds end = clock_now(CLOCK_MONOTONIC) + PATIENCE;

  do {
    discovery_get(discovery, 0, &view);
    if (condition())
      return;
    usleep(5000);
  } while (clock_now(CLOCK_MONOTONIC) < end);
  fail_msg("not seen within %g s; troubles: \"%s\", \"%s\", \"%s\"",
           nanoseconds_to_seconds(PATIENCE), view.troubles[0].text, view.troubles[1].text,
           view.troubles[2].text);
}

static bool is_known(void) { return view.facts.known; }
static bool is_all_well(void) {
  return view.facts.known && view.figures.drops_known &&
         view.troubles[DISCOVERY_COMPUTE].text[0] == '\0';
}
static bool is_denied(void) {
  return strstr(view.troubles[DISCOVERY_COMPUTE].text, "lacks the permission") &&
         strstr(view.troubles[DISCOVERY_MONITORING].text, "lacks the permission");
}
static bool is_not_believed(void) {
  return strstr(view.troubles[DISCOVERY_METADATA].text, "is not believed") != NULL;
}

/* However it is: the thread ends long before a request's own time is over. */
static void stop(void) {
  nanoseconds begun = clock_now(CLOCK_MONOTONIC);

  discovery_stop(discovery);
  discovery = NULL;
  assert_true(clock_now(CLOCK_MONOTONIC) - begun < 2 * NANOSECONDS_PER_SECOND);
}

static void test_without_a_question_there_is_no_thread(void **state) {
  const struct gateway_source source = make_source(false, false);
  const struct gateway_source *sources[] = {&source};

  (void)state;
  assert_int_equal(0, discovery_start(sources, 1, &discovery));
  assert_null(discovery);
  discovery_stop(discovery);
}

static void test_it_learns(void **state) {
  const struct gateway_source source = make_source(true, true);

  (void)state;
  set_mood(WELL);
  __atomic_store_n(&token_requests, 0, __ATOMIC_RELAXED);
  start(&source);
  wait_for(is_all_well);
  assert_string_equal("r", view.facts.router);
  assert_string_equal("n", view.facts.nat);
  assert_int_equal(64, view.facts.ports_now);
  assert_int_equal(64, view.facts.ports_limit);
  assert_true(view.facts.time_wait == 30 * NANOSECONDS_PER_SECOND);
  discovery_set_busy(discovery, 0, true);
  set_mood(DENIES);
  wait_for(is_denied);
  assert_true(view.facts.known);
  assert_int_equal(64, view.facts.ports_limit);
  set_mood(WELL);
  wait_for(is_all_well);
  stop();
  assert_int_equal(1, __atomic_load_n(&token_requests, __ATOMIC_RELAXED));
}

static void test_a_server_that_hangs_holds_nothing_up(void **state) {
  const struct gateway_source source = make_source(true, true);

  (void)state;
  set_mood(HANGS);
  start(&source);
  usleep(200000);
  discovery_get(discovery, 0, &view);
  assert_false(view.facts.known);
  stop();
}

static void test_a_server_of_somebody_elses_is_not_believed(void **state) {
  const struct gateway_source source = make_source(true, false);

  (void)state;
  set_mood(NOT_GOOGLE);
  start(&source);
  wait_for(is_not_believed);
  assert_false(view.facts.known);
  set_mood(WELL);
  wait_for(is_known);
  assert_string_equal("", view.troubles[DISCOVERY_METADATA].text);
  stop();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_without_a_question_there_is_no_thread),
      cmocka_unit_test(test_it_learns),
      cmocka_unit_test(test_a_server_that_hangs_holds_nothing_up),
      cmocka_unit_test(test_a_server_of_somebody_elses_is_not_believed),
  };

  return cmocka_run_group_tests_name("discovery_thread", tests, start_server, stop_server);
}
