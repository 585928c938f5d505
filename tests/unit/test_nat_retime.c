/* SPDX-License-Identifier: MIT
 *
 * A gateway's settings that become known, or change, while connections are held.
 */
#include "unit.h"

#include "nat_model.h"

#include <string.h>

#define SECONDS(n) ((n)*NANOSECONDS_PER_SECOND)

static struct nat_model *model;
static struct nat_estimate estimate;
static struct net_endpoint remote = {.address = {.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                                           0xff, 0xff, 192, 0, 2, 1}},
                                     .port = 443};

static struct nat_model_settings settings_of(nanoseconds time_wait, uint32_t limit) {
  return (struct nat_model_settings){.time_wait = time_wait,
                                     .reset = SECONDS(30),
                                     .transitory = SECONDS(30),
                                     .limit = limit,
                                     .covered_since = 1,
                                     .destinations_max = 16,
                                     .seed = 1};
}

static int begin(void **state) {
  const struct nat_model_settings settings = settings_of(0, 0);

  (void)state;
  return nat_model_new(&settings, &model);
}

static int end(void **state) {
  (void)state;
  nat_model_free(model);
  return 0;
}

static void configure(nanoseconds time_wait, uint32_t limit) {
  const struct nat_model_settings settings = settings_of(time_wait, limit);

  nat_model_configure(model, &settings);
}

static void read_at(nanoseconds now) {
  nat_model_begin(model, now, true);
  nat_model_finish(model, &estimate);
}

static void assert_ports(uint32_t low, uint32_t best, uint32_t high) {
  assert_int_equal(low, estimate.ports[NAT_LOW]);
  assert_int_equal(best, estimate.ports[NAT_BEST]);
  assert_int_equal(high, estimate.ports[NAT_HIGH]);
}

/* Held for 30 s by the best estimate and for 120 s by the high bound, until it
 * becomes known which. */
static void test_a_longer_time_brings_back_what_was_let_go(void **state) {
  (void)state;
  nat_model_close(model, SECONDS(1000), &remote, NULL, NAT_CLOSE_ORDERLY);
  nat_model_close(model, SECONDS(1050), &remote, NULL, NAT_CLOSE_ORDERLY);
  read_at(SECONDS(1060));
  assert_ports(1, 1, 2);
  configure(SECONDS(120), 64);
  read_at(SECONDS(1061));
  assert_ports(2, 2, 2);
  read_at(SECONDS(1121));
  assert_ports(1, 1, 1);
  read_at(SECONDS(1171));
  assert_ports(0, 0, 0);
}

static void test_a_shorter_time_lets_go(void **state) {
  (void)state;
  nat_model_close(model, SECONDS(1000), &remote, NULL, NAT_CLOSE_ORDERLY);
  nat_model_close(model, SECONDS(1050), &remote, NULL, NAT_CLOSE_ORDERLY);
  read_at(SECONDS(1060));
  configure(SECONDS(5), 64);
  read_at(SECONDS(1061));
  assert_ports(0, 0, 0);
  /* What is gone from the high bound does not come back. */
  configure(SECONDS(120), 64);
  nat_model_close(model, SECONDS(1062), &remote, NULL, NAT_CLOSE_ORDERLY);
  read_at(SECONDS(1063));
  assert_ports(1, 1, 1);
}

static void test_a_limit_caps_from_then_on(void **state) {
  (void)state;
  for (int i = 0; i < 100; i++)
    nat_model_close(model, SECONDS(1000), &remote, NULL, NAT_CLOSE_ORDERLY);
  read_at(SECONDS(1001));
  assert_ports(100, 100, 100);
  configure(SECONDS(30), 64);
  read_at(SECONDS(1002));
  assert_ports(64, 64, 64);
  configure(SECONDS(30), 128);
  read_at(SECONDS(1003));
  assert_ports(100, 100, 100);
}

/* Whatever the settings were in between, the counts stay what the entries say. */
static void test_settings_to_and_fro(void **state) {
  (void)state;
  for (int i = 0; i < 50; i++) {
    nanoseconds now = SECONDS(1000 + i);

    nat_model_close(model, now, &remote, NULL, NAT_CLOSE_ORDERLY);
    nat_model_close(model, now, &remote, NULL, NAT_CLOSE_RESET);
    configure(i % 3 ? SECONDS(40) : 0, i % 2 ? 64 : 0);
    read_at(now);
    assert_true(estimate.ports[NAT_LOW] <= estimate.ports[NAT_BEST]);
    assert_true(estimate.ports[NAT_BEST] <= estimate.ports[NAT_HIGH]);
  }
  configure(SECONDS(40), 0);
  read_at(SECONDS(1049));
  assert_ports(40, 70, 80); /* 40 closed in order; resets: 30 by their own time */
  read_at(SECONDS(2000));
  assert_ports(0, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_a_longer_time_brings_back_what_was_let_go),
      TEST(test_a_shorter_time_lets_go),
      TEST(test_a_limit_caps_from_then_on),
      TEST(test_settings_to_and_fro),
  };

  return cmocka_run_group_tests_name("nat_retime", tests, NULL, NULL);
}
