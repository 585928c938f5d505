/* SPDX-License-Identifier: MIT
 *
 * Reading edge: conntrack over ctnetlink. As conntrack_read_*(), without a way out.
 */
#ifndef EGRESS_CTNETLINK_H
#define EGRESS_CTNETLINK_H

#include "egress/conntrack_flow.h"
#include "netlink_channel.h"

int ctnetlink_read_table(struct netlink_channel *channel, struct conntrack_table *table);
int ctnetlink_read_cpus(struct netlink_channel *channel,
                        void (*callback)(const struct conntrack_cpu *cpu, void *data),
                        void *data);
int ctnetlink_read_flows(struct netlink_channel *channel,
                         conntrack_flow_callback *callback, void *data,
                         struct conntrack_dump *result);
int ctnetlink_read_states(struct netlink_channel *channel,
                          struct conntrack_states *states);

#endif
