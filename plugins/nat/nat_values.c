/* SPDX-License-Identifier: MIT */
#include "nat_values.h"

#include <stdio.h>

#define INSTANCE_MAX 128 /* a gateway's name has 123 bytes at most */

static const char *const protocol_names[NAT_PROTOCOLS] = {[NAT_TCP] = "tcp",
                                                          [NAT_UDP] = "udp"};

/* Where the values go. */
struct sink {
  nat_value_taker *take;
  void *data;
  char instance[INSTANCE_MAX];
};

static void give(const struct sink *sink, enum nat_metric metric,
                 const char *type_instance, double value) {
  sink->take(metric, sink->instance, type_instance, value, sink->data);
}

static double percent(double part, double whole) {
  if (whole <= 0)
    return (double)NAN;
  return part < whole ? 100 * part / whole : 100;
}

static double known(uint32_t ports) { return ports > 0 ? ports : (double)NAN; }

static void give_ports(const struct sink *sink, const struct nat_report *report) {
  const struct nat_estimate *estimate = &report->estimate;
  double used = estimate->ports[NAT_BEST];

  give(sink, NAT_PORTS_USED, NULL, used);
  give(sink, NAT_PORTS_BOUND, "low", estimate->ports[NAT_LOW]);
  give(sink, NAT_PORTS_BOUND, "high",
       estimate->high_known ? estimate->ports[NAT_HIGH] : (double)NAN);
  give(sink, NAT_PORTS_ALLOCATED, NULL, known(report->allocated));
  give(sink, NAT_PORTS_LIMIT, NULL, known(report->limit));
  give(sink, NAT_PERCENT, "allocated", percent(used, report->allocated));
  give(sink, NAT_PERCENT, "limit", percent(used, report->limit));
  give(sink, NAT_TIME_TO_EXHAUSTION, NULL, report->exhaustion);
}

static void give_ends(const struct sink *sink, const struct nat_config *config,
                      const struct nat_report *report) {
  char text[NET_ENDPOINT_TEXT_MAX];

  for (size_t i = 0; i < report->shown_count; i++)
    give(sink, NAT_DESTINATION_PORTS,
         net_endpoint_format(&report->shown[i].remote, text, sizeof(text)),
         report->shown[i].ports);
  for (size_t i = 0; i < config->named_count; i++)
    give(sink, NAT_DESTINATION_PORTS, config->named[i].name, report->named[i]);
  for (size_t i = 0; i < report->source_count; i++)
    give(sink, NAT_SOURCE_PORTS,
         net_address_format(&report->sources[i].remote.address, text, sizeof(text)),
         report->sources[i].ports);
}

/* What there is of TCP alone. Where conntrack is counted no event can be lost; where there
 * are none nothing is known of them. */
static void give_tcp(const struct sink *sink, const struct nat_report *report,
                     const struct nat_reading *reading, uint32_t ephemeral_ports) {
  bool none = reading->source == NAT_SOURCE_SOCKETS && reading->events < 0;

  give(sink, NAT_PERCENT, "ephemeral",
       percent(report->estimate.local_ports, ephemeral_ports));
  give(sink, NAT_STALLED_CONNECTS, NULL, (double)report->estimate.stalled);
  give(sink, NAT_CONNECT_RATE, "busiest", report->connect_rate);
  give(sink, NAT_CONNECT_RATE, "sustainable", report->sustainable);
  if (none)
    return;
  give(sink, NAT_COVERAGE, NULL, report->coverage);
  give(sink, NAT_EVENTS_LOST, NULL, (double)report->events_lost);
}

void nat_values_give(const struct nat_config *config, const struct nat_engine *engine,
                     const struct nat_reading *reading, uint32_t ephemeral_ports,
                     nat_value_taker *take, void *data) {
  struct sink sink = {.take = take, .data = data};

  for (size_t i = 0; i < config->gateway_count * NAT_PROTOCOLS; i++) {
    enum nat_protocol protocol = (enum nat_protocol)(i % NAT_PROTOCOLS);
    const struct nat_report *report =
        nat_engine_report(engine, i / NAT_PROTOCOLS, protocol);

    if (!report->measured)
      continue;
    snprintf(sink.instance, sizeof(sink.instance), "%s:%s",
             config->gateways[i / NAT_PROTOCOLS].name, protocol_names[protocol]);
    give_ports(&sink, report);
    give_ends(&sink, config, report);
    if (protocol == NAT_TCP)
      give_tcp(&sink, report, reading, ephemeral_ports);
  }
}
