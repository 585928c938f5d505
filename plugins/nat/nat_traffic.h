/* SPDX-License-Identifier: MIT
 *
 * Which connections take a gateway, by their destination (pure).
 */
#ifndef EGRESS_NAT_TRAFFIC_H
#define EGRESS_NAT_TRAFFIC_H

#include "egress/address.h"

/* A list of prefixes; grows up to a bound. All zero at first. */
#define NAT_NETWORKS_MAX 4096u
struct nat_networks {
  struct net_prefix *prefixes;
  size_t count;
};

/* Returns 0, -E2BIG (the list is full) or -ENOMEM. */
int nat_networks_add(struct nat_networks *networks, const struct net_prefix *prefix);
void nat_networks_free(struct nat_networks *networks);

bool nat_networks_contain(const struct nat_networks *networks,
                          const struct net_address *address);

struct nat_traffic {
  struct nat_networks networks; /* empty: every public address */
  struct nat_networks bypass;
  bool bypass_defaults;
};

/* IPv4 (and v4-mapped) destinations, and those of IPv6 inside 64:ff9b::/96, that
 * lie in the gateway's networks and in none that bypass it. Loopback never does. */
bool nat_traffic_takes(const struct nat_traffic *traffic,
                       const struct net_address *destination);

#endif
