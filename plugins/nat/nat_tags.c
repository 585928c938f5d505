/* SPDX-License-Identifier: MIT */
#include "nat_tags.h"

#include <stdlib.h>

#define FIRST_SIZE 1024u

/* A slot: the ring's number plus 1 in two bits, 22 bits of the position, which is all
 * that a ring holds, and 8 bits of the hash: to look at an entry is to miss the cache. 0:
 * free. */
#define RING_BITS 2u
#define POSITION_BITS 22u
#define POSITION_MASK ((1u << POSITION_BITS) - 1)
#define HASH_SHIFT (RING_BITS + POSITION_BITS)

_Static_assert(NAT_RING_ENTRIES_MAX <= POSITION_MASK, "positions must be told apart");

/* A multiplicative hash; the constant is the golden ratio's fraction. */
static uint32_t hash_of(const struct nat_ring_entry *entry) {
  uint64_t key = (uint64_t)entry->index << 16 | entry->tag;

  return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* The low bits: where it is in the table goes by the high ones. */
static uint32_t slot_of_place(const struct nat_tag_place *place, uint32_t hash) {
  return hash << HASH_SHIFT | ((uint32_t)place->position & POSITION_MASK) << RING_BITS |
         (place->ring + 1);
}

/* Entries that are noted lie within one turn of those bits before their ring's head. */
static struct nat_tag_place place_of_slot(const struct nat_ring *const rings[],
                                          uint32_t slot) {
  unsigned ring = (slot & ((1u << RING_BITS) - 1)) - 1;
  uint64_t head = rings[ring]->head;
  uint32_t back = ((uint32_t)head - (slot >> RING_BITS)) & POSITION_MASK; /* not 0 */

  return (struct nat_tag_place){ring, head - back};
}

static const struct nat_ring_entry *entry_at(const struct nat_ring *const rings[],
                                             const struct nat_tag_place *place) {
  return nat_ring_at(rings[place->ring], place->position);
}

/* Scaled to the size, which is no power of 2. */
static uint32_t home_of(const struct nat_tags *tags, uint32_t hash) {
  return (uint32_t)((uint64_t)hash * tags->size >> 32);
}

static uint32_t after(const struct nat_tags *tags, uint32_t slot) {
  return slot + 1 < tags->size ? slot + 1 : 0;
}

/* How far it is from one slot on to another. */
static uint32_t distance(const struct nat_tags *tags, uint32_t from, uint32_t to) {
  return to >= from ? to - from : to + tags->size - from;
}

static bool is_same(const struct nat_ring *const rings[], uint32_t slot,
                    const struct nat_ring_entry *wanted) {
  const struct nat_tag_place place = place_of_slot(rings, slot);
  const struct nat_ring_entry *entry = entry_at(rings, &place);

  return entry->index == wanted->index && entry->tag == wanted->tag;
}

/* The slot of the entry's index and tag, or the free one where it would be. */
static uint32_t find(const struct nat_tags *tags, const struct nat_ring *const rings[],
                     const struct nat_ring_entry *wanted) {
  uint32_t hash = hash_of(wanted), slot = home_of(tags, hash);

  for (; tags->slots[slot] != 0; slot = after(tags, slot))
    if (tags->slots[slot] >> HASH_SHIFT == (hash & UINT8_MAX) &&
        is_same(rings, tags->slots[slot], wanted))
      break;
  return slot;
}

void nat_tags_free(struct nat_tags *tags) {
  free(tags->slots);
  *tags = (struct nat_tags){0};
}

bool nat_tags_find(const struct nat_tags *tags, const struct nat_ring *const rings[],
                   const struct nat_ring_entry *entry, struct nat_tag_place *place) {
  uint32_t slot;

  if (tags->size == 0 || entry->tag == 0)
    return false;
  slot = find(tags, rings, entry);
  if (tags->slots[slot] == 0)
    return false;
  *place = place_of_slot(rings, tags->slots[slot]);
  return true;
}

static bool grow(struct nat_tags *tags, const struct nat_ring *const rings[]) {
  struct nat_tags grown = {.size = tags->size ? tags->size + tags->size / 3 : FIRST_SIZE,
                           .count = tags->count};

  if (grown.size > NAT_TAGS_MAX)
    return false;
  grown.slots = calloc(grown.size, sizeof(*grown.slots));
  if (!grown.slots)
    return false;
  for (uint32_t i = 0; i < tags->size; i++)
    if (tags->slots[i] != 0) {
      const struct nat_tag_place place = place_of_slot(rings, tags->slots[i]);

      grown.slots[find(&grown, rings, entry_at(rings, &place))] = tags->slots[i];
    }
  free(tags->slots);
  *tags = grown;
  return true;
}

enum nat_tags_noted nat_tags_note(struct nat_tags *tags,
                                  const struct nat_ring *const rings[],
                                  const struct nat_tag_place *place,
                                  struct nat_tag_place *before) {
  const struct nat_ring_entry *entry = entry_at(rings, place);
  uint32_t slot, old;

  if (10 * (uint64_t)tags->count >= 7 * (uint64_t)tags->size && !grow(tags, rings))
    return NAT_TAGS_NO_ROOM;
  slot = find(tags, rings, entry);
  old = tags->slots[slot];
  tags->slots[slot] = slot_of_place(place, hash_of(entry));
  tags->count += old == 0;
  if (old == 0)
    return NAT_TAGS_NEW;
  *before = place_of_slot(rings, old);
  return NAT_TAGS_REPLACED;
}

/* Those behind the gap whose way led across it move up. */
static void close_gap(struct nat_tags *tags, const struct nat_ring *const rings[],
                      uint32_t gap) {
  for (uint32_t slot = after(tags, gap); tags->slots[slot] != 0; slot = after(tags, slot)) {
    const struct nat_tag_place place = place_of_slot(rings, tags->slots[slot]);
    uint32_t home = home_of(tags, hash_of(entry_at(rings, &place)));

    if (distance(tags, home, slot) >= distance(tags, gap, slot)) {
      tags->slots[gap] = tags->slots[slot];
      gap = slot;
    }
  }
  tags->slots[gap] = 0;
}

void nat_tags_forget(struct nat_tags *tags, const struct nat_ring *const rings[],
                     const struct nat_tag_place *place) {
  const struct nat_ring_entry *entry = entry_at(rings, place);
  uint32_t slot;

  if (tags->size == 0 || entry->tag == 0)
    return;
  slot = find(tags, rings, entry);
  if (tags->slots[slot] != slot_of_place(place, hash_of(entry)))
    return;
  close_gap(tags, rings, slot);
  tags->count--;
}
