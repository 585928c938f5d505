/* SPDX-License-Identifier: MIT */
#include "egress/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define IPV4_OFFSET 12 /* where the IPv4 address stands in a mapped one */
#define IPV4_BITS 96   /* the mapped form's own bits before it */

static const uint8_t mapped_prefix[IPV4_OFFSET] = {0, 0, 0, 0, 0,    0,
                                                   0, 0, 0, 0, 0xff, 0xff};

/* A special range and what it means from a private network's point of view. */
struct special_range {
  struct net_prefix prefix;
  enum net_scope scope;
};

/* IANA's special-purpose address registries (RFC 6890), but for the ranges
 * reserved for documentation (RFC 5737, RFC 3849), which count as public. IPv4's
 * come first, IPV4_RANGES of them. */
static const struct special_range special_ranges[] = {
    {NET_PREFIX_IPV4(127, 0, 0, 0, 8), NET_SCOPE_LOOPBACK},   /* RFC 1122 */
    {NET_PREFIX_IPV4(10, 0, 0, 0, 8), NET_SCOPE_PRIVATE},     /* RFC 1918 */
    {NET_PREFIX_IPV4(172, 16, 0, 0, 12), NET_SCOPE_PRIVATE},  /* RFC 1918 */
    {NET_PREFIX_IPV4(192, 168, 0, 0, 16), NET_SCOPE_PRIVATE}, /* RFC 1918 */
    {NET_PREFIX_IPV4(169, 254, 0, 0, 16), NET_SCOPE_PRIVATE}, /* link-local, RFC 3927 */
    {NET_PREFIX_IPV4(100, 64, 0, 0, 10), NET_SCOPE_PRIVATE},  /* shared, RFC 6598 */
    {NET_PREFIX_IPV4(0, 0, 0, 0, 8), NET_SCOPE_PRIVATE},      /* this network, RFC 791 */
    {NET_PREFIX_IPV4(192, 0, 0, 0, 24), NET_SCOPE_PRIVATE},   /* IETF protocols, RFC 6890 */
    {NET_PREFIX_IPV4(198, 18, 0, 0, 15), NET_SCOPE_PRIVATE},  /* benchmarks, RFC 2544 */
    {NET_PREFIX_IPV4(224, 0, 0, 0, 3), NET_SCOPE_PRIVATE}, /* multicast, reserved, broadcast */
    {{.base = {{[15] = 1}}, .length = 128}, NET_SCOPE_LOOPBACK}, /* ::1 */
    {{.base = {{0}}, .length = 128}, NET_SCOPE_PRIVATE},         /* :: */
    {{.base = {{0xfc}}, .length = 7}, NET_SCOPE_PRIVATE},        /* RFC 4193 */
    {{.base = {{0xfe, 0x80}}, .length = 10}, NET_SCOPE_PRIVATE}, /* link-local */
    {{.base = {{0xff}}, .length = 8}, NET_SCOPE_PRIVATE},        /* multicast */
};
#define SPECIAL_RANGES (sizeof(special_ranges) / sizeof(*special_ranges))
#define IPV4_RANGES 10

bool net_endpoint_from_sockaddr(const struct sockaddr *address, socklen_t length,
                                struct net_endpoint *endpoint) {
  struct sockaddr_in ipv4;
  struct sockaddr_in6 ipv6;

  if (length >= sizeof(ipv4) && address->sa_family == AF_INET) {
    memcpy(&ipv4, address, sizeof(ipv4));
    *endpoint = (struct net_endpoint){net_address_from_ipv4(&ipv4.sin_addr),
                                      ntohs(ipv4.sin_port)};
    return true;
  }
  if (length >= sizeof(ipv6) && address->sa_family == AF_INET6) {
    memcpy(&ipv6, address, sizeof(ipv6));
    *endpoint = (struct net_endpoint){net_address_from_ipv6(&ipv6.sin6_addr),
                                      ntohs(ipv6.sin6_port)};
    return true;
  }
  return false;
}

bool net_address_is_ipv4(const struct net_address *address) {
  return memcmp(address->bytes, mapped_prefix, IPV4_OFFSET) == 0;
}

static uint32_t ipv4_number(const struct net_address *address) {
  uint32_t number;

  memcpy(&number, address->bytes + IPV4_OFFSET, sizeof(number));
  return ntohl(number);
}

/* Asked for every socket of a pass: hence numbers, not bytes. */
static enum net_scope ipv4_scope(uint32_t number) {
  for (size_t i = 0; i < IPV4_RANGES; i++) {
    const struct net_prefix *prefix = &special_ranges[i].prefix;

    if ((number ^ ipv4_number(&prefix->base)) >> (128 - prefix->length) == 0)
      return special_ranges[i].scope;
  }
  return NET_SCOPE_PUBLIC;
}

enum net_scope net_address_scope(const struct net_address *address) {
  if (net_address_is_ipv4(address))
    return ipv4_scope(ipv4_number(address));
  for (size_t i = IPV4_RANGES; i < SPECIAL_RANGES; i++)
    if (net_prefix_contains(&special_ranges[i].prefix, address))
      return special_ranges[i].scope;
  return NET_SCOPE_PUBLIC;
}

const struct net_prefix *net_scope_prefix(size_t index) {
  return index < SPECIAL_RANGES ? &special_ranges[index].prefix : NULL;
}

int net_address_parse(const char *text, struct net_address *address) {
  uint8_t bytes[16];

  if (inet_pton(AF_INET, text, bytes) == 1)
    *address = net_address_from_ipv4(bytes);
  else if (inet_pton(AF_INET6, text, bytes) == 1)
    *address = net_address_from_ipv6(bytes);
  else
    return -EINVAL;
  return 0;
}

/* Digits only: strtoul alone would take "+8", " 8" and "-1". */
static int parse_length(const char *text, unsigned long most, unsigned long *length) {
  char *end = NULL;

  if (*text < '0' || *text > '9')
    return -EINVAL;
  errno = 0;
  *length = strtoul(text, &end, 10);
  return *end != '\0' || errno != 0 || *length > most ? -EINVAL : 0;
}

static bool bits_beyond_are_zero(const struct net_prefix *prefix) {
  for (unsigned bit = prefix->length; bit < 128; bit++)
    if (prefix->base.bytes[bit / 8] & (0x80u >> (bit % 8)))
      return false;
  return true;
}

int net_prefix_parse(const char *text, struct net_prefix *prefix) {
  const char *slash = strchr(text, '/');
  size_t address_length = slash ? (size_t)(slash - text) : strlen(text);
  unsigned long length = 0;
  char address[INET6_ADDRSTRLEN];
  bool ipv4 = !memchr(text, ':', address_length);

  if (address_length >= sizeof(address))
    return -EINVAL;
  memcpy(address, text, address_length);
  address[address_length] = '\0';
  if (net_address_parse(address, &prefix->base) < 0)
    return -EINVAL;
  if (!slash)
    length = ipv4 ? 32 : 128;
  else if (parse_length(slash + 1, ipv4 ? 32 : 128, &length) < 0)
    return -EINVAL;
  prefix->length = (uint8_t)(length + (ipv4 ? IPV4_BITS : 0));
  return bits_beyond_are_zero(prefix) ? 0 : -EINVAL;
}

bool net_prefix_contains(const struct net_prefix *prefix,
                         const struct net_address *address) {
  size_t whole = prefix->length / 8;
  unsigned rest = prefix->length % 8;
  unsigned mask = 0xff00u >> rest;

  if (memcmp(prefix->base.bytes, address->bytes, whole) != 0)
    return false;
  return rest == 0 ||
         ((prefix->base.bytes[whole] ^ address->bytes[whole]) & mask & 0xff) == 0;
}

bool net_prefixes_contain(const struct net_prefix *prefixes, size_t count,
                          const struct net_address *address) {
  for (size_t i = 0; i < count; i++)
    if (net_prefix_contains(&prefixes[i], address))
      return true;
  return false;
}

const char *net_address_format(const struct net_address *address, char *text,
                               size_t size) {
  bool ipv4 = net_address_is_ipv4(address);

  if (!inet_ntop(ipv4 ? AF_INET : AF_INET6, address->bytes + (ipv4 ? IPV4_OFFSET : 0),
                 text, (socklen_t)size) &&
      size > 0)
    text[0] = '\0';
  return text;
}

const char *net_endpoint_format(const struct net_endpoint *endpoint, char *text,
                                size_t size) {
  char address[INET6_ADDRSTRLEN];
  bool ipv4 = net_address_is_ipv4(&endpoint->address);

  net_address_format(&endpoint->address, address, sizeof(address));
  snprintf(text, size, ipv4 ? "%s:%u" : "[%s]:%u", address, (unsigned)endpoint->port);
  return text;
}
