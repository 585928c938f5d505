/* SPDX-License-Identifier: MIT
 *
 * Where a <Gateway> block lets the plugin ask for what the block does not say (pure).
 */
#ifndef EGRESS_GATEWAY_SOURCE_H
#define EGRESS_GATEWAY_SOURCE_H

#include "egress/clock.h"
#include "egress/option.h"

#define GATEWAY_METADATA_URL "http://169.254.169.254"
#define GATEWAY_COMPUTE_URL "https://compute.googleapis.com"
#define GATEWAY_MONITORING_URL "https://monitoring.googleapis.com"
#define GATEWAY_DISCOVER_INTERVAL (300 * NANOSECONDS_PER_SECOND)

struct gateway_source {
  bool discover, cloud_monitoring;
  char *project, *region, *router, *nat; /* NULL: not given */
  int64_t rule;                          /* 0: not given */
  nanoseconds interval;
  char *metadata_url, *compute_url, *monitoring_url; /* NULL: the default */
  char *ca_cert; /* a file of the authorities that https trusts; NULL: the system's */
};

#define GATEWAY_SOURCE_DEFAULTS                                                          \
  { .interval = GATEWAY_DISCOVER_INTERVAL }

void gateway_source_free(struct gateway_source *source);

/* For `read` of an option's rule; `source` is what they fill. */
int gateway_source_read_project(const struct option *option,
                                struct gateway_source *source,
                                struct option_error *error);
/* A region, a router or a NAT. */
int gateway_source_read_name(const struct option *option, char **name,
                             struct option_error *error);
int gateway_source_read_url(const struct option *option, char **url,
                            struct option_error *error);

/* What has no meaning without Discover or CloudMonitoring must not be given, nor a rule
 * with CloudMonitoring. */
int gateway_source_check(const struct option *block, const struct gateway_source *source,
                         struct option_error *error);

/* Whether anything is to be asked of Google. */
bool gateway_source_asks(const struct gateway_source *source);

#endif
