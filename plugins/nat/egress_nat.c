/* SPDX-License-Identifier: MIT
 *
 * egress_nat: the NAT ports that this machine holds, and toward whom.
 */
#include "egress/daemon.h"

#include "close_events.h"
#include "egress_nat_gateway.h"
#include "nat_host.h"
#include "nat_tracked.h"
#include "nat_values.h"

#define NAME "egress_nat"

static struct nat_config config = NAT_CONFIG_DEFAULTS;
static struct nat_reader *reader;

static struct trouble no_events, no_sockets, from_proc, no_udp, no_conntrack, no_addresses;
static struct trouble too_many, too_many_flows, small_buffer, slow_reads, no_past;
static struct trouble no_thread;

/* --- Troubles ------------------------------------------------------------------------ */

static void report_sockets(const struct nat_reading *reading) {
  if (reading->sockets < 0)
    trouble_begin(&no_sockets, NAME ": TCP sockets are not read (sock_diag): %s",
                  STRERROR(-reading->sockets));
  else
    trouble_end(&no_sockets, NAME ": TCP sockets are read again");
  if (reading->fallback < 0)
    trouble_begin(&from_proc,
                  NAME ": the kernel does not tell TCP sockets over sock_diag: %s; they "
                       "are read from /proc/net/tcp; load the kernel's module tcp_diag",
                  STRERROR(-reading->fallback));
  else if (reading->sockets == 0)
    trouble_end(&from_proc, NAME ": TCP sockets are read over sock_diag again");
  if (reading->udp < 0)
    trouble_begin(&no_udp, NAME ": UDP sockets are not read (sock_diag): %s",
                  STRERROR(-reading->udp));
  else
    trouble_end(&no_udp, NAME ": UDP sockets are read again");
  if (reading->addresses < 0)
    trouble_begin(&no_addresses,
                  NAME ": this machine's own addresses are not read: %s; connections to "
                       "them may be counted as the gateway's",
                  STRERROR(-reading->addresses));
  else
    trouble_end(&no_addresses, NAME ": this machine's own addresses are read again");
}

static void report_conntrack(const struct nat_reading *reading) {
  if (reading->conntrack < 0)
    trouble_begin(&no_conntrack, NAME ": the conntrack table is not read: %s%s",
                  STRERROR(-reading->conntrack),
                  reading->conntrack == -EPERM
                      ? "; it needs the capability CAP_NET_ADMIN"
                      : "");
  else
    trouble_end(&no_conntrack, NAME ": the conntrack table is read again");
  if (reading->forgotten > 0)
    trouble_begin(&too_many_flows,
                  NAME ": the conntrack table has more than %u flows; how those past that "
                       "number end is not seen",
                  NAT_TRACKED_MAX);
  else
    trouble_end(&too_many_flows, NAME ": all flows of the conntrack table are followed again");
}

static void report_events(const struct nat_reading *reading) {
  if (reading->events < 0)
    trouble_begin(&no_events,
                  NAME ": socket-close events are not received: %s%s; closed connections "
                       "are not counted and ports_bound stays wide; they are tried again",
                  STRERROR(-reading->events),
                  reading->events == -EPERM ? "; they need the capability CAP_NET_ADMIN"
                                            : "");
  else
    trouble_end(&no_events, NAME ": closed connections are counted again");
  if (reading->thread < 0)
    trouble_begin(&no_thread,
                  NAME ": no thread can be started to receive close events: %s; they are "
                       "taken at each read, and many may overrun their buffer",
                  STRERROR(-reading->thread));
  else
    trouble_end(&no_thread, NAME ": a thread receives close events again");
  if (reading->events_buffer > 0 && reading->events_buffer < CLOSE_EVENTS_BUFFER)
    trouble_begin(&small_buffer,
                  NAME ": the buffer for close events has %zu bytes instead of %d: a burst "
                       "may overrun it (it takes CAP_NET_ADMIN, or net.core.rmem_max of "
                       "half that)",
                  reading->events_buffer, CLOSE_EVENTS_BUFFER);
  if (reading->recall < 0)
    trouble_begin(&no_past,
                  NAME ": connections closed before the start are not read: %s",
                  STRERROR(-reading->recall));
}

/* --- What is counted -------------------------------------------------------------------- */

static void report_source(const struct nat_reading *reading, nanoseconds interval) {
  bool conntrack = reading->source == NAT_SOURCE_CONNTRACK;

  if (!reading->changed)
    return;
  for (size_t i = 0; i < config.gateway_count; i++) {
    const struct nat_gateway_config *gateway = &config.gateways[i];
    bool discover = gateway->source.discover;

    INFO(NAME ": gateway \"%s\": counted from %s%s%s%s", gateway->name,
         conntrack ? "the conntrack table" : "this machine's sockets",
         discover ? "; Google is asked for its settings" : "",
         discover || nat_gateway_limit(gateway)
             ? ""
             : "; ports not known (PortsPerVM): no percent",
         discover || gateway->time_wait ? ""
                                        : "; TimeWait not known: ports_used is for 30 s, "
                                          "the high bound for 120 s");
  }
  if (conntrack && reading->reset_seen < interval)
    trouble_begin(&slow_reads,
                  NAME ": a reset connection stays in the conntrack table for %.0f s "
                       "(nf_conntrack_tcp_timeout_close), and it is read each %.0f s: those "
                       "that come and go in between are missed; set an Interval below that",
                  nanoseconds_to_seconds(reading->reset_seen),
                  nanoseconds_to_seconds(interval));
}

/* --- Reading ---------------------------------------------------------------------------- */

static void take_value(enum nat_metric metric, const char *plugin_instance,
                       const char *type_instance, double value, void *data) {
  (void)data;
  if (nat_metrics.metrics[metric].kind == METRIC_DERIVE)
    metric_derive(&nat_metrics, metric, plugin_instance, type_instance, (int64_t)value);
  else
    metric_gauge(&nat_metrics, metric, plugin_instance, type_instance, value);
}

static void report_merged(const struct nat_engine *engine) {
  uint64_t merged = 0;

  for (size_t i = 0; i < config.gateway_count * NAT_PROTOCOLS; i++)
    merged += nat_engine_report(engine, i / NAT_PROTOCOLS,
                                (enum nat_protocol)(i % NAT_PROTOCOLS))
                  ->estimate.merged;
  if (merged > 0)
    trouble_begin(&too_many,
                  NAME ": more than %u destinations at a time; those with the fewest "
                       "ports are counted as one, and in ports_bound high alone",
                  NAT_DESTINATIONS_MAX);
  else
    trouble_end(&too_many, NAME ": all destinations are counted one by one again");
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

static void publish(const struct nat_engine *engine, nanoseconds interval) {
  size_t count = 0;
  const struct nat_status_entry *entries = nat_engine_status(engine, &count);
  nanoseconds until = clock_now(CLOCK_MONOTONIC) + 2 * interval;

  nat_status_publish(entries, count, until);
  nat_status_publish_limit(smallest_limit(), until);
}

static int nat_read(void) {
  nanoseconds interval = (nanoseconds)CDTIME_T_TO_NS(plugin_get_interval());
  const struct nat_engine *engine = NULL;
  struct nat_reading reading;
  int status;

  if (!reader)
    return 0;
  nat_gateways_reread(&config, reader);
  nat_gateways_update(&config, nat_reader_engine(reader), nat_reader_mutex(reader));
  status = nat_reader_read(reader, interval, &engine, &reading);
  report_sockets(&reading);
  report_conntrack(&reading);
  report_events(&reading);
  report_source(&reading, interval);
  if (status < 0)
    return 0;
  report_merged(engine);
  publish(engine, interval);
  nat_values_give(&config, engine, &reading, nat_host_ephemeral_ports(), take_value, NULL);
  for (size_t i = 0; i < config.gateway_count; i++)
    nat_gateways_dispatch(&config, i, &nat_engine_report(engine, i, NAT_TCP)->estimate);
  return 0;
}

/* --- Life ------------------------------------------------------------------------ */

static int nat_init(void) {
  int status = nat_config_complete(&config);

  if (reader)
    return 0;
  if (status == 0)
    status = nat_reader_new(&config, &reader);
  if (status == 0)
    status = nat_gateways_start(&config);
  if (status == 0)
    return 0;
  ERROR(NAME ": %s", STRERROR(-status));
  return -1;
}

static int nat_shutdown(void) {
  nat_gateways_stop();
  nat_reader_free(reader);
  reader = NULL;
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
