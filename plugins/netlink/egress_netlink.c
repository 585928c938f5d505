/* SPDX-License-Identifier: MIT
 *
 * egress_netlink: TCP and UDP sockets by group, accept queues, conntrack.
 */
#include "egress/daemon.h"

#include "egress/clock.h"
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

static struct {
  struct conntrack *reader;
  struct conntrack_totals *totals;
  int64_t partial;
  struct trouble none, proc, no_events, no_states;
} conntrack;

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

/* --- Conntrack ------------------------------------------------------------------ */

static const char *conntrack_advice(int error) {
  return error == -EPERM ? "it needs the capability CAP_NET_ADMIN"
                         : "it needs the kernel's module nf_conntrack_netlink";
}

static void note_conntrack_source(int status) {
  int fallback = conntrack.reader ? conntrack_fallback(conntrack.reader) : 0;

  if (status < 0)
    trouble_begin(&conntrack.none,
                  NAME ": conntrack is not read: %s; %s (or \"Conntrack false\")",
                  STRERROR(-status), conntrack_advice(status));
  else
    trouble_end(&conntrack.none, NAME ": conntrack is read again");
  if (status == 0 && fallback < 0)
    trouble_begin(&conntrack.proc,
                  NAME ": conntrack is not read over netlink: %s; %s. Size and events "
                       "are read from /proc instead%s",
                  STRERROR(-fallback), conntrack_advice(fallback),
                  config.conntrack_states ? "; conntrack_states are left out" : "");
  else if (status == 0)
    trouble_end(&conntrack.proc, NAME ": conntrack is read over netlink again");
}

static void add_cpu(const struct conntrack_cpu *cpu, void *totals) {
  conntrack_totals_add(totals, cpu);
}

/* Whether a dump has something to report: what an interrupted one lacks comes with
 * the next. */
static bool settle_dump(int status, const char *what, struct trouble *trouble) {
  bool partial = status == -EINTR || status == -EBADMSG;

  if (status < 0 && !partial) {
    trouble_begin(trouble, NAME ": conntrack's %s are not read: %s", what,
                  STRERROR(-status));
    return false;
  }
  trouble_end(trouble, NAME ": conntrack's %s are read again", what);
  conntrack.partial += partial;
  return true;
}

static void read_events(void) {
  int status = conntrack_read_cpus(conntrack.reader, add_cpu, conntrack.totals);

  if (settle_dump(status, "events", &conntrack.no_events))
    netlink_report_events(conntrack.totals, &sink);
}

static void read_states(void) {
  struct conntrack_states states;
  int status = conntrack_read_states(conntrack.reader, &states);

  if (settle_dump(status, "entries", &conntrack.no_states))
    netlink_report_states(&states, &sink);
}

static int open_conntrack(void) {
  int status = 0;

  if (!conntrack.totals)
    status = conntrack_totals_new(&conntrack.totals);
  if (status == 0 && !conntrack.reader)
    status = conntrack_open(&conntrack.reader);
  return status;
}

/* The entries last: a dump makes the kernel drop those that have expired, and the
 * size would be another. */
static void read_conntrack(void) {
  struct conntrack_table table = {0};
  nanoseconds cpu = clock_now(CLOCK_THREAD_CPUTIME_ID);
  int status = open_conntrack();

  if (status == 0)
    status = conntrack_read_table(conntrack.reader, &table);
  note_conntrack_source(status);
  if (status == 0) {
    netlink_report_table(&table, &sink);
    read_events();
    if (config.conntrack_states && conntrack_fallback(conntrack.reader) == 0)
      read_states();
    gauge(NETLINK_READ_TIME, "self", "conntrack",
          nanoseconds_to_seconds(clock_now(CLOCK_THREAD_CPUTIME_ID) - cpu));
  }
  derive(NETLINK_PARTIAL_READS, "self", "conntrack", conntrack.partial);
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
    read_conntrack();
  return 0;
}

static int egress_netlink_shutdown(void) {
  flow_share_leave(sockets.member);
  sockets.member = NULL;
  conntrack_close(conntrack.reader);
  conntrack.reader = NULL;
  conntrack_totals_free(conntrack.totals);
  conntrack.totals = NULL;
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
