/* SPDX-License-Identifier: MIT
 *
 * When time limits pass, and what the prober's own absence is to them. Nothing is sent:
 * these transfers have no handle.
 */
#include "unit.h"

#include "deadlines.h"

#define MS NANOSECONDS_PER_MILLISECOND
#define BEGIN (1000 * MS)
#define TIMEOUT (400 * MS)

static struct probe_chain chain = {.timeout = TIMEOUT};

static struct transfer begun_at(nanoseconds now) {
  const struct phase_plan plan = {0};
  struct transfer transfer = {.order.chain = &chain,
                              .begun = now,
                              .deadline = now + TIMEOUT,
                              .look = NEVER};

  phases_begin(&transfer.phases, &plan, 0, now);
  return transfer;
}

static void test_in_the_order_of_their_limits(void **state) {
  struct transfer first = begun_at(BEGIN), second = begun_at(BEGIN + 10 * MS);
  struct deadlines deadlines;

  (void)state;
  deadlines_init(&deadlines, BEGIN);
  assert_true(deadlines_next(&deadlines, BEGIN) == NEVER);
  deadlines_add(&deadlines, &second, BEGIN + 10 * MS);
  deadlines_add(&deadlines, &first, BEGIN + 10 * MS);
  /* A wait is short while there are any. */
  assert_true(deadlines_next(&deadlines, BEGIN) == BEGIN + DEADLINES_WAIT);
  assert_true(deadlines_next(&deadlines, BEGIN + 390 * MS) == first.deadline);
  deadlines_waited(&deadlines, BEGIN + 10 * MS, first.deadline, false, first.deadline);
  assert_ptr_equal(&first, deadlines_overdue(&deadlines));
  assert_null(deadlines_overdue(&deadlines));
  deadlines_remove(&deadlines, &first); /* is out already */
  deadlines_remove(&deadlines, &second);
  assert_true(deadlines_next(&deadlines, BEGIN) == NEVER);
}

/* It looked when it had to, and nothing was there: absent afterwards does not matter. */
static void test_late_without_an_event(void **state) {
  struct transfer transfer = begun_at(BEGIN);
  struct deadlines deadlines;

  (void)state;
  deadlines_init(&deadlines, BEGIN + 390 * MS);
  deadlines_add(&deadlines, &transfer, BEGIN);
  deadlines_waited(&deadlines, BEGIN + 390 * MS, transfer.deadline, false, BEGIN + 900 * MS);
  assert_ptr_equal(&transfer, deadlines_overdue(&deadlines));
  assert_int_equal(500 * MS, transfer.absence);
}

/* Something came meanwhile, or it could not even look. */
static void test_late_with_an_event(void **state) {
  struct transfer transfer = begun_at(BEGIN);
  struct deadlines deadlines;

  (void)state;
  deadlines_init(&deadlines, BEGIN + 390 * MS);
  deadlines_add(&deadlines, &transfer, BEGIN);
  deadlines_waited(&deadlines, BEGIN + 390 * MS, transfer.deadline, true, BEGIN + 900 * MS);
  assert_null(deadlines_overdue(&deadlines));
  assert_int_equal(510 * MS, transfer.absence);
  assert_true(transfer.deadline == BEGIN + 910 * MS);
  deadlines_waited(&deadlines, BEGIN + 900 * MS, transfer.deadline, false,
                   BEGIN + 910 * MS);
  assert_ptr_equal(&transfer, deadlines_overdue(&deadlines));
}

/* Work and waits that are as short as they should be are nobody's absence. */
static void test_in_time(void **state) {
  struct transfer transfer = begun_at(BEGIN);
  struct deadlines deadlines;
  nanoseconds now = BEGIN;

  (void)state;
  deadlines_init(&deadlines, BEGIN);
  deadlines_add(&deadlines, &transfer, BEGIN);
  for (int i = 0; i < 3; i++, now += 140 * MS) {
    deadlines_worked(&deadlines, now + 20 * MS);
    deadlines_waited(&deadlines, now + 40 * MS, now + 95 * MS, true, now + 140 * MS);
  }
  assert_int_equal(0, transfer.absence);
  assert_ptr_equal(&transfer, deadlines_overdue(&deadlines));
}

/* One that begins in a long turn was not there for all of it, and may now come first. */
static void test_work_before_a_begin_is_not_its_own(void **state) {
  struct transfer old = begun_at(BEGIN), young = begun_at(BEGIN + 300 * MS);
  struct deadlines deadlines;

  (void)state;
  deadlines_init(&deadlines, BEGIN);
  deadlines_add(&deadlines, &old, BEGIN);
  deadlines_add(&deadlines, &young, BEGIN + 300 * MS);
  deadlines_worked(&deadlines, BEGIN + 320 * MS);
  assert_int_equal(320 * MS, old.absence);
  assert_int_equal(20 * MS, young.absence);
  assert_true(old.deadline == BEGIN + 720 * MS);
  assert_true(young.deadline == BEGIN + 720 * MS);
  assert_true(old.phases.entered <= BEGIN + 320 * MS);
  deadlines_waited(&deadlines, BEGIN + 320 * MS, young.deadline, false, young.deadline);
  assert_non_null(deadlines_overdue(&deadlines));
}

/* An end has to come, if by nobody's fault but the prober's. */
static void test_no_excuse_is_for_ever(void **state) {
  struct transfer transfer = begun_at(BEGIN);
  struct deadlines deadlines;
  nanoseconds now = BEGIN;
  int turns = 0;

  (void)state;
  deadlines_init(&deadlines, BEGIN);
  deadlines_add(&deadlines, &transfer, BEGIN);
  while (!deadlines_overdue(&deadlines)) {
    now += 100 * MS;
    assert_false(transfer_was_absent(&transfer, CURLE_OK, true, now) &&
                 transfer.absence < TRANSFER_ABSENCE_MAX * TIMEOUT);
    deadlines_worked(&deadlines, now);
    assert_true(++turns < 100);
  }
  assert_int_equal(TRANSFER_ABSENCE_MAX * TIMEOUT, transfer.absence);
  assert_true(transfer_was_absent(&transfer, CURLE_OK, true, now));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_in_the_order_of_their_limits),
      cmocka_unit_test(test_late_without_an_event),
      cmocka_unit_test(test_late_with_an_event),
      cmocka_unit_test(test_in_time),
      cmocka_unit_test(test_work_before_a_begin_is_not_its_own),
      cmocka_unit_test(test_no_excuse_is_for_ever),
  };

  return cmocka_run_group_tests_name("probe deadlines", tests, NULL, NULL);
}
