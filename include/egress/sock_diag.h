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

/* The timers of a socket as the kernel numbers them (inet_sk_diag_fill() and
 * inet_twsk_diag_fill() in net/ipv4/inet_diag.c). */
enum sock_diag_timer {
  SOCK_DIAG_RETRANSMISSION = 1,
  SOCK_DIAG_KEEPALIVE,
  SOCK_DIAG_TIME_WAIT,
  SOCK_DIAG_WINDOW_PROBE,
};

/* One socket. Valid during the callback only: a copy's `info` points into the
 * original. */
struct sock_diag_record {
  struct net_endpoint local, remote;
  uint8_t state;   /* enum tcp_state */
  uint8_t timer;   /* enum sock_diag_timer; 0: none runs */
  uint8_t retransmits; /* how often that timer has expired without an answer */
  bool minisocket; /* TIME_WAIT, or FIN_WAIT2 kept as one: no full socket left */
  uint32_t expires_ms; /* left of `timer` */
  uint32_t receive_queue; /* bytes; LISTEN: connections in the accept queue */
  uint32_t send_queue;    /* bytes; LISTEN: the accept queue's limit */
  uint32_t inode;
  uint64_t cookie;
  const struct tcp_info *info; /* NULL unless asked for and sent */
  size_t info_size;            /* bytes of it that the kernel sent; the rest is 0 */
  struct tcp_info info_copy;   /* what `info` points to: aligned, as attributes are not */
};

/* Whether it has sent something again because nobody had acknowledged it, and
 * still waits: its retransmission timer has expired since the last acknowledgement.
 * The same number counts probes while another timer runs: those are no
 * retransmissions. */
static inline bool sock_diag_is_retransmitting(const struct sock_diag_record *record) {
  return record->timer == SOCK_DIAG_RETRANSMISSION && record->retransmits > 0;
}

struct sock_diag_request {
  uint32_t states; /* bit N: enum tcp_state N */
  bool tcp_info;   /* TCP alone */
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

/* The same for UDP sockets: connected ones are in state ESTABLISHED, others in
 * CLOSE. Without the module udp_diag: -ENOENT. */
int sock_diag_dump_udp(struct sock_diag *diag, const struct sock_diag_request *request,
                       sock_diag_callback *callback, void *data,
                       struct sock_diag_result *result);

/* The parser alone: the payload of one message, of a dump or of a close event.
 * Returns 0, -EBADMSG (cut or inconsistent), or -EAFNOSUPPORT. The second one does
 * not look at the attributes, where tcp_info is: most of the work. */
int sock_diag_parse(const struct nlmsghdr *message, struct sock_diag_record *record);
#pragma GCC visibility push(hidden)
int sock_diag_parse_socket(const struct nlmsghdr *message, struct sock_diag_record *record);
#pragma GCC visibility pop

#pragma GCC visibility pop
#endif
