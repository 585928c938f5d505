/* SPDX-License-Identifier: MIT
 *
 * The closed connections of one kind (pure): a ring, and where in it each bound's
 * time runs out.
 */
#ifndef EGRESS_NAT_HELD_H
#define EGRESS_NAT_HELD_H

#include "nat_ring.h"
#include "nat_table.h"

#include "egress/clock.h"

/* In an entry's value, beside the destination's index: this one counts for the
 * high bound alone. */
#define NAT_HELD_HIGH_ONLY 0x80000000u

struct nat_held {
  uint32_t timeout_ms[NAT_BOUNDS]; /* low <= best <= high */
  uint64_t counted;                /* entries before this are in `held` */
  uint64_t expired[NAT_BOUNDS];    /* and no longer, before these */
  struct nat_ring ring;
};

void nat_held_init(struct nat_held *held, nanoseconds low, nanoseconds best,
                   nanoseconds high);

/* Other times from now on, also for what is held already: the next nat_held_expire
 * goes by them. What was let go of entirely does not come back. */
void nat_held_retime(struct nat_held *held, struct nat_table *table, nanoseconds low,
                     nanoseconds best, nanoseconds high);

/* Milliseconds modulo 2^32, as entries have it. */
uint32_t nat_held_time(nanoseconds time);

/* Adds a close toward the destination. Returns 0, -ENOSPC or -ENOMEM. */
int nat_held_push(struct nat_held *held, struct nat_table *table, uint32_t index,
                  uint32_t time);

/* Counts the entries up to `now`. doubtful (may be NULL) tells by destination
 * whether an entry counts for the high bound alone. */
void nat_held_count(struct nat_held *held, struct nat_table *table, uint32_t now,
                    bool (*doubtful)(const struct nat_destination *destination));

/* Lets go of the entries whose time has run out. */
void nat_held_expire(struct nat_held *held, struct nat_table *table, uint32_t now);

/* Makes the entries of destinations marked `merged` those of NAT_OTHER. */
void nat_held_merge(struct nat_held *held, struct nat_table *table);

#endif
