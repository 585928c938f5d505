/* SPDX-License-Identifier: MIT */
#include "log_histogram.h"
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VALUES 5000

static void add(struct log_histogram *histogram, uint32_t value) {
  log_histogram_add(histogram, log_histogram_bucket(value));
}

static void test_nothing(void **state) {
  struct log_histogram histogram = {0};

  (void)state;
  assert_true(isnan(log_histogram_quantile(&histogram, 0.5)));
}

/* One bucket follows the other without a gap, from 0 to the largest value. */
static void test_buckets_are_in_order(void **state) {
  unsigned before = 0;

  (void)state;
  assert_int_equal(log_histogram_bucket(0), 0);
  for (uint64_t value = 1; value <= UINT32_MAX; value += 1 + value / 128) {
    unsigned bucket = log_histogram_bucket((uint32_t)value);

    assert_true(bucket == before || bucket == before + 1);
    before = bucket;
  }
  assert_int_equal(log_histogram_bucket(UINT32_MAX), LOG_HISTOGRAM_BUCKETS - 1);
}

/* The stated bound, for each value alone. */
static void check_error(uint32_t value) {
  struct log_histogram histogram = {0};
  double found;

  add(&histogram, value);
  found = log_histogram_quantile(&histogram, 0.5);
  if (value < 64 ? found != value : fabs(found - value) >= value / 64.0)
    fail_msg("%u is found as %g", value, found);
}

static void test_error_of_every_size(void **state) {
  unsigned seed = (unsigned)time(NULL);

  (void)state;
  srand(seed);
  for (uint32_t value = 0; value < 5000; value++)
    check_error(value);
  for (unsigned exponent = 6; exponent < 32; exponent++) {
    uint32_t first = UINT32_C(1) << exponent;

    check_error(first - 1);
    check_error(first);
    check_error(first + 1);
    for (unsigned i = 0; i < 100; i++)
      check_error(first + (uint32_t)rand() % first);
  }
  check_error(UINT32_MAX);
}

static int compare(const void *one, const void *other) {
  uint32_t first = *(const uint32_t *)one, second = *(const uint32_t *)other;

  return (first > second) - (first < second);
}

/* Sizes of all orders, so that each quantile may fall anywhere. */
static uint32_t random_value(void) {
  uint32_t bits = (uint32_t)rand() << 16 ^ (uint32_t)rand();

  return bits >> rand() % 32;
}

static void check_quantiles(unsigned seed) {
  static uint32_t values[VALUES];
  static const double quantiles[] = {0.001, 0.5, 0.95, 0.99, 1};
  struct log_histogram histogram = {0};
  size_t count;

  srand(seed);
  count = (size_t)rand() % VALUES + 1;
  for (size_t i = 0; i < count; i++) {
    values[i] = random_value();
    add(&histogram, values[i]);
  }
  assert_int_equal(histogram.count, count);
  qsort(values, count, sizeof(*values), compare);
  for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++) {
    size_t rank = (size_t)ceil(quantiles[i] * (double)count);
    uint32_t exact = values[rank - 1];
    double found = log_histogram_quantile(&histogram, quantiles[i]);

    if (exact < 64 ? found != exact : fabs(found - exact) >= exact / 64.0)
      fail_msg("seed %u: quantile %g of %zu values is %g, expected %u", seed,
               quantiles[i], count, found, exact);
  }
}

static void test_quantiles_against_sorted_values(void **state) {
  unsigned seed = (unsigned)time(NULL);

  (void)state;
  for (unsigned round = 0; round < 200; round++)
    check_quantiles(seed + round);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_nothing),
      cmocka_unit_test(test_buckets_are_in_order),
      cmocka_unit_test(test_error_of_every_size),
      cmocka_unit_test(test_quantiles_against_sorted_values),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
