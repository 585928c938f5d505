/* SPDX-License-Identifier: MIT */
#include "nat_traffic.h"

#define IPV4(a, b, c, d, bits)                                                           \
  {                                                                                      \
    .base = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}}, .length = 96 + (bits) \
  }

/* Private Google Access: these addresses are reached without the NAT (Google,
 * "Configure Private Google Access", domain options). Link-local ones, the metadata
 * server's among them, are routed nowhere. */
static const struct net_prefix default_bypass[] = {
    IPV4(199, 36, 153, 8, 30), /* private.googleapis.com */
    IPV4(199, 36, 153, 4, 30), /* restricted.googleapis.com */
    IPV4(169, 254, 0, 0, 16),  /* RFC 3927 */
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

bool nat_traffic_takes_from(const struct nat_traffic *traffic,
                            const struct net_address *source) {
  static const struct net_address none, none_ipv4 = {{[10] = 0xff, [11] = 0xff}};

  return traffic->sources.count == 0 || net_address_equal(source, &none) ||
         net_address_equal(source, &none_ipv4) ||
         nat_networks_contain(&traffic->sources, source);
}
