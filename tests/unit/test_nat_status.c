/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "egress/nat_status.h"

static struct nat_status_entry entry_for(const char *address, uint16_t port) {
  struct nat_status_entry entry = {.ports_used = 64, .ports_limit = 64, .stalled = 3};

  assert_int_equal(0, net_address_parse(address, &entry.destination.address));
  entry.destination.port = port;
  return entry;
}

static void test_finds_what_was_published(void **state) {
  const struct nat_status_entry entries[] = {entry_for("198.51.100.10", 443),
                                             entry_for("198.51.100.20", 443)};
  const struct nat_status_entry other_port = entry_for("198.51.100.10", 80);
  struct nat_status_entry found = {0};

  (void)state;
  nat_status_publish(entries, 2, 1000);
  assert_true(nat_status_find(&entries[1].destination, 999, &found));
  assert_int_equal(3, found.stalled);
  assert_true(nat_status_find(&entries[0].destination, 999, NULL));
  assert_false(nat_status_find(&other_port.destination, 999, NULL));
}

static void test_forgets_what_is_old_or_replaced(void **state) {
  const struct nat_status_entry entry = entry_for("198.51.100.10", 443);

  (void)state;
  nat_status_publish(&entry, 1, 1000);
  assert_false(nat_status_find(&entry.destination, 1000, NULL));
  nat_status_publish(NULL, 0, 5000);
  assert_false(nat_status_find(&entry.destination, 999, NULL));
}

static void test_what_is_too_much_is_dropped(void **state) {
  static struct nat_status_entry entries[NAT_STATUS_MAX + 1];

  (void)state;
  for (size_t i = 0; i <= NAT_STATUS_MAX; i++)
    entries[i] = entry_for("198.51.100.10", (uint16_t)(i + 1));
  nat_status_publish(entries, NAT_STATUS_MAX + 1, 1000);
  assert_true(nat_status_find(&entries[NAT_STATUS_MAX - 1].destination, 0, NULL));
  assert_false(nat_status_find(&entries[NAT_STATUS_MAX].destination, 0, NULL));
}

static void test_limit(void **state) {
  (void)state;
  assert_int_equal(0, nat_status_limit(0));
  nat_status_publish_limit(64, 1000);
  assert_int_equal(64, nat_status_limit(999));
  assert_int_equal(0, nat_status_limit(1000));
  nat_status_publish_limit(0, 2000);
  assert_int_equal(0, nat_status_limit(999));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_finds_what_was_published),
      cmocka_unit_test(test_forgets_what_is_old_or_replaced),
      cmocka_unit_test(test_what_is_too_much_is_dropped),
      cmocka_unit_test(test_limit),
  };

  return cmocka_run_group_tests_name("nat_status", tests, NULL, NULL);
}
