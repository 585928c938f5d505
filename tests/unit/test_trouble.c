/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "egress/trouble.h"

#define S NANOSECONDS_PER_SECOND

static void test_said_when_it_begins_and_ends(void **state) {
  struct trouble trouble = {0};

  (void)state;
  assert_false(trouble_stops(&trouble, 1 * S));
  assert_true(trouble_starts(&trouble, 2 * S));
  assert_false(trouble_starts(&trouble, 3 * S));
  assert_true(trouble_stops(&trouble, 4 * S));
  assert_false(trouble_stops(&trouble, 5 * S));
}

/* A day of one that is there at every other read. */
static void test_one_that_comes_and_goes_is_said_once(void **state) {
  struct trouble trouble = {0};
  unsigned lines = 0;

  (void)state;
  for (unsigned read = 1; read <= 8640; read++)
    lines += read % 2 ? trouble_starts(&trouble, read * 10 * S)
                      : trouble_stops(&trouble, read * 10 * S);
  assert_int_equal(3, lines); /* it begins, it ends, it is back */
  assert_false(trouble_stops(&trouble, 86400 * S + TROUBLE_CALM - 1));
  assert_true(trouble_stops(&trouble, 86400 * S + TROUBLE_CALM));
}

static void test_each_return_starts_the_calm_anew(void **state) {
  struct trouble trouble = {0};

  (void)state;
  trouble_starts(&trouble, 1 * S);
  trouble_stops(&trouble, 2 * S);
  assert_true(trouble_starts(&trouble, 3 * S));
  assert_false(trouble_stops(&trouble, 4 * S));
  assert_false(trouble_starts(&trouble, 3 * S + TROUBLE_CALM));
  assert_false(trouble_stops(&trouble, 4 * S + TROUBLE_CALM));
  assert_true(trouble_stops(&trouble, 4 * S + 2 * TROUBLE_CALM));
}

static void test_one_long_ago_is_forgotten(void **state) {
  struct trouble trouble = {0};

  (void)state;
  trouble_starts(&trouble, 1 * S);
  trouble_stops(&trouble, 2 * S);
  assert_true(trouble_starts(&trouble, 2 * S + TROUBLE_CALM));
  assert_true(trouble_stops(&trouble, 3 * S + TROUBLE_CALM));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_said_when_it_begins_and_ends),
      cmocka_unit_test(test_one_that_comes_and_goes_is_said_once),
      cmocka_unit_test(test_each_return_starts_the_calm_anew),
      cmocka_unit_test(test_one_long_ago_is_forgotten),
  };

  return cmocka_run_group_tests_name("trouble", tests, NULL, NULL);
}
