/* SPDX-License-Identifier: MIT
 *
 * The ports that one gateway holds for this machine (pure, on a given clock).
 *
 * A NAT port is in use toward one destination IP:port at a time; toward another
 * it may be used again. What holds one: every open connection; a closed one until
 * the gateway's TIME_WAIT has passed; a half-open one. From the machine this can
 * be seen but in part, hence three figures for each destination: a low bound, the
 * best estimate, a high bound.
 *
 *                                   low          best             high
 *   open connection                 1            1                1
 *     ... idle for the gateway's    0            0                1
 *         established timeout
 *   closed in order, for            TimeWait     TimeWait         TimeWait
 *     ... TimeWait not known        30 s         30 s             120 s
 *   reset or refused, for           0            ResetTimeout     TimeWait
 *     ... its local port in use     0            0                TimeWait
 *         again toward it
 *   no longer seen, no event yet    0            1                1
 *   SYN_SENT                        0            1                1
 *     ... sent again at the limit   0            0                1
 *   gave up SYN_SENT, for           0            Transitory       Transitory
 *     ... at the limit              0            0                Transitory
 *   lost event, for               0            0                TimeWait
 *   closed during the summary     0            0                1
 *
 * "At the limit": a SYN that found no free port was dropped and holds nothing;
 * one that the destination left unanswered holds a port. The machine sees no
 * difference; so it goes by whether the ports toward that destination were all
 * held (but for a margin) by what certainly holds them. All figures are capped at
 * the limit, where it is known: a gateway cannot hold more.
 *
 * Where TimeWait is not known the best estimate is the low one: the figure never
 * claims ports that may be free; the high bound stands beside it.
 *
 * With endpoint-independent mapping a port belongs to a local IP:port, whatever the
 * destination: a second model, whose "destinations" are local endpoints, counts those
 * that hold one (`distinct`).
 */
#ifndef EGRESS_NAT_MODEL_H
#define EGRESS_NAT_MODEL_H

#include "nat_table.h"

#include "egress/clock.h"

/* Cloud NAT's TIME_WAIT is one of these two, by the age of the gateway (Google:
 * "Public NAT: TCP TIME_WAIT timeout"). */
#define NAT_TIME_WAIT_SHORT (30 * NANOSECONDS_PER_SECOND)
#define NAT_TIME_WAIT_LONG (120 * NANOSECONDS_PER_SECOND)

#define NAT_NEVER INT64_MAX

struct nat_model_settings {
  nanoseconds time_wait; /* 0: not known */
  nanoseconds reset;     /* what a reset connection holds */
  nanoseconds transitory;
  nanoseconds slack;     /* how far the time of a close may be off */
  bool distinct;         /* a port for each endpoint, not for each connection */
  uint32_t limit;        /* ports toward one destination; 0: not known */
  nanoseconds covered_since; /* close events are seen from here on; NAT_NEVER: they
                                are not, and the high bound stays open */
  uint32_t destinations_max;
  uint64_t seed;
};

/* How a connection ended. */
enum nat_close {
  NAT_CLOSE_ORDERLY,
  NAT_CLOSE_RESET,      /* by either end; a refused connect too */
  NAT_CLOSE_UNANSWERED, /* a connect given up in SYN_SENT */
};
#define NAT_CLOSE_KINDS 3

/* The connections toward one destination that are not closed. */
struct nat_live {
  uint32_t open;       /* established, in any later state */
  uint32_t half_open;  /* SYN sent, no answer yet */
  uint32_t stalled;    /* of these: a socket had to send its SYN again */
  uint32_t unanswered; /* of these: no answer for long; stalled ones may be among them */
  uint32_t idle;       /* of those open: the gateway has given the port away */
  uint32_t drowsy;     /* of those open: it may have, or will before the next look */
  uint32_t gone;       /* not seen any more, and not known to have closed */
  uint32_t local_ports;
};

/* Maxima over the destinations; sums where `distinct`. */
struct nat_estimate {
  uint32_t ports[NAT_BOUNDS]; /* low <= best, best <= high */
  bool high_known;        /* false: ports[NAT_HIGH] is no bound (at start-up) */
  uint32_t busiest;       /* index of the destination with the most ports;
                             NAT_OTHER: none */
  uint32_t open;          /* of ports[NAT_BEST]: held by connections not closed */
  uint32_t closes;        /* toward the busiest since the estimate before */
  uint32_t local_ports;   /* local ports in use toward one destination, at most */
  uint64_t stalled;       /* all SYN_SENT sockets that had to send again */
  uint64_t merged;        /* destinations merged into NAT_OTHER, or counted there
                             for want of a place, since the estimate before */
  nanoseconds elapsed;    /* between the last two summaries; 0: only one yet */
};

struct nat_model;

/* Returns 0 or -ENOMEM. */
int nat_model_new(const struct nat_model_settings *settings, struct nat_model **model);
void nat_model_free(struct nat_model *model);

/* Another limit and other times from now on, for what is held already too; the other
 * settings stay as they were. */
void nat_model_configure(struct nat_model *model,
                         const struct nat_model_settings *settings);

/* Events, in the order of time. O(1), 16 bytes each at most; they are counted by the next
 * estimate whose time is not before theirs. A second one from the same local endpoint
 * (NULL: not known) replaces the first, but for the high bound. */
void nat_model_close(struct nat_model *model, nanoseconds time,
                     const struct net_endpoint *remote, const struct net_endpoint *local,
                     enum nat_close kind);
/* The local endpoint has a connection to this destination: if one has closed before, its
 * port is this one's. */
void nat_model_reopened(struct nat_model *model, const struct net_endpoint *remote,
                        const struct net_endpoint *local);
/* The same by the destination's index. */
void nat_model_close_at(struct nat_model *model, nanoseconds time, uint32_t index,
                        enum nat_close kind);
/* The port is not known: taken for one used lately at this address, so that several have
 * their shares by how much they are used; those closes count toward the high bound
 * of any too, unless that port was the only one. Where none was used they count as a
 * destination of their own, with port 0. */
void nat_model_close_portless(struct nat_model *model, nanoseconds time,
                              const struct net_address *remote, enum nat_close kind);
void nat_model_lost(struct nat_model *model, nanoseconds time, uint32_t count);

/* Events since the last estimate that were lost: of `count` connections known to have
 * closed since then toward the destination, those that no event told of are added as of
 * `time`. Returns how many. */
uint32_t nat_model_heal(struct nat_model *model, nanoseconds time,
                        const struct net_endpoint *remote, uint32_t count);

/* An estimate as of the moment a summary was begun: begin, then the connections of the
 * summary that take this gateway, then finish. Closes up to `begun` may be told in
 * between. idle_known: the summary tells which are idle; else those that were stay so.
 * Returns how many destinations were merged: their indexes are no more. */
uint32_t nat_model_begin(struct nat_model *model, nanoseconds begun, bool idle_known);
/* Adds to what was told of this destination. Returns its index, which holds until the
 * next begin, and beyond that while nothing is merged and it has open connections. */
uint32_t nat_model_live(struct nat_model *model, const struct net_endpoint *remote,
                        const struct nat_live *live);
/* A closed connection that the summary itself still knows: it is counted for this summary
 * alone. Its close counts as new if it is younger than the summary before. Returns the
 * destination's index as nat_model_live does, and *held: whether it may hold a port. */
uint32_t nat_model_waiting(struct nat_model *model, const struct net_endpoint *remote,
                           enum nat_close kind, nanoseconds age, bool *held);
/* When the summary was complete (else: when it was begun). A dump is no snapshot: what
 * closed in between it may have missed, and is in the high bound; what ran out in between
 * is not in the low one. Closes up to then must have been told. */
void nat_model_ended(struct nat_model *model, nanoseconds ended);
/* Connections whose destination the summary does not tell. */
void nat_model_live_omitted(struct nat_model *model, uint64_t sockets);
void nat_model_finish(struct nat_model *model, struct nat_estimate *estimate);

/* The destinations as of the last estimate; read-only. */
struct nat_table *nat_model_table(struct nat_model *model);

#endif
