/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "close_event.h"

/* tcp_info of a connection that sent `data` bytes, all of them acknowledged. */
static struct sock_diag_record event(uint64_t data, uint64_t acknowledged_beside) {
  struct sock_diag_record record = {
      .remote = {.port = 443},
      .state = TCP_STATE_CLOSE,
      .info_size = sizeof(record.info_copy),
      .info_copy = {.tcpi_min_rtt = 1200,
                    .tcpi_segs_in = 5,
                    .tcpi_bytes_sent = data,
                    .tcpi_bytes_acked = data + acknowledged_beside},
  };

  net_address_parse("198.51.100.10", &record.remote.address);
  return record;
}

static enum close_event_kind classify(struct sock_diag_record *record) {
  record->info = &record->info_copy;
  return close_event_classify(record);
}

static struct sock_diag_record failed_connect(uint32_t segments_in) {
  struct sock_diag_record record = event(0, 0);

  record.info_copy.tcpi_min_rtt = UINT32_MAX;
  record.info_copy.tcpi_segs_in = segments_in;
  return record;
}

static void test_orderly_when_the_fin_was_acknowledged(void **state) {
  struct sock_diag_record record = event(0, 2);

  (void)state;
  assert_int_equal(CLOSE_EVENT_ORDERLY, classify(&record));
  record = event(UINT64_C(5000000000), 2);
  assert_int_equal(CLOSE_EVENT_ORDERLY, classify(&record));
}

static void test_retransmitted_bytes_count_once(void **state) {
  struct sock_diag_record record = event(3000, 2);

  (void)state;
  record.info_copy.tcpi_bytes_sent = 4500;
  record.info_copy.tcpi_bytes_retrans = 1500;
  assert_int_equal(CLOSE_EVENT_ORDERLY, classify(&record));
  record.info_copy.tcpi_bytes_acked--;
  assert_int_equal(CLOSE_EVENT_RESET, classify(&record));
}

/* Data that was never acknowledged makes the difference negative: still a reset. */
static void test_reset_when_it_was_not(void **state) {
  struct sock_diag_record record = event(100, 1);

  (void)state;
  assert_int_equal(CLOSE_EVENT_RESET, classify(&record));
  record.info_copy.tcpi_bytes_sent = 4000;
  assert_int_equal(CLOSE_EVENT_RESET, classify(&record));
}

static void test_failed_connects(void **state) {
  struct sock_diag_record unanswered = failed_connect(0), refused = failed_connect(1);

  (void)state;
  assert_int_equal(CLOSE_EVENT_UNANSWERED, classify(&unanswered));
  assert_int_equal(CLOSE_EVENT_REFUSED, classify(&refused));
  refused.remote.port = 0;
  assert_int_equal(CLOSE_EVENT_UNANSWERED, classify(&refused));
}

static void test_aborted_without_a_port(void **state) {
  struct sock_diag_record record = event(0, 0);

  (void)state;
  record.remote.port = 0;
  assert_int_equal(CLOSE_EVENT_RESET, classify(&record));
}

static void test_sockets_without_a_remote_end(void **state) {
  struct sock_diag_record listener = failed_connect(0);

  (void)state;
  net_address_parse("0.0.0.0", &listener.remote.address);
  listener.remote.port = 0;
  assert_int_equal(CLOSE_EVENT_NONE, classify(&listener));
  net_address_parse("::", &listener.remote.address);
  assert_int_equal(CLOSE_EVENT_NONE, classify(&listener));
}

/* Older kernels send less of struct tcp_info. */
static void test_short_info(void **state) {
  struct sock_diag_record record = event(100, 1);

  (void)state;
  record.info_size = offsetof(struct tcp_info, tcpi_bytes_sent);
  assert_int_equal(CLOSE_EVENT_ORDERLY, classify(&record));
  record = failed_connect(0);
  record.info_size = offsetof(struct tcp_info, tcpi_min_rtt);
  assert_int_equal(CLOSE_EVENT_ORDERLY, classify(&record));
  record.info = NULL;
  record.info_size = 0;
  assert_int_equal(CLOSE_EVENT_ORDERLY, close_event_classify(&record));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_orderly_when_the_fin_was_acknowledged),
      cmocka_unit_test(test_retransmitted_bytes_count_once),
      cmocka_unit_test(test_reset_when_it_was_not),
      cmocka_unit_test(test_failed_connects),
      cmocka_unit_test(test_aborted_without_a_port),
      cmocka_unit_test(test_sockets_without_a_remote_end),
      cmocka_unit_test(test_short_info),
  };

  return cmocka_run_group_tests_name("close_event", tests, NULL, NULL);
}
