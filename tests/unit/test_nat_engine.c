/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "nat_engine.h"

#include <math.h>
#include <string.h>

#define S NANOSECONDS_PER_SECOND

static struct net_endpoint at(const char *address, uint16_t port) {
  struct net_endpoint endpoint = {.port = port};

  assert_int_equal(0, net_address_parse(address, &endpoint.address));
  return endpoint;
}

static void add(struct nat_networks *networks, const char *text) {
  struct net_prefix prefix;

  assert_int_equal(0, net_prefix_parse(text, &prefix));
  assert_int_equal(0, nat_networks_add(networks, &prefix));
}

/* Two gateways: one for 203.0.113.0/24, the other for the rest of the world; and one
 * named destination. */
struct world {
  struct nat_config config;
  struct nat_engine *engine;
};

static int set_up(void **state) {
  static struct world world;

  world = (struct world){.config = NAT_CONFIG_DEFAULTS};
  assert_int_equal(0, nat_config_complete(&world.config));
  world.config.gateway_count = 2;
  world.config.gateways[1] = world.config.gateways[0];
  world.config.gateways[1].name = NULL;
  add(&world.config.gateways[0].traffic.networks, "203.0.113.0/24");
  world.config.gateways[0].time_wait = 12 * S;
  world.config.gateways[0].ports_per_vm = 64;
  world.config.named_count = 1;
  add(&world.config.named[0].networks, "198.51.100.0/25");
  assert_int_equal(0, nat_engine_new(&world.config,
                                     &(struct nat_engine_settings){.seed = 1},
                                     &world.engine));
  *state = &world;
  return 0;
}

static int tear_down(void **state) {
  struct world *world = *state;

  nat_engine_free(world->engine);
  nat_config_free(&world->config);
  return 0;
}

static void close_event(struct nat_engine *engine, nanoseconds time, const char *remote,
                        uint16_t local_port) {
  struct sock_diag_record record = {.local = {.port = local_port},
                                    .remote = at(remote, 443)};

  nat_engine_event(engine, time, &record);
}

static const struct nat_report *read_at(struct world *world, nanoseconds begun,
                                        const struct flow_remote *remotes, size_t count,
                                        size_t gateway) {
  const struct flow_listener listener = {.port = 3128};
  static struct flow_summary summary;

  summary = (struct flow_summary){.begun = begun,
                                  .listener_count = 1,
                                  .listeners = &listener,
                                  .remote_count = count,
                                  .remotes = remotes};
  nat_engine_read(world->engine, &summary);
  return nat_engine_report(world->engine, gateway, NAT_TCP);
}

static void test_each_gateway_has_its_own(void **state) {
  struct world *world = *state;
  const struct flow_remote remotes[] = {{at("203.0.113.9", 443), .class = 1, .open = 5},
                                        {at("198.51.100.200", 443), .class = 2, .open = 3},
                                        {at("198.51.100.200", 443), .class = 0, .open = 9}};

  close_event(world->engine, 200 * S, "203.0.113.9", 40000);
  assert_int_equal(6, read_at(world, 201 * S, remotes, 3, 0)->estimate.ports[NAT_BEST]);
  assert_int_equal(3, nat_engine_report(world->engine, 1, NAT_TCP)->estimate.ports[NAT_BEST]);
}

/* Not the most specific one has a connection, but the first that admits it: a NAT rule
 * stands before its NAT. */
static void test_of_two_that_overlap_the_first_has_it(void **state) {
  struct world *world = *state;
  struct nat_gateway_config *first = &world->config.gateways[0];
  struct nat_gateway_config *second = &world->config.gateways[1];
  const struct net_endpoint inner = at("203.0.113.9", 443);
  const struct net_endpoint source = at("10.0.0.2", 40000);
  const struct nat_gateway_config *chosen;

  add(&second->traffic.networks, "203.0.113.0/28");
  chosen = nat_engine_choose(&world->config, &source.address, &inner.address, true);
  assert_ptr_equal(first, chosen);
  close_event(world->engine, 200 * S, "203.0.113.9", 40000);
  assert_int_equal(1, read_at(world, 201 * S, NULL, 0, 0)->estimate.ports[NAT_BEST]);
  assert_int_equal(0, nat_engine_report(world->engine, 1, NAT_TCP)->estimate.ports[NAT_HIGH]);
  add(&first->traffic.bypass, "203.0.113.9");
  chosen = nat_engine_choose(&world->config, &source.address, &inner.address, true);
  assert_ptr_equal(second, chosen);
  nat_networks_free(&first->traffic.bypass);
  add(&first->traffic.sources, "10.8.0.0/16");
  chosen = nat_engine_choose(&world->config, &source.address, &inner.address, true);
  assert_ptr_equal(second, chosen);
  nat_networks_free(&first->traffic.sources);
  first->own_bypass = true;
  chosen = nat_engine_choose(&world->config, &source.address, &inner.address, true);
  assert_ptr_equal(second, chosen);
  chosen = nat_engine_choose(&world->config, &source.address, &inner.address, false);
  assert_ptr_equal(first, chosen);
}

static void test_inbound_and_own_are_left_out(void **state) {
  struct world *world = *state;
  const struct net_endpoint own = at("203.0.113.50", 0);
  const struct flow_remote remote = {at("203.0.113.50", 443), .class = 1, .open = 5};

  nat_engine_add_listener(world->engine, 3128);
  assert_int_equal(
      0, nat_engine_set_own_addresses(world->engine, &own.address, 1));
  close_event(world->engine, 200 * S, "203.0.113.9", 3128);
  close_event(world->engine, 200 * S, "203.0.113.50", 40000);
  assert_int_equal(0, read_at(world, 201 * S, &remote, 1, 0)->estimate.ports[NAT_BEST]);
  assert_true(nat_engine_listens(world->engine, 3128));
  assert_false(nat_engine_listens(world->engine, 3129));
}

static void test_names_stand_for_the_largest(void **state) {
  struct world *world = *state;
  const struct flow_remote remotes[] = {{at("198.51.100.1", 443), .class = 2, .open = 5},
                                        {at("198.51.100.2", 443), .class = 2, .open = 8},
                                        {at("198.51.100.200", 443), .class = 2, .open = 3}};
  const struct nat_report *report = read_at(world, 200 * S, remotes, 3, 1);

  assert_int_equal(8, report->named[0]);
  assert_int_equal(1, report->shown_count);
  assert_int_equal(3, report->shown[0].ports);
  assert_int_equal(0, read_at(world, 210 * S, NULL, 0, 1)->named[0]);
}

static void test_recalled_ones_find_their_gateway(void **state) {
  struct world *world = *state;
  struct nat_recalled closes[] = {
      {.time = 199 * S, .ends.remote = at("198.51.100.200", 443)},
      {.time = 198 * S, .ends = {{.port = 4000}, at("203.0.113.9", 443)}},
      {.time = 197 * S, .ends = {{.port = 4001}, at("203.0.113.9", 443)}},
      {.time = 196 * S, .ends.remote = at("10.0.0.3", 443)}};

  nat_engine_recall(world->engine, closes, 4);
  assert_int_equal(2, read_at(world, 200 * S, NULL, 0, 0)->estimate.ports[NAT_BEST]);
  assert_int_equal(1, nat_engine_report(world->engine, 1, NAT_TCP)->estimate.ports[NAT_BEST]);
}

static unsigned class_idle_for(struct world *world, uint32_t milliseconds, uint8_t state) {
  struct sock_diag_record record = {
      .remote = at("203.0.113.9", 443),
      .state = state,
      .info_copy = {.tcpi_last_data_sent = milliseconds,
                    .tcpi_last_data_recv = milliseconds + 1,
                    .tcpi_last_ack_recv = milliseconds + 2},
  };

  record.info = &record.info_copy;
  return nat_engine_classify(&world->config, &record);
}

static void test_idle_ones_hold_nothing(void **state) {
  struct world *world = *state;
  struct sock_diag_record private = {.remote = at("10.0.0.3", 443)};

  assert_true(nat_config_idle_period(&world->config) == 0);
  assert_int_equal(1, class_idle_for(world, 30000, TCP_STATE_ESTABLISHED));
  world->config.gateways[0].established_timeout = 20 * S;
  assert_true(nat_config_idle_period(&world->config) == 2 * S);
  assert_int_equal(1, class_idle_for(world, 17999, TCP_STATE_ESTABLISHED));
  assert_int_equal(1 | FLOW_DROWSY, class_idle_for(world, 18000, TCP_STATE_ESTABLISHED));
  assert_int_equal(1 | FLOW_DROWSY | FLOW_IDLE,
                   class_idle_for(world, 20000, TCP_STATE_ESTABLISHED));
  assert_int_equal(1, class_idle_for(world, 20000, TCP_STATE_SYN_SENT));
  assert_int_equal(0, nat_engine_classify(&world->config, &private));
  world->config.gateways[0].established_timeout = 1200 * S;
  assert_true(nat_config_idle_period(&world->config) == 60 * S);
}

static void test_rates(void **state) {
  struct world *world = *state;
  struct flow_remote remote = {at("203.0.113.9", 443), .class = 1, .open = 10};
  const struct nat_report *report = read_at(world, 200 * S, &remote, 1, 0);

  assert_true(isnan(report->connect_rate) && isnan(report->sustainable));
  for (unsigned i = 0; i < 20; i++)
    close_event(world->engine, 205 * S, "203.0.113.9", 40000);
  report = read_at(world, 210 * S, &remote, 1, 0);
  assert_float_equal(2.0, report->connect_rate, 0.001);
  /* 10 open at 2 a second live for 5 s; 64 ports / (5 s + 12 s). */
  assert_float_equal(64.0 / 17, report->sustainable, 0.001);
  assert_true(isnan(nat_engine_report(world->engine, 1, NAT_TCP)->sustainable));
}

static void test_coverage(void **state) {
  struct world *world = *state;
  const struct nat_report *report = read_at(world, 200 * S, NULL, 0, 1);

  assert_float_equal(1, report->coverage, 0);
  for (unsigned i = 0; i < 30; i++)
    close_event(world->engine, 205 * S, "203.0.113.9", 40000);
  nat_engine_lost(world->engine, 205 * S, 10);
  read_at(world, 210 * S, NULL, 0, 1);
  assert_float_equal(0.75, report->coverage, 0.0001);
  assert_int_equal(10, report->events_lost);
  assert_int_equal(10, report->estimate.ports[NAT_HIGH]);
  read_at(world, 220 * S, NULL, 0, 1);
  assert_float_equal(1, report->coverage, 0);
  assert_int_equal(10, report->events_lost);
}

static bool in_trouble(struct world *world, struct flow_remote remote) {
  size_t count = 0;

  remote.class = remote.remote.address.bytes[12] == 203 ? 1 : 2;
  read_at(world, 1000 * S, &remote, 1, 0);
  nat_engine_status(world->engine, &count);
  assert_true(count <= 1);
  return count == 1;
}

static void test_status_with_a_limit(void **state) {
  struct world *world = *state;
  const struct net_endpoint remote = at("203.0.113.9", 443);
  const struct nat_status_entry *entries;
  size_t count = 0;

  assert_false(in_trouble(world, (struct flow_remote){.remote = remote, .open = 63}));
  assert_true(in_trouble(world, (struct flow_remote){.remote = remote, .open = 64}));
  assert_true(in_trouble(
      world, (struct flow_remote){remote, .open = 60, .half_open = 2, .stalled = 2}));
  entries = nat_engine_status(world->engine, &count);
  assert_int_equal(64, entries[0].ports_limit);
  assert_int_equal(2, entries[0].stalled);
  assert_false(in_trouble(
      world, (struct flow_remote){remote, .open = 20, .half_open = 2, .stalled = 2}));
}

/* No destination is shown, and every port is as much as any other. */
static void test_the_least_that_can_be_asked_for(void **state) {
  struct world *world = *state;
  const struct flow_remote remote = {at("203.0.113.9", 443), .class = 1, .open = 1};
  const struct nat_report *report;

  nat_engine_free(world->engine);
  world->engine = NULL;
  world->config.top_destinations = 0;
  world->config.destination_min_ports = 65536;
  world->config.gateways[0].ports_per_vm = 1;
  world->config.gateways[0].time_wait = 86400 * S;
  assert_int_equal(0, nat_engine_new(&world->config,
                                     &(struct nat_engine_settings){.seed = 1},
                                     &world->engine));
  report = read_at(world, 200 * S, &remote, 1, 0);
  assert_int_equal(0, report->shown_count);
  assert_int_equal(1, report->estimate.ports[NAT_BEST]);
  close_event(world->engine, 201 * S, "203.0.113.9", 40000);
  close_event(world->engine, 202 * S, "203.0.113.9", 40001);
  assert_int_equal(1, read_at(world, 210 * S, &remote, 1, 0)->estimate.ports[NAT_HIGH]);
  assert_int_equal(1, read_at(world, 86600 * S, NULL, 0, 0)->estimate.ports[NAT_LOW]);
  assert_int_equal(0, read_at(world, 86602 * S, NULL, 0, 0)->estimate.ports[NAT_HIGH]);
}

static void test_status_without_a_limit(void **state) {
  struct world *world = *state;
  const struct net_endpoint remote = at("198.51.100.200", 443);

  assert_false(in_trouble(world, (struct flow_remote){.remote = remote, .open = 900}));
  assert_false(in_trouble(
      world, (struct flow_remote){remote, .open = 31, .half_open = 9, .stalled = 9}));
  assert_true(in_trouble(
      world, (struct flow_remote){remote, .open = 32, .half_open = 1, .stalled = 1}));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_each_gateway_has_its_own, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_of_two_that_overlap_the_first_has_it, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_inbound_and_own_are_left_out, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_names_stand_for_the_largest, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_recalled_ones_find_their_gateway, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_idle_ones_hold_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_rates, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_coverage, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_status_with_a_limit, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_status_without_a_limit, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_the_least_that_can_be_asked_for, set_up,
                                      tear_down),
  };

  return cmocka_run_group_tests_name("nat_engine", tests, NULL, NULL);
}
