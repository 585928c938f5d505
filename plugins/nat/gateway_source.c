/* SPDX-License-Identifier: MIT */
#include "gateway_source.h"

#include "gcp_json.h"
#include "gcp_url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void gateway_source_free(struct gateway_source *source) {
  free(source->project);
  free(source->region);
  free(source->router);
  free(source->nat);
  free(source->metadata_url);
  free(source->compute_url);
  free(source->monitoring_url);
  free(source->ca_cert);
  *source = (struct gateway_source)GATEWAY_SOURCE_DEFAULTS;
}

static bool consists_of(const char *text, const char *others) {
  for (; *text; text++)
    if (!(*text >= 'a' && *text <= 'z') && !(*text >= '0' && *text <= '9') &&
        !strchr(others, *text))
      return false;
  return true;
}

static int copy(const char *text, char **to) {
  free(*to);
  *to = strdup(text);
  return *to ? 0 : -ENOMEM;
}

/* An id, a number, or an id with a domain before it ("example.com:prod"). */
int gateway_source_read_project(const struct option *option,
                                struct gateway_source *source,
                                struct option_error *error) {
  const char *text;
  int result = option_get_text(option, &text, error);

  if (result < 0)
    return result;
  if (strlen(text) >= GCP_PROJECT_SIZE || !consists_of(text, "-.:"))
    return option_fail(option, error,
                       "expected a project's id or number: a-z, 0-9, '-', '.' and ':', "
                       "at most %d of them",
                       GCP_PROJECT_SIZE - 1);
  return copy(text, &source->project);
}

int gateway_source_read_name(const struct option *option, char **name,
                             struct option_error *error) {
  const char *text;
  int result = option_get_text(option, &text, error);

  if (result < 0)
    return result;
  if (strlen(text) >= GCP_NAME_SIZE || !consists_of(text, "-") || text[0] < 'a')
    return option_fail(option, error,
                       "expected a resource's name: a letter of a-z, then a-z, 0-9 and "
                       "'-', at most %d in all",
                       GCP_NAME_SIZE - 1);
  return copy(text, name);
}

int gateway_source_read_url(const struct option *option, char **url,
                            struct option_error *error) {
  const char *text;
  int result = option_get_text(option, &text, error);

  if (result < 0)
    return result;
  if (strlen(text) > 1024 || !gcp_url_is_allowed(text))
    return option_fail_secret(option, error,
                              "expected " GCP_URL_ALLOWED
                              ", without a user, a query or a fragment");
  return copy(text, url);
}

static const char *find_idle_option(const struct gateway_source *source) {
  const struct {
    const char *name;
    bool given;
  } options[] = {
      {"Project", source->project != NULL},
      {"Region", source->region != NULL},
      {"Router", source->router != NULL},
      {"NatName", source->nat != NULL},
      {"NatRule", source->rule != 0},
      {"MetadataURL", source->metadata_url != NULL},
      {"ComputeURL", source->compute_url != NULL},
      {"MonitoringURL", source->monitoring_url != NULL},
      {"CACert", source->ca_cert != NULL},
  };

  for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
    if (options[i].given)
      return options[i].name;
  return NULL;
}

int gateway_source_check(const struct option *block, const struct gateway_source *source,
                         struct option_error *error) {
  const char *idle = gateway_source_asks(source) ? NULL : find_idle_option(source);

  if (idle)
    return option_fail(block, error,
                       "%s has a meaning with Discover true or CloudMonitoring true only",
                       idle);
  /* The metrics nat/port_usage, allocated_ports and dropped_sent_packets_count have labels
   * for the NAT and the protocol, none for a rule. */
  if (source->rule != 0 && source->cloud_monitoring)
    return option_fail(block, error,
                       "NatRule with CloudMonitoring true: Cloud NAT's own figures are of "
                       "the whole NAT, and none are of a rule; expected CloudMonitoring in "
                       "a block without NatRule");
  return 0;
}

bool gateway_source_asks(const struct gateway_source *source) {
  return source->discover || source->cloud_monitoring;
}
