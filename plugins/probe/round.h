/* SPDX-License-Identifier: MIT
 *
 * Model: the rounds of one chain: which legs to send, what they found, and the
 * table for the verdict. What has ever succeeded is remembered from round to
 * round.
 */
#ifndef EGRESS_ROUND_H
#define EGRESS_ROUND_H

#include "egress/address.h"

#include "probe_config.h"
#include "schedule.h"
#include "verdict.h"

/* One way of asking. */
struct leg {
  bool hop_tcp;  /* hop `entry`'s own TCP port; `target` means nothing */
  size_t target; /* index in the chain */
  size_t entry;  /* see verdict.h */
};

/* Straight out, where the prober takes no proxy on its way. */
bool leg_is_straight(const struct probe_chain *chain, const struct leg *leg);

/* In a ladder so many targets are evidence enough; more would only cost ports. */
#define ROUND_LADDER_TARGETS_MAX 64

/* Of a target's name, straight out; for egress_nat's knowledge of destinations. */
#define ROUND_ADDRESSES_MAX 8

struct round;

/* `config` must outlive the round. Returns 0 or -ENOMEM. */
int round_new(const struct probe_config *config, const struct probe_chain *chain,
              struct round **round);
void round_free(struct round *round);

/* The legs through the whole chain, and those of the ladder. The caller frees
 * *legs. Return 0 or -ENOMEM. Beginning a set forgets what the same set found
 * before. */
int round_begin(struct round *round, struct leg **legs, size_t *count);
int round_begin_ladder(struct round *round, struct leg **legs, size_t *count);

/* `via`: the proxies that the answer names; 0 where it says nothing. */
void round_record(struct round *round, const struct leg *leg,
                  const struct outcome *outcome, unsigned via);
/* An address that a straight leg of the target was connecting to. */
void round_add_address(struct round *round, size_t target,
                       const struct net_endpoint *address);

/* Whether any target was probed at all in this round. */
bool round_has_results(const struct round *round);

/* failed and changed, for the schedule; pending is left false. */
struct schedule_findings round_findings(const struct round *round);

/* Whether some NAT is known to be the trouble of a destination at `now`. */
typedef bool round_nat_lookup(const struct net_endpoint *destination, nanoseconds now,
                              struct verdict_target *target);

struct verdict round_verdict(struct round *round, round_nat_lookup *lookup,
                             nanoseconds now);

/* Of the target's leg through the whole chain; NULL if it was not probed. */
const struct outcome *round_outcome(const struct round *round, size_t target);

#endif
