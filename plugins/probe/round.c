/* SPDX-License-Identifier: MIT */
#include "round.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENDPOINT_SIZE 264 /* a DNS name (RFC 1035: 255), a colon and a port */

struct addresses {
  size_t count;
  struct net_endpoint list[ROUND_ADDRESSES_MAX];
};

struct round {
  const struct probe_chain *chain;
  struct verdict_table table; /* of the arrays that follow */
  struct verdict_hop hops[PROBE_CHAIN_HOPS_MAX];
  char endpoints[PROBE_CHAIN_HOPS_MAX][ENDPOINT_SIZE];
  struct verdict_target *targets;
  struct verdict_leg *legs;
  struct addresses *addresses; /* by target */
  struct outcome *previous;    /* by target: of the last round */
};

bool leg_is_straight(const struct probe_chain *chain, const struct leg *leg) {
  return !leg->hop_tcp && leg->entry == chain->hop_count;
}

static struct verdict_leg *leg_at(struct round *round, const struct leg *leg) {
  return leg->hop_tcp
             ? &round->hops[leg->entry].tcp
             : &round->legs[leg->target * (round->chain->hop_count + 1) + leg->entry];
}

void round_free(struct round *round) {
  if (!round)
    return;
  free(round->targets);
  free(round->legs);
  free(round->addresses);
  free(round->previous);
  free(round);
}

/* An IP literal is known without asking anyone. */
static void add_literal(struct round *round, size_t target) {
  const struct probe_url *url = &round->chain->targets[target].url;
  struct net_endpoint endpoint = {.port = url->port};

  if (net_address_parse(url->host, &endpoint.address) == 0)
    round_add_address(round, target, &endpoint);
}

static void fill_targets(struct round *round) {
  for (size_t i = 0; i < round->chain->target_count; i++) {
    const struct probe_target *target = &round->chain->targets[i];

    round->targets[i] = (struct verdict_target){
        .name = target->name,
        .control = target->control,
        .sealed = round->chain->hop_count == 0 ||
                  target->url.scheme == PROBE_SCHEME_HTTPS,
    };
    add_literal(round, i);
  }
}

static void fill_hops(struct round *round, const struct probe_config *config) {
  for (size_t i = 0; i < round->chain->hop_count; i++) {
    const struct probe_hop *hop = &config->hops[round->chain->hops[i]];

    round->hops[i].name = hop->name;
    round->hops[i].endpoint =
        probe_url_endpoint(&hop->url, round->endpoints[i], sizeof(round->endpoints[i]));
  }
}

int round_new(const struct probe_config *config, const struct probe_chain *chain,
              struct round **round) {
  struct round *made = calloc(1, sizeof(*made));
  size_t targets = chain->target_count;

  if (!made)
    return -ENOMEM;
  made->chain = chain;
  made->targets = calloc(targets, sizeof(made->targets[0]));
  made->legs = calloc(targets * (chain->hop_count + 1), sizeof(made->legs[0]));
  made->addresses = calloc(targets, sizeof(made->addresses[0]));
  made->previous = calloc(targets, sizeof(made->previous[0]));
  if (!made->targets || !made->legs || !made->addresses || !made->previous) {
    round_free(made);
    return -ENOMEM;
  }
  fill_targets(made);
  fill_hops(made, config);
  made->table = (struct verdict_table){
      .chain = chain->name,
      .nested = chain->mode == PROBE_MODE_NESTED,
      .hop_count = chain->hop_count,
      .hops = made->hops,
      .target_count = targets,
      .targets = made->targets,
      .legs = made->legs,
  };
  *round = made;
  return 0;
}

/* --- Sets of legs ------------------------------------------------------------- */

struct leg_list {
  struct round *round;
  struct leg *legs;
  size_t count;
};

static void add_leg(struct leg_list *list, bool hop_tcp, size_t target, size_t entry) {
  struct leg *leg = &list->legs[list->count++];

  *leg = (struct leg){.hop_tcp = hop_tcp, .target = target, .entry = entry};
  leg_at(list->round, leg)->tried = false;
}

int round_begin(struct round *round, struct leg **legs, size_t *count) {
  struct leg_list list = {.round = round};

  list.legs = calloc(round->chain->target_count, sizeof(list.legs[0]));
  if (!list.legs)
    return -ENOMEM;
  for (size_t i = 0; i < round->chain->target_count; i++) {
    const struct outcome *last = round_outcome(round, i);

    round->previous[i] = last ? *last : (struct outcome){0};
    if (!round->targets[i].control)
      add_leg(&list, false, i, 0);
  }
  *legs = list.legs;
  *count = list.count;
  return 0;
}

/* From the second place on, as the round itself entered at the first; a Control
 * enters everywhere. */
static void add_entries(struct leg_list *list, size_t target) {
  const struct probe_chain *chain = list->round->chain;
  size_t first = list->round->targets[target].control ? 0 : 1;

  for (size_t entry = first; entry < chain->hop_count; entry++)
    add_leg(list, false, target, entry);
  if (first <= chain->hop_count && (chain->direct || chain->hop_count == 0))
    add_leg(list, false, target, chain->hop_count);
}

static bool is_failing(const struct round *round, size_t target) {
  const struct outcome *outcome = round_outcome(round, target);

  return outcome && outcome->result != RESULT_OK;
}

/* Failing targets first: what becomes of them is the question. */
static void add_targets(struct leg_list *list, bool failing, size_t *left) {
  for (size_t i = 0; i < list->round->chain->target_count && *left > 0; i++) {
    if (list->round->targets[i].control || !round_outcome(list->round, i) ||
        is_failing(list->round, i) != failing)
      continue;
    (*left)--;
    add_entries(list, i);
  }
}

static void forget_ladder(struct round *round) {
  size_t entries = round->chain->hop_count + 1;

  for (size_t i = 0; i < round->chain->target_count; i++)
    for (size_t entry = round->targets[i].control ? 0 : 1; entry < entries; entry++)
      round->legs[i * entries + entry].tried = false;
}

int round_begin_ladder(struct round *round, struct leg **legs, size_t *count) {
  const struct probe_chain *chain = round->chain;
  size_t targets_left = ROUND_LADDER_TARGETS_MAX;
  struct leg_list list = {.round = round};

  list.legs = calloc(chain->target_count * (chain->hop_count + 1) + chain->hop_count,
                     sizeof(list.legs[0]));
  if (!list.legs)
    return -ENOMEM;
  forget_ladder(round);
  for (size_t hop = 0; hop < chain->hop_count; hop++)
    add_leg(&list, true, 0, hop);
  for (size_t i = 0; i < chain->target_count; i++)
    if (round->targets[i].control)
      add_entries(&list, i);
  add_targets(&list, true, &targets_left);
  add_targets(&list, false, &targets_left);
  *legs = list.legs;
  *count = list.count;
  return 0;
}

/* --- What they found ------------------------------------------------------------ */

void round_record(struct round *round, const struct leg *leg,
                  const struct outcome *outcome, unsigned via) {
  struct verdict_leg *found = leg_at(round, leg);

  found->tried = true;
  found->outcome = *outcome;
  found->via = via;
  if (outcome->result == RESULT_OK) {
    found->ever = true;
    found->via_good = via;
  }
}

/* The newest address replaces the oldest: names move. */
void round_add_address(struct round *round, size_t target,
                       const struct net_endpoint *address) {
  struct addresses *addresses = &round->addresses[target];

  for (size_t i = 0; i < addresses->count; i++)
    if (net_endpoint_equal(&addresses->list[i], address))
      return;
  if (addresses->count == ROUND_ADDRESSES_MAX)
    memmove(&addresses->list[0], &addresses->list[1],
            sizeof(addresses->list[0]) * --addresses->count);
  addresses->list[addresses->count++] = *address;
}

const struct outcome *round_outcome(const struct round *round, size_t target) {
  const struct verdict_leg *leg = verdict_leg_at(&round->table, target, 0);

  return leg->tried ? &leg->outcome : NULL;
}

bool round_has_results(const struct round *round) {
  for (size_t i = 0; i < round->chain->target_count; i++)
    if (!round->targets[i].control && round_outcome(round, i))
      return true;
  return false;
}

static bool is_same(const struct outcome *one, const struct outcome *other) {
  return one->result == other->result && one->phase == other->phase &&
         one->status == other->status;
}

struct schedule_findings round_findings(const struct round *round) {
  struct schedule_findings findings = {0};

  for (size_t i = 0; i < round->chain->target_count; i++) {
    const struct outcome *outcome = round_outcome(round, i);

    if (round->targets[i].control || !outcome)
      continue;
    if (outcome->result != RESULT_OK)
      findings.failed = true;
    if (outcome->result != round->previous[i].result ||
        (outcome->result != RESULT_OK && !is_same(outcome, &round->previous[i])))
      findings.changed = true;
  }
  return findings;
}

struct verdict round_verdict(struct round *round, round_nat_lookup *lookup,
                             nanoseconds now) {
  for (size_t i = 0; i < round->chain->target_count; i++) {
    const struct addresses *addresses = &round->addresses[i];

    round->targets[i].nat_trouble = false;
    for (size_t j = 0; j < addresses->count && !round->targets[i].nat_trouble; j++)
      round->targets[i].nat_trouble =
          is_failing(round, i) && lookup(&addresses->list[j], now, &round->targets[i]);
  }
  return verdict_of(&round->table);
}
