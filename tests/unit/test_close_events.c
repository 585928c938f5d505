/* SPDX-License-Identifier: MIT
 *
 * The reader of close events against this machine's own kernel, over loopback.
 */
#include "unit.h"

#include "close_event.h"
#include "close_events.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 5000 /* for what takes 50 */

/* Others may close sockets meanwhile: only those toward our listener count. */
static struct {
  pthread_mutex_t mutex;
  uint16_t port;
  unsigned orderly, reset, portless;
} seen = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void take(const struct sock_diag_record *records, size_t count, uint64_t lost,
                 nanoseconds now, void *data) {
  (void)lost;
  (void)data;
  assert_true(now > 0);
  pthread_mutex_lock(&seen.mutex);
  for (size_t i = 0; i < count; i++) {
    enum close_event_kind kind = close_event_classify(&records[i]);

    seen.orderly += records[i].remote.port == seen.port && kind == CLOSE_EVENT_ORDERLY;
    seen.reset += records[i].remote.port == seen.port && kind == CLOSE_EVENT_RESET;
    seen.portless += records[i].remote.port == 0 && kind == CLOSE_EVENT_RESET;
  }
  pthread_mutex_unlock(&seen.mutex);
}

static bool wait_for(const unsigned *counter, unsigned least) {
  for (unsigned i = 0; i < WAIT_MS; i++) {
    unsigned value;

    pthread_mutex_lock(&seen.mutex);
    value = *counter;
    pthread_mutex_unlock(&seen.mutex);
    if (value >= least)
      return true;
    usleep(1000);
  }
  return false;
}

static int listen_on_loopback(struct sockaddr_in *address) {
  socklen_t length = sizeof(*address);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  *address = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  assert_true(listener >= 0);
  assert_int_equal(0, bind(listener, (struct sockaddr *)address, sizeof(*address)));
  assert_int_equal(0, listen(listener, 16));
  assert_int_equal(0, getsockname(listener, (struct sockaddr *)address, &length));
  seen.port = ntohs(address->sin_port);
  return listener;
}

/* Closes one connection, our end first; by a reset if `abort`. */
static void connect_and_close(int listener, const struct sockaddr_in *address,
                              bool abort) {
  const struct linger at_once = {.l_onoff = 1};
  int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int server;

  assert_int_equal(0, connect(client, (const struct sockaddr *)address, sizeof(*address)));
  server = accept(listener, NULL, NULL);
  assert_true(server >= 0);
  if (abort)
    setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  close(client);
  close(server);
}

static struct close_events *open_events(void) {
  struct close_events *events = NULL;
  int status = close_events_open(take, NULL, NULL, &events);

  if (status == -EPERM || status == -EPROTONOSUPPORT || status == -ENOENT) {
    print_message("skipped: no close events here: %s\n", strerror(-status));
    skip();
  }
  assert_int_equal(0, status);
  return events;
}

static void test_thread_receives(void **state) {
  struct sockaddr_in address;
  int listener = listen_on_loopback(&address);
  struct close_events *events = open_events();

  (void)state;
  assert_true(close_events_buffer(events) > 0);
  assert_int_equal(0, close_events_start(events));
  for (unsigned i = 0; i < 5; i++)
    connect_and_close(listener, &address, false);
  assert_true(wait_for(&seen.orderly, 5));
  for (unsigned i = 0; i < 3; i++)
    connect_and_close(listener, &address, true);
  assert_true(wait_for(&seen.portless, 3));
  assert_int_equal(0, seen.reset);
  close_events_close(events);
  close(listener);
}

static void test_drain_needs_no_thread(void **state) {
  struct sockaddr_in address;
  int listener = listen_on_loopback(&address);
  struct close_events *events = open_events();
  unsigned before = seen.orderly;

  (void)state;
  connect_and_close(listener, &address, false);
  assert_int_equal(before, seen.orderly);
  for (unsigned i = 0; i < WAIT_MS && seen.orderly == before; i++) {
    usleep(1000);
    close_events_drain(events);
  }
  assert_int_equal(before + 1, seen.orderly);
  close_events_close(events);
  close_events_close(NULL);
  close(listener);
}

static void count(const struct sock_diag_record *records, size_t count, uint64_t lost,
                  nanoseconds now, void *data) {
  unsigned *counter = data;

  (void)lost;
  (void)now;
  for (size_t i = 0; i < count; i++)
    *counter += records[i].remote.port == seen.port;
}

/* Loopback takes no gateway. The kernel hands one event to both. */
static void test_the_kernel_keeps_back_what_takes_no_gateway(void **state) {
  struct nat_config config = NAT_CONFIG_DEFAULTS;
  struct sockaddr_in address;
  int listener = listen_on_loopback(&address);
  struct close_events *all = open_events(), *few = NULL;
  unsigned before = seen.orderly, some = 0;
  size_t length;

  (void)state;
  assert_int_equal(0, nat_config_complete(&config));
  assert_int_equal(0, close_events_open(count, &some, &config, &few));
  assert_true(close_events_filter_length(few) > 0);
  assert_int_equal(0, close_events_filter_length(all));
  connect_and_close(listener, &address, false);
  for (unsigned i = 0; i < WAIT_MS && seen.orderly == before; i++) {
    usleep(1000);
    close_events_drain(all);
  }
  assert_int_equal(before + 1, seen.orderly);
  close_events_drain(few);
  assert_int_equal(0, some);

  length = close_events_filter_length(few);
  config.gateways[0].own_bypass = true;
  close_events_refilter(few, &config);
  assert_in_range(close_events_filter_length(few), 1, length - 1);
  nat_config_free(&config);
  close_events_close(all);
  close_events_close(few);
  close(listener);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_thread_receives),
      cmocka_unit_test(test_drain_needs_no_thread),
      cmocka_unit_test(test_the_kernel_keeps_back_what_takes_no_gateway),
  };

  return cmocka_run_group_tests_name("close_events", tests, NULL, NULL);
}
