/* SPDX-License-Identifier: MIT
 *
 * Edge: one attempt, a libcurl easy handle of its own with a new connection. It
 * runs on the engine's thread alone, and takes nothing from the environment.
 */
#ifndef EGRESS_TRANSFER_H
#define EGRESS_TRANSFER_H

#include "egress/address.h"

#include "curl_compat.h"
#include "report.h"
#include "round.h"

#include <sys/queue.h>

/* What is to be sent. */
struct transfer_order {
  const struct probe_config *config;
  const struct probe_chain *chain;
  struct leg leg;
  unsigned attempt;     /* 0, and counting retries */
  const char *password; /* of the hop that is entered; NULL: none. Copied. */
};

#define TRANSFER_SOCKETS_MAX 8

/* A socket that libcurl asked for; it may be closed again. */
struct transfer_socket {
  int descriptor;
  struct net_endpoint remote;
};

struct transfer {
  struct transfer_order order;
  const struct probe_target *target; /* NULL: a hop's TCP port */
  const struct probe_hop *hop;       /* entered; NULL: straight out */
  bool stripped; /* straight out of a chain: no header, no body, no credential */
  CURL *easy;
  struct curl_slist *headers, *proxy_headers;

  nanoseconds deadline;         /* of the whole attempt */
  nanoseconds connect_deadline; /* 0: none */

  struct phases phases;
  struct attempt attempt;
  struct proxy_answer answer; /* being read */
  int status;                 /* of the status line last read */
  nanoseconds rtt;
  time_t target_expiry, proxy_expiry;
  size_t socket_count;
  struct transfer_socket sockets[TRANSFER_SOCKETS_MAX];
  int64_t redirects;
  char *url;        /* after a redirect */
  bool left_origin; /* a redirect has led to another host */
  char *body;
  size_t body_length;
  bool body_cut; /* MaxBody is reached */

  TAILQ_ENTRY(transfer) active;    /* the engine's */
  TAILQ_ENTRY(transfer) by_connect; /* with a connect_deadline, the engine's */
  void *owner;
};

/* Builds the handle, and starts the clock at `now`. Returns 0 or -errno. */
int transfer_new(const struct transfer_order *order, nanoseconds now,
                 struct transfer **transfer);

/* The handle must have left its multi handle. */
void transfer_free(struct transfer *transfer);

/* libcurl is done with the handle, or `timed_out`: a limit of ours has passed.
 * The handle must still be in its multi handle. Returns true if the transfer
 * was redirected: it must be taken out and added again. Else it has ended, and
 * transfer->attempt is complete. */
bool transfer_finish(struct transfer *transfer, CURLcode code, bool timed_out,
                     nanoseconds now);

/* Whether the connection does not stand yet. */
bool transfer_is_connecting(const struct transfer *transfer);

/* After its end. */
struct attempt_report transfer_report(const struct transfer *transfer);

/* --- Between the files of this edge -------------------------------------------- */

/* Sets every option. Returns CURLE_OK or what libcurl said. */
CURLcode transfer_set_options(struct transfer *transfer);
/* Options that depend on the URL, which a redirect changes. */
CURLcode transfer_set_url(struct transfer *transfer, const char *url);
/* The callbacks, and what they note down. */
CURLcode transfer_watch(struct transfer *transfer);
/* The smoothed RTT of the connection that stands, if there is one. */
void transfer_sample_rtt(struct transfer *transfer);
/* Whether the kernel has a route to the last address asked for. Sends nothing. */
bool transfer_has_route(const struct transfer *transfer);

#endif
