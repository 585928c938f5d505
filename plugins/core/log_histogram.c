/* SPDX-License-Identifier: MIT */
#include "log_histogram.h"

#include <math.h>

/* The values of a bucket begin here, and are `width` in number. */
static double middle_of(unsigned bucket) {
  unsigned shift = bucket < 2u << LOG_HISTOGRAM_BITS
                       ? 0
                       : (bucket >> LOG_HISTOGRAM_BITS) - 1;
  double width = (double)(UINT64_C(1) << shift);
  double first = (double)((uint64_t)(bucket - (shift << LOG_HISTOGRAM_BITS)) << shift);

  return first + (width - 1) / 2;
}

double log_histogram_quantile(const struct log_histogram *histogram, double quantile) {
  double rank = ceil(quantile * (double)histogram->count);
  uint64_t wanted = rank < 1 ? 1 : (uint64_t)rank;
  uint64_t seen = 0;

  for (unsigned bucket = 0; bucket < LOG_HISTOGRAM_BUCKETS; bucket++) {
    seen += histogram->buckets[bucket];
    if (seen >= wanted)
      return middle_of(bucket);
  }
  return (double)NAN;
}
