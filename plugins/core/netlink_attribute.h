/* SPDX-License-Identifier: MIT
 *
 * Payload and attributes of a netlink message, inline (pure). libmnl's are calls into
 * another library, five for each attribute, and a pass has a million of them.
 */
#ifndef EGRESS_NETLINK_ATTRIBUTE_H
#define EGRESS_NETLINK_ATTRIBUTE_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline const void *netlink_payload(const struct nlmsghdr *message) {
  return (const char *)message + NLMSG_HDRLEN;
}

/* What is left of a row of attributes. */
struct netlink_attributes {
  const struct nlattr *at;
  int left; /* bytes; after the last attribute up to 3 less than none */
};

/* Those of a message after its own header of `header` bytes, which it must have. */
static inline struct netlink_attributes
netlink_attributes_of(const struct nlmsghdr *message, size_t header) {
  const void *first = (const char *)message + NLMSG_SPACE(header);

  return (struct netlink_attributes){
      first, (int)message->nlmsg_len - (int)NLMSG_SPACE(header)};
}

/* The current attribute; NULL where there is none, or it is cut. */
static inline const struct nlattr *
netlink_attribute(const struct netlink_attributes *row) {
  if (row->left < (int)sizeof(*row->at) || row->at->nla_len < sizeof(*row->at) ||
      row->at->nla_len > row->left)
    return NULL;
  return row->at;
}

/* Goes on to the one after the current attribute, which is not NULL. */
static inline void netlink_attribute_next(struct netlink_attributes *row) {
  const void *next = (const char *)row->at + NLA_ALIGN(row->at->nla_len);

  row->left -= (int)NLA_ALIGN(row->at->nla_len);
  row->at = next;
}

static inline unsigned netlink_attribute_type(const struct nlattr *attribute) {
  return attribute->nla_type & NLA_TYPE_MASK;
}

static inline const void *netlink_attribute_data(const struct nlattr *attribute) {
  return (const char *)attribute + NLA_HDRLEN;
}

static inline size_t netlink_attribute_size(const struct nlattr *attribute) {
  return attribute->nla_len - (size_t)NLA_HDRLEN;
}

/* The attributes inside of one. */
static inline struct netlink_attributes
netlink_attributes_in(const struct nlattr *attribute) {
  return (struct netlink_attributes){netlink_attribute_data(attribute),
                                     (int)netlink_attribute_size(attribute)};
}

/* The first attribute of a type; NULL if there is none. */
static inline const struct nlattr *netlink_attribute_find(struct netlink_attributes row,
                                                          unsigned type) {
  const struct nlattr *attribute;

  while ((attribute = netlink_attribute(&row)) != NULL) {
    if (netlink_attribute_type(attribute) == type)
      return attribute;
    netlink_attribute_next(&row);
  }
  return NULL;
}

#endif
