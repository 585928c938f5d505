/* SPDX-License-Identifier: MIT */
#include "egress/sock_diag.h"

#include "netlink_attribute.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>

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

static void parse_numbers(const struct inet_diag_msg *socket,
                          struct sock_diag_record *record) {
  record->state = socket->idiag_state;
  record->timer = socket->idiag_timer;
  record->retransmits = socket->idiag_retrans;
  record->minisocket = socket->idiag_state == TCP_STATE_TIME_WAIT ||
                       (socket->idiag_state == TCP_STATE_FIN_WAIT2 &&
                        socket->idiag_timer == SOCK_DIAG_TIME_WAIT);
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
  size_t size = netlink_attribute_size(attribute);

  if (size > sizeof(record->info_copy))
    size = sizeof(record->info_copy);
  memcpy(&record->info_copy, netlink_attribute_data(attribute), size);
  memset((char *)&record->info_copy + size, 0, sizeof(record->info_copy) - size);
  record->info = &record->info_copy;
  record->info_size = size;
}

static int parse_attributes(const struct nlmsghdr *message,
                            struct sock_diag_record *record) {
  struct netlink_attributes row =
      netlink_attributes_of(message, sizeof(struct inet_diag_msg));
  const struct nlattr *attribute;

  for (; (attribute = netlink_attribute(&row)) != NULL; netlink_attribute_next(&row))
    if (netlink_attribute_type(attribute) == INET_DIAG_INFO)
      copy_info(attribute, record);
  return row.left > 0 ? -EBADMSG : 0;
}

int sock_diag_parse_socket(const struct nlmsghdr *message,
                           struct sock_diag_record *record) {
  const struct inet_diag_msg *socket = netlink_payload(message);

  record->info = NULL;
  record->info_size = 0;
  if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*socket)))
    return -EBADMSG;
  if (socket->idiag_state == 0 || socket->idiag_state >= TCP_STATE_COUNT)
    return -EBADMSG;
  if (!parse_endpoints(socket, record))
    return -EAFNOSUPPORT;
  parse_numbers(socket, record);
  return 0;
}

int sock_diag_parse(const struct nlmsghdr *message, struct sock_diag_record *record) {
  int status = sock_diag_parse_socket(message, record);

  return status < 0 ? status : parse_attributes(message, record);
}
