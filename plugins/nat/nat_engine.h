/* SPDX-License-Identifier: MIT
 *
 * From what the edges read to what the daemon tells, for all gateways (pure).
 * Not thread-safe: its owner holds a mutex.
 */
#ifndef EGRESS_NAT_ENGINE_H
#define EGRESS_NAT_ENGINE_H

#include "nat_config.h"
#include "nat_model.h"
#include "nat_top.h"

#include "egress/nat_status.h"

#define NAT_OWN_ADDRESSES_MAX 1024u

struct nat_report {
  struct nat_estimate estimate;
  double connect_rate; /* 1/s, toward the busiest destination; NAN: not known */
  double sustainable;  /* 1/s, what its ports can bear; NAN: not known */
  size_t shown_count;
  const struct nat_top_entry *shown;
  const uint32_t *named; /* ports by <Destination>, in the configuration's order */
  uint64_t events_lost;  /* since the start */
  double coverage; /* received / (received + lost) since the read before; 1 if none
                      was lost */
};

struct nat_engine;

/* `config` must outlive the engine; what changes in it is told by
 * nat_engine_configure. covered_since as in struct nat_model_settings. Returns 0 or
 * -ENOMEM. */
int nat_engine_new(const struct nat_config *config, nanoseconds covered_since,
                   uint64_t seed, struct nat_engine **engine);
void nat_engine_free(struct nat_engine *engine);

/* The gateway's ports and times, or own_bypass, have changed in the configuration. */
void nat_engine_configure(struct nat_engine *engine, size_t gateway);

/* Whether some gateway takes connections to this destination, this machine's own
 * addresses not considered. */
bool nat_engine_takes(const struct nat_config *config,
                      const struct net_address *destination);

/* Whether a socket holds a port of such a gateway: not if it is established and
 * nothing has come or gone for longer than the gateway's EstablishedTimeout. */
bool nat_engine_counts(const struct nat_config *config,
                       const struct sock_diag_record *record);

/* This machine's own addresses: what goes there stays inside. Copied; those past
 * NAT_OWN_ADDRESSES_MAX are left out. Returns 0 or -ENOMEM. */
int nat_engine_set_own_addresses(struct nat_engine *engine,
                                 const struct net_address *addresses, size_t count);

/* A local port that listens: connections on it are inbound. The next summary says
 * anew which do. */
void nat_engine_add_listener(struct nat_engine *engine, uint16_t port);
bool nat_engine_listens(const struct nat_engine *engine, uint16_t port);

/* Connections that closed before the first event (reorders `closes`). */
void nat_engine_recall(struct nat_engine *engine, struct nat_past_close *closes,
                       size_t count);

/* A close event, or the loss of some. */
void nat_engine_event(struct nat_engine *engine, nanoseconds time,
                      const struct sock_diag_record *record);
void nat_engine_lost(struct nat_engine *engine, nanoseconds time, uint64_t count);

/* One report a gateway, in the configuration's order. */
void nat_engine_read(struct nat_engine *engine, const struct flow_summary *summary);

/* As of the last nat_engine_read, and valid until the next. */
const struct nat_report *nat_engine_report(const struct nat_engine *engine,
                                           size_t gateway);

/* Destinations in trouble: all their ports are held; or connects to them stall
 * while nine tenths of the ports are held, or, the limit not being known, while
 * NAT_STATUS_SUSPECT_PORTS are. */
const struct nat_status_entry *nat_engine_status(const struct nat_engine *engine,
                                                 size_t *count);

/* The least that Cloud NAT gives a VM unless told otherwise (dynamic allocation;
 * 64 without it): with fewer held, it is not for want of ports that a connect
 * stalls. */
#define NAT_STATUS_SUSPECT_PORTS 32u

#endif
