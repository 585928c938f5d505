/* SPDX-License-Identifier: MIT
 *
 * Reading edge: the flows of the conntrack table, over ctnetlink. Needs
 * CAP_NET_ADMIN.
 */
#ifndef EGRESS_CONNTRACK_ENTRY_H
#define EGRESS_CONNTRACK_ENTRY_H

#include "egress/address.h"
#include "egress/conntrack.h"

#pragma GCC visibility push(default)

/* As the kernel numbers them (include/uapi/linux/netfilter/nf_conntrack_tcp.h). */
enum conntrack_tcp_state {
  CONNTRACK_TCP_NONE,
  CONNTRACK_TCP_SYN_SENT,
  CONNTRACK_TCP_SYN_RECEIVED,
  CONNTRACK_TCP_ESTABLISHED,
  CONNTRACK_TCP_FIN_WAIT,
  CONNTRACK_TCP_CLOSE_WAIT,
  CONNTRACK_TCP_LAST_ACK,
  CONNTRACK_TCP_TIME_WAIT,
  CONNTRACK_TCP_CLOSE, /* after a reset */
  CONNTRACK_TCP_SYN_SENT2, /* SYNs from both ends */
};
#define CONNTRACK_TCP_STATES 10

/* One flow. The source of the reply is the remote end as a NAT further on sees it, its
 * destination the local one: both after this machine's own translation. */
struct conntrack_entry {
  uint8_t protocol;   /* IPPROTO_* */
  uint8_t tcp_state;  /* enum conntrack_tcp_state; NONE for other protocols */
  bool seen_reply;
  bool assured;       /* UDP: a stream, whose timeout is the longer one */
  bool has_timeout;
  uint32_t timeout;   /* seconds left */
  struct net_endpoint source, destination;             /* of the original direction */
  struct net_endpoint reply_source, reply_destination; /* ports are 0 where the
                                                          protocol has none */
};

typedef void conntrack_entry_callback(const struct conntrack_entry *entry, void *data);

struct conntrack_dump {
  uint64_t entries;
  unsigned malformed; /* left out: cut or inconsistent */
  bool partial;       /* interrupted, or failed part way */
};

/* The whole table of this network namespace, both families. Returns 0, or -errno when
 * nothing could be read (as conntrack_read_table); *result is always filled. */
int conntrack_read_entries(struct conntrack *conntrack, conntrack_entry_callback *callback,
                           void *data, struct conntrack_dump *result);

/* The parser alone. Returns 0, or -EBADMSG (cut, inconsistent, or no flow). */
int conntrack_parse_entry(const struct nlmsghdr *message, struct conntrack_entry *entry);

#pragma GCC visibility pop
#endif
