/* SPDX-License-Identifier: MIT */
#include "nat_model.h"

#include "nat_held.h"
#include "nat_merge.h"

#include <errno.h>
#include <stdlib.h>

/* Closes that could be toward any destination: entries of {count, time}. */
struct unplaced {
  uint32_t timeout_ms;
  uint64_t counted, expired; /* positions */
  uint64_t sum;              /* of the counts between them */
  struct nat_ring ring;
};

struct nat_model {
  struct nat_model_settings settings;
  struct nat_table *table;
  struct nat_held held[NAT_CLOSE_KINDS];
  struct unplaced unplaced;
  uint64_t without_place; /* merged, or counted as NAT_OTHER, since the last one */
  nanoseconds begun;      /* of the summary under way, or the last; 0: none */
  nanoseconds elapsed;
  uint32_t local_ports;
};

static nanoseconds longer(nanoseconds one, nanoseconds other) {
  return one > other ? one : other;
}

/* The longest that a closed connection may be held. */
static nanoseconds longest_time_wait(const struct nat_model_settings *settings) {
  return settings->time_wait ? settings->time_wait : NAT_TIME_WAIT_LONG;
}

static void set_timeouts(struct nat_model *model) {
  const struct nat_model_settings *settings = &model->settings;
  nanoseconds most = longest_time_wait(settings);
  nanoseconds least = settings->time_wait ? settings->time_wait : NAT_TIME_WAIT_SHORT;

  nat_held_retime(&model->held[NAT_CLOSE_ORDERLY], model->table, least, least, most);
  nat_held_retime(&model->held[NAT_CLOSE_RESET], model->table, 0, settings->reset,
                  longer(most, settings->reset));
  nat_held_retime(&model->held[NAT_CLOSE_UNANSWERED], model->table, 0,
                  settings->transitory, settings->transitory);
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
  for (unsigned kind = 0; kind < NAT_CLOSE_KINDS; kind++)
    nat_ring_free(&model->held[kind].ring);
  nat_ring_free(&model->unplaced.ring);
  nat_table_free(model->table);
  free(model);
}

struct nat_table *nat_model_table(struct nat_model *model) { return model->table; }

/* --- Events ------------------------------------------------------------------ */

static uint32_t find_place(struct nat_model *model, const struct net_endpoint *remote) {
  uint32_t index = nat_table_get(model->table, remote);

  model->without_place += index == NAT_OTHER;
  return index;
}

/* Many in one millisecond make one entry, so that this ring never fills. */
void nat_model_lost(struct nat_model *model, nanoseconds time, uint32_t count) {
  struct unplaced *unplaced = &model->unplaced;
  struct nat_ring_entry entry = {count, nat_held_time(time)};

  if (unplaced->ring.head > unplaced->counted) {
    struct nat_ring_entry *last = nat_ring_at(&unplaced->ring, unplaced->ring.head - 1);

    if (last->time == entry.time && last->value <= UINT32_MAX - count) {
      last->value += count;
      return;
    }
  }
  nat_ring_push(&unplaced->ring, entry);
}

static void add_close(struct nat_model *model, nanoseconds time, uint32_t index,
                      enum nat_close kind) {
  if (nat_held_push(&model->held[kind], model->table, index, nat_held_time(time)) < 0)
    nat_model_lost(model, time, 1);
}

void nat_model_close(struct nat_model *model, nanoseconds time,
                     const struct net_endpoint *remote, enum nat_close kind) {
  add_close(model, time, find_place(model, remote), kind);
}

void nat_model_close_portless(struct nat_model *model, nanoseconds time,
                              const struct net_address *remote, enum nat_close kind) {
  const struct net_endpoint portless = {.address = *remote, .port = 0};
  uint32_t index = nat_table_by_address(model->table, remote);

  if (index == NAT_OTHER) {
    index = find_place(model, &portless);
    nat_model_lost(model, time, 1);
  }
  add_close(model, time, index, kind);
}

static int compare_times(const void *one, const void *other) {
  nanoseconds left = ((const struct nat_past_close *)one)->time;
  nanoseconds right = ((const struct nat_past_close *)other)->time;

  return (left > right) - (left < right);
}

void nat_model_recall(struct nat_model *model, struct nat_past_close *closes,
                      size_t count) {
  if (count > 0)
    qsort(closes, count, sizeof(*closes), compare_times);
  for (size_t i = 0; i < count; i++)
    nat_model_close(model, closes[i].time, &closes[i].remote, NAT_CLOSE_ORDERLY);
}

static void advance_unplaced(struct unplaced *unplaced, uint32_t now) {
  for (; unplaced->counted < unplaced->ring.head; unplaced->counted++) {
    const struct nat_ring_entry *entry = nat_ring_at(&unplaced->ring, unplaced->counted);

    if ((int32_t)(entry->time - now) > 0)
      break;
    unplaced->sum += entry->value;
  }
  for (; unplaced->expired < unplaced->counted; unplaced->expired++) {
    const struct nat_ring_entry *entry = nat_ring_at(&unplaced->ring, unplaced->expired);

    if (now - entry->time < unplaced->timeout_ms)
      break;
    unplaced->sum -= entry->value;
  }
  nat_ring_release(&unplaced->ring, unplaced->expired);
}

/* --- The estimate ------------------------------------------------------------- */

static void start_over(struct nat_destination *destination) {
  destination->live_before = destination->open + destination->half_open;
  destination->open = destination->half_open = destination->stalled = 0;
  destination->closes = 0;
}

static void advance(struct nat_model *model, enum nat_close kind,
                    bool (*doubtful)(const struct nat_destination *destination)) {
  uint32_t now = nat_held_time(model->begun);

  nat_held_count(&model->held[kind], model->table, now, doubtful);
  nat_held_expire(&model->held[kind], model->table, now);
}

void nat_model_begin(struct nat_model *model, nanoseconds begun) {
  uint32_t index = NAT_OTHER;

  model->without_place += nat_merge_least(model->table, model->held, NAT_CLOSE_KINDS);
  model->elapsed = model->begun ? begun - model->begun : 0;
  model->begun = begun;
  model->local_ports = 0;
  do
    start_over(nat_table_at(model->table, index));
  while ((index = nat_table_next(model->table, index)) != NAT_OTHER);
  advance(model, NAT_CLOSE_ORDERLY, NULL);
  advance(model, NAT_CLOSE_RESET, NULL);
  advance_unplaced(&model->unplaced, nat_held_time(begun));
}

void nat_model_live(struct nat_model *model, const struct flow_remote *remote) {
  struct nat_destination *destination =
      nat_table_at(model->table, find_place(model, &remote->remote));
  uint32_t local_ports = remote->open + remote->half_open + remote->time_wait;

  destination->open += remote->open;
  destination->half_open += remote->half_open;
  destination->stalled += remote->stalled;
  if (local_ports > model->local_ports)
    model->local_ports = local_ports;
}

void nat_model_live_omitted(struct nat_model *model, uint64_t sockets) {
  struct nat_destination *other = nat_table_at(model->table, NAT_OTHER);

  other->open += (uint32_t)(sockets < INT32_MAX ? sockets : INT32_MAX);
  model->without_place += sockets > 0;
}

/* How far below the limit the figures may be off while the ports are in truth all
 * held: two ports, or what share of the connections close unseen. */
static uint32_t margin(uint32_t limit) { return limit / 16 > 2 ? limit / 16 : 2; }

static uint32_t firmly_held(const struct nat_destination *destination) {
  return destination->open + destination->half_open - destination->stalled +
         destination->held[NAT_BEST];
}

static void judge_shortage(const struct nat_model *model,
                           struct nat_destination *destination) {
  uint32_t limit = model->settings.limit;
  bool before = destination->at_limit || destination->exhausted;

  destination->at_limit =
      limit > 0 && firmly_held(destination) + margin(limit) >= limit;
  destination->short_of_ports = before || destination->at_limit;
  destination->exhausted = destination->short_of_ports && destination->stalled > 0;
}

static bool is_short_of_ports(const struct nat_destination *destination) {
  return destination->short_of_ports;
}

static uint32_t cap(const struct nat_model *model, uint32_t ports) {
  uint32_t limit = model->settings.limit;

  return limit > 0 && ports > limit ? limit : ports;
}

static void estimate_ports(const struct nat_model *model,
                           struct nat_destination *destination) {
  const uint32_t *held = destination->held;
  uint32_t live = destination->live_before; /* now: of the summary before */
  uint32_t now = destination->open + destination->half_open;
  uint32_t best = firmly_held(destination) +
                  (destination->exhausted ? 0 : destination->stalled);

  destination->ports[NAT_LOW] = cap(model, destination->open + held[NAT_LOW]);
  destination->ports[NAT_BEST] = cap(model, best);
  destination->ports[NAT_HIGH] = cap(model, now + held[NAT_HIGH]);
  destination->opened =
      now + destination->closes > live ? now + destination->closes - live : 0;
}

static bool is_idle(const struct nat_destination *destination) {
  return destination->open + destination->half_open + destination->pending +
             destination->held[NAT_HIGH] == 0;
}

/* NAT_OTHER is several destinations: a bound, not an estimate. Port 0 stands for a
 * port not known: an estimate; for the bound those are among the unplaced. */
static void count_in(const struct nat_destination *destination, uint32_t index,
                     struct nat_estimate *estimate) {
  const bool counts[NAT_BOUNDS] = {index != NAT_OTHER, index != NAT_OTHER,
                                   destination->remote.port != 0 || index == NAT_OTHER};

  if (index != NAT_OTHER && destination->ports[NAT_BEST] > estimate->ports[NAT_BEST])
    estimate->busiest = index;
  for (unsigned bound = 0; bound < NAT_BOUNDS; bound++)
    if (counts[bound] && destination->ports[bound] > estimate->ports[bound])
      estimate->ports[bound] = destination->ports[bound];
  estimate->stalled += destination->stalled;
}

/* What could be toward any destination could be toward the busiest. */
static void widen(const struct nat_model *model, struct nat_estimate *estimate) {
  const struct nat_model_settings *settings = &model->settings;
  uint64_t high = estimate->ports[NAT_HIGH] + model->unplaced.sum;
  bool covered = settings->covered_since != NAT_NEVER &&
                 model->begun - settings->covered_since >= longest_time_wait(settings);

  estimate->ports[NAT_HIGH] = cap(model, high < UINT32_MAX ? (uint32_t)high : UINT32_MAX);
  if (!covered && settings->limit > 0)
    estimate->ports[NAT_HIGH] = settings->limit;
  estimate->high_known = covered || settings->limit > 0;
}

static void for_each(struct nat_model *model,
                     void (*visit)(const struct nat_model *model,
                                   struct nat_destination *destination)) {
  uint32_t index = NAT_OTHER;

  do
    visit(model, nat_table_at(model->table, index));
  while ((index = nat_table_next(model->table, index)) != NAT_OTHER);
}

static void sum_up(struct nat_model *model, struct nat_estimate *estimate) {
  uint32_t index = NAT_OTHER;

  do {
    const struct nat_destination *destination = nat_table_at(model->table, index);

    count_in(destination, index, estimate);
    if (index != NAT_OTHER && is_idle(destination))
      nat_table_remove(model->table, index);
  } while ((index = nat_table_next(model->table, index)) != NAT_OTHER);
}

void nat_model_finish(struct nat_model *model, struct nat_estimate *estimate) {
  *estimate = (struct nat_estimate){.busiest = NAT_OTHER,
                                    .local_ports = model->local_ports,
                                    .elapsed = model->elapsed};
  nat_held_expire(&model->held[NAT_CLOSE_UNANSWERED], model->table,
                  nat_held_time(model->begun));
  for_each(model, judge_shortage);
  advance(model, NAT_CLOSE_UNANSWERED, is_short_of_ports);
  for_each(model, estimate_ports);
  sum_up(model, estimate);
  widen(model, estimate);
  estimate->merged = model->without_place;
  model->without_place = 0;
}
