/* SPDX-License-Identifier: MIT
 *
 * The time limits of all transfers under way, in the order in which they have to be
 * looked at.
 *
 * A prober that was not there cannot know when an answer came: because another probe's
 * work kept it, or because others had the processor (a Pod over its CPU limit is stopped
 * for most of each 100 ms). Stretches of TRANSFER_ABSENCE_MIN and more are not held
 * against anybody, or a prober that is short of CPU would blame healthy hops. They stay
 * in the lengths of the phases.
 */
#ifndef EGRESS_DEADLINES_H
#define EGRESS_DEADLINES_H

#include "transfer.h"

/* No wait is longer while a probe is under way: of one that ends as it should nobody can
 * say whether it ended late. */
#define DEADLINES_WAIT (100 * NANOSECONDS_PER_MILLISECOND)

struct deadlines {
  struct transfer_list transfers; /* by `look` */
  nanoseconds present; /* the prober was there then, or what came since is excused */
};

void deadlines_init(struct deadlines *deadlines, nanoseconds now);

/* From its start on, and again when its limits have become others. */
void deadlines_add(struct deadlines *deadlines, struct transfer *transfer,
                   nanoseconds now);
void deadlines_remove(struct deadlines *deadlines, struct transfer *transfer);

/* Until when to wait, from `now` on; NEVER. */
nanoseconds deadlines_next(const struct deadlines *deadlines, nanoseconds now);

/* A transfer one of whose limits has passed, no longer in the list; NULL: none. */
struct transfer *deadlines_overdue(struct deadlines *deadlines);

/* The prober has waited since `begun`, for an event or until `due`, and has `found`
 * some, or was interrupted before it could look. Of one that it found late it cannot say
 * when it came. */
void deadlines_waited(struct deadlines *deadlines, nanoseconds begun, nanoseconds due,
                      bool found, nanoseconds now);

/* It is at work. To be called before libcurl is. */
void deadlines_worked(struct deadlines *deadlines, nanoseconds now);

#endif
