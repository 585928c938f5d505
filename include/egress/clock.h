/* SPDX-License-Identifier: MIT
 *
 * Time as the models see it: nanoseconds of a monotonic clock. A model never
 * reads a clock; its caller passes the time in.
 */
#ifndef EGRESS_CLOCK_H
#define EGRESS_CLOCK_H

#include <stdint.h>
#include <time.h>

typedef int64_t nanoseconds;

#define NANOSECONDS_PER_SECOND INT64_C(1000000000)
#define NANOSECONDS_PER_MILLISECOND INT64_C(1000000)
#define NANOSECONDS_PER_MICROSECOND INT64_C(1000)

static inline nanoseconds seconds_to_nanoseconds(double seconds) {
  return (nanoseconds)(seconds * (double)NANOSECONDS_PER_SECOND);
}

static inline double nanoseconds_to_seconds(nanoseconds time) {
  return (double)time / (double)NANOSECONDS_PER_SECOND;
}

/* For edges only. clock is CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID, ... */
static inline nanoseconds clock_now(clockid_t clock) {
  struct timespec now = {0};

  clock_gettime(clock, &now);
  return (nanoseconds)now.tv_sec * NANOSECONDS_PER_SECOND + now.tv_nsec;
}

#endif
