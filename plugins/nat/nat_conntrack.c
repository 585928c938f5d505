/* SPDX-License-Identifier: MIT */
#include "nat_conntrack.h"

#include <stdio.h>

#define CLOCK_EVERY 1024u /* entries; a hundred thousand take a quarter of a second */

static nanoseconds read_timeout(const char *name) {
  char path[128];
  FILE *file;
  unsigned seconds = 0;
  int fields = 0;

  snprintf(path, sizeof(path), "/proc/sys/net/netfilter/nf_conntrack_%s", name);
  file = fopen(path, "re");
  if (!file)
    return 0;
  fields = fscanf(file, "%u", &seconds);
  fclose(file);
  return fields == 1 ? seconds * NANOSECONDS_PER_SECOND : 0;
}

struct nat_track_timeouts nat_conntrack_timeouts(void) {
  static const char *const states[CONNTRACK_TCP_STATES] = {
      [CONNTRACK_TCP_SYN_SENT] = "tcp_timeout_syn_sent",
      [CONNTRACK_TCP_SYN_RECV] = "tcp_timeout_syn_recv",
      [CONNTRACK_TCP_ESTABLISHED] = "tcp_timeout_established",
      [CONNTRACK_TCP_FIN_WAIT] = "tcp_timeout_fin_wait",
      [CONNTRACK_TCP_CLOSE_WAIT] = "tcp_timeout_close_wait",
      [CONNTRACK_TCP_LAST_ACK] = "tcp_timeout_last_ack",
      [CONNTRACK_TCP_TIME_WAIT] = "tcp_timeout_time_wait",
      [CONNTRACK_TCP_CLOSE] = "tcp_timeout_close",
      [CONNTRACK_TCP_SYN_SENT2] = "tcp_timeout_syn_sent",
  };
  struct nat_track_timeouts timeouts = {
      .unacknowledged = read_timeout("tcp_timeout_unacknowledged"),
      .udp = read_timeout("udp_timeout"),
      .udp_stream = read_timeout("udp_timeout_stream")};

  for (unsigned state = 0; state < CONNTRACK_TCP_STATES; state++)
    timeouts.tcp[state] = states[state] ? read_timeout(states[state]) : 0;
  return timeouts;
}

struct reading {
  struct nat_tracked *tracked;
  struct nat_engine *engine;
  const struct nat_track_timeouts *timeouts;
  nanoseconds now;
  unsigned entries;
};

static void take(const struct conntrack_flow *entry, void *data) {
  struct reading *reading = data;

  if (reading->entries++ % CLOCK_EVERY == 0)
    reading->now = clock_now(CLOCK_MONOTONIC);
  nat_tracked_take(reading->tracked, reading->engine, entry, reading->timeouts,
                   reading->now);
}

int nat_conntrack_read(struct conntrack *conntrack, struct nat_tracked *tracked,
                       struct nat_engine *engine,
                       const struct nat_track_timeouts *timeouts, bool *partial) {
  struct reading reading = {
      .tracked = tracked, .engine = engine, .timeouts = timeouts};
  struct conntrack_dump result;
  int status = conntrack_read_flows(conntrack, take, &reading, &result);

  *partial = result.partial;
  return status;
}

struct survey {
  const struct nat_config *config;
  const struct nat_engine *engine;
  struct nat_source_view *view;
};

static void count(const struct conntrack_flow *entry, void *data) {
  struct survey *survey = data;
  bool own = false;

  if (nat_tracked_knows(survey->config, survey->engine, entry, &own))
    ++*(own ? &survey->view->tracked : &survey->view->forwarded);
}

int nat_conntrack_survey(struct conntrack *conntrack, const struct nat_config *config,
                         const struct nat_engine *engine, struct nat_source_view *view) {
  struct survey survey = {config, engine, view};
  struct conntrack_table table;
  struct conntrack_dump result;
  int status = conntrack_read_table(conntrack, &table);

  if (status < 0 || table.entries == 0)
    return status;
  return conntrack_read_flows(conntrack, count, &survey, &result);
}
