/* SPDX-License-Identifier: MIT */
#include "egress/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

const char *const conntrack_event_names[CONNTRACK_EVENT_COUNT] = {
    [CONNTRACK_FOUND] = "found",
    [CONNTRACK_INVALID] = "invalid",
    [CONNTRACK_INSERT_FAILED] = "insert_failed",
    [CONNTRACK_DROP] = "drop",
    [CONNTRACK_EARLY_DROP] = "early_drop",
    [CONNTRACK_ERROR] = "error",
    [CONNTRACK_SEARCH_RESTART] = "search_restart",
    [CONNTRACK_CLASH_RESOLVE] = "clash_resolve",
    [CONNTRACK_CHAIN_TOOLONG] = "chain_toolong",
};

/* Kernels before 5.15 have no CTA_STATS_CHAIN_TOOLONG, nor have their headers. */
#define STATS_CHAIN_TOOLONG (CTA_STATS_CLASH_RESOLVE + 1)

/* The event behind an attribute of a CPU's message, CONNTRACK_EVENT_COUNT for
 * those that the kernel no longer counts. */
static enum conntrack_event event_of(uint16_t attribute) {
  switch (attribute) {
  case CTA_STATS_FOUND:
    return CONNTRACK_FOUND;
  case CTA_STATS_INVALID:
    return CONNTRACK_INVALID;
  case CTA_STATS_INSERT_FAILED:
    return CONNTRACK_INSERT_FAILED;
  case CTA_STATS_DROP:
    return CONNTRACK_DROP;
  case CTA_STATS_EARLY_DROP:
    return CONNTRACK_EARLY_DROP;
  case CTA_STATS_ERROR:
    return CONNTRACK_ERROR;
  case CTA_STATS_SEARCH_RESTART:
    return CONNTRACK_SEARCH_RESTART;
  case CTA_STATS_CLASH_RESOLVE:
    return CONNTRACK_CLASH_RESOLVE;
  case STATS_CHAIN_TOOLONG:
    return CONNTRACK_CHAIN_TOOLONG;
  default:
    return CONNTRACK_EVENT_COUNT;
  }
}

/* Calls `take` for each attribute that holds a 32-bit number. */
static int for_each_number(const struct nlmsghdr *message,
                           void (*take)(uint16_t type, uint32_t number, void *data),
                           void *data) {
  const struct nlattr *attribute =
      mnl_nlmsg_get_payload_offset(message, sizeof(struct nfgenmsg));
  int left = (int)((const char *)message + message->nlmsg_len - (const char *)attribute);

  while (mnl_attr_ok(attribute, left)) {
    if (mnl_attr_get_payload_len(attribute) < sizeof(uint32_t))
      return -EBADMSG;
    take(mnl_attr_get_type(attribute), ntohl(mnl_attr_get_u32(attribute)), data);
    left -= (int)MNL_ALIGN(attribute->nla_len);
    attribute = mnl_attr_next(attribute);
  }
  return left > 0 ? -EBADMSG : 0;
}

static bool is_of_type(const struct nlmsghdr *message, unsigned type) {
  return message->nlmsg_type == (NFNL_SUBSYS_CTNETLINK << 8 | type) &&
         message->nlmsg_len >= mnl_nlmsg_size(sizeof(struct nfgenmsg));
}

struct table_numbers {
  struct conntrack_table *table;
  bool has_entries;
};

static void take_table_number(uint16_t type, uint32_t number, void *data) {
  struct table_numbers *numbers = data;

  if (type == CTA_STATS_GLOBAL_ENTRIES) {
    numbers->table->entries = number;
    numbers->has_entries = true;
  } else if (type == CTA_STATS_GLOBAL_MAX_ENTRIES) {
    numbers->table->maximum = number;
  }
}

int conntrack_parse_table(const struct nlmsghdr *message, struct conntrack_table *table) {
  struct table_numbers numbers = {table, false};

  *table = (struct conntrack_table){0};
  if (!is_of_type(message, IPCTNL_MSG_CT_GET_STATS) ||
      for_each_number(message, take_table_number, &numbers) < 0)
    return -EBADMSG;
  return numbers.has_entries ? 0 : -EBADMSG;
}

static void take_cpu_number(uint16_t type, uint32_t number, void *data) {
  struct conntrack_cpu *cpu = data;
  enum conntrack_event event = event_of(type);

  if (event == CONNTRACK_EVENT_COUNT)
    return;
  cpu->events[event] = number;
  cpu->present |= 1u << event;
}

int conntrack_parse_cpu(const struct nlmsghdr *message, struct conntrack_cpu *cpu) {
  const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);

  *cpu = (struct conntrack_cpu){0};
  if (!is_of_type(message, IPCTNL_MSG_CT_GET_STATS_CPU))
    return -EBADMSG;
  cpu->cpu = ntohs(header->res_id);
  return for_each_number(message, take_cpu_number, cpu);
}
