/* SPDX-License-Identifier: MIT */
#include "egress/metric.h"

#include <errno.h>
#include <string.h>

static bool printed_before(const struct metric_table *table, size_t index) {
  for (size_t i = 0; i < index; i++)
    if (strcmp(table->metrics[i].type, table->metrics[index].type) == 0)
      return true;
  return false;
}

/* types.db(5) writes a bound that does not exist as U. */
static void print_bound(double bound, FILE *stream) {
  if (isnan(bound))
    fputc('U', stream);
  else
    fprintf(stream, "%.15g", bound);
}

int metric_table_print_types(const struct metric_table *table, FILE *stream) {
  for (size_t i = 0; i < table->count; i++) {
    const struct metric *metric = &table->metrics[i];

    if (metric->stock || printed_before(table, i))
      continue;
    fprintf(stream, "%-24s value:%s:", metric->type,
            metric->kind == METRIC_GAUGE ? "GAUGE" : "DERIVE");
    print_bound(metric->minimum, stream);
    fputc(':', stream);
    print_bound(metric->maximum, stream);
    fputc('\n', stream);
  }
  return ferror(stream) ? -EIO : 0;
}
