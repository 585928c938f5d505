/* SPDX-License-Identifier: MIT */
#include "nat_gone.h"

#define MARK_EVENT 1u  /* since the last summary */
#define MARK_CLOSED 2u /* counted as closed without an event */

void nat_gone_init(struct nat_gone *gone) {
  memset(gone->marks, 0, sizeof(gone->marks));
  nat_rows_init(&gone->suspects, sizeof(struct nat_suspect), NAT_GONE_PORTS);
}

void nat_gone_free(struct nat_gone *gone) { nat_rows_free(&gone->suspects); }

bool nat_gone_event(struct nat_gone *gone, uint16_t port) {
  uint8_t *mark = &gone->marks[port];

  if (*mark & MARK_CLOSED) {
    *mark &= (uint8_t)~MARK_CLOSED;
    return false;
  }
  *mark |= MARK_EVENT;
  return true;
}

static bool is_same(const struct flow_remote *one, const struct flow_remote *other) {
  return one && other && one->class == other->class &&
         net_endpoint_equal(&one->remote, &other->remote);
}

/* One that is back was only missed: a dump is no snapshot. */
static void judge_suspects(struct nat_gone *gone, const struct flow_summary *now,
                           nat_gone_callback *confirmed, void *data) {
  for (size_t i = 0; i < gone->suspects.count; i++) {
    const struct nat_suspect *suspect = nat_rows_at(&gone->suspects, i);

    if (gone->marks[suspect->port] & MARK_EVENT ||
        is_same(&suspect->remote, flow_summary_by_local_port(now, suspect->port)))
      continue;
    gone->marks[suspect->port] |= MARK_CLOSED;
    confirmed(suspect, data);
  }
  gone->suspects.count = 0;
}

static void find_suspects(struct nat_gone *gone, const struct flow_summary *before,
                          const struct flow_summary *now, nat_gone_callback *suspected,
                          void *data) {
  for (unsigned port = 0; port < NAT_GONE_PORTS; port++) {
    const struct flow_remote *was = flow_summary_by_local_port(before, (uint16_t)port);
    const struct flow_remote *is = flow_summary_by_local_port(now, (uint16_t)port);

    if (was && !is_same(was, is) && !(gone->marks[port] & MARK_EVENT)) {
      const struct nat_suspect suspect = {.port = (uint16_t)port, .remote = *was};

      if (nat_rows_add(&gone->suspects, &suspect) == 0)
        suspected(&suspect, data);
    }
    if (is)
      gone->marks[port] &= (uint8_t)~MARK_CLOSED; /* of another connection's */
    gone->marks[port] &= (uint8_t)~MARK_EVENT;
  }
}

void nat_gone_compare(struct nat_gone *gone, const struct flow_summary *before,
                      const struct flow_summary *now, nat_gone_callback *confirmed,
                      nat_gone_callback *suspected, void *data) {
  judge_suspects(gone, now, confirmed, data);
  if (before->by_local_port)
    find_suspects(gone, before, now, suspected, data);
}
