/* SPDX-License-Identifier: MIT
 *
 * Reading edge: TCP and UDP sockets from the kernel, through sock_diag(7).
 */
#ifndef EGRESS_SOCK_DIAG_H
#define EGRESS_SOCK_DIAG_H

#include "egress/address.h"

#include <linux/netlink.h>
#include <linux/tcp.h>

#pragma GCC visibility push(default)

/* TCP states as the kernel numbers them (include/net/tcp_states.h). */
enum tcp_state {
  TCP_STATE_ESTABLISHED = 1,
  TCP_STATE_SYN_SENT,
  TCP_STATE_SYN_RECEIVED,
  TCP_STATE_FIN_WAIT1,
  TCP_STATE_FIN_WAIT2,
  TCP_STATE_TIME_WAIT,
  TCP_STATE_CLOSE,
  TCP_STATE_CLOSE_WAIT,
  TCP_STATE_LAST_ACK,
  TCP_STATE_LISTEN,
  TCP_STATE_CLOSING,
};
#define TCP_STATE_COUNT 12 /* state 0 is none */
/* Every state but 12 (TCP_NEW_SYN_RECV) and 13 (TCP_BOUND_INACTIVE: bound but
 * unconnected sockets, which a full mask returns as CLOSE and ss does not). */
#define TCP_STATES_ALL 0xffeu

/* One socket. Valid during the callback only: a copy's `info` points into the
 * original. */
struct sock_diag_record {
  struct net_endpoint local, remote;
  uint8_t state;   /* enum tcp_state */
  uint8_t timer;   /* 1 retransmission, 3 TIME_WAIT minisocket */
  uint8_t retransmits;
  bool minisocket; /* TIME_WAIT, or FIN_WAIT2 kept as one: no full socket left */
  uint32_t expires_ms; /* left of `timer` */
  uint32_t receive_queue; /* LISTEN: connections waiting in the accept queue */
  uint32_t send_queue;    /* LISTEN: the accept queue's limit */
  uint32_t inode;
  uint64_t cookie;
  const struct tcp_info *info; /* NULL unless asked for and sent */
  size_t info_size;            /* bytes of it that the kernel sent; the rest is 0 */
  struct tcp_info info_copy;   /* what `info` points to: aligned, as attributes are not */
};

struct sock_diag_request {
  uint32_t states; /* bit N: enum tcp_state N */
  bool tcp_info;
};

struct sock_diag_result {
  uint64_t sockets;  /* records delivered */
  unsigned requests; /* dump requests sent */
  bool partial;      /* interrupted (NLM_F_DUMP_INTR), or failed part way */
  unsigned malformed; /* messages left out because they were cut or inconsistent */
};

typedef void sock_diag_callback(const struct sock_diag_record *record, void *data);

/* An open NETLINK_SOCK_DIAG socket and its buffer. */
struct sock_diag;

/* Returns 0 and *diag, or -errno (-EPROTONOSUPPORT: a kernel without it). */
int sock_diag_open(struct sock_diag **diag);
void sock_diag_close(struct sock_diag *diag);

/* One pass over the TCP sockets of this network namespace, both families.
 * Returns 0, or -errno when nothing could be read; *result is always filled. */
int sock_diag_dump_tcp(struct sock_diag *diag, const struct sock_diag_request *request,
                       sock_diag_callback *callback, void *data,
                       struct sock_diag_result *result);

/* The UDP sockets that are connected, the same. One whose remote end is not fixed by
 * connect() is not among them. */
int sock_diag_dump_udp(struct sock_diag *diag, sock_diag_callback *callback, void *data,
                       struct sock_diag_result *result);

/* The parser alone: the payload of one message, of a dump or of a close event.
 * Returns 0, -EBADMSG (cut or inconsistent), or -EAFNOSUPPORT. */
int sock_diag_parse(const struct nlmsghdr *message, struct sock_diag_record *record);

#pragma GCC visibility pop
#endif
