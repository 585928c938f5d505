/* SPDX-License-Identifier: MIT */
#include "verdict.h"

#include <string.h>

enum state { NO_EVIDENCE, WORKS, FAILS };

const struct verdict_leg *verdict_leg_at(const struct verdict_table *table,
                                         size_t target, size_t entry) {
  return &table->legs[target * (table->hop_count + 1) + entry];
}

static enum state leg_state(const struct verdict_leg *leg, bool always_counts) {
  if (!leg->tried)
    return NO_EVIDENCE;
  if (leg->outcome.result == RESULT_OK)
    return WORKS;
  return leg->ever || always_counts ? FAILS : NO_EVIDENCE;
}

/* What hinders the prober from going straight out need not hinder the proxies. */
static bool is_hindered(const struct verdict_table *table, size_t entry,
                        const struct verdict_leg *leg) {
  return entry > 0 && entry == table->hop_count && outcome_is_own_side(&leg->outcome);
}

static enum state target_state(const struct verdict_table *table, size_t target,
                               size_t entry) {
  const struct verdict_leg *leg = verdict_leg_at(table, target, entry);

  return is_hindered(table, entry, leg)
             ? NO_EVIDENCE
             : leg_state(leg, entry == 0 && !table->targets[target].control);
}

static enum state hop_tcp_state(const struct verdict_table *table, size_t hop) {
  return leg_state(&table->hops[hop].tcp, hop == 0);
}

/* One target that works shows that the way is open. */
static enum state entry_state(const struct verdict_table *table, size_t entry,
                              bool controls) {
  enum state state = NO_EVIDENCE;

  for (size_t i = 0; i < table->target_count; i++) {
    enum state one = table->targets[i].control == controls
                         ? target_state(table, i, entry)
                         : NO_EVIDENCE;

    if (one == WORKS)
      return WORKS;
    if (one == FAILS)
      state = FAILS;
  }
  return state;
}

static size_t first_failing(const struct verdict_table *table, size_t entry) {
  for (size_t i = 0; i < table->target_count; i++)
    if (!table->targets[i].control && target_state(table, i, entry) == FAILS)
      return i;
  return table->target_count;
}

static struct verdict_finding blame(const struct verdict_table *table, int location,
                                    size_t entry, enum verdict_evidence evidence) {
  size_t target = first_failing(table, entry);

  if (target == table->target_count)
    target = first_failing(table, entry = 0);
  return (struct verdict_finding){
      .location = location,
      .cause = &verdict_leg_at(table, target, entry)->outcome,
      .evidence = evidence,
      .entry = entry,
      .target = target,
  };
}

static struct verdict_finding blame_hop(const struct verdict_table *table, size_t hop,
                                        size_t entry, enum verdict_evidence evidence) {
  struct verdict_finding finding =
      blame(table, VERDICT_HOP + (int)hop, entry, evidence);

  if (hop_tcp_state(table, hop) == FAILS)
    finding.cause = &table->hops[hop].tcp.outcome;
  return finding;
}

static struct verdict_finding blame_range(const struct verdict_table *table,
                                          size_t entry, size_t first, size_t last) {
  struct verdict_finding finding = blame(table, VERDICT_UNKNOWN, entry, EVIDENCE_NONE);

  finding.first = first;
  finding.last = last;
  return finding;
}

#define FOUND(finding_value) (*finding = (finding_value), true)

/* --- Rule 1 ------------------------------------------------------------------ */

/* Whether the leg speaks against a fault on the own side; counts those that do
 * the opposite. */
static bool contradicts_own_side(const struct verdict_leg *leg, enum state state,
                                 size_t *own) {
  if (state == FAILS && outcome_is_own_side(&leg->outcome)) {
    (*own)++;
    return false;
  }
  return state != NO_EVIDENCE;
}

static bool rule_local(const struct verdict_table *table,
                       struct verdict_finding *finding) {
  size_t own = 0;

  for (size_t hop = 0; hop < table->hop_count; hop++)
    if (contradicts_own_side(&table->hops[hop].tcp, hop_tcp_state(table, hop), &own))
      return false;
  for (size_t i = 0; i < table->target_count; i++)
    for (size_t entry = 0; entry <= table->hop_count; entry++)
      if (contradicts_own_side(verdict_leg_at(table, i, entry),
                               target_state(table, i, entry), &own))
        return false;
  return own > 0 && FOUND(blame(table, VERDICT_LOCAL, 0, EVIDENCE_NONE));
}

/* --- Rule 2 ------------------------------------------------------------------ */

static bool has_answered(const struct verdict_target *target,
                         const struct outcome *outcome) {
  switch (outcome->result) {
  case RESULT_STATUS:
  case RESULT_BODY:
    return target->sealed;
  case RESULT_CERTIFICATE:
    return outcome->phase == PHASE_TLS;
  default:
    return false;
  }
}

/* Two or more certificates refused and nothing accepted: what they have in common is
 * the prober's own trust or clock, or somebody between who shows another one. */
static bool trust_is_in_doubt(const struct verdict_table *table) {
  size_t refused = 0;

  for (size_t i = 0; i < table->target_count; i++) {
    const struct verdict_leg *leg = verdict_leg_at(table, i, 0);

    if (!leg->tried)
      continue;
    if (leg->outcome.result != RESULT_CERTIFICATE)
      return false;
    refused++;
  }
  return refused >= 2;
}

static bool all_have_answered(const struct verdict_table *table) {
  for (size_t i = 0; i < table->target_count; i++)
    if (!table->targets[i].control && target_state(table, i, 0) == FAILS &&
        !has_answered(&table->targets[i], &verdict_leg_at(table, i, 0)->outcome))
      return false;
  return !trust_is_in_doubt(table);
}

/* The first target that fails for a reason that is not the prober's own. */
static size_t first_failing_elsewhere(const struct verdict_table *table) {
  for (size_t i = 0; i < table->target_count; i++)
    if (!table->targets[i].control && target_state(table, i, 0) == FAILS &&
        !outcome_is_own_side(&verdict_leg_at(table, i, 0)->outcome))
      return i;
  return table->target_count;
}

static bool rule_target(const struct verdict_table *table,
                        struct verdict_finding *finding) {
  bool others_work = entry_state(table, 0, false) == WORKS;

  size_t failing = first_failing_elsewhere(table);

  if (!others_work && !all_have_answered(table))
    return false;
  if (failing == table->target_count)
    return FOUND(blame(table, VERDICT_LOCAL, 0, EVIDENCE_NONE));
  *finding = blame(table, VERDICT_TARGET, 0,
                   others_work ? EVIDENCE_OTHERS_WORK : EVIDENCE_ANSWERED);
  finding->target = failing;
  finding->cause = &verdict_leg_at(table, failing, 0)->outcome;
  for (size_t i = 0; i < table->target_count; i++)
    if (others_work && !table->targets[i].control && table->targets[i].nat_trouble &&
        target_state(table, i, 0) == FAILS) {
      finding->location = VERDICT_EGRESS;
      finding->evidence = EVIDENCE_NAT;
      finding->target = i;
      finding->cause = &verdict_leg_at(table, i, 0)->outcome;
      break;
    }
  return true;
}

/* --- Rule 3 ------------------------------------------------------------------ */

/* Of hops `first` to `last` the one whose TCP port fails; else table->hop_count. */
static size_t hop_without_tcp(const struct verdict_table *table, size_t first,
                              size_t last) {
  for (size_t hop = first; hop <= last && hop < table->hop_count; hop++)
    if (hop_tcp_state(table, hop) == FAILS)
      return hop;
  return table->hop_count;
}

/* The last entry before `entry` where a target fails that works there: one target's
 * legs say nothing of another one's. */
static size_t last_failing_before(const struct verdict_table *table, size_t entry) {
  size_t last = 0;

  for (size_t i = 0; i < table->target_count; i++)
    for (size_t before = last + 1;
         !table->targets[i].control && target_state(table, i, entry) == WORKS &&
         before < entry;
         before++)
      if (target_state(table, i, before) == FAILS)
        last = before;
  return last;
}

static bool rule_later_entry(const struct verdict_table *table,
                             struct verdict_finding *finding) {
  for (size_t entry = 1; entry <= table->hop_count; entry++) {
    size_t failing = last_failing_before(table, entry), suspect;

    if (entry_state(table, entry, false) != WORKS)
      continue;
    suspect = failing == entry - 1 ? failing : hop_without_tcp(table, failing, entry - 1);
    *finding = suspect < table->hop_count
                   ? blame_hop(table, suspect, failing, EVIDENCE_LATER_WORKS)
                   : blame_range(table, failing, failing, entry - 1);
    finding->evidence = EVIDENCE_LATER_WORKS;
    finding->entry = entry;
    return true;
  }
  return false;
}

/* --- Rule 4 ------------------------------------------------------------------ */

static size_t count_gateway_errors(const struct verdict_table *table, size_t entry) {
  size_t count = 0;

  for (size_t i = 0; i < table->target_count; i++) {
    const struct verdict_leg *leg = verdict_leg_at(table, i, entry);

    if (!table->targets[i].control && leg->tried &&
        outcome_is_gateway_error(&leg->outcome))
      count++;
  }
  return count;
}

/* Refused, or answered with an error that is no gateway's, or with nonsense; or
 * its TLS failed. Never silence: that may come from beyond the hop. */
static bool is_own_doing(const struct outcome *outcome) {
  switch (outcome->result) {
  case RESULT_PROXY_DENIED:
    return true;
  case RESULT_PROXY_ERROR:
    return !outcome_is_gateway_error(outcome);
  default:
    return outcome->phase == PHASE_PROXY_TLS;
  }
}

typedef bool outcome_test(const struct outcome *outcome);

static bool all_failing_are(const struct verdict_table *table, size_t entry,
                            outcome_test *test) {
  for (size_t i = 0; i < table->target_count; i++)
    if (!table->targets[i].control && target_state(table, i, entry) == FAILS &&
        !test(&verdict_leg_at(table, i, entry)->outcome))
      return false;
  return true;
}

/* `entry`: where the legs enter that show what the last hop does. */
static bool rule_last_answer(const struct verdict_table *table, size_t entry,
                             struct verdict_finding *finding) {
  size_t hop = table->hop_count - 1;
  enum state control = entry_state(table, entry, true);
  size_t gateway_errors = count_gateway_errors(table, entry);

  if (control == WORKS)
    *finding = blame(table, VERDICT_EGRESS, entry, EVIDENCE_CONTROL_WORKS);
  else if (control == FAILS && gateway_errors == 0)
    *finding = blame_hop(table, hop, entry, EVIDENCE_CONTROL_FAILS);
  else if (gateway_errors >= 2)
    *finding = blame(table, VERDICT_EGRESS, entry, EVIDENCE_GATEWAY);
  else if (all_failing_are(table, entry, is_own_doing))
    *finding = blame_hop(table, hop, entry, EVIDENCE_OWN_ANSWER);
  else
    *finding = blame_range(table, entry, hop, table->hop_count + 1);
  if (finding->evidence == EVIDENCE_GATEWAY)
    finding->entry = hop;
  return true;
}

static bool rule_last_hop(const struct verdict_table *table,
                          struct verdict_finding *finding) {
  size_t hop = table->hop_count - 1;

  if (hop_tcp_state(table, hop) == FAILS ||
      all_failing_are(table, hop, outcome_is_unreached))
    return FOUND(blame_hop(table, hop, hop, EVIDENCE_OWN_TCP));
  return rule_last_answer(table, hop, finding);
}

/* --- Rule 5 ------------------------------------------------------------------ */

/* Via is believed only where good answers have named every proxy. */
static bool rule_via(const struct verdict_table *table,
                     struct verdict_finding *finding) {
  for (size_t i = 0; i < table->target_count; i++) {
    const struct verdict_leg *leg = verdict_leg_at(table, i, 0);
    bool told = target_state(table, i, 0) == FAILS && leg->via > 0 &&
                leg->via_good == table->hop_count;

    if (told && leg->via < table->hop_count) {
      *finding = blame_hop(table, leg->via, 0, EVIDENCE_VIA);
      return true;
    }
    if (told && leg->via == table->hop_count) {
      *finding = blame_range(table, 0, table->hop_count - 1, table->hop_count + 1);
      return true;
    }
  }
  return false;
}

/* `entry`: the last place that can be entered. */
static bool rule_whole_chain(const struct verdict_table *table, size_t entry,
                             struct verdict_finding *finding) {
  size_t dead = hop_without_tcp(table, entry, table->hop_count - 1);

  if (dead < table->hop_count)
    return FOUND(blame_hop(table, dead, entry, EVIDENCE_OWN_TCP));
  if (all_failing_are(table, entry, outcome_is_unreached))
    return FOUND(blame_hop(table, entry, entry, EVIDENCE_OWN_TCP));
  return (entry == 0 && rule_via(table, finding)) ||
         FOUND(blame_range(table, entry, entry, table->hop_count + 1));
}

/* --- Rule 6 ------------------------------------------------------------------ */

static bool control_works(const struct verdict_table *table) {
  for (size_t entry = 0; entry <= table->hop_count; entry++)
    if (entry_state(table, entry, true) == WORKS)
      return true;
  return false;
}

static bool rule_straight(const struct verdict_table *table,
                          struct verdict_finding *finding) {
  size_t entry = table->hop_count, targets = 0;
  bool control = control_works(table);

  for (size_t i = 0; i < table->target_count; i++)
    if (!table->targets[i].control)
      targets++;
  if (targets >= 2 || control)
    return FOUND(blame(table, VERDICT_EGRESS, entry,
                       control ? EVIDENCE_CONTROL_WORKS : EVIDENCE_STRAIGHT_FAILS));
  *finding = blame_range(table, entry, entry, entry + 1);
  return true;
}

/* --- Rule 7 ------------------------------------------------------------------ */

/* The hop that was asked last by the probe that came farthest: all before it have
 * opened their tunnels. hop_count: the target itself was spoken to. */
static size_t farthest(const struct verdict_table *table, size_t *target) {
  size_t best = 0;

  *target = first_failing(table, 0);
  for (size_t i = *target; i < table->target_count; i++) {
    const struct outcome *outcome = &verdict_leg_at(table, i, 0)->outcome;
    size_t reached = outcome->hop >= 0 ? (size_t)outcome->hop : table->hop_count;

    if (!table->targets[i].control && target_state(table, i, 0) == FAILS &&
        !outcome_is_own_side(outcome) && reached > best) {
      best = reached;
      *target = i;
    }
  }
  return best;
}

/* What proxies answer when they cannot connect; tinyproxy says 500 (its reqs.c). */
static bool cannot_go_on(const struct outcome *outcome) {
  return outcome_is_gateway_error(outcome) ||
         (outcome->result == RESULT_PROXY_ERROR && outcome->status == 500 &&
          outcome->reason != PROXY_REASON_DNS);
}

/* A proxy that is asked for the next one and cannot go on lives, and says that the
 * next one does not. If it says nothing, either of the two may be mute. */
static bool rule_nested(const struct verdict_table *table,
                        struct verdict_finding *finding) {
  size_t target, hop = farthest(table, &target);
  const struct outcome *outcome = &verdict_leg_at(table, target, 0)->outcome;
  bool next;

  if (hop + 1 >= table->hop_count)
    return false;
  next = cannot_go_on(outcome) ||
         (outcome->result == RESULT_TUNNEL_TIMEOUT && hop_tcp_state(table, hop + 1) == FAILS);
  *finding = blame_hop(table, next ? hop + 1 : hop, 0,
                       cannot_go_on(outcome) ? EVIDENCE_GATEWAY
                       : next                ? EVIDENCE_OWN_TCP
                                             : EVIDENCE_CONNECT);
  if (finding->evidence == EVIDENCE_GATEWAY)
    finding->entry = hop;
  if (hop_tcp_state(table, next ? hop + 1 : hop) != FAILS)
    finding->cause = outcome;
  return true;
}

/* ------------------------------------------------------------------------------ */

/* The last place where entering is evidence; all of them fail by now. */
static size_t last_evidence(const struct verdict_table *table) {
  size_t last = 0;

  for (size_t entry = 1; entry <= table->hop_count; entry++)
    if (entry_state(table, entry, false) == FAILS)
      last = entry;
  return last;
}

static void find(const struct verdict_table *table, struct verdict_finding *finding) {
  size_t last = last_evidence(table);

  if (rule_local(table, finding) || rule_target(table, finding) ||
      rule_later_entry(table, finding) || (table->nested && rule_nested(table, finding)))
    return;
  if (trust_is_in_doubt(table))
    *finding = blame_range(table, 0, 0, table->hop_count + 1);
  else if (last == table->hop_count)
    rule_straight(table, finding);
  else if (table->nested && table->hop_count > 1 && last == 0)
    rule_last_answer(table, 0, finding);
  else if (last + 1 == table->hop_count)
    rule_last_hop(table, finding);
  else
    rule_whole_chain(table, last, finding);
}

struct verdict verdict_of(const struct verdict_table *table) {
  struct verdict verdict = {.location = VERDICT_NONE};
  struct verdict_finding finding = {.location = VERDICT_NONE};

  if (first_failing(table, 0) < table->target_count)
    find(table, &finding);
  verdict.location = finding.location;
  verdict.partial = entry_state(table, 0, false) == WORKS;
  verdict_say(table, &finding, &verdict);
  return verdict;
}
