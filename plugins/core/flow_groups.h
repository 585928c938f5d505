/* SPDX-License-Identifier: MIT
 *
 * Which groups a socket belongs to, as a mask (pure). Bit 0 is `all`, bit N the
 * Nth group.
 */
#ifndef EGRESS_FLOW_GROUPS_H
#define EGRESS_FLOW_GROUPS_H

#include "egress/flow.h"
#include "flow_networks.h"

struct flow_groups {
  size_t count;   /* with `all` */
  uint64_t every; /* the bits in use */
  /* By port; NULL where no group names one. */
  uint64_t *local_ports;
  uint64_t *remote_ports;
  uint64_t scopes[NET_SCOPE_COUNT];
  uint64_t scoped; /* groups that name a scope */
  uint64_t remote; /* groups that say anything of the remote end */
  struct flow_networks local_networks;
  struct flow_networks remote_networks;
};

/* Copies what it needs. Returns 0, -EINVAL (more than FLOW_GROUPS_MAX), or
 * -ENOMEM. */
int flow_groups_init(struct flow_groups *groups, const struct flow_group *specs,
                     size_t count);
void flow_groups_free(struct flow_groups *groups);

/* A socket without a remote end (listening, or closed) is in no group that says
 * anything of it. */
uint64_t flow_groups_match(const struct flow_groups *groups,
                           const struct sock_diag_record *record);

#endif
