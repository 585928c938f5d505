/* SPDX-License-Identifier: MIT */
#include "egress/conntrack_entry.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

/* Attributes of one level. A walk of our own: a full table has a hundred thousand
 * messages of thirty attributes, and libmnl's calls cost more than the parsing. */
struct attributes {
  const char *next;
  size_t left;
};

struct attribute {
  uint16_t type;
  uint16_t size;
  const char *payload;
};

static size_t aligned(size_t length) { return NLA_ALIGN(length); }

/* The next attribute. Returns 1, 0 at the end, or -EBADMSG where one is cut. */
static int next_attribute(struct attributes *attributes, struct attribute *attribute) {
  struct nlattr header;
  size_t whole;

  if (attributes->left == 0)
    return 0;
  if (attributes->left < sizeof(header))
    return -EBADMSG;
  memcpy(&header, attributes->next, sizeof(header));
  if (header.nla_len < sizeof(header) || header.nla_len > attributes->left)
    return -EBADMSG;
  attribute->type = header.nla_type & NLA_TYPE_MASK;
  attribute->size = (uint16_t)(header.nla_len - sizeof(header));
  attribute->payload = attributes->next + sizeof(header);
  whole = aligned(header.nla_len);
  if (whole > attributes->left)
    whole = attributes->left; /* the last one needs no padding */
  attributes->next += whole;
  attributes->left -= whole;
  return 1;
}

static struct attributes inside(const struct attribute *attribute) {
  return (struct attributes){attribute->payload, attribute->size};
}

/* Calls `take` for each attribute until it fails. */
static int for_each(struct attributes attributes,
                    int (*take)(const struct attribute *attribute, void *data),
                    void *data) {
  struct attribute attribute;
  int status;

  while ((status = next_attribute(&attributes, &attribute)) == 1) {
    status = take(&attribute, data);
    if (status < 0)
      return status;
  }
  return status;
}

/* Numbers are in network order, at places that may not be aligned for them. */
static int read_number32(const struct attribute *attribute, uint32_t *number) {
  if (attribute->size < sizeof(*number))
    return -EBADMSG;
  memcpy(number, attribute->payload, sizeof(*number));
  *number = ntohl(*number);
  return 0;
}

static int read_number16(const struct attribute *attribute, uint16_t *number) {
  if (attribute->size < sizeof(*number))
    return -EBADMSG;
  memcpy(number, attribute->payload, sizeof(*number));
  *number = ntohs(*number);
  return 0;
}

static int read_number8(const struct attribute *attribute, uint8_t *number) {
  if (attribute->size < sizeof(*number))
    return -EBADMSG;
  memcpy(number, attribute->payload, sizeof(*number));
  return 0;
}

/* --- A direction's tuple ------------------------------------------------------------ */

struct tuple {
  uint8_t protocol;
  bool has_source, has_destination;
  struct net_endpoint source, destination;
};

static int take_address(const struct attribute *attribute, void *data) {
  struct tuple *tuple = data;
  size_t size = attribute->type <= CTA_IP_V4_DST ? 4 : 16;
  bool is_source = attribute->type == CTA_IP_V4_SRC || attribute->type == CTA_IP_V6_SRC;
  struct net_address *address =
      is_source ? &tuple->source.address : &tuple->destination.address;

  if (attribute->type < CTA_IP_V4_SRC || attribute->type > CTA_IP_V6_DST)
    return 0;
  if (attribute->size < size)
    return -EBADMSG;
  *address = size == 4 ? net_address_from_ipv4(attribute->payload)
                       : net_address_from_ipv6(attribute->payload);
  *(is_source ? &tuple->has_source : &tuple->has_destination) = true;
  return 0;
}

static int take_protocol(const struct attribute *attribute, void *data) {
  struct tuple *tuple = data;

  switch (attribute->type) {
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

static int take_tuple_part(const struct attribute *attribute, void *data) {
  switch (attribute->type) {
  case CTA_TUPLE_IP:
    return for_each(inside(attribute), take_address, data);
  case CTA_TUPLE_PROTO:
    return for_each(inside(attribute), take_protocol, data);
  default:
    return 0;
  }
}

static int read_tuple(const struct attribute *attribute, struct tuple *tuple) {
  *tuple = (struct tuple){.protocol = 0};
  return for_each(inside(attribute), take_tuple_part, tuple);
}

/* --- The entry ------------------------------------------------------------------------ */

struct pieces {
  struct conntrack_entry *entry;
  struct tuple original, reply;
};

static int take_tcp(const struct attribute *attribute, void *data) {
  struct conntrack_entry *entry = data;

  return attribute->type == CTA_PROTOINFO_TCP_STATE
             ? read_number8(attribute, &entry->tcp_state)
             : 0;
}

static int take_protocol_info(const struct attribute *attribute, void *data) {
  return attribute->type == CTA_PROTOINFO_TCP
             ? for_each(inside(attribute), take_tcp, data)
             : 0;
}

static int take_status(const struct attribute *attribute, struct conntrack_entry *entry) {
  uint32_t status = 0;
  int result = read_number32(attribute, &status);

  entry->seen_reply = status & IPS_SEEN_REPLY;
  entry->assured = status & IPS_ASSURED;
  return result;
}

static int take_piece(const struct attribute *attribute, void *data) {
  struct pieces *pieces = data;
  struct conntrack_entry *entry = pieces->entry;

  switch (attribute->type) {
  case CTA_TUPLE_ORIG:
    return read_tuple(attribute, &pieces->original);
  case CTA_TUPLE_REPLY:
    return read_tuple(attribute, &pieces->reply);
  case CTA_STATUS:
    return take_status(attribute, entry);
  case CTA_TIMEOUT:
    entry->has_timeout = true;
    return read_number32(attribute, &entry->timeout);
  case CTA_PROTOINFO:
    return for_each(inside(attribute), take_protocol_info, entry);
  default:
    return 0;
  }
}

static bool is_whole(const struct tuple *tuple) {
  return tuple->has_source && tuple->has_destination;
}

static int put_together(const struct pieces *pieces) {
  struct conntrack_entry *entry = pieces->entry;

  if (!is_whole(&pieces->original) || !is_whole(&pieces->reply) ||
      pieces->original.protocol == 0 ||
      pieces->original.protocol != pieces->reply.protocol ||
      entry->tcp_state >= CONNTRACK_TCP_STATES)
    return -EBADMSG;
  entry->protocol = pieces->original.protocol;
  entry->source = pieces->original.source;
  entry->destination = pieces->original.destination;
  entry->reply_source = pieces->reply.source;
  entry->reply_destination = pieces->reply.destination;
  return 0;
}

int conntrack_parse_entry(const struct nlmsghdr *message, struct conntrack_entry *entry) {
  const size_t head = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
  struct pieces pieces = {.entry = entry};
  struct attributes attributes;
  int status;

  *entry = (struct conntrack_entry){.protocol = 0};
  if (message->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
      message->nlmsg_len < head)
    return -EBADMSG;
  attributes = (struct attributes){(const char *)message + head,
                                   message->nlmsg_len - head};
  status = for_each(attributes, take_piece, &pieces);
  return status < 0 ? status : put_together(&pieces);
}
