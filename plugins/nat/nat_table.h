/* SPDX-License-Identifier: MIT
 *
 * The destinations of one gateway (pure): a hash table of bounded size, whose
 * entries keep their index as long as they live.
 */
#ifndef EGRESS_NAT_TABLE_H
#define EGRESS_NAT_TABLE_H

#include "egress/address.h"

#define NAT_DESTINATIONS_MAX 131072u

/* Index 0 is no endpoint: it stands for all that found no place of their own. */
#define NAT_OTHER 0u

enum nat_bound { NAT_LOW, NAT_BEST, NAT_HIGH };
#define NAT_BOUNDS 3

struct nat_destination {
  struct net_endpoint remote;
  bool in_table;
  bool merged;    /* on its way into NAT_OTHER */
  bool at_limit;  /* the ports are all held, but for a margin, by connections that
                     certainly hold one */
  bool short_of_ports; /* at_limit, or so at the summary before, or exhausted then */
  bool exhausted; /* SYNs went unanswered while the ports were all held */
  uint32_t open;      /* as in struct nat_live, at the last summary */
  uint32_t half_open;
  uint32_t unanswered;
  uint32_t stalled;
  uint32_t idle, drowsy, gone;
  uint32_t live_before; /* open + half_open at the summary before */
  uint32_t opened;      /* new connections between the last two summaries */
  uint32_t ports[NAT_BOUNDS]; /* the estimate: ports held, of it bounds */
};

/* Of a destination, what each close counts in, again and again until its time runs out:
 * apart from the rest, that the memory of a hundred thousand lies close together. */
struct nat_closed {
  _Alignas(32) uint32_t held[NAT_BOUNDS]; /* ports, by closed and failed connections;
                               held[NAT_HIGH] is also the number of ring entries counted */
  uint32_t waiting[NAT_BOUNDS]; /* as held, by closed ones told of at this summary */
  uint32_t pending;             /* ring entries not counted yet */
  uint32_t closes;              /* counted since the summary before */
};

struct nat_table;

/* `limit` (1 to NAT_DESTINATIONS_MAX) destinations find a place; `seed` is a
 * number that those who choose destinations cannot know. Returns 0 or -ENOMEM. */
int nat_table_new(uint32_t limit, uint64_t seed, struct nat_table **table);
void nat_table_free(struct nat_table *table);

uint32_t nat_table_count(const struct nat_table *table);
uint32_t nat_table_limit(const struct nat_table *table);

uint64_t nat_table_hash(const struct nat_table *table, const struct net_endpoint *remote);

/* The index of the endpoint, whose hash that is, a new one if it has none; NAT_OTHER when
 * full. */
uint32_t nat_table_get(struct nat_table *table, const struct net_endpoint *remote,
                       uint64_t hash);

/* What nat_table_get will look at first, and, once that has come, most likely the index
 * that it will return; NAT_OTHER: it is not in the table. */
void nat_table_prefetch_index(const struct nat_table *table, uint64_t hash);
uint32_t nat_table_guess(const struct nat_table *table, uint64_t hash);

/* This endpoint was used just now. */
void nat_table_note_use(struct nat_table *table, uint32_t index);

/* The index of an endpoint used at this address, in proportion to their uses where there
 * are several (*shared); NAT_OTHER if none is known. Port 0, which stands for a port not
 * known, is never meant. */
uint32_t nat_table_by_address(struct nat_table *table,
                              const struct net_address *address, bool *shared);

/* Valid until the table is freed. */
struct nat_destination *nat_table_at(struct nat_table *table, uint32_t index);
struct nat_closed *nat_table_closed(struct nat_table *table, uint32_t index);

/* Those will be wanted soon. */
void nat_table_prefetch(const struct nat_table *table, uint32_t index);
void nat_table_prefetch_closed(const struct nat_table *table, uint32_t index);

/* The destinations one after the other: from NAT_OTHER (which is not given) to
 * NAT_OTHER (the end). The one given may be removed before the next call. */
uint32_t nat_table_next(const struct nat_table *table, uint32_t index);

void nat_table_remove(struct nat_table *table, uint32_t index);

#endif
