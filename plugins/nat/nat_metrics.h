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
  NAT_SOURCE_PORTS,
  NAT_TIME_TO_EXHAUSTION,
  NAT_CONNECT_RATE,
  NAT_STALLED_CONNECTS,
  NAT_EVENTS_LOST,
  NAT_COVERAGE,
  NAT_METRIC_COUNT
};

extern const struct metric_table nat_metrics;

#endif
