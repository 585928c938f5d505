/* SPDX-License-Identifier: MIT
 *
 * What egress_nat last found out about destinations, for egress_probe in the
 * same process: is a target's IP:port out of NAT ports, or stalled, and how many
 * ports are there at all? Lives in libegress, guarded by a mutex of its own; any thread may call.
 */
#ifndef EGRESS_NAT_STATUS_H
#define EGRESS_NAT_STATUS_H

#include "egress/address.h"
#include "egress/clock.h"

#pragma GCC visibility push(default)

/* A destination in trouble. Destinations that are not published are well. */
struct nat_status_entry {
  struct net_endpoint destination;
  uint32_t ports_used;
  uint32_t ports_limit; /* 0: not known */
  uint32_t stalled;     /* SYN_SENT sockets that have retransmitted */
};

/* A destination whose stalled connects alone make it suspect counts only while
 * ports are known to be short or unknown: that is for the publisher to decide.
 * Every entry published is one that explains failing connects. */
#define NAT_STATUS_MAX 1024

/* Replaces what was published before; entries past NAT_STATUS_MAX are dropped.
 * Valid until `until` (monotonic). */
void nat_status_publish(const struct nat_status_entry *entries, size_t count,
                        nanoseconds until);

/* True and *entry filled (entry may be NULL) if the destination is in trouble
 * at `now`. */
bool nat_status_find(const struct net_endpoint *destination, nanoseconds now,
                     struct nat_status_entry *entry);

/* The fewest ports that any gateway of this machine can grow to; 0: not known.
 * Valid until `until`. */
void nat_status_publish_limit(uint32_t ports_limit, nanoseconds until);

/* What was published, at `now`; 0: not known. */
uint32_t nat_status_limit(nanoseconds now);

#pragma GCC visibility pop
#endif
