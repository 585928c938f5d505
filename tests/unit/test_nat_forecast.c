/* SPDX-License-Identifier: MIT
 *
 * Forecasts against the moment that really came, for rises of several kinds.
 */
#include "unit.h"

#include "nat_forecast.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#define S NANOSECONDS_PER_SECOND
#define INTERVAL 10.0

/* A machine whose connections open and close at given rates; `held` is a queue of the
 * closes of the last TIME_WAIT, a place an interval. */
struct machine {
  double time_wait;
  double open, held;
  double closes[64];
  unsigned reads;
  struct nat_forecast forecast;
};

static void live(struct machine *machine, double opened, double closed) {
  unsigned intervals = (unsigned)(machine->time_wait / INTERVAL);
  double *place = &machine->closes[machine->reads % intervals];
  struct nat_forecast_sample sample;

  machine->held += closed - *place;
  *place = closed;
  machine->open += opened - closed;
  machine->reads++;
  sample = (struct nat_forecast_sample){
      .time = (nanoseconds)(machine->reads * INTERVAL) * S,
      .used = (uint32_t)(machine->open + machine->held),
      .open = (uint32_t)machine->open,
      .closes = (uint32_t)closed,
  };
  nat_forecast_add(&machine->forecast, &sample);
}

static double used(const struct machine *machine) { return machine->open + machine->held; }

static double forecast(const struct machine *machine, uint32_t limit) {
  return nat_forecast_seconds(&machine->forecast, limit,
                              (nanoseconds)(machine->time_wait * (double)S));
}

static double random_around(double mean) {
  return mean * (0.75 + 0.5 * rand() / RAND_MAX);
}

static void assert_near(double expected, double found, double most) {
  if (!(fabs(expected - found) <= most))
    fail_msg("%g is not within %g of %g", found, most, expected);
}

static void test_connections_that_stay_open(void **state) {
  (void)state;
  for (unsigned run = 0; run < 50; run++) {
    struct machine machine = {.time_wait = 30};
    double rate = 4.0 + rand() % 60, at_half = 0, predicted = (double)NAN;
    const uint32_t limit = 1024;

    while (used(&machine) < limit) {
      live(&machine, random_around(rate), 0);
      if (at_half == 0 && used(&machine) >= limit / 2.0) {
        at_half = machine.reads * INTERVAL;
        predicted = forecast(&machine, limit);
      }
    }
    if (at_half / INTERVAL < NAT_FORECAST_LEAST)
      continue;
    assert_false(isnan(predicted));
    assert_near(machine.reads * INTERVAL, at_half + predicted,
                       0.2 * (machine.reads * INTERVAL - at_half) + 2 * INTERVAL);
  }
}

/* What is held levels off after one TIME_WAIT, here at 360 of 1024. */
static void test_a_steady_rate_is_no_exhaustion(void **state) {
  struct machine machine = {.time_wait = 120};

  (void)state;
  for (unsigned i = 0; i < 60; i++) {
    live(&machine, 30, 30);
    assert_true(isnan(forecast(&machine, 1024)));
  }
  assert_near(360, used(&machine), 0.1);
}

/* It levels off beyond the limit: the rise says when it is reached. */
static void test_a_rate_that_cannot_be_borne(void **state) {
  struct machine machine = {.time_wait = 120};

  (void)state;
  for (unsigned i = 0; i < 7; i++)
    live(&machine, 30, 30);
  assert_near((300 - 210) / 3.0, forecast(&machine, 300), 1);
}

static void test_a_rate_that_rises(void **state) {
  struct machine machine = {.time_wait = 30};
  double predicted = (double)NAN, at_half = 0;
  const uint32_t limit = 1024;

  (void)state;
  for (double rate = 20; used(&machine) < limit; rate += 6) {
    live(&machine, rate, rate);
    if (at_half == 0 && used(&machine) >= limit / 2.0) {
      at_half = machine.reads * INTERVAL;
      predicted = forecast(&machine, limit);
    }
  }
  assert_near(machine.reads * INTERVAL - at_half, predicted,
                     0.2 * (machine.reads * INTERVAL - at_half));
}

static void test_one_burst_is_no_rise(void **state) {
  (void)state;
  for (unsigned before = 1; before < 30; before++) {
    struct machine machine = {.time_wait = 120, .open = 100};

    for (unsigned i = 0; i < 50; i++) {
      live(&machine, i == before ? 300 : rand() % 3, rand() % 3);
      assert_true(isnan(forecast(&machine, 1024)) || forecast(&machine, 1024) > 600);
    }
  }
}

static void test_neither_flat_nor_falling_is(void **state) {
  struct machine flat = {.time_wait = 30, .open = 600}, falling = flat;

  (void)state;
  for (unsigned i = 0; i < 40; i++) {
    live(&flat, 0, 0);
    live(&falling, 0, 10);
    assert_true(isnan(forecast(&flat, 1024)));
    assert_true(isnan(forecast(&falling, 1024)));
  }
}

static void test_the_ends_of_the_range(void **state) {
  struct machine machine = {.time_wait = 30, .open = 64};
  struct nat_forecast empty = {.count = 0};

  (void)state;
  assert_true(isnan(nat_forecast_seconds(&empty, 64, S)));
  live(&machine, 0, 0);
  assert_near(0, forecast(&machine, 64), 0);
  assert_true(isnan(forecast(&machine, 0)));
  assert_true(isnan(forecast(&machine, 65)));
  /* A thousand years off. */
  for (unsigned i = 0; i < 40; i++)
    live(&machine, 0.3, 0);
  assert_true(isnan(forecast(&machine, UINT32_MAX)));
  /* A clock that stands still adds nothing. */
  machine.reads--;
  live(&machine, 500, 0);
  assert_near((100 - 76) / 0.03, forecast(&machine, 100), 500);
}

int main(void) {
  const char *given = getenv("EGRESS_TEST_SEED");
  unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_connections_that_stay_open),
      cmocka_unit_test(test_a_steady_rate_is_no_exhaustion),
      cmocka_unit_test(test_a_rate_that_cannot_be_borne),
      cmocka_unit_test(test_a_rate_that_rises),
      cmocka_unit_test(test_one_burst_is_no_rise),
      cmocka_unit_test(test_neither_flat_nor_falling_is),
      cmocka_unit_test(test_the_ends_of_the_range),
  };

  print_message("EGRESS_TEST_SEED=%u\n", seed);
  srand(seed);
  return cmocka_run_group_tests_name("nat_forecast", tests, NULL, NULL);
}
