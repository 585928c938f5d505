/* SPDX-License-Identifier: MIT
 *
 * The estimates of the last minutes, for comparing with a figure that comes late
 * (pure). Times are Unix time in seconds.
 */
#ifndef EGRESS_ESTIMATE_HISTORY_H
#define EGRESS_ESTIMATE_HISTORY_H

#include <stddef.h>
#include <stdint.h>

/* Cloud Monitoring shows a minute's figure up to four minutes later, and it is asked
 * every five. */
#define ESTIMATE_MINUTES 16

struct estimate_history {
  struct {
    int64_t minute; /* since 1970; 0: empty */
    uint32_t ports;
  } minutes[ESTIMATE_MINUTES];
};

/* All zero at first. The last estimate of a minute stands for it: Cloud NAT takes its
 * sample at the minute's end. */
void estimate_history_add(struct estimate_history *history, int64_t now, uint32_t ports);

/* The estimate for the minute that ended at `end`, or a negative number. */
int64_t estimate_history_find(const struct estimate_history *history, int64_t end);

#endif
