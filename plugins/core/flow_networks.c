/* SPDX-License-Identifier: MIT */
#include "flow_networks.h"

#include <errno.h>
#include <stdlib.h>

static int compare_addresses(const void *one, const void *other) {
  return memcmp(one, other, sizeof(struct net_address));
}

/* The first address after the prefix; false if it is the end of all addresses. */
static bool end_of_prefix(const struct net_prefix *prefix, struct net_address *end) {
  unsigned carry = 1;

  *end = prefix->base;
  for (int i = 15; i >= 0; i--) {
    int bits_here = prefix->length - 8 * i; /* of this byte, in the prefix */
    unsigned host = bits_here >= 8 ? 0 : bits_here <= 0 ? 0xff : 0xffu >> bits_here;
    unsigned sum = (end->bytes[i] | host) + carry;

    end->bytes[i] = (uint8_t)sum;
    carry = sum >> 8;
  }
  return carry == 0;
}

static size_t list_starts(struct net_address *starts,
                          const struct flow_network_list *lists, size_t list_count) {
  size_t count = 1; /* starts[0] is the lowest address */
  size_t unique = 1;

  for (size_t list = 0; list < list_count; list++)
    for (size_t i = 0; i < lists[list].count; i++) {
      starts[count++] = lists[list].prefixes[i].base;
      if (end_of_prefix(&lists[list].prefixes[i], &starts[count]))
        count++;
    }
  qsort(starts, count, sizeof(*starts), compare_addresses);
  for (size_t i = 1; i < count; i++)
    if (!net_address_equal(&starts[i], &starts[unique - 1]))
      starts[unique++] = starts[i];
  return unique;
}

/* No boundary lies within a range, so its first address speaks for all. */
static uint64_t mask_of(const struct net_address *address,
                        const struct flow_network_list *lists, size_t list_count) {
  uint64_t mask = 0;

  for (size_t list = 0; list < list_count; list++)
    if (lists[list].count == 0 ||
        net_prefixes_contain(lists[list].prefixes, lists[list].count, address))
      mask |= UINT64_C(1) << list;
  return mask;
}

int flow_networks_init(struct flow_networks *networks,
                       const struct flow_network_list *lists, size_t list_count) {
  size_t prefixes = 0;

  *networks = (struct flow_networks){0};
  for (size_t list = 0; list < list_count; list++)
    prefixes += lists[list].count;
  if (prefixes == 0)
    return 0;
  networks->starts = calloc(2 * prefixes + 2, sizeof(*networks->starts));
  networks->masks = calloc(2 * prefixes + 2, sizeof(*networks->masks));
  if (!networks->starts || !networks->masks) {
    flow_networks_free(networks);
    return -ENOMEM;
  }
  networks->count = list_starts(networks->starts, lists, list_count);
  for (size_t i = 0; i < networks->count; i++)
    networks->masks[i] = mask_of(&networks->starts[i], lists, list_count);
  return 0;
}

void flow_networks_free(struct flow_networks *networks) {
  free(networks->starts);
  free(networks->masks);
  *networks = (struct flow_networks){0};
}

uint64_t flow_networks_match(const struct flow_networks *networks,
                             const struct net_address *address) {
  size_t low = 0, high = networks->count;

  if (high == 0)
    return UINT64_MAX;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;

    if (compare_addresses(address, &networks->starts[middle]) < 0)
      high = middle;
    else
      low = middle;
  }
  return networks->masks[low];
}
