/* SPDX-License-Identifier: MIT
 *
 * Model: what came of one attempt: one of a fixed list of results, with the
 * phase and the hop where it happened. Judged by the phase that was reached,
 * CONNECT's status and errno: libcurl's own code differs from version to
 * version (a failed CONNECT is 56 before 8.20 and 7 after).
 */
#ifndef EGRESS_OUTCOME_H
#define EGRESS_OUTCOME_H

#include "phases.h"
#include "proxy_answer.h"

enum result {
  RESULT_OK,
  RESULT_LOCAL,           /* the prober's own side: no route, descriptor, port */
  RESULT_DNS,             /* the prober could not resolve a name */
  RESULT_REFUSED,         /* TCP */
  RESULT_UNREACHABLE,     /* TCP: the network said so */
  RESULT_CONNECT_TIMEOUT, /* TCP */
  RESULT_PROXY_DENIED,    /* a proxy answered 401, 403 or 407 */
  RESULT_PROXY_ERROR,     /* a proxy answered another error, or nonsense */
  RESULT_TUNNEL_TIMEOUT,  /* no answer to CONNECT */
  RESULT_TLS,
  RESULT_CERTIFICATE,
  RESULT_TIMEOUT,         /* later than CONNECT */
  RESULT_STATUS,          /* not what ExpectStatus allows */
  RESULT_BODY,            /* not what ExpectBody wants */
  RESULT_OTHER,
};
#define RESULT_COUNT 15

/* Names as the metric's type instance has them. */
extern const char *const result_names[RESULT_COUNT];

#define OUTCOME_NO_HOP (-1)
/* A system_error: the prober was itself kept from its work. */
#define OUTCOME_ABSENT ETIME

struct outcome {
  enum result result;
  enum phase phase; /* the last one that was reached */
  int hop;          /* index of the hop spoken to in that phase, or none: then
                       it was the target */
  int status;       /* of the answer that decided; 0: none */
  int system_error; /* errno; 0: none */
  enum proxy_reason reason;
};

/* How the transfer as such ended. */
enum ending {
  ENDING_DONE,          /* an answer, or the connection, is there */
  ENDING_TIMEOUT,       /* a time limit of ours */
  ENDING_RESOLVE,       /* the resolver said no */
  ENDING_CONNECT,       /* TCP failed: see system_error */
  ENDING_TLS,
  ENDING_CERTIFICATE,
  ENDING_SOCKS,         /* the SOCKS proxy said no */
  ENDING_SOCKS_DENIED,
  ENDING_NOT_HTTP,      /* an answer that is none */
  ENDING_REDIRECTS,     /* more than MaxRedirects, or to a place not allowed */
  ENDING_OWN,           /* our files, memory, descriptors */
  ENDING_OTHER,         /* closed, reset, cut short */
};

/* What an attempt left behind. */
struct attempt {
  enum ending ending;
  enum phase phase;
  int hop;             /* the proxy spoken to, OUTCOME_NO_HOP straight out */
  bool plain_proxy;    /* the request itself went to a proxy (http:// target) */
  int system_error;    /* of the failing socket call; 0: none */
  bool no_socket;      /* a descriptor could not be had, or could not be bound */
  bool no_route;       /* the kernel itself has no route */
  int connect_status;  /* CONNECT's answer; 0: none */
  int status;          /* the request's answer; 0: none */
  struct proxy_answer answer; /* of whichever came last */
  bool status_met, body_met;
};

struct outcome outcome_of(const struct attempt *attempt);

/* The prober's own side: nothing beyond it can be judged by this attempt. */
bool outcome_is_own_side(const struct outcome *outcome);

/* A proxy said that it could not get further: 502, 503, 504. That its own resolver
 * failed is another matter. */
bool outcome_is_gateway_error(const struct outcome *outcome);

/* The hop was not even reached, though nothing on our side hindered us. */
bool outcome_is_unreached(const struct outcome *outcome);

/* In words: "connection refused", "CONNECT answered 503 (could not resolve the
 * name)". Always terminated; returns text. */
const char *outcome_describe(const struct outcome *outcome, char *text, size_t size);

#endif
