/* SPDX-License-Identifier: MIT
 *
 * Keeping room in a table of destinations that is nearly full (pure).
 */
#ifndef EGRESS_NAT_MERGE_H
#define EGRESS_NAT_MERGE_H

#include "nat_held.h"

/* When fewer than an eighth of the places are free, merges those destinations
 * that hold the least into NAT_OTHER until a quarter is. Returns how many were
 * merged. Costs a walk over table and rings, at most once a summary. */
uint32_t nat_merge_least(struct nat_table *table, struct nat_held *held);

#endif
