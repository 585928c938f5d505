/* SPDX-License-Identifier: MIT
 *
 * The closed connections (pure): a ring for each kind of close, and where in it each
 * bound's time runs out.
 */
#ifndef EGRESS_NAT_HELD_H
#define EGRESS_NAT_HELD_H

#include "nat_table.h"
#include "nat_tags.h"

#include "egress/clock.h"

#define NAT_HELD_KINDS 3

struct nat_held_kind {
  uint32_t timeout_ms[NAT_BOUNDS]; /* low <= best <= high */
  uint64_t counted;                /* entries before this are in `held` */
  uint64_t expired[NAT_BOUNDS];    /* and no longer, before these */
  struct nat_ring ring;
};

/* All zero at first. */
struct nat_held {
  struct nat_held_kind kinds[NAT_HELD_KINDS];
  struct nat_tags tags;
};

/* Other times from now on, also for what is held already: the next nat_held_expire
 * goes by them. What was let go of entirely does not come back. */
void nat_held_retime(struct nat_held *held, unsigned kind, struct nat_table *table,
                     nanoseconds low, nanoseconds best, nanoseconds high);
void nat_held_free(struct nat_held *held);

/* Milliseconds, as entries have them. */
uint32_t nat_held_time(nanoseconds time);

/* Adds a close toward the destination, from the local port that the tag stands for (0: not
 * known). Returns 0, -ENOSPC or -ENOMEM. */
int nat_held_push(struct nat_held *held, unsigned kind, struct nat_table *table,
                  uint32_t index, uint16_t tag, uint32_t time);

/* What nat_held_push will touch beside the destination. */
void nat_held_prefetch(const struct nat_held *held, uint32_t index, uint16_t tag);

/* That local port has a connection again: its last close holds no port of its own. */
void nat_held_supersede(struct nat_held *held, struct nat_table *table, uint32_t index,
                        uint16_t tag);

/* Counts the entries up to `now`. high_only (may be NULL) tells by destination whether
 * an entry counts for the high bound alone. */
void nat_held_count(struct nat_held *held, unsigned kind, struct nat_table *table,
                    uint32_t now,
                    bool (*high_only)(const struct nat_destination *destination));

/* Entries not counted yet, up to `until`, wait in the high bound. */
void nat_held_count_late(const struct nat_held *held, unsigned kind,
                         struct nat_table *table, uint32_t until);

/* Lets go of the entries whose time has run out: by `ended`, at `now` or after it, for the
 * low bound. */
void nat_held_expire(struct nat_held *held, unsigned kind, struct nat_table *table,
                     uint32_t now, uint32_t ended);

/* Makes the entries of destinations marked `merged` those of NAT_OTHER. */
void nat_held_merge(struct nat_held *held, struct nat_table *table);

#endif
