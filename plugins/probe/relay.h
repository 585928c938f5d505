/* SPDX-License-Identifier: MIT
 *
 * Edge: the connection of one easy handle as the socket of another one. A handle
 * that only connects (CURLOPT_CONNECT_ONLY) through an HTTPS proxy holds the TLS
 * state of that connection, so its descriptor alone is of no use: the bytes are
 * carried between it and a pair of sockets.
 */
#ifndef EGRESS_RELAY_H
#define EGRESS_RELAY_H

#include <curl/curl.h>

struct relay;

/* `easy` has connected, and stays in its multi handle as long as the relay is open.
 * Its socket and the near end of the pair are watched in `epoll`, under relay_token.
 * *socket is the far end, connected and non-blocking; it becomes the caller's.
 * Returns 0 or -errno. */
int relay_open(CURL *easy, int epoll, struct relay **relay, int *socket);

/* Stops the watching, and closes the near end. The handle stays the caller's. */
void relay_close(struct relay *relay);

/* Carries what there is, both ways. Called whenever one of the two is ready. */
void relay_pump(struct relay *relay);

#endif
