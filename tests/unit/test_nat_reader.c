/* SPDX-License-Identifier: MIT
 *
 * What the reader does where it cannot have what it needs: the linker puts other close
 * events, threads and clocks in; all else is this machine's own.
 */
#include "unit.h"

#include "close_events.h"
#include "nat_reader.h"
#include "nat_values.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define S NANOSECONDS_PER_SECOND

static struct {
  int open_status, thread_status;
  unsigned opens, threads, refilters;
  time_t later;
} fake;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_close_events_open(close_events_callback *callback, void *data,
                             const struct nat_config *config,
                             struct close_events **events);
int __wrap_close_events_open(close_events_callback *callback, void *data,
                             const struct nat_config *config,
                             struct close_events **events);
void __real_close_events_refilter(struct close_events *events,
                                  const struct nat_config *config);
void __wrap_close_events_refilter(struct close_events *events,
                                  const struct nat_config *config);
int __real_close_events_start(struct close_events *events);
int __wrap_close_events_start(struct close_events *events);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now) {
  int status = __real_clock_gettime(clock, now);

  now->tv_sec += __atomic_load_n(&fake.later, __ATOMIC_RELAXED);
  return status;
}

int __wrap_close_events_open(close_events_callback *callback, void *data,
                             const struct nat_config *config,
                             struct close_events **events) {
  fake.opens++;
  assert_non_null(config);
  return fake.open_status ? fake.open_status
                          : __real_close_events_open(callback, data, config, events);
}

void __wrap_close_events_refilter(struct close_events *events,
                                  const struct nat_config *config) {
  fake.refilters++;
  __real_close_events_refilter(events, config);
}

int __wrap_close_events_start(struct close_events *events) {
  fake.threads++;
  return fake.thread_status ? fake.thread_status : __real_close_events_start(events);
}

static struct nat_config config;
static struct nat_reader *reader;

static int set_up(void **state) {
  (void)state;
  memset(&fake, 0, sizeof(fake));
  config = (struct nat_config)NAT_CONFIG_DEFAULTS;
  config.source = NAT_SOURCE_SOCKETS;
  assert_int_equal(0, nat_config_complete(&config));
  config.gateways[0].time_wait = 12 * S;
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  nat_reader_free(reader);
  reader = NULL;
  nat_config_free(&config);
  return 0;
}

static struct nat_reading read_after(time_t seconds, const struct nat_engine **engine) {
  struct nat_reading reading;

  __atomic_add_fetch(&fake.later, seconds, __ATOMIC_RELAXED);
  assert_int_equal(0, nat_reader_read(reader, S, engine, &reading));
  return reading;
}

struct given {
  unsigned coverage, lost, used;
};

static void note(enum nat_metric metric, const char *plugin_instance,
                 const char *type_instance, double value, void *data) {
  struct given *given = data;

  (void)plugin_instance;
  (void)type_instance;
  given->coverage += metric == NAT_COVERAGE && !isnan(value);
  given->lost += metric == NAT_EVENTS_LOST && !isnan(value);
  given->used += metric == NAT_PORTS_USED && !isnan(value);
}

static void expect_values(const struct nat_engine *engine, const struct nat_reading *reading,
                          unsigned of_events) {
  struct given given = {0};

  nat_values_give(&config, engine, reading, 0, note, &given);
  assert_int_equal(of_events, given.coverage);
  assert_int_equal(of_events, given.lost);
  assert_true(given.used >= 1);
}

static void skip_without_events(const struct nat_reading *reading) {
  if (reading->events == 0)
    return;
  print_message("skipped: no close events here: %s\n", strerror(-reading->events));
  skip();
}

static void test_events_are_tried_again(void **state) {
  const struct nat_engine *engine = NULL;
  struct nat_reading reading;

  (void)state;
  fake.open_status = -EPROTONOSUPPORT;
  assert_int_equal(0, nat_reader_new(&config, &reader));
  reading = read_after(1, &engine);
  assert_int_equal(-EPROTONOSUPPORT, reading.events);
  expect_values(engine, &reading, 0);
  assert_int_equal(1, fake.opens);
  read_after(10, &engine);
  assert_int_equal(2, fake.opens);
  read_after(10, &engine); /* the second time it waits for twice as long */
  assert_int_equal(2, fake.opens);
  read_after(11, &engine);
  assert_int_equal(3, fake.opens);
  assert_false(nat_engine_report(engine, 0, NAT_TCP)->estimate.high_known);

  fake.open_status = 0;
  reading = read_after(41, &engine);
  assert_int_equal(4, fake.opens);
  skip_without_events(&reading);
  assert_int_equal(1, fake.threads);
  expect_values(engine, &reading, 1);
  assert_false(nat_engine_report(engine, 0, NAT_TCP)->estimate.high_known);
  read_after(13, &engine); /* one TIME_WAIT later all is known */
  assert_true(nat_engine_report(engine, 0, NAT_TCP)->estimate.high_known);
  read_after(3600, &engine);
  assert_int_equal(4, fake.opens);
}

static void test_the_pause_has_an_end(void **state) {
  const struct nat_engine *engine = NULL;
  unsigned before;

  (void)state;
  fake.open_status = -EPERM;
  assert_int_equal(0, nat_reader_new(&config, &reader));
  for (unsigned i = 0; i < 12; i++)
    read_after(1800, &engine);
  before = fake.opens;
  assert_int_equal(13, before);
  read_after(1800, &engine);
  assert_int_equal(before + 1, fake.opens);
}

/* Events are taken at each read then. */
static void test_no_thread_is_no_failure(void **state) {
  const struct nat_engine *engine = NULL;
  struct nat_reading reading;

  (void)state;
  fake.thread_status = -EAGAIN;
  assert_int_equal(0, nat_reader_new(&config, &reader));
  reading = read_after(1, &engine);
  skip_without_events(&reading);
  assert_int_equal(-EAGAIN, reading.thread);
  expect_values(engine, &reading, 1);
  fake.thread_status = 0;
  reading = read_after(11, &engine);
  assert_int_equal(0, reading.thread);
  assert_int_equal(2, fake.threads);
  assert_int_equal(1, fake.opens);
  read_after(3600, &engine);
  assert_int_equal(2, fake.threads);
}

static void test_a_bypass_found_out_changes_the_filter(void **state) {
  const struct nat_engine *engine = NULL;
  struct nat_reading reading;
  unsigned before;

  (void)state;
  assert_int_equal(0, nat_reader_new(&config, &reader));
  reading = read_after(1, &engine);
  skip_without_events(&reading);
  before = fake.refilters;
  read_after(1, &engine);
  assert_int_equal(before, fake.refilters);
  config.gateways[0].own_bypass = true;
  read_after(1, &engine);
  assert_int_equal(before + 1, fake.refilters);
  read_after(1, &engine);
  assert_int_equal(before + 1, fake.refilters);
}

/* --- Other networks that bypass ------------------------------------------------------ */

#define CHANGES 50

static void bypass_half(struct nat_networks *networks, bool upper) {
  static const struct net_prefix halves[] = {NET_PREFIX_IPV4(0, 0, 0, 0, 1),
                                             NET_PREFIX_IPV4(128, 0, 0, 0, 1)};

  assert_int_equal(0, nat_networks_add(networks, &halves[upper]));
}

static bool is_counted(const uint8_t *bytes) {
  const struct net_address address = net_address_from_ipv4(bytes);

  return nat_engine_choose(&config, &address, &address, true) != NULL;
}

static void set_bypass(bool upper) {
  struct nat_networks bypass = {0};

  bypass_half(&bypass, upper);
  nat_reader_set_bypass(reader, &config.gateways[0].traffic, &bypass);
  nat_networks_free(&bypass);
}

static void test_other_networks_bypass_from_then_on(void **state) {
  static const uint8_t low[] = {93, 184, 216, 34}, high[] = {203, 0, 114, 1};
  const struct nat_engine *engine = NULL;
  struct nat_reading reading;
  unsigned before;

  (void)state;
  assert_int_equal(0, nat_reader_new(&config, &reader));
  reading = read_after(1, &engine);
  assert_true(is_counted(low) && is_counted(high));
  before = fake.refilters;
  set_bypass(true);
  assert_true(is_counted(low) && !is_counted(high));
  set_bypass(false);
  assert_true(!is_counted(low) && is_counted(high));
  read_after(1, &engine);
  skip_without_events(&reading);
  assert_int_equal(before + 2, fake.refilters);
}

/* What another plugin's reads do all the time. */
static void *make_passes(void *data) {
  struct flow_member *member = data;

  for (unsigned i = 0; i < 4 * CHANGES; i++) {
    const struct flow_summary *summary = NULL;

    if (flow_share_take(member, 0, &summary, NULL) < 0)
      return NULL;
    flow_summary_release(summary);
  }
  return data;
}

static void test_bypass_changes_while_others_make_passes(void **state) {
  const struct flow_needs needs = {.group_count = 0};
  const struct nat_engine *engine = NULL;
  struct flow_member *member = NULL;
  void *done = NULL;
  pthread_t thread;

  (void)state;
  assert_int_equal(0, nat_reader_new(&config, &reader));
  assert_int_equal(0, flow_share_join(&needs, &member));
  assert_int_equal(0, pthread_create(&thread, NULL, make_passes, member));
  for (unsigned i = 0; i < CHANGES; i++) {
    set_bypass(i % 2);
    read_after(0, &engine);
  }
  assert_int_equal(0, pthread_join(thread, &done));
  assert_ptr_equal(done, member);
  flow_share_leave(member);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_events_are_tried_again, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_the_pause_has_an_end, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_no_thread_is_no_failure, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_bypass_found_out_changes_the_filter, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_other_networks_bypass_from_then_on, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_bypass_changes_while_others_make_passes,
                                      set_up, tear_down),
  };

  return cmocka_run_group_tests_name("nat_reader", tests, NULL, NULL);
}
