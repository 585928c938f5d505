/* SPDX-License-Identifier: MIT
 *
 * Listening ports and their accept queues (pure).
 */
#ifndef EGRESS_FLOW_LISTENERS_H
#define EGRESS_FLOW_LISTENERS_H

#include "egress/flow.h"

struct flow_listeners {
  struct flow_listener *row;
  size_t count, room;
  /* By port: 0 for one that nobody listens on, else the place in the row and 1,
   * or FLOW_LISTENERS_MAX + 1 for one that the row has no room for. */
  uint16_t places[65536];
};

static inline bool flow_listeners_have(const struct flow_listeners *listeners,
                                       uint16_t port) {
  return listeners->places[port] != 0;
}

/* `record` is a listening socket's. */
void flow_listeners_add(struct flow_listeners *listeners,
                        const struct sock_diag_record *record);

/* Hands over the row, sorted by port (of *count entries, for free(); NULL if
 * empty), and leaves the listeners empty. */
struct flow_listener *flow_listeners_take(struct flow_listeners *listeners,
                                          size_t *count);

#endif
