/* SPDX-License-Identifier: MIT
 *
 * The kernel's answer to one netlink request, message by message (pure). A
 * loop of our own instead of libmnl's callbacks: those ignore the errno inside
 * NLMSG_DONE, so that a failed dump looks empty, and break off at the first
 * message marked NLM_F_DUMP_INTR, leaving the rest in the socket.
 */
#ifndef EGRESS_NETLINK_ANSWER_H
#define EGRESS_NETLINK_ANSWER_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes one message with data; its header's length is within the buffer.
 * Returns 0, or -EBADMSG for a message to be counted as malformed. */
typedef int netlink_message_callback(const struct nlmsghdr *message, void *data);

struct netlink_answer {
  uint32_t sequence; /* of the request; others are answers to earlier ones */
  uint32_t port;     /* of our socket */
  netlink_message_callback *callback;
  void *data;
  /* What was found so far. */
  uint64_t messages;  /* with data, well formed */
  unsigned malformed; /* cut, or refused by the callback */
  bool incomplete;    /* interrupted, or messages were lost on the way */
};

#define NETLINK_ANSWER_MORE 1

/* Reads one datagram, aligned as malloc aligns. Returns NETLINK_ANSWER_MORE,
 * 0 when the answer is complete, or the -errno that the kernel ended it with. */
int netlink_answer_feed(struct netlink_answer *answer, const void *datagram,
                        size_t size);

#endif
