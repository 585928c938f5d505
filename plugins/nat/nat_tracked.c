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
struct seen {
  uint64_t fingerprint;
  struct nat_place place;
  uint32_t age_ms; /* at the dump: of its last packet; of its close */
  uint8_t kind;    /* enum nat_track_kind */
  bool holds;      /* a port, or one may think so */
};

/* One that has vanished from the table. */
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
  struct nat_rows seen, seen_before; /* struct seen; the latter in order */
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
  nat_rows_init(&made->seen, sizeof(struct seen), NAT_TRACKED_MAX);
  nat_rows_init(&made->seen_before, sizeof(struct seen), NAT_TRACKED_MAX);
  nat_rows_init(&made->fresh, sizeof(struct fresh), NAT_TRACKED_MAX);
  nat_rows_init(&made->shares, sizeof(struct share), NAT_TRACKED_MAX);
  *tracked = made;
  return 0;
}

void nat_tracked_free(struct nat_tracked *tracked) {
  if (!tracked)
    return;
  nat_rows_free(&tracked->seen);
  nat_rows_free(&tracked->seen_before);
  nat_rows_free(&tracked->fresh);
  nat_rows_free(&tracked->shares);
  free(tracked);
}

struct nat_tracked_counts nat_tracked_counts(const struct nat_tracked *tracked) {
  return tracked->counts;
}

/* --- Orders --------------------------------------------------------------------------- */

static int compare_seen(const void *one, const void *other) {
  uint64_t left = ((const struct seen *)one)->fingerprint;
  uint64_t right = ((const struct seen *)other)->fingerprint;

  return (left > right) - (left < right);
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
  exchange(&tracked->seen, &tracked->seen_before);
  tracked->seen.count = tracked->fresh.count = tracked->shares.count = 0;
  for (size_t i = 0; i < tracked->seen_before.count && merged; i++) {
    struct seen *seen = nat_rows_at(&tracked->seen_before, i);

    seen->place.remote = seen->place.local = NAT_OTHER;
  }
}

/* --- Entries -------------------------------------------------------------------------------- */

static uint64_t fingerprint_of(const struct nat_tracked *tracked,
                               const struct conntrack_flow *entry) {
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

static void add_share(struct nat_tracked *tracked, const struct conntrack_flow *entry,
                      const struct nat_place *place) {
  struct share share;

  memset(&share, 0, sizeof(share)); /* compared as bytes, gaps too */
  share.source = entry->source.address;
  share.place = *place;
  share.place.local = 0;
  remember(tracked, &tracked->shares, &share);
}

static void take_alive(struct nat_tracked *tracked, struct nat_engine *engine,
                       struct seen *seen, const struct nat_ends *ends,
                       const struct nat_track *track) {
  const struct nat_gateway_config *gateway =
      &tracked->config->gateways[seen->place.gateway];
  nanoseconds timeout =
      idle_timeout(gateway, &seen->place, track->kind == NAT_TRACK_HALF_OPEN);

  seen->holds = timeout == 0 || track->age < timeout + NAT_TRACK_PRECISION;
  if (seen->holds) {
    struct nat_live live = live_of(track, timeout);

    nat_engine_take_flow(engine, &seen->place, ends, &live);
  }
}

static enum nat_close close_kind(uint8_t kind) {
  return kind == NAT_TRACK_RESET ? NAT_CLOSE_RESET : NAT_CLOSE_ORDERLY;
}

static bool is_closed(uint8_t kind) {
  return kind == NAT_TRACK_CLOSED || kind == NAT_TRACK_RESET;
}

/* The gateway of a flow that goes out, NULL for others: those toward this machine, and
 * those that came to it and were passed on. */
static const struct nat_gateway_config *
gateway_of(const struct nat_config *config, const struct nat_engine *engine,
           const struct conntrack_flow *entry) {
  if (nat_engine_is_own(engine, &entry->destination.address) ||
      nat_engine_is_own(engine, &entry->reply_source.address))
    return NULL;
  return nat_engine_choose(
      config, &entry->reply_destination.address, &entry->reply_source.address,
      nat_engine_is_own(engine, &entry->reply_destination.address));
}

static void count(struct nat_tracked *tracked, const struct nat_track *track,
                  enum nat_protocol protocol, bool own) {
  if (track->kind == NAT_TRACK_OPEN && protocol == NAT_TCP)
    ++*(own ? &tracked->counts.own : &tracked->counts.forwarded);
}

bool nat_tracked_knows(const struct nat_config *config, const struct nat_engine *engine,
                       const struct conntrack_flow *entry, bool *own) {
  *own = nat_engine_is_own(engine, &entry->source.address);
  return entry->protocol == IPPROTO_TCP && entry->seen_reply &&
         entry->tcp_state >= CONNTRACK_TCP_SYN_RECV &&
         entry->tcp_state <= CONNTRACK_TCP_LAST_ACK &&
         gateway_of(config, engine, entry) != NULL;
}

void nat_tracked_take(struct nat_tracked *tracked, struct nat_engine *engine,
                      const struct conntrack_flow *entry,
                      const struct nat_track_timeouts *timeouts, nanoseconds now) {
  struct nat_track track = nat_track_read(entry, timeouts);
  const struct nat_ends ends = {entry->reply_destination, entry->reply_source};
  const struct nat_gateway_config *gateway;
  bool own = nat_engine_is_own(engine, &entry->source.address);
  struct seen seen;

  if (track.kind == NAT_TRACK_OTHER)
    return;
  gateway = gateway_of(tracked->config, engine, entry);
  if (!gateway)
    return;
  seen = (struct seen){
      .fingerprint = fingerprint_of(tracked, entry),
      .place = {.gateway = (uint8_t)(gateway - tracked->config->gateways),
                .protocol = entry->protocol == IPPROTO_TCP ? NAT_TCP : NAT_UDP},
      .kind = (uint8_t)track.kind};
  track.age -= now - tracked->begun;
  if (track.age < 0)
    track.age = 0;
  seen.age_ms = (uint32_t)(track.age / NANOSECONDS_PER_MILLISECOND);
  count(tracked, &track, (enum nat_protocol)seen.place.protocol, own);
  if (is_closed(seen.kind))
    nat_engine_take_closed(engine, &seen.place, &ends, close_kind(seen.kind), track.age,
                           &seen.holds);
  else
    take_alive(tracked, engine, &seen, &ends, &track);
  remember(tracked, &tracked->seen, &seen);
  if (!own && seen.holds)
    add_share(tracked, entry, &seen.place);
}

/* --- Finish ------------------------------------------------------------------------------------ */

/* What became of a flow that was there at the dump before, and is not in this one. A
 * closed one has outlived this machine's own timeout, and may not have the gateway's.
 * One that was open has closed since: in order, unless that would have been seen, for
 * resets are kept for ten seconds by default. */
static struct fresh fate_of(const struct nat_tracked *tracked, const struct seen *seen,
                            const struct nat_track_timeouts *timeouts) {
  nanoseconds elapsed = tracked->begun - tracked->before;
  nanoseconds last_packet = tracked->before - seen->age_ms * NANOSECONDS_PER_MILLISECOND;
  struct fresh fresh = {.time = tracked->begun - elapsed / 2,
                        .place = seen->place,
                        .kind = NAT_CLOSE_ORDERLY};

  if (is_closed(seen->kind) || seen->place.protocol == NAT_UDP) {
    fresh.time = last_packet;
    fresh.kind = close_kind(seen->kind);
  } else if (seen->kind == NAT_TRACK_HALF_OPEN &&
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
  size_t now = 0;

  for (size_t i = 0; i < tracked->seen_before.count; i++) {
    const struct seen *seen = nat_rows_at(&tracked->seen_before, i);
    struct fresh fresh;

    while (now < tracked->seen.count &&
           compare_seen(nat_rows_at(&tracked->seen, now), seen) < 0)
      now++;
    if (!seen->holds || (now < tracked->seen.count &&
                         compare_seen(nat_rows_at(&tracked->seen, now), seen) == 0))
      continue;
    fresh = fate_of(tracked, seen, timeouts);
    remember(tracked, &tracked->fresh, &fresh);
  }
}

/* In the order of time, as the models want them; what one dump finds may be older than
 * what the one before has told, and is then held a little longer than it should be. */
static void tell_closes(struct nat_tracked *tracked, struct nat_engine *engine) {
  nat_rows_sort(&tracked->fresh, compare_fresh);
  for (size_t i = 0; i < tracked->fresh.count; i++) {
    const struct fresh *fresh = nat_rows_at(&tracked->fresh, i);

    nat_engine_close_flow(engine, fresh->time, &fresh->place, fresh->kind);
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
  nat_rows_sort(&tracked->seen, compare_seen);
  if (tracked->before)
    find_vanished(tracked, timeouts);
  tell_closes(tracked, engine);
  tell_sources(tracked, engine);
}
