/* SPDX-License-Identifier: MIT
 *
 * The making of a summary of UDP sockets (pure).
 */
#ifndef EGRESS_FLOW_UDP_H
#define EGRESS_FLOW_UDP_H

#include "flow_groups.h"

/* A summary that is not finished; `groups` must outlive it. Returns 0 or -ENOMEM. */
struct flow_udp_draft;
int flow_udp_begin(const struct flow_groups *groups, struct flow_udp_draft **draft);
void flow_udp_add(struct flow_udp_draft *draft, const struct sock_diag_record *record);

/* The draft is a summary from here on; the caller fills in what the counts do not
 * say. Free with flow_udp_summary_release(). */
struct flow_udp_summary *flow_udp_finish(struct flow_udp_draft *draft);

#endif
