/* SPDX-License-Identifier: MIT
 *
 * Which port at an address a connection had, by its local port (pure): an aborted one's
 * close event does not tell.
 *
 * Linux takes the local ports of connections toward one IP:port in a row, upward from a
 * place of its own in the range (__inet_hash_connect() in net/ipv4/inet_hashtables.c: a
 * hash of both ends, moved on behind the port taken). So the neighbours of a local port
 * went where it went, unless the rows of two ports of one address have just met.
 */
#ifndef EGRESS_NAT_NEIGHBOUR_H
#define EGRESS_NAT_NEIGHBOUR_H

#include "egress/address.h"
#include "egress/clock.h"

#define NAT_LOCAL_PORTS 65536

/* How far a neighbour may be. One in sixteen ports is skipped at random, and some are in
 * use; older connections close late. */
#define NAT_NEIGHBOUR_REACH 32u

/* What is older may be of a row that came by here before. */
#define NAT_NEIGHBOUR_AGE (60 * NANOSECONDS_PER_SECOND)

/* All zero at first: 512 KiB. */
struct nat_neighbours {
  struct nat_neighbour {
    uint32_t address; /* a hash of it */
    uint16_t port;    /* 0: nothing noted */
    uint16_t second;  /* of its time */
  } of[NAT_LOCAL_PORTS];
};

/* The local port had a connection toward `remote`. */
void nat_neighbours_note(struct nat_neighbours *neighbours, uint16_t local_port,
                         const struct net_endpoint *remote, nanoseconds time);

/* The port at this address of the nearest neighbour that had one there; 0: none. */
uint16_t nat_neighbours_find(const struct nat_neighbours *neighbours, uint16_t local_port,
                             const struct net_address *address, nanoseconds time);

#endif
