/* SPDX-License-Identifier: MIT */
#include "egress_nat_gateway.h"

#include "egress/daemon.h"

#include "discovery_thread.h"
#include "estimate_history.h"
#include "gateway_settings.h"
#include "nat_metrics.h"

#include <curl/curl.h>

#define NAME "egress_nat"

/* A figure of Cloud NAT's is up to four minutes old when it is got; then two polls may
 * fail. */
#define FIGURE_DELAY (300 * NANOSECONDS_PER_SECOND)

static struct discovery *discovery; /* NULL: nothing is asked */

/* Of reads alone. */
static struct gateway {
  struct gateway_view view;
  char described[512]; /* as logged last */
  char external[GCP_ADDRESS_SIZE];
  struct gcp_trouble troubles[DISCOVERY_STEPS];
  struct estimate_history history;
  struct trouble no_bypass;
} gateways[NAT_GATEWAYS_MAX];

int nat_gateways_start(const struct nat_config *config) {
  const struct gateway_source *sources[NAT_GATEWAYS_MAX];

  for (size_t i = 0; i < config->gateway_count; i++)
    sources[i] = &config->gateways[i].source;
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return -ENOMEM;
  return discovery_start(sources, config->gateway_count, &discovery);
}

void nat_gateways_stop(void) {
  discovery_stop(discovery);
  discovery = NULL;
  memset(gateways, 0, sizeof(gateways));
}

/* --- The log ------------------------------------------------------------------------- */

static void log_troubles(const char *name, struct gateway *gateway) {
  static const char *const servers[DISCOVERY_STEPS] = {
      "the metadata server", "the Compute API", "the Monitoring API"};

  for (size_t step = 0; step < DISCOVERY_STEPS; step++) {
    const struct gcp_trouble *trouble = &gateway->view.troubles[step];
    struct gcp_trouble *logged = &gateway->troubles[step];

    if (strcmp(trouble->text, logged->text) == 0)
      continue;
    if (trouble->text[0])
      WARNING(NAME ": gateway \"%s\": %s", name, trouble->text);
    else
      NOTICE(NAME ": gateway \"%s\": %s answers as it should again", name,
             servers[step]);
    *logged = *trouble;
  }
}

static void log_external(const char *name, struct gateway *gateway) {
  const char *external =
      gateway->view.facts.type == GCP_NAT_PUBLIC ? gateway->view.facts.external : "";

  if (strcmp(external, gateway->external) == 0)
    return;
  if (*external)
    WARNING(NAME ": gateway \"%s\": this machine's NIC has the external address %s: its "
                 "own connections do not take Cloud NAT, and are not counted",
            name, external);
  else
    NOTICE(NAME ": gateway \"%s\": this machine's NIC has no external address any more: "
                "its connections are counted",
           name);
  snprintf(gateway->external, sizeof(gateway->external), "%s", external);
}

static void log_facts(const char *name, struct gateway *gateway) {
  char text[sizeof(gateway->described)];

  if (!gateway->view.facts.known)
    return;
  gateway_settings_describe(&gateway->view.facts, text, sizeof(text));
  if (strcmp(text, gateway->described) == 0)
    return;
  INFO(NAME ": gateway \"%s\": found %s", name, text);
  memcpy(gateway->described, text, sizeof(text));
}

/* --- Taking over ---------------------------------------------------------------------- */

void nat_gateways_update(struct nat_config *config, struct nat_engine *engine,
                         pthread_mutex_t *mutex) {
  for (size_t i = 0; discovery && i < config->gateway_count; i++) {
    struct nat_gateway_config *own = &config->gateways[i];
    struct gateway *gateway = &gateways[i];
    uint64_t version = gateway->view.version;

    discovery_get(discovery, i, &gateway->view);
    if (gateway->view.version == version)
      continue;
    log_troubles(own->name, gateway);
    log_external(own->name, gateway);
    log_facts(own->name, gateway);
    pthread_mutex_lock(mutex);
    if (gateway_settings_apply(own, &gateway->view.facts, &gateway->view.figures))
      nat_engine_configure(engine, i);
    pthread_mutex_unlock(mutex);
  }
}

static void reread(struct nat_gateway_config *own, struct gateway *gateway,
                   struct nat_reader *reader) {
  struct nat_bypass_error error = {"out of memory"};
  struct nat_networks bypass = {0};

  if (nat_config_reread_bypass(own, &bypass, &error) < 0) {
    trouble_begin(&gateway->no_bypass,
                  NAME ": gateway \"%s\": BypassFile: %s; what was read before still holds, "
                       "and it is read again when it has changed",
                  own->name, error.text);
  } else {
    nat_reader_set_bypass(reader, &own->traffic, &bypass);
    INFO(NAME ": gateway \"%s\": BypassFile has changed and was read again: %zu ranges of "
              "addresses bypass it",
         own->name, own->traffic.bypass.count);
    trouble_end(&gateway->no_bypass, NAME ": gateway \"%s\": BypassFile is right again",
                own->name);
  }
  nat_networks_free(&bypass);
}

void nat_gateways_reread(struct nat_config *config, struct nat_reader *reader) {
  for (size_t i = 0; i < config->gateway_count; i++)
    if (nat_bypass_changed(&config->gateways[i].bypass_files))
      reread(&config->gateways[i], &gateways[i], reader);
}

/* --- Metrics --------------------------------------------------------------------------- */

static bool is_fresh(const struct nat_gateway_config *own, int64_t end) {
  nanoseconds allowed = 2 * own->source.interval + FIGURE_DELAY;

  return time(NULL) - end <= allowed / NANOSECONDS_PER_SECOND;
}

static void dispatch_drops(const struct gateway *gateway, size_t protocol,
                           const char *instance) {
  static const char *const reasons[GCP_DROP_REASONS] = {
      [GCP_OUT_OF_RESOURCES] = "OUT_OF_RESOURCES",
      [GCP_ENDPOINT_CONFLICT] = "ENDPOINT_INDEPENDENCE_CONFLICT",
      [GCP_OTHER_REASON] = "other",
  };

  for (size_t reason = 0; reason < GCP_DROP_REASONS; reason++)
    metric_derive(&nat_metrics, NAT_GATEWAY_DROPPED_PACKETS, instance, reasons[reason],
                  (int64_t)gateway->view.figures.drops[protocol][reason]);
}

static void dispatch_error(const struct gateway *gateway, int64_t end, int64_t ports,
                           const char *instance) {
  int64_t estimate = estimate_history_find(&gateway->history, end);

  if (estimate >= 0)
    metric_gauge(&nat_metrics, NAT_ESTIMATE_ERROR, instance, NULL,
                 (double)(estimate - ports));
}

static void dispatch_figures(const struct nat_gateway_config *own,
                             const struct gateway *gateway) {
  static const char *const protocols[GCP_PROTOCOLS] = {[GCP_TCP] = "tcp",
                                                       [GCP_UDP] = "udp"};

  for (size_t protocol = 0; protocol < GCP_PROTOCOLS; protocol++) {
    bool known = gateway->view.figures.usage[protocol].known;
    int64_t end = gateway->view.figures.usage[protocol].end;
    int64_t ports = gateway->view.figures.usage[protocol].ports;
    char instance[DATA_MAX_NAME_LEN];

    snprintf(instance, sizeof(instance), "%s:%s", own->name, protocols[protocol]);
    if (known && is_fresh(own, end))
      metric_gauge(&nat_metrics, NAT_GATEWAY_PORT_USAGE, instance, NULL, (double)ports);
    if (known && is_fresh(own, end) && protocol == GCP_TCP)
      dispatch_error(gateway, end, ports, instance);
    if (gateway->view.figures.drops_known)
      dispatch_drops(gateway, protocol, instance);
  }
}

void nat_gateways_dispatch(const struct nat_config *config, size_t gateway,
                           const struct nat_estimate *estimate) {
  const struct nat_gateway_config *own = &config->gateways[gateway];
  uint32_t used = estimate->ports[NAT_BEST];

  if (!discovery || !gateway_source_asks(&own->source))
    return;
  discovery_set_busy(discovery, gateway,
                     2 * (uint64_t)used > nat_gateway_limit(own) &&
                         nat_gateway_limit(own) > 0);
  estimate_history_add(&gateways[gateway].history, time(NULL), used);
  dispatch_figures(own, &gateways[gateway]);
}
