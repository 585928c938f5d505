/* SPDX-License-Identifier: MIT
 *
 * What is to be counted where the configuration leaves it open (pure): the conntrack
 * table, where the kernel tracks this machine's outgoing connections; else its sockets.
 */
#ifndef EGRESS_NAT_SOURCE_H
#define EGRESS_NAT_SOURCE_H

#include "nat_config.h"

/* Open connections that take a gateway. */
struct nat_source_view {
  uint64_t sockets;   /* as the sockets say */
  uint64_t tracked;   /* this machine's own, as conntrack says */
  uint64_t forwarded; /* for others, as conntrack says: no socket knows of these */
};

struct nat_source_choice {
  bool decided;      /* once */
  enum nat_source now; /* NAT_SOURCE_SOCKETS or NAT_SOURCE_CONNTRACK */
  unsigned contrary; /* looks in a row that spoke for the other */
};

/* Takes one look and returns what to count from now on. The first look that shows any
 * connection decides; afterwards it takes two in a row. */
enum nat_source nat_source_look(struct nat_source_choice *choice,
                                const struct nat_source_view *view);

#endif
