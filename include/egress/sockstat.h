/* SPDX-License-Identifier: MIT
 *
 * Reading edge: /proc/net/sockstat, the kernel's own sums over sockets.
 */
#ifndef EGRESS_SOCKSTAT_H
#define EGRESS_SOCKSTAT_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

enum sockstat_field {
  SOCKSTAT_TCP_ALLOC,     /* sockets, of the whole host */
  SOCKSTAT_TCP_ORPHAN,    /* sockets without a program, of the whole host */
  SOCKSTAT_TCP_TIME_WAIT, /* sockets of this network namespace */
  SOCKSTAT_TCP_PAGES,     /* pages of memory, of the whole host */
  SOCKSTAT_UDP_INUSE,     /* IPv4 sockets of this network namespace */
  SOCKSTAT_UDP_PAGES,     /* pages of memory, of the whole host */
  SOCKSTAT_FIELD_COUNT
};

struct sockstat {
  uint64_t values[SOCKSTAT_FIELD_COUNT];
  uint32_t present; /* bit N: the kernel said values[N] */
};

/* Of the calling thread's network namespace. Returns 0 or -errno. */
int sockstat_read(struct sockstat *sockstat);

#pragma GCC visibility push(hidden)
/* The parser alone (pure). Returns 0, or -EBADMSG if it found no field. */
int sockstat_parse(const char *text, size_t size, struct sockstat *sockstat);
#pragma GCC visibility pop

#pragma GCC visibility pop
#endif
