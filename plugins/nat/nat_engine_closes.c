/* SPDX-License-Identifier: MIT
 *
 * Connections that have closed: from events, from what was found afterwards, or lost.
 */
#include "close_event.h"
#include "nat_engine_state.h"

#include <stdlib.h>

/* False if the connection takes no gateway. */
static bool choose_place(const struct nat_engine *engine, const struct nat_ends *ends,
                         struct nat_place *place) {
  const struct nat_gateway_config *gateway =
      nat_engine_choose(engine->config, &ends->local.address, &ends->remote.address, true);

  if (!gateway || nat_engine_is_own(engine, &ends->remote.address))
    return false;
  *place = (struct nat_place){.gateway = (uint8_t)(gateway - engine->config->gateways),
                              .protocol = NAT_TCP};
  return true;
}

void nat_engine_close_flow(struct nat_engine *engine, nanoseconds time,
                           const struct nat_place *place, enum nat_close kind) {
  struct nat_side *side = nat_engine_side(engine, place);

  nat_model_close_at(side->by_remote, time, place->remote, kind);
  if (side->by_local)
    nat_model_close_at(side->by_local, time, place->local, kind);
}

/* Where several ports are in use at the address, that of the connection's neighbours is
 * likely, not certain: hence in the high bound of the others too, and no witness for its
 * own neighbours, or one error would draw others after it. */
static void close_portless(struct nat_engine *engine, struct nat_side *side,
                           nanoseconds time, const struct nat_ends *ends,
                           enum nat_close kind) {
  struct net_endpoint remote = ends->remote;
  bool shared = false;

  nat_table_by_address(nat_model_table(side->by_remote), &remote.address, &shared);
  if (shared)
    remote.port = nat_neighbours_find(&engine->neighbours, ends->local.port,
                                      &remote.address, time);
  if (remote.port == 0) {
    nat_model_close_portless(side->by_remote, time, &remote.address, kind);
    return;
  }
  nat_model_close(side->by_remote, time, &remote, &ends->local, kind);
  nat_model_lost(side->by_remote, time, 1);
}

static void close_connection(struct nat_engine *engine, nanoseconds time,
                             const struct nat_ends *ends, enum nat_close kind) {
  struct nat_place place;
  struct nat_side *side;

  if (!choose_place(engine, ends, &place))
    return;
  side = nat_engine_side(engine, &place);
  if (ends->remote.port == 0) {
    close_portless(engine, side, time, ends, kind);
  } else {
    nat_model_close(side->by_remote, time, &ends->remote, &ends->local, kind);
    nat_neighbours_note(&engine->neighbours, ends->local.port, &ends->remote, time);
  }
  if (side->by_local)
    nat_model_close(side->by_local, time, &ends->local, NULL, kind);
}

static int compare_recalled(const void *one, const void *other) {
  nanoseconds left = ((const struct nat_recalled *)one)->time;
  nanoseconds right = ((const struct nat_recalled *)other)->time;

  return (left > right) - (left < right);
}

void nat_engine_recall(struct nat_engine *engine, struct nat_recalled *closes,
                       size_t count) {
  if (count > 0)
    qsort(closes, count, sizeof(*closes), compare_recalled);
  for (size_t i = 0; i < count; i++)
    close_connection(engine, closes[i].time, &closes[i].ends, NAT_CLOSE_ORDERLY);
}

/* An aborted socket has forgotten its own address and the destination's port: the
 * summary before may know which socket it was. */
static struct nat_ends ends_of(struct nat_engine *engine,
                               const struct sock_diag_record *record) {
  static const struct net_address none;
  struct nat_ends ends = {record->local, record->remote};
  const struct flow_remote *known =
      engine->last ? flow_summary_by_local_port(engine->last, record->local.port) : NULL;

  if (record->remote.port == 0 && known &&
      net_address_equal(&known->remote.address, &record->remote.address))
    ends.remote.port = known->remote.port;
  if (record->remote.port != 0)
    engine->usual_source = record->local.address;
  else if (!net_address_equal(&engine->usual_source, &none))
    ends.local.address = engine->usual_source;
  return ends;
}

void nat_engine_event(struct nat_engine *engine, nanoseconds time,
                      const struct sock_diag_record *record) {
  static const enum nat_close kinds[] = {
      [CLOSE_EVENT_ORDERLY] = NAT_CLOSE_ORDERLY,
      [CLOSE_EVENT_RESET] = NAT_CLOSE_RESET,
      [CLOSE_EVENT_REFUSED] = NAT_CLOSE_RESET,
      [CLOSE_EVENT_UNANSWERED] = NAT_CLOSE_UNANSWERED,
  };
  enum close_event_kind kind = close_event_classify(record);
  struct nat_ends ends;

  engine->received++;
  if (kind == CLOSE_EVENT_NONE || nat_engine_listens(engine, record->local.port) ||
      !nat_gone_event(&engine->gone, record->local.port))
    return;
  ends = ends_of(engine, record);
  close_connection(engine, time, &ends, kinds[kind]);
}

void nat_engine_lost(struct nat_engine *engine, nanoseconds time, uint64_t count) {
  engine->lost += count;
  engine->lost_time = time;
}

uint64_t nat_engine_lost_lately(const struct nat_engine *engine) {
  return engine->lost - engine->lost_before;
}

static int compare_ends(const void *one, const void *other) {
  return memcmp(&((const struct nat_recalled *)one)->ends.remote,
                &((const struct nat_recalled *)other)->ends.remote,
                sizeof(struct net_endpoint));
}

static uint32_t heal_run(struct nat_engine *engine, nanoseconds time,
                         const struct nat_recalled *run, uint32_t count) {
  struct nat_place place;
  struct nat_side *side;

  if (!choose_place(engine, &run->ends, &place))
    return 0;
  side = nat_engine_side(engine, &place);
  for (uint32_t i = 0; i < count && side->by_local; i++)
    nat_model_heal(side->by_local, time, &run[i].ends.local, 1);
  return nat_model_heal(side->by_remote, time, &run->ends.remote, count);
}

void nat_engine_heal(struct nat_engine *engine, nanoseconds time,
                     struct nat_recalled *closes, size_t count) {
  uint64_t lost = nat_engine_lost_lately(engine);
  size_t begin = 0;

  if (count > 0)
    qsort(closes, count, sizeof(*closes), compare_ends);
  while (begin < count) {
    size_t end = begin;

    while (end < count && compare_ends(&closes[begin], &closes[end]) == 0)
      end++;
    engine->healed += heal_run(engine, time, &closes[begin], (uint32_t)(end - begin));
    begin = end;
  }
  if (engine->healed > lost)
    engine->healed = lost;
}

/* With events, one that closes in order sends one at once: what has none was reset, if
 * none was lost. */
static void count_gone(const struct nat_suspect *suspect, void *data) {
  struct nat_engine *engine = data;
  const struct nat_ends ends = {{engine->usual_source, suspect->port},
                                suspect->remote.remote};
  bool lost = engine->healed < nat_engine_lost_lately(engine);

  engine->healed += lost;
  close_connection(engine, engine->begun, &ends,
                   engine->has_events && !lost ? NAT_CLOSE_RESET : NAT_CLOSE_ORDERLY);
}

static void count_suspect(const struct nat_suspect *suspect, void *data) {
  static const struct nat_live live = {.gone = 1};
  struct nat_engine *engine = data;
  struct nat_side *side = &engine->gateways[suspect->remote.class - 1].sides[NAT_TCP];
  const struct net_endpoint local = {engine->usual_source, suspect->port};

  if (nat_engine_is_own(engine, &suspect->remote.remote.address))
    return;
  nat_model_live(side->by_remote, &suspect->remote.remote, &live);
  if (side->by_local)
    nat_model_live(side->by_local, &local, &live);
}

/* Local ports of closed connections that have one again. One that closed after the
 * summary saw it has closed for good. */
static void find_reopened(struct nat_engine *engine, const struct flow_summary *summary) {
  for (unsigned port = 0; port < NAT_GONE_PORTS; port++) {
    const struct flow_remote *remote = flow_summary_by_local_port(summary, (uint16_t)port);
    const struct net_endpoint local = {engine->usual_source, (uint16_t)port};

    if (remote && !nat_engine_is_own(engine, &remote->remote.address) &&
        !nat_neighbours_noted_since(&engine->neighbours, (uint16_t)port, engine->begun))
      nat_model_reopened(engine->gateways[remote->class - 1].sides[NAT_TCP].by_remote,
                         &remote->remote, &local);
  }
}

void nat_engine_find_gone(struct nat_engine *engine, const struct flow_summary *summary) {
  if (engine->last)
    nat_gone_compare(&engine->gone, engine->last, summary, count_gone, count_suspect,
                     engine);
  if (summary->by_local_port)
    find_reopened(engine, summary);
}

/* What was lost, and not found again, could be toward any destination. */
void nat_engine_pass_on_lost(struct nat_engine *engine) {
  uint64_t lost = nat_engine_lost_lately(engine) - engine->healed;
  uint32_t count = lost < UINT32_MAX ? (uint32_t)lost : UINT32_MAX;

  engine->healed = 0;
  for (size_t i = 0; i < engine->config->gateway_count && count > 0; i++) {
    struct nat_side *side = &engine->gateways[i].sides[NAT_TCP];

    nat_model_lost(side->by_remote, engine->lost_time, count);
    if (side->by_local)
      nat_model_lost(side->by_local, engine->lost_time, count);
  }
}
