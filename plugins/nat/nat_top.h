/* SPDX-License-Identifier: MIT
 *
 * Which destinations are shown one by one (pure): the busiest, with hysteresis, so
 * that the series of those near the border do not come and go.
 */
#ifndef EGRESS_NAT_TOP_H
#define EGRESS_NAT_TOP_H

#include "egress/address.h"

#define NAT_TOP_MAX 1000u

struct nat_top_entry {
  struct net_endpoint remote;
  uint32_t ports;
};

/* A choice under way, and the one before it. */
struct nat_top {
  uint32_t places;  /* at most this many are shown */
  uint32_t minimum; /* ports that it takes to be shown */
  size_t count, shown_count;
  struct nat_top_entry *chosen; /* the best so far, a heap: the least first */
  struct nat_top_entry *shown;  /* of the choice before, by endpoint */
};

/* Returns 0 or -ENOMEM. places: 0 to NAT_TOP_MAX. */
int nat_top_init(struct nat_top *top, uint32_t places, uint32_t minimum);
void nat_top_free(struct nat_top *top);

/* Offers every destination once, then finishes: top->shown are the ones to show.
 * One that is shown stays while it holds half the minimum, unless a newcomer holds
 * more than it by a quarter and one port. */
void nat_top_offer(struct nat_top *top, const struct net_endpoint *remote,
                   uint32_t ports);
void nat_top_finish(struct nat_top *top);

#endif
