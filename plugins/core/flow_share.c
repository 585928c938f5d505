/* SPDX-License-Identifier: MIT */
#include "flow_builder.h"
#include "flow_member.h"
#include "flow_source.h"
#include "flow_udp.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define LISTENING (1u << TCP_STATE_LISTEN)

/* The one thing of this library that the process has one of: several plugins
 * are to make one pass between them. */
static struct {
  pthread_mutex_t mutex;
  struct flow_member *members;
  struct flow_builder *builder; /* NULL after the members have changed */
  struct flow_source tcp, udp;  /* closed when there are no members */
  const struct flow_summary *latest;
  const struct flow_udp_summary *latest_udp;
  uint64_t serial, udp_serial;
} share = {.mutex = PTHREAD_MUTEX_INITIALIZER,
           .tcp = {.protocol = FLOW_TCP},
           .udp = {.protocol = FLOW_UDP}};

static size_t count_groups(void) {
  size_t groups = 0;

  for (const struct flow_member *member = share.members; member; member = member->next)
    groups += member->needs.group_count;
  return groups;
}

/* Those made for other members have other groups. */
static void forget_summaries(void) {
  flow_summary_release(share.latest);
  share.latest = NULL;
  flow_udp_summary_release(share.latest_udp);
  share.latest_udp = NULL;
  flow_builder_free(share.builder);
  share.builder = NULL;
}

static int admit(const struct flow_needs *needs) {
  if (count_groups() + needs->group_count > FLOW_GROUPS_MAX)
    return -EINVAL;
  if (needs->classify)
    for (const struct flow_member *other = share.members; other; other = other->next)
      if (other->needs.classify)
        return -EBUSY;
  return 0;
}

int flow_share_join(const struct flow_needs *needs, struct flow_member **member) {
  struct flow_member *joined = NULL;
  int status = flow_member_new(needs, &joined);

  if (status < 0)
    return status;
  pthread_mutex_lock(&share.mutex);
  status = admit(needs);
  if (status == 0) {
    joined->next = share.members;
    share.members = joined;
    forget_summaries();
    *member = joined;
  }
  pthread_mutex_unlock(&share.mutex);
  if (status < 0)
    flow_member_free(joined);
  return status;
}

void flow_share_leave(struct flow_member *member) {
  struct flow_member **link = &share.members;

  if (!member)
    return;
  pthread_mutex_lock(&share.mutex);
  while (*link && *link != member)
    link = &(*link)->next;
  if (*link)
    *link = member->next;
  forget_summaries();
  if (!share.members) {
    flow_source_close(&share.tcp);
    flow_source_close(&share.udp);
  }
  pthread_mutex_unlock(&share.mutex);
  flow_member_free(member);
}

/* One builder for the groups of all members. */
static int make_builder(void) {
  struct flow_group groups[FLOW_GROUPS_MAX];
  struct flow_spec spec = {.groups = groups};

  for (struct flow_member *member = share.members; member; member = member->next) {
    member->first_group = spec.group_count + 1;
    for (size_t i = 0; i < member->needs.group_count; i++)
      groups[spec.group_count++] = member->groups[i];
    spec.rtt = spec.rtt || member->needs.rtt;
    if (member->needs.classify) {
      spec.classify = member->needs.classify;
      spec.classify_data = member->needs.data;
    }
  }
  return flow_builder_new(&spec, &share.builder);
}

static int ensure_builder(void) { return share.builder ? 0 : make_builder(); }

static void add_record(const struct sock_diag_record *record, void *builder) {
  flow_builder_add(builder, record);
}

/* Listening sockets in a request of their own, for the builder must know them
 * first; it skips the kernel's table of connections and costs next to nothing. */
static int dump_sockets(bool tcp_info, bool *partial) {
  const struct sock_diag_request listening = {.states = LISTENING};
  const struct sock_diag_request others = {.states = TCP_STATES_ALL & ~LISTENING,
                                           .tcp_info = tcp_info};
  struct sock_diag_result first, second = {0};
  int status =
      flow_source_dump(&share.tcp, &listening, add_record, share.builder, &first);

  if (status == 0)
    status = flow_source_dump(&share.tcp, &others, add_record, share.builder, &second);
  *partial = first.partial || second.partial;
  return status;
}

static bool wants_tcp_info(const struct flow_member *member, nanoseconds now) {
  const struct flow_needs *needs = &member->needs;

  return needs->rtt ||
         (needs->tcp_info &&
          (member->told == 0 || now - member->told >= needs->tcp_info_period));
}

/* Tells the members, and whether one of them wants tcp_info now. */
static bool prepare_members(void) {
  nanoseconds now = clock_now(CLOCK_MONOTONIC);
  bool tcp_info = false;

  for (const struct flow_member *member = share.members; member; member = member->next) {
    if (member->needs.before_pass)
      member->needs.before_pass(member->needs.data);
    tcp_info = tcp_info || wants_tcp_info(member, now);
  }
  for (struct flow_member *member = share.members; member && tcp_info;
       member = member->next)
    member->told = now;
  return tcp_info;
}

static void tell_members(void) {
  for (const struct flow_member *member = share.members; member; member = member->next)
    if (member->needs.after_pass)
      member->needs.after_pass(member->needs.data);
}

static int make_summary(struct flow_summary **summary) {
  bool tcp_info = prepare_members();
  nanoseconds begun = clock_now(CLOCK_MONOTONIC), ended;
  nanoseconds cpu = clock_now(CLOCK_THREAD_CPUTIME_ID);
  bool partial = false;
  int status, failure;

  failure = dump_sockets(tcp_info, &partial);
  tell_members();
  ended = clock_now(CLOCK_MONOTONIC);
  status = flow_builder_finish(share.builder, begun, partial, summary);
  if (status < 0)
    return status;
  if (failure < 0) {
    flow_summary_release(*summary);
    return failure;
  }
  (*summary)->serial = ++share.serial;
  (*summary)->ended = ended;
  (*summary)->tcp_info = tcp_info && !share.tcp.fallback;
  (*summary)->fallback = share.tcp.fallback;
  (*summary)->cpu = clock_now(CLOCK_THREAD_CPUTIME_ID) - cpu;
  return 0;
}

static int refresh(void) {
  struct flow_summary *summary = NULL;
  int status = ensure_builder();

  if (status == 0)
    status = make_summary(&summary);
  if (status < 0)
    return status;
  flow_summary_release(share.latest);
  share.latest = summary;
  return 0;
}

static bool is_young(nanoseconds begun, nanoseconds max_age) {
  return clock_now(CLOCK_MONOTONIC) - begun < max_age;
}

int flow_share_take(struct flow_member *member, nanoseconds max_age,
                    const struct flow_summary **summary, size_t *first_group) {
  int status = 0;

  pthread_mutex_lock(&share.mutex);
  if (!share.latest || !is_young(share.latest->begun, max_age))
    status = refresh();
  if (status == 0) {
    *summary = flow_summary_retain(share.latest);
    if (first_group)
      *first_group = member->first_group;
  }
  pthread_mutex_unlock(&share.mutex);
  return status;
}

/* --- UDP ---------------------------------------------------------------------- */

static void add_udp(const struct sock_diag_record *record, void *draft) {
  flow_udp_add(draft, record);
}

static int make_udp_summary(struct flow_udp_summary **summary) {
  const struct sock_diag_request request = {.states = TCP_STATES_ALL};
  nanoseconds begun = clock_now(CLOCK_MONOTONIC);
  nanoseconds cpu = clock_now(CLOCK_THREAD_CPUTIME_ID);
  struct flow_udp_draft *draft = NULL;
  struct sock_diag_result result;
  int status = flow_udp_begin(flow_builder_groups(share.builder), &draft);

  if (status < 0)
    return status;
  status = flow_source_dump(&share.udp, &request, add_udp, draft, &result);
  *summary = flow_udp_finish(draft);
  if (status < 0) {
    flow_udp_summary_release(*summary);
    return status;
  }
  (*summary)->serial = ++share.udp_serial;
  (*summary)->begun = begun;
  (*summary)->cpu = clock_now(CLOCK_THREAD_CPUTIME_ID) - cpu;
  (*summary)->partial = result.partial;
  (*summary)->fallback = share.udp.fallback;
  return 0;
}

static int refresh_udp(void) {
  struct flow_udp_summary *summary = NULL;
  int status = ensure_builder();

  if (status == 0)
    status = make_udp_summary(&summary);
  if (status < 0)
    return status;
  flow_udp_summary_release(share.latest_udp);
  share.latest_udp = summary;
  return 0;
}

int flow_share_take_udp(struct flow_member *member, nanoseconds max_age,
                        const struct flow_udp_summary **summary, size_t *first_group) {
  int status = 0;

  pthread_mutex_lock(&share.mutex);
  if (!share.latest_udp || !is_young(share.latest_udp->begun, max_age))
    status = refresh_udp();
  if (status == 0) {
    *summary = flow_udp_summary_retain(share.latest_udp);
    if (first_group)
      *first_group = member->first_group;
  }
  pthread_mutex_unlock(&share.mutex);
  return status;
}
