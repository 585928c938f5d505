/* SPDX-License-Identifier: MIT
 *
 * Which groups a socket belongs to, as a mask (pure). Bit 0 is `all`, bit N the
 * Nth group.
 */
#ifndef EGRESS_FLOW_GROUPS_H
#define EGRESS_FLOW_GROUPS_H

#include "egress/flow.h"
#include "flow_networks.h"
#include "flow_ports.h"

struct flow_groups {
  size_t count;   /* with `all` */
  uint64_t every; /* the bits in use */
  uint64_t remote; /* groups that say anything of the remote end */
  uint64_t local_networked;  /* groups that say anything of the local address */
  uint64_t remote_networked; /* and of the remote one */
  struct flow_ports local_ports;
  struct flow_ports remote_ports;
  struct flow_networks local_networks;
  struct flow_networks remote_networks; /* and scopes */
};

/* Copies what it needs. Returns 0, -EINVAL (more than FLOW_GROUPS_MAX), or
 * -ENOMEM. */
int flow_groups_init(struct flow_groups *groups, const struct flow_group *specs,
                     size_t count);
void flow_groups_free(struct flow_groups *groups);

/* A socket without a remote end (listening, closed, or UDP that is not connected)
 * is in no group that says anything of it. */
uint64_t flow_groups_match(const struct flow_groups *groups,
                           const struct sock_diag_record *record);

#endif
