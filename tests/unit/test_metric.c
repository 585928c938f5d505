/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "egress/metric.h"

#include <stdlib.h>

static void test_own_types_are_printed_once(void **state) {
  static const struct metric metrics[] = {
      {.type = "up", .kind = METRIC_GAUGE, .minimum = 0, .maximum = 1},
      {.type = "latency", .stock = true, .minimum = 0, .maximum = METRIC_UNBOUNDED},
      {.type = "results", .kind = METRIC_DERIVE, .minimum = 0, .maximum = METRIC_UNBOUNDED},
      {.type = "up", .kind = METRIC_GAUGE, .minimum = 0, .maximum = 1},
  };
  const struct metric_table table = {.plugin = "x", .count = 4, .metrics = metrics};
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);

  (void)state;
  assert_non_null(stream);
  assert_int_equal(0, metric_table_print_types(&table, stream));
  fclose(stream);
  assert_string_equal("up                       value:GAUGE:0:1\n"
                      "results                  value:DERIVE:0:U\n",
                      text);
  free(text);
}

static void test_a_failed_stream_is_an_error(void **state) {
  static const struct metric metric = {.type = "up", .minimum = 0, .maximum = 1};
  const struct metric_table table = {.plugin = "x", .count = 1, .metrics = &metric};
  FILE *stream = fopen("/dev/null", "r");

  (void)state;
  assert_non_null(stream);
  assert_true(metric_table_print_types(&table, stream) < 0);
  fclose(stream);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_own_types_are_printed_once),
      cmocka_unit_test(test_a_failed_stream_is_an_error),
  };

  return cmocka_run_group_tests_name("metric", tests, NULL, NULL);
}
