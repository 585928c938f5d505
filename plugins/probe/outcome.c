/* SPDX-License-Identifier: MIT */
#include "outcome.h"

#include <errno.h>
#include <stdio.h>

const char *const result_names[RESULT_COUNT] = {
    [RESULT_OK] = "ok",
    [RESULT_LOCAL] = "local",
    [RESULT_DNS] = "dns",
    [RESULT_REFUSED] = "refused",
    [RESULT_UNREACHABLE] = "unreachable",
    [RESULT_CONNECT_TIMEOUT] = "connect_timeout",
    [RESULT_PROXY_DENIED] = "proxy_denied",
    [RESULT_PROXY_ERROR] = "proxy_error",
    [RESULT_TUNNEL_TIMEOUT] = "tunnel_timeout",
    [RESULT_TLS] = "tls",
    [RESULT_CERTIFICATE] = "certificate",
    [RESULT_TIMEOUT] = "timeout",
    [RESULT_STATUS] = "status",
    [RESULT_BODY] = "body",
    [RESULT_OTHER] = "other",
};

static bool is_denial(int status) {
  return status == 401 || status == 403 || status == 407;
}

static enum result answer_of_proxy(int status) {
  return is_denial(status) ? RESULT_PROXY_DENIED : RESULT_PROXY_ERROR;
}

/* connect(2) and ip(7): what the network, and what our own kernel says. EPERM is
 * our own packet filter's. */
static enum result connect_result(const struct attempt *attempt) {
  if (attempt->ending == ENDING_TIMEOUT)
    return RESULT_CONNECT_TIMEOUT;
  if (attempt->no_route)
    return RESULT_LOCAL;
  switch (attempt->system_error) {
  case ECONNREFUSED:
  case ECONNRESET:
    return RESULT_REFUSED;
  case EHOSTUNREACH:
  case ENETUNREACH:
  case EHOSTDOWN:
    return RESULT_UNREACHABLE;
  case ETIMEDOUT:
    return RESULT_CONNECT_TIMEOUT;
  case EADDRNOTAVAIL:
  case EADDRINUSE:
  case ENETDOWN:
  case EPERM:
  case EACCES:
  case EINVAL:
  case EAFNOSUPPORT:
    return RESULT_LOCAL;
  default:
    return RESULT_OTHER;
  }
}

static enum result tls_result(const struct attempt *attempt) {
  if (attempt->ending == ENDING_CERTIFICATE)
    return RESULT_CERTIFICATE;
  return attempt->ending == ENDING_TIMEOUT ? RESULT_TIMEOUT : RESULT_TLS;
}

/* A 2xx whose headers did not end refuses nothing, and grants nothing. */
static bool is_refused(const struct attempt *attempt) {
  return attempt->connect_status != 0 && attempt->connect_status / 100 != 2;
}

static enum result tunnel_result(const struct attempt *attempt) {
  if (is_refused(attempt))
    return answer_of_proxy(attempt->connect_status);
  return attempt->ending == ENDING_TIMEOUT ? RESULT_TUNNEL_TIMEOUT : RESULT_PROXY_ERROR;
}

static enum result request_result(const struct attempt *attempt) {
  if (attempt->ending == ENDING_TIMEOUT)
    return RESULT_TIMEOUT;
  if (attempt->ending == ENDING_REDIRECTS)
    return RESULT_STATUS;
  /* No answer at all, from the proxy that the request went to. */
  if (attempt->plain_proxy && attempt->status == 0)
    return RESULT_PROXY_ERROR;
  return RESULT_OTHER;
}

static enum result failure(const struct attempt *attempt) {
  if (attempt->no_socket || attempt->ending == ENDING_OWN)
    return RESULT_LOCAL;
  if (attempt->ending == ENDING_SOCKS_DENIED)
    return RESULT_PROXY_DENIED;
  if (attempt->ending == ENDING_SOCKS)
    return RESULT_PROXY_ERROR;
  switch (attempt->phase) {
  case PHASE_DNS:
    return attempt->ending == ENDING_OTHER ? RESULT_OTHER : RESULT_DNS;
  case PHASE_CONNECT:
    return connect_result(attempt);
  case PHASE_TUNNEL:
    return tunnel_result(attempt);
  case PHASE_PROXY_TLS:
  case PHASE_TLS:
    return tls_result(attempt);
  case PHASE_TTFB:
  case PHASE_TRANSFER:
    return request_result(attempt);
  }
  return RESULT_OTHER;
}

/* 407 is a proxy's by definition (RFC 9110, section 15.5.8). */
static bool made_by_proxy(const struct attempt *attempt) {
  return attempt->plain_proxy && attempt->status >= 400 &&
         (attempt->answer.from_proxy || attempt->status == 407);
}

static enum result success(const struct attempt *attempt) {
  if (!attempt->status_met)
    return made_by_proxy(attempt) ? answer_of_proxy(attempt->status) : RESULT_STATUS;
  return attempt->body_met ? RESULT_OK : RESULT_BODY;
}

/* Beyond the tunnel it is the target that is spoken to. */
static int hop_of(const struct attempt *attempt, enum result result) {
  switch (attempt->phase) {
  case PHASE_DNS:
  case PHASE_CONNECT:
  case PHASE_PROXY_TLS:
  case PHASE_TUNNEL:
    return attempt->hop;
  default:
    return result == RESULT_PROXY_DENIED || result == RESULT_PROXY_ERROR
               ? attempt->hop
               : OUTCOME_NO_HOP;
  }
}

static int status_of(const struct attempt *attempt) {
  if (attempt->phase != PHASE_TUNNEL)
    return attempt->status;
  return attempt->ending == ENDING_DONE || is_refused(attempt) ? attempt->connect_status : 0;
}

struct outcome outcome_of(const struct attempt *attempt) {
  enum result result =
      attempt->ending == ENDING_DONE ? success(attempt) : failure(attempt);
  bool by_proxy = result == RESULT_PROXY_DENIED || result == RESULT_PROXY_ERROR;

  return (struct outcome){
      .result = result,
      .phase = attempt->phase,
      .hop = hop_of(attempt, result),
      .status = status_of(attempt),
      .system_error = attempt->system_error,
      .reason = by_proxy ? attempt->answer.reason : PROXY_REASON_NONE,
  };
}

/* A name that the prober itself resolves: its own resolver's matter. */
bool outcome_is_own_side(const struct outcome *outcome) {
  return outcome->result == RESULT_LOCAL || outcome->result == RESULT_DNS;
}

bool outcome_is_gateway_error(const struct outcome *outcome) {
  return outcome->result == RESULT_PROXY_ERROR && outcome->status >= 502 &&
         outcome->status <= 504 && outcome->reason != PROXY_REASON_DNS;
}

bool outcome_is_unreached(const struct outcome *outcome) {
  return outcome->result != RESULT_OK && outcome->result != RESULT_LOCAL &&
         (outcome->phase == PHASE_DNS || outcome->phase == PHASE_CONNECT);
}

static const char *const result_texts[RESULT_COUNT] = {
    [RESULT_OK] = "works",
    [RESULT_LOCAL] = "no route, descriptor or port on the prober",
    [RESULT_DNS] = "the name cannot be resolved",
    [RESULT_REFUSED] = "connection refused",
    [RESULT_UNREACHABLE] = "unreachable",
    [RESULT_CONNECT_TIMEOUT] = "no answer to TCP",
    [RESULT_PROXY_DENIED] = "denied",
    [RESULT_PROXY_ERROR] = "closed, or not an HTTP answer",
    [RESULT_TUNNEL_TIMEOUT] = "no answer to CONNECT",
    [RESULT_TLS] = "TLS handshake failed",
    [RESULT_CERTIFICATE] = "certificate not accepted",
    [RESULT_TIMEOUT] = "no complete answer in time",
    [RESULT_STATUS] = "unexpected answer",
    [RESULT_BODY] = "unexpected body",
    [RESULT_OTHER] = "connection closed or cut short",
};

static const char *system_text(int error) {
  switch (error) {
  case ENOMEM:
    return "out of memory on the prober";
  case EMFILE:
  case ENFILE:
    return "no file descriptors left on the prober";
  case EADDRNOTAVAIL:
  case EADDRINUSE:
    return "no local port or address on the prober";
  case ENETUNREACH:
  case EHOSTUNREACH:
    return "no route on the prober";
  case EPERM:
  case EACCES:
    return "refused by the prober's own packet filter";
  case OUTCOME_ABSENT:
    return "the prober gets too little processor time";
  default:
    return result_texts[RESULT_LOCAL];
  }
}

static const char *describe_answer(const struct outcome *outcome, char *text,
                                   size_t size) {
  const char *reason = proxy_reason_text(outcome->reason);

  snprintf(text, size, "%s %d%s%s%s",
           outcome->phase == PHASE_TUNNEL ? "CONNECT answered" : "answered",
           outcome->status, reason ? " (" : "", reason ? reason : "",
           reason ? ")" : "");
  return text;
}

const char *outcome_describe(const struct outcome *outcome, char *text, size_t size) {
  bool answered = outcome->result == RESULT_PROXY_DENIED ||
                  outcome->result == RESULT_PROXY_ERROR ||
                  outcome->result == RESULT_STATUS;

  if (answered && outcome->status != 0)
    return describe_answer(outcome, text, size);
  if (outcome->result != RESULT_LOCAL)
    snprintf(text, size, "%s", result_texts[outcome->result]);
  else if ((outcome->phase == PHASE_TLS || outcome->phase == PHASE_PROXY_TLS) &&
           outcome->system_error != OUTCOME_ABSENT)
    snprintf(text, size, "a CA, certificate or key file on the prober cannot be used");
  else
    snprintf(text, size, "%s", system_text(outcome->system_error));
  return text;
}
