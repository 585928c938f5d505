/* SPDX-License-Identifier: MIT
 *
 * A row of destinations, and an index into it that is probed in line: 112 bytes a
 * destination. (uthash's handles and buckets would double that, and the row must
 * not move: ring entries hold its indexes.)
 */
#include "nat_table.h"

#include "endpoint_hash.h"
#include "nat_huge.h"

#include <errno.h>
#include <stdlib.h>

#define PLACES 4096u /* of addresses remembered; a power of 2 */

/* The endpoints used at an address, and how much. */
#define SHARES 4u
#define USES_MAX 256u /* then all are halved: it is the recent uses that count */
struct share {
  uint32_t index; /* NAT_OTHER: none */
  uint32_t uses;
  uint32_t given; /* by nat_table_by_address */
};

struct place {
  struct net_address address;
  struct share shares[SHARES];
};

struct nat_table {
  uint64_t seed;
  uint32_t limit, count;
  uint32_t used;       /* row[1] to row[used] have been in use */
  uint32_t first_free; /* of those not in use now, linked by live_before */
  uint32_t index_size; /* a power of 2, more than 1.5 times `limit` */
  uint32_t *index;     /* 0: free; else a row's index, and bits of the hash above it */
  struct nat_destination *row;
  struct nat_closed *closed; /* of each row */
  struct place places[PLACES];
};

#define INDEX_BITS 18u
#define INDEX_MASK ((1u << INDEX_BITS) - 1)

_Static_assert(NAT_DESTINATIONS_MAX <= INDEX_MASK, "an index must fit");

uint64_t nat_table_hash(const struct nat_table *table,
                        const struct net_endpoint *remote) {
  return endpoint_hash(remote, 0, table->seed);
}

static uint32_t home_of(const struct nat_table *table, uint64_t hash) {
  return (uint32_t)hash & (table->index_size - 1);
}

/* The high bits: where it is goes by the low ones. */
static uint32_t mark_of(uint64_t hash) { return (uint32_t)(hash >> 32) & ~INDEX_MASK; }

static uint32_t place_number(const struct nat_table *table,
                             const struct net_address *address) {
  const struct net_endpoint endpoint = {.address = *address};

  return endpoint_hash(&endpoint, 0, table->seed) % PLACES;
}

/* So many destinations are in small pages; those beyond, if there ever are any, in huge
 * ones. */
#define SMALL 16384u

int nat_table_new(uint32_t limit, uint64_t seed, struct nat_table **table) {
  struct nat_table *made = calloc(1, sizeof(*made));

  if (!made)
    return -ENOMEM;
  *made = (struct nat_table){.seed = seed, .limit = limit, .index_size = 16};
  while (made->index_size < limit + limit / 2)
    made->index_size *= 2;
  made->index = calloc(made->index_size, sizeof(*made->index));
  made->row = calloc(limit + 1, sizeof(*made->row));
  made->closed = aligned_alloc(_Alignof(struct nat_closed),
                               ((size_t)limit + 1) * sizeof(*made->closed));
  if (!made->index || !made->row || !made->closed) {
    nat_table_free(made);
    return -ENOMEM;
  }
  made->closed[NAT_OTHER] = (struct nat_closed){.pending = 0};
  if (limit > SMALL) {
    nat_huge_advise(&made->row[SMALL], (limit - SMALL) * sizeof(*made->row));
    nat_huge_advise(&made->closed[SMALL], (limit - SMALL) * sizeof(*made->closed));
  }
  *table = made;
  return 0;
}

void nat_table_free(struct nat_table *table) {
  if (!table)
    return;
  free(table->closed);
  free(table->row);
  free(table->index);
  free(table);
}

uint32_t nat_table_count(const struct nat_table *table) { return table->count; }

uint32_t nat_table_limit(const struct nat_table *table) { return table->limit; }

struct nat_destination *nat_table_at(struct nat_table *table, uint32_t index) {
  return &table->row[index];
}

struct nat_closed *nat_table_closed(struct nat_table *table, uint32_t index) {
  return &table->closed[index];
}

void nat_table_prefetch_index(const struct nat_table *table, uint64_t hash) {
  __builtin_prefetch(&table->index[home_of(table, hash)]);
}

uint32_t nat_table_guess(const struct nat_table *table, uint64_t hash) {
  uint32_t slot = home_of(table, hash), found;

  while ((found = table->index[slot]) != 0 &&
         ((found ^ mark_of(hash)) & ~INDEX_MASK) != 0)
    slot = (slot + 1) & (table->index_size - 1);
  return found & INDEX_MASK;
}

void nat_table_prefetch(const struct nat_table *table, uint32_t index) {
  __builtin_prefetch(&table->row[index]);
}

void nat_table_prefetch_closed(const struct nat_table *table, uint32_t index) {
  __builtin_prefetch(&table->closed[index], 1);
}

/* Where the endpoint stands in the index, or would stand. */
static uint32_t find(const struct nat_table *table, const struct net_endpoint *remote,
                     uint64_t hash) {
  uint32_t slot = home_of(table, hash), found;

  for (; (found = table->index[slot]) != 0; slot = (slot + 1) & (table->index_size - 1))
    if (((found ^ mark_of(hash)) & ~INDEX_MASK) == 0 &&
        net_endpoint_equal(&table->row[found & INDEX_MASK].remote, remote))
      break;
  return slot;
}

static struct place *place_of(struct nat_table *table,
                              const struct net_address *address) {
  return &table->places[place_number(table, address)];
}

/* The endpoint's share, or that of the one used least, which it takes over. */
static struct share *share_of(struct place *place, uint32_t index) {
  struct share *least = &place->shares[0];

  for (unsigned i = 0; i < SHARES; i++) {
    if (place->shares[i].index == index)
      return &place->shares[i];
    if (place->shares[i].uses < least->uses)
      least = &place->shares[i];
  }
  *least = (struct share){.index = index};
  return least;
}

void nat_table_note_use(struct nat_table *table, uint32_t index) {
  const struct net_endpoint *remote = &table->row[index].remote;
  struct place *place = place_of(table, &remote->address);

  if (index == NAT_OTHER || remote->port == 0)
    return;
  if (!net_address_equal(&place->address, &remote->address))
    *place = (struct place){.address = remote->address};
  if (++share_of(place, index)->uses < USES_MAX)
    return;
  for (unsigned i = 0; i < SHARES; i++) {
    place->shares[i].uses /= 2;
    place->shares[i].given /= 2;
  }
}

static uint32_t take_free(struct nat_table *table) {
  uint32_t index = table->first_free;

  if (index == NAT_OTHER)
    return ++table->used;
  table->first_free = table->row[index].live_before;
  return index;
}

uint32_t nat_table_get(struct nat_table *table, const struct net_endpoint *remote,
                       uint64_t hash) {
  uint32_t slot = find(table, remote, hash);
  uint32_t index = table->index[slot] & INDEX_MASK;

  if (index == NAT_OTHER) {
    if (table->count == table->limit)
      return NAT_OTHER;
    index = take_free(table);
    table->row[index] = (struct nat_destination){.remote = *remote, .in_table = true};
    table->closed[index] = (struct nat_closed){.pending = 0};
    table->index[slot] = index | mark_of(hash);
    table->count++;
    nat_table_note_use(table, index);
  }
  return index;
}

/* Shares in proportion, as d'Hondt gives seats: to the one with the most uses for each
 * that it has been given, this one included. */
uint32_t nat_table_by_address(struct nat_table *table,
                              const struct net_address *address, bool *shared) {
  struct place *place = place_of(table, address);
  struct share *best = &place->shares[0];
  unsigned known = 0;

  *shared = false;
  if (!net_address_equal(&place->address, address))
    return NAT_OTHER;
  for (unsigned i = 0; i < SHARES; i++) {
    struct share *share = &place->shares[i];

    known += share->index != NAT_OTHER;
    if (share->uses * (best->given + 1) > best->uses * (share->given + 1))
      best = share;
  }
  *shared = known > 1;
  best->given += best->index != NAT_OTHER;
  return best->index;
}

/* The row is about to be another's. */
static void forget_uses(struct nat_table *table, uint32_t index) {
  struct place *place = place_of(table, &table->row[index].remote.address);

  for (unsigned i = 0; i < SHARES; i++)
    if (place->shares[i].index == index)
      place->shares[i] = (struct share){.index = NAT_OTHER};
}

uint32_t nat_table_next(const struct nat_table *table, uint32_t index) {
  while (++index <= table->used)
    if (table->row[index].in_table)
      return index;
  return NAT_OTHER;
}

/* Closes the gap in the index: those behind it whose way led across it move up. */
static void close_gap(struct nat_table *table, uint32_t gap) {
  uint32_t mask = table->index_size - 1;

  for (uint32_t slot = (gap + 1) & mask; table->index[slot] != 0;
       slot = (slot + 1) & mask) {
    const struct nat_destination *row = &table->row[table->index[slot] & INDEX_MASK];
    uint32_t home = home_of(table, nat_table_hash(table, &row->remote));

    if (((slot - home) & mask) >= ((slot - gap) & mask)) {
      table->index[gap] = table->index[slot];
      gap = slot;
    }
  }
  table->index[gap] = 0;
}

void nat_table_remove(struct nat_table *table, uint32_t index) {
  struct nat_destination *destination = &table->row[index];

  forget_uses(table, index);
  close_gap(table, find(table, &destination->remote,
                        nat_table_hash(table, &destination->remote)));
  *destination = (struct nat_destination){.live_before = table->first_free};
  table->first_free = index;
  table->count--;
}
