/* SPDX-License-Identifier: MIT */
#include "gcp_trouble.h"

#include <stdarg.h>
#include <stdio.h>

void gcp_trouble_set(struct gcp_trouble *trouble, const char *format, ...) {
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(trouble->text, sizeof(trouble->text), format, arguments);
  va_end(arguments);
}

static void describe_unanswered(const struct gcp_call *call,
                                const struct gcp_http_answer *answer,
                                struct gcp_trouble *trouble) {
  switch (answer->outcome) {
  case GCP_HTTP_UNREACHABLE:
    gcp_trouble_set(trouble, "%s is not reached (%s): %s", call->server, call->url,
                    answer->detail);
    break;
  case GCP_HTTP_TIMEOUT:
    gcp_trouble_set(trouble, "%s (%s) gave no whole answer within %d s", call->server,
                    call->url, call->milliseconds / 1000);
    break;
  case GCP_HTTP_TOO_LONG:
    gcp_trouble_set(trouble, "%s (%s) answers with more than %zu bytes", call->server,
                    call->url, call->body_max);
    break;
  case GCP_HTTP_MALFORMED:
    gcp_trouble_set(trouble, "%s (%s) answers with something else than was asked for",
                    call->server, call->url);
    break;
  case GCP_HTTP_NOT_GOOGLE:
    gcp_trouble_set(trouble,
                    "%s answers without \"Metadata-Flavor: Google\": it is no metadata "
                    "server of Google's, and is not believed",
                    call->url);
    break;
  case GCP_HTTP_NO_MEMORY:
    gcp_trouble_set(trouble, "out of memory");
    break;
  case GCP_HTTP_STOPPED:
  case GCP_HTTP_ANSWERED:
    break;
  }
}

static void describe_refusal(const struct gcp_call *call,
                             const struct gcp_http_answer *answer,
                             struct gcp_trouble *trouble) {
  switch (answer->error.refusal) {
  case GCP_REFUSED_SCOPE:
    gcp_trouble_set(trouble,
                    "this machine's access scopes do not include %s: it needs the scope "
                    "%s or cloud-platform (gcloud compute instances "
                    "set-service-account --scopes, with the machine stopped)",
                    call->server, call->scope);
    break;
  case GCP_REFUSED_PERMISSION:
    gcp_trouble_set(trouble,
                    "this machine's service account lacks the permission %s on project "
                    "\"%s\": grant it a role that has it, such as %s",
                    call->permission, call->project, call->role);
    break;
  case GCP_REFUSED_DISABLED:
    gcp_trouble_set(trouble, "%s is not enabled in project \"%s\"", call->server,
                    call->project);
    break;
  case GCP_REFUSED_QUOTA:
    gcp_trouble_set(trouble,
                    "the quota of %s in project \"%s\" is used up; it is asked less often",
                    call->server, call->project);
    break;
  case GCP_REFUSED_OTHERWISE:
    gcp_trouble_set(trouble, "%s refuses %s on project \"%s\" (HTTP %d)%s%s",
                    call->server, call->permission, call->project, answer->status,
                    answer->error.message[0] ? ": " : "", answer->error.message);
    break;
  }
}

static bool is_refusal(const struct gcp_call *call, int status) {
  return call->permission && call->project && (status == 403 || status == 429);
}

void gcp_trouble_describe(const struct gcp_call *call,
                          const struct gcp_http_answer *answer,
                          struct gcp_trouble *trouble) {
  struct gcp_http_answer refused = *answer;

  trouble->text[0] = '\0';
  if (answer->outcome != GCP_HTTP_ANSWERED) {
    describe_unanswered(call, answer, trouble);
    return;
  }
  if (answer->status == 429)
    refused.error.refusal = GCP_REFUSED_QUOTA;
  if (is_refusal(call, answer->status))
    describe_refusal(call, &refused, trouble);
  else if (answer->status == 401)
    gcp_trouble_set(trouble, "%s does not accept this machine's access token (HTTP 401)",
                    call->server);
  else if (answer->status == 404 && call->place)
    gcp_trouble_set(trouble, "%s does not know %s of project \"%s\" (HTTP 404)",
                    call->server, call->place, call->project);
  else
    gcp_trouble_set(trouble, "%s (%s) answers with HTTP %d%s%s", call->server, call->url,
                    answer->status, answer->error.message[0] ? ": " : "",
                    answer->error.message);
}
