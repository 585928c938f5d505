/* SPDX-License-Identifier: MIT
 *
 * The metrics of egress_netlink.
 */
#ifndef EGRESS_NETLINK_METRICS_H
#define EGRESS_NETLINK_METRICS_H

#include "egress/metric.h"
#include "egress/sock_diag.h"

enum netlink_metric {
  NETLINK_TCP_CONNECTIONS,
  NETLINK_UDP_SOCKETS,
  NETLINK_QUEUE_LENGTH,
  NETLINK_LATENCY,
  NETLINK_RETRANSMITTING,
  NETLINK_SOCKETS,
  NETLINK_MEMORY,
  NETLINK_CONNTRACK,
  NETLINK_PERCENT,
  NETLINK_CONNTRACK_STATES,
  NETLINK_CONNTRACK_EVENTS,
  NETLINK_READ_TIME,
  NETLINK_PARTIAL_READS,
  NETLINK_METRIC_COUNT
};

extern const struct metric_table netlink_metrics;

/* The states as collectd's tcpconns plugin names them; [0] is NULL. */
extern const char *const netlink_state_names[TCP_STATE_COUNT];

#endif
