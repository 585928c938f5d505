/* SPDX-License-Identifier: MIT */
#include "flow_udp.h"

#include <errno.h>
#include <stdlib.h>

/* A summary and the memory behind it, from its beginning to its last release. */
struct flow_udp_draft {
  struct flow_udp_summary summary; /* first: users hold its address */
  const struct flow_groups *groups; /* while it is being made */
  unsigned references;
  struct flow_udp_group counts[];
};

int flow_udp_begin(const struct flow_groups *groups, struct flow_udp_draft **draft) {
  struct flow_udp_draft *begun =
      calloc(1, sizeof(*begun) + groups->count * sizeof(begun->counts[0]));

  if (!begun)
    return -ENOMEM;
  begun->groups = groups;
  begun->references = 1;
  begun->summary.group_count = groups->count;
  begun->summary.groups = begun->counts;
  *draft = begun;
  return 0;
}

void flow_udp_add(struct flow_udp_draft *draft, const struct sock_diag_record *record) {
  uint64_t mask = flow_groups_match(draft->groups, record);

  for (; mask != 0; mask &= mask - 1) {
    struct flow_udp_group *group = &draft->counts[__builtin_ctzll(mask)];

    group->sockets++;
    group->receive_queue += record->receive_queue;
  }
}

struct flow_udp_summary *flow_udp_finish(struct flow_udp_draft *draft) {
  draft->groups = NULL;
  return &draft->summary;
}

/* Summaries are const to their users; only the count behind them changes. */
static struct flow_udp_draft *draft_of(const struct flow_udp_summary *summary) {
  union {
    const struct flow_udp_summary *summary;
    struct flow_udp_draft *draft;
  } pointer = {.summary = summary};

  return pointer.draft;
}

const struct flow_udp_summary *
flow_udp_summary_retain(const struct flow_udp_summary *summary) {
  if (summary)
    __atomic_add_fetch(&draft_of(summary)->references, 1, __ATOMIC_RELAXED);
  return summary;
}

void flow_udp_summary_release(const struct flow_udp_summary *summary) {
  if (!summary ||
      __atomic_sub_fetch(&draft_of(summary)->references, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  free(draft_of(summary));
}
