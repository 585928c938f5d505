/* SPDX-License-Identifier: MIT */
#include "probe_metrics.h"

#include <stdio.h>

#define PER_TARGET "chain:target"

static const struct metric metrics[PROBE_METRIC_COUNT] = {
    [PROBE_UP] = {.type = "up", .kind = METRIC_GAUGE, .minimum = 0, .maximum = 1,
                  .plugin_instance = PER_TARGET, .unit = "1",
                  .help = "1 if the last probe through the whole chain met every "
                          "expectation, else 0"},
    [PROBE_HOP_UP] = {.type = "hop_up", .kind = METRIC_GAUGE, .minimum = 0, .maximum = 1,
                      .plugin_instance = PER_TARGET,
                      .type_instance = "HOP, egress, target", .unit = "1",
                      .help = "1 if this part did its work for the last probe, 0 if it "
                              "did not; absent if it was not reached"},
    [PROBE_LATENCY] = {.type = "latency", .kind = METRIC_GAUGE, .stock = true,
                       .minimum = 0, .maximum = METRIC_UNBOUNDED,
                       .plugin_instance = PER_TARGET, .type_instance = "total, rtt",
                       .unit = "seconds",
                       .help = "the whole of the last probe; the smoothed round trip "
                               "time of its first connection"},
    [PROBE_RESPONSE_TIME] = {.type = "response_time", .kind = METRIC_GAUGE,
                             .stock = true, .minimum = 0, .maximum = METRIC_UNBOUNDED,
                             .plugin_instance = PER_TARGET,
                             .type_instance = "dns, connect, proxy_tls-HOP, tunnel-HOP, "
                                              "tls, ttfb, transfer",
                             .unit = "seconds",
                             .help = "length of each phase of the last probe; a phase "
                                     "that was not reached is absent"},
    [PROBE_RESPONSE_CODE] = {.type = "response_code", .kind = METRIC_GAUGE,
                             .stock = true, .minimum = 0, .maximum = METRIC_UNBOUNDED,
                             .plugin_instance = PER_TARGET,
                             .type_instance = "http, tunnel-HOP", .unit = "1",
                             .help = "status of the last answer; of the last answer to "
                                     "CONNECT"},
    [PROBE_HTTP_RESPONSE_CODES] = {.type = "http_response_codes", .kind = METRIC_DERIVE,
                                   .stock = true, .minimum = 0,
                                   .maximum = METRIC_UNBOUNDED,
                                   .plugin_instance = PER_TARGET,
                                   .type_instance = "100 ... 599, other",
                                   .unit = "answers",
                                   .help = "answers to the request by status"},
    [PROBE_RESULTS] = {.type = "results", .kind = METRIC_DERIVE, .minimum = 0,
                       .maximum = METRIC_UNBOUNDED, .plugin_instance = PER_TARGET,
                       .type_instance = "ok, local, dns, refused, unreachable, "
                                        "connect_timeout, proxy_denied, proxy_error, "
                                        "tunnel_timeout, tls, certificate, timeout, "
                                        "status, body, other",
                       .unit = "attempts", .help = "attempts by outcome"},
    [PROBE_LATENCY_BUCKET] = {.type = "latency_bucket", .kind = METRIC_DERIVE,
                              .minimum = 0, .maximum = METRIC_UNBOUNDED,
                              .plugin_instance = PER_TARGET,
                              .type_instance = "0.005, 0.01, 0.025, 0.05, 0.1, 0.25, "
                                               "0.5, 1, 2.5, 5, 10, +Inf",
                              .unit = "probes",
                              .help = "good probes that took at most so many seconds"},
    [PROBE_CERTIFICATE_EXPIRY] = {.type = "certificate_expiry", .kind = METRIC_GAUGE,
                                  .minimum = METRIC_UNBOUNDED,
                                  .maximum = METRIC_UNBOUNDED,
                                  .plugin_instance = PER_TARGET,
                                  .type_instance = "target, HOP", .unit = "seconds",
                                  .help = "time left until the certificate ends, also "
                                          "if it was not accepted"},
    [PROBE_FAULT] = {.type = "fault", .kind = METRIC_GAUGE, .minimum = 0, .maximum = 1,
                     .plugin_instance = "chain",
                     .type_instance = "local, HOP, egress, target, unknown",
                     .unit = "1",
                     .help = "1 where the verdict blames this part of the chain, else 0"},
};

const struct metric_table probe_metrics = {
    .plugin = "egress_probe",
    .count = PROBE_METRIC_COUNT,
    .metrics = metrics,
};

/* What is being emitted. */
struct emission {
  const struct probe_config *config;
  const struct probe_chain *chain;
  const struct probe_sink *sink;
  const char *instance;
  time_t wall;
};

static void gauge(const struct emission *emission, enum probe_metric metric,
                  const char *type_instance, double value) {
  emission->sink->gauge(emission->sink->data, metric, emission->instance, type_instance,
                        value);
}

static void derive(const struct emission *emission, enum probe_metric metric,
                   const char *type_instance, int64_t value) {
  emission->sink->derive(emission->sink->data, metric, emission->instance, type_instance,
                         value);
}

static const char *hop_name(const struct emission *emission, size_t hop) {
  return emission->config->hops[emission->chain->hops[hop]].name;
}

/* The phase's name, in `text` if it goes with a hop's. */
static const char *with_hop(const struct emission *emission, enum phase phase, size_t hop,
                            char *text, size_t size) {
  if (!phase_has_hop(phase) || hop >= emission->chain->hop_count)
    return phase_names[phase];
  snprintf(text, size, "%s-%s", phase_names[phase], hop_name(emission, hop));
  return text;
}

/* --- One target ----------------------------------------------------------------------- */

static void emit_counters(const struct emission *emission,
                          const struct target_counters *counters) {
  char status[16];

  for (size_t i = 0; i < RESULT_COUNT; i++)
    derive(emission, PROBE_RESULTS, result_names[i], counters->results[i]);
  for (size_t i = 0; i < counters->status_count; i++) {
    snprintf(status, sizeof(status), "%d", counters->statuses[i].status);
    derive(emission, PROBE_HTTP_RESPONSE_CODES,
           counters->statuses[i].status == 0 ? "other" : status,
           counters->statuses[i].count);
  }
  for (size_t i = 0; i < HISTOGRAM_BUCKETS && emission->config->histogram; i++)
    derive(emission, PROBE_LATENCY_BUCKET, histogram_bounds[i],
           counters->histogram.counts[i]);
}

static void emit_times(const struct emission *emission,
                       const struct attempt_report *last) {
  char text[PROBE_INSTANCE_MAX + 1];

  if (last->phases.count == 0)
    return; /* it could not be sent */
  gauge(emission, PROBE_LATENCY, "total",
        nanoseconds_to_seconds(phases_total(&last->phases)));
  if (last->rtt > 0)
    gauge(emission, PROBE_LATENCY, "rtt", nanoseconds_to_seconds(last->rtt));
  for (size_t i = 0; i < last->phases.count; i++)
    gauge(emission, PROBE_RESPONSE_TIME,
          with_hop(emission, last->phases.lengths[i].phase, last->phases.lengths[i].hop,
                   text, sizeof(text)),
          nanoseconds_to_seconds(last->phases.lengths[i].length));
}

static void emit_statuses(const struct emission *emission,
                          const struct attempt_report *last) {
  char text[PROBE_INSTANCE_MAX + 1];

  if (last->status != 0)
    gauge(emission, PROBE_RESPONSE_CODE, "http", last->status);
  for (size_t i = 0; i < emission->chain->hop_count; i++)
    if (last->connect_statuses[i] != 0)
      gauge(emission, PROBE_RESPONSE_CODE,
            with_hop(emission, PHASE_TUNNEL, i, text, sizeof(text)),
            last->connect_statuses[i]);
}

static void emit_certificates(const struct emission *emission,
                              const struct attempt_report *last) {
  if (last->target_expiry != 0)
    gauge(emission, PROBE_CERTIFICATE_EXPIRY, "target",
          difftime(last->target_expiry, emission->wall));
  for (size_t i = 0; i < emission->chain->hop_count; i++)
    if (last->proxy_expiries[i] != 0)
      gauge(emission, PROBE_CERTIFICATE_EXPIRY, hop_name(emission, i),
            difftime(last->proxy_expiries[i], emission->wall));
}

static void emit_parts(const struct emission *emission, const enum part_state *parts) {
  size_t hops = emission->chain->hop_count;

  for (size_t i = 0; i < PARTS_OF(hops); i++)
    if (parts[i] != PART_NOT_REACHED)
      gauge(emission, PROBE_HOP_UP,
            i < hops    ? hop_name(emission, i)
            : i == hops ? "egress"
                        : "target",
            parts[i] == PART_WORKED ? 1 : 0);
}

static void emit_target(const struct emission *emission,
                        const struct target_report *target, bool fresh) {
  emit_counters(emission, &target->counters);
  if (!fresh || !target->known)
    return;
  gauge(emission, PROBE_UP, NULL, target->last.outcome.result == RESULT_OK ? 1 : 0);
  emit_parts(emission, target->parts);
  emit_times(emission, &target->last);
  emit_statuses(emission, &target->last);
  emit_certificates(emission, &target->last);
}

/* --- The chain -------------------------------------------------------------------------- */

static void emit_fault(const struct emission *emission, int location) {
  gauge(emission, PROBE_FAULT, "local", location == VERDICT_LOCAL);
  for (size_t i = 0; i < emission->chain->hop_count; i++)
    gauge(emission, PROBE_FAULT, hop_name(emission, i), location == VERDICT_HOP + (int)i);
  gauge(emission, PROBE_FAULT, "egress", location == VERDICT_EGRESS);
  gauge(emission, PROBE_FAULT, "target", location == VERDICT_TARGET);
  gauge(emission, PROBE_FAULT, "unknown", location == VERDICT_UNKNOWN);
}

void probe_metrics_emit(const struct probe_config *config, size_t chain,
                        const struct chain_report *report, bool fresh, time_t wall,
                        const struct probe_sink *sink) {
  char instance[PROBE_INSTANCE_MAX + 1];
  struct emission emission = {
      .config = config,
      .chain = &config->chains[chain],
      .sink = sink,
      .instance = instance,
      .wall = wall,
  };

  for (size_t i = 0; i < report->target_count; i++) {
    if (emission.chain->targets[i].control)
      continue;
    snprintf(instance, sizeof(instance), "%s:%s", emission.chain->name,
             emission.chain->targets[i].name);
    emit_target(&emission, &report->targets[i], fresh);
  }
  emission.instance = emission.chain->name;
  if (fresh && report->judged)
    emit_fault(&emission, report->location);
}
