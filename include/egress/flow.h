/* SPDX-License-Identifier: MIT
 *
 * The flow summary: what one pass over the kernel's TCP sockets says, made once
 * and shared by the plugins of one daemon. Immutable, counted, and bounded in
 * memory whatever the number of sockets and remote endpoints.
 */
#ifndef EGRESS_FLOW_H
#define EGRESS_FLOW_H

#include "egress/address.h"
#include "egress/clock.h"
#include "egress/sock_diag.h"

#pragma GCC visibility push(default)

#define FLOW_GROUPS_MAX 63       /* and `all`, which is group 0 */
#define FLOW_LISTENERS_MAX 4096  /* distinct listening ports kept */
#define FLOW_REMOTES_MAX 131072  /* distinct remote endpoints kept */

/* Which sockets belong to a group: all lists that are not empty must match,
 * each by at least one of its members. */
struct flow_group {
  const uint16_t *local_ports;
  size_t local_port_count;
  const uint16_t *remote_ports;
  size_t remote_port_count;
  const struct net_prefix *local_networks;
  size_t local_network_count;
  const struct net_prefix *remote_networks;
  size_t remote_network_count;
  unsigned remote_scopes; /* bit N: enum net_scope N; 0: any */
};

/* A listening port; several sockets on one port are summed. */
struct flow_listener {
  uint16_t port;
  uint32_t sockets;
  uint64_t accept_queue;
  uint64_t accept_limit;
};

/* What a classifier says of an outgoing socket: 0, it is not counted by endpoint; else
 * a class from 1 to 255, of the classifier's own meaning, and flags. */
#define FLOW_CLASS 0xffu
#define FLOW_BY_LOCAL 0x100u /* by its local endpoint too */
#define FLOW_IDLE 0x200u     /* idle, ... */
#define FLOW_DROWSY 0x400u   /* ... or nearly so, in the classifier's eyes */
typedef unsigned flow_classifier(const struct sock_diag_record *record, void *data);

/* Outgoing connections (their local port is not a listening one) of one class toward
 * one remote endpoint, or from one local endpoint. */
struct flow_remote {
  struct net_endpoint remote;
  uint8_t class;
  uint32_t open;      /* full sockets that were established, in any later state */
  uint32_t half_open; /* SYN_SENT */
  uint32_t stalled;   /* of those half_open: at least one SYN was sent again */
  uint32_t time_wait; /* minisockets in TIME_WAIT or FIN_WAIT2 */
  uint32_t idle;   /* of those open: FLOW_IDLE, where the pass had tcp_info */
  uint32_t drowsy; /* FLOW_DROWSY, the same */
};

/* Smoothed round-trip times over established sockets; each is the time that this
 * share of them does not exceed, within 1.6 % (log_histogram.h). */
struct flow_rtt {
  uint64_t sockets; /* that have one; 0: no times */
  nanoseconds p50, p95, p99;
};

struct flow_summary {
  uint64_t serial;        /* 1, 2, ... in this process */
  nanoseconds begun;      /* monotonic; after every member's before_pass */
  nanoseconds ended;      /* after every member's after_pass: what closed in between the
                           * pass may not have seen */
  nanoseconds cpu;        /* thread CPU time of the pass */
  bool partial;
  bool tcp_info;          /* the sockets came with it */
  int fallback;           /* 0: from sock_diag, else the -errno for which /proc was
                           * read: accept limits and round-trip times are not there */
  size_t group_count;     /* `all` first, then the groups asked for */
  const uint64_t (*states)[TCP_STATE_COUNT]; /* [group][state] */
  const uint64_t *retransmitting; /* [group]: see sock_diag_is_retransmitting() */
  const struct flow_rtt *rtt; /* [group]; NULL unless asked for */
  size_t listener_count;
  const struct flow_listener *listeners; /* by port */
  size_t remote_count;
  const struct flow_remote *remotes; /* no order */
  uint64_t remotes_omitted; /* sockets whose endpoint found no place */
  size_t local_count;
  const struct flow_remote *locals; /* FLOW_BY_LOCAL: `remote` is the local endpoint */
  uint64_t locals_omitted;
  const uint32_t *by_local_port; /* see flow_summary_by_local_port; may be NULL */
};

/* The one outgoing connection, not closed, of a local port; NULL if there is none, or
 * if there are several toward one address. */
const struct flow_remote *flow_summary_by_local_port(const struct flow_summary *summary,
                                                     uint16_t port);

struct flow_udp_group {
  uint64_t sockets;
  uint64_t receive_queue; /* bytes that wait to be read, as the kernel accounts them */
};

/* UDP sockets, in a pass of their own: only those who want them pay for it. */
struct flow_udp_summary {
  uint64_t serial; /* these, but for groups, as in struct flow_summary */
  nanoseconds begun;
  nanoseconds cpu;
  bool partial;
  int fallback;
  size_t group_count; /* `all` first, then the groups asked for */
  const struct flow_udp_group *groups;
};

#pragma GCC visibility push(hidden)
/* Counted, as the others below. */
const struct flow_udp_summary *
flow_udp_summary_retain(const struct flow_udp_summary *summary);
#pragma GCC visibility pop
void flow_udp_summary_release(const struct flow_udp_summary *summary);

/* --- The making of a summary (pure) ------------------------------------- */

#pragma GCC visibility push(hidden)
struct flow_builder;

/* `groups` is copied. `classify` (may be NULL: no endpoints at all) decides which
 * outgoing sockets are counted by endpoint; it must be pure. */
struct flow_spec {
  const struct flow_group *groups;
  size_t group_count;
  flow_classifier *classify;
  void *classify_data;
  bool rtt; /* find the round-trip times; they need records with tcp_info */
};

/* Returns 0, -EINVAL (too many groups) or -ENOMEM. */
int flow_builder_new(const struct flow_spec *spec, struct flow_builder **builder);
void flow_builder_free(struct flow_builder *builder);

/* Listening sockets first, then the others: a port counts as inbound once its
 * listener was added. */
void flow_builder_add(struct flow_builder *builder,
                      const struct sock_diag_record *record);

/* Hands over the summary and leaves the builder empty, to be used again.
 * Returns 0 or -ENOMEM. Free with flow_summary_release. */
int flow_builder_finish(struct flow_builder *builder, nanoseconds begun,
                        bool partial, struct flow_summary **summary);
#pragma GCC visibility pop

/* Counted; the last release frees. NULL is fine. */
const struct flow_summary *flow_summary_retain(const struct flow_summary *summary);
void flow_summary_release(const struct flow_summary *summary);

/* --- The pass that the plugins of one daemon share ----------------------- */

/* What a plugin needs of the pass. Told once, at its init. */
struct flow_needs {
  const struct flow_group *groups; /* copied */
  size_t group_count;
  bool tcp_info;
  nanoseconds tcp_info_period; /* not oftener than this; 0: at each pass */
  bool rtt; /* needs tcp_info too, at each pass */
  /* As in flow_spec; one plugin of the process may ask for endpoints. */
  flow_classifier *classify;
  /* Called with the share's mutex held, just before the kernel is asked and just after
   * it has answered, on whichever thread makes the pass. May be NULL. */
  void (*before_pass)(void *data);
  void (*after_pass)(void *data);
  void *data; /* for classify and these */
};

/* A plugin's seat at the shared pass. */
struct flow_member;

/* Returns 0; -EINVAL (too many groups), -EBUSY (endpoints were asked for before) or
 * -ENOMEM. */
int flow_share_join(const struct flow_needs *needs, struct flow_member **member);
void flow_share_leave(struct flow_member *member);

/* The latest summary if it was begun less than `max_age` ago (callers pass half
 * their interval), else a new one. *first_group (may be NULL) is where the
 * member's own groups start in `states`. Returns 0 or -errno. */
int flow_share_take(struct flow_member *member, nanoseconds max_age,
                    const struct flow_summary **summary, size_t *first_group);

/* The same for UDP sockets; the age is that of the last pass over them. */
int flow_share_take_udp(struct flow_member *member, nanoseconds max_age,
                        const struct flow_udp_summary **summary, size_t *first_group);

#pragma GCC visibility pop
#endif
