/* SPDX-License-Identifier: MIT
 *
 * Reading edge: the conntrack table's size, its per-CPU events, and its entries by
 * state, over ctnetlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h), which
 * needs CAP_NET_ADMIN. Size and events come from /proc where it does not answer.
 */
#ifndef EGRESS_CONNTRACK_H
#define EGRESS_CONNTRACK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

enum conntrack_event {
  CONNTRACK_FOUND,
  CONNTRACK_INVALID,
  CONNTRACK_INSERT_FAILED,
  CONNTRACK_DROP,
  CONNTRACK_EARLY_DROP,
  CONNTRACK_ERROR,
  CONNTRACK_SEARCH_RESTART,
  CONNTRACK_CLASH_RESOLVE,
  CONNTRACK_CHAIN_TOOLONG,
  CONNTRACK_EVENT_COUNT
};

/* Names as the metric's type instance has them. */
extern const char *const conntrack_event_names[CONNTRACK_EVENT_COUNT];

struct conntrack_table {
  uint32_t entries;
  uint32_t maximum; /* 0: the kernel did not say */
};

/* One CPU's counters: 32 bits wide in the kernel, and they wrap. */
struct conntrack_cpu {
  uint16_t cpu;
  uint32_t events[CONNTRACK_EVENT_COUNT];
  uint32_t present; /* bit N: the kernel sent events[N] */
};

/* Entries by protocol and state. TCP's states are the kernel's own; what other
 * protocols have is whether an answer was seen, and whether the entry is settled. */
enum conntrack_state {
  CONNTRACK_TCP_NONE,
  CONNTRACK_TCP_SYN_SENT,
  CONNTRACK_TCP_SYN_RECV,
  CONNTRACK_TCP_ESTABLISHED,
  CONNTRACK_TCP_FIN_WAIT,
  CONNTRACK_TCP_CLOSE_WAIT,
  CONNTRACK_TCP_LAST_ACK,
  CONNTRACK_TCP_TIME_WAIT,
  CONNTRACK_TCP_CLOSE,
  CONNTRACK_TCP_SYN_SENT2,
  CONNTRACK_UDP_UNREPLIED,
  CONNTRACK_UDP_REPLIED,
  CONNTRACK_UDP_ASSURED,
  CONNTRACK_ICMP_UNREPLIED, /* ICMPv6 too */
  CONNTRACK_ICMP_REPLIED,
  CONNTRACK_ICMP_ASSURED,
  CONNTRACK_OTHER_UNREPLIED,
  CONNTRACK_OTHER_REPLIED,
  CONNTRACK_OTHER_ASSURED,
  CONNTRACK_STATE_COUNT
};

/* Names as the metric's type instance has them. */
extern const char *const conntrack_state_names[CONNTRACK_STATE_COUNT];

struct conntrack_states {
  uint64_t entries[CONNTRACK_STATE_COUNT];
};

struct conntrack;

/* Opens nothing yet. Returns 0 or -ENOMEM. */
int conntrack_open(struct conntrack **conntrack);
void conntrack_close(struct conntrack *conntrack);

/* Return 0, or -errno: -EPERM without CAP_NET_ADMIN, -EINVAL or -EOPNOTSUPP from
 * a kernel without ctnetlink, -EPROTONOSUPPORT from one without nfnetlink, -EINTR
 * when the dump was interrupted, -EBADMSG when messages were left out. */
int conntrack_read_table(struct conntrack *conntrack, struct conntrack_table *table);
int conntrack_read_cpus(struct conntrack *conntrack,
                        void (*callback)(const struct conntrack_cpu *cpu, void *data),
                        void *data);

/* Dumps the table, which makes the kernel drop the entries that have expired: read
 * the table's size before, not after. With -EINTR and -EBADMSG *states has what was
 * seen. Not to be had from /proc. */
int conntrack_read_states(struct conntrack *conntrack, struct conntrack_states *states);

/* 0, or the -errno of ctnetlink for which table and events come from /proc. */
int conntrack_fallback(const struct conntrack *conntrack);

#pragma GCC visibility push(hidden)
/* The parsers alone (pure). Return 0 or -EBADMSG. */
int conntrack_parse_table(const struct nlmsghdr *message, struct conntrack_table *table);
int conntrack_parse_cpu(const struct nlmsghdr *message, struct conntrack_cpu *cpu);
int conntrack_parse_entry(const struct nlmsghdr *message, enum conntrack_state *state);

/* /proc/net/stat/nf_conntrack: a heading, then a line a CPU. Columns are known by
 * their names; CPUs are numbered from 0. Calls back for each whole line. Returns 0,
 * or -EBADMSG if no column is known or a line is cut. */
int conntrack_parse_stat(const char *text, size_t size,
                         void (*callback)(const struct conntrack_cpu *cpu, void *data),
                         void *data);
#pragma GCC visibility pop

/* --- Totals over all CPUs (pure) ------------------------------------------ */

#define CONNTRACK_CPUS_MAX 4096

struct conntrack_totals;

int conntrack_totals_new(struct conntrack_totals **totals); /* 0 or -ENOMEM */
void conntrack_totals_free(struct conntrack_totals *totals);

/* Adds what has come on this CPU since it was last seen, modulo 2^32. A CPU seen
 * for the first time adds all it has counted; so does one whose counter seems to
 * have grown by 2^31 or more, for it has started anew. */
void conntrack_totals_add(struct conntrack_totals *totals,
                          const struct conntrack_cpu *cpu);

/* The sum; bit N of *present: some CPU has sent event N. */
void conntrack_totals_get(const struct conntrack_totals *totals,
                          uint64_t events[CONNTRACK_EVENT_COUNT], uint32_t *present);

#pragma GCC visibility pop
#endif
