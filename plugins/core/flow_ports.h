/* SPDX-License-Identifier: MIT
 *
 * Which groups take a port (pure): a look-up, however many groups there are.
 */
#ifndef EGRESS_FLOW_PORTS_H
#define EGRESS_FLOW_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The ports of one group. */
struct flow_port_list {
  const uint16_t *ports;
  size_t count; /* 0: the group takes any port */
};

/* A port that is named; port 0 marks a free place, whose mask is that of every port
 * that is not named. */
struct flow_named_port {
  uint64_t mask;
  uint16_t port;
};

/* A hash table of the named ports, probed in line. Not a table of all ports: a pass
 * goes through them at random, right after the kernel has filled the processor's
 * cache with sockets, and what it takes from memory is most of its time. */
struct flow_ports {
  struct flow_named_port *places; /* NULL: no group names a port */
  unsigned shift;                 /* 2^(17 - shift) places, half of them free */
};

/* At most 64 lists; bit N of a mask: lists[N] takes the port. Copies what it
 * needs. Returns 0 or -ENOMEM. */
int flow_ports_init(struct flow_ports *ports, const struct flow_port_list *lists,
                    size_t list_count);
void flow_ports_free(struct flow_ports *ports);

/* The place of a port, or the free one where it would stand. */
static inline size_t flow_ports_find(const struct flow_ports *ports, uint16_t port) {
  const size_t last = (131072u >> ports->shift) - 1;
  size_t place = ((uint32_t)port * 0x9e3779b1u) >> (15 + ports->shift);

  while (ports->places[place].port != port && ports->places[place].port != 0)
    place = (place + 1) & last;
  return place;
}

static inline uint64_t flow_ports_match(const struct flow_ports *ports, uint16_t port) {
  return ports->places ? ports->places[flow_ports_find(ports, port)].mask : UINT64_MAX;
}

#endif
