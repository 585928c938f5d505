/* SPDX-License-Identifier: MIT */
#include "egress/sock_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>

/* idiag_timer of what inet_twsk_diag_fill() describes (net/ipv4/inet_diag.c). */
#define TIMER_TIME_WAIT 3

static bool parse_endpoints(const struct inet_diag_msg *socket,
                            struct sock_diag_record *record) {
  const struct inet_diag_sockid *id = &socket->id;

  switch (socket->idiag_family) {
  case AF_INET:
    record->local.address = net_address_from_ipv4(id->idiag_src);
    record->remote.address = net_address_from_ipv4(id->idiag_dst);
    break;
  case AF_INET6:
    record->local.address = net_address_from_ipv6(id->idiag_src);
    record->remote.address = net_address_from_ipv6(id->idiag_dst);
    break;
  default:
    return false;
  }
  record->local.port = ntohs(id->idiag_sport);
  record->remote.port = ntohs(id->idiag_dport);
  return true;
}

static void parse_socket(const struct inet_diag_msg *socket,
                         struct sock_diag_record *record) {
  record->state = socket->idiag_state;
  record->timer = socket->idiag_timer;
  record->retransmits = socket->idiag_retrans;
  record->minisocket = socket->idiag_state == TCP_STATE_TIME_WAIT ||
                       (socket->idiag_state == TCP_STATE_FIN_WAIT2 &&
                        socket->idiag_timer == TIMER_TIME_WAIT);
  record->expires_ms = socket->idiag_expires;
  record->receive_queue = socket->idiag_rqueue;
  record->send_queue = socket->idiag_wqueue;
  record->inode = socket->idiag_inode;
  record->cookie = socket->id.idiag_cookie[0] |
                   (uint64_t)socket->id.idiag_cookie[1] << 32;
}

/* Attributes stand at multiples of 4 bytes, struct tcp_info wants 8: hence a
 * copy. An older kernel's is shorter, a newer one's longer. */
static void copy_info(const struct nlattr *attribute, struct sock_diag_record *record) {
  size_t size = mnl_attr_get_payload_len(attribute);

  if (size > sizeof(record->info_copy))
    size = sizeof(record->info_copy);
  memcpy(&record->info_copy, mnl_attr_get_payload(attribute), size);
  memset((char *)&record->info_copy + size, 0, sizeof(record->info_copy) - size);
  record->info = &record->info_copy;
  record->info_size = size;
}

static int parse_attributes(const struct nlmsghdr *message,
                            struct sock_diag_record *record) {
  const struct nlattr *attribute =
      mnl_nlmsg_get_payload_offset(message, sizeof(struct inet_diag_msg));
  int left = (int)((const char *)message + message->nlmsg_len - (const char *)attribute);

  while (mnl_attr_ok(attribute, left)) {
    if (mnl_attr_get_type(attribute) == INET_DIAG_INFO)
      copy_info(attribute, record);
    left -= (int)MNL_ALIGN(attribute->nla_len);
    attribute = mnl_attr_next(attribute);
  }
  return left > 0 ? -EBADMSG : 0;
}

int sock_diag_parse(const struct nlmsghdr *message, struct sock_diag_record *record) {
  const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(message);

  record->info = NULL;
  record->info_size = 0;
  if (message->nlmsg_len < mnl_nlmsg_size(sizeof(*socket)))
    return -EBADMSG;
  if (socket->idiag_state == 0 || socket->idiag_state >= TCP_STATE_COUNT)
    return -EBADMSG;
  if (!parse_endpoints(socket, record))
    return -EAFNOSUPPORT;
  parse_socket(socket, record);
  return parse_attributes(message, record);
}
