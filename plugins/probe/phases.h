/* SPDX-License-Identifier: MIT
 *
 * Model: the lengths of a probe's phases, from the times at which libcurl's
 * callbacks saw something happen. libcurl's own timers are not used: through a
 * proxy CURLINFO_CONNECT_TIME ends at the proxy, CONNECT and the target's TLS
 * share one timer, and several versions report 0 or twice the time.
 *
 * Time always belongs to exactly one phase, so the lengths add up to the total.
 * The phase in which a probe failed ends with the probe; one that was not
 * reached has no length at all.
 */
#ifndef EGRESS_PHASES_H
#define EGRESS_PHASES_H

#include "egress/clock.h"

#include <stdbool.h>
#include <stddef.h>

enum phase {
  PHASE_DNS,       /* the first hop's name, or the target's straight out */
  PHASE_CONNECT,   /* TCP; if the first hop is SOCKS its negotiation too */
  PHASE_PROXY_TLS, /* to an HTTPS proxy */
  PHASE_TUNNEL,    /* CONNECT sent until it is answered; of a SOCKS proxy behind
                      another one its whole negotiation */
  PHASE_TLS,       /* to the target */
  PHASE_TTFB,      /* request sent until the first byte of the answer */
  PHASE_TRANSFER,
};
#define PHASE_COUNT 7

/* Names as the metric's type instance has them; for PHASE_PROXY_TLS and
 * PHASE_TUNNEL `-HOP` follows. */
extern const char *const phase_names[PHASE_COUNT];

bool phase_has_hop(enum phase phase);

/* What the probe is going to do: which phases may come after which. */
struct phase_plan {
  bool proxy_tls;  /* the hop speaks TLS */
  bool tunnel;     /* CONNECT through the hop; or SOCKS, behind another hop */
  bool target_tls;
};

struct phase_length {
  enum phase phase;
  unsigned hop; /* where phase_has_hop: its place in the chain */
  nanoseconds length;
};

/* Of one chain, as many as PROBE_CHAIN_HOPS_MAX. */
#define PHASE_HOPS_MAX 8
#define PHASES_MAX (PHASE_COUNT - 2 + 2 * PHASE_HOPS_MAX)

struct phases {
  struct phase_plan plan;
  unsigned hop; /* that is spoken to */
  nanoseconds changed;
  nanoseconds entered; /* the phase the time runs for; for limits, which may move it on */
  size_t count; /* of lengths; the last reached is `now` unless redirected */
  size_t now;   /* index of the phase the time runs for */
  bool tunnel_granted; /* this hop's CONNECT was answered 2xx */
  struct phase_length lengths[PHASES_MAX];
};

/* The probe starts, in PHASE_DNS, toward hop `hop`. */
void phases_begin(struct phases *phases, const struct phase_plan *plan, unsigned hop,
                  nanoseconds now);
/* A redirect: another connection follows, toward hop `hop`. */
void phases_again(struct phases *phases, const struct phase_plan *plan, unsigned hop);
/* Nested: the connection that stands now leads to the next hop. */
void phases_next_hop(struct phases *phases, const struct phase_plan *plan, unsigned hop,
                     nanoseconds now);

/* libcurl asks for a socket: the name is resolved. Also when a redirect opens
 * another connection. */
void phases_on_socket(struct phases *phases, nanoseconds now);
/* libcurl sets up a TLS context: the connection below it stands. */
void phases_on_tls(struct phases *phases, nanoseconds now);
/* A request was sent: CONNECT, or the request itself. */
void phases_on_request(struct phases *phases, bool is_connect, nanoseconds now);
/* The first line of an answer came in, with this status. */
void phases_on_answer(struct phases *phases, int status, nanoseconds now);
/* The empty line after an answer's headers came in. */
void phases_on_answer_read(struct phases *phases, nanoseconds now);
/* The probe has ended, well or not. */
void phases_end(struct phases *phases, nanoseconds now);

enum phase phases_current(const struct phases *phases);
nanoseconds phases_total(const struct phases *phases);

#endif
