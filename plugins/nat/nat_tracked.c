/* SPDX-License-Identifier: MIT */
#include "nat_tracked.h"

#include "nat_rows.h"

#include "endpoint_hash.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

/* A SYN that was not answered for so long may well never be. */
#define UNANSWERED_AFTER NANOSECONDS_PER_SECOND

/* A flow by its fingerprint: two flows share one with a chance of 2^-64. */
struct alive {
  uint64_t fingerprint;
  struct nat_place place;
  bool holds;      /* a port, or one may think so */
  bool half_open;
  uint32_t age_ms; /* of its last packet, at the dump */
};

/* One that closed since the dump before. */
struct fresh {
  nanoseconds time;
  struct nat_place place;
  enum nat_close kind;
};

/* A flow that is forwarded, and holds a port. */
struct share {
  struct net_address source;
  struct nat_place place; /* `local` is 0 */
};

struct nat_tracked {
  const struct nat_config *config;
  uint64_t seed;
  nanoseconds begun, before; /* this dump, and the one before; 0: none */
  struct nat_tracked_counts counts;
  struct nat_rows alive, alive_before;   /* struct alive; the latter in order */
  struct nat_rows closed, closed_before; /* uint64_t, fingerprints; the same */
  struct nat_rows fresh;
  struct nat_rows shares;
};

int nat_tracked_new(const struct nat_config *config, uint64_t seed,
                    struct nat_tracked **tracked) {
  struct nat_tracked *made = calloc(1, sizeof(*made));

  if (!made)
    return -ENOMEM;
  made->config = config;
  made->seed = seed;
  nat_rows_init(&made->alive, sizeof(struct alive), NAT_TRACKED_MAX);
  nat_rows_init(&made->alive_before, sizeof(struct alive), NAT_TRACKED_MAX);
  nat_rows_init(&made->closed, sizeof(uint64_t), NAT_TRACKED_MAX);
  nat_rows_init(&made->closed_before, sizeof(uint64_t), NAT_TRACKED_MAX);
  nat_rows_init(&made->fresh, sizeof(struct fresh), NAT_TRACKED_MAX);
  nat_rows_init(&made->shares, sizeof(struct share), NAT_TRACKED_MAX);
  *tracked = made;
  return 0;
}

void nat_tracked_free(struct nat_tracked *tracked) {
  if (!tracked)
    return;
  nat_rows_free(&tracked->alive);
  nat_rows_free(&tracked->alive_before);
  nat_rows_free(&tracked->closed);
  nat_rows_free(&tracked->closed_before);
  nat_rows_free(&tracked->fresh);
  nat_rows_free(&tracked->shares);
  free(tracked);
}

struct nat_tracked_counts nat_tracked_counts(const struct nat_tracked *tracked) {
  return tracked->counts;
}

/* --- Orders --------------------------------------------------------------------------- */

static int compare_fingerprints(const void *one, const void *other) {
  uint64_t left = *(const uint64_t *)one, right = *(const uint64_t *)other;

  return (left > right) - (left < right);
}

static int compare_alive(const void *one, const void *other) {
  return compare_fingerprints(&((const struct alive *)one)->fingerprint,
                              &((const struct alive *)other)->fingerprint);
}

static int compare_fresh(const void *one, const void *other) {
  nanoseconds left = ((const struct fresh *)one)->time;
  nanoseconds right = ((const struct fresh *)other)->time;

  return (left > right) - (left < right);
}

static int compare_shares(const void *one, const void *other) {
  return memcmp(one, other, sizeof(struct share));
}

/* --- Begin ------------------------------------------------------------------------------- */

static void exchange(struct nat_rows *one, struct nat_rows *other) {
  struct nat_rows saved = *one;

  *one = *other;
  *other = saved;
}

void nat_tracked_begin(struct nat_tracked *tracked, nanoseconds begun, bool merged) {
  tracked->before = tracked->begun;
  tracked->begun = begun;
  tracked->counts = (struct nat_tracked_counts){.own = 0};
  exchange(&tracked->alive, &tracked->alive_before);
  exchange(&tracked->closed, &tracked->closed_before);
  tracked->alive.count = tracked->closed.count = 0;
  tracked->fresh.count = tracked->shares.count = 0;
  for (size_t i = 0; i < tracked->alive_before.count && merged; i++) {
    struct alive *alive = nat_rows_at(&tracked->alive_before, i);

    alive->place.remote = alive->place.local = NAT_OTHER;
  }
}

/* --- Entries -------------------------------------------------------------------------------- */

static uint64_t fingerprint_of(const struct nat_tracked *tracked,
                               const struct conntrack_entry *entry) {
  uint64_t hash = endpoint_hash(&entry->source, entry->protocol, tracked->seed);

  hash = endpoint_hash(&entry->destination, 1, hash);
  hash = endpoint_hash(&entry->reply_source, 2, hash);
  return endpoint_hash(&entry->reply_destination, 3, hash);
}

static void remember(struct nat_tracked *tracked, struct nat_rows *rows, const void *row) {
  tracked->counts.forgotten += nat_rows_add(rows, row) < 0;
}

/* For how long after its last packet an open flow holds its port; 0: for ever. */
static nanoseconds idle_timeout(const struct nat_gateway_config *gateway,
                                const struct nat_place *place, bool half_open) {
  if (place->protocol == NAT_UDP)
    return gateway->udp_timeout;
  return half_open ? gateway->transitory_timeout : gateway->established_timeout;
}

static struct nat_live live_of(const struct nat_track *track, nanoseconds timeout) {
  bool half_open = track->kind == NAT_TRACK_HALF_OPEN;

  return (struct nat_live){
      .open = !half_open,
      .half_open = half_open,
      .unanswered = half_open && track->age >= UNANSWERED_AFTER,
      .idle = !half_open && timeout > 0 && track->age >= timeout,
      .drowsy = !half_open && timeout > 0 && track->age + NAT_TRACK_PRECISION >= timeout,
  };
}

static void add_share(struct nat_tracked *tracked, const struct conntrack_entry *entry,
                      const struct nat_place *place) {
  struct share share;

  memset(&share, 0, sizeof(share)); /* compared as bytes, gaps too */
  share.source = entry->source.address;
  share.place = *place;
  share.place.local = 0;
  remember(tracked, &tracked->shares, &share);
}

static void take_alive(struct nat_tracked *tracked, struct nat_engine *engine,
                       struct alive *alive, const struct nat_ends *ends,
                       const struct nat_track *track) {
  const struct nat_gateway_config *gateway =
      &tracked->config->gateways[alive->place.gateway];
  nanoseconds timeout = idle_timeout(gateway, &alive->place, alive->half_open);

  alive->holds = timeout == 0 || track->age < timeout + NAT_TRACK_PRECISION;
  if (alive->holds) {
    struct nat_live live = live_of(track, timeout);

    nat_engine_take_flow(engine, &alive->place, ends, &live);
  }
  remember(tracked, &tracked->alive, alive);
}

/* One that was closed already at the dump before was told then. */
static void take_closed(struct nat_tracked *tracked, struct nat_engine *engine,
                        struct alive *alive, const struct nat_ends *ends,
                        const struct nat_track *track, nanoseconds closed) {
  const struct nat_rows *before = &tracked->closed_before;
  struct fresh fresh = {.time = closed < tracked->begun ? closed : tracked->begun,
                        .kind = track->kind == NAT_TRACK_RESET ? NAT_CLOSE_RESET
                                                               : NAT_CLOSE_ORDERLY};

  remember(tracked, &tracked->closed, &alive->fingerprint);
  if (before->count == 0 || !bsearch(&alive->fingerprint, before->row, before->count,
                                     sizeof(uint64_t), compare_fingerprints)) {
    nat_engine_find_place(engine, &alive->place, ends);
    fresh.place = alive->place;
    remember(tracked, &tracked->fresh, &fresh);
  }
}

/* The gateway of a flow that goes out, NULL for others: those toward this machine, and
 * those that came to it and were passed on. */
static const struct nat_gateway_config *
gateway_of(const struct nat_config *config, const struct nat_engine *engine,
           const struct conntrack_entry *entry) {
  if (nat_engine_is_own(engine, &entry->destination.address) ||
      nat_engine_is_own(engine, &entry->reply_source.address))
    return NULL;
  return nat_engine_choose(config, &entry->reply_destination.address,
                           &entry->reply_source.address);
}

static void count(struct nat_tracked *tracked, const struct nat_track *track,
                  enum nat_protocol protocol, bool own) {
  if (track->kind == NAT_TRACK_OPEN && protocol == NAT_TCP)
    ++*(own ? &tracked->counts.own : &tracked->counts.forwarded);
}

static bool still_holds(const struct nat_gateway_config *gateway,
                        const struct alive *alive, const struct nat_track *track) {
  nanoseconds time_wait = gateway->time_wait ? gateway->time_wait : NAT_TIME_WAIT_SHORT;

  if (track->kind == NAT_TRACK_CLOSED)
    return track->age < time_wait;
  return track->kind == NAT_TRACK_RESET ? track->age < gateway->reset_timeout
                                        : alive->holds;
}

bool nat_tracked_knows(const struct nat_config *config, const struct nat_engine *engine,
                       const struct conntrack_entry *entry, bool *own) {
  *own = nat_engine_is_own(engine, &entry->source.address);
  return entry->protocol == IPPROTO_TCP && entry->seen_reply &&
         entry->tcp_state >= CONNTRACK_TCP_SYN_RECEIVED &&
         entry->tcp_state <= CONNTRACK_TCP_LAST_ACK &&
         gateway_of(config, engine, entry) != NULL;
}

void nat_tracked_take(struct nat_tracked *tracked, struct nat_engine *engine,
                      const struct conntrack_entry *entry,
                      const struct nat_track_timeouts *timeouts, nanoseconds now) {
  const struct nat_track track = nat_track_read(entry, timeouts);
  const struct nat_ends ends = {entry->reply_destination, entry->reply_source};
  const struct nat_gateway_config *gateway;
  bool own = nat_engine_is_own(engine, &entry->source.address);
  struct alive alive;

  if (track.kind == NAT_TRACK_OTHER)
    return;
  gateway = gateway_of(tracked->config, engine, entry);
  if (!gateway)
    return;
  alive = (struct alive){
      .fingerprint = fingerprint_of(tracked, entry),
      .place = {.gateway = (uint8_t)(gateway - tracked->config->gateways),
                .protocol = entry->protocol == IPPROTO_TCP ? NAT_TCP : NAT_UDP},
      .half_open = track.kind == NAT_TRACK_HALF_OPEN,
      .age_ms = (uint32_t)(track.age / NANOSECONDS_PER_MILLISECOND)};
  count(tracked, &track, (enum nat_protocol)alive.place.protocol, own);
  if (track.kind == NAT_TRACK_CLOSED || track.kind == NAT_TRACK_RESET)
    take_closed(tracked, engine, &alive, &ends, &track, now - track.age);
  else
    take_alive(tracked, engine, &alive, &ends, &track);
  if (!own && still_holds(gateway, &alive, &track)) {
    nat_engine_find_place(engine, &alive.place, &ends);
    add_share(tracked, entry, &alive.place);
  }
}

/* --- Finish ------------------------------------------------------------------------------------ */

/* What became of a flow that was there at the dump before, and is in this one neither
 * alive nor closed. This machine's conntrack keeps those that closed in order for its
 * own TIME_WAIT, and those reset for ten seconds by default: whichever is too short to
 * be met by a dump has been missed. */
static struct fresh fate_of(const struct nat_tracked *tracked, const struct alive *alive,
                            const struct nat_track_timeouts *timeouts) {
  nanoseconds elapsed = tracked->begun - tracked->before;
  nanoseconds last_packet =
      tracked->before - alive->age_ms * NANOSECONDS_PER_MILLISECOND;
  struct fresh fresh = {.time = tracked->begun - elapsed / 2,
                        .place = alive->place,
                        .kind = NAT_CLOSE_ORDERLY};

  if (alive->place.protocol == NAT_UDP) {
    fresh.time = last_packet;
  } else if (alive->half_open &&
             last_packet + timeouts->tcp[CONNTRACK_TCP_SYN_SENT] <= tracked->begun) {
    fresh.time = last_packet;
    fresh.kind = NAT_CLOSE_UNANSWERED;
  } else if (timeouts->tcp[CONNTRACK_TCP_TIME_WAIT] >= elapsed &&
             timeouts->tcp[CONNTRACK_TCP_CLOSE] < elapsed) {
    fresh.kind = NAT_CLOSE_RESET;
  }
  return fresh;
}

/* Both rows are in order: what the later one lacks has vanished. */
static void find_vanished(struct nat_tracked *tracked,
                          const struct nat_track_timeouts *timeouts) {
  size_t now = 0, closed = 0;

  for (size_t i = 0; i < tracked->alive_before.count; i++) {
    const struct alive *alive = nat_rows_at(&tracked->alive_before, i);
    uint64_t wanted = alive->fingerprint;
    struct fresh fresh;

    while (now < tracked->alive.count &&
           ((const struct alive *)nat_rows_at(&tracked->alive, now))->fingerprint < wanted)
      now++;
    while (closed < tracked->closed.count &&
           *(const uint64_t *)nat_rows_at(&tracked->closed, closed) < wanted)
      closed++;
    if (!alive->holds ||
        (now < tracked->alive.count &&
         ((const struct alive *)nat_rows_at(&tracked->alive, now))->fingerprint ==
             wanted) ||
        (closed < tracked->closed.count &&
         *(const uint64_t *)nat_rows_at(&tracked->closed, closed) == wanted))
      continue;
    fresh = fate_of(tracked, alive, timeouts);
    remember(tracked, &tracked->fresh, &fresh);
  }
}

static void tell_closes(struct nat_tracked *tracked, struct nat_engine *engine) {
  nanoseconds earliest = tracked->before ? tracked->before - 2 * NAT_TRACK_PRECISION
                                         : INT64_MIN;

  nat_rows_sort(&tracked->fresh, compare_fresh);
  for (size_t i = 0; i < tracked->fresh.count; i++) {
    const struct fresh *fresh = nat_rows_at(&tracked->fresh, i);

    nat_engine_close_flow(engine, fresh->time > earliest ? fresh->time : earliest,
                          &fresh->place, fresh->kind);
  }
}

/* A source's ports are the most that it holds toward one destination. */
static void tell_sources(struct nat_tracked *tracked, struct nat_engine *engine) {
  size_t begin = 0;
  uint32_t most = 0;

  nat_rows_sort(&tracked->shares, compare_shares);
  for (size_t i = 1; i <= tracked->shares.count; i++) {
    const struct share *last = nat_rows_at(&tracked->shares, i - 1);
    const struct share *next =
        i < tracked->shares.count ? nat_rows_at(&tracked->shares, i) : NULL;

    if (next && compare_shares(last, next) == 0)
      continue;
    most = i - begin > most ? (uint32_t)(i - begin) : most;
    begin = i;
    if (next && net_address_equal(&next->source, &last->source) &&
        next->place.gateway == last->place.gateway &&
        next->place.protocol == last->place.protocol)
      continue;
    nat_engine_take_source(engine, last->place.gateway,
                           (enum nat_protocol)last->place.protocol, &last->source, most);
    most = 0;
  }
}

void nat_tracked_finish(struct nat_tracked *tracked, struct nat_engine *engine,
                        const struct nat_track_timeouts *timeouts) {
  nat_rows_sort(&tracked->alive, compare_alive);
  nat_rows_sort(&tracked->closed, compare_fingerprints);
  if (tracked->before)
    find_vanished(tracked, timeouts);
  tell_closes(tracked, engine);
  tell_sources(tracked, engine);
}
