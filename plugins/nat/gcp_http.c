/* SPDX-License-Identifier: MIT */
#include "gcp_http.h"

#include "curl_compat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STOP_CHECK_MS 100
#define ERROR_BODY_MAX 65536u

struct gcp_http {
  CURLM *multi;
  bool stopping; /* atomic */
};

/* One request under way. */
struct transfer {
  CURL *easy;
  struct curl_slist *headers;
  const struct gcp_http_request *request;
  struct gcp_http_answer *answer;
  struct json_walk *error_walk;
  bool google; /* the answer said so */
  size_t received;
  enum gcp_http_outcome refused; /* why a body was; GCP_HTTP_ANSWERED: it was not */
};

int gcp_http_new(struct gcp_http **http) {
  *http = calloc(1, sizeof(**http));
  return *http ? 0 : -ENOMEM;
}

void gcp_http_rest(struct gcp_http *http) {
  if (http->multi)
    curl_multi_cleanup(http->multi);
  http->multi = NULL;
}

void gcp_http_free(struct gcp_http *http) {
  if (!http)
    return;
  gcp_http_rest(http);
  free(http);
}

void gcp_http_stop(struct gcp_http *http) {
  __atomic_store_n(&http->stopping, true, __ATOMIC_RELAXED);
}

static bool is_stopping(const struct gcp_http *http) {
  return __atomic_load_n(&http->stopping, __ATOMIC_RELAXED);
}

/* --- What comes in ------------------------------------------------------------------ */

static int status_of(const struct transfer *transfer) {
  long status = 0;

  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  return (int)status;
}

/* A status line begins a new set of headers (an interim answer's come before). */
static size_t take_header(char *line, size_t size, size_t count, void *data) {
  static const char name[] = "Metadata-Flavor:", value[] = "Google";
  struct transfer *transfer = data;
  size_t length = size * count, begin = sizeof(name) - 1;

  if (length > 5 && strncasecmp(line, "HTTP/", 5) == 0)
    transfer->google = false;
  if (length < begin || strncasecmp(line, name, begin) != 0)
    return length;
  while (begin < length && (line[begin] == ' ' || line[begin] == '\t'))
    begin++;
  while (length > begin && strchr("\r\n \t", line[length - 1]))
    length--;
  transfer->google =
      length - begin == sizeof(value) - 1 && memcmp(line + begin, value, length - begin) == 0;
  return size * count;
}

static void take_error(struct transfer *transfer, const char *bytes, size_t size) {
  if (!transfer->error_walk)
    return;
  if (transfer->received > ERROR_BODY_MAX ||
      json_walk_feed(transfer->error_walk, bytes, size) < 0) {
    json_walk_free(transfer->error_walk);
    transfer->error_walk = NULL;
  }
}

static enum gcp_http_outcome judge_body(struct transfer *transfer, const char *bytes,
                                        size_t size) {
  const struct gcp_http_request *request = transfer->request;

  if (request->metadata && !transfer->google)
    return GCP_HTTP_NOT_GOOGLE;
  if (size > request->body_max - transfer->received)
    return GCP_HTTP_TOO_LONG;
  transfer->received += size;
  if (status_of(transfer) != 200)
    take_error(transfer, bytes, size);
  else if (request->take(request->data, bytes, size) < 0)
    return GCP_HTTP_MALFORMED;
  return GCP_HTTP_ANSWERED;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *data) {
  struct transfer *transfer = data;

  transfer->refused = judge_body(transfer, bytes, size * count);
  return transfer->refused == GCP_HTTP_ANSWERED ? size * count : 0;
}

/* --- What goes out ------------------------------------------------------------------ */

static bool add_header(struct transfer *transfer, const char *line) {
  struct curl_slist *longer = curl_slist_append(transfer->headers, line);

  if (longer)
    transfer->headers = longer;
  return longer != NULL;
}

/* libcurl keeps a copy of the line; it is wiped before it is freed. */
static bool add_headers(struct transfer *transfer) {
  const struct gcp_http_request *request = transfer->request;
  char line[GCP_TOKEN_SIZE + 32];
  bool added = add_header(transfer, "Accept: application/json, text/plain") &&
               (!request->metadata || add_header(transfer, "Metadata-Flavor: Google"));

  if (added && request->token) {
    snprintf(line, sizeof(line), "Authorization: Bearer %s", request->token);
    added = add_header(transfer, line);
    explicit_bzero(line, sizeof(line));
  }
  return added;
}

static void wipe_headers(struct transfer *transfer) {
  for (struct curl_slist *each = transfer->headers; each; each = each->next)
    explicit_bzero(each->data, strlen(each->data));
  curl_slist_free_all(transfer->headers);
}

static CURLcode set_options(struct transfer *transfer) {
  const struct gcp_http_request *request = transfer->request;
  CURL *easy = transfer->easy;

  CURL_SET(CURLOPT_URL, request->url);
  CURL_SET(CURLOPT_HTTPHEADER, transfer->headers);
  CURL_SET(CURLOPT_USERAGENT, "collectd-egress");
  CURL_SET(CURLOPT_NOSIGNAL, 1L);
  CURL_SET(CURLOPT_TIMEOUT_MS, (long)request->milliseconds);
  CURL_SET(CURLOPT_CONNECTTIMEOUT_MS, (long)request->milliseconds / 2);
  CURL_SET(CURLOPT_FOLLOWLOCATION, 0L);
  CURL_SET(CURLOPT_PROXY, ""); /* NULL would let the environment's in */
  CURL_SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  CURL_SET(CURLOPT_SSL_VERIFYPEER, 1L);
  CURL_SET(CURLOPT_SSL_VERIFYHOST, 2L);
  if (request->ca_cert)
    CURL_SET(CURLOPT_CAINFO, request->ca_cert);
  CURL_SET(CURLOPT_HEADERFUNCTION, take_header);
  CURL_SET(CURLOPT_HEADERDATA, transfer);
  CURL_SET(CURLOPT_WRITEFUNCTION, take_body);
  CURL_SET(CURLOPT_WRITEDATA, transfer);
  CURL_TRY(curl_allow_http_only(easy));
  CURL_TRY(curl_refuse_http09(easy));
  return curl_leave_resolver(easy);
}

/* --- A request ----------------------------------------------------------------------- */

static CURLcode drive(struct gcp_http *http) {
  int running = 1, left;
  CURLMsg *message;

  while (running > 0) {
    if (is_stopping(http))
      return CURLE_ABORTED_BY_CALLBACK;
    if (curl_multi_perform(http->multi, &running) != CURLM_OK ||
        (running > 0 && curl_wait(http->multi, STOP_CHECK_MS) != CURLM_OK))
      return CURLE_OUT_OF_MEMORY;
  }
  message = curl_multi_info_read(http->multi, &left);
  return message ? message->data.result : CURLE_OUT_OF_MEMORY;
}

static enum gcp_http_outcome outcome_of(const struct transfer *transfer, CURLcode code) {
  if (transfer->refused != GCP_HTTP_ANSWERED)
    return transfer->refused;
  switch (code) {
  case CURLE_OK:
    return transfer->request->metadata && !transfer->google ? GCP_HTTP_NOT_GOOGLE
                                                            : GCP_HTTP_ANSWERED;
  case CURLE_ABORTED_BY_CALLBACK:
    return GCP_HTTP_STOPPED;
  case CURLE_OUT_OF_MEMORY:
    return GCP_HTTP_NO_MEMORY;
  case CURLE_OPERATION_TIMEDOUT:
    return GCP_HTTP_TIMEOUT;
  default:
    return GCP_HTTP_UNREACHABLE;
  }
}

static CURLcode run(struct gcp_http *http, struct transfer *transfer) {
  CURLcode code;

  if (!http->multi)
    http->multi = curl_multi_init();
  transfer->easy = curl_easy_init();
  if (!http->multi || !transfer->easy || !add_headers(transfer))
    return CURLE_OUT_OF_MEMORY;
  code = set_options(transfer);
  if (code == CURLE_OK &&
      curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK)
    code = CURLE_OUT_OF_MEMORY;
  if (code != CURLE_OK)
    return code;
  code = drive(http);
  curl_multi_remove_handle(http->multi, transfer->easy);
  return code;
}

/* Not the words of libcurl's error buffer: those hold the milliseconds, and the same
 * trouble shall have the same words. */
static const char *words_of(CURLcode code) {
  switch (code) {
  case CURLE_PEER_FAILED_VERIFICATION:
    return "its certificate is of no authority that is trusted, has expired, or is for "
           "another name: expected one that the system's authorities, or CACert, vouch for";
  case CURLE_SSL_CACERT_BADFILE:
    return "the file of CACert cannot be read, or holds no certificate";
  default:
    return curl_easy_strerror(code);
  }
}

static void describe(struct gcp_http_answer *answer, CURLcode code) {
  if (answer->outcome == GCP_HTTP_UNREACHABLE)
    snprintf(answer->detail, sizeof(answer->detail), "%s", words_of(code));
}

void gcp_http_get(struct gcp_http *http, const struct gcp_http_request *request,
                  struct gcp_http_answer *answer) {
  struct transfer transfer = {.request = request, .answer = answer};
  CURLcode code;

  *answer = (struct gcp_http_answer){0};
  if (gcp_error_walk(&answer->error, &transfer.error_walk) < 0) {
    answer->outcome = GCP_HTTP_NO_MEMORY;
    return;
  }
  code = run(http, &transfer);
  answer->outcome = outcome_of(&transfer, code);
  if (transfer.easy)
    answer->status = status_of(&transfer);
  describe(answer, code);
  curl_easy_cleanup(transfer.easy);
  wipe_headers(&transfer);
  json_walk_free(transfer.error_walk);
}
