/* SPDX-License-Identifier: MIT */
#include "nat_neighbour.h"

#include "endpoint_hash.h"

#define BITS24 0xffffffu
#define MOMENT (NANOSECONDS_PER_SECOND / 64)

static uint32_t hash_of(const struct net_address *address) {
  const struct net_endpoint endpoint = {.address = *address};

  return (uint32_t)endpoint_hash(&endpoint, 0, 0) & BITS24;
}

static uint32_t moment_of(nanoseconds time) { return (uint32_t)(time / MOMENT) & BITS24; }

void nat_neighbours_note(struct nat_neighbours *neighbours, uint16_t local_port,
                         const struct net_endpoint *remote, nanoseconds time) {
  struct nat_neighbour *own = &neighbours->of[local_port];

  own->port = remote->port;
  own->address = hash_of(&remote->address) & BITS24;
  own->moment = moment_of(time) & BITS24;
}

bool nat_neighbours_noted_since(const struct nat_neighbours *neighbours,
                                uint16_t local_port, nanoseconds time) {
  const struct nat_neighbour *own = &neighbours->of[local_port];

  return own->port != 0 &&
         ((own->moment - moment_of(time)) & BITS24) <= NAT_NEIGHBOUR_AGE / MOMENT;
}

/* The last one noted of those from one to `reach` steps away. */
static uint16_t find_last(const struct nat_neighbours *neighbours, uint16_t local_port,
                          int step, unsigned reach,
                          const struct nat_neighbour *wanted) {
  uint32_t youngest = (uint32_t)(NAT_NEIGHBOUR_AGE / MOMENT) + 1;
  uint16_t found = 0;

  for (unsigned i = 1; i <= reach; i++) {
    const struct nat_neighbour *neighbour;
    uint32_t age;

    local_port = (uint16_t)(local_port + step);
    neighbour = &neighbours->of[local_port];
    age = (wanted->moment - neighbour->moment) & BITS24;
    if (neighbour->port != 0 && neighbour->address == wanted->address && age < youngest) {
      youngest = age;
      found = neighbour->port;
    }
  }
  return found;
}

/* What closes in the order in which it was opened has those before it noted only. */
uint16_t nat_neighbours_find(const struct nat_neighbours *neighbours, uint16_t local_port,
                             const struct net_address *address, nanoseconds time) {
  const struct nat_neighbour wanted = {.address = hash_of(address) & BITS24,
                                       .moment = moment_of(time) & BITS24};
  uint16_t found = 0;

  for (unsigned reach = NAT_NEIGHBOUR_NEAR; reach <= NAT_NEIGHBOUR_FAR && !found;
       reach *= 8) {
    found = find_last(neighbours, local_port, -1, reach, &wanted);
    if (!found)
      found = find_last(neighbours, local_port, 1, reach, &wanted);
  }
  return found;
}
