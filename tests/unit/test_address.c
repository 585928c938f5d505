/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "egress/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>

static struct net_address address_of(const char *text) {
  struct net_address address;

  assert_int_equal(0, net_address_parse(text, &address));
  return address;
}

static enum net_scope scope_of(const char *text) {
  struct net_address address = address_of(text);

  return net_address_scope(&address);
}

static void test_scope_at_the_borders_of_ranges(void **state) {
  static const char *const public_ones[] = {
      "1.0.0.0",         "9.255.255.255",   "11.0.0.0",       "100.63.255.255",
      "100.128.0.0",     "126.255.255.255", "128.0.0.0",      "169.253.255.255",
      "169.255.0.0",     "172.15.255.255",  "172.32.0.0",     "192.0.1.0",
      "192.0.2.1",       "192.167.255.255", "192.169.0.0",    "198.17.255.255",
      "198.20.0.0",      "198.51.100.1",    "203.0.113.1",    "223.255.255.255",
      "::ffff:8.8.8.8",  "2001:db8::1",     "64:ff9b::808:808", "fbff::", "fe00::",
      "fec0::"};
  static const char *const private_ones[] = {
      "0.0.0.0",        "10.0.0.0",       "10.255.255.255", "100.64.0.0", "100.127.255.255",
      "169.254.0.0",    "169.254.169.254", "172.16.0.0",    "172.31.255.255",
      "192.0.0.0",      "192.168.0.0",    "192.168.255.255", "198.18.0.0", "198.19.255.255",
      "224.0.0.0",      "255.255.255.255", "::",             "fc00::",    "fdff::1",
      "fe80::1",        "febf::1",        "ff02::1",        "::ffff:10.1.2.3"};

  (void)state;
  for (size_t i = 0; i < sizeof(public_ones) / sizeof(*public_ones); i++)
    assert_int_equal(NET_SCOPE_PUBLIC, scope_of(public_ones[i]));
  for (size_t i = 0; i < sizeof(private_ones) / sizeof(*private_ones); i++)
    assert_int_equal(NET_SCOPE_PRIVATE, scope_of(private_ones[i]));
  assert_int_equal(NET_SCOPE_LOOPBACK, scope_of("127.0.0.1"));
  assert_int_equal(NET_SCOPE_LOOPBACK, scope_of("127.255.255.255"));
  assert_int_equal(NET_SCOPE_LOOPBACK, scope_of("::ffff:127.0.0.1"));
  assert_int_equal(NET_SCOPE_LOOPBACK, scope_of("::1"));
}

static void test_prefix_refuses_what_is_none(void **state) {
  static const char *const bad[] = {
      "",          "/",          "10.0.0.0/",   "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/ 8",
      "10.0.0.0/+8", "10.0.0/8", "10.0.0.1/8",  "10.0.0.0/8/8", "2001:db8::/129",
      "2001:db8::1/64", "host",  "10.0.0.0/8x", "::ffff:10.0.0.0/104x",
      "10.0.0.0/99999999999999999999"};
  struct net_prefix prefix;

  (void)state;
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    assert_int_equal(-EINVAL, net_prefix_parse(bad[i], &prefix));
}

static void check_contains(const char *text, const char *address, bool expected) {
  struct net_address member = address_of(address);
  struct net_prefix prefix;

  assert_int_equal(0, net_prefix_parse(text, &prefix));
  assert_int_equal(expected, net_prefix_contains(&prefix, &member));
}

static void test_prefix_contains(void **state) {
  (void)state;
  check_contains("192.0.2.0/24", "192.0.2.255", true);
  check_contains("192.0.2.0/24", "192.0.3.0", false);
  check_contains("192.0.2.7", "192.0.2.7", true);
  check_contains("192.0.2.7", "192.0.2.6", false);
  check_contains("0.0.0.0/0", "255.255.255.255", true);
  check_contains("0.0.0.0/0", "2001:db8::1", false);
  check_contains("::/0", "192.0.2.1", true);
  check_contains("10.0.0.0/8", "::ffff:10.9.9.9", true);
  check_contains("2001:db8::/33", "2001:db8:7fff::", true);
  check_contains("2001:db8::/33", "2001:db8:8000::", false);
}

/* Against the plain definition: the first n bits, one by one. */
static void test_prefix_agrees_with_bit_by_bit(void **state) {
  unsigned seed = (unsigned)time(NULL);

  (void)state;
  print_message("seed %u\n", seed);
  srand(seed);
  for (int round = 0; round < 20000; round++) {
    struct net_prefix prefix = {.length = (uint8_t)(rand() % 129)};
    struct net_address address;
    bool same = true;

    for (size_t i = 0; i < sizeof(address.bytes); i++)
      address.bytes[i] = (uint8_t)rand();
    for (unsigned bit = 0; bit < prefix.length; bit++)
      prefix.base.bytes[bit / 8] |=
          (uint8_t)(address.bytes[bit / 8] & (0x80u >> (bit % 8)));
    address.bytes[rand() % 16] ^= (uint8_t)(1u << (rand() % 8));
    for (unsigned bit = 0; bit < prefix.length && same; bit++)
      same = !((prefix.base.bytes[bit / 8] ^ address.bytes[bit / 8]) & (0x80u >> (bit % 8)));
    assert_int_equal(same, net_prefix_contains(&prefix, &address));
  }
}

static void test_format(void **state) {
  struct net_endpoint endpoint = {address_of("198.51.100.10"), 443};
  char text[NET_ENDPOINT_TEXT_MAX];

  (void)state;
  assert_string_equal("198.51.100.10:443", net_endpoint_format(&endpoint, text, sizeof(text)));
  endpoint.address = address_of("2001:db8::1");
  assert_string_equal("[2001:db8::1]:443", net_endpoint_format(&endpoint, text, sizeof(text)));
  assert_string_equal("2001:db8::1",
                      net_address_format(&endpoint.address, text, sizeof(text)));
  assert_string_equal("", net_address_format(&endpoint.address, text, 3));
}

static void test_sockaddr(void **state) {
  struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(80)};
  struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
  struct sockaddr unix_address = {.sa_family = AF_UNIX};
  struct net_endpoint one, other;

  (void)state;
  assert_int_equal(1, inet_pton(AF_INET, "192.0.2.1", &ipv4.sin_addr));
  assert_int_equal(1, inet_pton(AF_INET6, "::ffff:192.0.2.1", &mapped.sin6_addr));
  assert_true(net_endpoint_from_sockaddr((const struct sockaddr *)&ipv4, sizeof(ipv4), &one));
  assert_true(
      net_endpoint_from_sockaddr((const struct sockaddr *)&mapped, sizeof(mapped), &other));
  assert_true(net_endpoint_equal(&one, &other));
  assert_false(net_endpoint_from_sockaddr((const struct sockaddr *)&ipv4, 4, &one));
  assert_false(net_endpoint_from_sockaddr(&unix_address, sizeof(unix_address), &one));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scope_at_the_borders_of_ranges),
      cmocka_unit_test(test_prefix_refuses_what_is_none),
      cmocka_unit_test(test_prefix_contains),
      cmocka_unit_test(test_prefix_agrees_with_bit_by_bit),
      cmocka_unit_test(test_format),
      cmocka_unit_test(test_sockaddr),
  };

  return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
