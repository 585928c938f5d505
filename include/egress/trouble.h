/* SPDX-License-Identifier: MIT
 *
 * Troubles that may last: when to speak of one (pure). It is said when it begins and when
 * it has ended, and not in between. One that is back soon after its end was said comes and
 * goes: its end is then said only after a while without it.
 */
#ifndef EGRESS_TROUBLE_H
#define EGRESS_TROUBLE_H

#include "egress/clock.h"

#include <stdbool.h>

#define TROUBLE_CALM (600 * NANOSECONDS_PER_SECOND)

/* One for each trouble, all zero at first. */
struct trouble {
  bool lasts;        /* its begin was said, its end was not */
  bool returned;     /* within TROUBLE_CALM of its end */
  nanoseconds quiet; /* when it was first not there; 0: it is */
  nanoseconds ended; /* when its end was said last; 0: never */
};

/* It is there, or not, at `now` (above 0). Return whether that is to be said. */
bool trouble_starts(struct trouble *trouble, nanoseconds now);
bool trouble_stops(struct trouble *trouble, nanoseconds now);

#endif
