/* SPDX-License-Identifier: MIT */
#include "nat_merge.h"

#define SIZES 256u /* destinations that hold more are all alike: large */

static uint32_t size_of(struct nat_table *table, uint32_t index) {
  const struct nat_destination *destination = nat_table_at(table, index);
  const struct nat_closed *closed = nat_table_closed(table, index);
  uint64_t size = (uint64_t)destination->open + destination->half_open +
                  closed->pending + closed->held[NAT_HIGH];

  return size < SIZES ? (uint32_t)size : SIZES - 1;
}

/* Marks `quota` destinations, the smallest first. */
static void mark_least(struct nat_table *table, uint32_t quota) {
  uint32_t counts[SIZES] = {0};
  uint32_t smaller = 0, size = 0;

  for (uint32_t i = nat_table_next(table, NAT_OTHER); i; i = nat_table_next(table, i))
    counts[size_of(table, i)]++;
  while (size < SIZES - 1 && smaller + counts[size] < quota)
    smaller += counts[size++];
  quota -= smaller; /* of those of just this size */
  for (uint32_t i = nat_table_next(table, NAT_OTHER); i; i = nat_table_next(table, i)) {
    struct nat_destination *destination = nat_table_at(table, i);
    uint32_t own = size_of(table, i);

    destination->merged = own < size || (own == size && quota > 0);
    quota -= own == size && quota > 0;
  }
}

static void fold_into(struct nat_destination *other,
                      const struct nat_destination *destination) {
  other->open += destination->open;
  other->half_open += destination->half_open;
  other->unanswered += destination->unanswered;
  other->stalled += destination->stalled;
  other->idle += destination->idle;
  other->drowsy += destination->drowsy;
}

/* What is waiting is told anew. */
static void fold_closed_into(struct nat_closed *other, const struct nat_closed *closed) {
  for (unsigned bound = 0; bound < NAT_BOUNDS; bound++)
    other->held[bound] += closed->held[bound];
  other->pending += closed->pending;
}

uint32_t nat_merge_least(struct nat_table *table, struct nat_held *held) {
  uint32_t limit = nat_table_limit(table), count = nat_table_count(table);

  if (count <= limit - limit / 8)
    return 0;
  mark_least(table, count - (limit - limit / 4));
  nat_held_merge(held, table);
  for (uint32_t i = nat_table_next(table, NAT_OTHER); i; i = nat_table_next(table, i)) {
    const struct nat_destination *destination = nat_table_at(table, i);

    if (!destination->merged)
      continue;
    fold_into(nat_table_at(table, NAT_OTHER), destination);
    fold_closed_into(nat_table_closed(table, NAT_OTHER), nat_table_closed(table, i));
    nat_table_remove(table, i);
  }
  return count - nat_table_count(table);
}
