/* SPDX-License-Identifier: MIT */
#include "nat_held.h"

/* The rings, as nat_tags.h wants them. */
_Static_assert(NAT_HELD_KINDS == NAT_TAGS_RINGS, "a ring each");
#define RINGS(held)                                                                      \
  (struct nat_ring *const[NAT_HELD_KINDS]) {                                       \
    &(held)->kinds[0].ring, &(held)->kinds[1].ring, &(held)->kinds[2].ring               \
  }

static struct nat_closed *closed_of(struct nat_table *table,
                                    const struct nat_ring_entry *entry) {
  return nat_table_closed(table, (uint32_t)entry->index);
}

/* The counts lie all over the memory; those of the entries to come are asked for early. */
#define AHEAD 16u

static void fetch_ahead(const struct nat_ring *ring, uint64_t position, uint64_t end,
                        const struct nat_table *table) {
  if (position + AHEAD < end)
    nat_table_prefetch_closed(table, (uint32_t)nat_ring_at(ring, position + AHEAD)->index);
}

static bool counts_for(const struct nat_ring_entry *entry, unsigned bound) {
  return bound == NAT_HIGH || !(entry->high_only || entry->superseded);
}

static uint32_t milliseconds(nanoseconds span) {
  return (uint32_t)(span / NANOSECONDS_PER_MILLISECOND);
}

/* From the ring's first entry on all count again, for every bound. */
void nat_held_retime(struct nat_held *held, unsigned kind, struct nat_table *table,
                     nanoseconds low, nanoseconds best, nanoseconds high) {
  struct nat_held_kind *own = &held->kinds[kind];

  own->timeout_ms[NAT_LOW] = milliseconds(low);
  own->timeout_ms[NAT_BEST] = milliseconds(best);
  own->timeout_ms[NAT_HIGH] = milliseconds(high);
  for (unsigned bound = 0; bound < NAT_BOUNDS; bound++)
    for (; own->expired[bound] > own->ring.tail; own->expired[bound]--) {
      const struct nat_ring_entry *entry =
          nat_ring_at(&own->ring, own->expired[bound] - 1);

      closed_of(table, entry)->held[bound] += counts_for(entry, bound);
    }
}

void nat_held_free(struct nat_held *held) {
  for (unsigned kind = 0; kind < NAT_HELD_KINDS; kind++)
    nat_ring_free(&held->kinds[kind].ring);
  nat_tags_free(&held->tags);
}

uint32_t nat_held_time(nanoseconds time) {
  return (uint32_t)(time / NANOSECONDS_PER_MILLISECOND) & NAT_RING_TIME_MASK;
}

static void supersede(struct nat_held *held, struct nat_table *table,
                      const struct nat_tag_place *place) {
  const struct nat_held_kind *kind = &held->kinds[place->ring];
  struct nat_ring_entry *entry = nat_ring_at(&kind->ring, place->position);

  for (unsigned bound = NAT_LOW; bound < NAT_HIGH; bound++)
    if (counts_for(entry, bound) && place->position < kind->counted &&
        place->position >= kind->expired[bound])
      closed_of(table, entry)->held[bound]--;
  entry->superseded = true;
}

void nat_held_supersede(struct nat_held *held, struct nat_table *table, uint32_t index,
                        uint16_t tag) {
  const struct nat_ring_entry wanted = nat_ring_entry(index, tag, 0);
  struct nat_tag_place place;

  if (!nat_tags_find(&held->tags, RINGS(held), &wanted, &place))
    return;
  nat_tags_forget(&held->tags, RINGS(held), &place);
  supersede(held, table, &place);
}

/* One that finds no place to be noted is as one without a tag. */
static void note_tag(struct nat_held *held, struct nat_table *table,
                     const struct nat_tag_place *place) {
  struct nat_tag_place before;

  switch (nat_tags_note(&held->tags, RINGS(held), place, &before)) {
  case NAT_TAGS_REPLACED:
    supersede(held, table, &before);
    break;
  case NAT_TAGS_NO_ROOM:
    nat_ring_at(&held->kinds[place->ring].ring, place->position)->tag = 0;
    break;
  case NAT_TAGS_NEW:
    break;
  }
}

void nat_held_prefetch(const struct nat_held *held, uint32_t index, uint16_t tag) {
  const struct nat_ring_entry entry = nat_ring_entry(index, tag, 0);

  nat_tags_prefetch(&held->tags, &entry);
}

int nat_held_push(struct nat_held *held, unsigned kind, struct nat_table *table,
                  uint32_t index, uint16_t tag, uint32_t time) {
  struct nat_ring *ring = &held->kinds[kind].ring;
  const struct nat_tag_place place = {kind, ring->head};
  int status = nat_ring_push(ring, nat_ring_entry(index, tag, time));

  if (status < 0)
    return status;
  if (tag != 0)
    note_tag(held, table, &place);
  nat_table_closed(table, index)->pending++;
  return 0;
}

void nat_held_count(struct nat_held *held, unsigned kind, struct nat_table *table,
                    uint32_t now,
                    bool (*high_only)(const struct nat_destination *destination)) {
  struct nat_held_kind *own = &held->kinds[kind];

  for (; own->counted < own->ring.head; own->counted++) {
    struct nat_ring_entry *entry = nat_ring_at(&own->ring, own->counted);
    struct nat_closed *closed = closed_of(table, entry);

    fetch_ahead(&own->ring, own->counted, own->ring.head, table);
    if (nat_ring_is_after(entry, now))
      break;
    if (high_only && high_only(nat_table_at(table, (uint32_t)entry->index)))
      entry->high_only = true;
    for (unsigned bound = 0; bound < NAT_BOUNDS; bound++)
      closed->held[bound] += counts_for(entry, bound);
    closed->pending--;
    closed->closes++;
  }
}

void nat_held_count_late(const struct nat_held *held, unsigned kind,
                         struct nat_table *table, uint32_t until) {
  const struct nat_held_kind *own = &held->kinds[kind];

  for (uint64_t position = own->counted; position < own->ring.head; position++) {
    const struct nat_ring_entry *entry = nat_ring_at(&own->ring, position);

    fetch_ahead(&own->ring, position, own->ring.head, table);
    if (nat_ring_is_after(entry, until))
      break;
    closed_of(table, entry)->waiting[NAT_HIGH]++;
  }
}

static void expire_for(struct nat_held_kind *own, unsigned bound, struct nat_table *table,
                       uint32_t now) {
  for (; own->expired[bound] < own->counted; own->expired[bound]++) {
    const struct nat_ring_entry *entry = nat_ring_at(&own->ring, own->expired[bound]);

    fetch_ahead(&own->ring, own->expired[bound], own->counted, table);
    if (nat_ring_elapsed(now, entry) < own->timeout_ms[bound])
      break;
    closed_of(table, entry)->held[bound] -= counts_for(entry, bound);
  }
}

/* The entries from the ring's tail to `end` are about to be released. */
static void forget_tags(struct nat_held *held, unsigned kind, uint64_t end) {
  const struct nat_ring *ring = &held->kinds[kind].ring;

  for (uint64_t position = ring->tail; position < end; position++) {
    const struct nat_tag_place place = {kind, position};

    if (position + AHEAD < end)
      nat_tags_prefetch(&held->tags, nat_ring_at(ring, position + AHEAD));
    nat_tags_forget(&held->tags, RINGS(held), &place);
  }
}

void nat_held_expire(struct nat_held *held, unsigned kind, struct nat_table *table,
                     uint32_t now, uint32_t ended) {
  struct nat_held_kind *own = &held->kinds[kind];

  for (unsigned bound = 0; bound < NAT_BOUNDS; bound++)
    expire_for(own, bound, table, bound == NAT_LOW ? ended : now);
  forget_tags(held, kind, own->expired[NAT_HIGH]);
  nat_ring_release(&own->ring, own->expired[NAT_HIGH]);
}

static void merge_entry(struct nat_held *held, struct nat_table *table,
                        const struct nat_tag_place *place) {
  struct nat_ring_entry *entry =
      nat_ring_at(&held->kinds[place->ring].ring, place->position);

  if (!nat_table_at(table, (uint32_t)entry->index)->merged)
    return;
  nat_tags_forget(&held->tags, RINGS(held), place);
  entry->index = NAT_OTHER;
  entry->tag = 0;
}

void nat_held_merge(struct nat_held *held, struct nat_table *table) {
  for (unsigned kind = 0; kind < NAT_HELD_KINDS; kind++) {
    const struct nat_ring *ring = &held->kinds[kind].ring;

    for (uint64_t position = ring->tail; position < ring->head; position++)
      merge_entry(held, table, &(struct nat_tag_place){kind, position});
  }
}
