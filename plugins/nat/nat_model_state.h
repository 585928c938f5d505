/* SPDX-License-Identifier: MIT
 *
 * What the parts of the model share (pure).
 */
#ifndef EGRESS_NAT_MODEL_STATE_H
#define EGRESS_NAT_MODEL_STATE_H

#include "nat_held.h"
#include "nat_intake.h"
#include "nat_model.h"

/* Closes that could be toward any destination: entries whose index is how many. */
struct nat_unplaced {
  uint32_t timeout_ms;
  uint64_t counted, expired; /* positions */
  uint64_t sum;              /* of the counts between them */
  struct nat_ring ring;
};

struct nat_model {
  struct nat_model_settings settings;
  struct nat_table *table;
  struct nat_intake intake;
  struct nat_held held; /* by enum nat_close */
  struct nat_unplaced unplaced;
  uint64_t without_place; /* merged, or counted as NAT_OTHER, since the last one */
  nanoseconds begun;      /* of the summary under way, or the last; 0: none */
  nanoseconds ended;      /* of the same */
  nanoseconds elapsed;
  uint32_t local_ports;
  bool at_limit, short_of_ports, exhausted; /* as in struct nat_destination, of all
                                               together: where `distinct` */
};

/* The longest that a closed connection may be held. */
nanoseconds nat_model_longest(const struct nat_model_settings *settings);

/* Takes in what waits in `intake`: before anything looks at what is held. */
void nat_model_take_in(struct nat_model *model);

/* The destination's index; NAT_OTHER, and counted so, if there is no place left. */
uint32_t nat_model_place(struct nat_model *model, const struct net_endpoint *remote);

#endif
