/* SPDX-License-Identifier: MIT
 *
 * From what the edges read to what the daemon tells, for all gateways (pure).
 * Not thread-safe: its owner holds a mutex.
 */
#ifndef EGRESS_NAT_ENGINE_H
#define EGRESS_NAT_ENGINE_H

#include "nat_config.h"
#include "nat_forecast.h"
#include "nat_model.h"
#include "nat_top.h"

#include "egress/flow.h"
#include "egress/nat_status.h"

#define NAT_OWN_ADDRESSES_MAX 1024u

/* A gateway's ports for TCP are others than those for UDP. */
enum nat_protocol { NAT_TCP, NAT_UDP };
#define NAT_PROTOCOLS 2

struct nat_report {
  bool measured; /* false: nothing was told of this protocol */
  struct nat_estimate estimate;
  uint32_t limit;      /* ports that there can be; 0: not known */
  uint32_t allocated;  /* ports that there are, as far as is known; 0: not known */
  double exhaustion;   /* seconds until all are held; NAN: not in sight */
  double connect_rate; /* 1/s, toward the busiest destination; NAN: not known */
  double sustainable;  /* 1/s, what its ports can bear; NAN: not known */
  size_t shown_count;
  const struct nat_top_entry *shown;
  size_t source_count; /* original sources of flows that are forwarded */
  const struct nat_top_entry *sources;
  const uint32_t *named; /* ports by <Destination>, in the configuration's order */
  uint64_t events_lost;  /* since the start */
  double coverage; /* received / (received + lost) since the read before; 1 if none
                      was lost */
};

struct nat_engine;

/* What a source of connections is like. */
struct nat_engine_settings {
  nanoseconds covered_since[NAT_PROTOCOLS]; /* as in struct nat_model_settings; by protocol */
  nanoseconds slack;
  uint32_t destinations_max; /* 0: NAT_DESTINATIONS_MAX */
  uint64_t seed;
};

/* `config` must outlive the engine; what changes in it is told by nat_engine_configure.
 * Returns 0 or -ENOMEM. */
int nat_engine_new(const struct nat_config *config,
                   const struct nat_engine_settings *settings,
                   struct nat_engine **engine);
void nat_engine_free(struct nat_engine *engine);

/* The gateway's ports, times or mapping, or own_bypass, have changed in the
 * configuration. */
void nat_engine_configure(struct nat_engine *engine, size_t gateway);

/* --- Which connections count, and whose they are ----------------------------------- */

/* The gateway that a connection takes, destinations on this machine itself not
 * considered; NULL: none. own: it comes from this machine's own address. */
const struct nat_gateway_config *nat_engine_choose(const struct nat_config *config,
                                                   const struct net_address *source,
                                                   const struct net_address *destination,
                                                   bool own);

/* For the flow summary, as a flow_classifier does: a class is a gateway's number plus 1.
 * Idle is an established one without a segment for the gateway's EstablishedTimeout;
 * drowsy, one that may be so before the next look. */
unsigned nat_engine_classify(const struct nat_config *config,
                             const struct sock_diag_record *record);

/* This machine's own addresses: what goes there stays inside. Copied; those past
 * NAT_OWN_ADDRESSES_MAX are left out. Returns 0 or -ENOMEM. */
int nat_engine_set_own_addresses(struct nat_engine *engine,
                                 const struct net_address *addresses, size_t count);
bool nat_engine_is_own(const struct nat_engine *engine,
                       const struct net_address *address);

/* A local port that listens: connections on it are inbound. The next summary says
 * anew which do. */
void nat_engine_add_listener(struct nat_engine *engine, uint16_t port);
bool nat_engine_listens(const struct nat_engine *engine, uint16_t port);

/* --- Closes --------------------------------------------------------------------------- */

/* The two ends of a connection, as the gateway sees them. */
struct nat_ends {
  struct net_endpoint local, remote;
};

/* One that was not seen to close, and when it did. */
struct nat_recalled {
  nanoseconds time;
  struct nat_ends ends;
};

/* Connections that closed before the first event (reorders `closes`). */
void nat_engine_recall(struct nat_engine *engine, struct nat_recalled *closes,
                       size_t count);

/* A close event, or the loss of some. */
void nat_engine_event(struct nat_engine *engine, nanoseconds time,
                      const struct sock_diag_record *record);
void nat_engine_lost(struct nat_engine *engine, nanoseconds time, uint64_t count);

/* How many were lost since the last read. If any were: connections known to have closed
 * since then, in no order; those that no event told of are counted, and taken off the
 * lost. */
uint64_t nat_engine_lost_lately(const struct nat_engine *engine);
void nat_engine_heal(struct nat_engine *engine, nanoseconds time,
                     struct nat_recalled *closes, size_t count);

/* --- Reads: begin, what is alive, finish -------------------------------------------------- */

/* Returns whether destinations were merged (see nat_model_begin). */
bool nat_engine_begin(struct nat_engine *engine, nanoseconds begun, bool idle_known);

/* The sockets of a summary, which must live until the next one is taken. all: what they
 * are; else only what conntrack does not know of them: who sends its SYN again, and how
 * many local ports are in use. */
void nat_engine_take_sockets(struct nat_engine *engine,
                             const struct flow_summary *summary, bool all);

/* Where a flow stands in a gateway's models. */
struct nat_place {
  uint8_t gateway, protocol;
  uint32_t remote, local; /* NAT_OTHER: none */
};

/* One flow, or several with the same ends; *place->gateway and protocol are given. */
void nat_engine_take_flow(struct nat_engine *engine, struct nat_place *place,
                          const struct nat_ends *ends, const struct nat_live *live);
void nat_engine_close_flow(struct nat_engine *engine, nanoseconds time,
                           const struct nat_place *place, enum nat_close kind);
/* One that has closed, and is told of at each read; *held: it may hold a port. */
void nat_engine_take_closed(struct nat_engine *engine, struct nat_place *place,
                            const struct nat_ends *ends, enum nat_close kind,
                            nanoseconds age, bool *held);

/* Reports of this protocol are to be made of what was told since begin. (The sockets of a
 * summary say so for TCP.) */
void nat_engine_measure(struct nat_engine *engine, enum nat_protocol protocol);

/* Ports held by the flows of one original source; between begin and finish. */
void nat_engine_take_source(struct nat_engine *engine, size_t gateway,
                            enum nat_protocol protocol, const struct net_address *source,
                            uint32_t ports);

/* Makes the reports. Lost events are counted in here: heal before. */
void nat_engine_finish(struct nat_engine *engine);

/* All of it, for a machine whose sockets are all there is. */
void nat_engine_read(struct nat_engine *engine, const struct flow_summary *summary);

/* As of the last finish, and valid until the next. */
const struct nat_report *nat_engine_report(const struct nat_engine *engine,
                                           size_t gateway, enum nat_protocol protocol);

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
