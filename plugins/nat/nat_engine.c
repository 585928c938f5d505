/* SPDX-License-Identifier: MIT */
#include "nat_engine.h"

#include "close_event.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct gateway {
  const struct nat_gateway_config *config;
  struct nat_model *model;
  struct nat_top top;
  uint32_t named[NAT_NAMED_MAX];
  struct nat_report report;
};

struct nat_engine {
  const struct nat_config *config;
  size_t own_address_count;
  struct net_address *own_addresses; /* sorted */
  uint8_t listens[65536 / 8];        /* a bit a port */
  uint64_t received, lost; /* events, since the start */
  uint64_t received_before, lost_before; /* the same at the last read */
  size_t status_count;
  struct nat_status_entry status[NAT_STATUS_MAX];
  struct gateway gateways[NAT_GATEWAYS_MAX];
};

/* --- Making -------------------------------------------------------------------- */

static int make_gateway(struct gateway *gateway, const struct nat_config *config,
                        const struct nat_gateway_config *own, nanoseconds covered_since,
                        uint64_t seed) {
  const struct nat_model_settings settings = {
      .time_wait = own->time_wait,
      .reset = own->reset_timeout,
      .transitory = own->transitory_timeout,
      .limit = nat_gateway_limit(own),
      .covered_since = covered_since,
      .destinations_max = NAT_DESTINATIONS_MAX,
      .seed = seed,
  };

  gateway->config = own;
  gateway->report = (struct nat_report){.connect_rate = (double)NAN,
                                        .sustainable = (double)NAN,
                                        .named = gateway->named};
  if (nat_top_init(&gateway->top, (uint32_t)config->top_destinations,
                   (uint32_t)config->destination_min_ports) < 0)
    return -ENOMEM;
  return nat_model_new(&settings, &gateway->model);
}

int nat_engine_new(const struct nat_config *config, nanoseconds covered_since,
                   uint64_t seed, struct nat_engine **engine) {
  struct nat_engine *made = calloc(1, sizeof(*made));
  int status = made ? 0 : -ENOMEM;

  if (made)
    made->config = config;
  for (size_t i = 0; i < config->gateway_count && status == 0; i++)
    status = make_gateway(&made->gateways[i], config, &config->gateways[i],
                          covered_since, seed);
  if (status < 0)
    nat_engine_free(made);
  else
    *engine = made;
  return status;
}

void nat_engine_configure(struct nat_engine *engine, size_t gateway) {
  const struct nat_gateway_config *own = &engine->config->gateways[gateway];
  const struct nat_model_settings settings = {
      .time_wait = own->time_wait,
      .reset = own->reset_timeout,
      .transitory = own->transitory_timeout,
      .limit = nat_gateway_limit(own),
  };

  nat_model_configure(engine->gateways[gateway].model, &settings);
}

void nat_engine_free(struct nat_engine *engine) {
  if (!engine)
    return;
  for (size_t i = 0; i < NAT_GATEWAYS_MAX; i++) {
    nat_model_free(engine->gateways[i].model);
    nat_top_free(&engine->gateways[i].top);
  }
  free(engine->own_addresses);
  free(engine);
}

/* --- Which gateway ---------------------------------------------------------------- */

static const struct nat_gateway_config *choose(const struct nat_config *config,
                                               const struct net_address *destination) {
  for (size_t i = 0; i < config->gateway_count; i++)
    if (!__atomic_load_n(&config->gateways[i].own_bypass, __ATOMIC_RELAXED) &&
        nat_traffic_takes(&config->gateways[i].traffic, destination))
      return &config->gateways[i];
  return NULL;
}

bool nat_engine_takes(const struct nat_config *config,
                      const struct net_address *destination) {
  return choose(config, destination) != NULL;
}

/* Keepalive probes and their answers are traffic too; the answers show in
 * last_ack_recv. */
static bool is_idle(const struct sock_diag_record *record, nanoseconds timeout) {
  const struct tcp_info *info = record->info;
  uint32_t idle_ms;

  if (timeout == 0 || !info || record->state != TCP_STATE_ESTABLISHED)
    return false;
  idle_ms = info->tcpi_last_data_sent;
  if (info->tcpi_last_data_recv < idle_ms)
    idle_ms = info->tcpi_last_data_recv;
  if (info->tcpi_last_ack_recv < idle_ms)
    idle_ms = info->tcpi_last_ack_recv;
  return idle_ms * NANOSECONDS_PER_MILLISECOND >= timeout;
}

bool nat_engine_counts(const struct nat_config *config,
                       const struct sock_diag_record *record) {
  const struct nat_gateway_config *gateway = choose(config, &record->remote.address);

  return gateway && !is_idle(record, __atomic_load_n(&gateway->established_timeout,
                                                     __ATOMIC_RELAXED));
}

static int compare_addresses(const void *one, const void *other) {
  return memcmp(one, other, sizeof(struct net_address));
}

static bool is_own(const struct nat_engine *engine, const struct net_address *address) {
  return engine->own_address_count > 0 &&
         bsearch(address, engine->own_addresses, engine->own_address_count,
                 sizeof(*address), compare_addresses) != NULL;
}

/* The model of the gateway that connections to the destination take, or NULL. */
static struct nat_model *find_model(struct nat_engine *engine,
                                    const struct net_address *destination) {
  const struct nat_gateway_config *gateway = choose(engine->config, destination);

  if (!gateway || is_own(engine, destination))
    return NULL;
  return engine->gateways[gateway - engine->config->gateways].model;
}

int nat_engine_set_own_addresses(struct nat_engine *engine,
                                 const struct net_address *addresses, size_t count) {
  struct net_address *copy;

  if (count > NAT_OWN_ADDRESSES_MAX)
    count = NAT_OWN_ADDRESSES_MAX;
  copy = malloc((count + 1) * sizeof(*copy));
  if (!copy)
    return -ENOMEM;
  if (count > 0) {
    memcpy(copy, addresses, count * sizeof(*copy));
    qsort(copy, count, sizeof(*copy), compare_addresses);
  }
  free(engine->own_addresses);
  engine->own_addresses = copy;
  engine->own_address_count = count;
  return 0;
}

void nat_engine_add_listener(struct nat_engine *engine, uint16_t port) {
  engine->listens[port / 8] |= (uint8_t)(1u << port % 8);
}

bool nat_engine_listens(const struct nat_engine *engine, uint16_t port) {
  return engine->listens[port / 8] >> port % 8 & 1;
}

/* --- Events ------------------------------------------------------------------------- */

void nat_engine_recall(struct nat_engine *engine, struct nat_past_close *closes,
                       size_t count) {
  for (size_t gateway = 0; gateway < engine->config->gateway_count; gateway++) {
    struct nat_model *model = engine->gateways[gateway].model;
    size_t own = 0; /* those of this gateway come first, then the others */

    for (size_t i = 0; i < count; i++)
      if (find_model(engine, &closes[i].remote.address) == model) {
        struct nat_past_close saved = closes[own];

        closes[own++] = closes[i];
        closes[i] = saved;
      }
    nat_model_recall(model, closes, own);
  }
}

void nat_engine_event(struct nat_engine *engine, nanoseconds time,
                      const struct sock_diag_record *record) {
  static const enum nat_close kinds[] = {
      [CLOSE_EVENT_ORDERLY] = NAT_CLOSE_ORDERLY,
      [CLOSE_EVENT_RESET] = NAT_CLOSE_RESET,
      [CLOSE_EVENT_REFUSED] = NAT_CLOSE_RESET,
      [CLOSE_EVENT_UNANSWERED] = NAT_CLOSE_UNANSWERED,
  };
  struct nat_model *model = nat_engine_listens(engine, record->local.port)
                                ? NULL
                                : find_model(engine, &record->remote.address);
  enum close_event_kind kind = close_event_classify(record);

  engine->received++;
  if (!model || kind == CLOSE_EVENT_NONE)
    return;
  if (record->remote.port == 0)
    nat_model_close_portless(model, time, &record->remote.address, kinds[kind]);
  else
    nat_model_close(model, time, &record->remote, kinds[kind]);
}

void nat_engine_lost(struct nat_engine *engine, nanoseconds time, uint64_t count) {
  engine->lost += count;
  for (size_t i = 0; i < engine->config->gateway_count; i++)
    nat_model_lost(engine->gateways[i].model, time,
                   count < UINT32_MAX ? (uint32_t)count : UINT32_MAX);
}

/* --- Reports ------------------------------------------------------------------------ */

static size_t find_named(const struct nat_config *config,
                         const struct net_address *destination) {
  size_t i = 0;

  while (i < config->named_count &&
         !nat_networks_contain(&config->named[i].networks, destination))
    i++;
  return i;
}

/* A named destination is shown by its name alone. */
static void show(struct gateway *gateway, const struct nat_config *config,
                 const struct nat_destination *destination) {
  size_t name = find_named(config, &destination->remote.address);
  uint32_t ports = destination->ports[NAT_BEST];

  if (name == config->named_count)
    nat_top_offer(&gateway->top, &destination->remote, ports);
  else if (ports > gateway->named[name])
    gateway->named[name] = ports;
}

static bool is_in_trouble(const struct nat_destination *destination, uint32_t limit) {
  uint32_t ports = destination->ports[NAT_BEST];
  uint32_t sure = destination->open + destination->held[NAT_BEST];

  if (limit == 0)
    return destination->stalled > 0 && sure >= NAT_STATUS_SUSPECT_PORTS;
  return ports >= limit ||
         (destination->stalled > 0 && 10 * (uint64_t)ports >= 9 * (uint64_t)limit);
}

static void note_trouble(struct nat_engine *engine,
                         const struct nat_destination *destination, uint32_t limit) {
  if (is_in_trouble(destination, limit) && engine->status_count < NAT_STATUS_MAX)
    engine->status[engine->status_count++] =
        (struct nat_status_entry){.destination = destination->remote,
                                  .ports_used = destination->ports[NAT_BEST],
                                  .ports_limit = limit,
                                  .stalled = destination->stalled};
}

/* Little's law: as many are open as come in a lifetime. A port is taken for that
 * and for the gateway's TIME_WAIT after it. */
static void find_rates(struct gateway *gateway) {
  struct nat_report *report = &gateway->report;
  const struct nat_estimate *estimate = &report->estimate;
  const struct nat_destination *busiest =
      nat_table_at(nat_model_table(gateway->model), estimate->busiest);
  double time_wait = nanoseconds_to_seconds(gateway->config->time_wait);
  double limit = nat_gateway_limit(gateway->config);

  report->connect_rate = report->sustainable = (double)NAN;
  if (estimate->elapsed <= 0)
    return;
  report->connect_rate = estimate->busiest == NAT_OTHER
                             ? 0
                             : busiest->opened / nanoseconds_to_seconds(estimate->elapsed);
  if (limit > 0 && time_wait > 0 && report->connect_rate > 0)
    report->sustainable = limit / (busiest->open / report->connect_rate + time_wait);
}

static void make_report(struct nat_engine *engine, struct gateway *gateway) {
  struct nat_table *table = nat_model_table(gateway->model);
  uint32_t limit = nat_gateway_limit(gateway->config);

  memset(gateway->named, 0, sizeof(gateway->named));
  for (uint32_t i = nat_table_next(table, NAT_OTHER); i; i = nat_table_next(table, i)) {
    const struct nat_destination *destination = nat_table_at(table, i);

    show(gateway, engine->config, destination);
    note_trouble(engine, destination, limit);
  }
  nat_top_finish(&gateway->top);
  gateway->report.shown_count = gateway->top.shown_count;
  gateway->report.shown = gateway->top.shown;
  find_rates(gateway);
}

static double find_coverage(struct nat_engine *engine) {
  double got = (double)(engine->received - engine->received_before);
  double missed = (double)(engine->lost - engine->lost_before);

  engine->received_before = engine->received;
  engine->lost_before = engine->lost;
  return missed > 0 ? got / (got + missed) : 1;
}

static void read_listeners(struct nat_engine *engine,
                           const struct flow_summary *summary) {
  memset(engine->listens, 0, sizeof(engine->listens));
  for (size_t i = 0; i < summary->listener_count; i++)
    nat_engine_add_listener(engine, summary->listeners[i].port);
}

void nat_engine_read(struct nat_engine *engine, const struct flow_summary *summary) {
  size_t count = engine->config->gateway_count;
  double coverage = find_coverage(engine);

  read_listeners(engine, summary);
  for (size_t i = 0; i < count; i++)
    nat_model_begin(engine->gateways[i].model, summary->begun);
  for (size_t i = 0; i < summary->remote_count; i++) {
    struct nat_model *model = find_model(engine, &summary->remotes[i].remote.address);

    if (model)
      nat_model_live(model, &summary->remotes[i]);
  }
  engine->status_count = 0;
  for (size_t i = 0; i < count; i++) {
    nat_model_live_omitted(engine->gateways[i].model, summary->remotes_omitted);
    nat_model_finish(engine->gateways[i].model, &engine->gateways[i].report.estimate);
    make_report(engine, &engine->gateways[i]);
    engine->gateways[i].report.events_lost = engine->lost;
    engine->gateways[i].report.coverage = coverage;
  }
}

const struct nat_report *nat_engine_report(const struct nat_engine *engine,
                                           size_t gateway) {
  return &engine->gateways[gateway].report;
}

const struct nat_status_entry *nat_engine_status(const struct nat_engine *engine,
                                                 size_t *count) {
  *count = engine->status_count;
  return engine->status;
}
