/* SPDX-License-Identifier: MIT */
#include "chain_run.h"

#include "egress/nat_status.h"

#include "debounce.h"
#include "secret.h"
#include "tls_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum stage { STAGE_IDLE, STAGE_PROBING, STAGE_CLIMBING };

struct chain_run {
  struct chain_run_place place;
  const struct probe_chain *chain;
  struct round *round;
  struct schedule schedule;
  struct debounce debounce;
  struct chain_report report;
  struct secret secrets[PROBE_CHAIN_HOPS_MAX]; /* during a round only */

  enum stage stage;
  nanoseconds stage_begun;
  size_t leg_count, next_leg, active;
  struct leg *legs; /* of the stage */
  bool may_follow;  /* the leg before the next one was sent */
};

void chain_run_free(struct chain_run *run) {
  if (!run)
    return;
  for (size_t i = 0; i < PROBE_CHAIN_HOPS_MAX; i++)
    secret_wipe(&run->secrets[i]);
  round_free(run->round);
  chain_report_clear(&run->report);
  free(run->legs);
  free(run);
}

int chain_run_new(const struct chain_run_place *place, double random, nanoseconds now,
                  struct chain_run **run) {
  struct chain_run *made = calloc(1, sizeof(*made));
  int result;

  if (!made)
    return -ENOMEM;
  made->place = *place;
  made->chain = &place->config->chains[place->chain];
  schedule_begin(&made->schedule, made->chain->interval,
                 (unsigned)place->config->ladder_every, random, now);
  result = round_new(place->config, made->chain, &made->round);
  if (result == 0)
    result = chain_report_init(&made->report, made->chain);
  if (result < 0)
    chain_run_free(made);
  else
    *run = made;
  return result;
}

static const struct probe_hop *hop_at(const struct chain_run *run, size_t entry) {
  return &run->place.config->hops[run->chain->hops[entry]];
}

/* --- What an attempt has found --------------------------------------------------- */

static bool is_measured(const struct chain_run *run, const struct leg *leg) {
  return !leg->hop_tcp && leg->entry == 0 && !run->chain->targets[leg->target].control;
}

static void record(struct chain_run *run, const struct transfer_order *order,
                   const struct attempt_report *report, unsigned via) {
  struct target_report *target = &run->report.targets[order->leg.target];

  round_record(run->round, &order->leg, &report->outcome, via);
  if (report->tls_trouble.error != 0)
    run->report.tls_trouble = report->tls_trouble;
  if (report->absence > run->report.absence)
    run->report.absence = report->absence;
  if (!is_measured(run, &order->leg))
    return;
  target->last = *report;
  target_counters_add(&target->counters, report->outcome.result, report->status,
                      phases_total(&report->phases));
}

/* The attempt could not even be made: no memory, no descriptor, no resolver,
 * a certificate that cannot be read. */
static void record_unsent(struct chain_run *run, const struct transfer_order *order,
                          int error, const struct tls_trouble *trouble) {
  bool no_resolver = error == EBUSY && trouble->error == 0;
  struct attempt_report report = {
      .outcome = {.result = no_resolver ? RESULT_DNS : RESULT_LOCAL,
                  .hop = OUTCOME_NO_HOP,
                  .system_error = error},
      .tls_trouble = *trouble};

  record(run, order, &report, 0);
}

/* Whether there was room for it. */
static bool send_attempt(struct chain_run *run, const struct leg *leg, unsigned attempt,
                         nanoseconds now) {
  struct transfer_order order = {
      .config = run->place.config,
      .chain = run->chain,
      .leg = *leg,
      .attempt = attempt,
      .secrets = run->secrets,
  };
  struct tls_trouble trouble = {0};
  int result = tls_files_check(order.config, order.chain, leg, &trouble);

  if (result < 0) {
    record_unsent(run, &order, -result, &trouble);
    return true;
  }
  result = run->place.send(run->place.data, run, &order, now);
  if (result == -EAGAIN)
    return false;
  if (result < 0) {
    record_unsent(run, &order, -result, &trouble);
    return true;
  }
  run->active++;
  run->may_follow = true;
  return true;
}

static void note_addresses(struct chain_run *run, const struct transfer *transfer) {
  if (leg_is_straight(run->chain, &transfer->order.leg))
    for (size_t i = 0; i < transfer->socket_count; i++)
      round_add_address(run->round, transfer->order.leg.target,
                        &transfer->sockets[i].remote);
}

void chain_run_ended(struct chain_run *run, const struct transfer *transfer,
                     nanoseconds now) {
  const struct transfer_order *order = &transfer->order;
  struct attempt_report report = transfer_report(transfer);

  run->active--;
  record(run, order, &report,
         transfer->attempt.plain_proxy ? transfer->attempt.answer.via : 0);
  note_addresses(run, transfer);
  if (report.outcome.result != RESULT_OK && is_measured(run, &order->leg) &&
      order->attempt < run->place.config->retries)
    send_attempt(run, &order->leg, order->attempt + 1, now); /* it leaves its room */
}

size_t chain_run_active(const struct chain_run *run) { return run->active; }

/* --- Rounds -------------------------------------------------------------------------- */

static void set_legs(struct chain_run *run, struct leg *legs, size_t count,
                     enum stage stage, nanoseconds now) {
  free(run->legs);
  run->legs = legs;
  run->leg_count = count;
  run->next_leg = 0;
  run->stage = stage;
  run->stage_begun = now;
}

/* Read anew for each round: a file that was missing, or a password that was
 * changed, is seen without a restart. */
static void read_secrets(struct chain_run *run) {
  for (size_t i = 0; i < run->chain->hop_count; i++) {
    const char *path = hop_at(run, i)->password_file;

    run->report.hop_errors[i] = path ? -secret_read(path, &run->secrets[i]) : 0;
  }
}

static void publish(struct chain_run *run) {
  board_publish(run->place.board, run->place.chain, &run->report);
}

static void begin_round(struct chain_run *run, nanoseconds now) {
  struct leg *legs = NULL;
  size_t count = 0;
  int result;

  schedule_round_begins(&run->schedule, now);
  result = round_begin(run->round, &legs, &count);
  run->report.round_error = -result;
  if (result < 0) {
    schedule_round_ends(&run->schedule, false, now);
    publish(run);
    return;
  }
  read_secrets(run);
  run->report.tls_trouble = (struct tls_trouble){0};
  run->report.absence = 0;
  set_legs(run, legs, count, STAGE_PROBING, now);
}

static bool begin_ladder(struct chain_run *run, nanoseconds now) {
  struct schedule_findings findings = round_findings(run->round);
  struct leg *legs = NULL;
  size_t count = 0;

  findings.pending = debounce_pending(&run->debounce);
  if (!run->chain->ladder || !round_has_results(run->round) ||
      !schedule_wants_ladder(&run->schedule, &findings))
    return false;
  run->report.round_error = -round_begin_ladder(run->round, &legs, &count);
  if (run->report.round_error != 0)
    return false;
  set_legs(run, legs, count, STAGE_CLIMBING, now);
  return true;
}

static bool look_up_nat(const struct net_endpoint *destination, nanoseconds now,
                        struct verdict_target *target) {
  struct nat_status_entry entry;

  if (!nat_status_find(destination, now, &entry))
    return false;
  target->nat_ports_used = entry.ports_used;
  target->nat_ports_limit = entry.ports_limit;
  target->nat_stalled = entry.stalled;
  return true;
}

static void note_change(struct chain_run *run, const struct verdict *verdict) {
  struct verdict_change *change = &run->report.change;

  change->serial++;
  change->raised = verdict->location != VERDICT_NONE;
  change->partial = verdict->partial;
  snprintf(change->sentence, sizeof(change->sentence), "%s", verdict->sentence);
}

static void judge(struct chain_run *run, nanoseconds now) {
  struct verdict verdict = round_verdict(run->round, look_up_nat, now);

  if (debounce_add(&run->debounce, verdict.location,
                   (unsigned)run->place.config->verdict_after))
    note_change(run, &verdict);
  run->report.location = run->debounce.settled;
  for (size_t i = 0; i < run->chain->target_count; i++) {
    const struct outcome *outcome = round_outcome(run->round, i);

    if (outcome)
      parts_of(outcome, run->chain->hop_count, verdict.location,
               run->report.targets[i].parts);
  }
}

static void end_round(struct chain_run *run, nanoseconds now) {
  for (size_t i = 0; i < run->chain->target_count; i++)
    run->report.targets[i].known =
        !run->chain->targets[i].control && round_outcome(run->round, i) != NULL;
  run->report.judged = round_has_results(run->round);
  if (run->report.judged)
    judge(run, now);
  run->report.finished = now;
  for (size_t i = 0; i < run->chain->hop_count; i++)
    secret_wipe(&run->secrets[i]);
  publish(run);
  set_legs(run, NULL, 0, STAGE_IDLE, now);
  schedule_round_ends(&run->schedule, debounce_pending(&run->debounce), now);
}

/* The ladder is short, and its legs are compared with each other: all at once. */
static nanoseconds leg_start(const struct chain_run *run, size_t index) {
  if (run->stage == STAGE_CLIMBING)
    return run->stage_begun;
  return run->stage_begun +
         schedule_offset(&run->schedule, probe_chain_busy(run->place.config, run->chain),
                         index, run->leg_count);
}

/* A hop whose password is missing is not entered. */
static bool is_possible(const struct chain_run *run, const struct leg *leg) {
  size_t last = run->chain->mode == PROBE_MODE_NESTED ? run->chain->hop_count - 1
                                                      : leg->entry;

  if (leg->hop_tcp || leg->entry == run->chain->hop_count)
    return true;
  for (size_t i = leg->entry; i <= last; i++)
    if (run->report.hop_errors[i] != 0)
      return false;
  return true;
}

/* After one that could not be sent the next waits for its time: what was missing may
 * be there again. */
static bool is_due(const struct chain_run *run, nanoseconds now) {
  return leg_start(run, run->next_leg) <= now ||
         (run->may_follow && run->active == 0 && schedule_follows(run->next_leg));
}

/* Whether there was room for all that is due. */
static bool send_due(struct chain_run *run, nanoseconds now) {
  while (run->next_leg < run->leg_count && is_due(run, now)) {
    const struct leg *leg = &run->legs[run->next_leg];

    run->may_follow = false;
    if (is_possible(run, leg) && !send_attempt(run, leg, 0, now))
      return false;
    run->next_leg++;
  }
  return true;
}

nanoseconds chain_run_advance(struct chain_run *run, nanoseconds now) {
  for (;;) {
    if (run->stage == STAGE_IDLE) {
      if (now < run->schedule.next)
        return run->schedule.next;
      begin_round(run, now);
      continue;
    }
    if (!send_due(run, now))
      return NEVER;
    if (run->next_leg < run->leg_count)
      return leg_start(run, run->next_leg);
    if (run->active > 0)
      return NEVER;
    if (run->stage == STAGE_CLIMBING || !begin_ladder(run, now))
      end_round(run, now);
  }
}
