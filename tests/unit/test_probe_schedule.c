/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "debounce.h"
#include "schedule.h"

#include <stdlib.h>
#include <time.h>

#define SECOND NANOSECONDS_PER_SECOND

/* A round begins when it is due, and takes so long. */
static nanoseconds run_round(struct schedule *schedule, nanoseconds takes, bool confirm) {
  nanoseconds begun = schedule->next;

  schedule_round_begins(schedule, begun);
  schedule_round_ends(schedule, confirm, begun + takes);
  return begun;
}

static void test_rounds_do_not_drift(void **state) {
  unsigned seed = (unsigned)time(NULL);
  struct schedule schedule;
  nanoseconds now = 12345, last = 0;

  (void)state;
  print_message("seed %u\n", seed);
  schedule_begin(&schedule, 30 * SECOND, 10, 0.25, now);
  assert_int_equal(now + 30 * SECOND / 4, schedule.next);
  for (int i = 0; i < 1000; i++) {
    nanoseconds begun;

    schedule.next += rand_r(&seed) % 1000; /* the machine is late */
    begun = run_round(&schedule, rand_r(&seed) % (29 * SECOND), false);
    assert_true(begun - schedule.first - i * 30 * SECOND < 1000);
    assert_true(begun > last);
    last = begun;
  }
}

static void test_confirming_rounds_come_early(void **state) {
  struct schedule schedule;

  (void)state;
  schedule_begin(&schedule, 40 * SECOND, 10, 0, 0);
  assert_int_equal(0, run_round(&schedule, SECOND, true));
  assert_int_equal(10 * SECOND, run_round(&schedule, SECOND, true));
  assert_int_equal(20 * SECOND, run_round(&schedule, 15 * SECOND, true));
  assert_int_equal(35 * SECOND, run_round(&schedule, SECOND, true)); /* as it ended */
  assert_int_equal(40 * SECOND, run_round(&schedule, SECOND, false)); /* the grid */
  assert_int_equal(80 * SECOND, schedule.next);
}

static void test_a_long_round_skips_and_never_overlaps(void **state) {
  struct schedule schedule;

  (void)state;
  schedule_begin(&schedule, 10 * SECOND, 10, 0, 0);
  run_round(&schedule, 35 * SECOND, false);
  assert_int_equal(40 * SECOND, schedule.next);
  run_round(&schedule, 5 * SECOND, true);
  assert_int_equal(45 * SECOND, schedule.next);
}

static bool climbs(struct schedule *schedule, bool failed, bool changed, bool pending) {
  const struct schedule_findings findings = {failed, changed, pending};

  return schedule_wants_ladder(schedule, &findings);
}

static void test_ladder(void **state) {
  struct schedule schedule;

  (void)state;
  schedule_begin(&schedule, SECOND, 3, 0, 0);
  assert_true(climbs(&schedule, false, false, false)); /* the first round */
  assert_false(climbs(&schedule, false, false, false));
  assert_false(climbs(&schedule, false, true, false));
  assert_true(climbs(&schedule, false, false, false)); /* every third */
  assert_true(climbs(&schedule, true, true, false));   /* the first failure */
  assert_true(climbs(&schedule, true, false, true));   /* confirming it */
  assert_false(climbs(&schedule, true, false, false)); /* it lasts */
  assert_false(climbs(&schedule, true, false, false));
  assert_true(climbs(&schedule, true, false, false));

  schedule_begin(&schedule, SECOND, 0, 0, 0); /* on failures only */
  assert_true(climbs(&schedule, false, false, false));
  for (int i = 0; i < 100; i++)
    assert_false(climbs(&schedule, false, false, false));
  assert_true(climbs(&schedule, true, true, false));
}

static void test_starts_are_spread(void **state) {
  struct schedule schedule;

  (void)state;
  schedule_begin(&schedule, 10 * SECOND, 3, 0, 0);
  assert_int_equal(0, schedule_offset(&schedule, 8 * SECOND, 0, 1));
  assert_int_equal(0, schedule_offset(&schedule, 10 * SECOND, 7, 8)); /* no time left */
  for (size_t i = 1; i < 1000; i++) {
    nanoseconds offset = schedule_offset(&schedule, 8 * SECOND, i, 1000);

    assert_true(offset > schedule_offset(&schedule, 8 * SECOND, i - 1, 1000));
    assert_true(offset < 2 * SECOND);
  }
}

static void test_groups(void **state) {
  (void)state;
  for (size_t i = 0; i < 10 * SCHEDULE_GROUP; i++)
    assert_int_equal(i % SCHEDULE_GROUP != 0, schedule_follows(i));
}

/* A part that fails in two ways in turn is not passed over in silence. */
static void test_debounce_of_rounds_that_never_agree(void **state) {
  struct debounce debounce = {0};

  (void)state;
  for (int round = 1; round < 6; round++)
    assert_false(debounce_add(&debounce, 5 + round % 2, 2));
  assert_true(debounce_add(&debounce, 5, 2));
  assert_int_equal(5, debounce.settled);
  assert_false(debounce_pending(&debounce));
  /* Now one of the two is published, and the other says nothing new. */
  for (int round = 1; round < 20; round++)
    assert_false(debounce_add(&debounce, 5 + round % 2, 2));
  /* Rounds that speak for what is published begin the count anew. */
  for (int round = 0; round < 30; round++)
    assert_false(debounce_add(&debounce, (const int[]){5, 0, 6, 7, 0, 6}[round % 6], 2));
}

static void test_debounce(void **state) {
  struct debounce debounce = {0};

  (void)state;
  assert_false(debounce_add(&debounce, 0, 2));
  assert_false(debounce_pending(&debounce));
  assert_false(debounce_add(&debounce, 5, 2));
  assert_true(debounce_pending(&debounce));
  assert_false(debounce_add(&debounce, 6, 2)); /* they do not agree */
  assert_false(debounce_add(&debounce, 0, 2));
  assert_false(debounce_pending(&debounce));
  assert_false(debounce_add(&debounce, 5, 2));
  assert_true(debounce_add(&debounce, 5, 2));
  assert_int_equal(5, debounce.settled);
  assert_false(debounce_pending(&debounce));
  assert_false(debounce_add(&debounce, 0, 2));
  assert_false(debounce_add(&debounce, 5, 2)); /* flapping does not clear it */
  assert_false(debounce_add(&debounce, 0, 2));
  assert_true(debounce_add(&debounce, 0, 2));
  assert_int_equal(0, debounce.settled);
  assert_true(debounce_add(&debounce, 7, 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rounds_do_not_drift),
      cmocka_unit_test(test_confirming_rounds_come_early),
      cmocka_unit_test(test_a_long_round_skips_and_never_overlaps),
      cmocka_unit_test(test_ladder),
      cmocka_unit_test(test_starts_are_spread),
      cmocka_unit_test(test_groups),
      cmocka_unit_test(test_debounce),
      cmocka_unit_test(test_debounce_of_rounds_that_never_agree),
  };

  return cmocka_run_group_tests_name("probe schedule", tests, NULL, NULL);
}
