/* SPDX-License-Identifier: MIT
 *
 * For tests: an origin or a proxy on 127.0.0.1 that does its work, with or without
 * TLS. A proxy connects to 127.0.0.1 whatever name it is asked for, so that only
 * a proxy can make sense of the names in a test.
 */
#ifndef EGRESS_PEER_H
#define EGRESS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum peer_role {
  PEER_ORIGIN, /* answers "fine" */
  PEER_PROXY,  /* CONNECT; other requests are answered as an origin does */
  PEER_SOCKS,  /* SOCKS5 without authentication, by name */
};

struct peer_options {
  enum peer_role role;
  const char *certificate; /* file with a certificate and its key; NULL: no TLS */
  bool cuts_handshake;     /* closes when it has seen the client's first bytes */
  int refuses_with;        /* status that CONNECT is answered with; 0: none */
  bool is_silent;          /* takes requests and never answers */
  size_t body_size;        /* of an origin's answer; 0: "fine" */
};

struct peer;

/* Aborts the test if it cannot. */
struct peer *peer_start(const struct peer_options *options);
void peer_stop(struct peer *peer);

uint16_t peer_port(const struct peer *peer);
/* Requests, CONNECT or SOCKS ones too, that it has understood. */
unsigned peer_requests(struct peer *peer);
/* Whether the head of the last request holds this text. */
bool peer_last_has(struct peer *peer, const char *text);

#endif
