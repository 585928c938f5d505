/* SPDX-License-Identifier: MIT
 *
 * From one dump of the conntrack table to the next (pure): which flows hold ports, alive
 * or closed, and which have vanished since. The table itself says what has closed, and
 * when, while it has it: a local port that is used again is one flow. What vanishes from
 * it too soon the engine keeps for the gateway's TIME_WAIT.
 *
 * Memory: 32 bytes for each entry of the table that takes a gateway, twice.
 */
#ifndef EGRESS_NAT_TRACKED_H
#define EGRESS_NAT_TRACKED_H

#include "nat_engine.h"
#include "nat_track.h"

/* Entries that are remembered; the kernel's usual maximum is a quarter of it. More are
 * counted while they are alive, and not remembered. */
#define NAT_TRACKED_MAX (1u << 20)

/* Open TCP flows that take a gateway. */
struct nat_tracked_counts {
  uint64_t own;       /* this machine's */
  uint64_t forwarded; /* of others */
  uint64_t forgotten; /* found no place to be remembered */
};

struct nat_tracked;

/* `config` must outlive it. `seed`: see nat_table.h. Returns 0 or -ENOMEM. */
int nat_tracked_new(const struct nat_config *config, uint64_t seed,
                    struct nat_tracked **tracked);
void nat_tracked_free(struct nat_tracked *tracked);

/* Between nat_engine_begin and nat_engine_finish: begin, each entry of the dump, finish.
 * `begun` is the engine's; `merged` what nat_engine_begin returned. `now` is when the
 * entry was read. After a dump that failed begin anew with another one of these, and
 * another engine. */
void nat_tracked_begin(struct nat_tracked *tracked, nanoseconds begun, bool merged);
void nat_tracked_take(struct nat_tracked *tracked, struct nat_engine *engine,
                      const struct conntrack_flow *entry,
                      const struct nat_track_timeouts *timeouts, nanoseconds now);
void nat_tracked_finish(struct nat_tracked *tracked, struct nat_engine *engine,
                        const struct nat_track_timeouts *timeouts);

/* Whether an entry is one of these flows, and whose, without remembering it. */
bool nat_tracked_knows(const struct nat_config *config, const struct nat_engine *engine,
                       const struct conntrack_flow *entry, bool *own);

/* Of the last dump. */
struct nat_tracked_counts nat_tracked_counts(const struct nat_tracked *tracked);

#endif
