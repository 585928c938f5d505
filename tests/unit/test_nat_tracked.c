/* SPDX-License-Identifier: MIT
 *
 * What is made of conntrack dumps, against a machine that is simulated flow by flow:
 * its kernel's table with timers of its own, and the gateway's ports.
 */
#include "unit.h"

#include "gateway_settings.h"
#include "nat_source.h"
#include "nat_tracked.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>

#define S NANOSECONDS_PER_SECOND
#define MS NANOSECONDS_PER_MILLISECOND
#define FLOWS 4000
#define NO_CLOSE INT64_MAX

static struct net_endpoint at(const char *address, uint16_t port) {
  struct net_endpoint endpoint = {.port = port};

  assert_int_equal(0, net_address_parse(address, &endpoint.address));
  return endpoint;
}

static struct nat_track_timeouts kernel_timeouts(void) {
  struct nat_track_timeouts timeouts = {
      .unacknowledged = 300 * S, .udp = 30 * S, .udp_stream = 120 * S};

  timeouts.tcp[CONNTRACK_TCP_SYN_SENT] = 120 * S;
  timeouts.tcp[CONNTRACK_TCP_ESTABLISHED] = 432000 * S;
  timeouts.tcp[CONNTRACK_TCP_TIME_WAIT] = 120 * S;
  timeouts.tcp[CONNTRACK_TCP_CLOSE] = 10 * S;
  return timeouts;
}

/* A machine at 10.1.0.1 that also forwards, behind one gateway. */
struct world {
  struct nat_config config;
  struct nat_engine *engine;
  struct nat_tracked *tracked;
  struct nat_track_timeouts timeouts;
};

static void start(struct world *world) {
  const struct nat_engine_settings settings = {.slack = S, .seed = 1};
  const struct net_endpoint own = at("10.1.0.1", 0);

  assert_int_equal(0, nat_engine_new(&world->config, &settings, &world->engine));
  assert_int_equal(0, nat_engine_set_own_addresses(world->engine, &own.address, 1));
  assert_int_equal(0, nat_tracked_new(&world->config, 1, &world->tracked));
}

static int set_up(void **state) {
  static struct world world;

  world = (struct world){.config = NAT_CONFIG_DEFAULTS, .timeouts = kernel_timeouts()};
  assert_int_equal(0, nat_config_complete(&world.config));
  world.config.gateways[0].time_wait = 30 * S;
  world.config.gateways[0].reset_timeout = 20 * S;
  start(&world);
  *state = &world;
  return 0;
}

static int tear_down(void **state) {
  struct world *world = *state;

  nat_tracked_free(world->tracked);
  nat_engine_free(world->engine);
  nat_config_free(&world->config);
  return 0;
}

static void begin(struct world *world, nanoseconds now) {
  nat_tracked_begin(world->tracked, now, nat_engine_begin(world->engine, now, true));
}

static const uint32_t *finish(struct world *world, enum nat_protocol protocol) {
  nat_tracked_finish(world->tracked, world->engine, &world->timeouts);
  nat_engine_measure(world->engine, protocol);
  nat_engine_finish(world->engine);
  return nat_engine_report(world->engine, 0, protocol)->estimate.ports;
}

static struct conntrack_flow entry_of(struct net_endpoint local,
                                       struct net_endpoint remote, uint8_t state,
                                       uint32_t timeout) {
  return (struct conntrack_flow){.protocol = IPPROTO_TCP,
                                  .tcp_state = state,
                                  .seen_reply = state != CONNTRACK_TCP_SYN_SENT,
                                  .has_timeout = true,
                                  .timeout = timeout,
                                  .source = local,
                                  .destination = remote,
                                  .reply_source = remote,
                                  .reply_destination = local};
}

static void tell(struct world *world, const struct conntrack_flow *entry,
                 nanoseconds now) {
  nat_tracked_take(world->tracked, world->engine, entry, &world->timeouts, now);
}

/* --- The simulation --------------------------------------------------------------------- */

struct flow {
  nanoseconds opened, closed; /* NO_CLOSE: never */
  bool reset;
};

struct simulation {
  struct flow flows[FLOWS];
  size_t count;
};

static void make_flows(struct simulation *simulation, nanoseconds length) {
  for (size_t i = 0; i < FLOWS; i++) {
    struct flow *flow = &simulation->flows[i];

    flow->opened = 1000 * S + (nanoseconds)i * (length / FLOWS);
    flow->closed = rand() % 8 == 0 ? NO_CLOSE : flow->opened + rand() % 8000 * MS;
    flow->reset = rand() % 4 == 0;
  }
}

static uint32_t truth(const struct world *world, const struct simulation *simulation,
                      nanoseconds now) {
  const struct nat_gateway_config *gateway = &world->config.gateways[0];
  uint32_t held = 0;

  for (size_t i = 0; i < FLOWS; i++) {
    const struct flow *flow = &simulation->flows[i];
    nanoseconds hold = flow->reset ? gateway->reset_timeout : gateway->time_wait;

    held += flow->opened <= now && (flow->closed > now || now - flow->closed < hold);
  }
  return held;
}

static void dump(struct world *world, const struct simulation *simulation,
                 nanoseconds now) {
  for (size_t i = 0; i < FLOWS; i++) {
    const struct flow *flow = &simulation->flows[i];
    bool open = flow->closed > now;
    uint8_t state = open          ? CONNTRACK_TCP_ESTABLISHED
                    : flow->reset ? CONNTRACK_TCP_CLOSE
                                  : CONNTRACK_TCP_TIME_WAIT;
    nanoseconds left =
        world->timeouts.tcp[state] - (open ? 0 : now - flow->closed);
    struct conntrack_flow entry =
        entry_of(at("10.1.0.1", (uint16_t)(20000 + i)), at("198.51.100.1", 443), state,
                 (uint32_t)(left / S));

    if (flow->opened <= now && left > 0)
      tell(world, &entry, now);
  }
}

/* Dumps at an interval, after one TIME_WAIT: never beyond the bounds, and near. */
static void simulate(struct world *world, nanoseconds interval, double most_off) {
  struct simulation *simulation = calloc(1, sizeof(*simulation));
  const nanoseconds length = 200 * S;
  double off = 0;
  unsigned reads = 0;

  assert_non_null(simulation);
  make_flows(simulation, length);
  for (nanoseconds now = 1000 * S; now < 1000 * S + length; now += interval) {
    uint32_t held = truth(world, simulation, now);
    const uint32_t *ports;

    begin(world, now);
    dump(world, simulation, now);
    ports = finish(world, NAT_TCP);
    assert_in_range(held, ports[NAT_LOW], ports[NAT_HIGH]);
    if (now < 1040 * S)
      continue;
    off += abs((int)ports[NAT_BEST] - (int)held) / (double)held;
    reads++;
  }
  if (off / reads > most_off)
    fail_msg("off by %.1f %% in the mean", 100 * off / reads);
  free(simulation);
}

static void test_with_the_kernels_own_timeouts(void **state) {
  simulate(*state, 7 * S + 300 * MS, 0.02);
}

/* This machine forgets sooner than the gateway: what vanished from its table is held. */
static void test_with_shorter_timeouts(void **state) {
  struct world *world = *state;

  world->timeouts.tcp[CONNTRACK_TCP_TIME_WAIT] = 12 * S;
  simulate(world, 5 * S, 0.02);
}

static void test_endpoint_independent_mapping(void **state) {
  struct world *world = *state;

  nat_tracked_free(world->tracked);
  nat_engine_free(world->engine);
  world->config.gateways[0].endpoint_independent = true;
  start(world);
  simulate(world, 7 * S, 0.02);
}

/* --- By hand ------------------------------------------------------------------------------- */

/* One local IP:port toward three destinations. */
static void test_a_local_endpoint_counts_once(void **state) {
  struct world *world = *state;
  const uint32_t *ports;

  nat_tracked_free(world->tracked);
  nat_engine_free(world->engine);
  world->config.gateways[0].endpoint_independent = true;
  start(world);
  begin(world, 1000 * S);
  for (uint16_t port = 1; port <= 3; port++) {
    struct conntrack_flow entry =
        entry_of(at("10.1.0.1", 4000), at("198.51.100.1", port),
                 port == 3 ? CONNTRACK_TCP_TIME_WAIT : CONNTRACK_TCP_ESTABLISHED, 119);

    tell(world, &entry, 1000 * S);
    entry.reply_destination.port = entry.source.port = 4001;
    if (port == 3)
      tell(world, &entry, 1000 * S);
  }
  ports = finish(world, NAT_TCP);
  assert_int_equal(2, ports[NAT_BEST]);
  assert_int_equal(2, ports[NAT_LOW]);
  assert_int_equal(2, ports[NAT_HIGH]);
}

/* --- What is discovered ---------------------------------------------------------------- */

static void discover(struct world *world, struct gateway_facts facts) {
  static const struct gateway_figures none;

  facts.known = true;
  assert_true(gateway_settings_apply(&world->config.gateways[0], &facts, &none));
  nat_engine_configure(world->engine, 0);
}

/* Two local endpoints, one of them toward three destinations. */
static void test_a_mapping_found_out_later(void **state) {
  struct world *world = *state;
  struct net_endpoint local = at("10.1.0.1", 4000);

  for (unsigned read = 0; read < 3; read++) {
    if (read > 0)
      discover(world, (struct gateway_facts){.endpoint_independent = read == 1});
    begin(world, (1000 + read) * S);
    for (uint16_t port = 1; port <= 4; port++) {
      struct conntrack_flow entry = entry_of(local, at("198.51.100.1", port),
                                             CONNTRACK_TCP_ESTABLISHED, 431999);

      entry.reply_destination.port = entry.source.port = port == 4 ? 4001 : 4000;
      tell(world, &entry, (1000 + read) * S);
    }
    assert_int_equal(read == 1 ? 2 : 1, finish(world, NAT_TCP)[NAT_BEST]);
  }
}

static void test_the_timeout_of_udp_found_out_later(void **state) {
  struct world *world = *state;
  struct conntrack_flow entry = entry_of(at("10.1.0.1", 4000), at("198.51.100.1", 53), 0,
                                         120 - 45); /* its last packet: 45 s ago */

  entry.protocol = IPPROTO_UDP;
  entry.assured = true;
  world->config.gateways[0].udp_timeout = 30 * S;
  nat_engine_configure(world->engine, 0);
  for (unsigned read = 0; read < 2; read++) {
    if (read == 1)
      discover(world, (struct gateway_facts){.udp = 60 * S});
    begin(world, (1000 + read) * S);
    tell(world, &entry, (1000 + read) * S);
    assert_int_equal(read, finish(world, NAT_UDP)[NAT_BEST]);
  }
}

/* The machine's own address has an external one beside it; those it forwards for have
 * none. */
static void test_what_is_forwarded_takes_the_gateway_all_the_same(void **state) {
  struct world *world = *state;
  struct conntrack_flow own = entry_of(at("10.1.0.1", 4000), at("198.51.100.1", 443),
                                       CONNTRACK_TCP_ESTABLISHED, 431999);
  struct conntrack_flow forwarded = entry_of(at("10.8.0.7", 4000), at("198.51.100.1", 443),
                                             CONNTRACK_TCP_ESTABLISHED, 431999);
  struct conntrack_flow masqueraded = forwarded;

  masqueraded.source.port = 4001;
  masqueraded.reply_destination = at("10.1.0.1", 4001);
  for (unsigned read = 0; read < 2; read++) {
    if (read == 1) {
      nat_tracked_free(world->tracked);
      nat_engine_free(world->engine);
      start(world);
      discover(world, (struct gateway_facts){.type = GCP_NAT_PUBLIC, .external = "192.0.2.9"});
    }
    begin(world, (1000 + read) * S);
    tell(world, &own, (1000 + read) * S);
    tell(world, &forwarded, (1000 + read) * S);
    tell(world, &masqueraded, (1000 + read) * S);
    assert_int_equal(read == 0 ? 3 : 1, finish(world, NAT_TCP)[NAT_LOW]);
  }
  /* A port that listens here is no matter to those. */
  nat_engine_add_listener(world->engine, 4000);
  begin(world, 1002 * S);
  tell(world, &forwarded, 1002 * S);
  assert_int_equal(1, finish(world, NAT_TCP)[NAT_LOW]);
}

static void test_a_reset_that_vanished_between_two_dumps(void **state) {
  struct world *world = *state;
  struct conntrack_flow entry = entry_of(at("10.1.0.1", 4000), at("198.51.100.1", 443),
                                          CONNTRACK_TCP_ESTABLISHED, 431999);

  begin(world, 1000 * S);
  tell(world, &entry, 1000 * S);
  assert_int_equal(1, finish(world, NAT_TCP)[NAT_BEST]);
  begin(world, 1015 * S); /* longer than nf_conntrack_tcp_timeout_close */
  assert_int_equal(1, finish(world, NAT_TCP)[NAT_BEST]);
  begin(world, 1028 * S); /* from the middle of the gap: the ResetTimeout of 20 s */
  assert_int_equal(0, finish(world, NAT_TCP)[NAT_BEST]);
  begin(world, 1030 * S);
  assert_int_equal(1, finish(world, NAT_TCP)[NAT_HIGH]);
}

static void test_half_open_ones(void **state) {
  struct world *world = *state;
  struct conntrack_flow entry = entry_of(at("10.1.0.1", 4000), at("198.51.100.1", 443),
                                          CONNTRACK_TCP_SYN_SENT, 119);
  const uint32_t *ports;

  begin(world, 1000 * S);
  tell(world, &entry, 1000 * S);
  ports = finish(world, NAT_TCP);
  assert_int_equal(0, ports[NAT_LOW]);
  assert_int_equal(1, ports[NAT_BEST]);
  begin(world, 1025 * S);
  entry.timeout = 94;
  tell(world, &entry, 1025 * S);
  assert_int_equal(1, finish(world, NAT_TCP)[NAT_BEST]);
  begin(world, 1035 * S); /* 30 s after its SYN */
  entry.timeout = 84;
  tell(world, &entry, 1035 * S);
  assert_int_equal(0, finish(world, NAT_TCP)[NAT_HIGH]);
}

static void test_idle_ones_hold_nothing(void **state) {
  struct world *world = *state;
  struct conntrack_flow entry = entry_of(at("10.1.0.1", 4000), at("198.51.100.1", 443),
                                          CONNTRACK_TCP_ESTABLISHED, 432000 - 1190);

  world->config.gateways[0].established_timeout = 1200 * S;
  begin(world, 10000 * S);
  tell(world, &entry, 10000 * S);
  assert_int_equal(1, finish(world, NAT_TCP)[NAT_LOW]);
  begin(world, 10015 * S);
  entry.timeout = 432000 - 1205;
  tell(world, &entry, 10015 * S);
  assert_int_equal(0, finish(world, NAT_TCP)[NAT_HIGH]);
  begin(world, 10025 * S); /* data under way: the timer is another one */
  entry.timeout = 290;
  tell(world, &entry, 10025 * S);
  assert_int_equal(1, finish(world, NAT_TCP)[NAT_LOW]);
}

static void test_udp(void **state) {
  struct world *world = *state;
  struct conntrack_flow entry =
      entry_of(at("10.1.0.1", 4000), at("198.51.100.1", 443), CONNTRACK_TCP_NONE, 29);

  entry.protocol = IPPROTO_UDP;
  begin(world, 1000 * S);
  tell(world, &entry, 1000 * S);
  assert_int_equal(1, finish(world, NAT_UDP)[NAT_LOW]);
  begin(world, 1010 * S);
  entry.assured = true; /* a stream, 40 s after its last packet */
  entry.timeout = 80;
  tell(world, &entry, 1010 * S);
  assert_int_equal(0, finish(world, NAT_UDP)[NAT_HIGH]);
  assert_int_equal(0, nat_engine_report(world->engine, 0, NAT_TCP)->estimate.ports[NAT_BEST]);
}

static void test_inbound_private_and_odd_ones_do_not_count(void **state) {
  struct world *world = *state;
  const struct net_endpoint own = at("10.1.0.1", 3128), far = at("198.51.100.1", 443);
  struct conntrack_flow inbound = entry_of(far, own, CONNTRACK_TCP_ESTABLISHED, 431999);
  struct conntrack_flow private =
      entry_of(own, at("10.2.0.1", 80), CONNTRACK_TCP_ESTABLISHED, 431999);
  struct conntrack_flow passed_on = inbound; /* DNAT to a container */
  struct conntrack_flow other =
      entry_of(at("10.1.0.1", 4000), far, CONNTRACK_TCP_NONE, 29);
  struct conntrack_flow remains =
      entry_of(at("10.1.0.1", 4000), far, CONNTRACK_TCP_ESTABLISHED, 250);

  passed_on.reply_source = at("172.17.0.2", 80);
  other.protocol = IPPROTO_ICMP;
  remains.seen_reply = false; /* its last packet is 50 s old */
  begin(world, 1000 * S);
  tell(world, &inbound, 1000 * S);
  tell(world, &private, 1000 * S);
  tell(world, &passed_on, 1000 * S);
  tell(world, &other, 1000 * S);
  tell(world, &remains, 1000 * S);
  assert_int_equal(0, finish(world, NAT_TCP)[NAT_HIGH]);
  assert_int_equal(0, nat_tracked_counts(world->tracked).own);
}

/* Two containers behind this machine's own masquerading, and the machine itself. */
static void test_sources_of_forwarded_flows(void **state) {
  struct world *world = *state;
  const struct nat_report *report;

  begin(world, 1000 * S);
  for (uint16_t i = 0; i < 30; i++) {
    struct conntrack_flow entry =
        entry_of(at("10.1.0.1", (uint16_t)(5000 + i)), at("198.51.100.1", i < 12 ? 443 : 80),
                 i % 2 ? CONNTRACK_TCP_TIME_WAIT : CONNTRACK_TCP_ESTABLISHED, 119);

    entry.source.address = at(i < 20 ? "172.17.0.2" : "172.17.0.3", 0).address;
    if (i >= 28)
      entry.source.address = at("10.1.0.1", 0).address;
    tell(world, &entry, 1000 * S);
  }
  assert_int_equal(18, finish(world, NAT_TCP)[NAT_BEST]); /* toward port 80 */
  report = nat_engine_report(world->engine, 0, NAT_TCP);
  assert_int_equal(2, report->source_count);
  assert_int_equal(12, report->sources[0].ports); /* 12 toward 443, 8 toward 80 */
  assert_int_equal(8, report->sources[1].ports);
  assert_int_equal(1, nat_tracked_counts(world->tracked).own);
  assert_int_equal(14, nat_tracked_counts(world->tracked).forwarded);
}

/* --- What to count ---------------------------------------------------------------------------- */

static enum nat_source look(struct nat_source_choice *choice, uint64_t sockets,
                            uint64_t tracked, uint64_t forwarded) {
  const struct nat_source_view view = {sockets, tracked, forwarded};

  return nat_source_look(choice, &view);
}

static void test_the_choice_of_the_source(void **state) {
  struct nat_source_choice choice = {.now = NAT_SOURCE_SOCKETS};

  (void)state;
  assert_int_equal(NAT_SOURCE_SOCKETS, look(&choice, 0, 0, 0));
  assert_int_equal(NAT_SOURCE_CONNTRACK, look(&choice, 100, 95, 0)); /* the first */
  assert_int_equal(NAT_SOURCE_CONNTRACK, look(&choice, 100, 20, 0));
  assert_int_equal(NAT_SOURCE_CONNTRACK, look(&choice, 100, 100, 0));
  assert_int_equal(NAT_SOURCE_CONNTRACK, look(&choice, 100, 20, 50));
  assert_int_equal(NAT_SOURCE_SOCKETS, look(&choice, 100, 20, 50));
  assert_int_equal(NAT_SOURCE_SOCKETS, look(&choice, 0, 0, 0));
  assert_int_equal(NAT_SOURCE_SOCKETS, look(&choice, 0, 0, 9)); /* a router */
  assert_int_equal(NAT_SOURCE_CONNTRACK, look(&choice, 0, 0, 9));
}

int main(void) {
  const char *given = getenv("EGRESS_TEST_SEED");
  unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_with_the_kernels_own_timeouts, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_with_shorter_timeouts, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_endpoint_independent_mapping, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_mapping_found_out_later, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_the_timeout_of_udp_found_out_later, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(
          test_what_is_forwarded_takes_the_gateway_all_the_same, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_local_endpoint_counts_once, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_reset_that_vanished_between_two_dumps, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_half_open_ones, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_idle_ones_hold_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_udp, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_inbound_private_and_odd_ones_do_not_count, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_sources_of_forwarded_flows, set_up, tear_down),
      cmocka_unit_test(test_the_choice_of_the_source),
  };

  print_message("EGRESS_TEST_SEED=%u\n", seed);
  srand(seed);
  return cmocka_run_group_tests_name("nat_tracked", tests, NULL, NULL);
}
