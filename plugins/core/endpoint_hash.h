/* SPDX-License-Identifier: MIT
 *
 * A hash of endpoints (pure), for tables whose keys strangers may choose.
 */
#ifndef EGRESS_ENDPOINT_HASH_H
#define EGRESS_ENDPOINT_HASH_H

#include "egress/address.h"

/* Both halves of a 128-bit product, folded. */
static inline uint64_t endpoint_hash_mix(uint64_t one, uint64_t other) {
  unsigned __int128 product = (unsigned __int128)one * other;

  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Odd constants: the fractions of the golden ratio and of the root of 3. `seed` is a
 * number that those who choose endpoints cannot know; `extra` is whatever belongs to
 * the key beside the endpoint. */
static inline uint64_t endpoint_hash(const struct net_endpoint *endpoint, uint32_t extra,
                                     uint64_t seed) {
  uint64_t halves[2];

  memcpy(halves, endpoint->address.bytes, sizeof(halves));
  seed = endpoint_hash_mix(halves[0] ^ seed, UINT64_C(0x9e3779b97f4a7c15) ^
                                                 ((uint64_t)extra << 16 | endpoint->port));
  return endpoint_hash_mix(halves[1] ^ seed, UINT64_C(0xbb67ae8584caa73b) ^ seed);
}

#endif
