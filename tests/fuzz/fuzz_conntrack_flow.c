/* SPDX-License-Identifier: MIT
 *
 * A datagram of a conntrack dump: message walk, parser, and what egress_nat makes of its
 * entries, in two dumps of which the second lacks every other entry.
 */
#include "fuzz.h"
#include "nat_tracked.h"
#include "netlink_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define S NANOSECONDS_PER_SECOND

static struct nat_config config = NAT_CONFIG_DEFAULTS;

struct dump {
  struct nat_engine *engine;
  struct nat_tracked *tracked;
  struct nat_track_timeouts timeouts;
  nanoseconds now;
  unsigned entries, step;
};

static int take_message(const struct nlmsghdr *message, void *data) {
  struct dump *dump = data;
  struct conntrack_flow entry;
  int status = conntrack_parse_flow(message, &entry);

  if (status < 0)
    return status;
  FUZZ_REQUIRE(entry.protocol != 0 && entry.tcp_state < CONNTRACK_TCP_STATES);
  if (dump->entries++ % dump->step == 0)
    nat_tracked_take(dump->tracked, dump->engine, &entry, &dump->timeouts, dump->now);
  return 0;
}

static void check(const struct nat_report *report) {
  const uint32_t *ports = report->estimate.ports;

  FUZZ_REQUIRE(report->shown_count <= (size_t)config.top_destinations);
  FUZZ_REQUIRE(ports[NAT_LOW] <= ports[NAT_BEST] && ports[NAT_BEST] <= ports[NAT_HIGH]);
}

static void read_dump(struct dump *dump, const void *datagram, size_t size) {
  const struct nlmsghdr *first = datagram;
  struct netlink_answer answer = {.callback = take_message, .data = dump};
  bool merged = nat_engine_begin(dump->engine, dump->now, true);

  if (size >= sizeof(*first)) {
    answer.sequence = first->nlmsg_seq;
    answer.port = first->nlmsg_pid;
  }
  nat_tracked_begin(dump->tracked, dump->now, merged);
  FUZZ_REQUIRE(netlink_answer_feed(&answer, datagram, size) <= NETLINK_ANSWER_MORE);
  FUZZ_REQUIRE(answer.messages == dump->entries);
  nat_tracked_finish(dump->tracked, dump->engine, &dump->timeouts);
  nat_engine_measure(dump->engine, NAT_TCP);
  nat_engine_finish(dump->engine);
  check(nat_engine_report(dump->engine, 0, NAT_TCP));
  check(nat_engine_report(dump->engine, 0, NAT_UDP));
}

static struct nat_track_timeouts make_timeouts(void) {
  struct nat_track_timeouts timeouts = {
      .unacknowledged = 300 * S, .udp = 30 * S, .udp_stream = 120 * S};

  for (unsigned state = 0; state < CONNTRACK_TCP_STATES; state++)
    timeouts.tcp[state] = state == CONNTRACK_TCP_CLOSE ? 10 * S : 120 * S;
  timeouts.tcp[CONNTRACK_TCP_ESTABLISHED] = 432000 * S;
  return timeouts;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* Few, so that some are merged, and an engine is made quickly. */
  static const struct nat_engine_settings settings = {.destinations_max = 8, .seed = 1};
  struct dump dump = {.timeouts = make_timeouts(), .now = 1000 * S, .step = 1};
  void *aligned = malloc(size ? size : 1);

  if (config.gateway_count == 0)
    FUZZ_REQUIRE(nat_config_complete(&config) == 0);
  FUZZ_REQUIRE(aligned != NULL);
  if (size > 0)
    memcpy(aligned, data, size);
  FUZZ_REQUIRE(nat_engine_new(&config, &settings, &dump.engine) == 0);
  FUZZ_REQUIRE(nat_tracked_new(&config, 1, &dump.tracked) == 0);
  read_dump(&dump, aligned, size);
  dump.now += 10 * S;
  dump.entries = 0;
  dump.step = 2;
  read_dump(&dump, aligned, size);
  nat_tracked_free(dump.tracked);
  nat_engine_free(dump.engine);
  free(aligned);
  return 0;
}
