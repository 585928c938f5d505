/* SPDX-License-Identifier: MIT
 *
 * Model: when the rounds of a chain begin, and which of them climb the ladder.
 *
 * Rounds lie on a grid, first + N x interval, so they do not drift whatever a
 * round takes; `first` is drawn once, so that the probers of a whole DaemonSet
 * do not start together. A round that confirms a verdict follows the last one
 * at a quarter of the interval. A round never begins before its predecessor
 * ended.
 */
#ifndef EGRESS_SCHEDULE_H
#define EGRESS_SCHEDULE_H

#include "egress/clock.h"

#include <stdbool.h>
#include <stddef.h>

struct schedule {
  nanoseconds interval;
  unsigned ladder_every; /* 0: on failures only */
  nanoseconds first;     /* start of the grid */
  nanoseconds next;      /* when the next round begins */
  nanoseconds begun;     /* when the last one did */
  unsigned rounds_until_ladder;
};

/* `random` (0 <= random < 1) chooses the start of the grid within one interval
 * from now. The first round climbs the ladder: what is evidence is not known
 * before it has once succeeded. */
void schedule_begin(struct schedule *schedule, nanoseconds interval,
                    unsigned ladder_every, double random, nanoseconds now);

void schedule_round_begins(struct schedule *schedule, nanoseconds now);

/* What the whole chain's legs of this round said. */
struct schedule_findings {
  bool failed;  /* some target failed */
  bool changed; /* other targets, or other results, than in the last round */
  bool pending; /* the verdict is neither raised nor cleared yet */
};

/* Whether this round must climb the ladder. Called once a round. A failure that
 * lasts, and whose verdict stands, is looked at again only every LadderEvery
 * rounds: each leg straight out costs a NAT port. */
bool schedule_wants_ladder(struct schedule *schedule,
                           const struct schedule_findings *findings);

/* The round has ended; sets `next`. */
void schedule_round_ends(struct schedule *schedule, bool confirm, nanoseconds now);

/* When target `index` of `count` starts within its round at the latest: the starts
 * are spread over what the time limits leave of the interval. `busy` is the longest
 * that the round's own probes may take, ladder included. */
nanoseconds schedule_offset(const struct schedule *schedule, nanoseconds busy,
                            size_t index, size_t count);

/* In a group of so many each target starts as soon as the one before it has ended, or at
 * its own time if that comes first. Two of a chain share the way no more often than if
 * each kept to its time; but the processor, which forgets all it knew of probing while
 * it sleeps, does so once for a group. That saves from a fifth to a half of a plain
 * probe's CPU time, the more the longer it would sleep; larger groups hardly save more. */
#define SCHEDULE_GROUP 16

/* Whether target `index` may start before its time, should all before it have ended. */
bool schedule_follows(size_t index);

#endif
