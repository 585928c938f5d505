/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "nat_traffic.h"

#include <errno.h>
#include <stdlib.h>

static void add(struct nat_networks *networks, const char *text) {
  struct net_prefix prefix;

  assert_int_equal(0, net_prefix_parse(text, &prefix));
  assert_int_equal(0, nat_networks_add(networks, &prefix));
}

static bool takes(const struct nat_traffic *traffic, const char *text) {
  struct net_address address;

  assert_int_equal(0, net_address_parse(text, &address));
  return nat_traffic_takes(traffic, &address);
}

static void test_public_destinations(void **state) {
  const struct nat_traffic traffic = {.bypass_defaults = true};

  (void)state;
  assert_true(takes(&traffic, "198.51.100.10"));
  assert_true(takes(&traffic, "::ffff:198.51.100.10"));
  assert_true(takes(&traffic, "8.8.8.8"));
  assert_false(takes(&traffic, "10.128.0.9"));
  assert_false(takes(&traffic, "172.16.0.1"));
  assert_false(takes(&traffic, "192.168.1.1"));
  assert_false(takes(&traffic, "127.0.0.1"));
  assert_false(takes(&traffic, "169.254.169.254"));
}

static void test_ipv6_inside_nat64_only(void **state) {
  const struct nat_traffic traffic = {.bypass_defaults = true};

  (void)state;
  assert_true(takes(&traffic, "64:ff9b::c633:640a"));
  assert_false(takes(&traffic, "64:ff9b:0:0:0:1:c633:640a"));
  assert_false(takes(&traffic, "2001:db8::1"));
  assert_false(takes(&traffic, "::1"));
}

static void test_default_bypass(void **state) {
  struct nat_traffic traffic = {.bypass_defaults = true};

  (void)state;
  assert_false(takes(&traffic, "199.36.153.8"));
  assert_false(takes(&traffic, "199.36.153.4"));
  assert_false(takes(&traffic, "199.36.153.11"));
  assert_true(takes(&traffic, "199.36.153.12"));
  assert_true(takes(&traffic, "199.36.153.3"));
  traffic.bypass_defaults = false;
  assert_true(takes(&traffic, "199.36.153.8"));
}

static void test_networks_and_bypass(void **state) {
  struct nat_traffic traffic = {.bypass_defaults = true};

  (void)state;
  add(&traffic.networks, "203.0.113.0/24");
  add(&traffic.networks, "10.20.0.0/16"); /* Private NAT */
  add(&traffic.networks, "127.0.0.0/8");
  add(&traffic.bypass, "203.0.113.128/25");
  assert_true(takes(&traffic, "203.0.113.1"));
  assert_false(takes(&traffic, "203.0.113.200"));
  assert_false(takes(&traffic, "198.51.100.10"));
  assert_true(takes(&traffic, "10.20.3.4"));
  assert_false(takes(&traffic, "10.21.3.4"));
  assert_false(takes(&traffic, "127.0.0.1"));
  nat_networks_free(&traffic.networks);
  nat_networks_free(&traffic.bypass);
}

/* Random adding and removing against a row of flags, at both ends of all addresses. */
static void test_networks_against_flags(void **state) {
  enum { ADDRESSES = 512 }; /* half of them the lowest, half the highest */
  bool flags[ADDRESSES] = {false};
  struct nat_networks networks = {0};

  (void)state;
  for (unsigned round = 0; round < 3000; round++) {
    unsigned bits = (unsigned)rand() % 9, size = 1u << bits;
    unsigned first = (unsigned)rand() % ADDRESSES / size * size;
    struct net_prefix prefix = {.length = (uint8_t)(128 - bits)};
    bool put = rand() % 2;

    memset(&prefix.base, first < 256 ? 0 : 0xff, sizeof(prefix.base));
    prefix.base.bytes[15] = (uint8_t)first;
    assert_int_equal(0, (put ? nat_networks_add : nat_networks_remove)(&networks, &prefix));
    for (unsigned i = first; i < first + size; i++)
      flags[i] = put;
    for (unsigned i = 0; i < ADDRESSES; i++) {
      struct net_address address = prefix.base;

      memset(&address, i < 256 ? 0 : 0xff, sizeof(address));
      address.bytes[15] = (uint8_t)i;
      assert_int_equal(flags[i], nat_networks_contain(&networks, &address));
    }
    for (size_t i = 1; i < networks.count; i++)
      assert_true(memcmp(&networks.ranges[i - 1].last, &networks.ranges[i].first,
                         sizeof(struct net_address)) < 0);
  }
  nat_networks_free(&networks);
}

static void test_sources(void **state) {
  struct nat_traffic traffic = {.bypass_defaults = true};
  struct net_address address;

  (void)state;
  assert_int_equal(0, net_address_parse("10.2.0.1", &address));
  assert_true(nat_traffic_takes_from(&traffic, &address));
  add(&traffic.sources, "10.1.0.0/16");
  assert_false(nat_traffic_takes_from(&traffic, &address));
  assert_int_equal(0, net_address_parse("10.1.0.1", &address));
  assert_true(nat_traffic_takes_from(&traffic, &address));
  assert_int_equal(0, net_address_parse("0.0.0.0", &address));
  assert_true(nat_traffic_takes_from(&traffic, &address));
  assert_true(nat_traffic_takes_from(&traffic, &(struct net_address){{0}}));
  nat_traffic_free(&traffic);
}

static void test_lists_are_bounded(void **state) {
  struct nat_networks networks = {0};
  struct net_prefix prefix = {.length = 128};

  (void)state;
  for (size_t i = 0; i < NAT_NETWORKS_MAX; i++) {
    prefix.base.bytes[14] = (uint8_t)(2 * i >> 8); /* every second: none touch */
    prefix.base.bytes[15] = (uint8_t)(2 * i);
    assert_int_equal(0, nat_networks_add(&networks, &prefix));
    assert_int_equal(0, nat_networks_add(&networks, &prefix));
  }
  assert_int_equal(NAT_NETWORKS_MAX, networks.count);
  prefix.base.bytes[13] = 1;
  assert_int_equal(-E2BIG, nat_networks_add(&networks, &prefix));
  assert_true(nat_networks_contain(&networks, &prefix.base) == false);
  prefix = (struct net_prefix){.length = 0};
  assert_int_equal(0, nat_networks_add(&networks, &prefix));
  assert_int_equal(1, networks.count);
  nat_networks_free(&networks);
  assert_int_equal(0, networks.count);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_public_destinations),
      cmocka_unit_test(test_ipv6_inside_nat64_only),
      cmocka_unit_test(test_default_bypass),
      cmocka_unit_test(test_networks_and_bypass),
      cmocka_unit_test(test_networks_against_flags),
      cmocka_unit_test(test_sources),
      cmocka_unit_test(test_lists_are_bounded),
  };

  return cmocka_run_group_tests_name("nat_traffic", tests, NULL, NULL);
}
