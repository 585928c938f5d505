/* SPDX-License-Identifier: MIT */
#include "ctnetlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

/* A request has a header and no attributes. */
static int ask(struct netlink_channel *channel, unsigned type, uint16_t flags,
               struct netlink_answer *answer) {
  _Alignas(struct nlmsghdr) char
      buffer[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg))];
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

  message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
  message->nlmsg_flags = flags;
  header->nfgen_family = AF_UNSPEC;
  header->version = NFNETLINK_V0;
  return netlink_channel_exchange(channel, message, answer);
}

static int take_table(const struct nlmsghdr *message, void *data) {
  return conntrack_parse_table(message, data);
}

/* The answer is one message; the acknowledgement asked for marks its end. */
int ctnetlink_read_table(struct netlink_channel *channel, struct conntrack_table *table) {
  struct netlink_answer answer = {.callback = take_table, .data = table};
  int status = ask(channel, IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK, &answer);

  if (status < 0)
    return status;
  return answer.messages == 1 ? 0 : -EBADMSG;
}

/* What a complete answer has lost on its way. */
static int loss_in(const struct netlink_answer *answer) {
  if (answer->malformed > 0)
    return -EBADMSG;
  return answer->incomplete ? -EINTR : 0;
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

int ctnetlink_read_cpus(struct netlink_channel *channel,
                        void (*callback)(const struct conntrack_cpu *cpu, void *data),
                        void *data) {
  struct cpu_reader reader = {callback, data};
  struct netlink_answer answer = {.callback = take_cpu, .data = &reader};
  int status = ask(channel, IPCTNL_MSG_CT_GET_STATS_CPU, NLM_F_DUMP, &answer);

  return status < 0 ? status : loss_in(&answer);
}

static int take_entry(const struct nlmsghdr *message, void *data) {
  struct conntrack_states *states = data;
  enum conntrack_state state;
  int status = conntrack_parse_entry(message, &state);

  if (status == 0)
    states->entries[state]++;
  return status;
}

int ctnetlink_read_states(struct netlink_channel *channel,
                          struct conntrack_states *states) {
  struct netlink_answer answer = {.callback = take_entry, .data = states};
  int status;

  *states = (struct conntrack_states){{0}};
  status = ask(channel, IPCTNL_MSG_CT_GET, NLM_F_DUMP, &answer);
  if (status < 0)
    return answer.messages > 0 ? -EINTR : status; /* it broke off part way */
  return loss_in(&answer);
}

struct flow_reader {
  conntrack_flow_callback *callback;
  void *data;
  struct conntrack_flow flow;
};

static int take_flow(const struct nlmsghdr *message, void *data) {
  struct flow_reader *reader = data;
  int status = conntrack_parse_flow(message, &reader->flow);

  if (status == 0)
    reader->callback(&reader->flow, reader->data);
  return status;
}

int ctnetlink_read_flows(struct netlink_channel *channel,
                         conntrack_flow_callback *callback, void *data,
                         struct conntrack_dump *result) {
  struct flow_reader reader = {.callback = callback, .data = data};
  struct netlink_answer answer = {.callback = take_flow, .data = &reader};
  int status = ask(channel, IPCTNL_MSG_CT_GET, NLM_F_DUMP, &answer);

  *result = (struct conntrack_dump){
      .flows = answer.messages,
      .malformed = answer.malformed,
      .partial = status < 0 || answer.incomplete || answer.malformed > 0};
  return answer.messages > 0 ? 0 : status;
}
