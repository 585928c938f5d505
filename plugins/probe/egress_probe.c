/* SPDX-License-Identifier: MIT
 *
 * egress_probe: which hop of a chain of proxies is broken, and how long each
 * step takes. The daemon's side: configuration in, values out.
 */
#include "egress/daemon.h"

#include "egress/clock.h"

#include "egress_probe_tell.h"
#include "engine.h"
#include "probe_metrics.h"

#include <curl/curl.h>
#include <signal.h>

#define PLUGIN "egress_probe"

/* A report that is older than so many intervals says nothing of now. */
#define REPORT_INTERVALS_MAX 3

/* collectd queues what a read hands over, names and all. Without a break the values of
 * a thousand targets make that queue 30 MB long, and what has left the processor's caches
 * takes collectd two fifths longer to write. All breaks together take no larger part of
 * the interval than BREAK_SHARE says. */
#define VALUES_AT_ONCE 48
#define BREAK_NANOSECONDS 100000
#define BREAK_SHARE 20

/* What the read callback remembers of a chain. */
struct chain_view {
  struct chain_report report;
  struct chain_told told;
};

static struct probe_config config;
static bool configured;
static struct board *board;
static struct engine *engine;
static struct chain_view *views; /* by chain */
static struct trouble no_secret[PROBE_HOPS_MAX]; /* by hop */
static struct cost_told cost_told;

/* --- Configuration ---------------------------------------------------------------- */

static int settle(bool is_last, struct option_error *error) {
  return probe_config_settle(&config, (nanoseconds)CDTIME_T_TO_NS(plugin_get_interval()),
                             is_last, error);
}

static int parse(const struct option *block, void *into, struct option_error *error) {
  int result = probe_config_parse(block, into, error);

  return result < 0 ? result : settle(false, error);
}

static int probe_config_block(oconfig_item_t *block) {
  if (!configured)
    probe_config_init(&config);
  configured = true;
  return daemon_configure(block, parse, &config);
}

/* --- Reading ----------------------------------------------------------------------- */

/* Of the read at hand; collectd makes one at a time. */
static unsigned values_left, breaks_left;

static void begin_values(void) {
  values_left = VALUES_AT_ONCE;
  breaks_left = (unsigned)(CDTIME_T_TO_NS(plugin_get_interval()) / BREAK_SHARE /
                           BREAK_NANOSECONDS);
}

static void after_value(void) {
  static const struct timespec pause = {.tv_nsec = BREAK_NANOSECONDS};

  if (--values_left > 0)
    return;
  values_left = VALUES_AT_ONCE;
  if (breaks_left == 0)
    return;
  breaks_left--;
  nanosleep(&pause, NULL);
}

static void emit_gauge(void *data, enum probe_metric metric, const char *plugin_instance,
                       const char *type_instance, double value) {
  (void)data;
  metric_gauge(&probe_metrics, metric, plugin_instance, type_instance, value);
  after_value();
}

static void emit_derive(void *data, enum probe_metric metric, const char *plugin_instance,
                        const char *type_instance, int64_t value) {
  (void)data;
  metric_derive(&probe_metrics, metric, plugin_instance, type_instance, value);
  after_value();
}

static void read_chain(size_t index, nanoseconds now) {
  static const struct probe_sink sink = {.gauge = emit_gauge, .derive = emit_derive};
  const struct probe_chain *chain = &config.chains[index];
  struct chain_view *view = &views[index];
  bool fresh;

  board_take(board, index, &view->report);
  fresh = view->report.finished > 0 &&
          now - view->report.finished <= REPORT_INTERVALS_MAX * chain->interval;
  probe_metrics_emit(&config, index, &view->report, fresh, time(NULL), &sink);
  probe_tell_chain(chain, &view->report, &view->told);
}

/* A hop that several chains share is spoken of once. */
static int secret_error(size_t hop) {
  for (size_t i = 0; i < config.chain_count; i++)
    for (size_t place = 0; place < config.chains[i].hop_count; place++)
      if (config.chains[i].hops[place] == hop && views[i].report.hop_errors[place] != 0)
        return views[i].report.hop_errors[place];
  return 0;
}

/* What fails is in the values: an error from here would suspend the plugin. */
static int probe_read(void) {
  nanoseconds now = clock_now(CLOCK_MONOTONIC);

  begin_values();
  for (size_t i = 0; engine && i < config.chain_count; i++)
    read_chain(i, now);
  for (size_t i = 0; engine && i < config.hop_count; i++)
    probe_tell_secret(&config.hops[i], secret_error(i), &no_secret[i]);
  if (engine)
    probe_tell_share(&cost_told, now);
  return 0;
}

/* --- Start and end ------------------------------------------------------------------- */

static int probe_shutdown(void) {
  engine_stop(engine);
  engine = NULL;
  for (size_t i = 0; views && i < config.chain_count; i++)
    chain_report_clear(&views[i].report);
  free(views);
  views = NULL;
  board_free(board);
  board = NULL;
  if (configured)
    probe_config_clear(&config);
  configured = false;
  cost_told = (struct cost_told){0};
  memset(no_secret, 0, sizeof(no_secret));
  return 0;
}

/* What collectd does when a config callback fails: it does not start. Of what init
 * returns it only takes note. */
static int refuse(const struct option_error *error) {
  ERROR("%s", error->text);
  kill(getpid(), SIGTERM);
  return -1;
}

static int start(void) {
  int result = board_new(&config, &board);

  views = calloc(config.chain_count, sizeof(views[0]));
  if (!views)
    return -ENOMEM;
  for (size_t i = 0; i < config.chain_count && result == 0; i++)
    result = chain_report_init(&views[i].report, &config.chains[i]);
  if (result == 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    result = -ENOMEM;
  return result < 0 ? result : engine_start(&config, board, &engine);
}

/* collectd has forked by now: threads and sockets may be made. */
static int probe_init(void) {
  struct option_error error;
  int result;

  if (engine)
    return 0;
  if (settle(true, &error) < 0)
    return refuse(&error);
  if (config.chain_count == 0) {
    WARNING(PLUGIN ": nothing to do: the <Plugin> block has no <Chain>");
    return 0;
  }
  result = start();
  if (result < 0) {
    ERROR(PLUGIN ": cannot start the prober: %s; nothing is probed", strerror(-result));
    return 0;
  }
  probe_tell_start(&config, engine_budget(engine), &cost_told);
  return 0;
}

__attribute__((visibility("default"))) void module_register(void) {
  if (daemon_register_types(&probe_metrics) != 0)
    return;
  plugin_register_complex_config(PLUGIN, probe_config_block);
  plugin_register_init(PLUGIN, probe_init);
  plugin_register_read(PLUGIN, probe_read);
  plugin_register_shutdown(PLUGIN, probe_shutdown);
}
