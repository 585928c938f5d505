/* SPDX-License-Identifier: MIT
 *
 * Reading edge: a netlink socket that asks and reads the whole answer.
 */
#ifndef EGRESS_NETLINK_CHANNEL_H
#define EGRESS_NETLINK_CHANNEL_H

#include "netlink_answer.h"

struct netlink_channel;

/* bus: NETLINK_SOCK_DIAG, NETLINK_NETFILTER. Returns 0 or -errno. */
int netlink_channel_open(int bus, struct netlink_channel **channel);
void netlink_channel_close(struct netlink_channel *channel); /* NULL is fine */

/* Sends the request (its sequence and flags NLM_F_REQUEST are set here) and
 * reads until the answer is complete. callback and data of *answer are set by
 * the caller, the rest is filled. Returns 0, or -errno: what the kernel answered,
 * or what the socket said, or -ETIMEDOUT. After a failure of the socket the next
 * exchange has a new one, so that no remains of this answer are met. */
int netlink_channel_exchange(struct netlink_channel *channel,
                             struct nlmsghdr *request, struct netlink_answer *answer);

#endif
