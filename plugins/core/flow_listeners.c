/* SPDX-License-Identifier: MIT */
#include "flow_listeners.h"

#include <stdlib.h>

#define FIRST_ROOM 16
#define NO_PLACE (FLOW_LISTENERS_MAX + 1)

static bool make_room(struct flow_listeners *listeners) {
  size_t room = listeners->room ? 2 * listeners->room : FIRST_ROOM;
  struct flow_listener *row;

  if (listeners->count == FLOW_LISTENERS_MAX)
    return false;
  if (listeners->count < listeners->room)
    return true;
  row = realloc(listeners->row, room * sizeof(*row));
  if (!row)
    return false;
  listeners->row = row;
  listeners->room = room;
  return true;
}

static struct flow_listener *listener_of(struct flow_listeners *listeners,
                                         uint16_t port) {
  uint16_t *place = &listeners->places[port];

  if (*place == 0 && make_room(listeners)) {
    listeners->row[listeners->count] = (struct flow_listener){.port = port};
    *place = (uint16_t)++listeners->count;
  } else if (*place == 0) {
    *place = NO_PLACE;
  }
  return *place == NO_PLACE ? NULL : &listeners->row[*place - 1];
}

void flow_listeners_add(struct flow_listeners *listeners,
                        const struct sock_diag_record *record) {
  struct flow_listener *listener = listener_of(listeners, record->local.port);

  if (!listener)
    return;
  listener->sockets++;
  listener->accept_queue += record->receive_queue;
  listener->accept_limit += record->send_queue;
}

static int compare_ports(const void *one, const void *other) {
  return (int)((const struct flow_listener *)one)->port -
         (int)((const struct flow_listener *)other)->port;
}

struct flow_listener *flow_listeners_take(struct flow_listeners *listeners,
                                          size_t *count) {
  struct flow_listener *row = listeners->row;

  *count = listeners->count;
  if (row)
    qsort(row, *count, sizeof(*row), compare_ports);
  listeners->row = NULL;
  listeners->count = listeners->room = 0;
  memset(listeners->places, 0, sizeof(listeners->places));
  return row;
}
