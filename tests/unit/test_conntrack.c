/* SPDX-License-Identifier: MIT */
#include "egress/conntrack.h"
#include "capture_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
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

/* --- Entries --------------------------------------------------------------------------- */

static void test_entries_captured(void **state) {
  /* What conntrack -L said of the recorded namespace. */
  static const uint64_t expected[CONNTRACK_STATE_COUNT] = {
      [CONNTRACK_TCP_ESTABLISHED] = 3, [CONNTRACK_TCP_CLOSE_WAIT] = 1,
      [CONNTRACK_TCP_SYN_SENT] = 1,    [CONNTRACK_TCP_CLOSE] = 1,
      [CONNTRACK_TCP_TIME_WAIT] = 1,   [CONNTRACK_UDP_UNREPLIED] = 2,
      [CONNTRACK_UDP_REPLIED] = 1,     [CONNTRACK_ICMP_REPLIED] = 2,
  };
  uint64_t found[CONNTRACK_STATE_COUNT] = {0};
  size_t size;
  char *datagram = capture_read("conntrack-entries-0", &size);
  struct nlmsghdr *message = (struct nlmsghdr *)(void *)datagram;
  int left = (int)size;

  (void)state;
  for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
    enum conntrack_state one = CONNTRACK_STATE_COUNT;

    assert_int_equal(conntrack_parse_entry(message, &one), 0);
    assert_true(one < CONNTRACK_STATE_COUNT);
    found[one]++;
  }
  for (unsigned one = 0; one < CONNTRACK_STATE_COUNT; one++)
    if (found[one] != expected[one])
      fail_msg("%s: %llu, expected %llu", conntrack_state_names[one],
               (unsigned long long)found[one], (unsigned long long)expected[one]);
  free(datagram);
}

/* What is cut is refused, or is a shorter entry that ends with an attribute. */
static void test_entries_cut_at_every_byte(void **state) {
  size_t size;
  char *datagram = capture_read("conntrack-entries-0", &size);
  size_t place = 0;

  (void)state;
  while (place < size) {
    const void *at = datagram + place;
    const struct nlmsghdr *message = at;
    uint32_t length = message->nlmsg_len;

    for (uint32_t cut = sizeof(*message); cut < length; cut++) {
      struct nlmsghdr *piece = malloc(cut);
      enum conntrack_state one = CONNTRACK_STATE_COUNT;
      int status;

      assert_non_null(piece);
      memcpy(piece, message, cut);
      piece->nlmsg_len = cut;
      status = conntrack_parse_entry(piece, &one);
      assert_true(status == -EBADMSG || (status == 0 && one < CONNTRACK_STATE_COUNT));
      free(piece);
    }
    place += NLMSG_ALIGN(length);
  }
  free(datagram);
}

/* An entry of the given protocol; tcp_state is left out if it is negative. */
static struct nlmsghdr *make_entry(void *buffer, uint8_t protocol, uint32_t status,
                                   int tcp_state) {
  struct nlmsghdr *message = make_message(buffer, IPCTNL_MSG_CT_NEW, 0);
  struct nlattr *tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
  struct nlattr *inner = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);

  mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
  mnl_attr_nest_end(message, inner);
  mnl_attr_nest_end(message, tuple);
  mnl_attr_put_u32(message, CTA_STATUS, htonl(status));
  if (tcp_state < 0)
    return message;
  tuple = mnl_attr_nest_start(message, CTA_PROTOINFO);
  inner = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);
  mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, (uint8_t)tcp_state);
  mnl_attr_nest_end(message, inner);
  mnl_attr_nest_end(message, tuple);
  return message;
}

static const char *name_of(uint8_t protocol, uint32_t status, int tcp_state) {
  _Alignas(struct nlmsghdr) char buffer[256];
  enum conntrack_state state;

  if (conntrack_parse_entry(make_entry(buffer, protocol, status, tcp_state), &state) < 0)
    return "refused";
  return conntrack_state_names[state];
}

static void test_names_of_entries(void **state) {
  const uint32_t replied = IPS_SEEN_REPLY, assured = IPS_SEEN_REPLY | IPS_ASSURED;

  (void)state;
  assert_string_equal(name_of(IPPROTO_TCP, assured, 3), "TCP_ESTABLISHED");
  assert_string_equal(name_of(IPPROTO_TCP, 0, 9), "TCP_SYN_SENT2");
  assert_string_equal(name_of(IPPROTO_TCP, 0, 10), "TCP_NONE"); /* of a kernel to come */
  assert_string_equal(name_of(IPPROTO_TCP, 0, -1), "TCP_NONE");
  assert_string_equal(name_of(IPPROTO_UDP, 0, -1), "UDP_UNREPLIED");
  assert_string_equal(name_of(IPPROTO_UDP, replied, -1), "UDP_REPLIED");
  assert_string_equal(name_of(IPPROTO_UDP, assured, -1), "UDP_ASSURED");
  assert_string_equal(name_of(IPPROTO_ICMP, 0, -1), "ICMP_UNREPLIED");
  assert_string_equal(name_of(IPPROTO_ICMPV6, replied, -1), "ICMP_REPLIED");
  assert_string_equal(name_of(IPPROTO_GRE, assured, -1), "OTHER_ASSURED");
  assert_string_equal(name_of(IPPROTO_SCTP, 0, -1), "OTHER_UNREPLIED");
}

static void test_entries_that_are_wrong(void **state) {
  _Alignas(struct nlmsghdr) char buffer[256];
  struct nlmsghdr *message = make_message(buffer, IPCTNL_MSG_CT_NEW, 0);
  enum conntrack_state one;

  (void)state;
  assert_int_equal(conntrack_parse_entry(message, &one), -EBADMSG); /* no protocol */
  message = make_entry(buffer, IPPROTO_TCP, 0, 3);
  message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
  assert_int_equal(conntrack_parse_entry(message, &one), -EBADMSG);
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
      cmocka_unit_test(test_entries_captured),
      cmocka_unit_test(test_entries_cut_at_every_byte),
      cmocka_unit_test(test_names_of_entries),
      cmocka_unit_test(test_entries_that_are_wrong),
      cmocka_unit_test(test_nothing_yet),
      cmocka_unit_test(test_wraps_and_cpus_that_come_and_go),
      cmocka_unit_test(test_counters_that_start_anew),
      cmocka_unit_test(test_more_cpus_than_kept),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
