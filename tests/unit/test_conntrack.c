/* SPDX-License-Identifier: MIT */
#include "egress/conntrack.h"
#include "capture_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

/* --- Parsers ------------------------------------------------------------------------ */

/* The recorded namespace had tracked nothing; the host's limit was 262144. */
static void test_table_captured(void **state) {
  struct conntrack_table table = {7, 7};
  size_t size;
  struct nlmsghdr *message = capture_read("conntrack-table-0", &size);

  (void)state;
  assert_int_equal(conntrack_parse_table(message, &table), 0);
  assert_int_equal(table.entries, 0);
  assert_int_equal(table.maximum, 262144);
  free(message);
}

static void test_cpus_captured(void **state) {
  size_t size;
  char *datagram = capture_read("conntrack-cpus-0", &size);
  struct nlmsghdr *message = (struct nlmsghdr *)(void *)datagram;
  int left = (int)size;
  unsigned cpus = 0;

  (void)state;
  for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
    struct conntrack_cpu cpu;

    assert_int_equal(conntrack_parse_cpu(message, &cpu), 0);
    assert_int_equal(cpu.cpu, cpus++);
    assert_int_equal(cpu.present, (1u << CONNTRACK_EVENT_COUNT) - 1);
  }
  assert_int_equal(cpus, 2);
  free(datagram);
}

static void test_cut_at_every_byte(void **state) {
  size_t size;
  char *datagram = capture_read("conntrack-cpus-0", &size);
  uint32_t length = ((const struct nlmsghdr *)(void *)datagram)->nlmsg_len;

  (void)state;
  for (uint32_t cut = sizeof(struct nlmsghdr); cut < length; cut++) {
    struct nlmsghdr *piece = malloc(cut);
    struct conntrack_table table;
    struct conntrack_cpu cpu;

    assert_non_null(piece);
    memcpy(piece, datagram, cut);
    piece->nlmsg_len = cut;
    /* A cut between attributes leaves a message with fewer of them. */
    assert_int_equal(conntrack_parse_cpu(piece, &cpu),
                     cut >= 20 && (cut - 20) % 8 == 0 ? 0 : -EBADMSG);
    assert_int_equal(conntrack_parse_table(piece, &table), -EBADMSG);
    free(piece);
  }
  free(datagram);
}

static struct nlmsghdr *make_message(void *buffer, unsigned type, uint16_t cpu) {
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

  message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
  header->res_id = htons(cpu);
  return message;
}

static void test_numbers(void **state) {
  _Alignas(struct nlmsghdr) char buffer[256];
  struct nlmsghdr *message = make_message(buffer, IPCTNL_MSG_CT_GET_STATS_CPU, 300);
  struct conntrack_cpu cpu;

  (void)state;
  mnl_attr_put_u32(message, CTA_STATS_SEARCHED, htonl(1));
  mnl_attr_put_u32(message, CTA_STATS_DROP, htonl(0xfffffff0));
  mnl_attr_put_u32(message, CTA_STATS_INSERT_FAILED, htonl(12));
  mnl_attr_put_u32(message, 200, htonl(9)); /* of a kernel to come */
  assert_int_equal(conntrack_parse_cpu(message, &cpu), 0);
  assert_int_equal(cpu.cpu, 300);
  assert_int_equal(cpu.present, 1u << CONNTRACK_DROP | 1u << CONNTRACK_INSERT_FAILED);
  assert_int_equal(cpu.events[CONNTRACK_DROP], 0xfffffff0);
  assert_int_equal(cpu.events[CONNTRACK_INSERT_FAILED], 12);
  mnl_attr_put_u16(message, CTA_STATS_FOUND, 1);
  assert_int_equal(conntrack_parse_cpu(message, &cpu), -EBADMSG);
}

static void test_an_older_kernel_says_no_maximum(void **state) {
  _Alignas(struct nlmsghdr) char buffer[256];
  struct nlmsghdr *message = make_message(buffer, IPCTNL_MSG_CT_GET_STATS, 0);
  struct conntrack_table table;

  (void)state;
  assert_int_equal(conntrack_parse_table(message, &table), -EBADMSG);
  mnl_attr_put_u32(message, CTA_STATS_GLOBAL_ENTRIES, htonl(5));
  assert_int_equal(conntrack_parse_table(message, &table), 0);
  assert_int_equal(table.entries, 5);
  assert_int_equal(table.maximum, 0);
  message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
  assert_int_equal(conntrack_parse_table(message, &table), -EBADMSG);
}

/* --- Totals --------------------------------------------------------------------------- */

static void add(struct conntrack_totals *totals, uint16_t number, uint32_t drops) {
  struct conntrack_cpu cpu = {.cpu = number, .present = 1u << CONNTRACK_DROP};

  cpu.events[CONNTRACK_DROP] = drops;
  conntrack_totals_add(totals, &cpu);
}

static uint64_t drops_of(const struct conntrack_totals *totals) {
  uint64_t events[CONNTRACK_EVENT_COUNT];
  uint32_t present;

  conntrack_totals_get(totals, events, &present);
  assert_int_equal(present, 1u << CONNTRACK_DROP);
  return events[CONNTRACK_DROP];
}

static void test_nothing_yet(void **state) {
  struct conntrack_totals *totals;
  uint64_t events[CONNTRACK_EVENT_COUNT];
  uint32_t present = 1;

  (void)state;
  assert_int_equal(conntrack_totals_new(&totals), 0);
  conntrack_totals_get(totals, events, &present);
  assert_int_equal(present, 0);
  assert_int_equal(events[CONNTRACK_DROP], 0);
  conntrack_totals_free(totals);
}

static void test_wraps_and_cpus_that_come_and_go(void **state) {
  struct conntrack_totals *totals;

  (void)state;
  assert_int_equal(conntrack_totals_new(&totals), 0);
  add(totals, 0, UINT32_MAX - 1);
  assert_true(drops_of(totals) == UINT32_MAX - 1);
  add(totals, 0, 3); /* wrapped: 5 more */
  assert_true(drops_of(totals) == UINT64_C(0x100000003));
  add(totals, 7, 10); /* a CPU comes */
  assert_true(drops_of(totals) == UINT64_C(0x10000000d));
  add(totals, 0, 4); /* the other is away for a while */
  add(totals, 7, 12);
  assert_true(drops_of(totals) == UINT64_C(0x100000010));
  conntrack_totals_free(totals);
}

static void test_counters_that_start_anew(void **state) {
  struct conntrack_totals *totals;

  (void)state;
  assert_int_equal(conntrack_totals_new(&totals), 0);
  add(totals, 0, 1000);
  add(totals, 0, 20);
  assert_true(drops_of(totals) == 1020);
  conntrack_totals_free(totals);
}

static void test_more_cpus_than_kept(void **state) {
  struct conntrack_totals *totals;

  (void)state;
  assert_int_equal(conntrack_totals_new(&totals), 0);
  for (unsigned round = 0; round < 2; round++)
    for (unsigned cpu = 0; cpu < CONNTRACK_CPUS_MAX + 10; cpu++)
      add(totals, (uint16_t)cpu, 1);
  assert_true(drops_of(totals) == CONNTRACK_CPUS_MAX);
  conntrack_totals_free(totals);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_table_captured),
      cmocka_unit_test(test_cpus_captured),
      cmocka_unit_test(test_cut_at_every_byte),
      cmocka_unit_test(test_numbers),
      cmocka_unit_test(test_an_older_kernel_says_no_maximum),
      cmocka_unit_test(test_nothing_yet),
      cmocka_unit_test(test_wraps_and_cpus_that_come_and_go),
      cmocka_unit_test(test_counters_that_start_anew),
      cmocka_unit_test(test_more_cpus_than_kept),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
