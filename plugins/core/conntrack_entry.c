/* SPDX-License-Identifier: MIT
 *
 * One entry of a conntrack dump. By hand, and of its twenty attributes three: a
 * library that keeps them all takes longer than the kernel.
 */
#include "egress/conntrack.h"
#include "netlink_attribute.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

/* TCP's as conntrack(8) has them; so is UNREPLIED, and ASSURED. */
const char *const conntrack_state_names[CONNTRACK_STATE_COUNT] = {
    [CONNTRACK_TCP_NONE] = "TCP_NONE",
    [CONNTRACK_TCP_SYN_SENT] = "TCP_SYN_SENT",
    [CONNTRACK_TCP_SYN_RECV] = "TCP_SYN_RECV",
    [CONNTRACK_TCP_ESTABLISHED] = "TCP_ESTABLISHED",
    [CONNTRACK_TCP_FIN_WAIT] = "TCP_FIN_WAIT",
    [CONNTRACK_TCP_CLOSE_WAIT] = "TCP_CLOSE_WAIT",
    [CONNTRACK_TCP_LAST_ACK] = "TCP_LAST_ACK",
    [CONNTRACK_TCP_TIME_WAIT] = "TCP_TIME_WAIT",
    [CONNTRACK_TCP_CLOSE] = "TCP_CLOSE",
    [CONNTRACK_TCP_SYN_SENT2] = "TCP_SYN_SENT2",
    [CONNTRACK_UDP_UNREPLIED] = "UDP_UNREPLIED",
    [CONNTRACK_UDP_REPLIED] = "UDP_REPLIED",
    [CONNTRACK_UDP_ASSURED] = "UDP_ASSURED",
    [CONNTRACK_ICMP_UNREPLIED] = "ICMP_UNREPLIED",
    [CONNTRACK_ICMP_REPLIED] = "ICMP_REPLIED",
    [CONNTRACK_ICMP_ASSURED] = "ICMP_ASSURED",
    [CONNTRACK_OTHER_UNREPLIED] = "OTHER_UNREPLIED",
    [CONNTRACK_OTHER_REPLIED] = "OTHER_REPLIED",
    [CONNTRACK_OTHER_ASSURED] = "OTHER_ASSURED",
};

/* What is taken of an entry; a field that was not there stays as it is here. */
struct entry {
  bool has_protocol;
  uint8_t protocol;
  uint8_t tcp_state;
  uint32_t status; /* bits of enum ip_conntrack_status */
};

static bool take_byte(const struct nlattr *attribute, uint8_t *byte) {
  if (!attribute || netlink_attribute_size(attribute) < sizeof(*byte))
    return false;
  memcpy(byte, netlink_attribute_data(attribute), sizeof(*byte));
  return true;
}

static void take_protocol(const struct nlattr *tuple, struct entry *entry) {
  const struct nlattr *protocol =
      netlink_attribute_find(netlink_attributes_in(tuple), CTA_TUPLE_PROTO);

  if (protocol)
    entry->has_protocol = take_byte(
        netlink_attribute_find(netlink_attributes_in(protocol), CTA_PROTO_NUM),
        &entry->protocol);
}

static void take_tcp_state(const struct nlattr *info, struct entry *entry) {
  const struct nlattr *tcp =
      netlink_attribute_find(netlink_attributes_in(info), CTA_PROTOINFO_TCP);

  if (tcp)
    take_byte(netlink_attribute_find(netlink_attributes_in(tcp), CTA_PROTOINFO_TCP_STATE),
              &entry->tcp_state);
}

static void take_status(const struct nlattr *attribute, struct entry *entry) {
  uint32_t status;

  if (netlink_attribute_size(attribute) < sizeof(status))
    return;
  memcpy(&status, netlink_attribute_data(attribute), sizeof(status));
  entry->status = ntohl(status);
}

static void take_attribute(const struct nlattr *attribute, struct entry *entry) {
  switch (netlink_attribute_type(attribute)) {
  case CTA_TUPLE_ORIG:
    take_protocol(attribute, entry);
    break;
  case CTA_STATUS:
    take_status(attribute, entry);
    break;
  case CTA_PROTOINFO:
    take_tcp_state(attribute, entry);
    break;
  default:
    break;
  }
}

static enum conntrack_state state_by_status(enum conntrack_state unreplied,
                                            uint32_t status) {
  if (!(status & IPS_SEEN_REPLY))
    return unreplied;
  return status & IPS_ASSURED ? unreplied + 2 : unreplied + 1;
}

static enum conntrack_state state_of(const struct entry *entry) {
  switch (entry->protocol) {
  case IPPROTO_TCP:
    return entry->tcp_state <= TCP_CONNTRACK_SYN_SENT2
               ? CONNTRACK_TCP_NONE + entry->tcp_state
               : CONNTRACK_TCP_NONE;
  case IPPROTO_UDP:
    return state_by_status(CONNTRACK_UDP_UNREPLIED, entry->status);
  case IPPROTO_ICMP:
  case IPPROTO_ICMPV6:
    return state_by_status(CONNTRACK_ICMP_UNREPLIED, entry->status);
  default:
    return state_by_status(CONNTRACK_OTHER_UNREPLIED, entry->status);
  }
}

int conntrack_parse_entry(const struct nlmsghdr *message, enum conntrack_state *state) {
  struct entry entry = {.has_protocol = false};
  struct netlink_attributes row;
  const struct nlattr *attribute;

  if (message->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
      message->nlmsg_len < NLMSG_SPACE(sizeof(struct nfgenmsg)))
    return -EBADMSG;
  row = netlink_attributes_of(message, sizeof(struct nfgenmsg));
  for (; (attribute = netlink_attribute(&row)) != NULL; netlink_attribute_next(&row))
    take_attribute(attribute, &entry);
  if (row.left > 0 || !entry.has_protocol)
    return -EBADMSG;
  *state = state_of(&entry);
  return 0;
}
