/* SPDX-License-Identifier: MIT
 *
 * Reading edge: one GET at a time of one of Google's servers, or of what the
 * configuration names in its place. No proxy of the environment's is used, no
 * redirect is followed, and no answer is longer, or longer on its way, than its
 * request allows. Not thread-safe: one thread uses one gcp_http.
 */
#ifndef EGRESS_GCP_HTTP_H
#define EGRESS_GCP_HTTP_H

#include "gcp_json.h"

enum gcp_http_outcome {
  GCP_HTTP_ANSWERED, /* `status` says how, and the body came whole */
  GCP_HTTP_UNREACHABLE,
  GCP_HTTP_TIMEOUT,
  GCP_HTTP_TOO_LONG,   /* the body is longer than allowed */
  GCP_HTTP_MALFORMED,  /* the body is none that was expected */
  GCP_HTTP_NOT_GOOGLE, /* without `Metadata-Flavor: Google` where that is a must */
  GCP_HTTP_STOPPED,    /* by gcp_http_stop */
  GCP_HTTP_NO_MEMORY,
};

struct gcp_http_answer {
  enum gcp_http_outcome outcome;
  int status;      /* HTTP's; 0: none came */
  char detail[160]; /* for GCP_HTTP_UNREACHABLE: why, in libcurl's words or our own */
  struct gcp_error error; /* what a status from 400 on said */
};

struct gcp_http_request {
  const char *url;
  const char *ca_cert; /* a file of the authorities to trust; NULL: the system's */
  const char *token; /* sent as a bearer token; NULL: none */
  bool metadata;     /* ask, and be answered, with Metadata-Flavor: Google */
  int milliseconds;  /* for all of it */
  size_t body_max;
  /* Takes the body of a 200, piece by piece; < 0 refuses it. */
  int (*take)(void *data, const void *bytes, size_t size);
  void *data;
};

struct gcp_http;

/* curl_global_init() must have been called. Returns 0 or -ENOMEM. */
int gcp_http_new(struct gcp_http **http);
void gcp_http_free(struct gcp_http *http); /* NULL is fine */

/* Closes the connections that are kept for the next request. */
void gcp_http_rest(struct gcp_http *http);

void gcp_http_get(struct gcp_http *http, const struct gcp_http_request *request,
                  struct gcp_http_answer *answer);

/* From any thread: the request under way, and all to come, end with
 * GCP_HTTP_STOPPED within a tenth of a second. */
void gcp_http_stop(struct gcp_http *http);

#endif
