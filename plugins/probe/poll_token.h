/* SPDX-License-Identifier: MIT
 *
 * What an epoll event of the engine belongs to: one of libcurl's sockets, or a
 * relay. Told apart by the lowest bit, which a relay's address leaves free.
 */
#ifndef EGRESS_POLL_TOKEN_H
#define EGRESS_POLL_TOKEN_H

#include "relay.h"

#include <stddef.h>
#include <stdint.h>

static inline uint64_t poll_token_of_socket(int descriptor) {
  return (uint64_t)(unsigned)descriptor << 1 | 1;
}

static inline uint64_t poll_token_of_relay(struct relay *relay) {
  return (uint64_t)(uintptr_t)relay;
}

/* NULL: a socket's. */
static inline struct relay *poll_token_relay(uint64_t token) {
  return token & 1 ? NULL : (struct relay *)(uintptr_t)token;
}

static inline int poll_token_socket(uint64_t token) { return (int)(token >> 1); }

#endif
