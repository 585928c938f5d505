/* SPDX-License-Identifier: MIT
 *
 * The metrics of a plugin as one static table: the single source of its types,
 * units and help texts. The daemon registers the types from it, the shipped
 * types.db is printed from it, and the manual page is checked against it.
 */
#ifndef EGRESS_METRIC_H
#define EGRESS_METRIC_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#pragma GCC visibility push(default)

enum metric_kind { METRIC_GAUGE, METRIC_DERIVE };

#define METRIC_UNBOUNDED NAN

struct metric {
  const char *type;     /* collectd's type, a key in types.db */
  enum metric_kind kind;
  double minimum, maximum; /* METRIC_UNBOUNDED where there is none */
  bool stock;           /* in collectd's own types.db: not registered by us */
  const char *plugin_instance; /* what the plugin instance says */
  const char *type_instance;   /* what the type instance says; NULL: none */
  const char *unit;     /* "seconds", "bytes", "ports", "1", ... */
  const char *help;
};

struct metric_table {
  const char *plugin;
  size_t count;
  const struct metric *metrics;
};

#pragma GCC visibility push(hidden)
/* The table's own types in the form of types.db(5), a type a line, each type
 * once. Returns 0, or -EIO if the stream failed. */
int metric_table_print_types(const struct metric_table *table, FILE *stream);
#pragma GCC visibility pop

#pragma GCC visibility pop
#endif
