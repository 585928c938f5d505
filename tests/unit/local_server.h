/* SPDX-License-Identifier: MIT
 *
 * For tests: a small HTTP server or proxy on 127.0.0.1, on a thread of its own
 * and a port of the kernel's choice, that behaves as it is told.
 */
#ifndef EGRESS_LOCAL_SERVER_H
#define EGRESS_LOCAL_SERVER_H

#include <stdint.h>

enum local_server_mode {
  LOCAL_SERVER_GOOD,     /* 200, to CONNECT too */
  LOCAL_SERVER_LOOSE,    /* 200, with a space too many, and no body */
  LOCAL_SERVER_HANG,     /* accepts and says nothing */
  LOCAL_SERVER_DENY,     /* 407 */
  LOCAL_SERVER_DENY_ENDLESS, /* the same, and a body until the client closes */
  LOCAL_SERVER_ERROR,    /* 503 with Squid's header */
  LOCAL_SERVER_GARBAGE,  /* no HTTP */
  LOCAL_SERVER_CLOSE,    /* accepts and closes */
  LOCAL_SERVER_REDIRECT, /* 302 to `location` */
  LOCAL_SERVER_REDIRECT_LONG,    /* the same, with a body of 60000 bytes */
  LOCAL_SERVER_REDIRECT_ENDLESS, /* the same, with a body until the client closes */
  LOCAL_SERVER_ENDLESS,  /* 200, and a body until the client closes */
  LOCAL_SERVER_HEADERS,  /* 200, and headers until the client closes */
  LOCAL_SERVER_TRAILERS, /* the same behind the last chunk of a body */
  LOCAL_SERVER_HINTS,    /* 103 (RFC 8297) until the client closes */
  LOCAL_SERVER_LONG_LINE, /* 503, and one header of 2000000 bytes */
};

struct local_server;

/* Aborts the test if it cannot be started. */
struct local_server *local_server_start(enum local_server_mode mode);
void local_server_stop(struct local_server *server);

uint16_t local_server_port(const struct local_server *server);
void local_server_set_mode(struct local_server *server, enum local_server_mode mode);
void local_server_set_location(struct local_server *server, const char *location);

/* Requests seen so far, complete or not. */
unsigned local_server_requests(struct local_server *server);
/* Whether the last request's head holds this text; waits for nothing. */
int local_server_last_has(struct local_server *server, const char *text);

#endif
