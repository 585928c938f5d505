/* SPDX-License-Identifier: MIT */
#include "nat_model_state.h"

#include "endpoint_hash.h"

#include <errno.h>
#include <stdlib.h>

_Static_assert(NAT_CLOSE_KINDS == NAT_HELD_KINDS, "a ring for each kind");

static nanoseconds longer(nanoseconds one, nanoseconds other) {
  return one > other ? one : other;
}

nanoseconds nat_model_longest(const struct nat_model_settings *settings) {
  nanoseconds time_wait = settings->time_wait ? settings->time_wait : NAT_TIME_WAIT_LONG;

  return time_wait + settings->slack;
}

static void set_timeouts(struct nat_model *model) {
  const struct nat_model_settings *settings = &model->settings;
  nanoseconds slack = settings->slack;
  nanoseconds most = nat_model_longest(settings);
  nanoseconds usual = settings->time_wait ? settings->time_wait : NAT_TIME_WAIT_SHORT;

  nat_held_retime(&model->held, NAT_CLOSE_ORDERLY, model->table, longer(usual - slack, 0),
                  usual, most);
  nat_held_retime(&model->held, NAT_CLOSE_RESET, model->table, 0, settings->reset,
                  longer(most, settings->reset + slack));
  nat_held_retime(&model->held, NAT_CLOSE_UNANSWERED, model->table, 0,
                  settings->transitory, settings->transitory + slack);
  model->unplaced.timeout_ms =
      nat_held_time(longer(longer(most, settings->reset), settings->transitory));
}

int nat_model_new(const struct nat_model_settings *settings, struct nat_model **model) {
  struct nat_model *made = calloc(1, sizeof(*made));

  if (!made)
    return -ENOMEM;
  made->settings = *settings;
  if (nat_table_new(settings->destinations_max, settings->seed, &made->table) < 0) {
    free(made);
    return -ENOMEM;
  }
  set_timeouts(made);
  *model = made;
  return 0;
}

void nat_model_configure(struct nat_model *model,
                         const struct nat_model_settings *settings) {
  model->settings.time_wait = settings->time_wait;
  model->settings.reset = settings->reset;
  model->settings.transitory = settings->transitory;
  model->settings.limit = settings->limit;
  set_timeouts(model);
}

void nat_model_free(struct nat_model *model) {
  if (!model)
    return;
  nat_held_free(&model->held);
  nat_ring_free(&model->unplaced.ring);
  nat_table_free(model->table);
  free(model);
}

struct nat_table *nat_model_table(struct nat_model *model) { return model->table; }

/* --- Events ------------------------------------------------------------------ */

static uint32_t place_of(struct nat_model *model, const struct net_endpoint *remote,
                         uint64_t hash) {
  uint32_t index = nat_table_get(model->table, remote, hash);

  model->without_place += index == NAT_OTHER;
  return index;
}

uint32_t nat_model_place(struct nat_model *model, const struct net_endpoint *remote) {
  return place_of(model, remote, nat_table_hash(model->table, remote));
}

/* Many in one millisecond make one entry, so that this ring never fills. */
static void add_unplaced(struct nat_unplaced *unplaced, uint32_t time, uint32_t count) {
  const struct nat_ring_entry entry = nat_ring_entry(count, 0, time);

  if (unplaced->ring.head > unplaced->counted) {
    struct nat_ring_entry *last = nat_ring_at(&unplaced->ring, unplaced->ring.head - 1);

    if (last->time == entry.time && last->index + count <= NAT_RING_INDEX_MAX) {
      last->index = (last->index + count) & NAT_RING_INDEX_MAX;
      return;
    }
  }
  nat_ring_push(&unplaced->ring, entry);
}

void nat_model_lost(struct nat_model *model, nanoseconds time, uint32_t count) {
  while (count > 0) {
    uint32_t part = count < NAT_RING_INDEX_MAX ? count : NAT_RING_INDEX_MAX;

    add_unplaced(&model->unplaced, nat_held_time(time), part);
    count -= part;
  }
}

/* A tag is the local port, turned by the local address: two ports of one address have
 * two tags, and those of several addresses seldom the same. */
static uint16_t tag_of(const struct nat_model *model, const struct net_endpoint *local) {
  const struct net_endpoint address = {.address = local->address};
  uint16_t turn = (uint16_t)endpoint_hash(&address, 0, model->settings.seed);
  uint16_t tag = local->port ^ turn;

  if (local->port == 0)
    return 0;
  return tag != 0 ? tag : turn;
}

static void push(struct nat_model *model, uint32_t time, uint32_t index, uint16_t tag,
                 uint32_t kind) {
  if (nat_held_push(&model->held, kind, model->table, index, tag, time) < 0)
    add_unplaced(&model->unplaced, time, 1);
}

static void take(struct nat_model *model, const struct nat_intake_close *close) {
  uint32_t index = place_of(model, &close->remote, close->hash);

  nat_table_note_use(model->table, index);
  push(model, close->time, index, index == NAT_OTHER ? 0 : close->tag, close->kind);
}

void nat_model_take_in(struct nat_model *model) {
  const struct nat_intake_close *close;

  while ((close = nat_intake_next(&model->intake)) != NULL)
    take(model, close);
}

/* What was asked for at the step before has come. */
static void fetch_row(const struct nat_model *model,
                      const struct nat_intake_close *close) {
  uint32_t index = nat_table_guess(model->table, close->hash);

  if (index == NAT_OTHER)
    return;
  nat_table_prefetch(model->table, index);
  nat_table_prefetch_closed(model->table, index);
  nat_held_prefetch(&model->held, index, close->tag);
}

void nat_model_close(struct nat_model *model, nanoseconds time,
                     const struct net_endpoint *remote, const struct net_endpoint *local,
                     enum nat_close kind) {
  const struct nat_intake_close close = {.remote = *remote,
                                         .tag = local ? tag_of(model, local) : 0,
                                         .time = nat_held_time(time),
                                         .kind = kind,
                                         .hash = nat_table_hash(model->table, remote)};
  const struct nat_intake_close *before;

  nat_table_prefetch_index(model->table, close.hash);
  nat_intake_add(&model->intake, &close);
  before = nat_intake_before(&model->intake, NAT_INTAKE_STEP);
  if (before)
    fetch_row(model, before);
  if (nat_intake_before(&model->intake, NAT_INTAKE_MAX - 1))
    take(model, nat_intake_next(&model->intake));
}

void nat_model_close_at(struct nat_model *model, nanoseconds time, uint32_t index,
                        enum nat_close kind) {
  nat_model_take_in(model);
  push(model, nat_held_time(time), index, 0, kind);
}

void nat_model_reopened(struct nat_model *model, const struct net_endpoint *remote,
                        const struct net_endpoint *local) {
  uint32_t index = nat_model_place(model, remote);

  nat_model_take_in(model);
  if (index != NAT_OTHER)
    nat_held_supersede(&model->held, model->table, index, tag_of(model, local));
}

void nat_model_close_portless(struct nat_model *model, nanoseconds time,
                              const struct net_address *remote, enum nat_close kind) {
  const struct net_endpoint portless = {.address = *remote, .port = 0};
  bool shared = false;
  uint32_t index;

  nat_model_take_in(model);
  index = nat_table_by_address(model->table, remote, &shared);
  if (index == NAT_OTHER || shared)
    nat_model_lost(model, time, 1);
  if (index == NAT_OTHER)
    index = nat_model_place(model, &portless);
  nat_model_close_at(model, time, index, kind);
}

/* All that was told of since the last estimate waits to be counted. */
uint32_t nat_model_heal(struct nat_model *model, nanoseconds time,
                        const struct net_endpoint *remote, uint32_t count) {
  uint32_t index = nat_model_place(model, remote), told, missing;

  nat_model_take_in(model);
  told = nat_table_closed(model->table, index)->pending;
  missing = count > told ? count - told : 0;
  for (uint32_t i = 0; i < missing; i++)
    nat_model_close_at(model, time, index, NAT_CLOSE_ORDERLY);
  return missing;
}
