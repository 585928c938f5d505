/* SPDX-License-Identifier: MIT
 *
 * Model: which part of a chain is at fault, from what the legs of one round
 * found. A pure function over a table; the first rule that matches wins.
 *
 * A leg is one way of asking: a target through the chain from the place `entry`
 * on. Entry 0 is the whole chain, entry k starts at hop k (the first is 0), and
 * entry hop_count is straight out. A failing leg is evidence only if it has ever
 * succeeded: a way that a network policy closes says nothing. The whole chain is
 * what is being explained, and the first hop's own TCP port must be open to us:
 * these two always count. Straight out, a failure on the prober's own side (its
 * resolver, its routes) says nothing of the proxies either.
 *
 *  1. All that counts fails on the prober's own side: `local`.
 *  2. Some target works through the whole chain: a failing one is `egress` if
 *     egress_nat knows its IP:port to be at the limit, or stalled, else `target`.
 *     So it is if every target was reached in a way that no proxy can fake, and
 *     answered with something unexpected.
 *  3. Entering at k works where entering at k-1 fails: hop k-1. If entries
 *     between them are no evidence, a hop among those left out whose TCP port
 *     fails.
 *  4. Nothing is known from straight out, but from entering at the last hop: its
 *     TCP fails, or the Control fails too without the hop answering 502, 503 or
 *     504, or the hop answers every target with an error that is its own: that
 *     hop. The Control works, or the hop answers 502, 503, 504 for two or more
 *     destinations: `egress`. (Not if it says that it cannot resolve the names.)
 *  5. The last hop cannot be entered either: a hop whose own TCP fails. Else the
 *     `Via` of a plain-http target's answer tells which proxies saw the request.
 *  6. Everything fails, straight out included: `egress` if there are two or more
 *     targets or the Control works.
 *  7. Nested, before 4 to 6: the first CONNECT that failed names the hop: the one
 *     that was asked, or if that one answers 500, 502, 503 or 504 the one that it
 *     was asked for. If it was asked for the targets, 4 and 6 judge its answers.
 *  Else `unknown`, and the sentence names the range of parts left.
 */
#ifndef EGRESS_VERDICT_H
#define EGRESS_VERDICT_H

#include "outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verdict_leg {
  bool tried;    /* `outcome` is of this round, or of a ladder that still holds */
  bool ever;     /* has ever succeeded */
  struct outcome outcome;
  unsigned via;      /* proxies that the answer names in Via */
  unsigned via_good; /* the same of its last good answer */
};

struct verdict_target {
  const char *name;
  bool control;
  bool sealed;      /* no proxy can make its answer: TLS, or no proxy at all */
  bool nat_trouble; /* egress_nat knows it to be out of ports, or stalled */
  uint32_t nat_ports_used, nat_ports_limit, nat_stalled; /* limit 0: not known */
};

struct verdict_hop {
  const char *name;
  const char *endpoint; /* "10.128.0.9:3128" */
  struct verdict_leg tcp; /* its own TCP port */
};

struct verdict_table {
  const char *chain;
  bool nested;
  size_t hop_count;
  const struct verdict_hop *hops;
  size_t target_count; /* controls included */
  const struct verdict_target *targets;
  const struct verdict_leg *legs; /* [target][entry], hop_count + 1 entries each */
};

/* Where a fault can be. Hops come last: VERDICT_HOP + index. */
enum verdict_location {
  VERDICT_NONE,
  VERDICT_LOCAL,
  VERDICT_EGRESS,
  VERDICT_TARGET,
  VERDICT_UNKNOWN,
  VERDICT_HOP,
};

/* NOTIF_MAX_MSG_LEN of collectd. */
#define VERDICT_SENTENCE_SIZE 256

struct verdict {
  int location; /* enum verdict_location, or VERDICT_HOP + index of the hop */
  bool partial; /* some target works through the whole chain */
  char sentence[VERDICT_SENTENCE_SIZE]; /* for a person: the cause first */
};

struct verdict verdict_of(const struct verdict_table *table);

const struct verdict_leg *verdict_leg_at(const struct verdict_table *table,
                                         size_t target, size_t entry);

/* --- Between the rules and the wording -------------------------------------- */

enum verdict_evidence {
  EVIDENCE_NONE,
  EVIDENCE_LATER_WORKS,   /* entering at `entry` works */
  EVIDENCE_OWN_TCP,       /* the hop's TCP port fails */
  EVIDENCE_CONTROL_FAILS,
  EVIDENCE_CONTROL_WORKS,
  EVIDENCE_OWN_ANSWER,    /* the hop answers with an error of its own */
  EVIDENCE_GATEWAY,       /* hop `entry` says so for several destinations */
  EVIDENCE_VIA,           /* the proxies before the hop saw the request */
  EVIDENCE_OTHERS_WORK,
  EVIDENCE_ANSWERED,      /* the targets themselves answered */
  EVIDENCE_NAT,           /* egress_nat */
  EVIDENCE_STRAIGHT_FAILS,
  EVIDENCE_CONNECT,       /* the first CONNECT that failed */
};

/* Parts in order: hop 0 ... hop n-1, n: egress, n+1: target. */
struct verdict_finding {
  int location;
  const struct outcome *cause;
  enum verdict_evidence evidence;
  size_t entry;       /* what EVIDENCE_LATER_WORKS and EVIDENCE_GATEWAY speak of */
  size_t target;      /* the first failing one */
  size_t first, last; /* parts left, for VERDICT_UNKNOWN */
};

/* Fills verdict->sentence. */
void verdict_say(const struct verdict_table *table,
                 const struct verdict_finding *finding, struct verdict *verdict);

#endif
