/* SPDX-License-Identifier: MIT
 *
 * egress_nat: the NAT ports that this machine holds, and toward whom.
 */
#include "egress/daemon.h"

#include "close_events.h"
#include "egress_nat_gateway.h"
#include "nat_engine.h"
#include "nat_host.h"
#include "nat_metrics.h"

#include <sys/random.h>

#define NAME "egress_nat"

static struct nat_config config = NAT_CONFIG_DEFAULTS;

/* Guards what the events' thread and the reads share. The reports of the engine
 * change in reads only. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct nat_engine *engine;
static struct close_events *events; /* NULL: none to be had */

/* Of reads alone. */
static struct flow_member *member;
static struct trouble no_events, no_sockets, from_proc, no_addresses, too_many;

static void gauge(enum nat_metric metric, const char *plugin_instance,
                  const char *type_instance, double value) {
  metric_gauge(&nat_metrics, metric, plugin_instance, type_instance, value);
}

/* --- Events -------------------------------------------------------------------- */

static void take_events(const struct sock_diag_record *records, size_t count,
                        uint64_t lost, nanoseconds now, void *data) {
  (void)data;
  pthread_mutex_lock(&mutex);
  for (size_t i = 0; i < count; i++)
    nat_engine_event(engine, now, &records[i]);
  if (lost > 0)
    nat_engine_lost(engine, now, lost);
  pthread_mutex_unlock(&mutex);
}

/* A summary says what is open; the events up to its begin say what has closed. */
static void drain_before_pass(void *data) {
  (void)data;
  if (events)
    close_events_drain(events);
}

static void report_no_events(int error) {
  trouble_begin(&no_events,
                NAME ": socket-close events are not received: %s%s; closed connections "
                     "are not counted and ports_bound stays wide",
                STRERROR(-error),
                error == -EPERM ? "; they need the capability CAP_NET_ADMIN" : "");
}

/* --- Reading ------------------------------------------------------------------- */

static bool wants_remote(const struct sock_diag_record *record, void *data) {
  return nat_engine_counts(data, record);
}

static int join_pass(void) {
  const struct flow_needs needs = {.tcp_info = nat_config_needs_tcp_info(&config),
                                   .wants_remote = wants_remote,
                                   .before_pass = drain_before_pass,
                                   .data = &config};

  return member ? 0 : flow_share_join(&needs, &member);
}

static int take_summary(nanoseconds interval, const struct flow_summary **summary) {
  int status = join_pass();

  if (status == 0)
    status = flow_share_take(member, interval / 2, summary, NULL);
  if (status < 0)
    trouble_begin(&no_sockets, NAME ": TCP sockets are not read (sock_diag): %s",
                  STRERROR(-status));
  else
    trouble_end(&no_sockets, NAME ": TCP sockets are read again");
  if (status == 0 && (*summary)->fallback < 0)
    trouble_begin(&from_proc,
                  NAME ": the kernel does not tell TCP sockets over sock_diag: %s; they "
                       "are read from /proc/net/tcp; load the kernel's module tcp_diag",
                  STRERROR(-(*summary)->fallback));
  else if (status == 0)
    trouble_end(&from_proc, NAME ": TCP sockets are read over sock_diag again");
  return status;
}

static void read_addresses(void) {
  int status;

  pthread_mutex_lock(&mutex);
  status = nat_host_read_addresses(engine);
  pthread_mutex_unlock(&mutex);
  if (status < 0)
    trouble_begin(&no_addresses,
                  NAME ": this machine's own addresses are not read: %s; connections to "
                       "them may be counted as the gateway's",
                  STRERROR(-status));
  else
    trouble_end(&no_addresses, NAME ": this machine's own addresses are read again");
}

static double percent(double part, double whole) {
  if (whole <= 0)
    return (double)NAN;
  return part < whole ? 100 * part / whole : 100;
}

static double known(uint32_t ports) { return ports > 0 ? ports : (double)NAN; }

static void dispatch_ports(const char *instance, const struct nat_gateway_config *gateway,
                           const struct nat_estimate *estimate) {
  double used = estimate->ports[NAT_BEST];
  uint32_t allocated = nat_gateway_allocated(gateway);
  uint32_t limit = nat_gateway_limit(gateway);

  gauge(NAT_PORTS_USED, instance, NULL, used);
  gauge(NAT_PORTS_BOUND, instance, "low", estimate->ports[NAT_LOW]);
  gauge(NAT_PORTS_BOUND, instance, "high",
        estimate->high_known ? estimate->ports[NAT_HIGH] : (double)NAN);
  gauge(NAT_PORTS_ALLOCATED, instance, NULL, known(allocated));
  gauge(NAT_PORTS_LIMIT, instance, NULL, known(limit));
  gauge(NAT_PERCENT, instance, "allocated", percent(used, allocated));
  gauge(NAT_PERCENT, instance, "limit", percent(used, limit));
  gauge(NAT_PERCENT, instance, "ephemeral",
        percent(estimate->local_ports, nat_host_ephemeral_ports()));
  gauge(NAT_STALLED_CONNECTS, instance, NULL, (double)estimate->stalled);
}

static void dispatch_destinations(const char *instance, const struct nat_report *report) {
  char text[NET_ENDPOINT_TEXT_MAX];

  for (size_t i = 0; i < report->shown_count; i++)
    gauge(NAT_DESTINATION_PORTS, instance,
          net_endpoint_format(&report->shown[i].remote, text, sizeof(text)),
          report->shown[i].ports);
  for (size_t i = 0; i < config.named_count; i++)
    gauge(NAT_DESTINATION_PORTS, instance, config.named[i].name, report->named[i]);
}

static void dispatch_events(const char *instance, const struct nat_report *report) {
  gauge(NAT_COVERAGE, instance, NULL, events ? report->coverage : 0);
  if (events)
    metric_derive(&nat_metrics, NAT_EVENTS_LOST, instance, NULL,
                  (int64_t)report->events_lost);
}

static void report_merged(uint64_t merged) {
  if (merged > 0)
    trouble_begin(&too_many,
                  NAME ": more than %u destinations at a time; those with the fewest "
                       "ports are counted as one, and in ports_bound high alone",
                  NAT_DESTINATIONS_MAX);
  else
    trouble_end(&too_many, NAME ": all destinations are counted one by one again");
}

static void dispatch_all(void) {
  uint64_t merged = 0;

  for (size_t i = 0; i < config.gateway_count; i++) {
    const struct nat_report *report = nat_engine_report(engine, i);
    char instance[DATA_MAX_NAME_LEN];

    snprintf(instance, sizeof(instance), "%s:tcp", config.gateways[i].name);
    dispatch_ports(instance, &config.gateways[i], &report->estimate);
    dispatch_destinations(instance, report);
    gauge(NAT_CONNECT_RATE, instance, "busiest", report->connect_rate);
    gauge(NAT_CONNECT_RATE, instance, "sustainable", report->sustainable);
    dispatch_events(instance, report);
    nat_gateways_dispatch(&config, i, &report->estimate);
    merged += report->estimate.merged;
  }
  report_merged(merged);
}

/* 0: not known of any. */
static uint32_t smallest_limit(void) {
  uint32_t smallest = 0;

  for (size_t i = 0; i < config.gateway_count; i++) {
    uint32_t limit = nat_gateway_limit(&config.gateways[i]);

    if (limit > 0 && (smallest == 0 || limit < smallest))
      smallest = limit;
  }
  return smallest;
}

static void publish(nanoseconds interval) {
  size_t count = 0;
  const struct nat_status_entry *entries = nat_engine_status(engine, &count);
  nanoseconds until = clock_now(CLOCK_MONOTONIC) + 2 * interval;

  nat_status_publish(entries, count, until);
  nat_status_publish_limit(smallest_limit(), until);
}

static int nat_read(void) {
  nanoseconds interval = (nanoseconds)CDTIME_T_TO_NS(plugin_get_interval());
  const struct flow_summary *summary = NULL;

  if (!engine || take_summary(interval, &summary) < 0)
    return 0;
  read_addresses();
  nat_gateways_update(&config, engine, &mutex);
  pthread_mutex_lock(&mutex);
  nat_engine_read(engine, summary);
  pthread_mutex_unlock(&mutex);
  flow_summary_release(summary);
  publish(interval);
  dispatch_all();
  return 0;
}

/* --- Life ------------------------------------------------------------------------ */

static void report_settings(void) {
  for (size_t i = 0; i < config.gateway_count; i++) {
    const struct nat_gateway_config *gateway = &config.gateways[i];
    bool discover = gateway->source.discover;

    INFO(NAME ": gateway \"%s\": counted from this machine's sockets%s%s%s",
         gateway->name, discover ? "; Google is asked for its settings" : "",
         discover || nat_gateway_limit(gateway)
             ? ""
             : "; ports not known (PortsPerVM): no percent",
         discover || gateway->time_wait ? ""
                                        : "; TimeWait not known: ports_used is for 30 s, "
                                          "the high bound for 120 s");
  }
}

/* Events first: from there on nothing that closes is missed. Then what had closed
 * before; and the thread last, when all it touches is there. */
static int start(void) {
  nanoseconds subscribed;
  uint64_t seed = 0;
  int status = close_events_open(take_events, NULL, &events);

  subscribed = clock_now(CLOCK_MONOTONIC);
  if (status < 0)
    report_no_events(status);
  if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
    seed = (uint64_t)cdtime();
  if (nat_engine_new(&config, status < 0 ? NAT_NEVER : subscribed, seed, &engine) < 0)
    return -ENOMEM;
  nat_host_read_addresses(engine);
  join_pass(); /* before the first pass, which another plugin may make */
  status = nat_host_recall(engine, &config, subscribed);
  if (status < 0)
    WARNING(NAME ": connections closed before the start are not read: %s",
            STRERROR(-status));
  status = events ? close_events_start(events) : 0;
  return status < 0 ? status : nat_gateways_start(&config);
}

static int nat_init(void) {
  int status = nat_config_complete(&config);

  if (engine)
    return 0;
  if (status == 0)
    status = start();
  if (status < 0) {
    ERROR(NAME ": %s", STRERROR(-status));
    return -1;
  }
  if (events && close_events_buffer(events) < CLOSE_EVENTS_BUFFER)
    WARNING(NAME ": the buffer for close events has %zu bytes instead of %d: a burst may "
                 "overrun it (it takes CAP_NET_ADMIN, or net.core.rmem_max of half that)",
            close_events_buffer(events), CLOSE_EVENTS_BUFFER);
  report_settings();
  return 0;
}

static int nat_shutdown(void) {
  nat_gateways_stop();
  flow_share_leave(member);
  member = NULL;
  close_events_close(events);
  events = NULL;
  nat_engine_free(engine);
  engine = NULL;
  nat_config_free(&config);
  return 0;
}

static int nat_config(oconfig_item_t *block) {
  return daemon_configure(block, nat_config_parse, &config);
}

__attribute__((visibility("default"))) void module_register(void) {
  if (daemon_register_types(&nat_metrics) != 0)
    return;
  plugin_register_complex_config(NAME, nat_config);
  plugin_register_init(NAME, nat_init);
  plugin_register_read(NAME, nat_read);
  plugin_register_shutdown(NAME, nat_shutdown);
}
