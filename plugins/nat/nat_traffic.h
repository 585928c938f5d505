/* SPDX-License-Identifier: MIT
 *
 * Which connections take a gateway, by their ends (pure).
 */
#ifndef EGRESS_NAT_TRAFFIC_H
#define EGRESS_NAT_TRAFFIC_H

#include "nat_networks.h"

struct nat_traffic {
  struct nat_networks networks; /* empty: every public address */
  struct nat_networks sources;  /* empty: every one */
  struct nat_networks bypass;
  bool bypass_defaults;
};

void nat_traffic_free(struct nat_traffic *traffic);

/* IPv4 (and v4-mapped) destinations, and those of IPv6 inside 64:ff9b::/96, that
 * lie in the gateway's networks and in none that bypass it. Loopback never does. */
bool nat_traffic_takes(const struct nat_traffic *traffic,
                       const struct net_address *destination);

/* IPv4 addresses, as numbers, at which it may change whether one is taken: between two
 * neighbours all are treated alike. `edges` NULL: none is written. Returns how many. */
size_t nat_traffic_edges(const struct nat_traffic *traffic, uint32_t *edges);

/* Whether a connection from this address may be one of the gateway's. One that is not
 * known (all zero, in either family) may. */
bool nat_traffic_takes_from(const struct nat_traffic *traffic,
                            const struct net_address *source);

#endif
