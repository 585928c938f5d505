/* SPDX-License-Identifier: MIT
 *
 * One gateway's questions to Google, and what came of them. Used by one thread.
 */
#ifndef EGRESS_DISCOVERY_CYCLE_H
#define EGRESS_DISCOVERY_CYCLE_H

#include "discovery.h"
#include "gateway_figures.h"
#include "gateway_source.h"
#include "gcp_api.h"

/* Who can be in trouble, independently of the others. */
enum discovery_step { DISCOVERY_METADATA, DISCOVERY_COMPUTE, DISCOVERY_MONITORING };
#define DISCOVERY_STEPS 3

/* All that has become known of a gateway. */
struct gateway_view {
  uint64_t version; /* counts up with each change; 0: nothing came yet */
  struct gateway_facts facts;
  struct gateway_figures figures;
  struct gcp_trouble troubles[DISCOVERY_STEPS];
};

/* Room for answers; one serves all cycles of a thread. */
struct discovery_scratch {
  struct gcp_nats nats;
  struct gcp_mapping mapping;
  struct gcp_series series;
};

struct discovery_cycle {
  const struct gateway_source *source;
  struct discovery_wish wish;
  struct gcp_api api;
  struct discovery_scratch *scratch;
  nanoseconds begun; /* by the clock that nobody sets, CLOCK_BOOTTIME */
  struct gcp_vm vm;
  nanoseconds vm_read;     /* when; 0: not yet */
  nanoseconds ports_until; /* facts.ports_now are believed; 0: there are none */
  struct gcp_nat nat;      /* that serves us, if facts.known */
  nanoseconds nat_read;
  bool filter_refused; /* the API does not take the filter by name */
  struct gateway_view view;
};

/* The source, http and scratch must outlive the cycle. */
void discovery_cycle_init(struct discovery_cycle *cycle,
                          const struct gateway_source *source, struct gcp_http *http,
                          struct discovery_scratch *scratch);

/* Wipes the token. */
void discovery_cycle_end(struct discovery_cycle *cycle);

/* Asks for the gateway (Compute API) or for its figures (Monitoring API), and for
 * this machine's own facts where they are old. Returns 0 or -errno, as gcp_api.h. The
 * troubles in the view are what they are now. */
int discovery_cycle_run(struct discovery_cycle *cycle, enum discovery_step step);

#endif
