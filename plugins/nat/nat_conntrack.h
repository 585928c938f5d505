/* SPDX-License-Identifier: MIT
 *
 * Reading edge: the conntrack table as egress_nat wants it.
 */
#ifndef EGRESS_NAT_CONNTRACK_H
#define EGRESS_NAT_CONNTRACK_H

#include "nat_source.h"
#include "nat_tracked.h"

/* From /proc/sys/net/netfilter; 0 for what is not there. */
struct nat_track_timeouts nat_conntrack_timeouts(void);

/* Reads the table, between nat_tracked_begin and nat_tracked_finish. *partial: some of
 * it was not to be had. Returns 0 or -errno. */
int nat_conntrack_read(struct conntrack *conntrack, struct nat_tracked *tracked,
                       struct nat_engine *engine,
                       const struct nat_track_timeouts *timeouts, bool *partial);

/* Counts the open flows of the table for view->tracked and view->forwarded; an empty
 * table costs next to nothing. Returns 0 or -errno. */
int nat_conntrack_survey(struct conntrack *conntrack, const struct nat_config *config,
                         const struct nat_engine *engine, struct nat_source_view *view);

#endif
