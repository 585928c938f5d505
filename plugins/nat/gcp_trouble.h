/* SPDX-License-Identifier: MIT
 *
 * Why a call of Google's APIs failed, as one sentence that says what to do (pure).
 */
#ifndef EGRESS_GCP_TROUBLE_H
#define EGRESS_GCP_TROUBLE_H

#include "gcp_http.h"

struct gcp_trouble {
  char text[512]; /* "": all is well */
};

/* What was asked, of whom, and what it takes. Names that are NULL play no part. */
struct gcp_call {
  const char *server;     /* "the Compute API" */
  const char *url;        /* its base */
  const char *project;
  const char *place;      /* 'region "europe-west3"': what a 404 did not find */
  const char *permission; /* "compute.routers.list" */
  const char *role;       /* one that has it */
  const char *scope;
  int milliseconds;
  size_t body_max;
};

/* The sentence for an answer that is not an HTTP 200. The same trouble has the same
 * sentence. Nothing for GCP_HTTP_STOPPED. */
void gcp_trouble_describe(const struct gcp_call *call,
                          const struct gcp_http_answer *answer,
                          struct gcp_trouble *trouble);

__attribute__((format(printf, 2, 3))) void gcp_trouble_set(struct gcp_trouble *trouble,
                                                           const char *format, ...);

#endif
