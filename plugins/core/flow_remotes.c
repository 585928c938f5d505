/* SPDX-License-Identifier: MIT */
#include "flow_remotes.h"

#include "endpoint_hash.h"

#include <stdlib.h>

#define FIRST_ROOM 256

void flow_remotes_init(struct flow_remotes *remotes, uint64_t seed) {
  *remotes = (struct flow_remotes){.seed = seed};
}

void flow_remotes_free(struct flow_remotes *remotes) {
  free(remotes->row);
  free(remotes->index);
  flow_remotes_init(remotes, remotes->seed);
}

static bool has_key(const struct flow_remote *entry, const struct net_endpoint *endpoint,
                    uint8_t class) {
  return entry->class == class && net_endpoint_equal(&entry->remote, endpoint);
}

/* The place in the index where the key stands or would stand. */
static size_t find(const struct flow_remotes *remotes,
                   const struct net_endpoint *endpoint, uint8_t class) {
  size_t last = remotes->index_size - 1;
  size_t place = endpoint_hash(endpoint, class, remotes->seed) & last;

  while (remotes->index[place] != 0 &&
         !has_key(&remotes->row[remotes->index[place] - 1], endpoint, class))
    place = (place + 1) & last;
  return place;
}

static bool grow_index(struct flow_remotes *remotes, size_t size) {
  uint32_t *index = calloc(size, sizeof(*index));

  if (!index)
    return false;
  free(remotes->index);
  remotes->index = index;
  remotes->index_size = size;
  for (size_t i = 0; i < remotes->count; i++)
    index[find(remotes, &remotes->row[i].remote, remotes->row[i].class)] =
        (uint32_t)i + 1;
  return true;
}

/* Room for one more in the row, and twice that in the index. */
static bool make_room(struct flow_remotes *remotes) {
  if (remotes->count == remotes->room) {
    size_t room = remotes->room ? 2 * remotes->room : FIRST_ROOM;
    struct flow_remote *row = realloc(remotes->row, room * sizeof(*row));

    if (!row)
      return false;
    remotes->row = row;
    remotes->room = room;
  }
  if (2 * remotes->count >= remotes->index_size)
    return grow_index(remotes, remotes->index_size ? 2 * remotes->index_size
                                                   : 4 * FIRST_ROOM);
  return true;
}

static struct flow_remote *omit(struct flow_remotes *remotes) {
  remotes->omitted++;
  return NULL;
}

struct flow_remote *flow_remotes_get(struct flow_remotes *remotes,
                                     const struct net_endpoint *endpoint,
                                     uint8_t class) {
  size_t place;

  if (remotes->index_size > 0) {
    place = find(remotes, endpoint, class);
    if (remotes->index[place] != 0)
      return &remotes->row[remotes->index[place] - 1];
  }
  if (remotes->count == FLOW_REMOTES_MAX || !make_room(remotes))
    return omit(remotes);
  place = find(remotes, endpoint, class);
  remotes->row[remotes->count] = (struct flow_remote){.remote = *endpoint, .class = class};
  remotes->index[place] = (uint32_t)++remotes->count;
  return &remotes->row[remotes->count - 1];
}

struct flow_remote *flow_remotes_take(struct flow_remotes *remotes, size_t *count) {
  struct flow_remote *row = remotes->row;
  struct flow_remote *shrunk;

  *count = remotes->count;
  if (row && (shrunk = realloc(row, *count * sizeof(*row))) != NULL)
    row = shrunk;
  remotes->row = NULL;
  remotes->count = remotes->room = 0;
  remotes->omitted = 0;
  if (remotes->index)
    memset(remotes->index, 0, remotes->index_size * sizeof(*remotes->index));
  return row;
}
