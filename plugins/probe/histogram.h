/* SPDX-License-Identifier: MIT
 *
 * Model: cumulative histogram of durations, with Prometheus' default buckets
 * (client libraries' DefBuckets), so that histogram_quantile works on it.
 */
#ifndef EGRESS_HISTOGRAM_H
#define EGRESS_HISTOGRAM_H

#include "egress/clock.h"

#define HISTOGRAM_BUCKETS 12 /* the last one is +Inf */

struct histogram {
  int64_t counts[HISTOGRAM_BUCKETS]; /* durations not longer than the bound */
};

/* Bounds as text: "0.005" ... "10", "+Inf". */
extern const char *const histogram_bounds[HISTOGRAM_BUCKETS];

void histogram_add(struct histogram *histogram, nanoseconds duration);

#endif
