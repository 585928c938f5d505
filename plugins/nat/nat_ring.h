/* SPDX-License-Identifier: MIT
 *
 * A queue of what holds a port until its time has come (pure): 8 bytes an
 * entry, in the order of time, in blocks that come and go with the need.
 * Positions count all entries ever pushed, so that several readers may each
 * stand at a position of their own.
 */
#ifndef EGRESS_NAT_RING_H
#define EGRESS_NAT_RING_H

#include <stddef.h>
#include <stdint.h>

#define NAT_RING_BLOCK 1024u       /* entries a block */
#define NAT_RING_BLOCKS_MAX 4096u  /* 4 Mi entries, 32 MiB: at 25,000 closes a
                                      second and 120 s there are 3 million */
#define NAT_RING_ENTRIES_MAX ((uint64_t)NAT_RING_BLOCK * (NAT_RING_BLOCKS_MAX - 1))

struct nat_ring_entry {
  uint32_t value;
  uint32_t time; /* ms, modulo 2^32 */
};

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
