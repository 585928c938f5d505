/* SPDX-License-Identifier: MIT
 *
 * Prints the plugins' metric tables, for those who must agree with them: a metric a
 * line, fields between tabs, their names in the first line. With --types-db: the
 * plugins' own types, as etc/collectd/types.db has them.
 */
#include "nat_metrics.h"
#include "netlink_metrics.h"
#include "probe_metrics.h"

#include <string.h>

static const struct metric_table *const tables[] = {&probe_metrics, &netlink_metrics,
                                                    &nat_metrics};

static void print_bound(double bound) {
  if (isnan(bound))
    fputs("U\t", stdout);
  else
    printf("%.15g\t", bound);
}

static void print_metric(const char *plugin, const struct metric *metric) {
  printf("%s\t%s\t%s\t", plugin, metric->type,
         metric->kind == METRIC_GAUGE ? "gauge" : "derive");
  print_bound(metric->minimum);
  print_bound(metric->maximum);
  printf("%s\t%s\t%s\t%s\t%s\n", metric->stock ? "stock" : "own", metric->unit,
         metric->plugin_instance ? metric->plugin_instance : "",
         metric->type_instance ? metric->type_instance : "", metric->help);
}

static void print_table(const struct metric_table *table) {
  for (size_t i = 0; i < table->count; i++)
    print_metric(table->plugin, &table->metrics[i]);
}

int main(int argc, char **argv) {
  size_t count = sizeof(tables) / sizeof(*tables);
  int status = 0;

  if (argc == 2 && strcmp(argv[1], "--types-db") == 0) {
    for (size_t i = 0; i < count && status == 0; i++)
      status = metric_table_print_types(tables[i], stdout);
    return status < 0 || fflush(stdout) != 0;
  }
  if (argc > 1) {
    fprintf(stderr, "usage: %s [--types-db]\n", argv[0]);
    return 2;
  }
  puts("plugin\ttype\tkind\tminimum\tmaximum\torigin\tunit\tplugin_instance\t"
       "type_instance\thelp");
  for (size_t i = 0; i < count; i++)
    print_table(tables[i]);
  return fflush(stdout) != 0;
}
