/* SPDX-License-Identifier: MIT
 *
 * URLs of hops, targets and controls: taken apart once, at configuration.
 */
#ifndef EGRESS_PROBE_URL_H
#define EGRESS_PROBE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum probe_scheme {
  PROBE_SCHEME_HTTP,
  PROBE_SCHEME_HTTPS,
  PROBE_SCHEME_TCP,
  PROBE_SCHEME_SOCKS5H
};

/* Which schemes a place allows. */
enum probe_url_use { PROBE_URL_OF_HOP, PROBE_URL_OF_TARGET };

struct probe_url {
  char *text; /* as libcurl gets it; tcp://h:p is kept as http://h:p/ */
  char *host; /* a name, or an IP literal without brackets */
  uint16_t port;
  enum probe_scheme scheme;
};

/* Room for one sentence that says what is wrong and what is allowed; it never
 * holds a part of the URL, which may hide a password. */
#define PROBE_URL_COMPLAINT_SIZE 160

/* Returns 0, -EINVAL with *complaint filled, or -ENOMEM. Free with
 * probe_url_clear. */
int probe_url_parse(const char *text, enum probe_url_use use, struct probe_url *url,
                    char complaint[PROBE_URL_COMPLAINT_SIZE]);
void probe_url_clear(struct probe_url *url);

/* "host:port", "[2001:db8::1]:port". Always terminated; returns text. */
const char *probe_url_endpoint(const struct probe_url *url, char *text, size_t size);

/* Whether both name the same host and port with the same scheme: where a header
 * sent to one may be sent to the other. Either may be no URL at all (false). */
bool probe_url_same_origin(const char *one, const char *other);

#endif
