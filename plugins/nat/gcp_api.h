/* SPDX-License-Identifier: MIT
 *
 * Reading edge: the calls of Google's metadata server, Compute API and Monitoring
 * API that this plugin makes. One thread uses one gcp_api.
 */
#ifndef EGRESS_GCP_API_H
#define EGRESS_GCP_API_H

#include "gcp_token.h"
#include "gcp_trouble.h"
#include "gcp_vm.h"

struct gcp_api {
  struct gcp_http *http;
  const char *metadata_url, *compute_url, *monitoring_url; /* as configured */
  const char *ca_cert; /* as in struct gcp_http_request */
  struct gcp_token token;
};

/* All return 0 or, with *trouble filled, -errno: -ECANCELED (gcp_http_stop; no
 * trouble), -ENOENT (HTTP 404), -EINVAL (HTTP 400), -EIO (all else). */

int gcp_api_read_vm(struct gcp_api *api, struct gcp_vm *vm, struct gcp_trouble *trouble);

/* Gets an access token, unless a good one is at hand. */
int gcp_api_get_token(struct gcp_api *api, struct gcp_trouble *trouble);

/* The NATs of all routers of a region, or of one. */
int gcp_api_read_nats(struct gcp_api *api, const char *project, const char *region,
                      const char *router, struct gcp_nats *nats,
                      struct gcp_trouble *trouble);

struct gcp_nat_place {
  const char *project, *region, *router, *nat;
};

/* instance: asks for the machines of this name alone; NULL: for all. The mapping has
 * been made by gcp_mapping_init. */
int gcp_api_read_mapping(struct gcp_api *api, const struct gcp_nat_place *place,
                         const char *instance, struct gcp_mapping *mapping,
                         struct gcp_trouble *trouble);

/* Points of one metric of this machine that ended in (from, to], Unix time. The
 * series have been made by gcp_series_init. */
int gcp_api_read_series(struct gcp_api *api, const struct gcp_vm *vm, const char *metric,
                        int64_t from, int64_t to, struct gcp_series *series,
                        struct gcp_trouble *trouble);

#endif
