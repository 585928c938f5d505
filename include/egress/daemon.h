/* SPDX-License-Identifier: MIT
 *
 * The adapter to collectd. Only egress_X.c files include it. All functions may
 * be called from any of collectd's own threads; metric_gauge, metric_derive
 * and notify only from a read callback (collectd takes interval and context
 * from the calling thread). trouble_* may be called from any thread.
 */
#ifndef EGRESS_DAEMON_H
#define EGRESS_DAEMON_H

#include "collectd-shim.h"

#include "egress/metric.h"
#include "egress/option.h"
#include "egress/trouble.h"

#include <stdint.h>

#pragma GCC visibility push(default)

/* Converts collectd's block and hands it to `parse`. An error is logged in one
 * line. Returns 0 or -1, to be returned from a complex config callback: collectd
 * then refuses to start. */
int daemon_configure(const oconfig_item_t *block,
                     int (*parse)(const struct option *block, void *into,
                                  struct option_error *error),
                     void *into);

/* Registers the table's own types. Returns 0, or -1 with a line in the log. */
int daemon_register_types(const struct metric_table *table);

/* Dispatches one value of metric `index` of the table. plugin_instance and
 * type_instance may be NULL. NaN is not dispatched: a value that is not known
 * is absent. */
void metric_gauge(const struct metric_table *table, size_t index,
                  const char *plugin_instance, const char *type_instance,
                  double value);
void metric_derive(const struct metric_table *table, size_t index,
                   const char *plugin_instance, const char *type_instance,
                   int64_t value);

/* A trouble is there, or not: a line in the log, where egress/trouble.h wants one.
 * Thread-safe. */
__attribute__((format(printf, 2, 3))) void trouble_begin(struct trouble *trouble,
                                                         const char *format, ...);
__attribute__((format(printf, 2, 3))) void trouble_end(struct trouble *trouble,
                                                       const char *format, ...);

/* Sends a collectd notification of the plugin. severity is one of collectd's
 * NOTIF_FAILURE, NOTIF_WARNING, NOTIF_OKAY. Text beyond 255 bytes is cut at a
 * character border; control bytes become '?'. */
void daemon_notify(int severity, const char *plugin, const char *plugin_instance,
                   const char *type, const char *type_instance, const char *text);

#pragma GCC visibility pop
#endif
