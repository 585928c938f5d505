/* SPDX-License-Identifier: MIT */
#include "egress/flow.h"
#include "flow_builder.h"
#include "flow_listeners.h"
#include "flow_remotes.h"
#include "log_histogram.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/auxv.h>

#define PORTS 65536
#define SEVERAL UINT32_MAX /* in by_local_port: toward one address */

struct flow_builder {
  struct flow_groups groups;
  flow_classifier *classify;
  void *classify_data;
  uint64_t serial;
  uint64_t states[FLOW_GROUPS_MAX + 1][TCP_STATE_COUNT];
  uint64_t retransmitting[FLOW_GROUPS_MAX + 1];
  struct log_histogram *rtt; /* by group, microseconds; NULL: not asked for */
  struct flow_listeners listeners;
  struct flow_remotes remotes, locals;
  uint32_t *by_local_port; /* 0: none, else the place in `remotes` and 1 */
};

/* What a summary says of its groups. */
struct counted_groups {
  uint64_t states[FLOW_GROUPS_MAX + 1][TCP_STATE_COUNT];
  uint64_t retransmitting[FLOW_GROUPS_MAX + 1];
  struct flow_rtt rtt[FLOW_GROUPS_MAX + 1];
};

/* A summary and the memory behind its pointers. */
struct counted_summary {
  struct flow_summary summary; /* first: users hold its address */
  unsigned references;
  struct flow_listener *listeners;
  struct flow_remote *remotes, *locals;
  uint32_t *by_local_port;
  struct counted_groups groups;
};

/* A secret of this process at no cost (getauxval(3)). */
static uint64_t process_secret(void) {
  uint64_t secret = 0;
  unsigned long address = getauxval(AT_RANDOM);

  if (address)
    memcpy(&secret, (const void *)address, sizeof(secret)); // NOLINT: the kernel's
  return secret;
}

int flow_builder_new(const struct flow_spec *spec, struct flow_builder **builder) {
  struct flow_builder *made = calloc(1, sizeof(*made));
  int status;

  if (!made)
    return -ENOMEM;
  status = flow_groups_init(&made->groups, spec->groups, spec->group_count);
  if (status == 0 && spec->rtt) {
    made->rtt = calloc(made->groups.count, sizeof(*made->rtt));
    status = made->rtt ? 0 : -ENOMEM;
  }
  if (status < 0) {
    flow_builder_free(made);
    return status;
  }
  made->classify = spec->classify;
  made->classify_data = spec->classify_data;
  flow_remotes_init(&made->remotes, process_secret());
  flow_remotes_init(&made->locals, process_secret());
  *builder = made;
  return 0;
}

void flow_builder_free(struct flow_builder *builder) {
  if (!builder)
    return;
  flow_groups_free(&builder->groups);
  flow_remotes_free(&builder->remotes);
  flow_remotes_free(&builder->locals);
  free(builder->by_local_port);
  free(builder->listeners.row);
  free(builder->rtt);
  free(builder);
}

const struct flow_groups *flow_builder_groups(const struct flow_builder *builder) {
  return &builder->groups;
}

/* A socket that has not measured one yet says 0. Kernels have sent this field with
 * all that tcp_info is, but a short attribute is no measurement. */
static uint32_t rtt_of(const struct sock_diag_record *record) {
  size_t end = offsetof(struct tcp_info, tcpi_rtt) + sizeof(record->info->tcpi_rtt);

  if (record->state != TCP_STATE_ESTABLISHED || !record->info || record->info_size < end)
    return 0;
  return record->info->tcpi_rtt;
}

static void count_rtt(struct flow_builder *builder, uint64_t mask, uint32_t rtt) {
  unsigned bucket = log_histogram_bucket(rtt);

  for (; mask != 0; mask &= mask - 1)
    log_histogram_add(&builder->rtt[__builtin_ctzll(mask)], bucket);
}

static void count_groups(struct flow_builder *builder,
                         const struct sock_diag_record *record) {
  const uint64_t mask = flow_groups_match(&builder->groups, record);
  uint32_t rtt = builder->rtt ? rtt_of(record) : 0;

  for (uint64_t left = mask; left != 0; left &= left - 1)
    builder->states[__builtin_ctzll(left)][record->state]++;
  if (sock_diag_is_retransmitting(record))
    for (uint64_t left = mask; left != 0; left &= left - 1)
      builder->retransmitting[__builtin_ctzll(left)]++;
  if (rtt > 0)
    count_rtt(builder, mask, rtt);
}

static void count_remote(struct flow_remote *remote,
                         const struct sock_diag_record *record, unsigned class) {
  if (!remote) /* no place for it: the table has counted that */
    return;
  if (record->minisocket) {
    remote->time_wait++;
  } else if (record->state == TCP_STATE_SYN_SENT) {
    remote->half_open++;
    if (record->retransmits > 0)
      remote->stalled++;
  } else {
    remote->open++;
    remote->idle += (class & FLOW_IDLE) != 0;
    remote->drowsy += (class & FLOW_DROWSY) != 0;
  }
}

/* A port may serve several connections, toward different ends. */
static void note_local_port(struct flow_builder *builder, uint16_t port,
                            const struct flow_remote *remote) {
  uint32_t place = (uint32_t)(remote - builder->remotes.row) + 1;
  uint32_t *noted;

  if (!builder->by_local_port)
    builder->by_local_port = calloc(PORTS, sizeof(*builder->by_local_port));
  if (!builder->by_local_port)
    return;
  noted = &builder->by_local_port[port];
  if (*noted != 0 && *noted != SEVERAL && *noted != place &&
      net_address_equal(&builder->remotes.row[*noted - 1].remote.address,
                        &remote->remote.address))
    *noted = SEVERAL;
  else if (*noted != SEVERAL)
    *noted = place;
}

static void add_outgoing(struct flow_builder *builder,
                         const struct sock_diag_record *record, unsigned class) {
  struct flow_remote *remote =
      flow_remotes_get(&builder->remotes, &record->remote, class & FLOW_CLASS);

  count_remote(remote, record, class);
  if (remote && !record->minisocket)
    note_local_port(builder, record->local.port, remote);
  if (class & FLOW_BY_LOCAL)
    count_remote(flow_remotes_get(&builder->locals, &record->local, class & FLOW_CLASS),
                 record, class);
}

/* SYN_RECEIVED is inbound even if its listener has gone, a closed socket holds
 * nothing. */
static bool is_outgoing(const struct flow_builder *builder,
                        const struct sock_diag_record *record) {
  return record->remote.port != 0 && record->state != TCP_STATE_SYN_RECEIVED &&
         record->state != TCP_STATE_CLOSE &&
         !flow_listeners_have(&builder->listeners, record->local.port);
}

void flow_builder_add(struct flow_builder *builder,
                      const struct sock_diag_record *record) {
  unsigned class = 0;

  count_groups(builder, record);
  if (record->state == TCP_STATE_LISTEN) {
    flow_listeners_add(&builder->listeners, record);
    return;
  }
  if (builder->classify && is_outgoing(builder, record))
    class = builder->classify(record, builder->classify_data);
  if (class & FLOW_CLASS)
    add_outgoing(builder, record, class);
}

static nanoseconds microseconds(double number) {
  return isnan(number)
             ? 0
             : (nanoseconds)(number * (double)NANOSECONDS_PER_MICROSECOND);
}

static struct flow_rtt summarize_rtt(const struct log_histogram *histogram) {
  return (struct flow_rtt){
      .sockets = histogram->count,
      .p50 = microseconds(log_histogram_quantile(histogram, 0.50)),
      .p95 = microseconds(log_histogram_quantile(histogram, 0.95)),
      .p99 = microseconds(log_histogram_quantile(histogram, 0.99)),
  };
}

static void hand_over_groups(const struct flow_builder *builder,
                             struct counted_summary *counted) {
  size_t count = builder->groups.count;
  struct counted_groups *groups = &counted->groups;
  struct flow_summary *summary = &counted->summary;

  memcpy(groups->states, builder->states, count * sizeof(*builder->states));
  memcpy(groups->retransmitting, builder->retransmitting,
         count * sizeof(*builder->retransmitting));
  for (size_t group = 0; builder->rtt && group < count; group++)
    groups->rtt[group] = summarize_rtt(&builder->rtt[group]);
  summary->group_count = count;
  summary->states = groups->states;
  summary->retransmitting = groups->retransmitting;
  summary->rtt = builder->rtt ? groups->rtt : NULL;
}

static void hand_over(struct flow_builder *builder, struct counted_summary *counted) {
  struct flow_summary *summary = &counted->summary;

  hand_over_groups(builder, counted);
  summary->remotes_omitted = builder->remotes.omitted;
  summary->locals_omitted = builder->locals.omitted;
  counted->listeners =
      flow_listeners_take(&builder->listeners, &summary->listener_count);
  counted->remotes = flow_remotes_take(&builder->remotes, &summary->remote_count);
  counted->locals = flow_remotes_take(&builder->locals, &summary->local_count);
  summary->listeners = counted->listeners;
  summary->remotes = counted->remotes;
  summary->locals = counted->locals;
  counted->by_local_port = builder->by_local_port;
  summary->by_local_port = counted->by_local_port;
  builder->by_local_port = NULL;
}

static void empty(struct flow_builder *builder) {
  size_t count;

  memset(builder->states, 0, sizeof(builder->states));
  memset(builder->retransmitting, 0, sizeof(builder->retransmitting));
  if (builder->rtt)
    memset(builder->rtt, 0, builder->groups.count * sizeof(*builder->rtt));
  free(flow_listeners_take(&builder->listeners, &count));
  free(flow_remotes_take(&builder->remotes, &count));
  free(flow_remotes_take(&builder->locals, &count));
  free(builder->by_local_port);
  builder->by_local_port = NULL;
}

int flow_builder_finish(struct flow_builder *builder, nanoseconds begun,
                        bool partial, struct flow_summary **summary) {
  struct counted_summary *counted = calloc(1, sizeof(*counted));

  if (counted) {
    hand_over(builder, counted);
    counted->references = 1;
    counted->summary.serial = ++builder->serial;
    counted->summary.begun = begun;
    counted->summary.partial = partial;
    *summary = &counted->summary;
  }
  empty(builder);
  return counted ? 0 : -ENOMEM;
}

/* Summaries are const to their users; only the count behind them changes. */
static struct counted_summary *counted_of(const struct flow_summary *summary) {
  union {
    const struct flow_summary *summary;
    struct counted_summary *counted;
  } pointer = {.summary = summary};

  return pointer.counted;
}

const struct flow_summary *flow_summary_retain(const struct flow_summary *summary) {
  if (summary)
    __atomic_add_fetch(&counted_of(summary)->references, 1, __ATOMIC_RELAXED);
  return summary;
}

void flow_summary_release(const struct flow_summary *summary) {
  struct counted_summary *counted = counted_of(summary);

  if (!summary || __atomic_sub_fetch(&counted->references, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  free(counted->listeners);
  free(counted->remotes);
  free(counted->locals);
  free(counted->by_local_port);
  free(counted);
}

const struct flow_remote *flow_summary_by_local_port(const struct flow_summary *summary,
                                                     uint16_t port) {
  uint32_t place = summary->by_local_port ? summary->by_local_port[port] : 0;

  return place == 0 || place == SEVERAL ? NULL : &summary->remotes[place - 1];
}
