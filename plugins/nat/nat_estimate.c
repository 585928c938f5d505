/* SPDX-License-Identifier: MIT
 *
 * From what was told of the connections to the ports they hold.
 */
#include "nat_merge.h"
#include "nat_model_state.h"

typedef void visitor(const struct nat_model *model, struct nat_destination *destination,
                     const struct nat_closed *closed);

static void for_each(struct nat_model *model, visitor *visit) {
  uint32_t index = NAT_OTHER;

  do
    visit(model, nat_table_at(model->table, index),
          nat_table_closed(model->table, index));
  while ((index = nat_table_next(model->table, index)) != NAT_OTHER);
}

/* --- Begin ------------------------------------------------------------------------- */

static void start_over(struct nat_destination *destination, struct nat_closed *closed,
                       bool idle_known) {
  destination->live_before =
      destination->open + destination->half_open + destination->gone;
  destination->open = destination->half_open = 0;
  destination->unanswered = destination->stalled = destination->gone = 0;
  closed->closes = 0;
  memset(closed->waiting, 0, sizeof(closed->waiting));
  if (idle_known)
    destination->idle = destination->drowsy = 0;
}

uint32_t nat_model_begin(struct nat_model *model, nanoseconds begun, bool idle_known) {
  uint32_t index = NAT_OTHER, merged;

  nat_model_take_in(model);
  merged = nat_merge_least(model->table, &model->held);
  model->without_place += merged;
  model->elapsed = model->begun ? begun - model->begun : 0;
  model->begun = model->ended = begun;
  model->local_ports = 0;
  do
    start_over(nat_table_at(model->table, index), nat_table_closed(model->table, index),
               idle_known);
  while ((index = nat_table_next(model->table, index)) != NAT_OTHER);
  return merged;
}

uint32_t nat_model_live(struct nat_model *model, const struct net_endpoint *remote,
                        const struct nat_live *live) {
  uint32_t index = nat_model_place(model, remote);
  struct nat_destination *destination = nat_table_at(model->table, index);

  destination->open += live->open;
  destination->half_open += live->half_open;
  destination->unanswered += live->unanswered;
  destination->stalled += live->stalled;
  destination->idle += live->idle;
  destination->drowsy += live->drowsy;
  destination->gone += live->gone;
  if (live->local_ports > model->local_ports)
    model->local_ports = live->local_ports;
  return index;
}

uint32_t nat_model_waiting(struct nat_model *model, const struct net_endpoint *remote,
                           enum nat_close kind, nanoseconds age, bool *held) {
  const uint32_t *timeouts = model->held.kinds[kind].timeout_ms;
  uint32_t age_ms = nat_held_time(age < 0 ? 0 : age), index;
  struct nat_closed *closed;

  *held = age_ms < timeouts[NAT_HIGH];
  if (!*held)
    return NAT_OTHER;
  index = nat_model_place(model, remote);
  closed = nat_table_closed(model->table, index);
  for (unsigned bound = 0; bound < NAT_BOUNDS; bound++)
    closed->waiting[bound] += age_ms < timeouts[bound];
  closed->closes += model->elapsed > 0 && age < model->elapsed;
  return index;
}

void nat_model_ended(struct nat_model *model, nanoseconds ended) {
  if (ended > model->begun)
    model->ended = ended;
}

void nat_model_live_omitted(struct nat_model *model, uint64_t sockets) {
  struct nat_destination *other = nat_table_at(model->table, NAT_OTHER);

  other->open += (uint32_t)(sockets < INT32_MAX ? sockets : INT32_MAX);
  model->without_place += sockets > 0;
}

/* --- Closed ones ---------------------------------------------------------------------- */

static void advance(struct nat_model *model, enum nat_close kind,
                    bool (*high_only)(const struct nat_destination *destination)) {
  uint32_t now = nat_held_time(model->begun), ended = nat_held_time(model->ended);

  nat_held_count(&model->held, kind, model->table, now, high_only);
  nat_held_expire(&model->held, kind, model->table, now, ended);
  if (ended != now)
    nat_held_count_late(&model->held, kind, model->table, ended);
}

static void advance_unplaced(struct nat_unplaced *unplaced, uint32_t now,
                             uint32_t ended) {
  for (; unplaced->counted < unplaced->ring.head; unplaced->counted++) {
    const struct nat_ring_entry *entry = nat_ring_at(&unplaced->ring, unplaced->counted);

    if (nat_ring_is_after(entry, ended))
      break;
    unplaced->sum += entry->index;
  }
  for (; unplaced->expired < unplaced->counted; unplaced->expired++) {
    const struct nat_ring_entry *entry = nat_ring_at(&unplaced->ring, unplaced->expired);

    if (nat_ring_is_after(entry, now) ||
        nat_ring_elapsed(now, entry) < unplaced->timeout_ms)
      break;
    unplaced->sum -= entry->index;
  }
  nat_ring_release(&unplaced->ring, unplaced->expired);
}

/* --- Are ports short? ------------------------------------------------------------------ */

static uint32_t lesser(uint32_t one, uint32_t other) { return one < other ? one : other; }

/* How far below the limit the figures may be off while the ports are in truth all
 * held: two ports, or what share of the connections close unseen. */
static bool is_near(uint32_t firm, uint32_t limit) {
  uint32_t margin = limit / 16 > 2 ? limit / 16 : 2;

  return limit > 0 && firm + margin >= limit;
}

/* Of those half open: they may have found no port. */
static uint32_t doubtful(const struct nat_destination *destination) {
  uint32_t unanswered = destination->unanswered > destination->stalled
                            ? destination->unanswered
                            : destination->stalled;

  return lesser(unanswered, destination->half_open);
}

static uint32_t firmly_held(const struct nat_destination *destination,
                            const struct nat_closed *closed) {
  return destination->open - lesser(destination->idle, destination->open) +
         destination->half_open - doubtful(destination) +
         closed->held[NAT_BEST] + closed->waiting[NAT_BEST];
}

static void judge_shortage(const struct nat_model *model,
                           struct nat_destination *destination,
                           const struct nat_closed *closed) {
  bool before = destination->at_limit || destination->exhausted;

  destination->at_limit = is_near(firmly_held(destination, closed), model->settings.limit);
  destination->short_of_ports = before || destination->at_limit;
  destination->exhausted = destination->short_of_ports && doubtful(destination) > 0;
}

static void take_over_shortage(const struct nat_model *model,
                               struct nat_destination *local,
                               const struct nat_closed *closed) {
  (void)closed;
  local->short_of_ports = model->short_of_ports;
  local->exhausted = model->exhausted;
}

/* All local endpoints draw on the same ports: they are short for all or for none. */
static void judge_shortage_of_all(struct nat_model *model) {
  bool before = model->at_limit || model->exhausted;
  uint32_t index = NAT_OTHER, firm = 0;
  bool unanswered = false;

  while ((index = nat_table_next(model->table, index)) != NAT_OTHER) {
    const struct nat_destination *local = nat_table_at(model->table, index);

    firm += firmly_held(local, nat_table_closed(model->table, index)) > 0;
    unanswered = unanswered || doubtful(local) > 0;
  }
  model->at_limit = is_near(firm, model->settings.limit);
  model->short_of_ports = before || model->at_limit;
  model->exhausted = model->short_of_ports && unanswered;
  for_each(model, take_over_shortage);
}

static bool is_short_of_ports(const struct nat_destination *destination) {
  return destination->short_of_ports;
}

/* --- Ports ------------------------------------------------------------------------------- */

static uint32_t cap(const struct nat_model *model, uint32_t ports) {
  uint32_t limit = model->settings.limit;

  return limit > 0 ? lesser(ports, limit) : ports;
}

/* Few lie between `idle` and `drowsy`: they may have been, or become, idle since. */
static uint32_t certainly_open(const struct nat_destination *destination) {
  uint32_t drowsy = destination->drowsy > destination->idle ? destination->drowsy
                                                            : destination->idle;

  return destination->open - lesser(drowsy, destination->open);
}

static void estimate_ports(const struct nat_model *model,
                           struct nat_destination *destination,
                           const struct nat_closed *closed) {
  const uint32_t *held = closed->held, *waiting = closed->waiting;
  uint32_t live = destination->live_before; /* now: of the summary before */
  uint32_t now = destination->open + destination->half_open + destination->gone;
  uint32_t best = firmly_held(destination, closed) + destination->gone +
                  (destination->exhausted ? 0 : doubtful(destination));

  destination->ports[NAT_LOW] =
      cap(model, certainly_open(destination) + held[NAT_LOW] + waiting[NAT_LOW]);
  destination->ports[NAT_BEST] = cap(model, best);
  destination->ports[NAT_HIGH] = cap(model, now + held[NAT_HIGH] + waiting[NAT_HIGH]);
  destination->opened =
      now + closed->closes > live ? now + closed->closes - live : 0;
}

static uint32_t live_ports(const struct nat_destination *destination,
                           const struct nat_closed *closed) {
  uint32_t held = closed->held[NAT_BEST] + closed->waiting[NAT_BEST];
  uint32_t best = destination->ports[NAT_BEST];

  return best > held ? best - held : 0;
}

/* --- All together -------------------------------------------------------------------------- */

static bool is_unused(const struct nat_destination *destination,
                      const struct nat_closed *closed) {
  return destination->open + destination->half_open + destination->gone +
             closed->pending + closed->held[NAT_HIGH] + closed->waiting[NAT_HIGH] == 0;
}

/* NAT_OTHER is several destinations: a bound, not an estimate. Port 0 stands for a
 * port not known: an estimate; for the bound those are among the unplaced. */
static void count_in(const struct nat_destination *destination,
                     const struct nat_closed *closed, uint32_t index,
                     struct nat_estimate *estimate) {
  const bool counts[NAT_BOUNDS] = {index != NAT_OTHER, index != NAT_OTHER,
                                   destination->remote.port != 0 || index == NAT_OTHER};

  if (index != NAT_OTHER && destination->ports[NAT_BEST] > estimate->ports[NAT_BEST]) {
    estimate->busiest = index;
    estimate->open = live_ports(destination, closed);
    estimate->closes = closed->closes;
  }
  for (unsigned bound = 0; bound < NAT_BOUNDS; bound++)
    if (counts[bound] && destination->ports[bound] > estimate->ports[bound])
      estimate->ports[bound] = destination->ports[bound];
}

/* Of those in NAT_OTHER each may have a port of its own. */
static void count_distinct(const struct nat_destination *local,
                           const struct nat_closed *closed, uint32_t index,
                           struct nat_estimate *estimate) {
  for (unsigned bound = 0; bound < NAT_BOUNDS; bound++)
    if (index != NAT_OTHER)
      estimate->ports[bound] += local->ports[bound] > 0;
    else if (bound == NAT_HIGH)
      estimate->ports[bound] += local->ports[bound];
  estimate->open += index != NAT_OTHER && live_ports(local, closed) > 0;
  estimate->closes += closed->closes;
}

/* What could be toward any destination could be toward the busiest. */
static void widen(const struct nat_model *model, struct nat_estimate *estimate) {
  const struct nat_model_settings *settings = &model->settings;
  uint64_t high = estimate->ports[NAT_HIGH] + model->unplaced.sum;
  uint32_t best = estimate->ports[NAT_BEST];
  bool covered = settings->covered_since != NAT_NEVER &&
                 model->begun - settings->covered_since >= nat_model_longest(settings);

  estimate->ports[NAT_LOW] = cap(model, estimate->ports[NAT_LOW]);
  estimate->ports[NAT_BEST] = cap(model, estimate->ports[NAT_BEST]);
  if (high < best) /* a peer's port may really be 0, and its connections nothing more */
    high = best;
  estimate->ports[NAT_HIGH] = cap(model, high < UINT32_MAX ? (uint32_t)high : UINT32_MAX);
  if (!covered && settings->limit > 0)
    estimate->ports[NAT_HIGH] = settings->limit;
  estimate->high_known = covered || settings->limit > 0;
}

static void sum_up(struct nat_model *model, struct nat_estimate *estimate) {
  uint32_t index = NAT_OTHER;

  do {
    struct nat_destination *destination = nat_table_at(model->table, index);
    const struct nat_closed *closed = nat_table_closed(model->table, index);

    estimate_ports(model, destination, closed);
    if (model->settings.distinct)
      count_distinct(destination, closed, index, estimate);
    else
      count_in(destination, closed, index, estimate);
    estimate->stalled += destination->stalled;
    if (index != NAT_OTHER && is_unused(destination, closed))
      nat_table_remove(model->table, index);
  } while ((index = nat_table_next(model->table, index)) != NAT_OTHER);
}

void nat_model_finish(struct nat_model *model, struct nat_estimate *estimate) {
  *estimate = (struct nat_estimate){.busiest = NAT_OTHER,
                                    .local_ports = model->local_ports,
                                    .elapsed = model->elapsed};
  nat_model_take_in(model);
  advance(model, NAT_CLOSE_ORDERLY, NULL);
  advance(model, NAT_CLOSE_RESET, NULL);
  advance_unplaced(&model->unplaced, nat_held_time(model->begun),
                   nat_held_time(model->ended));
  nat_held_expire(&model->held, NAT_CLOSE_UNANSWERED, model->table,
                  nat_held_time(model->begun), nat_held_time(model->ended));
  if (model->settings.distinct)
    judge_shortage_of_all(model);
  else
    for_each(model, judge_shortage);
  advance(model, NAT_CLOSE_UNANSWERED, is_short_of_ports);
  sum_up(model, estimate);
  widen(model, estimate);
  estimate->merged = model->without_place;
  model->without_place = 0;
}
