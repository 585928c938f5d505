/* SPDX-License-Identifier: MIT
 *
 * Model: what the headers of an answer say about the proxies on its way. They
 * are detail, never proof: a proxy relays its parent's error headers verbatim,
 * and a target can forge them. Only words that are known here get out, never a
 * header's own text.
 */
#ifndef EGRESS_PROXY_ANSWER_H
#define EGRESS_PROXY_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

/* Why a proxy could not do its work, by its own account. */
enum proxy_reason {
  PROXY_REASON_NONE,
  PROXY_REASON_CONNECT_FAILED,
  PROXY_REASON_REFUSED,
  PROXY_REASON_CONNECT_TIMEOUT,
  PROXY_REASON_UNREACHABLE,
  PROXY_REASON_DNS,
  PROXY_REASON_CANNOT_FORWARD,
  PROXY_REASON_DENIED,
  PROXY_REASON_CREDENTIALS,
  PROXY_REASON_READ,
  PROXY_REASON_TLS,
  PROXY_REASON_OVERLOAD,
  PROXY_REASON_INTERNAL,
};

/* "could not resolve the name", ...; NULL for PROXY_REASON_NONE. */
const char *proxy_reason_text(enum proxy_reason reason);

/* All zero before the first header of an answer. */
struct proxy_answer {
  enum proxy_reason reason;
  bool from_proxy;   /* the headers say that a proxy made this answer itself */
  unsigned via;      /* proxies named by Via */
};

#define PROXY_ANSWER_VIA_MAX 64

/* One header line, with or without its line end. */
void proxy_answer_add(struct proxy_answer *answer, const char *line, size_t length);

/* The status of a status line "HTTP/1.1 200 ..." or "HTTP/2 200"; 0 for any
 * other line. */
int status_line_parse(const char *line, size_t length);

#endif
