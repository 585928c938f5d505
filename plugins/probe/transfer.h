/* SPDX-License-Identifier: MIT
 *
 * Edge: one attempt, a libcurl easy handle of its own with a new connection. It
 * runs on the engine's thread alone, and takes nothing from the environment.
 */
#ifndef EGRESS_TRANSFER_H
#define EGRESS_TRANSFER_H

#include "egress/address.h"

#include "curl_compat.h"
#include "relay.h"
#include "report.h"
#include "round.h"
#include "secret.h"
#include "trust.h"

#include <sys/queue.h>

/* Nothing to wait for. */
#define NEVER INT64_MAX

/* What is to be sent. */
struct transfer_order {
  const struct probe_config *config;
  const struct probe_chain *chain;
  struct leg leg;
  unsigned attempt; /* 0, and counting retries */
  const struct secret *secrets; /* by the hop's place in the chain; must last as long
                                   as the transfer does. A hop without PasswordFile has
                                   none */
};

/* Where transfers run. */
struct transfer_host {
  CURLM *multi;
  int epoll;           /* for relays */
  struct trust *trust; /* NULL: libcurl's own reading of CA files */
  CURLSH *names;       /* of hops behind another one: they are resolved there */
};

#define TRANSFER_SOCKETS_MAX 8

/* Bytes of head_bytes. libcurl 8.4 has this limit itself (MAX_HTTP_RESP_HEADER_SIZE of
 * its lib/http.h), but for trailers; before it keeps all that comes (CVE-2023-38039). */
#define TRANSFER_HEAD_MAX (300 * 1024)
/* The same of an answer to CONNECT, which libcurl reads a byte at a time without a look
 * at anything else: the most that Squid lets through (its reply_header_max_size). */
#define TRANSFER_TUNNEL_HEAD_MAX (64 * 1024)

/* A socket that libcurl asked for; it may be closed again. */
struct transfer_socket {
  int descriptor;
  struct net_endpoint remote;
};

/* One proxy that is spoken to. In a cascade, and straight out, there is one step. */
struct transfer_step {
  CURL *easy; /* NULL: not begun, or done and handed over */
  struct curl_slist *headers, *proxy_headers, *names;
  int inherited;       /* from the step before; -1: none, or libcurl has it */
  struct relay *relay; /* to the next step; then easy stays in the multi handle */
};

struct transfer {
  struct transfer_order order;
  const struct transfer_host *host;
  const struct probe_target *target; /* NULL: a hop's TCP port */
  bool through; /* proxies; else straight to the target or the hop's port */
  bool stripped; /* straight out of a chain: no header, no body, no credential */

  /* Places in the chain, if `through`. */
  size_t first, last; /* proxies that we speak to */
  size_t place;       /* of the one spoken to now */
  struct transfer_step steps[PROBE_CHAIN_HOPS_MAX];
  CURL *easy; /* of the step at `place` */

  nanoseconds begun;
  nanoseconds deadline;   /* of the whole attempt */
  nanoseconds absence;    /* the prober's own, by which limits were moved on */
  nanoseconds look;       /* when to look at its limits; NEVER: they are not looked at */
  bool limited;           /* by libcurl, too: this step's connection does not stand yet */
  nanoseconds step_begun; /* libcurl's limit counts from there */
  nanoseconds connect_begun; /* and ConnectTimeout; moved on */

  struct phase_plan plan; /* of this step */
  struct phases phases;
  struct attempt attempt;
  struct proxy_answer answer; /* being read */
  size_t head_bytes; /* of this step's answers: status lines, headers, trailers */
  bool head_cut;     /* it is read no further */
  nanoseconds rtt;
  int connect_statuses[PROBE_CHAIN_HOPS_MAX];
  time_t target_expiry, proxy_expiries[PROBE_CHAIN_HOPS_MAX];
  struct tls_trouble tls_trouble;
  size_t socket_count;
  struct transfer_socket sockets[TRANSFER_SOCKETS_MAX];
  int64_t redirects;
  char *url;        /* after a redirect */
  bool left_origin; /* a redirect has led to another host */
  char *body; /* what is kept of it, terminated; NULL: nothing */
  size_t body_length, body_size;
  bool body_cut; /* MaxBody is reached */

  TAILQ_ENTRY(transfer) active;  /* the engine's */
  TAILQ_ENTRY(transfer) by_look; /* unless `look` is NEVER */
  void *owner;
};

TAILQ_HEAD(transfer_list, transfer);

/* Builds the first handle, adds it to the multi handle, and starts the clock at
 * `now`. `host` must outlive the transfer. Returns 0 or -errno. */
int transfer_new(const struct transfer_order *order, const struct transfer_host *host,
                 nanoseconds now, struct transfer **transfer);

/* Takes its handles out of the multi handle. */
void transfer_free(struct transfer *transfer);

/* libcurl is done with the handle, or `timed_out`: a limit of ours has passed.
 * Returns true if the transfer goes on with another handle, as for a redirect or the
 * next proxy. Else it has ended, and transfer->attempt is complete. */
bool transfer_finish(struct transfer *transfer, CURLcode code, bool timed_out,
                     nanoseconds now);

/* When its limits have to be looked at (again): not later than `now` if one has passed. */
nanoseconds transfer_look(const struct transfer *transfer, nanoseconds now);

/* The shortest absence of the prober that is noticed. */
#define TRANSFER_ABSENCE_MIN (50 * NANOSECONDS_PER_MILLISECOND)
/* Of one attempt, in times of Timeout; after it, it counts: an end has to come. */
#define TRANSFER_ABSENCE_MAX 10

/* The prober was away for so long until now: limits pass that much later. */
void transfer_excuse(struct transfer *transfer, nanoseconds absence, nanoseconds now);

/* After its end. */
struct attempt_report transfer_report(const struct transfer *transfer);

/* Whether libcurl's TLS is the OpenSSL that we were built with: if not there must be no
 * `trust`. */
bool transfer_has_openssl(void);

/* --- Between the files of this edge -------------------------------------------- */

/* The proxy at this place of the chain. */
const struct probe_hop *transfer_hop_at(const struct transfer *transfer, size_t place);
/* The proxy that this step speaks to; NULL: none. */
const struct probe_hop *transfer_hop(const struct transfer *transfer);
/* The proxy that it asks that one for; NULL: the target. */
const struct probe_hop *transfer_next_hop(const struct transfer *transfer);
/* Nested, and the connection was handed over by the step before. */
bool transfer_is_behind(const struct transfer *transfer);
struct transfer_step *transfer_step_now(struct transfer *transfer);
/* libcurl's own limit: of a step that begins, and none any more when a connection stands. */
CURLcode transfer_begin_limit(struct transfer *transfer, nanoseconds now);
void transfer_lift_limit(struct transfer *transfer);
/* It is the prober's own fault that a limit has passed. */
bool transfer_was_absent(const struct transfer *transfer, CURLcode code, bool timed_out,
                         nanoseconds now);

/* Sets every option of a step, and transfer->plan. Returns CURLE_OK or what libcurl
 * said. */
CURLcode transfer_set_options(struct transfer *transfer);
/* The callbacks, and what they note down. */
CURLcode transfer_watch(struct transfer *transfer);
/* Those for what this step sends. */
CURLcode transfer_watch_requests(struct transfer *transfer, bool sends_connect,
                                 bool sends_request);
/* The callback of TLS; nothing without a `trust`. */
CURLcode transfer_watch_tls(struct transfer *transfer);
/* libcurl could not use the ClientCert of this step, or its key. */
void transfer_note_client_cert(struct transfer *transfer);
/* The smoothed RTT of the connection that stands, if there is one. */
void transfer_sample_rtt(struct transfer *transfer);
/* Whether the kernel has a route to the last address asked for. Sends nothing. */
bool transfer_has_route(const struct transfer *transfer);

#endif
