/* SPDX-License-Identifier: MIT
 *
 * The plugin's metrics, and the values of a report as such.
 */
#ifndef EGRESS_PROBE_METRICS_H
#define EGRESS_PROBE_METRICS_H

#include "egress/metric.h"

#include "report.h"

enum probe_metric {
  PROBE_UP,
  PROBE_HOP_UP,
  PROBE_LATENCY,
  PROBE_RESPONSE_TIME,
  PROBE_RESPONSE_CODE,
  PROBE_HTTP_RESPONSE_CODES,
  PROBE_RESULTS,
  PROBE_LATENCY_BUCKET,
  PROBE_CERTIFICATE_EXPIRY,
  PROBE_FAULT,
  PROBE_METRIC_COUNT
};

extern const struct metric_table probe_metrics;

/* Where values go: one of the two is called for each. `type_instance` may be
 * NULL. */
struct probe_sink {
  void (*gauge)(void *data, enum probe_metric metric, const char *plugin_instance,
                const char *type_instance, double value);
  void (*derive)(void *data, enum probe_metric metric, const char *plugin_instance,
                 const char *type_instance, int64_t value);
  void *data;
};

/* Hands all that is known of a chain to the sink. `fresh`: the last round is not
 * too old to speak of now; else only counters are handed over. `wall` is the time
 * of day, for the certificates. */
void probe_metrics_emit(const struct probe_config *config, size_t chain,
                        const struct chain_report *report, bool fresh, time_t wall,
                        const struct probe_sink *sink);

#endif
