/* SPDX-License-Identifier: MIT
 *
 * egress_netlink: TCP sockets by state and group, accept queues, conntrack.
 */
#include "egress/daemon.h"

#include "egress/clock.h"
#include "egress/conntrack.h"
#include "egress/flow.h"
#include "netlink_config.h"
#include "netlink_metrics.h"

#define NAME "egress_netlink"

static struct netlink_config config = NETLINK_CONFIG_DEFAULTS;

/* The seat at the shared pass, and what was seen of it. */
static struct {
  struct flow_member *member;
  uint64_t serial; /* of the last summary looked at */
  int64_t partial;
  struct trouble trouble;
} sockets;

static struct {
  struct conntrack *reader;
  struct conntrack_totals *totals;
  int64_t partial;
  struct trouble trouble;
} conntrack;

static void gauge(enum netlink_metric metric, const char *plugin_instance,
                  const char *type_instance, double value) {
  metric_gauge(&netlink_metrics, metric, plugin_instance, type_instance, value);
}

static void derive(enum netlink_metric metric, const char *plugin_instance,
                   const char *type_instance, int64_t value) {
  metric_derive(&netlink_metrics, metric, plugin_instance, type_instance, value);
}

/* --- Sockets ------------------------------------------------------------------ */

static bool is_not_in_kernel(int error) {
  return error == -ENOENT || error == -EPROTONOSUPPORT || error == -EOPNOTSUPP ||
         error == -EAFNOSUPPORT;
}

static void sockets_not_read(int error) {
  trouble_begin(&sockets.trouble, NAME ": TCP sockets are not read (sock_diag): %s%s",
                STRERROR(-error),
                is_not_in_kernel(error)
                    ? "; this kernel does not answer for TCP sockets "
                      "(modules inet_diag and tcp_diag)"
                    : "");
}

static int join_pass(void) {
  struct flow_group groups[FLOW_GROUPS_MAX];
  const struct flow_needs needs = {.groups = groups, .group_count = config.group_count};

  netlink_config_flow_groups(&config, groups);
  return flow_share_join(&needs, &sockets.member);
}

static void dispatch_group(const char *name, const uint64_t states[TCP_STATE_COUNT]) {
  for (size_t state = 1; state < TCP_STATE_COUNT; state++)
    gauge(NETLINK_TCP_CONNECTIONS, name, netlink_state_names[state],
          (double)states[state]);
}

static void dispatch_listener(const struct flow_listener *listener) {
  char name[sizeof("listen:65535")];

  snprintf(name, sizeof(name), "listen:%u", (unsigned)listener->port);
  gauge(NETLINK_QUEUE_LENGTH, name, "accept", (double)listener->accept_queue);
  gauge(NETLINK_QUEUE_LENGTH, name, "accept_max", (double)listener->accept_limit);
}

static void dispatch_summary(const struct flow_summary *summary, size_t first_group) {
  dispatch_group("all", summary->states[0]);
  for (size_t i = 0; i < config.group_count; i++)
    dispatch_group(config.groups[i].name, summary->states[first_group + i]);
  for (size_t i = 0; i < summary->listener_count; i++)
    dispatch_listener(&summary->listeners[i]);
  gauge(NETLINK_READ_TIME, "self", "sockets", nanoseconds_to_seconds(summary->cpu));
}

static void read_sockets(void) {
  const struct flow_summary *summary = NULL;
  nanoseconds interval = (nanoseconds)CDTIME_T_TO_NS(plugin_get_interval());
  size_t first_group = 0;
  int status = sockets.member ? 0 : join_pass();

  if (status == 0)
    status = flow_share_take(sockets.member, interval / 2, &summary, &first_group);
  if (status < 0) {
    sockets_not_read(status);
  } else {
    trouble_end(&sockets.trouble, NAME ": TCP sockets are read again");
    if (summary->partial && summary->serial != sockets.serial)
      sockets.partial++;
    sockets.serial = summary->serial;
    dispatch_summary(summary, first_group);
    flow_summary_release(summary);
  }
  derive(NETLINK_PARTIAL_READS, "self", "sockets", sockets.partial);
}

/* --- Conntrack ------------------------------------------------------------------ */

static void conntrack_not_read(int error) {
  const char *advice = "";

  if (error == -EPERM)
    advice = "; it needs the capability CAP_NET_ADMIN (or \"Conntrack false\")";
  else if (error == -EINVAL || is_not_in_kernel(error))
    advice = "; this kernel has no ctnetlink (module nf_conntrack_netlink)";
  trouble_begin(&conntrack.trouble, NAME ": conntrack is not read: %s%s",
                STRERROR(-error), advice);
}

static void dispatch_table(const struct conntrack_table *table) {
  gauge(NETLINK_CONNTRACK, "conntrack", "entries", table->entries);
  if (table->maximum == 0)
    return;
  gauge(NETLINK_CONNTRACK, "conntrack", "max", table->maximum);
  gauge(NETLINK_PERCENT, "conntrack", "used", 100.0 * table->entries / table->maximum);
}

static void add_cpu(const struct conntrack_cpu *cpu, void *totals) {
  conntrack_totals_add(totals, cpu);
}

static void dispatch_events(void) {
  uint64_t events[CONNTRACK_EVENT_COUNT];
  uint32_t present = 0;

  conntrack_totals_get(conntrack.totals, events, &present);
  for (unsigned event = 0; event < CONNTRACK_EVENT_COUNT; event++)
    if (present & 1u << event)
      derive(NETLINK_CONNTRACK_EVENTS, "conntrack", conntrack_event_names[event],
             (int64_t)events[event]);
}

/* An interrupted dump lacks some CPUs, whose events come with the next one. */
static int read_events(void) {
  int status = conntrack_read_cpus(conntrack.reader, add_cpu, conntrack.totals);

  if (status == -EINTR || status == -EBADMSG) {
    conntrack.partial++;
    status = 0;
  }
  if (status == 0)
    dispatch_events();
  return status;
}

static int open_conntrack(void) {
  if (!conntrack.totals && conntrack_totals_new(&conntrack.totals) < 0)
    return -ENOMEM;
  return conntrack.reader ? 0 : conntrack_open(&conntrack.reader);
}

static void read_conntrack(void) {
  struct conntrack_table table = {0};
  nanoseconds cpu = clock_now(CLOCK_THREAD_CPUTIME_ID);
  int status = open_conntrack();

  if (status == 0)
    status = conntrack_read_table(conntrack.reader, &table);
  if (status == 0) {
    dispatch_table(&table);
    status = read_events();
  }
  if (status < 0) {
    conntrack_not_read(status);
  } else {
    trouble_end(&conntrack.trouble, NAME ": conntrack is read again");
    gauge(NETLINK_READ_TIME, "self", "conntrack",
          nanoseconds_to_seconds(clock_now(CLOCK_THREAD_CPUTIME_ID) - cpu));
  }
  derive(NETLINK_PARTIAL_READS, "self", "conntrack", conntrack.partial);
}

/* --- The plugin ------------------------------------------------------------------- */

static int egress_netlink_config(oconfig_item_t *block) {
  return daemon_configure(block, netlink_config_parse, &config);
}

/* Sockets that cannot be opened now are tried again at each read. */
static int egress_netlink_init(void) {
  int status = sockets.member ? 0 : join_pass();

  if (status < 0)
    sockets_not_read(status);
  status = config.conntrack ? open_conntrack() : 0;
  if (status < 0)
    conntrack_not_read(status);
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
