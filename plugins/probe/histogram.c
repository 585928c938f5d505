/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#include <stddef.h>

const char *const histogram_bounds[HISTOGRAM_BUCKETS] = {
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
    "0.5",   "1",    "2.5",   "5",    "10",  "+Inf",
};

/* In nanoseconds, exactly: 0.1 has no exact double. */
static const nanoseconds limits[HISTOGRAM_BUCKETS] = {
    INT64_C(5000000),    INT64_C(10000000),   INT64_C(25000000),
    INT64_C(50000000),   INT64_C(100000000),  INT64_C(250000000),
    INT64_C(500000000),  INT64_C(1000000000), INT64_C(2500000000),
    INT64_C(5000000000), INT64_C(10000000000), INT64_MAX,
};

void histogram_add(struct histogram *histogram, nanoseconds duration) {
  for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
    if (duration <= limits[i])
      histogram->counts[i]++;
}
