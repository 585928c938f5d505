/* SPDX-License-Identifier: MIT
 *
 * egress_netlink: TCP and UDP sockets by group, accept queues, conntrack.
 */
#include "egress/daemon.h"

#include "egress_netlink_conntrack.h"
#include "netlink_report.h"

#include <unistd.h>

#define NAME "egress_netlink"

static struct netlink_config config = NETLINK_CONFIG_DEFAULTS;

/* The sockets of one protocol, and what was seen of its passes. */
struct protocol {
  const char *name, *file; /* for messages */
  const char *lacking;     /* what its file in /proc does not say */
  uint64_t serial;         /* of the last summary looked at */
  struct trouble none, proc;
};

static struct protocol tcp = {"TCP", "tcp", ", without accept_max and latency", 0, {0}, {0}};
static struct protocol udp = {"UDP", "udp", "", 0, {0}, {0}};

static struct {
  struct flow_member *member; /* the seat at the shared passes */
  int64_t partial;
  struct trouble no_sockstat;
} sockets;

static void gauge(enum netlink_metric metric, const char *plugin_instance,
                  const char *type_instance, double value) {
  metric_gauge(&netlink_metrics, metric, plugin_instance, type_instance, value);
}

static void derive(enum netlink_metric metric, const char *plugin_instance,
                   const char *type_instance, int64_t value) {
  metric_derive(&netlink_metrics, metric, plugin_instance, type_instance, value);
}

static const struct netlink_sink sink = {.gauge = gauge, .derive = derive};

/* --- Sockets ------------------------------------------------------------------ */

static int join_pass(void) {
  struct flow_group groups[FLOW_GROUPS_MAX];
  const struct flow_needs needs = {
      .groups = groups, .group_count = config.group_count, .rtt = config.latency};

  netlink_config_flow_groups(&config, groups);
  return sockets.member ? 0 : flow_share_join(&needs, &sockets.member);
}

static void note_source(struct protocol *protocol, int status, int fallback) {
  if (status < 0) {
    trouble_begin(&protocol->none,
                  NAME ": %s sockets are not read: %s; load the kernel's module %s_diag",
                  protocol->name, STRERROR(-status), protocol->file);
    return;
  }
  trouble_end(&protocol->none, NAME ": %s sockets are read again", protocol->name);
  if (fallback < 0)
    trouble_begin(&protocol->proc,
                  NAME ": the kernel does not tell %s sockets over sock_diag: %s; they "
                       "are read from /proc/net/%s%s; load the kernel's module %s_diag",
                  protocol->name, STRERROR(-fallback), protocol->file, protocol->lacking,
                  protocol->file);
  else
    trouble_end(&protocol->proc, NAME ": %s sockets are read over sock_diag again",
                protocol->name);
}

static void count_partial(struct protocol *protocol, uint64_t serial, bool partial) {
  sockets.partial += partial && serial != protocol->serial;
  protocol->serial = serial;
}

/* Both return the CPU time of the pass, 0 where there was none. */
static nanoseconds read_tcp(nanoseconds max_age) {
  const struct flow_summary *summary = NULL;
  nanoseconds cpu = 0;
  size_t first_group = 0;
  int status = join_pass();

  if (status == 0)
    status = flow_share_take(sockets.member, max_age, &summary, &first_group);
  note_source(&tcp, status, summary ? summary->fallback : 0);
  if (!summary)
    return 0;
  count_partial(&tcp, summary->serial, summary->partial);
  netlink_report_tcp(&config, summary, first_group, &sink);
  cpu = summary->cpu;
  flow_summary_release(summary);
  return cpu;
}

static nanoseconds read_udp(nanoseconds max_age) {
  const struct flow_udp_summary *summary = NULL;
  nanoseconds cpu = 0;
  size_t first_group = 0;
  int status = join_pass();

  if (status == 0)
    status = flow_share_take_udp(sockets.member, max_age, &summary, &first_group);
  note_source(&udp, status, summary ? summary->fallback : 0);
  if (!summary)
    return 0;
  count_partial(&udp, summary->serial, summary->partial);
  netlink_report_udp(&config, summary, first_group, &sink);
  cpu = summary->cpu;
  flow_udp_summary_release(summary);
  return cpu;
}

static void read_sockstat(void) {
  struct sockstat sockstat;
  int status = sockstat_read(&sockstat);

  if (status < 0) {
    trouble_begin(&sockets.no_sockstat, NAME ": /proc/net/sockstat is not read: %s",
                  STRERROR(-status));
    return;
  }
  trouble_end(&sockets.no_sockstat, NAME ": /proc/net/sockstat is read again");
  netlink_report_sockstat(&sockstat, (size_t)sysconf(_SC_PAGESIZE), &sink);
}

static void read_sockets(void) {
  nanoseconds max_age = (nanoseconds)CDTIME_T_TO_NS(plugin_get_interval()) / 2;
  nanoseconds cpu = read_tcp(max_age) + read_udp(max_age);

  if (cpu > 0)
    gauge(NETLINK_READ_TIME, "self", "sockets", nanoseconds_to_seconds(cpu));
  derive(NETLINK_PARTIAL_READS, "self", "sockets", sockets.partial);
  read_sockstat();
}

/* --- The plugin ------------------------------------------------------------------- */

static int egress_netlink_config(oconfig_item_t *block) {
  return daemon_configure(block, netlink_config_parse, &config);
}

/* Its seat has to be there before the first pass, which another plugin may make.
 * What is missing is said by the reads, which go on trying. */
static int egress_netlink_init(void) {
  join_pass();
  return 0;
}

static int egress_netlink_read(void) {
  read_sockets();
  if (config.conntrack)
    netlink_conntrack_read(config.conntrack_states, &sink);
  return 0;
}

static int egress_netlink_shutdown(void) {
  flow_share_leave(sockets.member);
  sockets.member = NULL;
  netlink_conntrack_stop();
  netlink_config_free(&config);
  return 0;
}

__attribute__((visibility("default"))) void module_register(void) {
  if (daemon_register_types(&netlink_metrics) < 0)
    return;
  plugin_register_complex_config(NAME, egress_netlink_config);
  plugin_register_init(NAME, egress_netlink_init);
  plugin_register_read(NAME, egress_netlink_read);
  plugin_register_shutdown(NAME, egress_netlink_shutdown);
}
