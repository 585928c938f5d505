/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "nat_neighbour.h"

#include <string.h>

#define S NANOSECONDS_PER_SECOND

static struct nat_neighbours neighbours;

static struct net_endpoint at(const char *address, uint16_t port) {
  struct net_endpoint endpoint = {.port = port};

  assert_int_equal(0, net_address_parse(address, &endpoint.address));
  return endpoint;
}

static int set_up(void **state) {
  (void)state;
  memset(&neighbours, 0, sizeof(neighbours));
  return 0;
}

static void note(uint16_t local_port, uint16_t port, nanoseconds time) {
  const struct net_endpoint remote = at("198.51.100.10", port);

  nat_neighbours_note(&neighbours, local_port, &remote, time);
}

static uint16_t find(uint16_t local_port, nanoseconds time) {
  const struct net_endpoint remote = at("198.51.100.10", 0);

  return nat_neighbours_find(&neighbours, local_port, &remote.address, time);
}

static void test_the_nearest_tells(void **state) {
  (void)state;
  note(40000, 443, 100 * S);
  note(50000, 80, 100 * S);
  assert_int_equal(443, find(40002, 101 * S));
  assert_int_equal(443, find(40000 + NAT_NEIGHBOUR_FAR, 101 * S));
  assert_int_equal(0, find(40001 + NAT_NEIGHBOUR_FAR, 101 * S));
  assert_int_equal(80, find(49998, 101 * S));
  assert_int_equal(0, find(49999 - NAT_NEIGHBOUR_FAR, 101 * S));
  note(40006, 80, 100 * S);
  assert_int_equal(443, find(40002, 101 * S));
  assert_int_equal(443, find(40004, 101 * S)); /* the one before */
  assert_int_equal(80, find(40008, 101 * S));
}

/* Two rows cross: what came by before is no matter. */
static void test_the_last_one_tells(void **state) {
  (void)state;
  for (uint16_t port = 40000; port < 40400; port += 8)
    note(port, 80, 100 * S);
  for (uint16_t port = 40002; port < 40200; port += 8)
    note(port, 443, 101 * S);
  assert_int_equal(443, find(40202, 102 * S));
  assert_int_equal(443, find(40195, 102 * S));
  assert_int_equal(80, find(40300, 102 * S));
}

/* What is near counts for more than what is young. */
static void test_near_ones_come_first(void **state) {
  (void)state;
  note(40000, 443, 100 * S);
  note(39900, 80, 101 * S);
  assert_int_equal(443, find(40000 + NAT_NEIGHBOUR_NEAR, 102 * S));
  assert_int_equal(80, find(40001 + NAT_NEIGHBOUR_NEAR, 102 * S));
}

static void test_old_ones_and_other_addresses_do_not(void **state) {
  const struct net_endpoint other = at("198.51.100.11", 443);

  (void)state;
  note(40000, 443, 100 * S);
  assert_int_equal(443, find(40002, 100 * S + NAT_NEIGHBOUR_AGE));
  assert_int_equal(0, find(40002, 100 * S + NAT_NEIGHBOUR_AGE + S / 32));
  assert_int_equal(0, nat_neighbours_find(&neighbours, 40002, &other.address, 100 * S));
}

static void test_noted_since(void **state) {
  (void)state;
  assert_false(nat_neighbours_noted_since(&neighbours, 40000, 100 * S));
  note(40000, 443, 100 * S);
  assert_true(nat_neighbours_noted_since(&neighbours, 40000, 99 * S));
  assert_true(nat_neighbours_noted_since(&neighbours, 40000, 100 * S));
  assert_false(nat_neighbours_noted_since(&neighbours, 40000, 100 * S + S / 32));
  assert_false(nat_neighbours_noted_since(&neighbours, 40001, 99 * S));
}

static void test_at_the_end_of_all_ports(void **state) {
  (void)state;
  note(65535, 443, 262144 * S - S / 64); /* then the moments begin anew */
  assert_int_equal(443, find(65534, 262144 * S));
  assert_int_equal(443, find(1, 262145 * S));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_the_nearest_tells, set_up),
      cmocka_unit_test_setup(test_the_last_one_tells, set_up),
      cmocka_unit_test_setup(test_near_ones_come_first, set_up),
      cmocka_unit_test_setup(test_old_ones_and_other_addresses_do_not, set_up),
      cmocka_unit_test_setup(test_noted_since, set_up),
      cmocka_unit_test_setup(test_at_the_end_of_all_ports, set_up),
  };

  return cmocka_run_group_tests_name("nat_neighbour", tests, NULL, NULL);
}
