/* SPDX-License-Identifier: MIT
 *
 * A histogram of whole numbers with a stated error (pure): values below 64 have a
 * bucket each; above, each power of 2 is divided into 32 buckets of equal width.
 * A quantile is the middle of the bucket that holds the value asked for, so it is
 * off by less than 1/64 (1.6 %) of that value; below 64 it is exact.
 */
#ifndef EGRESS_LOG_HISTOGRAM_H
#define EGRESS_LOG_HISTOGRAM_H

#include <stdint.h>

#define LOG_HISTOGRAM_BITS 5 /* 2^5 buckets to a power of 2 */
/* The powers 2^6 to 2^31, after the first 64. */
#define LOG_HISTOGRAM_BUCKETS (64 + 26 * 32)

struct log_histogram {
  uint64_t count;
  uint32_t buckets[LOG_HISTOGRAM_BUCKETS];
};

static inline unsigned log_histogram_bucket(uint32_t value) {
  unsigned exponent = 31u - (unsigned)__builtin_clz(value | 1);
  unsigned shift =
      exponent > LOG_HISTOGRAM_BITS ? exponent - LOG_HISTOGRAM_BITS : 0;

  return (shift << LOG_HISTOGRAM_BITS) + (value >> shift);
}

static inline void log_histogram_add(struct log_histogram *histogram, unsigned bucket) {
  histogram->count++;
  histogram->buckets[bucket]++;
}

/* The value of which a share of 0 < `quantile` <= 1 of all values is not greater
 * (the nearest rank); NaN if there is none. */
double log_histogram_quantile(const struct log_histogram *histogram, double quantile);

#endif
