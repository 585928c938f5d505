/* SPDX-License-Identifier: MIT */
#include "netlink_report.h"

#define SOCKSTAT "sockstat"
#define CONNTRACK "conntrack"

/* The name of a summary's group by its place among ours: 0 is all sockets. */
static const char *group_name(const struct netlink_config *config, size_t place) {
  return place == 0 ? "all" : config->groups[place - 1].name;
}

static size_t group_index(size_t place, size_t first_group) {
  return place == 0 ? 0 : first_group + place - 1;
}

/* --- TCP ------------------------------------------------------------------------ */

static void report_states(const char *name, const uint64_t states[TCP_STATE_COUNT],
                          const struct netlink_sink *sink) {
  for (size_t state = 1; state < TCP_STATE_COUNT; state++)
    sink->gauge(NETLINK_TCP_CONNECTIONS, name, netlink_state_names[state],
                (double)states[state]);
}

static void report_rtt(const char *name, const struct flow_rtt *rtt,
                       const struct netlink_sink *sink) {
  if (rtt->sockets == 0)
    return;
  sink->gauge(NETLINK_LATENCY, name, "rtt_p50", nanoseconds_to_seconds(rtt->p50));
  sink->gauge(NETLINK_LATENCY, name, "rtt_p95", nanoseconds_to_seconds(rtt->p95));
  sink->gauge(NETLINK_LATENCY, name, "rtt_p99", nanoseconds_to_seconds(rtt->p99));
}

/* /proc does not say the limit of an accept queue. */
static void report_listener(const struct flow_listener *listener, bool has_limit,
                            const struct netlink_sink *sink) {
  char name[sizeof("listen:65535")];

  snprintf(name, sizeof(name), "listen:%u", (unsigned)listener->port);
  sink->gauge(NETLINK_QUEUE_LENGTH, name, "accept", (double)listener->accept_queue);
  if (has_limit)
    sink->gauge(NETLINK_QUEUE_LENGTH, name, "accept_max",
                (double)listener->accept_limit);
}

void netlink_report_tcp(const struct netlink_config *config,
                        const struct flow_summary *summary, size_t first_group,
                        const struct netlink_sink *sink) {
  for (size_t place = 0; place <= config->group_count; place++) {
    const char *name = group_name(config, place);
    size_t group = group_index(place, first_group);

    report_states(name, summary->states[group], sink);
    sink->gauge(NETLINK_RETRANSMITTING, name, NULL,
                (double)summary->retransmitting[group]);
    if (config->latency && summary->rtt)
      report_rtt(name, &summary->rtt[group], sink);
  }
  for (size_t i = 0; i < summary->listener_count; i++)
    report_listener(&summary->listeners[i], summary->fallback == 0, sink);
}

/* --- UDP, sockstat --------------------------------------------------------------- */

void netlink_report_udp(const struct netlink_config *config,
                        const struct flow_udp_summary *summary, size_t first_group,
                        const struct netlink_sink *sink) {
  for (size_t place = 0; place <= config->group_count; place++) {
    const char *name = group_name(config, place);
    const struct flow_udp_group *group =
        &summary->groups[group_index(place, first_group)];

    sink->gauge(NETLINK_UDP_SOCKETS, name, NULL, (double)group->sockets);
    sink->gauge(NETLINK_MEMORY, name, "udp_receive_queue",
                (double)group->receive_queue);
  }
}

static const struct {
  enum netlink_metric metric;
  const char *name;
  bool pages;
} sockstat_values[SOCKSTAT_FIELD_COUNT] = {
    [SOCKSTAT_TCP_ALLOC] = {NETLINK_SOCKETS, "tcp_alloc", false},
    [SOCKSTAT_TCP_ORPHAN] = {NETLINK_SOCKETS, "tcp_orphan", false},
    [SOCKSTAT_TCP_TIME_WAIT] = {NETLINK_SOCKETS, "tcp_time_wait", false},
    [SOCKSTAT_TCP_PAGES] = {NETLINK_MEMORY, "tcp", true},
    [SOCKSTAT_UDP_INUSE] = {NETLINK_SOCKETS, "udp_inuse", false},
    [SOCKSTAT_UDP_PAGES] = {NETLINK_MEMORY, "udp", true},
};

void netlink_report_sockstat(const struct sockstat *sockstat, size_t page_size,
                             const struct netlink_sink *sink) {
  for (unsigned field = 0; field < SOCKSTAT_FIELD_COUNT; field++) {
    double value = (double)sockstat->values[field];

    if (sockstat->present & 1u << field)
      sink->gauge(sockstat_values[field].metric, SOCKSTAT, sockstat_values[field].name,
                  sockstat_values[field].pages ? value * (double)page_size : value);
  }
}

/* --- Conntrack ------------------------------------------------------------------- */

void netlink_report_table(const struct conntrack_table *table,
                          const struct netlink_sink *sink) {
  sink->gauge(NETLINK_CONNTRACK, CONNTRACK, "entries", table->entries);
  if (table->maximum == 0)
    return;
  sink->gauge(NETLINK_CONNTRACK, CONNTRACK, "max", table->maximum);
  /* A maximum that was lowered leaves the entries that are there. An RRD would drop
   * what is above the type's own maximum. */
  sink->gauge(NETLINK_PERCENT, CONNTRACK, "used",
              table->entries < table->maximum ? 100.0 * table->entries / table->maximum
                                              : 100);
}

void netlink_report_events(const struct conntrack_totals *totals,
                           const struct netlink_sink *sink) {
  uint64_t events[CONNTRACK_EVENT_COUNT];
  uint32_t present = 0;

  conntrack_totals_get(totals, events, &present);
  for (unsigned event = 0; event < CONNTRACK_EVENT_COUNT; event++)
    if (present & 1u << event)
      sink->derive(NETLINK_CONNTRACK_EVENTS, CONNTRACK, conntrack_event_names[event],
                   (int64_t)events[event]);
}

void netlink_report_states(const struct conntrack_states *states,
                           const struct netlink_sink *sink) {
  for (unsigned state = 0; state < CONNTRACK_STATE_COUNT; state++)
    sink->gauge(NETLINK_CONNTRACK_STATES, CONNTRACK, conntrack_state_names[state],
                (double)states->entries[state]);
}
