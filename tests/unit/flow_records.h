/* SPDX-License-Identifier: MIT
 *
 * Sockets, and a builder to add them to, for the tests of the flow summary.
 */
#ifndef EGRESS_FLOW_RECORDS_H
#define EGRESS_FLOW_RECORDS_H

#include "egress/flow.h"
#include "unit.h"

static inline struct net_address ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  const uint8_t bytes[4] = {a, b, c, d};

  return net_address_from_ipv4(bytes);
}

static inline struct sock_diag_record outgoing(uint8_t state, uint16_t local_port,
                                        uint16_t remote_port) {
  return (struct sock_diag_record){.local = {ipv4(10, 0, 0, 1), local_port},
                                   .remote = {ipv4(192, 0, 2, 7), remote_port},
                                   .state = state};
}

static inline struct sock_diag_record listening(uint16_t port, uint32_t queue, uint32_t limit) {
  return (struct sock_diag_record){.local = {ipv4(0, 0, 0, 0), port},
                                   .remote = {ipv4(0, 0, 0, 0), 0},
                                   .state = TCP_STATE_LISTEN,
                                   .receive_queue = queue,
                                   .send_queue = limit};
}

static inline unsigned wants_all(const struct sock_diag_record *record, void *data) {
  (void)record;
  (void)data;
  return 1;
}

static inline struct flow_builder *make_builder(const struct flow_group *groups, size_t count,
                                         bool remotes) {
  const struct flow_spec spec = {.groups = groups,
                                 .group_count = count,
                                 .classify = remotes ? wants_all : NULL};
  struct flow_builder *builder = NULL;

  assert_int_equal(flow_builder_new(&spec, &builder), 0);
  return builder;
}

static inline struct flow_summary *finish(struct flow_builder *builder) {
  struct flow_summary *summary = NULL;

  assert_int_equal(flow_builder_finish(builder, 42, false, &summary), 0);
  return summary;
}

static inline void add(struct flow_builder *builder, struct sock_diag_record record) {
  flow_builder_add(builder, &record);
}

#endif
