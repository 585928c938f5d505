/* SPDX-License-Identifier: MIT
 *
 * Where in the rings the last close of a local port toward a destination is (pure): a
 * hash table of 4 bytes a slot, seven tenths full before it grows by a third. A port that is used again while
 * the gateway still holds it is one port, not two; where the other end closes first
 * nothing on this machine keeps the port from being used again.
 */
#ifndef EGRESS_NAT_TAGS_H
#define EGRESS_NAT_TAGS_H

#include "nat_ring.h"

#define NAT_TAGS_MAX (1u << 22) /* slots: 16 MiB; what finds none has no tag */

struct nat_tags {
  uint32_t *slots;
  uint32_t size, count;
};

/* An entry of one of the rings, which are three at most. */
struct nat_tag_place {
  unsigned ring;
  uint64_t position;
};

void nat_tags_free(struct nat_tags *tags);

/* The place noted for the entry's index and tag; false: none. */
bool nat_tags_find(const struct nat_tags *tags, const struct nat_ring *const rings[],
                   const struct nat_ring_entry *entry, struct nat_tag_place *place);

/* Notes the place of an entry that has a tag, instead of another of its index and tag,
 * which is *before then. */
enum nat_tags_noted { NAT_TAGS_NEW, NAT_TAGS_REPLACED, NAT_TAGS_NO_ROOM };
enum nat_tags_noted nat_tags_note(struct nat_tags *tags,
                                  const struct nat_ring *const rings[],
                                  const struct nat_tag_place *place,
                                  struct nat_tag_place *before);

/* Forgets this very place; before its entry changes or is released. */
void nat_tags_forget(struct nat_tags *tags, const struct nat_ring *const rings[],
                     const struct nat_tag_place *place);

#endif
