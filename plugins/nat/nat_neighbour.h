/* SPDX-License-Identifier: MIT
 *
 * Which port at an address a connection had, by its local port (pure): an aborted one's
 * close event does not tell.
 *
 * Linux takes the local ports of connections toward one IP:port in a row, 2 to 16 further
 * each time (__inet_hash_connect() in net/ipv4/inet_hashtables.c), and each such row has a
 * place of its own in the range. So what was near the local port just before went where it
 * went. Rows do meet, at a few hundred ports a second even often: then the other row has
 * come by longer ago.
 */
#ifndef EGRESS_NAT_NEIGHBOUR_H
#define EGRESS_NAT_NEIGHBOUR_H

#include "egress/address.h"
#include "egress/clock.h"

#define NAT_LOCAL_PORTS 65536

/* How far a neighbour may be: four steps at least; if none is as near, further. Other
 * network namespaces with the same addresses share the row, and steps are longer where
 * local ports are in use. */
#define NAT_NEIGHBOUR_NEAR 64u
#define NAT_NEIGHBOUR_FAR 4096u

/* What is older tells nothing. */
#define NAT_NEIGHBOUR_AGE (60 * NANOSECONDS_PER_SECOND)

/* All zero at first: 512 KiB. */
struct nat_neighbours {
  struct nat_neighbour {
    uint64_t port : 16;    /* 0: nothing noted */
    uint64_t address : 24; /* a hash of it */
    uint64_t moment : 24;  /* in 64ths of a second */
  } of[NAT_LOCAL_PORTS];
};

/* The local port had a connection toward `remote`. */
void nat_neighbours_note(struct nat_neighbours *neighbours, uint16_t local_port,
                         const struct net_endpoint *remote, nanoseconds time);

/* Whether the local port was noted at this time or within NAT_NEIGHBOUR_AGE after it. */
bool nat_neighbours_noted_since(const struct nat_neighbours *neighbours,
                                uint16_t local_port, nanoseconds time);

/* The port at this address of the last neighbour that had one there, of several at a time
 * the nearest: of those before, else of those behind; of those near, else of those further
 * away. 0: none. */
uint16_t nat_neighbours_find(const struct nat_neighbours *neighbours, uint16_t local_port,
                             const struct net_address *address, nanoseconds time);

#endif
