/* SPDX-License-Identifier: MIT */
#include "ctnetlink.h"
#include "proc_file.h"
#include "proc_text.h"

#include "egress/clock.h"

#include <errno.h>
#include <stdlib.h>

#define TABLE_ENTRIES "/proc/sys/net/netfilter/nf_conntrack_count"
#define TABLE_MAXIMUM "/proc/sys/net/netfilter/nf_conntrack_max"
#define EVENTS PROC_NET "stat/nf_conntrack"
#define NUMBER_SIZE 32

/* A heading of 220 bytes, and 155 for each CPU (ct_cpu_seq_show() in
 * net/netfilter/nf_conntrack_standalone.c). */
#define EVENTS_SIZE (256 + 160 * CONNTRACK_CPUS_MAX)

/* Asking for what a kernel does not have makes it look for a module, in a process
 * of its own: not at each read. */
#define RETRY (60 * NANOSECONDS_PER_SECOND)

struct conntrack {
  struct netlink_channel *channel; /* NULL: not open */
  int fallback;
  nanoseconds retry_at;
};

int conntrack_open(struct conntrack **conntrack) {
  *conntrack = calloc(1, sizeof(**conntrack));
  return *conntrack ? 0 : -ENOMEM;
}

void conntrack_close(struct conntrack *conntrack) {
  if (!conntrack)
    return;
  netlink_channel_close(conntrack->channel);
  free(conntrack);
}

int conntrack_fallback(const struct conntrack *conntrack) { return conntrack->fallback; }

/* A kernel without nfnetlink or its part for conntrack, a process without the
 * capability, or a sandbox that hides them. */
static bool is_unavailable(int error) {
  return error == -EPERM || error == -EACCES || error == -EINVAL || error == -ENOENT ||
         error == -EOPNOTSUPP || error == -EPROTONOSUPPORT || error == -EAFNOSUPPORT;
}

static void give_up(struct conntrack *conntrack, int error) {
  conntrack->fallback = error;
  conntrack->retry_at = clock_now(CLOCK_MONOTONIC) + RETRY;
}

/* 0 if ctnetlink is to be asked now. */
static int reach_kernel(struct conntrack *conntrack) {
  int status = 0;

  if (conntrack->fallback && clock_now(CLOCK_MONOTONIC) < conntrack->retry_at)
    return conntrack->fallback;
  conntrack->fallback = 0;
  if (!conntrack->channel)
    status = netlink_channel_open(NETLINK_NETFILTER, &conntrack->channel);
  if (is_unavailable(status))
    give_up(conntrack, status);
  return status;
}

/* --- /proc --------------------------------------------------------------------- */

static int read_number(const char *path, uint32_t *number) {
  char buffer[NUMBER_SIZE];
  int size = proc_file_read(path, buffer, sizeof(buffer));
  struct proc_text text = {buffer, buffer + (size > 0 ? size : 0)};
  uint64_t read = 0;

  if (size < 0)
    return size;
  if (!proc_text_number(&text, 10, UINT32_MAX, &read))
    return -EBADMSG;
  *number = (uint32_t)read;
  return 0;
}

static int read_proc_table(struct conntrack_table *table) {
  int status = read_number(TABLE_ENTRIES, &table->entries);

  if (status == 0 && read_number(TABLE_MAXIMUM, &table->maximum) < 0)
    table->maximum = 0;
  return status;
}

static int read_proc_cpus(void (*callback)(const struct conntrack_cpu *cpu, void *data),
                          void *data) {
  char *text = malloc(EVENTS_SIZE);
  int size = text ? proc_file_read(EVENTS, text, EVENTS_SIZE) : -ENOMEM;
  int status = size < 0 ? size : conntrack_parse_stat(text, (size_t)size, callback, data);

  free(text);
  return status;
}

/* --- What callers ask for -------------------------------------------------------- */

int conntrack_read_table(struct conntrack *conntrack, struct conntrack_table *table) {
  int status = reach_kernel(conntrack);

  *table = (struct conntrack_table){0};
  if (status == 0) {
    status = ctnetlink_read_table(conntrack->channel, table);
    if (is_unavailable(status))
      give_up(conntrack, status);
  }
  /* The first cause says more than what /proc lacks. */
  return conntrack->fallback && read_proc_table(table) == 0 ? 0 : status;
}

int conntrack_read_cpus(struct conntrack *conntrack,
                        void (*callback)(const struct conntrack_cpu *cpu, void *data),
                        void *data) {
  int status = reach_kernel(conntrack);

  if (status == 0) {
    status = ctnetlink_read_cpus(conntrack->channel, callback, data);
    if (is_unavailable(status))
      give_up(conntrack, status);
  }
  return conntrack->fallback && read_proc_cpus(callback, data) == 0 ? 0 : status;
}

int conntrack_read_states(struct conntrack *conntrack, struct conntrack_states *states) {
  int status = reach_kernel(conntrack);

  *states = (struct conntrack_states){{0}};
  return status < 0 ? status : ctnetlink_read_states(conntrack->channel, states);
}

int conntrack_read_flows(struct conntrack *conntrack, conntrack_flow_callback *callback,
                         void *data, struct conntrack_dump *result) {
  int status = reach_kernel(conntrack);

  *result = (struct conntrack_dump){.partial = true};
  return status < 0
             ? status
             : ctnetlink_read_flows(conntrack->channel, callback, data, result);
}
