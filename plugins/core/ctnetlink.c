/* SPDX-License-Identifier: MIT */
#include "egress/conntrack_entry.h"
#include "netlink_channel.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <sys/socket.h>

struct conntrack {
  struct netlink_channel *channel;
};

int conntrack_open(struct conntrack **conntrack) {
  struct conntrack *opened = calloc(1, sizeof(*opened));
  int status;

  if (!opened)
    return -ENOMEM;
  status = netlink_channel_open(NETLINK_NETFILTER, &opened->channel);
  if (status < 0) {
    free(opened);
    return status;
  }
  *conntrack = opened;
  return 0;
}

void conntrack_close(struct conntrack *conntrack) {
  if (!conntrack)
    return;
  netlink_channel_close(conntrack->channel);
  free(conntrack);
}

/* A request has a header and no attributes. */
static int ask(struct conntrack *conntrack, unsigned type, uint16_t flags,
               struct netlink_answer *answer) {
  _Alignas(struct nlmsghdr) char
      buffer[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg))];
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

  message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
  message->nlmsg_flags = flags;
  header->nfgen_family = AF_UNSPEC;
  header->version = NFNETLINK_V0;
  return netlink_channel_exchange(conntrack->channel, message, answer);
}

static int take_table(const struct nlmsghdr *message, void *data) {
  return conntrack_parse_table(message, data);
}

/* The answer is one message; the acknowledgement asked for marks its end. */
int conntrack_read_table(struct conntrack *conntrack, struct conntrack_table *table) {
  struct netlink_answer answer = {.callback = take_table, .data = table};
  int status = ask(conntrack, IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK, &answer);

  if (status < 0)
    return status;
  return answer.messages == 1 ? 0 : -EBADMSG;
}

struct cpu_reader {
  void (*callback)(const struct conntrack_cpu *cpu, void *data);
  void *data;
};

static int take_cpu(const struct nlmsghdr *message, void *data) {
  const struct cpu_reader *reader = data;
  struct conntrack_cpu cpu;
  int status = conntrack_parse_cpu(message, &cpu);

  if (status == 0)
    reader->callback(&cpu, reader->data);
  return status;
}

int conntrack_read_cpus(struct conntrack *conntrack,
                        void (*callback)(const struct conntrack_cpu *cpu, void *data),
                        void *data) {
  struct cpu_reader reader = {callback, data};
  struct netlink_answer answer = {.callback = take_cpu, .data = &reader};
  int status = ask(conntrack, IPCTNL_MSG_CT_GET_STATS_CPU, NLM_F_DUMP, &answer);

  if (status < 0)
    return status;
  if (answer.malformed > 0)
    return -EBADMSG;
  return answer.incomplete ? -EINTR : 0;
}

struct entry_reader {
  conntrack_entry_callback *callback;
  void *data;
  struct conntrack_entry entry;
};

static int take_entry(const struct nlmsghdr *message, void *data) {
  struct entry_reader *reader = data;
  int status = conntrack_parse_entry(message, &reader->entry);

  if (status == 0)
    reader->callback(&reader->entry, reader->data);
  return status;
}

int conntrack_read_entries(struct conntrack *conntrack, conntrack_entry_callback *callback,
                           void *data, struct conntrack_dump *result) {
  struct entry_reader reader = {.callback = callback, .data = data};
  struct netlink_answer answer = {.callback = take_entry, .data = &reader};
  int status = ask(conntrack, IPCTNL_MSG_CT_GET, NLM_F_DUMP, &answer);

  *result = (struct conntrack_dump){
      .entries = answer.messages,
      .malformed = answer.malformed,
      .partial = status < 0 || answer.incomplete || answer.malformed > 0};
  return answer.messages > 0 ? 0 : status;
}
