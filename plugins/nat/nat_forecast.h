/* SPDX-License-Identifier: MIT
 *
 * When the ports will run out, from their recent rise (pure).
 *
 * The rise is the median of the differences over a quarter of the window: one burst is
 * in a third of them at most, and moves the median little. It is a rise if two thirds
 * of the differences are. Open connections are taken to go on as they have; closed
 * ones cannot: at a steady rate they are as many as close within the gateway's
 * TIME_WAIT, and a rise that will end below the limit is no exhaustion.
 */
#ifndef EGRESS_NAT_FORECAST_H
#define EGRESS_NAT_FORECAST_H

#include "egress/clock.h"

#include <stddef.h>
#include <stdint.h>

/* Reads that a forecast rests on: 200 seconds at collectd's usual interval. */
#define NAT_FORECAST_WINDOW 20u
#define NAT_FORECAST_LEAST 6u

/* What lies further off is not said: no rise goes on for that long. */
#define NAT_FORECAST_HORIZON 86400.0

struct nat_forecast_sample {
  nanoseconds time;
  uint32_t used;   /* ports */
  uint32_t open;   /* of these, held by connections not closed */
  uint32_t closes; /* connections closed since the sample before */
};

/* All zero at first. */
struct nat_forecast {
  size_t count; /* samples ever added */
  struct nat_forecast_sample samples[NAT_FORECAST_WINDOW];
};

/* Samples in the order of time; one that is not later than the last is left out. */
void nat_forecast_add(struct nat_forecast *forecast,
                      const struct nat_forecast_sample *sample);

/* Seconds from the last sample until `limit` ports are held; 0 when they are. NAN: no
 * exhaustion in sight, or too few samples. time_wait: how long closed ones count. */
double nat_forecast_seconds(const struct nat_forecast *forecast, uint32_t limit,
                            nanoseconds time_wait);

#endif
