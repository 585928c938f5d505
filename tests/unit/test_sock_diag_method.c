/* SPDX-License-Identifier: MIT
 *
 * Which requests are sent, with a kernel of our own: netlink_channel_exchange()
 * is wrapped by the linker.
 */
#include "egress/sock_diag.h"
#include "netlink_channel.h"
#include "unit.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>

/* What our kernel says to each kind of request, and what it was asked. */
static struct {
  int legacy, ipv4, ipv6; /* status */
  unsigned sockets;       /* before it says so */
  bool incomplete;
  unsigned asked_legacy, asked_ipv4, asked_ipv6;
  uint8_t protocol; /* that was asked for last, by family */
} fake;

int __wrap_netlink_channel_exchange(struct netlink_channel *channel,
                                    struct nlmsghdr *request,
                                    struct netlink_answer *answer);

static int status_of(const struct nlmsghdr *request) {
  const struct inet_diag_req_v2 *body = mnl_nlmsg_get_payload(request);

  if (request->nlmsg_type == TCPDIAG_GETSOCK) {
    fake.asked_legacy++;
    return fake.legacy;
  }
  assert_int_equal(request->nlmsg_type, SOCK_DIAG_BY_FAMILY);
  fake.protocol = body->sdiag_protocol;
  if (body->sdiag_family == AF_INET) {
    fake.asked_ipv4++;
    return fake.ipv4;
  }
  fake.asked_ipv6++;
  return fake.ipv6;
}

int __wrap_netlink_channel_exchange(struct netlink_channel *channel,
                                    struct nlmsghdr *request,
                                    struct netlink_answer *answer) {
  struct {
    struct nlmsghdr header;
    struct inet_diag_msg socket;
  } message = {.header = {.nlmsg_len = sizeof(message)},
               .socket = {.idiag_family = AF_INET, .idiag_state = 1}};
  int status = status_of(request);

  (void)channel;
  answer->incomplete = fake.incomplete;
  if (status == 0 || fake.sockets > 0)
    for (unsigned i = 0; i < fake.sockets; i++)
      assert_int_equal(answer->callback(&message.header, answer->data), 0);
  return status;
}

static void count(const struct sock_diag_record *record, void *data) {
  (void)record;
  ++*(unsigned *)data;
}

static int dump(struct sock_diag *diag, struct sock_diag_result *result) {
  const struct sock_diag_request request = {.states = TCP_STATES_ALL};
  unsigned counted = 0;
  int status = sock_diag_dump_tcp(diag, &request, count, &counted, result);

  assert_int_equal(result->sockets, counted);
  return status;
}

static struct sock_diag *open_diag(void) {
  struct sock_diag *diag = NULL;

  memset(&fake, 0, sizeof(fake));
  assert_int_equal(sock_diag_open(&diag), 0);
  return diag;
}

static void test_legacy_is_enough(void **state) {
  struct sock_diag *diag = open_diag();
  struct sock_diag_result result;

  (void)state;
  fake.sockets = 2;
  assert_int_equal(dump(diag, &result), 0);
  assert_int_equal(result.sockets, 2);
  assert_int_equal(result.requests, 1);
  assert_false(result.partial);
  assert_int_equal(fake.asked_ipv4 + fake.asked_ipv6, 0);
  sock_diag_close(diag);
}

static void test_fallback_is_remembered(void **state) {
  struct sock_diag *diag = open_diag();
  struct sock_diag_result result;

  (void)state;
  fake.legacy = -EOPNOTSUPP;
  assert_int_equal(dump(diag, &result), 0);
  assert_int_equal(result.requests, 3);
  fake.sockets = 1;
  assert_int_equal(dump(diag, &result), 0);
  assert_int_equal(result.requests, 2);
  assert_int_equal(result.sockets, 2);
  assert_int_equal(fake.asked_legacy, 1);
  assert_int_equal(fake.protocol, IPPROTO_TCP);
  sock_diag_close(diag);
}

/* The legacy request knows TCP alone. */
static void test_udp(void **state) {
  const struct sock_diag_request request = {.states = TCP_STATES_ALL};
  struct sock_diag *diag = open_diag();
  struct sock_diag_result result;
  unsigned counted = 0;

  (void)state;
  fake.sockets = 3;
  assert_int_equal(sock_diag_dump_udp(diag, &request, count, &counted, &result), 0);
  assert_int_equal(counted, 6);
  assert_int_equal(result.sockets, 6);
  assert_int_equal(result.requests, 2);
  assert_int_equal(fake.asked_legacy, 0);
  assert_int_equal(fake.protocol, IPPROTO_UDP);
  fake.sockets = 0;
  fake.ipv4 = -ENOENT;
  assert_int_equal(sock_diag_dump_udp(diag, &request, count, &counted, &result),
                   -ENOENT);
  assert_true(result.partial);
  sock_diag_close(diag);
}

static void test_a_kernel_without_ipv6(void **state) {
  struct sock_diag *diag = open_diag();
  struct sock_diag_result result;

  (void)state;
  fake.legacy = -EOPNOTSUPP;
  fake.ipv6 = -ENOENT;
  assert_int_equal(dump(diag, &result), 0);
  assert_false(result.partial);
  sock_diag_close(diag);
}

static void test_a_kernel_without_inet_diag(void **state) {
  struct sock_diag *diag = open_diag();
  struct sock_diag_result result;

  (void)state;
  fake.legacy = -EOPNOTSUPP;
  fake.ipv4 = -ENOENT;
  assert_int_equal(dump(diag, &result), -ENOENT);
  assert_true(result.partial);
  assert_int_equal(dump(diag, &result), -ENOENT); /* nothing was remembered */
  assert_int_equal(fake.asked_legacy, 2);
  sock_diag_close(diag);
}

/* A method that has worked is not given up for one failure. */
static void test_a_failure_later_on(void **state) {
  struct sock_diag *diag = open_diag();
  struct sock_diag_result result;

  (void)state;
  assert_int_equal(dump(diag, &result), 0);
  fake.legacy = -ENOMEM;
  assert_int_equal(dump(diag, &result), -ENOMEM);
  assert_int_equal(fake.asked_ipv4, 0);
  sock_diag_close(diag);
}

/* What came before a failure is delivered, and called partial. */
static void test_failure_part_way(void **state) {
  struct sock_diag *diag = open_diag();
  struct sock_diag_result result;

  (void)state;
  fake.legacy = -ETIMEDOUT;
  fake.sockets = 3;
  assert_int_equal(dump(diag, &result), 0);
  assert_int_equal(result.sockets, 3);
  assert_true(result.partial);
  assert_int_equal(fake.asked_ipv4, 0); /* or they would be counted twice */
  sock_diag_close(diag);
}

static void test_interrupted(void **state) {
  struct sock_diag *diag = open_diag();
  struct sock_diag_result result;

  (void)state;
  fake.incomplete = true;
  assert_int_equal(dump(diag, &result), 0);
  assert_true(result.partial);
  sock_diag_close(diag);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_legacy_is_enough),
      cmocka_unit_test(test_fallback_is_remembered),
      cmocka_unit_test(test_a_kernel_without_ipv6),
      cmocka_unit_test(test_a_kernel_without_inet_diag),
      cmocka_unit_test(test_a_failure_later_on),
      cmocka_unit_test(test_failure_part_way),
      cmocka_unit_test(test_interrupted),
      cmocka_unit_test(test_udp),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
