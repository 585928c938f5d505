/* SPDX-License-Identifier: MIT
 *
 * A set of addresses, made of networks (pure): ranges in a row, so that a look-up
 * costs a binary search.
 */
#ifndef EGRESS_NAT_NETWORKS_H
#define EGRESS_NAT_NETWORKS_H

#include "egress/address.h"

#define NAT_NETWORKS_MAX 4096u /* ranges; networks that touch make one */

struct nat_range {
  struct net_address first, last;
};

/* All zero at first. */
struct nat_networks {
  struct nat_range *ranges; /* in order, with gaps between */
  size_t count, room;
};

void nat_networks_free(struct nat_networks *networks);

/* Return 0, -E2BIG (more than NAT_NETWORKS_MAX ranges) or -ENOMEM; the set is then as
 * it was. */
int nat_networks_add(struct nat_networks *networks, const struct net_prefix *prefix);
int nat_networks_remove(struct nat_networks *networks, const struct net_prefix *prefix);
int nat_networks_add_all(struct nat_networks *networks, const struct nat_networks *other);
int nat_networks_remove_all(struct nat_networks *networks,
                            const struct nat_networks *other);

bool nat_networks_contain(const struct nat_networks *networks,
                          const struct net_address *address);

#endif
