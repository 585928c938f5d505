/* SPDX-License-Identifier: MIT
 *
 * The daemon's edge for conntrack: opens it, reads it, and says in the log what is
 * missing. From collectd's own threads, one at a time.
 */
#ifndef EGRESS_NETLINK_CONNTRACK_H
#define EGRESS_NETLINK_CONNTRACK_H

#include "netlink_report.h"

/* What is missing is said once; the next read tries again. The numbers of entries by
 * state cost a dump of the table, and come only if wanted. */
void netlink_conntrack_read(bool wants_states, const struct netlink_sink *sink);
void netlink_conntrack_stop(void);

#endif
