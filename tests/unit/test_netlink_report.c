/* SPDX-License-Identifier: MIT */
#include "netlink_report.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 200

/* What was reported, as "type|PI|TI" and its number. */
static struct {
  size_t count;
  struct {
    char name[128];
    double value;
  } values[VALUES_MAX];
} reported;

static void take(enum netlink_metric metric, const char *plugin_instance,
                 const char *type_instance, double value) {
  assert_true(reported.count < VALUES_MAX);
  snprintf(reported.values[reported.count].name, sizeof(reported.values[0].name),
           "%s|%s|%s", netlink_metrics.metrics[metric].type, plugin_instance,
           type_instance ? type_instance : "");
  reported.values[reported.count++].value = value;
}

static void take_gauge(enum netlink_metric metric, const char *plugin_instance,
                       const char *type_instance, double value) {
  assert_int_equal(netlink_metrics.metrics[metric].kind, METRIC_GAUGE);
  take(metric, plugin_instance, type_instance, value);
}

static void take_derive(enum netlink_metric metric, const char *plugin_instance,
                        const char *type_instance, int64_t value) {
  assert_int_equal(netlink_metrics.metrics[metric].kind, METRIC_DERIVE);
  take(metric, plugin_instance, type_instance, (double)value);
}

static const struct netlink_sink sink = {take_gauge, take_derive};

static int reset(void **state) {
  (void)state;
  memset(&reported, 0, sizeof(reported));
  return 0;
}

static const double *find(const char *name) {
  for (size_t i = 0; i < reported.count; i++)
    if (strcmp(reported.values[i].name, name) == 0)
      return &reported.values[i].value;
  return NULL;
}

static void assert_value(const char *name, double expected) {
  const double *value = find(name);

  if (!value)
    fail_msg("%s is missing", name);
  else if (fabs(*value - expected) > 1e-9)
    fail_msg("%s is %g, expected %g", name, *value, expected);
}

static struct netlink_config make_config(char *name) {
  struct netlink_config config = NETLINK_CONFIG_DEFAULTS;

  config.group_count = 1;
  config.groups[0].name = name;
  return config;
}

/* Three groups of the summary are another plugin's, or `all`. */
#define SUMMARY_GROUPS 4

static void test_tcp(void **state) {
  static const uint64_t states[SUMMARY_GROUPS][TCP_STATE_COUNT] = {
      [0] = {[TCP_STATE_ESTABLISHED] = 7, [TCP_STATE_CLOSE] = 2},
      [1] = {[TCP_STATE_ESTABLISHED] = 99},
      [3] = {[TCP_STATE_SYN_RECEIVED] = 3}};
  static const uint64_t retransmitting[SUMMARY_GROUPS] = {5, 99, 99, 1};
  static const struct flow_rtt rtt[SUMMARY_GROUPS] = {
      {7, 1500000, 2 * NANOSECONDS_PER_SECOND, 3 * NANOSECONDS_PER_SECOND}};
  static const struct flow_listener listener = {
      .port = 3128, .accept_queue = 4, .accept_limit = 128};
  struct flow_summary summary = {.group_count = SUMMARY_GROUPS,
                                 .states = states,
                                 .retransmitting = retransmitting,
                                 .rtt = rtt,
                                 .listener_count = 1,
                                 .listeners = &listener};
  char name[] = "clients";
  struct netlink_config config = make_config(name);

  (void)state;
  netlink_report_tcp(&config, &summary, 3, &sink);
  assert_value("tcp_connections|all|ESTABLISHED", 7);
  assert_value("tcp_connections|all|CLOSED", 2);
  assert_value("tcp_connections|all|LISTEN", 0);
  assert_value("tcp_connections|clients|SYN_RECV", 3);
  assert_value("tcp_connections|clients|ESTABLISHED", 0);
  assert_value("retransmitting|all|", 5);
  assert_value("retransmitting|clients|", 1);
  assert_value("latency|all|rtt_p50", 0.0015);
  assert_value("latency|all|rtt_p95", 2);
  assert_value("latency|all|rtt_p99", 3);
  assert_value("queue_length|listen:3128|accept", 4);
  assert_value("queue_length|listen:3128|accept_max", 128);
  /* A group without a measured socket has no latency. */
  assert_int_equal(reported.count, 2 * 11 + 2 + 3 + 2);
}

static void test_tcp_from_proc(void **state) {
  static const uint64_t states[1][TCP_STATE_COUNT] = {{0}};
  static const uint64_t retransmitting[1] = {0};
  static const struct flow_rtt rtt[1] = {{0, 0, 0, 0}};
  static const struct flow_listener listener = {.port = 80, .accept_queue = 1};
  struct flow_summary summary = {.group_count = 1,
                                 .fallback = -2,
                                 .states = states,
                                 .retransmitting = retransmitting,
                                 .rtt = rtt,
                                 .listener_count = 1,
                                 .listeners = &listener};
  const struct netlink_config config = NETLINK_CONFIG_DEFAULTS;

  (void)state;
  netlink_report_tcp(&config, &summary, 1, &sink);
  assert_value("queue_length|listen:80|accept", 1);
  assert_null(find("queue_length|listen:80|accept_max"));
  assert_null(find("latency|all|rtt_p50"));
}

/* Another plugin may have asked for what this one's configuration does not want. */
static void test_latency_off(void **state) {
  static const uint64_t states[1][TCP_STATE_COUNT] = {{0}};
  static const uint64_t retransmitting[1] = {2};
  static const struct flow_rtt rtt[1] = {{1, 1, 1, 1}};
  const struct flow_summary summary = {
      .group_count = 1, .states = states, .retransmitting = retransmitting, .rtt = rtt};
  struct netlink_config config = NETLINK_CONFIG_DEFAULTS;

  (void)state;
  config.latency = false;
  netlink_report_tcp(&config, &summary, 1, &sink);
  assert_null(find("latency|all|rtt_p50"));
  assert_value("retransmitting|all|", 2);
}

static void test_udp(void **state) {
  static const struct flow_udp_group groups[] = {{9, 4096}, {1, 0}};
  const struct flow_udp_summary summary = {.group_count = 2, .groups = groups};
  char name[] = "resolver";
  struct netlink_config config = make_config(name);

  (void)state;
  netlink_report_udp(&config, &summary, 1, &sink);
  assert_value("udp_sockets|all|", 9);
  assert_value("memory|all|udp_receive_queue", 4096);
  assert_value("udp_sockets|resolver|", 1);
  assert_value("memory|resolver|udp_receive_queue", 0);
  assert_int_equal(reported.count, 4);
}

static void test_sockstat(void **state) {
  struct sockstat sockstat = {.present = 1u << SOCKSTAT_TCP_PAGES |
                                         1u << SOCKSTAT_TCP_TIME_WAIT |
                                         1u << SOCKSTAT_UDP_INUSE};

  (void)state;
  sockstat.values[SOCKSTAT_TCP_PAGES] = 3;
  sockstat.values[SOCKSTAT_TCP_TIME_WAIT] = 12;
  sockstat.values[SOCKSTAT_UDP_INUSE] = 5;
  netlink_report_sockstat(&sockstat, 16384, &sink);
  assert_value("memory|sockstat|tcp", 49152);
  assert_value("sockets|sockstat|tcp_time_wait", 12);
  assert_value("sockets|sockstat|udp_inuse", 5);
  assert_int_equal(reported.count, 3);
}

static void test_table(void **state) {
  struct conntrack_table table = {.entries = 50, .maximum = 200};

  (void)state;
  netlink_report_table(&table, &sink);
  assert_value("conntrack|conntrack|entries", 50);
  assert_value("conntrack|conntrack|max", 200);
  assert_value("percent|conntrack|used", 25);
  reset(NULL);
  table.maximum = 40;
  netlink_report_table(&table, &sink);
  assert_value("percent|conntrack|used", 100);
  reset(NULL);
  table.maximum = 0;
  netlink_report_table(&table, &sink);
  assert_int_equal(reported.count, 1);
}

static void test_events(void **state) {
  struct conntrack_cpu cpu = {.present = 1u << CONNTRACK_EARLY_DROP};
  struct conntrack_totals *totals;

  (void)state;
  cpu.events[CONNTRACK_EARLY_DROP] = 6;
  assert_int_equal(conntrack_totals_new(&totals), 0);
  conntrack_totals_add(totals, &cpu);
  netlink_report_events(totals, &sink);
  assert_value("conntrack_events|conntrack|early_drop", 6);
  assert_int_equal(reported.count, 1);
  conntrack_totals_free(totals);
}

static void test_states(void **state) {
  struct conntrack_states states = {{0}};

  (void)state;
  states.entries[CONNTRACK_TCP_TIME_WAIT] = 4;
  states.entries[CONNTRACK_UDP_UNREPLIED] = 2;
  netlink_report_states(&states, &sink);
  assert_value("conntrack_states|conntrack|TCP_TIME_WAIT", 4);
  assert_value("conntrack_states|conntrack|UDP_UNREPLIED", 2);
  assert_value("conntrack_states|conntrack|TCP_ESTABLISHED", 0);
  assert_int_equal(reported.count, CONNTRACK_STATE_COUNT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_tcp, reset),
      cmocka_unit_test_setup(test_tcp_from_proc, reset),
      cmocka_unit_test_setup(test_latency_off, reset),
      cmocka_unit_test_setup(test_udp, reset),
      cmocka_unit_test_setup(test_sockstat, reset),
      cmocka_unit_test_setup(test_table, reset),
      cmocka_unit_test_setup(test_events, reset),
      cmocka_unit_test_setup(test_states, reset),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
