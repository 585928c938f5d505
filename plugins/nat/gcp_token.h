/* SPDX-License-Identifier: MIT
 *
 * This machine's access token, kept until it is about to expire (pure). It is shown
 * nowhere, and wiped when it is let go.
 */
#ifndef EGRESS_GCP_TOKEN_H
#define EGRESS_GCP_TOKEN_H

#include "gcp_json.h"

#include "egress/clock.h"

struct gcp_token {
  char text[GCP_TOKEN_SIZE]; /* "": none */
  nanoseconds until;         /* monotonic */
};

/* The token, if it is good for a while yet; else NULL. */
const char *gcp_token_get(const struct gcp_token *token, nanoseconds now);

/* Takes over what the metadata server said, and wipes it there. Returns 0, or
 * -EINVAL: it is no token. */
int gcp_token_set(struct gcp_token *token, struct gcp_token_answer *answer,
                  nanoseconds now);

void gcp_token_forget(struct gcp_token *token);

/* Whether a text holds the token, or the first bytes of one that was cut. */
bool gcp_token_is_in(const struct gcp_token *token, const char *text);

#endif
