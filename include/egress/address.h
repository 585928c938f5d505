/* SPDX-License-Identifier: MIT
 *
 * Addresses, endpoints and prefixes. There is one form for both families:
 * 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so
 * that a v4-mapped socket and an IPv4 socket compare equal.
 */
#ifndef EGRESS_ADDRESS_H
#define EGRESS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#pragma GCC visibility push(default)

struct net_address {
  uint8_t bytes[16];
};

struct net_endpoint {
  struct net_address address;
  uint16_t port; /* host order */
};

/* The addresses whose first `length` bits (0 to 128) are those of `base`;
 * the other bits of `base` are 0. An IPv4 prefix of n bits has length 96 + n. */
struct net_prefix {
  struct net_address base;
  uint8_t length;
};

/* The prefix a.b.c.d/bits, as an initializer. */
#define NET_PREFIX_IPV4(a, b, c, d, bits)                                                \
  {                                                                                      \
    .base = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}}, .length = 96 + (bits) \
  }

/* Where an address lies, as seen from a machine in a private network. Public
 * is what is in none of the special ranges listed in address.c; addresses
 * reserved for documentation count as public. */
enum net_scope { NET_SCOPE_LOOPBACK, NET_SCOPE_PRIVATE, NET_SCOPE_PUBLIC };
#define NET_SCOPE_COUNT 3

/* Longest text of an endpoint, "[" address "]:" port and the final NUL. */
#define NET_ENDPOINT_TEXT_MAX 56

/* Here, for they are called twice for every socket of a pass. */
static inline struct net_address net_address_from_ipv4(const void *four_bytes) {
  struct net_address address = {{[10] = 0xff, [11] = 0xff}};

  memcpy(address.bytes + 12, four_bytes, 4);
  return address;
}

static inline struct net_address net_address_from_ipv6(const void *sixteen_bytes) {
  struct net_address address;

  memcpy(address.bytes, sixteen_bytes, sizeof(address.bytes));
  return address;
}

/* AF_INET and AF_INET6 only; false for any other family or a short length. */
bool net_endpoint_from_sockaddr(const struct sockaddr *address, socklen_t length,
                                struct net_endpoint *endpoint);

bool net_address_is_ipv4(const struct net_address *address);
enum net_scope net_address_scope(const struct net_address *address);

/* The prefixes at whose edges the scope may change, by 0, 1, ...; NULL after the
 * last. Between two neighbouring edges all addresses have one scope. */
const struct net_prefix *net_scope_prefix(size_t index);

static inline bool net_address_equal(const struct net_address *one,
                                     const struct net_address *other) {
  return memcmp(one->bytes, other->bytes, sizeof(one->bytes)) == 0;
}

static inline bool net_endpoint_equal(const struct net_endpoint *one,
                                      const struct net_endpoint *other) {
  return one->port == other->port &&
         net_address_equal(&one->address, &other->address);
}

/* "192.0.2.1" or "2001:db8::1". Returns 0 or -EINVAL. */
int net_address_parse(const char *text, struct net_address *address);

/* "192.0.2.0/24", "2001:db8::/32", or an address alone (a prefix of its full
 * length). Bits set beyond the length are an error: it is nearly always a
 * typing mistake. Returns 0 or -EINVAL. */
int net_prefix_parse(const char *text, struct net_prefix *prefix);

bool net_prefix_contains(const struct net_prefix *prefix,
                         const struct net_address *address);
bool net_prefixes_contain(const struct net_prefix *prefixes, size_t count,
                          const struct net_address *address);

/* "192.0.2.1:443" or "[2001:db8::1]:443"; "192.0.2.1" or "2001:db8::1". Always
 * terminated; returns text. */
const char *net_endpoint_format(const struct net_endpoint *endpoint, char *text,
                                size_t size);
const char *net_address_format(const struct net_address *address, char *text,
                               size_t size);

#pragma GCC visibility pop
#endif
