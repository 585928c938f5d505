/* SPDX-License-Identifier: MIT
 *
 * The parser of conntrack entries on recorded dumps, and on what no kernel sends.
 */
#include "egress/conntrack_flow.h"
#include "capture_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>

/* What `conntrack -L` said when vm-conntrack-dump-0 was recorded. */
static void test_captured(void **state) {
  size_t size;
  char *datagram = capture_read("vm-conntrack-dump-0", &size);
  const struct nlmsghdr *message = (const struct nlmsghdr *)(void *)datagram;
  unsigned states[CONNTRACK_TCP_STATES] = {0}, udp = 0, others = 0, unreplied = 0;
  int left = (int)size;

  (void)state;
  for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
    struct conntrack_flow entry;

    assert_int_equal(conntrack_parse_flow(message, &entry), 0);
    assert_true(entry.has_timeout);
    assert_true(net_endpoint_equal(&entry.source, &entry.reply_destination));
    states[entry.tcp_state] += entry.protocol == IPPROTO_TCP;
    udp += entry.protocol == IPPROTO_UDP && entry.destination.port != 0;
    others += entry.protocol == IPPROTO_ICMP && entry.destination.port == 0;
    unreplied += !entry.seen_reply;
  }
  assert_int_equal(states[CONNTRACK_TCP_ESTABLISHED], 4);
  assert_int_equal(states[CONNTRACK_TCP_TIME_WAIT], 6);
  assert_int_equal(states[CONNTRACK_TCP_CLOSE], 3);
  assert_int_equal(states[CONNTRACK_TCP_SYN_SENT], 1);
  assert_int_equal(udp, 2);
  assert_int_equal(others, 1);
  assert_int_equal(unreplied, 4);
  free(datagram);
}

/* The gateway's own table: the local end of the reply is the translated one. */
static void test_translated(void **state) {
  struct conntrack_flow entry;
  struct net_address gateway;
  size_t size;
  struct nlmsghdr *message = capture_read("nat-conntrack-dump-0", &size);

  (void)state;
  assert_int_equal(net_address_parse("192.0.2.1", &gateway), 0);
  assert_int_equal(conntrack_parse_flow(message, &entry), 0);
  assert_true(net_address_equal(&entry.reply_destination.address, &gateway));
  assert_false(net_address_equal(&entry.source.address, &gateway));
  assert_true(net_endpoint_equal(&entry.destination, &entry.reply_source));
  free(message);
}

static void test_cut_at_every_byte(void **state) {
  size_t size;
  char *datagram = capture_read("vm-conntrack-dump-0", &size);
  uint32_t length = ((const struct nlmsghdr *)(void *)datagram)->nlmsg_len;
  unsigned whole = 0;

  (void)state;
  for (uint32_t cut = sizeof(struct nlmsghdr); cut <= length; cut++) {
    struct nlmsghdr *piece = malloc(cut);
    struct conntrack_flow entry;

    assert_non_null(piece);
    memcpy(piece, datagram, cut);
    piece->nlmsg_len = cut;
    whole += conntrack_parse_flow(piece, &entry) == 0;
    free(piece);
  }
  /* Between two attributes behind the tuples a cut leaves a whole message. */
  assert_in_range(whole, 1, 16);
  free(datagram);
}

static struct nlmsghdr *make_message(void *buffer) {
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

  mnl_nlmsg_put_extra_header(message, sizeof(struct nfgenmsg));
  message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
  return message;
}

static void put_tuple(struct nlmsghdr *message, uint16_t type, uint8_t protocol) {
  static const struct in6_addr address = {{{0x20, 1, 0xd, 0xb8}}};
  struct nlattr *tuple = mnl_attr_nest_start(message, type);
  struct nlattr *part = mnl_attr_nest_start(message, CTA_TUPLE_IP);

  mnl_attr_put(message, CTA_IP_V6_SRC, sizeof(address), &address);
  mnl_attr_put(message, CTA_IP_V6_DST, sizeof(address), &address);
  mnl_attr_nest_end(message, part);
  part = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
  mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(4000));
  mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(443));
  mnl_attr_nest_end(message, part);
  mnl_attr_nest_end(message, tuple);
}

static void test_by_hand(void **state) {
  _Alignas(struct nlmsghdr) char buffer[1024];
  struct nlmsghdr *message = make_message(buffer);
  struct conntrack_flow entry;

  (void)state;
  assert_int_equal(conntrack_parse_flow(message, &entry), -EBADMSG);
  put_tuple(message, CTA_TUPLE_ORIG, IPPROTO_TCP);
  assert_int_equal(conntrack_parse_flow(message, &entry), -EBADMSG); /* no reply */
  put_tuple(message, CTA_TUPLE_REPLY, IPPROTO_TCP);
  mnl_attr_put_u32(message, 200, 1); /* of a kernel to come */
  assert_int_equal(conntrack_parse_flow(message, &entry), 0);
  assert_int_equal(entry.source.port, 4000);
  assert_int_equal(entry.reply_destination.port, 443);
  assert_false(entry.has_timeout);
  put_tuple(message, CTA_TUPLE_REPLY, IPPROTO_UDP); /* of another protocol */
  assert_int_equal(conntrack_parse_flow(message, &entry), -EBADMSG);
  message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
  assert_int_equal(conntrack_parse_flow(message, &entry), -EBADMSG);
}

static void test_numbers_too_short(void **state) {
  _Alignas(struct nlmsghdr) char buffer[1024];
  struct nlmsghdr *message = make_message(buffer);
  struct conntrack_flow entry;

  (void)state;
  put_tuple(message, CTA_TUPLE_ORIG, IPPROTO_TCP);
  put_tuple(message, CTA_TUPLE_REPLY, IPPROTO_TCP);
  mnl_attr_put_u16(message, CTA_TIMEOUT, 1);
  assert_int_equal(conntrack_parse_flow(message, &entry), -EBADMSG);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_captured),
      cmocka_unit_test(test_translated),
      cmocka_unit_test(test_cut_at_every_byte),
      cmocka_unit_test(test_by_hand),
      cmocka_unit_test(test_numbers_too_short),
  };

  return cmocka_run_group_tests_name("conntrack_flow", tests, NULL, NULL);
}
