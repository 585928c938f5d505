/* SPDX-License-Identifier: MIT */
#include "flow_ports.h"

#include <errno.h>
#include <stdlib.h>

#define PLACE_BITS_MAX 17 /* twice the 65535 ports that can be named */
#define PLACE_BITS_MIN 5

static uint64_t mask_of_unnamed(const struct flow_port_list *lists, size_t list_count) {
  uint64_t mask = UINT64_MAX;

  for (size_t list = 0; list < list_count; list++)
    if (lists[list].count > 0)
      mask &= ~(UINT64_C(1) << list);
  return mask;
}

/* Twice as many places as ports named, or more. */
static unsigned shift_for(size_t named) {
  unsigned bits = PLACE_BITS_MIN;

  while (bits < PLACE_BITS_MAX && (size_t)1 << bits < 2 * named)
    bits++;
  return PLACE_BITS_MAX - bits;
}

static void name_port(struct flow_ports *ports, uint16_t port, size_t list) {
  struct flow_named_port *place = &ports->places[flow_ports_find(ports, port)];

  if (place->port == 0)
    *place = (struct flow_named_port){ports->unnamed, port};
  place->mask |= UINT64_C(1) << list;
}

int flow_ports_init(struct flow_ports *ports, const struct flow_port_list *lists,
                    size_t list_count) {
  size_t named = 0;

  *ports = (struct flow_ports){.unnamed = mask_of_unnamed(lists, list_count)};
  for (size_t list = 0; list < list_count; list++)
    named += lists[list].count;
  if (named == 0)
    return 0;
  ports->shift = shift_for(named);
  ports->places = calloc((size_t)1 << (PLACE_BITS_MAX - ports->shift),
                         sizeof(*ports->places));
  if (!ports->places)
    return -ENOMEM;
  for (size_t list = 0; list < list_count; list++)
    for (size_t i = 0; i < lists[list].count; i++)
      if (lists[list].ports[i] != 0)
        name_port(ports, lists[list].ports[i], list);
  return 0;
}

void flow_ports_free(struct flow_ports *ports) {
  free(ports->places);
  *ports = (struct flow_ports){.places = NULL};
}
