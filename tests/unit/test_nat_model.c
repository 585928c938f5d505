/* SPDX-License-Identifier: MIT
 *
 * The model of the ports, case by case.
 */
#include "nat_given.h"

static void test_holds_a_closed_one_for_time_wait(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model = make(&settings);
  const struct net_endpoint remote = endpoint(1);

  (void)state;
  nat_model_close(model, 100 * S, &remote, NULL, NAT_CLOSE_ORDERLY);
  assert_int_equal(0, estimate(model, 99 * S, NULL, 0).ports[NAT_BEST]);
  assert_int_equal(1, estimate(model, 100 * S, NULL, 0).ports[NAT_BEST]);
  assert_int_equal(1, estimate(model, 112 * S - MS, NULL, 0).ports[NAT_LOW]);
  assert_int_equal(0, estimate(model, 112 * S, NULL, 0).ports[NAT_HIGH]);
  assert_int_equal(0, nat_table_count(nat_model_table(model)));
  nat_model_free(model);
}

static void test_bounds_an_unknown_time_wait(void **state) {
  const struct nat_model_settings settings = settings_with(0, 0);
  struct nat_model *model = make(&settings);
  const struct net_endpoint remote = endpoint(1);
  struct nat_estimate result;

  (void)state;
  nat_model_close(model, 100 * S, &remote, NULL, NAT_CLOSE_ORDERLY);
  result = estimate(model, 129 * S, NULL, 0);
  assert_int_equal(1, result.ports[NAT_LOW]);
  result = estimate(model, 130 * S, NULL, 0);
  assert_int_equal(0, result.ports[NAT_LOW]);
  assert_int_equal(0, result.ports[NAT_BEST]);
  assert_int_equal(1, result.ports[NAT_HIGH]);
  assert_true(result.high_known);
  assert_int_equal(0, estimate(model, 220 * S, NULL, 0).ports[NAT_HIGH]);
  nat_model_free(model);
}

static void test_is_wide_at_first(void **state) {
  struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model;
  struct nat_estimate result;

  (void)state;
  settings.covered_since = 100 * S;
  model = make(&settings);
  assert_int_equal(64, estimate(model, 111 * S, NULL, 0).ports[NAT_HIGH]);
  assert_int_equal(0, estimate(model, 112 * S, NULL, 0).ports[NAT_HIGH]);
  nat_model_free(model);
  settings.limit = 0;
  settings.covered_since = NAT_NEVER;
  model = make(&settings);
  result = estimate(model, 10000 * S, NULL, 0);
  assert_false(result.high_known);
  nat_model_free(model);
}

/* What closes during a dump the dump may have missed; what runs out during it is no
 * longer certain. */
static void test_a_dump_takes_its_time(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  const struct net_endpoint remote = endpoint(1), other = endpoint(2);
  struct nat_model *model = make(&settings);
  struct nat_estimate result;

  (void)state;
  nat_model_close(model, 100 * S, &remote, NULL, NAT_CLOSE_ORDERLY);
  nat_model_begin(model, 111 * S, true);
  nat_model_close(model, 112 * S, &remote, NULL, NAT_CLOSE_ORDERLY);
  nat_model_close(model, 112 * S, &remote, NULL, NAT_CLOSE_RESET);
  nat_model_close(model, 113 * S, &remote, NULL, NAT_CLOSE_UNANSWERED);
  nat_model_close_portless(model, 113 * S, &other.address, NAT_CLOSE_RESET);
  nat_model_close(model, 113 * S + MS, &remote, NULL, NAT_CLOSE_ORDERLY);
  nat_model_ended(model, 113 * S);
  nat_model_finish(model, &result);
  assert_int_equal(0, result.ports[NAT_LOW]);
  assert_int_equal(1, result.ports[NAT_BEST]);
  assert_int_equal(5, result.ports[NAT_HIGH]);
  result = estimate(model, 114 * S, NULL, 0);
  assert_int_equal(2, result.ports[NAT_LOW]);
  assert_int_equal(4, result.ports[NAT_BEST]);
  assert_int_equal(5, result.ports[NAT_HIGH]);
  result = estimate(model, 200 * S, NULL, 0);
  assert_int_equal(0, result.ports[NAT_HIGH]);
  nat_model_free(model);
}

static void test_dropped_syns_hold_nothing(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model = make(&settings);
  struct flow_remote remote = {
      .remote = endpoint(1), .open = 64, .half_open = 5, .stalled = 5};

  (void)state;
  assert_int_equal(64, estimate(model, 100 * S, &remote, 1).ports[NAT_BEST]);
  /* Ports come free, but the next SYN of those five is not sent yet. */
  remote.open = 50;
  assert_int_equal(50, estimate(model, 101 * S, &remote, 1).ports[NAT_BEST]);
  /* They give up. */
  for (unsigned i = 0; i < 5; i++)
    nat_model_close(model, 102 * S, &remote.remote, NULL, NAT_CLOSE_UNANSWERED);
  remote.half_open = remote.stalled = 0;
  assert_int_equal(50, estimate(model, 102 * S, &remote, 1).ports[NAT_BEST]);
  assert_int_equal(55, destination_of(model, 1)->ports[NAT_HIGH]);
  nat_model_free(model);
}

/* Ports were short when those connects failed, though they are not any more. */
static void test_a_past_shortage_counts(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model = make(&settings);
  struct flow_remote remote = {.remote = endpoint(1), .open = 64};

  (void)state;
  estimate(model, 100 * S, &remote, 1);
  nat_model_close(model, 104 * S, &remote.remote, NULL, NAT_CLOSE_UNANSWERED);
  remote.open = 40;
  assert_int_equal(40, estimate(model, 105 * S, &remote, 1).ports[NAT_BEST]);
  nat_model_close(model, 109 * S, &remote.remote, NULL, NAT_CLOSE_UNANSWERED);
  assert_int_equal(41, estimate(model, 110 * S, &remote, 1).ports[NAT_BEST]);
  nat_model_free(model);
}

static void test_unanswered_syns_hold_a_port(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model = make(&settings);
  struct flow_remote remote = {.remote = endpoint(1), .half_open = 5, .stalled = 5};
  struct nat_estimate result = estimate(model, 100 * S, &remote, 1);

  (void)state;
  assert_int_equal(5, result.ports[NAT_BEST]);
  assert_int_equal(0, result.ports[NAT_LOW]);
  assert_int_equal(5, result.stalled);
  nat_model_close(model, 101 * S, &remote.remote, NULL, NAT_CLOSE_UNANSWERED);
  assert_int_equal(1, estimate(model, 108 * S, NULL, 0).ports[NAT_BEST]);
  assert_int_equal(0, estimate(model, 109 * S, NULL, 0).ports[NAT_BEST]);
  nat_model_free(model);
}

static void test_places_aborts_by_their_address(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model = make(&settings);
  const struct net_endpoint known = endpoint(1), unknown = endpoint(2);
  struct net_endpoint shared = endpoint(1);
  struct flow_remote remote = {.remote = known, .open = 1};
  struct nat_estimate result;

  (void)state;
  estimate(model, 100 * S, &remote, 1);
  nat_model_close_portless(model, 101 * S, &known.address, NAT_CLOSE_RESET);
  nat_model_close_portless(model, 101 * S, &unknown.address, NAT_CLOSE_RESET);
  nat_model_close_portless(model, 101 * S, &unknown.address, NAT_CLOSE_RESET);
  result = estimate(model, 101 * S, NULL, 0);
  assert_int_equal(1, destination_of(model, 1)->ports[NAT_BEST]);
  assert_int_equal(2, result.ports[NAT_BEST]);
  assert_int_equal(0, nat_table_at(nat_model_table(model), result.busiest)->remote.port);
  assert_int_equal(3, result.ports[NAT_HIGH]);
  assert_int_equal(0, result.ports[NAT_LOW]);
  /* Another port of the address, which three in four use: aborts have the same shares,
     and could be toward either. */
  shared.port = 80;
  for (unsigned i = 0; i < 8; i++)
    nat_model_close(model, 102 * S, i % 4 ? &shared : &known, NULL, NAT_CLOSE_ORDERLY);
  for (unsigned i = 0; i < 8; i++)
    nat_model_close_portless(model, 102 * S, &known.address, NAT_CLOSE_RESET);
  result = estimate(model, 102 * S, NULL, 0);
  assert_in_range(result.ports[NAT_BEST], 6 + 5, 6 + 6);
  assert_int_equal(80, nat_table_at(nat_model_table(model), result.busiest)->remote.port);
  assert_int_equal(6 + 8 + 3, result.ports[NAT_BEST] + destination_of(model, 1)->ports[NAT_BEST]);
  assert_int_equal(result.ports[NAT_BEST] + 2 + 8, result.ports[NAT_HIGH]);
  nat_model_free(model);
}

static void test_lost_events_widen_the_bounds(void **state) {
  const struct nat_model_settings settings = settings_with(4096, 12 * S);
  struct nat_model *model = make(&settings);
  struct nat_estimate result;

  (void)state;
  nat_model_lost(model, 100 * S, 30);
  nat_model_lost(model, 100 * S, 7);
  nat_model_lost(model, 103 * S, 5);
  result = estimate(model, 102 * S, NULL, 0);
  assert_int_equal(0, result.ports[NAT_BEST]);
  assert_int_equal(37, result.ports[NAT_HIGH]);
  assert_int_equal(42, estimate(model, 104 * S, NULL, 0).ports[NAT_HIGH]);
  assert_int_equal(5, estimate(model, 112 * S, NULL, 0).ports[NAT_HIGH]);
  assert_int_equal(0, estimate(model, 115 * S, NULL, 0).ports[NAT_HIGH]);
  nat_model_free(model);
}

/* A peer may be asked for port 0, which stands for one not known where a close tells
 * none. */
static void test_port_0_is_within_its_bounds(void **state) {
  const struct nat_model_settings settings = settings_with(0, 12 * S);
  struct nat_model *model = make(&settings);
  struct flow_remote remote = {.remote = endpoint(1), .open = 3};
  struct nat_estimate result;

  (void)state;
  remote.remote.port = 0;
  nat_model_close(model, 100 * S, &remote.remote, NULL, NAT_CLOSE_ORDERLY);
  result = estimate(model, 101 * S, &remote, 1);
  assert_int_equal(4, result.ports[NAT_LOW]);
  assert_int_equal(4, result.ports[NAT_BEST]);
  assert_int_equal(4, result.ports[NAT_HIGH]);
  nat_model_free(model);
}

static void test_counts_new_connections(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model = make(&settings);
  struct flow_remote remote = {.remote = endpoint(1), .open = 4, .time_wait = 3};
  struct nat_estimate result;

  (void)state;
  assert_int_equal(0, estimate(model, 100 * S, &remote, 1).elapsed);
  nat_model_close(model, 101 * S, &remote.remote, NULL, NAT_CLOSE_ORDERLY);
  nat_model_close(model, 102 * S, &remote.remote, NULL, NAT_CLOSE_RESET);
  remote.half_open = 1; /* two have closed, four are open: two are new, and this */
  result = estimate(model, 110 * S, &remote, 1);
  assert_true(result.elapsed == 10 * S);
  assert_int_equal(3, destination_of(model, 1)->opened);
  assert_int_equal(8, result.local_ports);
  nat_model_free(model);
}

/* Twenty times as many destinations as there are places, one of them busy. */
static void test_merges_the_least(void **state) {
  const struct nat_model_settings settings = settings_with(0, 12 * S);
  struct nat_model *model = make(&settings);
  const struct net_endpoint busy = endpoint(0);
  struct nat_table *table = nat_model_table(model);
  struct nat_estimate result;
  uint32_t sum = 0;

  (void)state;
  for (unsigned i = 0; i < 50; i++)
    nat_model_close(model, 100 * S, &busy, NULL, NAT_CLOSE_ORDERLY);
  for (unsigned i = 1; i < 20000; i++) {
    const struct net_endpoint remote = endpoint(i);

    nat_model_close(model, 100 * S + i * MS / 10, &remote, NULL, NAT_CLOSE_ORDERLY);
    if (i % 400 == 0)
      result = estimate(model, 100 * S + i * MS / 10, NULL, 0);
    assert_true(nat_table_count(table) <= settings.destinations_max);
  }
  result = estimate(model, 103 * S, NULL, 0);
  assert_true(result.merged > 0);
  assert_int_equal(50, result.ports[NAT_BEST]);
  sum = nat_table_closed(table, NAT_OTHER)->held[NAT_BEST];
  for (uint32_t i = nat_table_next(table, NAT_OTHER); i; i = nat_table_next(table, i))
    sum += nat_table_closed(table, i)->held[NAT_BEST];
  assert_int_equal(50 + 19999, sum);
  result = estimate(model, 130 * S, NULL, 0);
  assert_int_equal(0, result.ports[NAT_HIGH]);
  assert_int_equal(0, nat_table_closed(table, NAT_OTHER)->held[NAT_HIGH]);
  assert_int_equal(0, nat_table_count(table));
  result = estimate(model, 131 * S, NULL, 0);
  assert_int_equal(0, result.merged);
  nat_model_free(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_holds_a_closed_one_for_time_wait),
      cmocka_unit_test(test_bounds_an_unknown_time_wait),
      cmocka_unit_test(test_is_wide_at_first),
      cmocka_unit_test(test_a_dump_takes_its_time),
      cmocka_unit_test(test_dropped_syns_hold_nothing),
      cmocka_unit_test(test_a_past_shortage_counts),
      cmocka_unit_test(test_unanswered_syns_hold_a_port),
      cmocka_unit_test(test_places_aborts_by_their_address),
      cmocka_unit_test(test_lost_events_widen_the_bounds),
      cmocka_unit_test(test_port_0_is_within_its_bounds),
      cmocka_unit_test(test_counts_new_connections),
      cmocka_unit_test(test_merges_the_least),
  };

  return cmocka_run_group_tests_name("nat_model", tests, NULL, NULL);
}
