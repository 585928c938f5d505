/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "option_tree.h"
#include "probe_metrics.h"
#include "secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Counters ------------------------------------------------------------------- */

static int64_t count_of(const struct target_counters *counters, int status) {
  for (size_t i = 0; i < counters->status_count; i++)
    if (counters->statuses[i].status == status)
      return counters->statuses[i].count;
  return -1;
}

static void test_counters(void **state) {
  struct target_counters counters;
  int64_t total = 0;

  (void)state;
  target_counters_init(&counters);
  assert_int_equal(0, count_of(&counters, 200)); /* from the start */
  assert_int_equal(-1, count_of(&counters, 418));
  target_counters_add(&counters, RESULT_OK, 200, NANOSECONDS_PER_MILLISECOND);
  target_counters_add(&counters, RESULT_STATUS, 418, NANOSECONDS_PER_MILLISECOND);
  target_counters_add(&counters, RESULT_REFUSED, 0, NANOSECONDS_PER_MILLISECOND);
  assert_int_equal(1, count_of(&counters, 200));
  assert_int_equal(1, count_of(&counters, 418));
  assert_int_equal(1, counters.results[RESULT_REFUSED]);
  assert_int_equal(1, counters.histogram.counts[0]); /* good ones only */

  for (int status = 100; status <= 599; status++) /* bounded, and none is lost */
    target_counters_add(&counters, RESULT_STATUS, status, 0);
  target_counters_add(&counters, RESULT_STATUS, 600, 0);
  assert_int_equal(STATUS_COUNTS_MAX, counters.status_count);
  for (size_t i = 0; i < counters.status_count; i++)
    total += counters.statuses[i].count;
  assert_int_equal(503, total);
}

/* --- What is dispatched ------------------------------------------------------------ */

static const char stanza[] = "<Plugin egress_probe>\n"
                             "<Hop \"a\">\nURL \"http://10.0.0.1:3128\"\n</Hop>\n"
                             "<Hop \"b\">\nURL \"http://10.0.0.2:3128\"\n</Hop>\n"
                             "<Chain \"c\">\n  Hops \"a\" \"b\"\n"
                             "  <Target \"t\">\n    URL \"https://one.example/\"\n  </Target>\n"
                             "  <Control \"g\">\n    URL \"https://g.example/\"\n  </Control>\n"
                             "</Chain>\n</Plugin>\n";

static struct probe_config config;

static int set_up(void **state) {
  struct option *tree = option_tree_parse(stanza);
  struct option_error error;
  int result;

  (void)state;
  probe_config_init(&config);
  result = tree ? probe_config_parse(tree, &config, &error) : -1;
  option_tree_free(tree);
  return result;
}

static int tear_down(void **state) {
  (void)state;
  probe_config_clear(&config);
  return 0;
}

/* Lines "type{plugin instance,type instance} value". */
struct page {
  char text[16384];
  unsigned derives;
};

static void write_line(struct page *page, enum probe_metric metric,
                       const char *plugin_instance, const char *type_instance,
                       double value) {
  size_t used = strlen(page->text);

  assert_true(strlen(plugin_instance) > 0);
  assert_true(!probe_metrics.metrics[metric].type_instance == !type_instance);
  snprintf(page->text + used, sizeof(page->text) - used, "%s{%s,%s} %g\n",
           probe_metrics.metrics[metric].type, plugin_instance,
           type_instance ? type_instance : "-", value);
}

static void on_gauge(void *data, enum probe_metric metric, const char *plugin_instance,
                     const char *type_instance, double value) {
  assert_int_equal(METRIC_GAUGE, probe_metrics.metrics[metric].kind);
  write_line(data, metric, plugin_instance, type_instance, value);
}

static void on_derive(void *data, enum probe_metric metric, const char *plugin_instance,
                      const char *type_instance, int64_t value) {
  struct page *page = data;

  assert_int_equal(METRIC_DERIVE, probe_metrics.metrics[metric].kind);
  page->derives++;
  write_line(page, metric, plugin_instance, type_instance, (double)value);
}

static void emit(const struct chain_report *report, bool fresh, struct page *page) {
  const struct probe_sink sink = {on_gauge, on_derive, page};

  *page = (struct page){0};
  probe_metrics_emit(&config, 0, report, fresh, 1000000, &sink);
}

#define ASSERT_HAS(page, line) assert_non_null(strstr((page).text, line "\n"))
#define ASSERT_LACKS(page, part) assert_null(strstr((page).text, part))

static void test_before_the_first_round_there_are_counters_only(void **state) {
  struct chain_report report;
  struct page page;

  (void)state;
  assert_int_equal(0, chain_report_init(&report, &config.chains[0]));
  emit(&report, true, &page);
  ASSERT_HAS(page, "results{c:t,ok} 0");
  ASSERT_HAS(page, "latency_bucket{c:t,+Inf} 0");
  ASSERT_HAS(page, "http_response_codes{c:t,other} 0");
  ASSERT_LACKS(page, "up{");
  ASSERT_LACKS(page, "fault{");
  ASSERT_LACKS(page, "c:g"); /* the Control has no series */
  assert_int_equal(RESULT_COUNT + HISTOGRAM_BUCKETS +
                       report.targets[0].counters.status_count,
                   page.derives);
  chain_report_clear(&report);
}

static struct attempt_report failed_in_tunnel(void) {
  const struct phase_plan plan = {.tunnel = true, .target_tls = true};
  struct attempt_report report = {
      .outcome = {.result = RESULT_PROXY_ERROR, .phase = PHASE_TUNNEL, .status = 503},
      .connect_statuses = {503},
      .rtt = 2 * NANOSECONDS_PER_MILLISECOND,
      .proxy_expiries = {1000000 - 5},
  };

  phases_begin(&report.phases, &plan, 0, 0);
  phases_on_socket(&report.phases, seconds_to_nanoseconds(0.25));
  phases_on_request(&report.phases, true, seconds_to_nanoseconds(0.5));
  phases_end(&report.phases, seconds_to_nanoseconds(1));
  return report;
}

static void test_a_failed_round(void **state) {
  struct chain_report report;
  struct page page;

  (void)state;
  assert_int_equal(0, chain_report_init(&report, &config.chains[0]));
  report.targets[0].known = true;
  report.targets[0].last = failed_in_tunnel();
  report.targets[0].parts[0] = PART_WORKED;
  report.targets[0].parts[1] = PART_FAILED;
  report.judged = true;
  report.location = VERDICT_HOP + 1;
  emit(&report, true, &page);
  ASSERT_HAS(page, "up{c:t,-} 0");
  ASSERT_HAS(page, "hop_up{c:t,a} 1");
  ASSERT_HAS(page, "hop_up{c:t,b} 0");
  ASSERT_LACKS(page, "hop_up{c:t,egress}");
  ASSERT_HAS(page, "latency{c:t,total} 1");
  ASSERT_HAS(page, "latency{c:t,rtt} 0.002");
  ASSERT_HAS(page, "response_time{c:t,tunnel-a} 0.5");
  ASSERT_LACKS(page, "response_time{c:t,tls}");
  ASSERT_HAS(page, "response_code{c:t,tunnel-a} 503");
  ASSERT_LACKS(page, "response_code{c:t,http}");
  ASSERT_HAS(page, "certificate_expiry{c:t,a} -5");
  ASSERT_HAS(page, "fault{c,b} 1");
  ASSERT_HAS(page, "fault{c,a} 0");
  ASSERT_HAS(page, "fault{c,local} 0");
  ASSERT_HAS(page, "fault{c,unknown} 0");

  emit(&report, false, &page); /* too old */
  ASSERT_HAS(page, "results{c:t,ok} 0");
  ASSERT_LACKS(page, "up{");
  ASSERT_LACKS(page, "fault{");
  chain_report_clear(&report);
}

static void test_board_copies(void **state) {
  struct board *board = NULL;
  struct chain_report report, taken;

  (void)state;
  assert_int_equal(0, board_new(&config, &board));
  assert_int_equal(0, chain_report_init(&report, &config.chains[0]));
  assert_int_equal(0, chain_report_init(&taken, &config.chains[0]));
  report.location = VERDICT_EGRESS;
  report.targets[0].counters.results[RESULT_OK] = 7;
  board_publish(board, 0, &report);
  report.targets[0].counters.results[RESULT_OK] = 8;
  board_take(board, 0, &taken);
  assert_int_equal(VERDICT_EGRESS, taken.location);
  assert_int_equal(7, taken.targets[0].counters.results[RESULT_OK]);
  assert_true(taken.targets != report.targets);
  chain_report_clear(&report);
  chain_report_clear(&taken);
  board_free(board);
}

/* --- Passwords ------------------------------------------------------------------------ */

static int read_text(const char *text, size_t length, struct secret *secret) {
  char path[] = "/tmp/egress-secret-XXXXXX";
  int file = mkstemp(path), result;

  assert_true(file >= 0);
  assert_int_equal(length, write(file, text, length));
  close(file);
  result = secret_read(path, secret);
  unlink(path);
  return result;
}

static void test_secret_is_the_first_line(void **state) {
  struct secret secret;
  char text[SECRET_MAX + 1];

  (void)state;
  assert_int_equal(0, read_text("pass word\n", 10, &secret));
  assert_string_equal("pass word", secret.text);
  assert_int_equal(0, read_text("crlf\r\nmore", 10, &secret));
  assert_string_equal("crlf", secret.text);
  assert_int_equal(0, read_text("no end", 6, &secret));
  assert_string_equal("no end", secret.text);
  assert_int_equal(-EINVAL, read_text("\nsecond", 7, &secret));
  assert_int_equal(-EINVAL, read_text("", 0, &secret));
  assert_int_equal(-EINVAL, read_text("a\0b", 3, &secret));
  assert_string_equal("", secret.text);
  memset(text, 'x', sizeof(text));
  assert_int_equal(0, read_text(text, SECRET_MAX - 1, &secret));
  assert_int_equal(SECRET_MAX - 1, strlen(secret.text));
  assert_int_equal(-EFBIG, read_text(text, SECRET_MAX, &secret));
  assert_int_equal(-EFBIG, read_text(text, SECRET_MAX + 1, &secret));
  secret_wipe(&secret);
  assert_string_equal("", secret.text);
}

static void test_secret_that_is_no_file(void **state) {
  char path[] = "/tmp/egress-secret-XXXXXX";
  struct secret secret;

  (void)state;
  assert_int_equal(-ENOENT, secret_read("/nowhere/secret", &secret));
  assert_int_equal(-EINVAL, secret_read("/tmp", &secret));
  close(mkstemp(path));
  unlink(path);
  assert_int_equal(0, mkfifo(path, 0600));
  assert_int_equal(-EINVAL, secret_read(path, &secret)); /* and does not wait */
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_counters),
      cmocka_unit_test_setup_teardown(
          test_before_the_first_round_there_are_counters_only, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_failed_round, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_board_copies, set_up, tear_down),
      cmocka_unit_test(test_secret_is_the_first_line),
      cmocka_unit_test(test_secret_that_is_no_file),
  };

  return cmocka_run_group_tests_name("probe report", tests, NULL, NULL);
}
