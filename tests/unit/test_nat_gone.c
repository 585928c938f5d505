/* SPDX-License-Identifier: MIT
 *
 * Connections whose close was not told, or told in part: found again in the summaries.
 */
#include "unit.h"

#include "nat_engine.h"
#include "nat_gone.h"

#include <string.h>

#define S NANOSECONDS_PER_SECOND

static struct net_endpoint at(const char *address, uint16_t port) {
  struct net_endpoint endpoint = {.port = port};

  assert_int_equal(0, net_address_parse(address, &endpoint.address));
  return endpoint;
}

/* --- Summaries ------------------------------------------------------------------------- */

#define REMOTES 3
#define HTTPS 0 /* two ports at one address */
#define HTTP 1
#define ELSEWHERE 2

/* A summary to which connections are added one by one. */
struct dump {
  struct flow_summary summary;
  struct flow_remote remotes[REMOTES];
  uint32_t by_local_port[65536];
};

/* The two that are compared, in turn: the engine keeps the last. */
static struct dump dumps[2];
static unsigned taken;

static struct dump *new_dump(nanoseconds begun) {
  struct dump *dump = &dumps[taken++ % 2];

  *dump = (struct dump){.summary = {.begun = begun,
                                    .remote_count = REMOTES,
                                    .remotes = dump->remotes,
                                    .by_local_port = dump->by_local_port},
                        .remotes = {[HTTPS] = {at("198.51.100.10", 443), .class = 1},
                                    [HTTP] = {at("198.51.100.10", 80), .class = 1},
                                    [ELSEWHERE] = {at("203.0.113.9", 443), .class = 1}}};
  return dump;
}

static void hold(struct dump *dump, unsigned remote, uint16_t port) {
  dump->remotes[remote].open++;
  dump->by_local_port[port] = remote + 1;
}

/* --- What is gone -------------------------------------------------------------------------- */

static struct {
  unsigned confirmed, suspected;
  uint16_t port;
} told;

static void confirm(const struct nat_suspect *suspect, void *data) {
  (void)data;
  told.confirmed++;
  told.port = suspect->port;
}

static void suspect_it(const struct nat_suspect *suspect, void *data) {
  (void)data;
  told.suspected++;
  told.port = suspect->port;
}

static void compare(struct nat_gone *gone, const struct dump *before,
                    const struct dump *now) {
  memset(&told, 0, sizeof(told));
  nat_gone_compare(gone, &before->summary, &now->summary, confirm, suspect_it, NULL);
}

static struct nat_gone gone;

static int start(void **state) {
  (void)state;
  nat_gone_init(&gone);
  return 0;
}

static int stop(void **state) {
  (void)state;
  nat_gone_free(&gone);
  return 0;
}

static void test_gone_without_an_event(void **state) {
  struct dump *first = new_dump(1), *second;

  (void)state;
  hold(first, HTTPS, 40000);
  second = new_dump(2);
  compare(&gone, first, second);
  assert_int_equal(1, told.suspected);
  assert_int_equal(40000, told.port);
  assert_int_equal(0, told.confirmed);
  compare(&gone, second, new_dump(3));
  assert_int_equal(1, told.confirmed);
  assert_int_equal(40000, told.port);
  assert_false(nat_gone_event(&gone, 40000)); /* it came late: counted already */
  assert_true(nat_gone_event(&gone, 40000));
}

static void test_gone_with_an_event(void **state) {
  struct dump *first = new_dump(1), *second;

  (void)state;
  hold(first, HTTPS, 40000);
  assert_true(nat_gone_event(&gone, 40000));
  second = new_dump(2);
  compare(&gone, first, second);
  assert_int_equal(0, told.suspected);
  compare(&gone, second, new_dump(3));
  assert_int_equal(0, told.confirmed);
}

static void test_the_event_was_on_its_way(void **state) {
  struct dump *first = new_dump(1), *second;

  (void)state;
  hold(first, HTTPS, 40000);
  second = new_dump(2);
  compare(&gone, first, second);
  assert_int_equal(1, told.suspected);
  assert_true(nat_gone_event(&gone, 40000));
  compare(&gone, second, new_dump(3));
  assert_int_equal(0, told.confirmed);
}

/* A dump is no snapshot: it may miss one. */
static void test_one_that_is_back_was_missed(void **state) {
  struct dump *first = new_dump(1), *second, *third;

  (void)state;
  hold(first, HTTPS, 40000);
  second = new_dump(2);
  compare(&gone, first, second);
  third = new_dump(3);
  hold(third, HTTPS, 40000);
  compare(&gone, second, third);
  assert_int_equal(0, told.confirmed);
  assert_int_equal(0, told.suspected);
}

/* The event of the next connection on that port is its own. */
static void test_its_port_has_another_connection(void **state) {
  struct dump *first = new_dump(1), *second, *third;

  (void)state;
  hold(first, HTTPS, 40000);
  second = new_dump(2);
  hold(second, ELSEWHERE, 40000);
  compare(&gone, first, second);
  assert_int_equal(1, told.suspected);
  third = new_dump(3);
  hold(third, ELSEWHERE, 40000);
  compare(&gone, second, third);
  assert_int_equal(1, told.confirmed);
  assert_true(nat_gone_event(&gone, 40000));
}

/* --- What the engine makes of it --------------------------------------------------------------- */

static struct nat_config config;
static struct nat_engine *engine;

static int set_up_with(nanoseconds covered_since) {
  const struct nat_engine_settings settings = {
      .covered_since = {covered_since, covered_since}, .seed = 1};

  config = (struct nat_config)NAT_CONFIG_DEFAULTS;
  assert_int_equal(0, nat_config_complete(&config));
  config.gateways[0].time_wait = 30 * S;
  config.gateways[0].reset_timeout = 10 * S;
  assert_int_equal(0, nat_engine_new(&config, &settings, &engine));
  return 0;
}

static int set_up(void **state) {
  (void)state;
  return set_up_with(1);
}

static int set_up_without_events(void **state) {
  (void)state;
  return set_up_with(NAT_NEVER);
}

static int tear_down(void **state) {
  (void)state;
  nat_engine_free(engine);
  nat_config_free(&config);
  return 0;
}

static const struct nat_report *read_it(const struct dump *dump) {
  nat_engine_read(engine, &dump->summary);
  return nat_engine_report(engine, 0, NAT_TCP);
}

static uint32_t ports_to(const struct nat_report *report, unsigned remote) {
  for (size_t i = 0; i < report->shown_count; i++)
    if (net_endpoint_equal(&report->shown[i].remote, &dumps[0].remotes[remote].remote))
      return report->shown[i].ports;
  return 0;
}

/* An aborted socket's event: its own address and the other's port are forgotten. */
static void abort_it(nanoseconds time, const char *remote, uint16_t local_port) {
  const struct sock_diag_record record = {.local = {.port = local_port},
                                          .remote = at(remote, 0)};

  nat_engine_event(engine, time, &record);
}

static void test_aborts_are_resolved_by_local_port(void **state) {
  const struct nat_report *report;
  struct dump *dump = new_dump(100 * S);

  (void)state;
  config.gateways[0].reset_timeout = 30 * S;
  nat_engine_configure(engine, 0);
  for (unsigned i = 0; i < 5; i++)
    hold(dump, HTTPS, (uint16_t)(40000 + i));
  for (unsigned i = 0; i < 4; i++)
    hold(dump, HTTP, (uint16_t)(50000 + i));
  report = read_it(dump);
  assert_int_equal(5, ports_to(report, HTTPS));
  assert_int_equal(4, ports_to(report, HTTP));
  for (unsigned i = 0; i < 4; i++)
    abort_it(105 * S, "198.51.100.10", (uint16_t)(50000 + i));
  dump = new_dump(110 * S);
  for (unsigned i = 0; i < 5; i++)
    hold(dump, HTTPS, (uint16_t)(40000 + i));
  report = read_it(dump);
  assert_int_equal(5, ports_to(report, HTTPS));
  assert_int_equal(4, ports_to(report, HTTP));
  assert_int_equal(5, report->estimate.ports[NAT_HIGH]); /* none is in doubt */
}

static void close_it(nanoseconds time, unsigned remote, uint16_t local_port) {
  const struct sock_diag_record record = {.local = {.port = local_port},
                                          .remote = dumps[0].remotes[remote].remote};

  nat_engine_event(engine, time, &record);
}

/* Of short connections no summary knows; those with local ports beside theirs went to
 * the same port. */
static void test_short_ones_are_resolved_by_their_neighbours(void **state) {
  const struct nat_report *report;

  (void)state;
  config.gateways[0].reset_timeout = 30 * S;
  nat_engine_configure(engine, 0);
  read_it(new_dump(100 * S));
  for (unsigned i = 0; i < 30; i++) {
    close_it(101 * S, HTTPS, (uint16_t)(40000 + 4 * i));
    if (i < 10)
      close_it(101 * S, HTTP, (uint16_t)(50000 + 4 * i));
  }
  for (unsigned i = 0; i < 10; i++)
    abort_it(102 * S, "198.51.100.10", (uint16_t)(50002 + 4 * i));
  report = read_it(new_dump(110 * S));
  assert_int_equal(30, ports_to(report, HTTPS));
  assert_int_equal(20, ports_to(report, HTTP));
  assert_int_equal(30 + 10, report->estimate.ports[NAT_HIGH]); /* likely, not certain */
}

/* It is in the summary, and its event comes before the summary is looked at. */
static void test_one_that_closes_after_it_was_seen(void **state) {
  struct dump *dump = new_dump(100 * S);

  (void)state;
  hold(dump, HTTPS, 40000);
  close_it(100 * S + S / 20, HTTPS, 40000);
  assert_int_equal(1, read_it(dump)->estimate.ports[NAT_BEST]);
  assert_int_equal(1, read_it(new_dump(110 * S))->estimate.ports[NAT_BEST]);
}

/* Its local port has another connection since: one port. */
static void test_one_whose_local_port_is_used_again(void **state) {
  struct dump *dump;

  (void)state;
  read_it(new_dump(100 * S));
  close_it(101 * S, HTTPS, 40000);
  dump = new_dump(110 * S);
  hold(dump, HTTPS, 40000);
  assert_int_equal(1, read_it(dump)->estimate.ports[NAT_BEST]);
}

/* What is known of the local port is of another address: then it is the port that is in
 * use at this one. */
static void test_another_address_does_not_resolve(void **state) {
  const struct nat_report *report;

  (void)state;
  for (unsigned i = 0; i < 2; i++) {
    struct dump *dump = new_dump((100 + 10 * i) * S);

    hold(dump, ELSEWHERE, 40000);
    hold(dump, ELSEWHERE, 40001);
    hold(dump, HTTP, 50000);
    hold(dump, HTTP, 50001);
    if (i > 0)
      abort_it(105 * S, "198.51.100.10", 40000);
    report = read_it(dump);
  }
  assert_int_equal(2, ports_to(report, ELSEWHERE));
  assert_int_equal(3, ports_to(report, HTTP));
}

/* With events, one that closes in order has one: what has none was reset. */
static void test_one_without_an_event_was_reset(void **state) {
  struct dump *dump = new_dump(100 * S);
  const struct nat_report *report;

  (void)state;
  hold(dump, HTTPS, 40000);
  hold(dump, HTTPS, 40001);
  assert_int_equal(2, read_it(dump)->estimate.ports[NAT_BEST]);
  report = read_it(new_dump(110 * S)); /* their events may be on their way */
  assert_int_equal(2, report->estimate.ports[NAT_BEST]);
  assert_int_equal(0, report->estimate.ports[NAT_LOW]);
  report = read_it(new_dump(120 * S));
  assert_int_equal(2, report->estimate.ports[NAT_BEST]);
  report = read_it(new_dump(131 * S)); /* past ResetTimeout */
  assert_int_equal(0, report->estimate.ports[NAT_BEST]);
  assert_int_equal(2, report->estimate.ports[NAT_HIGH]);
  report = read_it(new_dump(151 * S)); /* past TimeWait */
  assert_int_equal(0, report->estimate.ports[NAT_HIGH]);
}

/* Without events most that go have closed in order. */
static void test_without_events_all_close_in_order(void **state) {
  struct dump *dump = new_dump(100 * S);

  (void)state;
  hold(dump, HTTPS, 40000);
  hold(dump, HTTPS, 40001);
  read_it(dump);
  read_it(new_dump(110 * S));
  read_it(new_dump(120 * S));
  assert_int_equal(2, read_it(new_dump(149 * S))->estimate.ports[NAT_LOW]);
  assert_int_equal(0, read_it(new_dump(151 * S))->estimate.ports[NAT_BEST]);
}

/* Ten events were lost; the sockets still say of seven where they went. */
static void test_lost_events_are_healed(void **state) {
  struct nat_recalled closes[8];
  const struct nat_report *report;
  struct sock_diag_record told_of = {.local = {.port = 40000},
                                     .remote = at("198.51.100.10", 443)};

  (void)state;
  read_it(new_dump(100 * S));
  nat_engine_event(engine, 104 * S, &told_of);
  nat_engine_lost(engine, 105 * S, 10);
  assert_int_equal(10, nat_engine_lost_lately(engine));
  for (unsigned i = 0; i < 8; i++)
    closes[i] = (struct nat_recalled){
        .time = 104 * S,
        .ends = {{.port = (uint16_t)(40000 + i)}, dumps[0].remotes[i < 6 ? HTTPS : HTTP].remote}};
  nat_engine_heal(engine, 110 * S, closes, 8);
  report = read_it(new_dump(110 * S));
  assert_int_equal(6, ports_to(report, HTTPS));
  assert_int_equal(2, ports_to(report, HTTP));
  assert_int_equal(6 + 3, report->estimate.ports[NAT_HIGH]); /* three could be anywhere */
  assert_int_equal(10, report->events_lost);
  assert_float_equal(1.0 / 11, report->coverage, 0.001);
  report = read_it(new_dump(120 * S));
  assert_int_equal(6, ports_to(report, HTTPS));
  assert_float_equal(1, report->coverage, 0);
}

/* One that was open before, and whose event was among the lost, closed in order. */
static void test_a_lost_one_that_was_seen_before(void **state) {
  struct dump *dump = new_dump(100 * S), *second;
  const struct nat_report *report;

  (void)state;
  hold(dump, HTTPS, 40000);
  hold(dump, HTTPS, 40001);
  read_it(dump);
  second = new_dump(110 * S);
  read_it(second);
  nat_engine_lost(engine, 115 * S, 2);
  report = read_it(new_dump(120 * S));
  assert_int_equal(2, report->estimate.ports[NAT_LOW]);
  assert_int_equal(2, report->estimate.ports[NAT_HIGH]);
  assert_int_equal(2, read_it(new_dump(149 * S))->estimate.ports[NAT_BEST]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_gone_without_an_event, start, stop),
      cmocka_unit_test_setup_teardown(test_gone_with_an_event, start, stop),
      cmocka_unit_test_setup_teardown(test_the_event_was_on_its_way, start, stop),
      cmocka_unit_test_setup_teardown(test_one_that_is_back_was_missed, start, stop),
      cmocka_unit_test_setup_teardown(test_its_port_has_another_connection, start, stop),
      cmocka_unit_test_setup_teardown(test_aborts_are_resolved_by_local_port, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_short_ones_are_resolved_by_their_neighbours,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_one_that_closes_after_it_was_seen, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_one_whose_local_port_is_used_again, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_another_address_does_not_resolve, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_one_without_an_event_was_reset, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_without_events_all_close_in_order,
                                      set_up_without_events, tear_down),
      cmocka_unit_test_setup_teardown(test_lost_events_are_healed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_lost_one_that_was_seen_before, set_up,
                                      tear_down),
  };

  return cmocka_run_group_tests_name("nat_gone", tests, NULL, NULL);
}
