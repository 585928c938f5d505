/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "nat_top.h"

#include <stdlib.h>
#include <time.h>

static struct net_endpoint endpoint(unsigned number) {
  const uint8_t bytes[4] = {198, 51, (uint8_t)(number >> 8), (uint8_t)number};

  return (struct net_endpoint){net_address_from_ipv4(bytes), 443};
}

static void offer(struct nat_top *top, unsigned number, uint32_t ports) {
  const struct net_endpoint remote = endpoint(number);

  nat_top_offer(top, &remote, ports);
}

/* Destination i holds ports[i]. */
static void choose(struct nat_top *top, const uint32_t *ports, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    offer(top, i, ports[i]);
  nat_top_finish(top);
}

static bool shows(const struct nat_top *top, unsigned number) {
  const struct net_endpoint wanted = endpoint(number);

  for (size_t i = 0; i < top->shown_count; i++)
    if (net_endpoint_equal(&top->shown[i].remote, &wanted))
      return true;
  return false;
}

static void test_shows_the_busiest(void **state) {
  struct nat_top top;

  (void)state;
  assert_int_equal(0, nat_top_init(&top, 2, 3));
  choose(&top, (const uint32_t[]){5, 40, 2, 7, 0}, 5);
  assert_int_equal(2, top.shown_count);
  assert_true(shows(&top, 1) && shows(&top, 3));
  choose(&top, NULL, 0);
  assert_int_equal(0, top.shown_count);
  choose(&top, (const uint32_t[]){2, 1, 0}, 3);
  assert_int_equal(0, top.shown_count);
  nat_top_free(&top);
}

static void test_a_close_rival_does_not_replace(void **state) {
  struct nat_top top;

  (void)state;
  assert_int_equal(0, nat_top_init(&top, 1, 2));
  choose(&top, (const uint32_t[]){20, 19}, 2);
  assert_true(shows(&top, 0));
  choose(&top, (const uint32_t[]){20, 26}, 2);
  assert_true(shows(&top, 0));
  choose(&top, (const uint32_t[]){20, 27}, 2);
  assert_true(shows(&top, 1));
  choose(&top, (const uint32_t[]){20, 19}, 2);
  assert_true(shows(&top, 1));
  nat_top_free(&top);
}

static void test_stays_down_to_half_the_minimum(void **state) {
  struct nat_top top;

  (void)state;
  assert_int_equal(0, nat_top_init(&top, 4, 8));
  choose(&top, (const uint32_t[]){8, 7}, 2);
  assert_true(shows(&top, 0) && !shows(&top, 1));
  choose(&top, (const uint32_t[]){4, 7}, 2);
  assert_true(shows(&top, 0) && !shows(&top, 1));
  choose(&top, (const uint32_t[]){3, 7}, 2);
  assert_int_equal(0, top.shown_count);
  choose(&top, (const uint32_t[]){7, 7}, 2);
  assert_int_equal(0, top.shown_count);
  nat_top_free(&top);
}

static void test_no_places(void **state) {
  struct nat_top top;

  (void)state;
  assert_int_equal(0, nat_top_init(&top, 0, 1));
  choose(&top, (const uint32_t[]){8, 7}, 2);
  assert_int_equal(0, top.shown_count);
  nat_top_free(&top);
}

/* Whatever came before: none that is left out outweighs one that is shown. */
static void test_random_choices(void **state) {
  enum { COUNT = 60, PLACES = 10, MINIMUM = 4 };
  unsigned seed = (unsigned)time(NULL);
  struct nat_top top;
  bool before[COUNT] = {false};

  (void)state;
  print_message("seed %u\n", seed);
  srand(seed);
  assert_int_equal(0, nat_top_init(&top, PLACES, MINIMUM));
  for (unsigned round = 0; round < 500; round++) {
    uint32_t ports[COUNT];

    for (unsigned i = 0; i < COUNT; i++)
      ports[i] = (uint32_t)(rand() % 30);
    choose(&top, ports, COUNT);
    assert_true(top.shown_count <= PLACES);
    for (unsigned in = 0; in < COUNT; in++)
      for (unsigned out = 0; out < COUNT && shows(&top, in); out++)
        if (!shows(&top, out) && ports[out] >= MINIMUM)
          assert_true(5 * ports[in] + 4 >= 4 * ports[out]);
    for (unsigned i = 0; i < COUNT; i++) {
      assert_true(!shows(&top, i) || ports[i] >= (before[i] ? MINIMUM / 2 : MINIMUM));
      before[i] = shows(&top, i);
    }
  }
  nat_top_free(&top);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_shows_the_busiest),
      cmocka_unit_test(test_a_close_rival_does_not_replace),
      cmocka_unit_test(test_stays_down_to_half_the_minimum),
      cmocka_unit_test(test_no_places),
      cmocka_unit_test(test_random_choices),
  };

  return cmocka_run_group_tests_name("nat_top", tests, NULL, NULL);
}
