/* SPDX-License-Identifier: MIT */
#include "nat_neighbour.h"

#include "endpoint_hash.h"

static uint32_t hash_of(const struct net_address *address) {
  const struct net_endpoint endpoint = {.address = *address};

  return (uint32_t)endpoint_hash(&endpoint, 0, 0);
}

static uint16_t second_of(nanoseconds time) {
  return (uint16_t)(time / NANOSECONDS_PER_SECOND);
}

void nat_neighbours_note(struct nat_neighbours *neighbours, uint16_t local_port,
                         const struct net_endpoint *remote, nanoseconds time) {
  neighbours->of[local_port] = (struct nat_neighbour){
      .address = hash_of(&remote->address), .port = remote->port, .second = second_of(time)};
}

uint16_t nat_neighbours_find(const struct nat_neighbours *neighbours, uint16_t local_port,
                             const struct net_address *address, nanoseconds time) {
  uint32_t wanted = hash_of(address);

  for (unsigned i = 2; i <= 2 * NAT_NEIGHBOUR_REACH + 1; i++) {
    unsigned distance = i / 2;
    uint16_t port = (uint16_t)(i % 2 ? local_port + distance : local_port - distance);
    const struct nat_neighbour *neighbour = &neighbours->of[port];
    uint16_t age = (uint16_t)(second_of(time) - neighbour->second);

    if (neighbour->port != 0 && neighbour->address == wanted &&
        age <= NAT_NEIGHBOUR_AGE / NANOSECONDS_PER_SECOND)
      return neighbour->port;
  }
  return 0;
}
