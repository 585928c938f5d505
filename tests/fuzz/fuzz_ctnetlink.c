/* SPDX-License-Identifier: MIT
 *
 * A datagram of conntrack statistics or entries: message walk, parsers and totals.
 */
#include "egress/conntrack.h"
#include "fuzz.h"
#include "netlink_answer.h"

#include <stdlib.h>
#include <string.h>

static int take_message(const struct nlmsghdr *message, void *data) {
  struct conntrack_totals *totals = data;
  struct conntrack_table table;
  struct conntrack_cpu cpu;
  enum conntrack_state state;

  if (conntrack_parse_table(message, &table) == 0)
    return 0;
  if (conntrack_parse_entry(message, &state) == 0) {
    FUZZ_REQUIRE(state < CONNTRACK_STATE_COUNT);
    return 0;
  }
  if (conntrack_parse_cpu(message, &cpu) < 0)
    return -1;
  FUZZ_REQUIRE(cpu.present < 1u << CONNTRACK_EVENT_COUNT);
  conntrack_totals_add(totals, &cpu);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct conntrack_totals *totals = NULL;
  struct netlink_answer answer = {.callback = take_message};
  uint64_t events[CONNTRACK_EVENT_COUNT];
  uint32_t present = 0;
  struct nlmsghdr first = {0};
  void *aligned = malloc(size ? size : 1);

  FUZZ_REQUIRE(aligned != NULL && conntrack_totals_new(&totals) == 0);
  if (size > 0)
    memcpy(aligned, data, size);
  if (size >= sizeof(first))
    memcpy(&first, data, sizeof(first));
  answer.sequence = first.nlmsg_seq;
  answer.port = first.nlmsg_pid;
  answer.data = totals;
  FUZZ_REQUIRE(netlink_answer_feed(&answer, aligned, size) <= NETLINK_ANSWER_MORE);
  conntrack_totals_get(totals, events, &present);
  for (unsigned event = 0; event < CONNTRACK_EVENT_COUNT; event++)
    FUZZ_REQUIRE(present & 1u << event || events[event] == 0);
  conntrack_totals_free(totals);
  free(aligned);
  return 0;
}
