/* SPDX-License-Identifier: MIT */
#include "probe_bench.h"

#include "option_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void start(struct bench *bench, const char *format, ...) {
  char text[65536];
  struct option_error error;
  struct option *tree;
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  *bench = (struct bench){0};
  tree = option_tree_parse(text);
  assert_non_null(tree);
  probe_config_init(&bench->config);
  if (probe_config_parse(tree, &bench->config, &error) < 0)
    fail_msg("%s", error.text);
  option_tree_free(tree);
  assert_int_equal(
      0, probe_config_settle(&bench->config, NANOSECONDS_PER_SECOND, true, &error));
  assert_int_equal(0, board_new(&bench->config, &bench->board));
  assert_int_equal(0, chain_report_init(&bench->report, &bench->config.chains[0]));
  assert_int_equal(0, engine_start(&bench->config, bench->board, &bench->engine));
}

void stop(struct bench *bench) {
  engine_stop(bench->engine);
  chain_report_clear(&bench->report);
  board_free(bench->board);
  probe_config_clear(&bench->config);
}

const struct target_report *target_of(const struct bench *bench, size_t target) {
  return &bench->report.targets[target];
}

void wait_for(struct bench *bench, const char *what, condition *met, int argument) {
  for (int i = 0; i < WAIT_SECONDS * 100; i++) {
    board_take(bench->board, 0, &bench->report);
    if (met(bench, argument))
      return;
    usleep(10000);
  }
  fail_msg("%d s without %s; last result %s, location %d", WAIT_SECONDS, what,
           result_names[target_of(bench, 0)->last.outcome.result],
           bench->report.location);
}

bool is_known(const struct bench *bench, int argument) {
  (void)argument;
  return target_of(bench, 0)->known;
}

bool is_judged_at(const struct bench *bench, int location) {
  return bench->report.judged && bench->report.location == location;
}

bool has_result(const struct bench *bench, int result) {
  return target_of(bench, 0)->counters.results[result] > 0;
}

void assert_adds_up(const struct attempt_report *last) {
  nanoseconds sum = 0;

  for (size_t i = 0; i < last->phases.count; i++)
    sum += last->phases.lengths[i].length;
  assert_int_equal(sum, phases_total(&last->phases));
  assert_true(sum > 0);
}

nanoseconds length_of(const struct attempt_report *last, enum phase phase, unsigned hop) {
  for (size_t i = 0; i < last->phases.count; i++)
    if (last->phases.lengths[i].phase == phase && last->phases.lengths[i].hop == hop)
      return last->phases.lengths[i].length;
  return -1;
}

void poison_environment(void) {
  static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY",
                                      "all_proxy", "ALL_PROXY"};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    setenv(names[i], "http://192.0.2.1:9", 1);
  setenv("no_proxy", "*", 1);
  setenv("NO_PROXY", "*", 1);
}
