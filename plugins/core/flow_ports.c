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

static int make_places(struct flow_ports *ports, size_t named, uint64_t mask) {
  size_t count;

  ports->shift = shift_for(named);
  count = (size_t)1 << (PLACE_BITS_MAX - ports->shift);
  ports->places = calloc(count, sizeof(*ports->places));
  if (!ports->places)
    return -ENOMEM;
  for (size_t place = 0; place < count; place++)
    ports->places[place].mask = mask;
  return 0;
}

static void name_port(struct flow_ports *ports, uint16_t port, size_t list) {
  struct flow_named_port *place = &ports->places[flow_ports_find(ports, port)];

  if (port == 0)
    return;
  place->port = port;
  place->mask |= UINT64_C(1) << list;
}

int flow_ports_init(struct flow_ports *ports, const struct flow_port_list *lists,
                    size_t list_count) {
  size_t named = 0;
  int status;

  *ports = (struct flow_ports){.places = NULL};
  for (size_t list = 0; list < list_count; list++)
    named += lists[list].count;
  if (named == 0)
    return 0;
  status = make_places(ports, named, mask_of_unnamed(lists, list_count));
  for (size_t list = 0; list < list_count && status == 0; list++)
    for (size_t i = 0; i < lists[list].count; i++)
      name_port(ports, lists[list].ports[i], list);
  return status;
}

void flow_ports_free(struct flow_ports *ports) {
  free(ports->places);
  *ports = (struct flow_ports){.places = NULL};
}
