/* SPDX-License-Identifier: MIT
 *
 * URLs of Google's servers (pure): which of them the configuration may name, and how
 * a request's is made.
 */
#ifndef EGRESS_GCP_URL_H
#define EGRESS_GCP_URL_H

#include <stdbool.h>
#include <stddef.h>

/* https:// and any host; http:// and an address of loopback or link-local, since an
 * access token goes there in the clear. No user, query or fragment. */
bool gcp_url_is_allowed(const char *text);

#define GCP_URL_ALLOWED                                                                  \
  "https://HOST, or http:// and a loopback or link-local address such as "               \
  "http://169.254.169.254"

/* Room for a page token, each byte of it as %XX. */
struct gcp_url {
  char text[8192]; /* "" if it did not fit */
  size_t length;
};

void gcp_url_begin(struct gcp_url *url, const char *base);
void gcp_url_add(struct gcp_url *url, const char *text);
/* All but RFC 3986's unreserved characters as %XX. */
void gcp_url_add_escaped(struct gcp_url *url, const char *text);

#endif
