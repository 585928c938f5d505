/* SPDX-License-Identifier: MIT
 *
 * From a finished estimate to the report of a gateway's ports.
 */
#include "nat_engine_state.h"

#include <math.h>

static size_t find_named(const struct nat_config *config,
                         const struct net_address *destination) {
  size_t i = 0;

  while (i < config->named_count &&
         !nat_networks_contain(&config->named[i].networks, destination))
    i++;
  return i;
}

/* A named destination is shown by its name alone. */
static void show(struct nat_side *side, const struct nat_config *config,
                 const struct nat_destination *destination) {
  size_t name = find_named(config, &destination->remote.address);
  uint32_t ports = destination->ports[NAT_BEST];

  if (name == config->named_count)
    nat_top_offer(&side->top, &destination->remote, ports);
  else if (ports > side->named[name])
    side->named[name] = ports;
}

static bool is_in_trouble(const struct nat_destination *destination,
                          const struct nat_closed *closed, uint32_t ports,
                          uint32_t limit) {
  uint32_t sure = destination->open + closed->held[NAT_BEST];

  if (limit == 0)
    return destination->stalled > 0 && sure >= NAT_STATUS_SUSPECT_PORTS;
  return ports >= limit ||
         (destination->stalled > 0 && 10 * (uint64_t)ports >= 9 * (uint64_t)limit);
}

/* With endpoint-independent mapping all destinations share the ports. */
static void note_trouble(struct nat_engine *engine, const struct nat_side *side,
                         const struct nat_destination *destination,
                         const struct nat_closed *closed) {
  uint32_t ports = destination->ports[NAT_BEST];

  if (side->by_local)
    ports = side->report.estimate.ports[NAT_BEST];
  if (is_in_trouble(destination, closed, ports, side->report.limit) &&
      engine->status_count < NAT_STATUS_MAX)
    engine->status[engine->status_count++] =
        (struct nat_status_entry){.destination = destination->remote,
                                  .ports_used = ports,
                                  .ports_limit = side->report.limit,
                                  .stalled = destination->stalled};
}

/* Little's law: as many are open as come in a lifetime. A port is taken for that
 * and for the gateway's TIME_WAIT after it. */
static void find_rates(struct nat_side *side, const struct nat_destination *busiest,
                       nanoseconds elapsed, double time_wait) {
  struct nat_report *report = &side->report;

  report->connect_rate = report->sustainable = (double)NAN;
  if (elapsed <= 0)
    return;
  report->connect_rate = busiest ? busiest->opened / nanoseconds_to_seconds(elapsed) : 0;
  if (report->limit > 0 && time_wait > 0 && report->connect_rate > 0)
    report->sustainable =
        report->limit / (busiest->open / report->connect_rate + time_wait);
}

static void look_ahead(struct nat_side *side, nanoseconds now, nanoseconds time_wait) {
  const struct nat_estimate *estimate = &side->report.estimate;
  const struct nat_forecast_sample sample = {.time = now,
                                             .used = estimate->ports[NAT_BEST],
                                             .open = estimate->open,
                                             .closes = estimate->closes};

  nat_forecast_add(&side->forecast, &sample);
  side->report.exhaustion =
      nat_forecast_seconds(&side->forecast, side->report.limit, time_wait);
}

/* What dynamic allocation has granted is at least the power of 2 that holds the ports in
 * use, where it is not told. */
static uint32_t find_allocated(const struct nat_gateway_config *gateway, uint32_t used) {
  uint32_t ports = nat_gateway_allocated(gateway);

  if (ports > 0)
    return ports;
  ports = (uint32_t)gateway->ports_per_vm;
  while (ports > 0 && ports < used)
    ports *= 2;
  return ports;
}

static void finish_top(struct nat_side *side) {
  nat_top_finish(&side->top);
  nat_top_finish(&side->sources);
  side->report.shown_count = side->top.shown_count;
  side->report.shown = side->top.shown;
  side->report.source_count = side->sources.shown_count;
  side->report.sources = side->sources.shown;
}

void nat_side_report(struct nat_engine *engine, struct nat_gateway *gateway,
                     enum nat_protocol protocol) {
  struct nat_side *side = &gateway->sides[protocol];
  struct nat_report *report = &side->report;
  struct nat_table *table = nat_model_table(side->by_remote);
  nanoseconds time_wait = protocol == NAT_TCP ? gateway->config->time_wait
                                              : gateway->config->udp_timeout;
  struct nat_estimate by_remote;

  nat_model_finish(side->by_remote, &by_remote);
  report->measured = side->measured;
  report->estimate = by_remote;
  if (side->by_local) {
    nat_model_finish(side->by_local, &report->estimate);
    report->estimate.stalled = by_remote.stalled;
    report->estimate.local_ports = by_remote.local_ports;
  }
  report->allocated = find_allocated(gateway->config, report->estimate.ports[NAT_BEST]);
  memset(side->named, 0, sizeof(side->named));
  for (uint32_t i = nat_table_next(table, NAT_OTHER); i; i = nat_table_next(table, i)) {
    const struct nat_destination *destination = nat_table_at(table, i);

    show(side, engine->config, destination);
    note_trouble(engine, side, destination, nat_table_closed(table, i));
  }
  finish_top(side);
  find_rates(side,
             by_remote.busiest == NAT_OTHER ? NULL : nat_table_at(table, by_remote.busiest),
             by_remote.elapsed, nanoseconds_to_seconds(gateway->config->time_wait));
  look_ahead(side, engine->begun,
             time_wait > 0 ? time_wait : NAT_TIME_WAIT_SHORT);
}
