/* SPDX-License-Identifier: MIT
 *
 * Outgoing connections by endpoint and class: a hash table of bounded size (pure).
 */
#ifndef EGRESS_FLOW_REMOTES_H
#define EGRESS_FLOW_REMOTES_H

#include "egress/flow.h"

/* The endpoints stand in one row, and an index of their places is probed in
 * line: 56 bytes an endpoint, where uthash's handle and buckets and malloc's head
 * make it 120, and 131072 of them 16 MB. */
struct flow_remotes {
  struct flow_remote *row;
  size_t count, room;
  uint32_t *index; /* 0: free, else the place in the row and 1 */
  size_t index_size; /* a power of 2, more than twice `count` */
  uint64_t seed;
  uint64_t omitted;
};

/* `seed` is a number that peers, who choose endpoints, cannot know. */
void flow_remotes_init(struct flow_remotes *remotes, uint64_t seed);
void flow_remotes_free(struct flow_remotes *remotes);

/* The entry of endpoint and class, new ones with all counts 0; NULL (and counted as
 * omitted) when the table is full or memory is short. Valid until the next call. */
struct flow_remote *flow_remotes_get(struct flow_remotes *remotes,
                                     const struct net_endpoint *endpoint,
                                     uint8_t class);

/* Hands over the row (of *count entries, for free(); NULL if empty) and leaves
 * the table empty. */
struct flow_remote *flow_remotes_take(struct flow_remotes *remotes, size_t *count);

#endif
