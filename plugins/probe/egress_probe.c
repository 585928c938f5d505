/* SPDX-License-Identifier: MIT
 *
 * egress_probe: which hop of a chain of proxies is broken, and how long each
 * step takes. The daemon's side: configuration in, values and notifications out.
 */
#include "egress/daemon.h"

#include "egress/clock.h"
#include "egress/nat_status.h"

#include "engine.h"
#include "probe_metrics.h"

#include <curl/curl.h>
#include <signal.h>

#define PLUGIN "egress_probe"

/* Cloud NAT's default TCP TIME_WAIT timeout
 * (cloud.google.com/nat/docs/tune-nat-configuration). */
#define NAT_TIME_WAIT (120 * NANOSECONDS_PER_SECOND)

/* Of a gateway's ports toward one destination, for watching alone. */
#define COST_SHARE_MAX 0.1

/* A report that is older than so many intervals says nothing of now. */
#define REPORT_INTERVALS_MAX 3

/* What the read callback remembers of a chain. */
struct chain_view {
  struct chain_report report;
  unsigned change_seen; /* serial */
  struct trouble no_round;
  struct trouble no_secret[PROBE_CHAIN_HOPS_MAX];
  struct trouble no_authorities;
};

static struct probe_config config;
static bool configured;
static struct board *board;
static struct engine *engine;
static struct chain_view *views; /* by chain */
static struct probe_port_cost cost;
static bool cost_compared;

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

static void emit_gauge(void *data, enum probe_metric metric, const char *plugin_instance,
                       const char *type_instance, double value) {
  (void)data;
  metric_gauge(&probe_metrics, metric, plugin_instance, type_instance, value);
}

static void emit_derive(void *data, enum probe_metric metric, const char *plugin_instance,
                        const char *type_instance, int64_t value) {
  (void)data;
  metric_derive(&probe_metrics, metric, plugin_instance, type_instance, value);
}

static void tell_change(const struct probe_chain *chain, struct chain_view *view) {
  const struct verdict_change *change = &view->report.change;
  int severity = !change->raised   ? NOTIF_OKAY
                 : change->partial ? NOTIF_WARNING
                                   : NOTIF_FAILURE;

  if (change->serial == view->change_seen)
    return;
  view->change_seen = change->serial;
  plugin_log(change->raised ? LOG_WARNING : LOG_NOTICE, PLUGIN ": %s", change->sentence);
  daemon_notify(severity, PLUGIN, chain->name, "fault", NULL, change->sentence);
}

static void tell_secret(const struct probe_hop *hop, int error, struct trouble *trouble) {
  if (error != 0)
    trouble_begin(trouble,
                  PLUGIN ": hop \"%s\" is not probed: PasswordFile \"%s\": %s; it is "
                         "tried again each round",
                  hop->name, hop->password_file,
                  error == EINVAL ? "expected a regular file whose first line is the "
                                    "password"
                                  : strerror(error));
  else
    trouble_end(trouble, PLUGIN ": hop \"%s\": PasswordFile \"%s\" can be read again",
                hop->name, hop->password_file ? hop->password_file : "");
}

static void tell_authorities(const struct probe_chain *chain, struct chain_view *view) {
  const struct tls_trouble *found = &view->report.tls_trouble;

  if (found->error != 0)
    trouble_begin(&view->no_authorities,
                  PLUGIN ": chain \"%s\": CACert \"%s\": %s; it is tried again at each "
                         "probe",
                  chain->name, found->file,
                  found->error == EINVAL ? "expected a file of certificates in PEM"
                                         : strerror(found->error));
  else
    trouble_end(&view->no_authorities, PLUGIN ": chain \"%s\": all CACert files can be "
                                              "used again",
                chain->name);
}

static void tell_troubles(const struct probe_chain *chain, struct chain_view *view) {
  for (size_t i = 0; i < chain->hop_count; i++)
    tell_secret(&config.hops[chain->hops[i]], view->report.hop_errors[i],
                &view->no_secret[i]);
  tell_authorities(chain, view);
  if (view->report.round_error != 0)
    trouble_begin(&view->no_round, PLUGIN ": chain \"%s\" was not probed: %s",
                  chain->name, strerror(view->report.round_error));
  else
    trouble_end(&view->no_round, PLUGIN ": chain \"%s\" is probed again", chain->name);
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
  tell_troubles(chain, view);
  tell_change(chain, view);
}

/* Once, when egress_nat in this process knows how many ports there are. */
static void compare_cost(nanoseconds now) {
  uint32_t limit = cost_compared || !cost.url ? 0 : nat_status_limit(now);
  char endpoint[272];

  if (limit == 0)
    return;
  cost_compared = true;
  if (cost.ports > limit * COST_SHARE_MAX)
    WARNING(PLUGIN ": the probes themselves hold about %.0f of the %u NAT ports toward %s, "
                   "more than %.0f %%: lengthen Interval, or spread the targets",
            ceil(cost.ports), limit,
            probe_url_endpoint(cost.url, endpoint, sizeof(endpoint)),
            100 * COST_SHARE_MAX);
}

/* What fails is in the values: an error from here would suspend the plugin. */
static int probe_read(void) {
  nanoseconds now = clock_now(CLOCK_MONOTONIC);

  for (size_t i = 0; engine && i < config.chain_count; i++)
    read_chain(i, now);
  if (engine)
    compare_cost(now);
  return 0;
}

/* --- Start and end ------------------------------------------------------------------- */

static void tell_cost(void) {
  char endpoint[272];

  cost = probe_config_port_cost(&config, NAT_TIME_WAIT);
  cost_compared = false;
  if (cost.url)
    INFO(PLUGIN ": this configuration holds about %.0f NAT ports toward %s",
         ceil(cost.ports), probe_url_endpoint(cost.url, endpoint, sizeof(endpoint)));
  else
    WARNING(PLUGIN ": out of memory: cannot tell how many NAT ports this configuration "
                   "holds");
  for (size_t i = 0; i < config.chain_count; i++)
    if (probe_chain_count_targets(&config.chains[i], false) < 2 &&
        probe_chain_count_targets(&config.chains[i], true) == 0)
      WARNING(PLUGIN ": chain \"%s\" has one <Target> and no <Control>: a fault of the "
                     "target cannot be told from one on the way to it; add one of either",
              config.chains[i].name);
}

static void tell_budget(void) {
  const struct budget *budget = engine_budget(engine);
  size_t wanted = budget_wanted(&config);

  if (wanted > budget->transfers)
    WARNING(PLUGIN ": up to %zu probes may be under way at once when nothing answers, but the "
                   "limit of %zu open files allows %zu, and the others wait; raise "
                   "RLIMIT_NOFILE (systemd: LimitNOFILE) or lengthen Interval",
            wanted, budget->files, budget->transfers);
}

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
  cost = (struct probe_port_cost){0};
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
  tell_cost();
  tell_budget();
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
