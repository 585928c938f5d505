/* SPDX-License-Identifier: MIT */
#include "phases.h"

const char *const phase_names[PHASE_COUNT] = {
    "dns", "connect", "proxy_tls", "tunnel", "tls", "ttfb", "transfer",
};

bool phase_has_hop(enum phase phase) {
  return phase == PHASE_PROXY_TLS || phase == PHASE_TUNNEL;
}

enum phase phases_current(const struct phases *phases) {
  return phases->lengths[phases->now].phase;
}

static void close_current(struct phases *phases, nanoseconds now) {
  if (now > phases->changed) {
    phases->lengths[phases->now].length += now - phases->changed;
    phases->changed = now;
  }
}

static size_t find_or_add(struct phases *phases, enum phase phase, unsigned hop) {
  size_t index = 0;

  while (index < phases->count && (phases->lengths[index].phase != phase ||
                                   phases->lengths[index].hop != hop))
    index++;
  if (index == phases->count) {
    phases->lengths[index] = (struct phase_length){.phase = phase, .hop = hop};
    phases->count++;
  }
  return index;
}

static void enter(struct phases *phases, enum phase phase, nanoseconds now) {
  close_current(phases, now);
  phases->now = find_or_add(phases, phase, phase_has_hop(phase) ? phases->hop : 0);
  phases->entered = now;
}

void phases_begin(struct phases *phases, const struct phase_plan *plan, unsigned hop,
                  nanoseconds now) {
  *phases = (struct phases){.changed = now, .entered = now, .count = 1};
  phases->lengths[0].phase = PHASE_DNS;
  phases_again(phases, plan, hop);
}

void phases_again(struct phases *phases, const struct phase_plan *plan, unsigned hop) {
  phases->plan = *plan;
  phases->tunnel_granted = false;
  phases->hop = hop < PHASE_HOPS_MAX ? hop : PHASE_HOPS_MAX - 1;
}

/* Neither a name nor TCP: they are the matter of the proxy before it. */
void phases_next_hop(struct phases *phases, const struct phase_plan *plan, unsigned hop,
                     nanoseconds now) {
  phases_again(phases, plan, hop);
  enter(phases,
        plan->proxy_tls ? PHASE_PROXY_TLS
        : plan->tunnel  ? PHASE_TUNNEL
                        : PHASE_TTFB,
        now);
}

/* A second socket while connecting is the other address family's (RFC 8305). */
void phases_on_socket(struct phases *phases, nanoseconds now) {
  if (phases_current(phases) != PHASE_CONNECT)
    enter(phases, PHASE_CONNECT, now);
}

/* CONNECT is sent over the proxy's TLS, so the target's can only come after it. */
void phases_on_tls(struct phases *phases, nanoseconds now) {
  enum phase current = phases_current(phases);
  bool to_proxy = phases->plan.proxy_tls &&
                  (current == PHASE_CONNECT || current == PHASE_PROXY_TLS);

  enter(phases, to_proxy ? PHASE_PROXY_TLS : PHASE_TLS, now);
}

void phases_on_request(struct phases *phases, bool is_connect, nanoseconds now) {
  enter(phases, is_connect ? PHASE_TUNNEL : PHASE_TTFB, now);
}

/* A refused CONNECT is the end of the tunnel phase, and no TLS is reached. */
void phases_on_answer(struct phases *phases, int status, nanoseconds now) {
  switch (phases_current(phases)) {
  case PHASE_TUNNEL:
    close_current(phases, now);
    phases->tunnel_granted = status / 100 == 2;
    break;
  case PHASE_TTFB:
    enter(phases, PHASE_TRANSFER, now);
    break;
  default:
    break;
  }
}

/* A granted tunnel stands only now: headers may go on without end. */
void phases_on_answer_read(struct phases *phases, nanoseconds now) {
  if (phases_current(phases) == PHASE_TUNNEL && phases->tunnel_granted &&
      phases->plan.target_tls)
    enter(phases, PHASE_TLS, now);
}

void phases_end(struct phases *phases, nanoseconds now) { close_current(phases, now); }

nanoseconds phases_total(const struct phases *phases) {
  nanoseconds total = 0;

  for (size_t i = 0; i < phases->count; i++)
    total += phases->lengths[i].length;
  return total;
}
