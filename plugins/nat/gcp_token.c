/* SPDX-License-Identifier: MIT */
#include "gcp_token.h"

#include <errno.h>
#include <string.h>

/* A request that is sent now must find it valid when it arrives. Google's metadata
 * server hands out a new one five minutes before the old one ends. */
#define MARGIN (60 * NANOSECONDS_PER_SECOND)

/* RFC 6750, 2.1: what a bearer token is made of. */
static bool is_token(const char *text) {
  for (const char *byte = text; *byte; byte++)
    if (*byte <= ' ' || (unsigned char)*byte >= 0x7f)
      return false;
  return text[0] != '\0';
}

const char *gcp_token_get(const struct gcp_token *token, nanoseconds now) {
  return token->text[0] && now < token->until - MARGIN ? token->text : NULL;
}

int gcp_token_set(struct gcp_token *token, struct gcp_token_answer *answer,
                  nanoseconds now) {
  int status = -EINVAL;

  gcp_token_forget(token);
  if (is_token(answer->token) && answer->expires_in >= 0 &&
      answer->expires_in < INT32_MAX) {
    memcpy(token->text, answer->token, sizeof(token->text));
    token->until = now + answer->expires_in * NANOSECONDS_PER_SECOND;
    status = 0;
  }
  explicit_bzero(answer, sizeof(*answer));
  return status;
}

void gcp_token_forget(struct gcp_token *token) {
  explicit_bzero(token, sizeof(*token));
}

bool gcp_token_is_in(const struct gcp_token *token, const char *text) {
  char begin[17] = "";

  memcpy(begin, token->text, sizeof(begin) - 1);
  return begin[0] && strstr(text, begin) != NULL;
}
