/* SPDX-License-Identifier: MIT */
#include "nat_held.h"

static struct nat_destination *destination_of(struct nat_table *table,
                                              const struct nat_ring_entry *entry) {
  return nat_table_at(table, entry->value & ~NAT_HELD_HIGH_ONLY);
}

static bool counts_for(const struct nat_ring_entry *entry, unsigned bound) {
  return bound == NAT_HIGH || !(entry->value & NAT_HELD_HIGH_ONLY);
}

static uint32_t milliseconds(nanoseconds span) {
  return (uint32_t)(span / NANOSECONDS_PER_MILLISECOND);
}

void nat_held_init(struct nat_held *held, nanoseconds low, nanoseconds best,
                   nanoseconds high) {
  held->timeout_ms[NAT_LOW] = milliseconds(low);
  held->timeout_ms[NAT_BEST] = milliseconds(best);
  held->timeout_ms[NAT_HIGH] = milliseconds(high);
}

/* From the ring's first entry on all count again, for every bound. */
void nat_held_retime(struct nat_held *held, struct nat_table *table, nanoseconds low,
                     nanoseconds best, nanoseconds high) {
  nat_held_init(held, low, best, high);
  for (unsigned bound = 0; bound < NAT_BOUNDS; bound++)
    for (; held->expired[bound] > held->ring.tail; held->expired[bound]--) {
      const struct nat_ring_entry *entry =
          nat_ring_at(&held->ring, held->expired[bound] - 1);

      destination_of(table, entry)->held[bound] += counts_for(entry, bound);
    }
}

uint32_t nat_held_time(nanoseconds time) {
  return (uint32_t)(time / NANOSECONDS_PER_MILLISECOND);
}

/* Times are compared by their difference: the clock wraps after 49 days. */
static bool is_after(uint32_t time, uint32_t now) { return (int32_t)(time - now) > 0; }

int nat_held_push(struct nat_held *held, struct nat_table *table, uint32_t index,
                  uint32_t time) {
  int status = nat_ring_push(&held->ring, (struct nat_ring_entry){index, time});

  if (status == 0)
    nat_table_at(table, index)->pending++;
  return status;
}

void nat_held_count(struct nat_held *held, struct nat_table *table, uint32_t now,
                    bool (*doubtful)(const struct nat_destination *destination)) {
  for (; held->counted < held->ring.head; held->counted++) {
    struct nat_ring_entry *entry = nat_ring_at(&held->ring, held->counted);
    struct nat_destination *destination = destination_of(table, entry);

    if (is_after(entry->time, now))
      break;
    if (doubtful && doubtful(destination))
      entry->value |= NAT_HELD_HIGH_ONLY;
    for (unsigned bound = 0; bound < NAT_BOUNDS; bound++)
      destination->held[bound] += counts_for(entry, bound);
    destination->pending--;
    destination->closes++;
  }
}

void nat_held_expire(struct nat_held *held, struct nat_table *table, uint32_t now) {
  for (unsigned bound = 0; bound < NAT_BOUNDS; bound++)
    for (; held->expired[bound] < held->counted; held->expired[bound]++) {
      const struct nat_ring_entry *entry =
          nat_ring_at(&held->ring, held->expired[bound]);

      if (now - entry->time < held->timeout_ms[bound])
        break;
      destination_of(table, entry)->held[bound] -= counts_for(entry, bound);
    }
  nat_ring_release(&held->ring, held->expired[NAT_HIGH]);
}

void nat_held_merge(struct nat_held *held, struct nat_table *table) {
  for (uint64_t i = held->ring.tail; i < held->ring.head; i++) {
    struct nat_ring_entry *entry = nat_ring_at(&held->ring, i);

    if (destination_of(table, entry)->merged)
      entry->value = NAT_OTHER | (entry->value & NAT_HELD_HIGH_ONLY);
  }
}
