/* SPDX-License-Identifier: MIT
 *
 * A datagram of an inet_diag dump: message walk, parser and flow summary.
 */
#include "egress/flow.h"
#include "fuzz.h"
#include "netlink_answer.h"

#include <errno.h>
#include <stdlib.h>

struct context {
  struct flow_builder *builder;
  uint64_t records;
};

static unsigned classify(const struct sock_diag_record *record, void *data) {
  (void)data;
  return record->state != TCP_STATE_LISTEN;
}

static int take_message(const struct nlmsghdr *message, void *data) {
  struct context *context = data;
  struct sock_diag_record record, bare;
  int status = sock_diag_parse(message, &record);

  if (status < 0)
    return status;
  FUZZ_REQUIRE(sock_diag_parse_socket(message, &bare) == 0);
  FUZZ_REQUIRE(bare.state == record.state && !bare.info);
  FUZZ_REQUIRE(record.state > 0 && record.state < TCP_STATE_COUNT);
  FUZZ_REQUIRE(!record.info || (record.info == &record.info_copy &&
                                record.info_size <= sizeof(record.info_copy)));
  flow_builder_add(context->builder, &record);
  context->records++;
  return 0;
}

static struct flow_builder *make_builder(void) {
  static const uint16_t port = 443;
  static const struct net_prefix network = {.base = {{0x20, 1}}, .length = 16};
  const struct flow_group groups[] = {
      {.local_ports = &port, .local_port_count = 1},
      {.remote_ports = &port, .remote_port_count = 1},
      {.local_networks = &network, .local_network_count = 1},
      {.remote_networks = &network, .remote_network_count = 1},
      {.remote_scopes = 1u << NET_SCOPE_PUBLIC},
  };
  const struct flow_spec spec = {.groups = groups,
                                 .group_count = sizeof(groups) / sizeof(*groups),
                                 .classify = classify,
                                 .rtt = true};
  struct flow_builder *builder = NULL;

  FUZZ_REQUIRE(flow_builder_new(&spec, &builder) == 0);
  return builder;
}

static void check(const struct flow_summary *summary, uint64_t records) {
  uint64_t sum = 0;

  for (size_t state = 0; state < TCP_STATE_COUNT; state++) {
    sum += summary->states[0][state];
    for (size_t group = 1; group < summary->group_count; group++)
      FUZZ_REQUIRE(summary->states[group][state] <= summary->states[0][state]);
  }
  for (size_t group = 0; group < summary->group_count; group++) {
    const struct flow_rtt *rtt = &summary->rtt[group];

    FUZZ_REQUIRE(rtt->sockets <= summary->states[group][TCP_STATE_ESTABLISHED]);
    FUZZ_REQUIRE(rtt->p50 <= rtt->p95 && rtt->p95 <= rtt->p99);
    FUZZ_REQUIRE(summary->retransmitting[group] <= records);
  }
  FUZZ_REQUIRE(sum == records);
  FUZZ_REQUIRE(summary->remote_count <= records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct flow_builder *builder;
  struct context context = {0};
  struct netlink_answer answer = {.callback = take_message, .data = &context};
  struct flow_summary *summary = NULL;
  struct nlmsghdr first = {0};
  void *aligned = malloc(size ? size : 1);

  if (!builder)
    builder = make_builder();
  context.builder = builder;
  FUZZ_REQUIRE(aligned != NULL);
  if (size > 0)
    memcpy(aligned, data, size);
  if (size >= sizeof(first))
    memcpy(&first, data, sizeof(first));
  answer.sequence = first.nlmsg_seq;
  answer.port = first.nlmsg_pid;
  FUZZ_REQUIRE(netlink_answer_feed(&answer, aligned, size) <= NETLINK_ANSWER_MORE);
  FUZZ_REQUIRE(answer.messages == context.records);
  FUZZ_REQUIRE(flow_builder_finish(builder, 0, answer.incomplete, &summary) == 0);
  check(summary, context.records);
  flow_summary_release(summary);
  free(aligned);
  return 0;
}
