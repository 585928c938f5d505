/* SPDX-License-Identifier: MIT
 *
 * Round-trip times and retransmissions by group.
 */
#include "flow_records.h"

#include <stddef.h>

static struct sock_diag_record with_rtt(uint8_t state, uint16_t local_port,
                                        const struct tcp_info *info, size_t info_size) {
  struct sock_diag_record record = outgoing(state, local_port, 443);

  record.info = info;
  record.info_size = info_size;
  return record;
}

static struct flow_summary *summarize_rtt(bool wanted) {
  static const uint16_t port = 40000;
  static const struct flow_group group = {.local_ports = &port, .local_port_count = 1};
  const struct flow_spec spec = {.groups = &group, .group_count = 1, .rtt = wanted};
  struct tcp_info info = {.tcpi_rtt = 0};
  struct flow_builder *builder = NULL;
  struct flow_summary *summary;

  assert_int_equal(flow_builder_new(&spec, &builder), 0);
  for (unsigned i = 1; i <= 100; i++) { /* 10, 20, ... 1000 microseconds */
    info.tcpi_rtt = 10 * i;
    add(builder, with_rtt(TCP_STATE_ESTABLISHED, i <= 10 ? 40000 : 1, &info, sizeof(info)));
  }
  info.tcpi_rtt = 0; /* nothing measured yet */
  add(builder, with_rtt(TCP_STATE_ESTABLISHED, 40000, &info, sizeof(info)));
  info.tcpi_rtt = 5000000;
  add(builder, with_rtt(TCP_STATE_CLOSE_WAIT, 40000, &info, sizeof(info)));
  add(builder, with_rtt(TCP_STATE_ESTABLISHED, 40000, NULL, 0));
  /* Of a kernel whose tcp_info ends before the field. */
  add(builder, with_rtt(TCP_STATE_ESTABLISHED, 40000, &info,
                        offsetof(struct tcp_info, tcpi_rtt) + 3));
  summary = finish(builder);
  flow_summary_release(finish(builder)); /* the next pass starts anew */
  flow_builder_free(builder);
  return summary;
}

static void assert_near(nanoseconds found, nanoseconds expected) {
  nanoseconds error = found > expected ? found - expected : expected - found;

  if (64 * error >= expected)
    fail_msg("%lld ns, expected %lld", (long long)found, (long long)expected);
}

static void test_rtt(void **state) {
  struct flow_summary *summary = summarize_rtt(true);

  (void)state;
  assert_non_null(summary->rtt);
  assert_int_equal(summary->rtt[0].sockets, 100);
  assert_near(summary->rtt[0].p50, 500 * NANOSECONDS_PER_MICROSECOND);
  assert_near(summary->rtt[0].p95, 950 * NANOSECONDS_PER_MICROSECOND);
  assert_near(summary->rtt[0].p99, 990 * NANOSECONDS_PER_MICROSECOND);
  assert_int_equal(summary->rtt[1].sockets, 10);
  assert_near(summary->rtt[1].p50, 50 * NANOSECONDS_PER_MICROSECOND);
  assert_int_equal(summary->states[1][TCP_STATE_ESTABLISHED], 13);
  flow_summary_release(summary);
  summary = summarize_rtt(false);
  assert_null(summary->rtt);
  flow_summary_release(summary);
}

static void test_a_pass_forgets_the_last_one(void **state) {
  const struct flow_spec spec = {.rtt = true};
  struct tcp_info info = {.tcpi_rtt = 7};
  struct flow_builder *builder = NULL;
  struct flow_summary *summary;

  (void)state;
  assert_int_equal(flow_builder_new(&spec, &builder), 0);
  add(builder, with_rtt(TCP_STATE_ESTABLISHED, 1, &info, sizeof(info)));
  flow_summary_release(finish(builder));
  summary = finish(builder);
  assert_int_equal(summary->rtt[0].sockets, 0);
  assert_int_equal(summary->rtt[0].p50, 0);
  flow_summary_release(summary);
  flow_builder_free(builder);
}

static void add_timer(struct flow_builder *builder, uint8_t tcp_state, uint8_t timer,
                      uint8_t retransmits) {
  struct sock_diag_record record = outgoing(tcp_state, 40000, 443);

  record.timer = timer;
  record.retransmits = retransmits;
  flow_builder_add(builder, &record);
}

/* Only what the retransmission timer counts; other timers count probes there. */
static void test_retransmitting(void **state) {
  static const uint16_t ports[] = {40000, 1};
  static const struct flow_group groups[] = {
      {.local_ports = &ports[0], .local_port_count = 1},
      {.local_ports = &ports[1], .local_port_count = 1}};
  struct flow_builder *builder = make_builder(groups, 2, false);
  struct flow_summary *summary;

  (void)state;
  add_timer(builder, TCP_STATE_ESTABLISHED, SOCK_DIAG_RETRANSMISSION, 1);
  add_timer(builder, TCP_STATE_SYN_SENT, SOCK_DIAG_RETRANSMISSION, 6);
  add_timer(builder, TCP_STATE_SYN_RECEIVED, SOCK_DIAG_RETRANSMISSION, 2);
  add_timer(builder, TCP_STATE_LAST_ACK, SOCK_DIAG_RETRANSMISSION, 255);
  add_timer(builder, TCP_STATE_ESTABLISHED, SOCK_DIAG_RETRANSMISSION, 0);
  add_timer(builder, TCP_STATE_ESTABLISHED, SOCK_DIAG_KEEPALIVE, 3);
  add_timer(builder, TCP_STATE_ESTABLISHED, SOCK_DIAG_WINDOW_PROBE, 3);
  add_timer(builder, TCP_STATE_TIME_WAIT, SOCK_DIAG_TIME_WAIT, 3);
  add_timer(builder, TCP_STATE_ESTABLISHED, 0, 3);
  summary = finish(builder);
  assert_int_equal(summary->retransmitting[0], 4);
  assert_int_equal(summary->retransmitting[1], 4);
  assert_int_equal(summary->retransmitting[2], 0);
  flow_summary_release(summary);
  summary = finish(builder);
  assert_int_equal(summary->retransmitting[0], 0);
  flow_summary_release(summary);
  flow_builder_free(builder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rtt),
      cmocka_unit_test(test_a_pass_forgets_the_last_one),
      cmocka_unit_test(test_retransmitting),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
