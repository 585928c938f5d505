/* SPDX-License-Identifier: MIT */
#include "nat_engine_state.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* --- Making -------------------------------------------------------------------- */

static int make_side(struct nat_side *side, const struct nat_config *config,
                     const struct nat_model_settings *settings, bool by_local) {
  struct nat_model_settings distinct = *settings;
  uint32_t places = (uint32_t)config->top_destinations;
  uint32_t minimum = (uint32_t)config->destination_min_ports;

  side->report = (struct nat_report){.exhaustion = (double)NAN,
                                     .connect_rate = (double)NAN,
                                     .sustainable = (double)NAN,
                                     .limit = settings->limit,
                                     .named = side->named};
  distinct.distinct = true;
  if (nat_top_init(&side->top, places, minimum) < 0 ||
      nat_top_init(&side->sources, places, minimum) < 0 ||
      nat_model_new(settings, &side->by_remote) < 0)
    return -ENOMEM;
  return by_local ? nat_model_new(&distinct, &side->by_local) : 0;
}

/* Of UDP there is but one timeout, from the last packet on. */
static struct nat_model_settings settings_of(const struct nat_gateway_config *own,
                                             enum nat_protocol protocol) {
  struct nat_model_settings settings = {.time_wait = own->time_wait,
                                        .reset = own->reset_timeout,
                                        .transitory = own->transitory_timeout,
                                        .limit = nat_gateway_limit(own)};

  if (protocol == NAT_UDP)
    settings.time_wait = settings.reset = settings.transitory = own->udp_timeout;
  return settings;
}

static uint32_t destinations_max(const struct nat_engine_settings *settings) {
  return settings->destinations_max ? settings->destinations_max : NAT_DESTINATIONS_MAX;
}

static int make_gateway(struct nat_gateway *gateway, const struct nat_config *config,
                        const struct nat_gateway_config *own,
                        const struct nat_engine_settings *settings) {
  int status = 0;

  gateway->config = own;
  for (unsigned protocol = 0; protocol < NAT_PROTOCOLS && status == 0; protocol++) {
    struct nat_model_settings model = settings_of(own, (enum nat_protocol)protocol);

    model.slack = settings->slack;
    model.covered_since = settings->covered_since[protocol];
    model.destinations_max = destinations_max(settings);
    model.seed = settings->seed;
    status = make_side(&gateway->sides[protocol], config, &model,
                       own->endpoint_independent);
  }
  return status;
}

/* A mapping found out later begins with nothing known of the past. Without memory for it
 * the ports stay counted by destination. */
static void start_by_local(const struct nat_engine *engine, struct nat_side *side,
                           struct nat_model_settings settings) {
  settings.slack = engine->settings.slack;
  settings.covered_since = engine->begun;
  settings.destinations_max = destinations_max(&engine->settings);
  settings.seed = engine->settings.seed;
  settings.distinct = true;
  if (nat_model_new(&settings, &side->by_local) < 0)
    side->by_local = NULL;
}

static void stop_by_local(struct nat_side *side) {
  nat_model_free(side->by_local);
  side->by_local = NULL;
}

void nat_engine_configure(struct nat_engine *engine, size_t gateway) {
  const struct nat_gateway_config *own = &engine->config->gateways[gateway];

  for (unsigned protocol = 0; protocol < NAT_PROTOCOLS; protocol++) {
    struct nat_side *side = &engine->gateways[gateway].sides[protocol];
    const struct nat_model_settings settings =
        settings_of(own, (enum nat_protocol)protocol);

    side->report.limit = settings.limit;
    nat_model_configure(side->by_remote, &settings);
    if (side->by_local && !own->endpoint_independent)
      stop_by_local(side);
    else if (side->by_local)
      nat_model_configure(side->by_local, &settings);
    else if (own->endpoint_independent)
      start_by_local(engine, side, settings);
  }
}

int nat_engine_new(const struct nat_config *config,
                   const struct nat_engine_settings *settings,
                   struct nat_engine **engine) {
  struct nat_engine *made = calloc(1, sizeof(*made));
  int status = made ? 0 : -ENOMEM;

  if (made) {
    made->config = config;
    made->settings = *settings;
    made->has_events = settings->covered_since[NAT_TCP] != NAT_NEVER;
    nat_gone_init(&made->gone);
  }
  for (size_t i = 0; i < config->gateway_count && status == 0; i++)
    status = make_gateway(&made->gateways[i], config, &config->gateways[i], settings);
  if (status < 0)
    nat_engine_free(made);
  else
    *engine = made;
  return status;
}

void nat_engine_free(struct nat_engine *engine) {
  if (!engine)
    return;
  for (size_t i = 0; i < NAT_GATEWAYS_MAX * NAT_PROTOCOLS; i++) {
    struct nat_side *side = &engine->gateways[i / NAT_PROTOCOLS].sides[i % NAT_PROTOCOLS];

    nat_model_free(side->by_remote);
    nat_model_free(side->by_local);
    nat_top_free(&side->top);
    nat_top_free(&side->sources);
  }
  nat_gone_free(&engine->gone);
  free(engine->own_addresses);
  free(engine);
}

/* --- Which gateway ---------------------------------------------------------------- */

const struct nat_gateway_config *
nat_engine_choose(const struct nat_config *config, const struct net_address *source,
                  const struct net_address *destination, bool own) {
  for (size_t i = 0; i < config->gateway_count; i++)
    if (!(own && __atomic_load_n(&config->gateways[i].own_bypass, __ATOMIC_RELAXED)) &&
        nat_traffic_takes(&config->gateways[i].traffic, destination) &&
        nat_traffic_takes_from(&config->gateways[i].traffic, source))
      return &config->gateways[i];
  return NULL;
}

/* Keepalive probes and their answers are traffic too; the answers show in
 * last_ack_recv. */
static nanoseconds idle_time(const struct sock_diag_record *record) {
  const struct tcp_info *info = record->info;
  uint32_t idle_ms;

  if (!info || record->state != TCP_STATE_ESTABLISHED)
    return 0;
  idle_ms = info->tcpi_last_data_sent;
  if (info->tcpi_last_data_recv < idle_ms)
    idle_ms = info->tcpi_last_data_recv;
  if (info->tcpi_last_ack_recv < idle_ms)
    idle_ms = info->tcpi_last_ack_recv;
  return idle_ms * NANOSECONDS_PER_MILLISECOND;
}

unsigned nat_engine_classify(const struct nat_config *config,
                             const struct sock_diag_record *record) {
  const struct nat_gateway_config *gateway =
      nat_engine_choose(config, &record->local.address, &record->remote.address, true);
  nanoseconds timeout;
  unsigned class;

  if (!gateway)
    return 0;
  class = (unsigned)(gateway - config->gateways) + 1;
  timeout = __atomic_load_n(&gateway->established_timeout, __ATOMIC_RELAXED);
  if (__atomic_load_n(&gateway->endpoint_independent, __ATOMIC_RELAXED))
    class |= FLOW_BY_LOCAL;
  if (timeout > 0) {
    nanoseconds idle = idle_time(record);

    if (idle >= timeout)
      class |= FLOW_IDLE;
    if (idle >= timeout - nat_config_idle_period(config))
      class |= FLOW_DROWSY;
  }
  return class;
}

static int compare_addresses(const void *one, const void *other) {
  return memcmp(one, other, sizeof(struct net_address));
}

bool nat_engine_is_own(const struct nat_engine *engine,
                       const struct net_address *address) {
  return engine->own_address_count > 0 &&
         bsearch(address, engine->own_addresses, engine->own_address_count,
                 sizeof(*address), compare_addresses) != NULL;
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

/* --- Reads ---------------------------------------------------------------------------- */

bool nat_engine_begin(struct nat_engine *engine, nanoseconds begun, bool idle_known) {
  uint32_t merged = 0;

  engine->begun = begun;
  for (size_t i = 0; i < engine->config->gateway_count * NAT_PROTOCOLS; i++) {
    struct nat_side *side = &engine->gateways[i / NAT_PROTOCOLS].sides[i % NAT_PROTOCOLS];

    side->measured = false;
    merged += nat_model_begin(side->by_remote, begun, idle_known);
    if (side->by_local)
      merged += nat_model_begin(side->by_local, begun, idle_known);
  }
  return merged > 0;
}

static struct nat_live live_of(const struct flow_remote *row, bool all) {
  struct nat_live live = {.stalled = row->stalled,
                          .local_ports = row->open + row->half_open + row->time_wait};

  if (all) {
    live.open = row->open;
    live.half_open = row->half_open;
    live.idle = row->idle;
    live.drowsy = row->drowsy;
  }
  return live;
}

static struct nat_side *side_of_row(struct nat_engine *engine,
                                    const struct flow_remote *row) {
  return row->class > 0 && row->class <= engine->config->gateway_count
             ? &engine->gateways[row->class - 1].sides[NAT_TCP]
             : NULL;
}

static void take_remote(struct nat_engine *engine, const struct flow_remote *row, bool all) {
  struct nat_side *side = side_of_row(engine, row);
  struct nat_live live = live_of(row, all);

  if (side && !nat_engine_is_own(engine, &row->remote.address))
    nat_model_live(side->by_remote, &row->remote, &live);
}

static void take_local(struct nat_engine *engine, const struct flow_remote *row, bool all) {
  struct nat_side *side = side_of_row(engine, row);
  struct nat_live live = live_of(row, all);

  if (side && side->by_local)
    nat_model_live(side->by_local, &row->remote, &live);
}

static void remember_sockets(struct nat_engine *engine,
                             const struct flow_summary *summary) {
  memset(engine->listens, 0, sizeof(engine->listens));
  for (size_t i = 0; i < summary->listener_count; i++)
    nat_engine_add_listener(engine, summary->listeners[i].port);
  engine->last = summary;
}

static void complete(struct nat_model *model, uint64_t omitted, nanoseconds ended) {
  nat_model_live_omitted(model, omitted);
  nat_model_ended(model, ended);
}

void nat_engine_take_sockets(struct nat_engine *engine,
                             const struct flow_summary *summary, bool all) {
  if (all)
    nat_engine_find_gone(engine, summary);
  remember_sockets(engine, summary);
  nat_engine_measure(engine, NAT_TCP);
  for (size_t i = 0; i < summary->remote_count; i++)
    take_remote(engine, &summary->remotes[i], all);
  for (size_t i = 0; i < summary->local_count; i++)
    take_local(engine, &summary->locals[i], all);
  for (size_t i = 0; i < engine->config->gateway_count; i++) {
    struct nat_side *side = &engine->gateways[i].sides[NAT_TCP];

    if (all)
      complete(side->by_remote, summary->remotes_omitted, summary->ended);
    if (all && side->by_local)
      complete(side->by_local, summary->locals_omitted, summary->ended);
  }
}

void nat_engine_measure(struct nat_engine *engine, enum nat_protocol protocol) {
  for (size_t i = 0; i < engine->config->gateway_count; i++)
    engine->gateways[i].sides[protocol].measured = true;
}

void nat_engine_take_flow(struct nat_engine *engine, struct nat_place *place,
                          const struct nat_ends *ends, const struct nat_live *live) {
  struct nat_side *side = nat_engine_side(engine, place);

  place->remote = nat_model_live(side->by_remote, &ends->remote, live);
  if (side->by_local)
    place->local = nat_model_live(side->by_local, &ends->local, live);
}

void nat_engine_take_closed(struct nat_engine *engine, struct nat_place *place,
                            const struct nat_ends *ends, enum nat_close kind,
                            nanoseconds age, bool *held) {
  struct nat_side *side = nat_engine_side(engine, place);

  place->remote = nat_model_waiting(side->by_remote, &ends->remote, kind, age, held);
  if (side->by_local)
    place->local = nat_model_waiting(side->by_local, &ends->local, kind, age, held);
}

void nat_engine_take_source(struct nat_engine *engine, size_t gateway,
                            enum nat_protocol protocol, const struct net_address *source,
                            uint32_t ports) {
  const struct net_endpoint endpoint = {.address = *source};

  nat_top_offer(&engine->gateways[gateway].sides[protocol].sources, &endpoint, ports);
}

static double find_coverage(struct nat_engine *engine) {
  double got = (double)(engine->received - engine->received_before);
  double missed = (double)nat_engine_lost_lately(engine);

  engine->received_before = engine->received;
  engine->lost_before = engine->lost;
  return missed > 0 ? got / (got + missed) : 1;
}

void nat_engine_finish(struct nat_engine *engine) {
  double coverage;

  nat_engine_pass_on_lost(engine);
  coverage = find_coverage(engine);
  engine->status_count = 0;
  for (size_t i = 0; i < engine->config->gateway_count * NAT_PROTOCOLS; i++) {
    struct nat_gateway *gateway = &engine->gateways[i / NAT_PROTOCOLS];
    struct nat_report *report = &gateway->sides[i % NAT_PROTOCOLS].report;

    nat_side_report(engine, gateway, (enum nat_protocol)(i % NAT_PROTOCOLS));
    report->events_lost = engine->lost;
    report->coverage = coverage;
  }
}

void nat_engine_read(struct nat_engine *engine, const struct flow_summary *summary) {
  nat_engine_begin(engine, summary->begun, summary->tcp_info);
  nat_engine_take_sockets(engine, summary, true);
  nat_engine_finish(engine);
}

const struct nat_report *nat_engine_report(const struct nat_engine *engine,
                                           size_t gateway, enum nat_protocol protocol) {
  return &engine->gateways[gateway].sides[protocol].report;
}

const struct nat_status_entry *nat_engine_status(const struct nat_engine *engine,
                                                 size_t *count) {
  *count = engine->status_count;
  return engine->status;
}
