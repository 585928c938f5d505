/* SPDX-License-Identifier: MIT */
#include "transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- Steps ---------------------------------------------------------------------------- */

const struct probe_hop *transfer_hop_at(const struct transfer *transfer, size_t place) {
  return &transfer->order.config->hops[transfer->order.chain->hops[place]];
}

const struct probe_hop *transfer_hop(const struct transfer *transfer) {
  return transfer->through ? transfer_hop_at(transfer, transfer->place) : NULL;
}

const struct probe_hop *transfer_next_hop(const struct transfer *transfer) {
  return transfer->through && transfer->place < transfer->last
             ? transfer_hop_at(transfer, transfer->place + 1)
             : NULL;
}

bool transfer_is_behind(const struct transfer *transfer) {
  return transfer->through && transfer->place > transfer->first;
}

struct transfer_step *transfer_step_now(struct transfer *transfer) {
  return &transfer->steps[transfer->through ? transfer->place : 0];
}

/* The relay goes first: it reads from the handle. */
static void end_step(struct transfer *transfer, struct transfer_step *step) {
  relay_close(step->relay);
  if (step->easy) {
    curl_multi_remove_handle(transfer->host->multi, step->easy);
    curl_easy_cleanup(step->easy);
  }
  curl_slist_free_all(step->headers);
  curl_slist_free_all(step->proxy_headers);
  curl_slist_free_all(step->names);
  if (step->inherited >= 0)
    close(step->inherited);
  *step = (struct transfer_step){.inherited = -1};
}

/* The last ones first: their connections lead through the others. */
static void end_steps(struct transfer *transfer) {
  for (size_t i = PROBE_CHAIN_HOPS_MAX; i-- > 0;)
    end_step(transfer, &transfer->steps[i]);
}

void transfer_free(struct transfer *transfer) {
  if (!transfer)
    return;
  end_steps(transfer);
  free(transfer->url);
  free(transfer->body);
  free(transfer);
}

static int begin_step(struct transfer *transfer, int inherited, nanoseconds now) {
  struct transfer_step *step = transfer_step_now(transfer);
  CURLcode code;

  step->inherited = inherited;
  step->easy = transfer->easy = curl_easy_init();
  if (!step->easy)
    return -ENOMEM;
  transfer->answer = (struct proxy_answer){0};
  transfer->head_bytes = 0;
  transfer->head_cut = false;
  code = transfer_set_options(transfer);
  if (code == CURLE_OK)
    code = curl_easy_setopt(step->easy, CURLOPT_PRIVATE, (void *)transfer);
  if (code == CURLE_OK)
    code = transfer_begin_limit(transfer, now);
  if (code != CURLE_OK)
    return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
  return curl_multi_add_handle(transfer->host->multi, step->easy) == CURLM_OK ? 0 : -ENOMEM;
}

static int begin_first(struct transfer *transfer, nanoseconds now) {
  int result;

  transfer->place = transfer->first;
  if (transfer->through)
    transfer->attempt.hop = (int)transfer->place;
  result = begin_step(transfer, -1, now);
  phases_again(&transfer->phases, &transfer->plan, (unsigned)transfer->place);
  return result;
}

/* A descriptor says nothing of TLS. And some versions connect once more, which a
 * socket takes once, but not twice. */
static bool needs_relay(const struct transfer *transfer) {
  return transfer->plan.proxy_tls ||
         (curl_connects_again() && transfer_is_behind(transfer));
}

static int hand_over(struct transfer *transfer, int *descriptor) {
  struct transfer_step *step = transfer_step_now(transfer);
  curl_socket_t active = CURL_SOCKET_BAD;

  if (needs_relay(transfer))
    return relay_open(step->easy, transfer->host->epoll, &step->relay, descriptor);
  if (curl_easy_getinfo(step->easy, CURLINFO_ACTIVESOCKET, &active) != CURLE_OK ||
      active == CURL_SOCKET_BAD)
    return -ENOTCONN;
  *descriptor = fcntl(active, F_DUPFD_CLOEXEC, 0);
  if (*descriptor < 0)
    return -errno;
  end_step(transfer, step);
  return 0;
}

static int begin_next(struct transfer *transfer, nanoseconds now) {
  int descriptor = -1;
  int result;

  transfer_sample_rtt(transfer);
  result = hand_over(transfer, &descriptor);
  if (result < 0)
    return result;
  transfer->place++;
  transfer->attempt.hop = (int)transfer->place;
  result = begin_step(transfer, descriptor, now);
  phases_next_hop(&transfer->phases, &transfer->plan, (unsigned)transfer->place, now);
  return result;
}

/* --- The beginning ---------------------------------------------------------------------- */

static void choose_way(struct transfer *transfer) {
  const struct transfer_order *order = &transfer->order;
  const struct leg *leg = &order->leg;
  bool enters = leg->entry < order->chain->hop_count;

  transfer->attempt.hop = enters ? (int)leg->entry : OUTCOME_NO_HOP;
  transfer->first = transfer->last = enters ? leg->entry : 0;
  if (leg->hop_tcp)
    return;
  transfer->target = &order->chain->targets[leg->target];
  transfer->through = enters;
  transfer->stripped = !enters && order->chain->hop_count > 0;
  if (enters && order->chain->mode == PROBE_MODE_NESTED)
    transfer->last = order->chain->hop_count - 1;
}

int transfer_new(const struct transfer_order *order, const struct transfer_host *host,
                 nanoseconds now, struct transfer **transfer) {
  static const struct phase_plan plan = {0};
  struct transfer *made = calloc(1, sizeof(*made));
  int result;

  if (!made)
    return -ENOMEM;
  made->order = *order;
  made->host = host;
  made->begun = now;
  made->deadline = now + order->chain->timeout;
  made->look = NEVER;
  for (size_t i = 0; i < PROBE_CHAIN_HOPS_MAX; i++)
    made->steps[i].inherited = -1;
  choose_way(made);
  phases_begin(&made->phases, &plan, (unsigned)made->first, now);
  result = begin_first(made, now);
  if (result < 0) {
    transfer_free(made);
    return result;
  }
  *transfer = made;
  return 0;
}

/* --- The end ------------------------------------------------------------------------ */

/* One of our callbacks has stopped it. */
static enum ending stopped_ending(const struct transfer *transfer) {
  if (transfer->body_cut)
    return ENDING_DONE;
  return transfer->head_cut ? ENDING_OTHER : ENDING_OWN;
}

/* Before 8.6 and its CURLE_TOO_LARGE libcurl says so, too, of a line that is longer
 * than CURL_MAX_HTTP_HEADER: then there is memory for such a line. */
static enum ending memory_ending(const struct transfer *transfer) {
  enum phase phase = phases_current(&transfer->phases);
  void *volatile line = NULL;
  bool is_answered = phase == PHASE_TTFB || phase == PHASE_TRANSFER;

  if (is_answered)
    line = malloc(2 * CURL_MAX_HTTP_HEADER);
  if (!line)
    return ENDING_OWN;
  free(line);
  return ENDING_OTHER;
}

static enum ending ending_of(const struct transfer *transfer, CURLcode code) {
  enum curl_socks_answer socks = curl_socks_answer(transfer->easy, code);

  if (socks != CURL_SOCKS_NONE)
    return socks == CURL_SOCKS_DENIED ? ENDING_SOCKS_DENIED : ENDING_SOCKS;
  switch (code) {
  case CURLE_OK:
    return ENDING_DONE;
  case CURLE_WRITE_ERROR:
    return stopped_ending(transfer);
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
    return ENDING_OWN;
  case CURLE_OUT_OF_MEMORY:
    return memory_ending(transfer);
  default:
    return ENDING_OTHER;
  }
}

static int get_number(struct transfer *transfer, CURLINFO info) {
  long number = 0;

  curl_easy_getinfo(transfer->easy, info, &number);
  return (int)number;
}

/* A resolver without descriptors says no more than that it could not resolve. */
static void explain_resolve(struct attempt *attempt) {
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  attempt->no_socket = descriptor < 0;
  attempt->system_error = descriptor < 0 ? errno : 0;
  if (descriptor >= 0)
    close(descriptor);
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

static bool is_connecting(const struct transfer *transfer) {
  enum phase phase = phases_current(&transfer->phases);

  return phase == PHASE_DNS || phase == PHASE_CONNECT;
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

/* A status is three digits, the first of them 1 to 5 (RFC 9110, section 15); libcurl
 * takes any number. 0: none. */
static int get_status(struct transfer *transfer, CURLINFO which) {
  int status = get_number(transfer, which);

  return status >= 100 && status <= 599 ? status : 0;
}

/* CURLINFO_HTTP_CONNECTCODE of a step that did not get there is 0. */
static void note_connect_status(struct transfer *transfer) {
  int status = get_status(transfer, CURLINFO_HTTP_CONNECTCODE);

  transfer->attempt.connect_status = status;
  if (transfer->through)
    transfer->connect_statuses[transfer->place] = status;
}

static void complete(struct transfer *transfer, enum ending ending, nanoseconds now) {
  struct attempt *attempt = &transfer->attempt;

  /* Of one that is done libcurl has closed the connection. */
  if (ending != ENDING_DONE || transfer->rtt == 0)
    transfer_sample_rtt(transfer);
  phases_end(&transfer->phases, now);
  attempt->ending = ending;
  attempt->phase = phases_current(&transfer->phases);
  attempt->status = get_status(transfer, CURLINFO_RESPONSE_CODE);
  if (attempt->status != get_number(transfer, CURLINFO_RESPONSE_CODE))
    attempt->ending = ending = ENDING_NOT_HTTP;
  attempt->answer = transfer->answer;
  note_connect_status(transfer);
  if (ending == ENDING_DONE)
    judge_answer(transfer);
  else if (ending == ENDING_RESOLVE)
    explain_resolve(attempt);
  else if (is_connecting(transfer) && ending != ENDING_TIMEOUT)
    explain_connect(transfer);
  else if (transfer->tls_trouble.error != 0)
    attempt->system_error = transfer->tls_trouble.error;
}

/* Our own means to go on are missing. */
static void complete_unable(struct transfer *transfer, int error, nanoseconds now) {
  transfer->attempt.system_error = error;
  complete(transfer, ENDING_OWN, now);
}

/* Where the answer of this attempt sends us, if we may go there; else NULL. */
static const char *location_of(struct transfer *transfer) {
  char *location = NULL;

  if (!transfer->target || !transfer->target->follow_redirects ||
      curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &location) != CURLE_OK)
    return NULL;
  return location;
}

/* All over again, from the first proxy on. Headers and client certificates stay with
 * the origin that they were meant for. */
static int redirect(struct transfer *transfer, const char *location, nanoseconds now) {
  const char *from = transfer->url ? transfer->url : transfer->target->url.text;
  char *url = strdup(location);

  if (!url)
    return -ENOMEM;
  /* Once dropped, they do not come back on the way home. */
  if (!probe_url_same_origin(from, url))
    transfer->left_origin = true;
  note_connect_status(transfer);
  end_steps(transfer);
  free(transfer->url);
  transfer->url = url;
  transfer->redirects++;
  transfer->body_length = 0;
  return begin_first(transfer, now);
}

static bool is_allowed(const struct transfer *transfer, const char *location) {
  return transfer->redirects < transfer->target->max_redirects &&
         (strncasecmp(location, "http:", 5) == 0 ||
          strncasecmp(location, "https:", 6) == 0);
}

bool transfer_finish(struct transfer *transfer, CURLcode code, bool timed_out,
                     nanoseconds now) {
  const char *location = NULL;
  int result = 0;

  if (transfer_was_absent(transfer, code, timed_out, now)) {
    complete_unable(transfer, OUTCOME_ABSENT, now);
    return false;
  }
  if (timed_out || code != CURLE_OK) {
    complete(transfer, timed_out ? ENDING_TIMEOUT : ending_of(transfer, code), now);
    if (code == CURLE_SSL_CERTPROBLEM)
      transfer_note_client_cert(transfer);
    return false;
  }
  if (transfer_next_hop(transfer)) {
    note_connect_status(transfer);
    result = begin_next(transfer, now);
  } else if (!(location = location_of(transfer))) {
    complete(transfer, ENDING_DONE, now);
    return false;
  } else if (!is_allowed(transfer, location)) {
    complete(transfer, ENDING_REDIRECTS, now);
    return false;
  } else {
    result = redirect(transfer, location, now);
  }
  if (result < 0)
    complete_unable(transfer, -result, now);
  return result == 0;
}

struct attempt_report transfer_report(const struct transfer *transfer) {
  struct attempt_report report = {
      .outcome = outcome_of(&transfer->attempt),
      .phases = transfer->phases,
      .status = transfer->attempt.status,
      .rtt = transfer->rtt,
      .target_expiry = transfer->target_expiry,
      .tls_trouble = transfer->tls_trouble,
      .absence = transfer->absence,
  };

  memcpy(report.connect_statuses, transfer->connect_statuses,
         sizeof(report.connect_statuses));
  memcpy(report.proxy_expiries, transfer->proxy_expiries, sizeof(report.proxy_expiries));
  return report;
}
