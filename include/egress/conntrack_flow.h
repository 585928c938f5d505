/* SPDX-License-Identifier: MIT
 *
 * Reading edge: the flows of the conntrack table, over ctnetlink. Needs
 * CAP_NET_ADMIN.
 */
#ifndef EGRESS_CONNTRACK_FLOW_H
#define EGRESS_CONNTRACK_FLOW_H

#include "egress/address.h"
#include "egress/conntrack.h"

#pragma GCC visibility push(default)

/* Those of TCP are the first of enum conntrack_state. */
#define CONNTRACK_TCP_STATES (CONNTRACK_TCP_SYN_SENT2 + 1)

/* One flow. The source of the reply is the remote end as a NAT further on sees it, its
 * destination the local one: both after this machine's own translation. */
struct conntrack_flow {
  uint8_t protocol;   /* IPPROTO_* */
  uint8_t tcp_state;  /* one of CONNTRACK_TCP_*; NONE for other protocols */
  bool seen_reply;
  bool assured;       /* UDP: a stream, whose timeout is the longer one */
  bool has_timeout;
  uint32_t timeout;   /* seconds left */
  struct net_endpoint source, destination;             /* of the original direction */
  struct net_endpoint reply_source, reply_destination; /* ports are 0 where the
                                                          protocol has none */
};

typedef void conntrack_flow_callback(const struct conntrack_flow *flow, void *data);

struct conntrack_dump {
  uint64_t flows;
  unsigned malformed; /* left out: cut or inconsistent */
  bool partial;       /* interrupted, or failed part way */
};

/* The whole table of this network namespace, both families. Returns 0, or -errno when
 * nothing could be read (as conntrack_read_table); *result is always filled. */
int conntrack_read_flows(struct conntrack *conntrack, conntrack_flow_callback *callback,
                           void *data, struct conntrack_dump *result);

#pragma GCC visibility push(hidden)
/* The parser alone. Returns 0, or -EBADMSG (cut, inconsistent, or no flow). */
int conntrack_parse_flow(const struct nlmsghdr *message, struct conntrack_flow *flow);
#pragma GCC visibility pop

#pragma GCC visibility pop
#endif
