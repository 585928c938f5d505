/* SPDX-License-Identifier: MIT
 *
 * Each index and tag has a bucket where it belongs. What finds it full goes on to the
 * next, and each bucket counts those that have gone past it: so nothing ever moves, and
 * to find, note or forget one most often costs one line of memory.
 */
#include "nat_tags.h"

#include "endpoint_hash.h"
#include "nat_huge.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_A_PAGE (NAT_TAGS_SLOTS * NAT_TAGS_BUCKETS)

/* A slot: the ring's number plus 1 in two bits, 22 bits of the position, which is all
 * that a ring holds, and 8 bits of the hash: to look at an entry is to miss the cache. 0:
 * free. */
#define RING_BITS 2u
#define POSITION_BITS 22u
#define POSITION_MASK ((1u << POSITION_BITS) - 1)
#define HASH_SHIFT (RING_BITS + POSITION_BITS)

_Static_assert(NAT_RING_ENTRIES_MAX <= POSITION_MASK, "positions must be told apart");

/* Odd constants, as in endpoint_hash(). The indexes are our own and the tags turned by a
 * secret: nobody chooses the keys. */
static uint64_t hash_of(const struct nat_ring_entry *entry) {
  uint64_t key = (uint64_t)entry->index << 16 | entry->tag;

  return endpoint_hash_mix(key ^ UINT64_C(0xbb67ae8584caa73b),
                           UINT64_C(0x9e3779b97f4a7c15));
}

/* The number of pages is no power of 2: the hash is scaled to it. */
static struct nat_tags_page *page_of(const struct nat_tags *tags, uint64_t hash) {
  return &tags->pages[(hash >> 32) * tags->size >> 32];
}

/* All buckets of a page, from the one where the hash belongs. */
static struct nat_tags_bucket *bucket_of(struct nat_tags_page *page, uint64_t hash,
                                         unsigned step) {
  return &page->buckets[((uint32_t)hash + step) % NAT_TAGS_BUCKETS];
}

/* The low bits of the upper half: where its bucket is goes by the high ones. */
static uint32_t mark_of(uint64_t hash) { return (uint32_t)(hash >> 32) << HASH_SHIFT; }

static uint32_t slot_of_place(const struct nat_tag_place *place, uint64_t hash) {
  return mark_of(hash) | ((uint32_t)place->position & POSITION_MASK) << RING_BITS |
         (place->ring + 1);
}

/* Entries that are noted lie within one turn of those bits before their ring's head. */
static struct nat_tag_place place_of_slot(struct nat_ring *const rings[],
                                          uint32_t slot) {
  unsigned ring = (slot & ((1u << RING_BITS) - 1)) - 1;
  uint64_t head = rings[ring]->head;
  uint32_t back =
      ((uint32_t)head - (slot >> RING_BITS & POSITION_MASK)) & POSITION_MASK; /* not 0 */

  return (struct nat_tag_place){ring, head - back};
}

/* Those without a tag never were; one that is superseded is no more. */
static bool is_noted(const struct nat_ring_entry *entry) {
  return entry->tag != 0 && !entry->superseded;
}

static const struct nat_ring_entry *entry_at(struct nat_ring *const rings[],
                                             const struct nat_tag_place *place) {
  return nat_ring_at(rings[place->ring], place->position);
}

static bool is_same(struct nat_ring *const rings[], uint32_t slot,
                    const struct nat_ring_entry *wanted) {
  const struct nat_tag_place place = place_of_slot(rings, slot);
  const struct nat_ring_entry *entry = entry_at(rings, &place);

  return entry->index == wanted->index && entry->tag == wanted->tag;
}

/* The used slots of a bucket are its first. The wanted index and tag's; NULL: none. */
static uint32_t *find_in(struct nat_tags_bucket *bucket, struct nat_ring *const rings[],
                         const struct nat_ring_entry *wanted, uint32_t mark) {
  for (unsigned i = 0; i < NAT_TAGS_SLOTS && bucket->slots[i] != 0; i++)
    if ((bucket->slots[i] ^ mark) >> HASH_SHIFT == 0 &&
        is_same(rings, bucket->slots[i], wanted))
      return &bucket->slots[i];
  return NULL;
}

static uint32_t *find(const struct nat_tags *tags, struct nat_ring *const rings[],
                      const struct nat_ring_entry *wanted, uint64_t hash) {
  struct nat_tags_page *page = page_of(tags, hash);

  for (unsigned step = 0; step < NAT_TAGS_BUCKETS; step++) {
    struct nat_tags_bucket *bucket = bucket_of(page, hash, step);
    uint32_t *slot = find_in(bucket, rings, wanted, mark_of(hash));

    if (slot || bucket->gone_past == 0)
      return slot;
  }
  return NULL;
}

void nat_tags_free(struct nat_tags *tags) {
  free(tags->pages);
  *tags = (struct nat_tags){0};
}

void nat_tags_prefetch(const struct nat_tags *tags, const struct nat_ring_entry *entry) {
  uint64_t hash = hash_of(entry);

  if (tags->size > 0 && is_noted(entry))
    __builtin_prefetch(bucket_of(page_of(tags, hash), hash, 0), 1);
}

bool nat_tags_find(const struct nat_tags *tags, struct nat_ring *const rings[],
                   const struct nat_ring_entry *entry, struct nat_tag_place *place) {
  const uint32_t *slot = NULL;

  if (tags->size > 0 && entry->tag != 0)
    slot = find(tags, rings, entry, hash_of(entry));
  if (slot)
    *place = place_of_slot(rings, *slot);
  return slot != NULL;
}

#define AHEAD 8u /* entries: as many as the memory fetches at a time */

/* Of those from the hash's bucket up to `step`, which is not one of them. */
static void count_past(struct nat_tags_page *page, uint64_t hash, unsigned step,
                       int32_t more) {
  while (step-- > 0)
    bucket_of(page, hash, step)->gone_past += (uint32_t)more;
}

/* Notes an entry whose index and tag are not noted; false: there is no room. */
static bool place_in(struct nat_tags *tags, const struct nat_ring_entry *entry,
                     const struct nat_tag_place *place) {
  uint64_t hash = hash_of(entry);
  struct nat_tags_page *page = page_of(tags, hash);

  for (unsigned step = 0; step < NAT_TAGS_BUCKETS; step++) {
    struct nat_tags_bucket *bucket = bucket_of(page, hash, step);

    for (unsigned i = 0; i < NAT_TAGS_SLOTS; i++)
      if (bucket->slots[i] == 0) {
        bucket->slots[i] = slot_of_place(place, hash);
        count_past(page, hash, step, 1);
        tags->count++;
        return true;
      }
  }
  return false;
}

/* What a ring holds up to `end`, from the ring: it is read in its order, as the slots are
 * not. */
static void place_ring(struct nat_tags *tags, struct nat_ring *ring, unsigned number,
                       uint64_t end) {
  for (uint64_t position = ring->tail; position < end; position++) {
    struct nat_ring_entry *entry = nat_ring_at(ring, position);
    const struct nat_tag_place place = {number, position};

    if (position + AHEAD < end)
      nat_tags_prefetch(tags, nat_ring_at(ring, position + AHEAD));
    if (is_noted(entry) && !place_in(tags, entry, &place))
      entry->tag = 0;
  }
}

/* All free; NULL: no memory. */
static struct nat_tags_page *new_pages(uint32_t count) {
  size_t size = count * sizeof(struct nat_tags_page);
  void *pages = size < NAT_HUGE_FROM
                    ? aligned_alloc(_Alignof(struct nat_tags_page), size)
                    : nat_huge_alloc(size);

  if (pages && size >= NAT_HUGE_FROM)
    nat_huge_advise(pages, size);
  if (pages)
    memset(pages, 0, size);
  return pages;
}

static bool grow(struct nat_tags *tags, struct nat_ring *const rings[],
                 const struct nat_tag_place *coming) {
  struct nat_tags grown = {.size = tags->size + tags->size / 4 + 1};

  if (grown.size > NAT_TAGS_MAX)
    return false;
  grown.pages = new_pages(grown.size);
  if (!grown.pages)
    return false;
  for (unsigned i = 0; i < NAT_TAGS_RINGS; i++)
    place_ring(&grown, rings[i], i, i == coming->ring ? coming->position : rings[i]->head);
  free(tags->pages);
  *tags = grown;
  return true;
}

enum nat_tags_noted nat_tags_note(struct nat_tags *tags, struct nat_ring *const rings[],
                                  const struct nat_tag_place *place,
                                  struct nat_tag_place *before) {
  const struct nat_ring_entry *entry = entry_at(rings, place);
  uint64_t slots = (uint64_t)tags->size * SLOTS_A_PAGE, hash = hash_of(entry);
  uint32_t *slot;

  if (4 * (uint64_t)tags->count >= 3 * slots && !grow(tags, rings, place))
    return NAT_TAGS_NO_ROOM;
  slot = find(tags, rings, entry, hash);
  if (!slot)
    return place_in(tags, entry, place) ? NAT_TAGS_NEW : NAT_TAGS_NO_ROOM;
  *before = place_of_slot(rings, *slot);
  *slot = slot_of_place(place, hash);
  return NAT_TAGS_REPLACED;
}

/* The last one fills the gap. */
static bool free_in(struct nat_tags_bucket *bucket, uint32_t wanted) {
  unsigned gap = 0, last;

  while (gap < NAT_TAGS_SLOTS && bucket->slots[gap] != wanted)
    gap++;
  if (gap == NAT_TAGS_SLOTS)
    return false;
  for (last = gap; last + 1 < NAT_TAGS_SLOTS && bucket->slots[last + 1] != 0; last++)
    continue;
  bucket->slots[gap] = bucket->slots[last];
  bucket->slots[last] = 0;
  return true;
}

void nat_tags_forget(struct nat_tags *tags, struct nat_ring *const rings[],
                     const struct nat_tag_place *place) {
  const struct nat_ring_entry *entry = entry_at(rings, place);
  uint64_t hash = hash_of(entry);
  uint32_t slot = slot_of_place(place, hash);
  struct nat_tags_page *page;

  if (tags->size == 0 || !is_noted(entry))
    return;
  page = page_of(tags, hash);
  for (unsigned step = 0; step < NAT_TAGS_BUCKETS; step++) {
    struct nat_tags_bucket *bucket = bucket_of(page, hash, step);

    if (free_in(bucket, slot)) {
      count_past(page, hash, step, -1);
      tags->count--;
      return;
    }
    if (bucket->gone_past == 0)
      return;
  }
}
