/* SPDX-License-Identifier: MIT
 *
 * Which groups take an address by their networks and scopes (pure): those of all
 * groups as one sorted row of ranges, so that a look-up costs a binary search,
 * however many groups there are.
 */
#ifndef EGRESS_FLOW_NETWORKS_H
#define EGRESS_FLOW_NETWORKS_H

#include "egress/address.h"

/* What one group says of an address. */
struct flow_network_list {
  const struct net_prefix *prefixes;
  size_t count;    /* 0: any network */
  unsigned scopes; /* bit N: enum net_scope N; 0: any */
};

/* An address as one number. */
typedef unsigned __int128 flow_address_number;

/* Range N goes from starts[N] up to starts[N + 1]; the first starts at 0. */
struct flow_networks {
  size_t count; /* 0: no group says anything */
  flow_address_number *starts;
  uint64_t *masks; /* bit N: lists[N] takes the range */
};

/* At most 64 lists. Copies what it needs. Returns 0 or -ENOMEM. */
int flow_networks_init(struct flow_networks *networks,
                       const struct flow_network_list *lists, size_t list_count);
void flow_networks_free(struct flow_networks *networks);

uint64_t flow_networks_match(const struct flow_networks *networks,
                             const struct net_address *address);

#endif
