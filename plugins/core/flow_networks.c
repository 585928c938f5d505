/* SPDX-License-Identifier: MIT */
#include "flow_networks.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

static flow_address_number number_of(const struct net_address *address) {
  uint64_t halves[2];

  memcpy(halves, address->bytes, sizeof(halves));
  return (flow_address_number)be64toh(halves[0]) << 64 | be64toh(halves[1]);
}

static struct net_address address_of(flow_address_number number) {
  const uint64_t halves[2] = {htobe64((uint64_t)(number >> 64)),
                              htobe64((uint64_t)number)};
  struct net_address address;

  memcpy(address.bytes, halves, sizeof(halves));
  return address;
}

static int compare_numbers(const void *one, const void *other) {
  const flow_address_number *first = one, *second = other;

  return (*first > *second) - (*first < *second);
}

/* Both edges of a prefix: its first address, and the first one after it unless
 * that is the end of all addresses. */
static void add_edges(struct flow_networks *networks, const struct net_prefix *prefix) {
  flow_address_number first = number_of(&prefix->base);
  flow_address_number after =
      prefix->length == 0 ? 0 : first + ((flow_address_number)1 << (128 - prefix->length));

  networks->starts[networks->count++] = first;
  if (after != 0)
    networks->starts[networks->count++] = after;
}

static void sort_starts(struct flow_networks *networks) {
  size_t unique = 1;

  qsort(networks->starts, networks->count, sizeof(*networks->starts), compare_numbers);
  for (size_t i = 1; i < networks->count; i++)
    if (networks->starts[i] != networks->starts[unique - 1])
      networks->starts[unique++] = networks->starts[i];
  networks->count = unique;
}

static bool takes(const struct flow_network_list *list,
                  const struct net_address *address) {
  if (list->scopes && !(list->scopes & 1u << net_address_scope(address)))
    return false;
  return list->count == 0 ||
         net_prefixes_contain(list->prefixes, list->count, address);
}

/* No edge lies within a range, so its first address speaks for all. */
static uint64_t mask_of(flow_address_number start, const struct flow_network_list *lists,
                        size_t list_count) {
  const struct net_address address = address_of(start);
  uint64_t mask = 0;

  for (size_t list = 0; list < list_count; list++)
    if (takes(&lists[list], &address))
      mask |= UINT64_C(1) << list;
  return mask;
}

static size_t count_prefixes(const struct flow_network_list *lists, size_t list_count,
                             bool *scoped) {
  size_t prefixes = 0, special = 0;

  *scoped = false;
  for (size_t list = 0; list < list_count; list++) {
    prefixes += lists[list].count;
    *scoped = *scoped || lists[list].scopes != 0;
  }
  while (*scoped && net_scope_prefix(special))
    special++;
  return prefixes + special;
}

static void fill(struct flow_networks *networks, const struct flow_network_list *lists,
                 size_t list_count, bool scoped) {
  const struct net_prefix *special;

  networks->starts[networks->count++] = 0; /* the lowest address */
  for (size_t list = 0; list < list_count; list++)
    for (size_t i = 0; i < lists[list].count; i++)
      add_edges(networks, &lists[list].prefixes[i]);
  for (size_t i = 0; scoped && (special = net_scope_prefix(i)) != NULL; i++)
    add_edges(networks, special);
  sort_starts(networks);
  for (size_t i = 0; i < networks->count; i++)
    networks->masks[i] = mask_of(networks->starts[i], lists, list_count);
}

int flow_networks_init(struct flow_networks *networks,
                       const struct flow_network_list *lists, size_t list_count) {
  bool scoped;
  size_t prefixes = count_prefixes(lists, list_count, &scoped);

  *networks = (struct flow_networks){0};
  if (prefixes == 0)
    return 0;
  networks->starts = calloc(2 * prefixes + 1, sizeof(*networks->starts));
  networks->masks = calloc(2 * prefixes + 1, sizeof(*networks->masks));
  if (!networks->starts || !networks->masks) {
    flow_networks_free(networks);
    return -ENOMEM;
  }
  fill(networks, lists, list_count, scoped);
  return 0;
}

void flow_networks_free(struct flow_networks *networks) {
  free(networks->starts);
  free(networks->masks);
  *networks = (struct flow_networks){0};
}

/* The last start that is not beyond the address. Without a branch inside: which
 * half an address lies in cannot be foretold. */
uint64_t flow_networks_match(const struct flow_networks *networks,
                             const struct net_address *address) {
  const flow_address_number number = number_of(address);
  const flow_address_number *start = networks->starts;

  if (networks->count == 0)
    return UINT64_MAX;
  for (size_t left = networks->count; left > 1; left -= left / 2)
    start += start[left / 2] <= number ? left / 2 : 0;
  return networks->masks[start - networks->starts];
}
