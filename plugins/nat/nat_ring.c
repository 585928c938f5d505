/* SPDX-License-Identifier: MIT */
#include "nat_ring.h"

#include <errno.h>
#include <stdlib.h>

static struct nat_ring_entry **block_of(struct nat_ring *ring, uint64_t position) {
  return &ring->blocks[position / NAT_RING_BLOCK % NAT_RING_BLOCKS_MAX];
}

void nat_ring_free(struct nat_ring *ring) {
  for (size_t i = 0; i < NAT_RING_BLOCKS_MAX; i++)
    free(ring->blocks[i]);
}

int nat_ring_push(struct nat_ring *ring, struct nat_ring_entry entry) {
  struct nat_ring_entry **block = block_of(ring, ring->head);

  if (ring->head - ring->tail >= NAT_RING_ENTRIES_MAX)
    return -ENOSPC;
  if (!*block) {
    *block = malloc(NAT_RING_BLOCK * sizeof(**block));
    if (!*block)
      return -ENOMEM;
  }
  (*block)[ring->head % NAT_RING_BLOCK] = entry;
  ring->head++;
  return 0;
}

/* A ring that is empty keeps the block it stands in. */
void nat_ring_release(struct nat_ring *ring, uint64_t position) {
  for (uint64_t i = ring->tail / NAT_RING_BLOCK; i < position / NAT_RING_BLOCK; i++) {
    struct nat_ring_entry **block = block_of(ring, i * NAT_RING_BLOCK);

    free(*block);
    *block = NULL;
  }
  ring->tail = position;
}
