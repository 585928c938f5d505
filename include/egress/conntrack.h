/* SPDX-License-Identifier: MIT
 *
 * Reading edge: the conntrack table's size and per-CPU events, over ctnetlink
 * (include/uapi/linux/netfilter/nfnetlink_conntrack.h). Needs CAP_NET_ADMIN.
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

struct conntrack;

/* Returns 0 or -errno (-EPROTONOSUPPORT: a kernel without nfnetlink). */
int conntrack_open(struct conntrack **conntrack);
void conntrack_close(struct conntrack *conntrack);

/* Return 0, or -errno: -EPERM without CAP_NET_ADMIN, -EINVAL or -EOPNOTSUPP from
 * a kernel without ctnetlink, -EINTR when the dump was interrupted. */
int conntrack_read_table(struct conntrack *conntrack, struct conntrack_table *table);
int conntrack_read_cpus(struct conntrack *conntrack,
                        void (*callback)(const struct conntrack_cpu *cpu, void *data),
                        void *data);

/* The parsers alone. Return 0 or -EBADMSG. */
int conntrack_parse_table(const struct nlmsghdr *message, struct conntrack_table *table);
int conntrack_parse_cpu(const struct nlmsghdr *message, struct conntrack_cpu *cpu);

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
