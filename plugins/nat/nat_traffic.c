/* SPDX-License-Identifier: MIT */
#include "nat_traffic.h"

/* Private Google Access: these addresses are reached without the NAT (Google,
 * "Configure Private Google Access", domain options). Link-local ones, the metadata
 * server's among them, are routed nowhere. */
static const struct net_prefix default_bypass[] = {
    NET_PREFIX_IPV4(199, 36, 153, 8, 30), /* private.googleapis.com */
    NET_PREFIX_IPV4(199, 36, 153, 4, 30), /* restricted.googleapis.com */
    NET_PREFIX_IPV4(169, 254, 0, 0, 16),  /* RFC 3927 */
};

/* NAT64's well-known prefix (RFC 6052, 2.1), the only one Cloud NAT serves. */
static const struct net_prefix nat64 = {.base = {{0, 0x64, 0xff, 0x9b}}, .length = 96};

void nat_traffic_free(struct nat_traffic *traffic) {
  nat_networks_free(&traffic->networks);
  nat_networks_free(&traffic->sources);
  nat_networks_free(&traffic->bypass);
}

static bool is_bypassed(const struct nat_traffic *traffic,
                        const struct net_address *destination) {
  size_t defaults = sizeof(default_bypass) / sizeof(*default_bypass);

  if (traffic->bypass_defaults &&
      net_prefixes_contain(default_bypass, defaults, destination))
    return true;
  return nat_networks_contain(&traffic->bypass, destination);
}

bool nat_traffic_takes(const struct nat_traffic *traffic,
                       const struct net_address *destination) {
  enum net_scope scope = net_address_scope(destination);

  if (scope == NET_SCOPE_LOOPBACK ||
      !(net_address_is_ipv4(destination) || net_prefix_contains(&nat64, destination)))
    return false;
  if (traffic->networks.count > 0
          ? !nat_networks_contain(&traffic->networks, destination)
          : scope != NET_SCOPE_PUBLIC)
    return false;
  return !is_bypassed(traffic, destination);
}

struct edges {
  uint32_t *numbers; /* may be NULL */
  size_t count;
};

static void add_edge(struct edges *edges, uint64_t number) {
  if (number == 0 || number > UINT32_MAX)
    return;
  if (edges->numbers)
    edges->numbers[edges->count] = (uint32_t)number;
  edges->count++;
}

static uint32_t number_of(const struct net_address *address) {
  const uint8_t *bytes = address->bytes + 12;

  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
         bytes[3];
}

static void add_range(struct edges *edges, const struct nat_range *range) {
  static const struct net_prefix ipv4 = NET_PREFIX_IPV4(0, 0, 0, 0, 0);
  bool first = net_prefix_contains(&ipv4, &range->first);
  bool last = net_prefix_contains(&ipv4, &range->last);

  if (first)
    add_edge(edges, number_of(&range->first));
  if (last)
    add_edge(edges, (uint64_t)number_of(&range->last) + 1);
}

static void add_networks(struct edges *edges, const struct nat_networks *networks) {
  for (size_t i = 0; i < networks->count; i++)
    add_range(edges, &networks->ranges[i]);
}

static void add_prefix(struct edges *edges, const struct net_prefix *prefix) {
  struct nat_range range = {prefix->base, prefix->base};

  for (unsigned bit = prefix->length; bit < 128; bit++)
    range.last.bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
  add_range(edges, &range);
}

size_t nat_traffic_edges(const struct nat_traffic *traffic, uint32_t *numbers) {
  struct edges edges = {.numbers = numbers};

  for (size_t i = 0; net_scope_prefix(i); i++)
    add_prefix(&edges, net_scope_prefix(i));
  for (size_t i = 0; i < sizeof(default_bypass) / sizeof(*default_bypass); i++)
    add_prefix(&edges, &default_bypass[i]);
  add_networks(&edges, &traffic->networks);
  add_networks(&edges, &traffic->bypass);
  return edges.count;
}

bool nat_traffic_takes_from(const struct nat_traffic *traffic,
                            const struct net_address *source) {
  static const struct net_address none, none_ipv4 = {{[10] = 0xff, [11] = 0xff}};

  return traffic->sources.count == 0 || net_address_equal(source, &none) ||
         net_address_equal(source, &none_ipv4) ||
         nat_networks_contain(&traffic->sources, source);
}
