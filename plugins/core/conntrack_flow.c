/* SPDX-License-Identifier: MIT */
#include "egress/conntrack_flow.h"
#include "netlink_attribute.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

/* Calls `take` for each attribute until it fails. */
static int for_each(struct netlink_attributes row,
                    int (*take)(const struct nlattr *attribute, void *data), void *data) {
  const struct nlattr *attribute;

  for (; (attribute = netlink_attribute(&row)) != NULL; netlink_attribute_next(&row)) {
    int status = take(attribute, data);

    if (status < 0)
      return status;
  }
  return row.left > 0 ? -EBADMSG : 0;
}

/* Numbers are in network order, at places that may not be aligned for them. */
static int read_number32(const struct nlattr *attribute, uint32_t *number) {
  if (netlink_attribute_size(attribute) < sizeof(*number))
    return -EBADMSG;
  memcpy(number, netlink_attribute_data(attribute), sizeof(*number));
  *number = ntohl(*number);
  return 0;
}

static int read_number16(const struct nlattr *attribute, uint16_t *number) {
  if (netlink_attribute_size(attribute) < sizeof(*number))
    return -EBADMSG;
  memcpy(number, netlink_attribute_data(attribute), sizeof(*number));
  *number = ntohs(*number);
  return 0;
}

static int read_number8(const struct nlattr *attribute, uint8_t *number) {
  if (netlink_attribute_size(attribute) < sizeof(*number))
    return -EBADMSG;
  memcpy(number, netlink_attribute_data(attribute), sizeof(*number));
  return 0;
}

/* --- A direction's tuple ------------------------------------------------------------ */

struct tuple {
  uint8_t protocol;
  bool has_source, has_destination;
  struct net_endpoint source, destination;
};

static int take_address(const struct nlattr *attribute, void *data) {
  struct tuple *tuple = data;
  size_t size = netlink_attribute_type(attribute) <= CTA_IP_V4_DST ? 4 : 16;
  bool is_source = netlink_attribute_type(attribute) == CTA_IP_V4_SRC || netlink_attribute_type(attribute) == CTA_IP_V6_SRC;
  struct net_address *address =
      is_source ? &tuple->source.address : &tuple->destination.address;

  if (netlink_attribute_type(attribute) < CTA_IP_V4_SRC || netlink_attribute_type(attribute) > CTA_IP_V6_DST)
    return 0;
  if (netlink_attribute_size(attribute) < size)
    return -EBADMSG;
  *address = size == 4 ? net_address_from_ipv4(netlink_attribute_data(attribute))
                       : net_address_from_ipv6(netlink_attribute_data(attribute));
  *(is_source ? &tuple->has_source : &tuple->has_destination) = true;
  return 0;
}

static int take_protocol(const struct nlattr *attribute, void *data) {
  struct tuple *tuple = data;

  switch (netlink_attribute_type(attribute)) {
  case CTA_PROTO_NUM:
    return read_number8(attribute, &tuple->protocol);
  case CTA_PROTO_SRC_PORT:
    return read_number16(attribute, &tuple->source.port);
  case CTA_PROTO_DST_PORT:
    return read_number16(attribute, &tuple->destination.port);
  default:
    return 0;
  }
}

static int take_tuple_part(const struct nlattr *attribute, void *data) {
  switch (netlink_attribute_type(attribute)) {
  case CTA_TUPLE_IP:
    return for_each(netlink_attributes_in(attribute), take_address, data);
  case CTA_TUPLE_PROTO:
    return for_each(netlink_attributes_in(attribute), take_protocol, data);
  default:
    return 0;
  }
}

static int read_tuple(const struct nlattr *attribute, struct tuple *tuple) {
  *tuple = (struct tuple){.protocol = 0};
  return for_each(netlink_attributes_in(attribute), take_tuple_part, tuple);
}

/* --- The flow ------------------------------------------------------------------------ */

struct pieces {
  struct conntrack_flow *flow;
  struct tuple original, reply;
};

static int take_tcp(const struct nlattr *attribute, void *data) {
  struct conntrack_flow *flow = data;

  return netlink_attribute_type(attribute) == CTA_PROTOINFO_TCP_STATE
             ? read_number8(attribute, &flow->tcp_state)
             : 0;
}

static int take_protocol_info(const struct nlattr *attribute, void *data) {
  return netlink_attribute_type(attribute) == CTA_PROTOINFO_TCP
             ? for_each(netlink_attributes_in(attribute), take_tcp, data)
             : 0;
}

static int take_status(const struct nlattr *attribute, struct conntrack_flow *flow) {
  uint32_t status = 0;
  int result = read_number32(attribute, &status);

  flow->seen_reply = status & IPS_SEEN_REPLY;
  flow->assured = status & IPS_ASSURED;
  return result;
}

static int take_piece(const struct nlattr *attribute, void *data) {
  struct pieces *pieces = data;
  struct conntrack_flow *flow = pieces->flow;

  switch (netlink_attribute_type(attribute)) {
  case CTA_TUPLE_ORIG:
    return read_tuple(attribute, &pieces->original);
  case CTA_TUPLE_REPLY:
    return read_tuple(attribute, &pieces->reply);
  case CTA_STATUS:
    return take_status(attribute, flow);
  case CTA_TIMEOUT:
    flow->has_timeout = true;
    return read_number32(attribute, &flow->timeout);
  case CTA_PROTOINFO:
    return for_each(netlink_attributes_in(attribute), take_protocol_info, flow);
  default:
    return 0;
  }
}

static bool is_whole(const struct tuple *tuple) {
  return tuple->has_source && tuple->has_destination;
}

static int put_together(const struct pieces *pieces) {
  struct conntrack_flow *flow = pieces->flow;

  if (!is_whole(&pieces->original) || !is_whole(&pieces->reply) ||
      pieces->original.protocol == 0 ||
      pieces->original.protocol != pieces->reply.protocol ||
      flow->tcp_state >= CONNTRACK_TCP_STATES)
    return -EBADMSG;
  flow->protocol = pieces->original.protocol;
  flow->source = pieces->original.source;
  flow->destination = pieces->original.destination;
  flow->reply_source = pieces->reply.source;
  flow->reply_destination = pieces->reply.destination;
  return 0;
}

int conntrack_parse_flow(const struct nlmsghdr *message, struct conntrack_flow *flow) {
  struct pieces pieces = {.flow = flow};
  int status;

  *flow = (struct conntrack_flow){.protocol = 0};
  if (message->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
      message->nlmsg_len < NLMSG_SPACE(sizeof(struct nfgenmsg)))
    return -EBADMSG;
  status = for_each(netlink_attributes_of(message, sizeof(struct nfgenmsg)), take_piece,
                    &pieces);
  return status < 0 ? status : put_together(&pieces);
}
