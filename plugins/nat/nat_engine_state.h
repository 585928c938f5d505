/* SPDX-License-Identifier: MIT
 *
 * What the parts of the engine share (pure).
 */
#ifndef EGRESS_NAT_ENGINE_STATE_H
#define EGRESS_NAT_ENGINE_STATE_H

#include "nat_engine.h"
#include "nat_gone.h"
#include "nat_neighbour.h"

/* A gateway's ports of one protocol. */
struct nat_side {
  bool measured;                /* since the last begin */
  struct nat_model *by_remote;
  struct nat_model *by_local;   /* endpoint-independent mapping; else NULL */
  struct nat_top top, sources;
  struct nat_forecast forecast;
  uint32_t named[NAT_NAMED_MAX];
  struct nat_report report;
};

struct nat_gateway {
  const struct nat_gateway_config *config;
  struct nat_side sides[NAT_PROTOCOLS];
};

struct nat_engine {
  const struct nat_config *config;
  struct nat_engine_settings settings;
  size_t own_address_count;
  struct net_address *own_addresses; /* sorted */
  uint8_t listens[65536 / 8];        /* a bit a port */
  const struct flow_summary *last;   /* what the sockets were; may be NULL */
  struct nat_gone gone;
  struct nat_neighbours neighbours;
  bool has_events;                   /* else all that close go without one */
  struct net_address usual_source;   /* of an event that does not tell it */
  nanoseconds begun;
  uint64_t received, lost;               /* events, since the start */
  uint64_t received_before, lost_before; /* the same at the last read */
  uint64_t healed;                       /* of those lost since then */
  nanoseconds lost_time;                 /* of the last loss */
  size_t status_count;
  struct nat_status_entry status[NAT_STATUS_MAX];
  struct nat_gateway gateways[NAT_GATEWAYS_MAX];
};

static inline struct nat_side *nat_engine_side(struct nat_engine *engine,
                                               const struct nat_place *place) {
  return &engine->gateways[place->gateway].sides[place->protocol];
}

/* Counts what is gone, or is there again, since the summary before; between begin and
 * finish. */
void nat_engine_find_gone(struct nat_engine *engine, const struct flow_summary *summary);

/* What was lost and not healed since the last read widens the bounds. */
void nat_engine_pass_on_lost(struct nat_engine *engine);

/* The gateway's report of one protocol, as of a finished estimate. */
void nat_side_report(struct nat_engine *engine, struct nat_gateway *gateway,
                     enum nat_protocol protocol);

#endif
