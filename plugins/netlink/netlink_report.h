/* SPDX-License-Identifier: MIT
 *
 * What was read, as values of the metric table (pure).
 */
#ifndef EGRESS_NETLINK_REPORT_H
#define EGRESS_NETLINK_REPORT_H

#include "egress/conntrack.h"
#include "egress/sockstat.h"
#include "netlink_config.h"
#include "netlink_metrics.h"

/* Takes one value. type_instance is NULL for a metric that has none. */
struct netlink_sink {
  void (*gauge)(enum netlink_metric metric, const char *plugin_instance,
                const char *type_instance, double value);
  void (*derive)(enum netlink_metric metric, const char *plugin_instance,
                 const char *type_instance, int64_t value);
};

/* first_group: where the configuration's groups start in the summary. */
void netlink_report_tcp(const struct netlink_config *config,
                        const struct flow_summary *summary, size_t first_group,
                        const struct netlink_sink *sink);
void netlink_report_udp(const struct netlink_config *config,
                        const struct flow_udp_summary *summary, size_t first_group,
                        const struct netlink_sink *sink);

/* What the kernel has not said is left out; page_size in bytes. */
void netlink_report_sockstat(const struct sockstat *sockstat, size_t page_size,
                             const struct netlink_sink *sink);

void netlink_report_table(const struct conntrack_table *table,
                          const struct netlink_sink *sink);
void netlink_report_events(const struct conntrack_totals *totals,
                           const struct netlink_sink *sink);
void netlink_report_states(const struct conntrack_states *states,
                           const struct netlink_sink *sink);

#endif
