/* SPDX-License-Identifier: MIT
 *
 * The token, and errors.
 */
#include "gcp_json.h"

#include "egress/text.h"

#include <string.h>

#define COUNT(rules) (sizeof(rules) / sizeof(*(rules)))

/* --- The token ----------------------------------------------------------------------- */

void gcp_token_answer_init(struct gcp_token_answer *answer) {
  *answer = (struct gcp_token_answer){.expires_in = GCP_ABSENT};
}

#define TOKEN(field) offsetof(struct gcp_token_answer, field)

int gcp_token_walk(struct gcp_token_answer *answer, struct json_walk **walk) {
  static const struct json_rule rules[] = {
      {.path = "access_token", .kind = JSON_TEXT, .offset = TOKEN(token),
       .size = sizeof(answer->token)},
      {.path = "expires_in", .kind = JSON_INTEGER, .offset = TOKEN(expires_in)},
  };

  return json_walk_new(rules, COUNT(rules), "", answer, walk);
}

/* --- Errors ---------------------------------------------------------------------------- */

void gcp_error_init(struct gcp_error *error) { *error = (struct gcp_error){0}; }

static bool is_text(const char *text, size_t length, const char *wanted) {
  return length == strlen(wanted) && memcmp(text, wanted, length) == 0;
}

/* error.errors[].reason is the older form, error.details[].reason the newer one
 * (Google, AIP-193). "forbidden" says least: it must not hide another. */
static void take_reason(void *into, const char *text, size_t length) {
  static const struct {
    const char *reason;
    enum gcp_refusal refusal;
  } known[] = {
      {"ACCESS_TOKEN_SCOPE_INSUFFICIENT", GCP_REFUSED_SCOPE},
      {"insufficientPermissions", GCP_REFUSED_SCOPE},
      {"IAM_PERMISSION_DENIED", GCP_REFUSED_PERMISSION},
      {"SERVICE_DISABLED", GCP_REFUSED_DISABLED},
      {"accessNotConfigured", GCP_REFUSED_DISABLED},
      {"rateLimitExceeded", GCP_REFUSED_QUOTA},
      {"userRateLimitExceeded", GCP_REFUSED_QUOTA},
      {"quotaExceeded", GCP_REFUSED_QUOTA},
      {"RATE_LIMIT_EXCEEDED", GCP_REFUSED_QUOTA},
  };
  struct gcp_error *error = into;

  for (size_t i = 0; i < COUNT(known); i++)
    if (is_text(text, length, known[i].reason))
      error->refusal = known[i].refusal;
  if (error->refusal == GCP_REFUSED_OTHERWISE && is_text(text, length, "forbidden"))
    error->refusal = GCP_REFUSED_PERMISSION;
}

/* Into a log it goes. */
static void take_message(void *into, const char *text, size_t length) {
  struct gcp_error *error = into;

  text_clean(error->message, sizeof(error->message), text, length);
}

int gcp_error_walk(struct gcp_error *error, struct json_walk **walk) {
  static const struct json_rule rules[] = {
      {.path = "error.message", .kind = JSON_STRING, .take = take_message},
      {.path = "error.errors[].reason", .kind = JSON_STRING, .take = take_reason},
      {.path = "error.details[].reason", .kind = JSON_STRING, .take = take_reason},
  };

  return json_walk_new(rules, COUNT(rules), "", error, walk);
}
