/* SPDX-License-Identifier: MIT */
#include "nat_forecast.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static size_t kept(const struct nat_forecast *forecast) {
  return forecast->count < NAT_FORECAST_WINDOW ? forecast->count : NAT_FORECAST_WINDOW;
}

/* The sample `age` reads before the last one. */
static const struct nat_forecast_sample *at(const struct nat_forecast *forecast,
                                            size_t age) {
  return &forecast->samples[(forecast->count - 1 - age) % NAT_FORECAST_WINDOW];
}

void nat_forecast_add(struct nat_forecast *forecast,
                      const struct nat_forecast_sample *sample) {
  if (forecast->count > 0 && sample->time <= at(forecast, 0)->time)
    return;
  forecast->samples[forecast->count++ % NAT_FORECAST_WINDOW] = *sample;
}

static double seconds_between(const struct nat_forecast *forecast, size_t older,
                              size_t newer) {
  return nanoseconds_to_seconds(at(forecast, newer)->time - at(forecast, older)->time);
}

static double used_of(const struct nat_forecast_sample *sample) { return sample->used; }

static double open_of(const struct nat_forecast_sample *sample) { return sample->open; }

static int compare(const void *one, const void *other) {
  double left = *(const double *)one, right = *(const double *)other;

  return (left > right) - (left < right);
}

struct rise {
  double slope; /* a second */
  bool certain; /* two thirds of the differences are above 0 */
};

static struct rise find_rise(const struct nat_forecast *forecast,
                             double (*value)(const struct nat_forecast_sample *)) {
  double slopes[NAT_FORECAST_WINDOW];
  size_t lag = kept(forecast) / 4 > 0 ? kept(forecast) / 4 : 1;
  size_t count = kept(forecast) - lag, above = 0;

  for (size_t age = 0; age < count; age++) {
    slopes[age] = (value(at(forecast, age)) - value(at(forecast, age + lag))) /
                  seconds_between(forecast, age + lag, age);
    above += slopes[age] > 0;
  }
  qsort(slopes, count, sizeof(*slopes), compare);
  return (struct rise){.slope = (slopes[(count - 1) / 2] + slopes[count / 2]) / 2,
                       .certain = 3 * above >= 2 * count};
}

/* Connections that closed a second, from `older` to `newer` reads before the last. */
static double close_rate(const struct nat_forecast *forecast, size_t older, size_t newer) {
  uint64_t closes = 0;

  for (size_t age = newer; age < older; age++)
    closes += at(forecast, age)->closes;
  return (double)closes / seconds_between(forecast, older, newer);
}

/* What closed connections will hold at most, now and for each second to come. Their
 * rate counts as rising if it grew from one half of the window to the other by more
 * than two standard deviations of such counts. */
static void find_ceiling(const struct nat_forecast *forecast, double time_wait,
                         double *now, double *growth) {
  size_t oldest = kept(forecast) - 1, middle = oldest / 2;
  double late = close_rate(forecast, middle, 0);
  double early = close_rate(forecast, oldest, middle);
  double half = seconds_between(forecast, oldest, 0) / 2;
  bool rises = late - early > 2 * sqrt((late + early) / half);

  *now = late * time_wait;
  *growth = rises ? (late - early) / half * time_wait : 0;
}

/* When `room` is filled by something that grows like this; INFINITY: never. */
static double time_to_fill(double room, double growth) {
  if (room <= 0)
    return 0;
  return growth > 0 ? room / growth : (double)INFINITY;
}

double nat_forecast_seconds(const struct nat_forecast *forecast, uint32_t limit,
                            nanoseconds time_wait) {
  struct rise used, open;
  double ceiling, ceiling_growth, by_rise, by_ceiling;

  if (limit == 0 || forecast->count == 0)
    return (double)NAN;
  if (at(forecast, 0)->used >= limit)
    return 0;
  if (kept(forecast) < NAT_FORECAST_LEAST)
    return (double)NAN;
  used = find_rise(forecast, used_of);
  open = find_rise(forecast, open_of);
  if (!used.certain || used.slope <= 0)
    return (double)NAN;
  if (!open.certain || open.slope < 0)
    open.slope = 0;
  find_ceiling(forecast, nanoseconds_to_seconds(time_wait), &ceiling, &ceiling_growth);
  by_rise = time_to_fill((double)limit - at(forecast, 0)->used, used.slope);
  by_ceiling = time_to_fill((double)limit - at(forecast, 0)->open - ceiling,
                            open.slope + ceiling_growth);
  if (by_ceiling > by_rise)
    by_rise = by_ceiling;
  return by_rise <= NAT_FORECAST_HORIZON ? by_rise : (double)NAN;
}
