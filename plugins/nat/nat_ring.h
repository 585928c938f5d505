/* SPDX-License-Identifier: MIT
 *
 * A queue of what holds a port until its time has come (pure): 8 bytes an
 * entry, in the order of time, in blocks that come and go with the need.
 * Positions count all entries ever pushed, so that several readers may each
 * stand at a position of their own.
 */
#ifndef EGRESS_NAT_RING_H
#define EGRESS_NAT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAT_RING_BLOCK 1024u       /* entries a block */
#define NAT_RING_BLOCKS_MAX 4096u  /* 4 Mi entries, 32 MiB: at 25,000 closes a
                                      second and 120 s there are 3 million */
#define NAT_RING_ENTRIES_MAX ((uint64_t)NAT_RING_BLOCK * (NAT_RING_BLOCKS_MAX - 1))

#define NAT_RING_INDEX_MAX ((1u << 18) - 1)

/* Milliseconds modulo 2^28: two times are compared if they lie within 37 hours, and no
 * timeout is longer than a day. */
#define NAT_RING_TIME_MASK ((1u << 28) - 1)

struct nat_ring_entry {
  uint64_t index : 18;
  uint64_t high_only : 1;  /* counts for the high bound alone, ... */
  uint64_t superseded : 1; /* ... and so does this: its local port is in use again */
  uint64_t tag : 16;       /* which local port; 0: not known */
  uint64_t time : 28;
};

static inline struct nat_ring_entry nat_ring_entry(uint32_t index, uint16_t tag,
                                                   uint32_t time) {
  return (struct nat_ring_entry){.index = index & NAT_RING_INDEX_MAX,
                                 .tag = tag,
                                 .time = time & NAT_RING_TIME_MASK};
}

static inline uint32_t nat_ring_elapsed(uint32_t now, const struct nat_ring_entry *entry) {
  return (now - (uint32_t)entry->time) & NAT_RING_TIME_MASK;
}

static inline bool nat_ring_is_after(const struct nat_ring_entry *entry, uint32_t now) {
  return nat_ring_elapsed(now, entry) > NAT_RING_TIME_MASK / 2;
}

struct nat_ring {
  uint64_t head; /* where the next entry comes */
  uint64_t tail; /* the first entry kept */
  struct nat_ring_entry *blocks[NAT_RING_BLOCKS_MAX];
};

/* The ring is all zero at first. */
void nat_ring_free(struct nat_ring *ring);

/* Returns 0, -ENOSPC (full) or -ENOMEM. */
int nat_ring_push(struct nat_ring *ring, struct nat_ring_entry entry);

/* The entry at a position from tail to head - 1. */
static inline struct nat_ring_entry *nat_ring_at(const struct nat_ring *ring,
                                                 uint64_t position) {
  return &ring->blocks[position / NAT_RING_BLOCK % NAT_RING_BLOCKS_MAX]
                      [position % NAT_RING_BLOCK];
}

/* Forgets all entries before the position. */
void nat_ring_release(struct nat_ring *ring, uint64_t position);

#endif
