/* SPDX-License-Identifier: MIT
 *
 * The configuration of egress_netlink (pure).
 */
#ifndef EGRESS_NETLINK_CONFIG_H
#define EGRESS_NETLINK_CONFIG_H

#include "egress/flow.h"
#include "egress/option.h"

#define NETLINK_LIST_MAX 1024 /* ports or networks of one kind in a group */

/* <Group "name">; the lists are owned. */
struct netlink_group {
  char *name;
  uint16_t *local_ports;
  size_t local_port_count;
  uint16_t *remote_ports;
  size_t remote_port_count;
  struct net_prefix *local_networks;
  size_t local_network_count;
  struct net_prefix *remote_networks;
  size_t remote_network_count;
  unsigned remote_scopes; /* as in struct flow_group */
};

struct netlink_config {
  size_t group_count;
  struct netlink_group groups[FLOW_GROUPS_MAX];
  bool latency;
  bool conntrack;
  bool conntrack_states;
};

#define NETLINK_CONFIG_DEFAULTS {.latency = true, .conntrack = true}

/* Reads one <Plugin> block into a struct netlink_config that holds the defaults,
 * or what an earlier block has set. Returns 0, -EINVAL or -ENOMEM. */
int netlink_config_parse(const struct option *block, void *config,
                         struct option_error *error);
void netlink_config_free(struct netlink_config *config);

/* The groups as the flow summary takes them, in the same order; the lists stay
 * the configuration's. `groups` has room for FLOW_GROUPS_MAX. */
void netlink_config_flow_groups(const struct netlink_config *config,
                                struct flow_group *groups);

#endif
