/* SPDX-License-Identifier: MIT */
#include "egress_netlink_conntrack.h"

#include "egress/clock.h"
#include "egress/conntrack.h"
#include "egress/daemon.h"

#define NAME "egress_netlink"

static struct {
  struct conntrack *reader;
  struct conntrack_totals *totals;
  int64_t partial;
  struct trouble none, proc, no_events, no_states;
} conntrack;

static const char *conntrack_advice(int error) {
  return error == -EPERM ? "it needs the capability CAP_NET_ADMIN"
                         : "it needs the kernel's module nf_conntrack_netlink";
}

static void note_source(int status, bool wants_states) {
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
                  wants_states ? "; conntrack_states are left out" : "");
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

static void read_events(const struct netlink_sink *sink) {
  int status = conntrack_read_cpus(conntrack.reader, add_cpu, conntrack.totals);

  if (settle_dump(status, "events", &conntrack.no_events))
    netlink_report_events(conntrack.totals, sink);
}

static void read_states(const struct netlink_sink *sink) {
  struct conntrack_states states;
  int status = conntrack_read_states(conntrack.reader, &states);

  if (settle_dump(status, "entries", &conntrack.no_states))
    netlink_report_states(&states, sink);
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
void netlink_conntrack_read(bool wants_states, const struct netlink_sink *sink) {
  struct conntrack_table table = {0};
  nanoseconds cpu = clock_now(CLOCK_THREAD_CPUTIME_ID);
  int status = open_conntrack();

  if (status == 0)
    status = conntrack_read_table(conntrack.reader, &table);
  note_source(status, wants_states);
  if (status == 0) {
    netlink_report_table(&table, sink);
    read_events(sink);
    if (wants_states && conntrack_fallback(conntrack.reader) == 0)
      read_states(sink);
    sink->gauge(NETLINK_READ_TIME, "self", "conntrack",
                nanoseconds_to_seconds(clock_now(CLOCK_THREAD_CPUTIME_ID) - cpu));
  }
  sink->derive(NETLINK_PARTIAL_READS, "self", "conntrack", conntrack.partial);
}

void netlink_conntrack_stop(void) {
  conntrack_close(conntrack.reader);
  conntrack.reader = NULL;
  conntrack_totals_free(conntrack.totals);
  conntrack.totals = NULL;
}
