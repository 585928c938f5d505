/* SPDX-License-Identifier: MIT
 *
 * Where in the rings the last close of a local port toward a destination is (pure): a
 * hash table of 4 bytes a slot, three quarters full before it grows by a quarter. A port
 * that is used again while the gateway still holds it is one port, not two; where the
 * other end closes first nothing on this machine keeps the port from being used again.
 */
#ifndef EGRESS_NAT_TAGS_H
#define EGRESS_NAT_TAGS_H

#include "nat_ring.h"

#define NAT_TAGS_SLOTS 15u
#define NAT_TAGS_BUCKETS 64u    /* of a page */
#define NAT_TAGS_MAX (1u << 12) /* pages: 16 MiB; what finds no slot has no tag */

/* A line of the cache. */
struct nat_tags_bucket {
  uint32_t slots[NAT_TAGS_SLOTS];
  uint32_t gone_past; /* those that belong here or before, and are in a later one */
};

/* A page of memory: what finds its bucket full stays in one whose address is known. */
struct nat_tags_page {
  _Alignas(4096) struct nat_tags_bucket buckets[NAT_TAGS_BUCKETS];
};

/* All zero at first. */
struct nat_tags {
  struct nat_tags_page *pages;
  uint32_t size, count; /* pages; slots in use */
};

/* An entry of one of the rings. */
#define NAT_TAGS_RINGS 3u
struct nat_tag_place {
  unsigned ring;
  uint64_t position;
};

void nat_tags_free(struct nat_tags *tags);

/* The place noted for the entry's index and tag; false: none. */
bool nat_tags_find(const struct nat_tags *tags, struct nat_ring *const rings[],
                   const struct nat_ring_entry *entry, struct nat_tag_place *place);

/* Notes the place of an entry that has a tag, instead of another of its index and tag,
 * which is *before then, and must be marked superseded before the next call. */
enum nat_tags_noted { NAT_TAGS_NEW, NAT_TAGS_REPLACED, NAT_TAGS_NO_ROOM };
enum nat_tags_noted nat_tags_note(struct nat_tags *tags,
                                  struct nat_ring *const rings[],
                                  const struct nat_tag_place *place,
                                  struct nat_tag_place *before);

/* Forgets this very place; before its entry is superseded, changes or is released. */
void nat_tags_forget(struct nat_tags *tags, struct nat_ring *const rings[],
                     const struct nat_tag_place *place);

/* The entry's buckets will be wanted soon. */
void nat_tags_prefetch(const struct nat_tags *tags, const struct nat_ring_entry *entry);

#endif
