/* SPDX-License-Identifier: MIT */
#include "transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void transfer_free(struct transfer *transfer) {
  if (!transfer)
    return;
  curl_easy_cleanup(transfer->easy);
  curl_slist_free_all(transfer->headers);
  curl_slist_free_all(transfer->proxy_headers);
  free(transfer->url);
  free(transfer->body);
  free(transfer);
}

/* curl's timer has a resolution of one millisecond; 0 would mean no limit. */
static CURLcode set_timeout(struct transfer *transfer, nanoseconds now) {
  nanoseconds left = transfer->deadline - now;
  long milliseconds = (long)(left / NANOSECONDS_PER_MILLISECOND);

  return curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS,
                          milliseconds > 0 ? milliseconds : 1L);
}

static void choose_way(struct transfer *transfer) {
  const struct transfer_order *order = &transfer->order;
  const struct leg *leg = &order->leg;
  const struct probe_hop *entered =
      leg->entry < order->chain->hop_count
          ? &order->config->hops[order->chain->hops[leg->entry]]
          : NULL;

  transfer->attempt.hop = entered ? (int)leg->entry : OUTCOME_NO_HOP;
  if (entered && entered->connect_timeout > 0)
    transfer->connect_deadline = transfer->phases.begun + entered->connect_timeout;
  if (leg->hop_tcp)
    return;
  transfer->target = &order->chain->targets[leg->target];
  transfer->hop = entered;
  transfer->stripped = !entered && order->chain->hop_count > 0;
}

int transfer_new(const struct transfer_order *order, nanoseconds now,
                 struct transfer **transfer) {
  static const struct phase_plan plan = {0}; /* transfer_set_url fills it in */
  struct transfer *made = calloc(1, sizeof(*made));
  CURLcode code = CURLE_OUT_OF_MEMORY;

  if (!made)
    return -ENOMEM;
  made->order = *order;
  made->deadline = now + order->chain->timeout;
  phases_begin(&made->phases, &plan, now);
  choose_way(made);
  made->easy = curl_easy_init();
  if (made->easy)
    code = transfer_set_options(made);
  if (code == CURLE_OK)
    code = curl_easy_setopt(made->easy, CURLOPT_PRIVATE, (void *)made);
  if (code == CURLE_OK)
    code = set_timeout(made, now);
  made->order.password = NULL; /* libcurl has its own copy */
  if (code != CURLE_OK) {
    transfer_free(made);
    return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
  }
  *transfer = made;
  return 0;
}

bool transfer_is_connecting(const struct transfer *transfer) {
  enum phase phase = phases_current(&transfer->phases);

  return phase == PHASE_DNS || phase == PHASE_CONNECT;
}

/* --- The end ------------------------------------------------------------------------ */

static enum ending ending_of(const struct transfer *transfer, CURLcode code) {
  enum curl_socks_answer socks = curl_socks_answer(transfer->easy, code);

  if (socks != CURL_SOCKS_NONE)
    return socks == CURL_SOCKS_DENIED ? ENDING_SOCKS_DENIED : ENDING_SOCKS;
  switch (code) {
  case CURLE_OK:
    return ENDING_DONE;
  case CURLE_WRITE_ERROR:
    return transfer->body_cut ? ENDING_DONE : ENDING_OWN;
  case CURLE_OPERATION_TIMEDOUT:
    return ENDING_TIMEOUT;
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY:
    return ENDING_RESOLVE;
  case CURLE_COULDNT_CONNECT:
    return ENDING_CONNECT;
  case CURLE_SSL_CONNECT_ERROR:
    return ENDING_TLS;
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_INVALIDCERTSTATUS:
    return ENDING_CERTIFICATE;
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_WEIRD_SERVER_REPLY:
    return ENDING_NOT_HTTP;
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CIPHER:
  case CURLE_SSL_ENGINE_NOTFOUND:
  case CURLE_SSL_ENGINE_SETFAILED:
  case CURLE_SSL_ENGINE_INITFAILED:
  case CURLE_INTERFACE_FAILED:
  case CURLE_FAILED_INIT:
  case CURLE_OUT_OF_MEMORY:
    return ENDING_OWN;
  default:
    return ENDING_OTHER;
  }
}

static int get_number(struct transfer *transfer, CURLINFO info) {
  long number = 0;

  curl_easy_getinfo(transfer->easy, info, &number);
  return (int)number;
}

/* EHOSTUNREACH and ENETUNREACH may be the network's word or our own kernel's. */
static void explain_connect(struct transfer *transfer) {
  struct attempt *attempt = &transfer->attempt;

  if (!attempt->no_socket)
    attempt->system_error = get_number(transfer, CURLINFO_OS_ERRNO);
  attempt->no_route = (attempt->system_error == EHOSTUNREACH ||
                       attempt->system_error == ENETUNREACH) &&
                      !transfer_has_route(transfer);
}

static void judge_answer(struct transfer *transfer) {
  struct attempt *attempt = &transfer->attempt;
  const struct probe_target *target = transfer->target;
  bool connect_only = !target || target->url.scheme == PROBE_SCHEME_TCP;
  /* What a stripped request gets says that the way is open, no more. */
  bool any = connect_only ||
             (transfer->stripped && (target->headers.count > 0 || target->body ||
                                     target->method || target->tls.client_cert));

  attempt->status_met =
      any || expectation_status_met(&target->expectation, attempt->status);
  attempt->body_met = any || expectation_body_met(&target->expectation, transfer->body,
                                                  transfer->body_length);
}

static void complete(struct transfer *transfer, enum ending ending, nanoseconds now) {
  struct attempt *attempt = &transfer->attempt;

  transfer_sample_rtt(transfer);
  phases_end(&transfer->phases, now);
  attempt->ending = ending;
  attempt->phase = phases_current(&transfer->phases);
  attempt->connect_status = get_number(transfer, CURLINFO_HTTP_CONNECTCODE);
  attempt->status = get_number(transfer, CURLINFO_RESPONSE_CODE);
  attempt->answer = transfer->answer;
  if (ending == ENDING_DONE)
    judge_answer(transfer);
  else if (transfer_is_connecting(transfer) && ending != ENDING_TIMEOUT)
    explain_connect(transfer);
}

/* The next request is a GET (or HEAD) without a body: what a probe asks for twice
 * it should not send twice. Headers and client certificates stay with the origin
 * that they were meant for. */
static bool redirect(struct transfer *transfer, const char *location, nanoseconds now) {
  const char *from = transfer->url ? transfer->url : transfer->target->url.text;
  char *url = strdup(location);
  bool head = transfer->target->method && strcmp(transfer->target->method, "HEAD") == 0;

  if (!url)
    return false;
  /* Once dropped, they do not come back on the way home. */
  if (!probe_url_same_origin(from, url))
    transfer->left_origin = true;
  free(transfer->url);
  transfer->url = url;
  transfer->redirects++;
  transfer->body_length = 0;
  if (!head && (curl_easy_setopt(transfer->easy, CURLOPT_HTTPGET, 1L) != CURLE_OK ||
                curl_easy_setopt(transfer->easy, CURLOPT_CUSTOMREQUEST, NULL) != CURLE_OK))
    return false;
  return transfer_set_url(transfer, url) == CURLE_OK &&
         set_timeout(transfer, now) == CURLE_OK;
}

/* Where an answer of this attempt sends us, if we may go there; else NULL. */
static const char *location_of(struct transfer *transfer, CURLcode code) {
  char *location = NULL;

  if (code != CURLE_OK || !transfer->target || !transfer->target->follow_redirects ||
      curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &location) != CURLE_OK)
    return NULL;
  return location;
}

bool transfer_finish(struct transfer *transfer, CURLcode code, bool timed_out,
                     nanoseconds now) {
  const char *location = timed_out ? NULL : location_of(transfer, code);

  if (!location) {
    complete(transfer, timed_out ? ENDING_TIMEOUT : ending_of(transfer, code), now);
    return false;
  }
  if (transfer->redirects < transfer->target->max_redirects &&
      redirect(transfer, location, now))
    return true;
  complete(transfer, ENDING_REDIRECTS, now);
  return false;
}

struct attempt_report transfer_report(const struct transfer *transfer) {
  return (struct attempt_report){
      .outcome = outcome_of(&transfer->attempt),
      .phases = transfer->phases,
      .connect_status = transfer->attempt.connect_status,
      .status = transfer->attempt.status,
      .rtt = transfer->rtt,
      .target_expiry = transfer->target_expiry,
      .proxy_expiry = transfer->proxy_expiry,
  };
}
