/* SPDX-License-Identifier: MIT
 *
 * The metrics of egress_nat.
 */
#ifndef EGRESS_NAT_METRICS_H
#define EGRESS_NAT_METRICS_H

#include "egress/metric.h"

enum nat_metric {
  NAT_PORTS_USED,
  NAT_PORTS_BOUND,
  NAT_PORTS_ALLOCATED,
  NAT_PORTS_LIMIT,
  NAT_PERCENT,
  NAT_DESTINATION_PORTS,
  NAT_CONNECT_RATE,
  NAT_STALLED_CONNECTS,
  NAT_EVENTS_LOST,
  NAT_COVERAGE,
  NAT_GATEWAY_PORT_USAGE,
  NAT_GATEWAY_DROPPED_PACKETS,
  NAT_ESTIMATE_ERROR,
  NAT_METRIC_COUNT
};

extern const struct metric_table nat_metrics;

#endif
