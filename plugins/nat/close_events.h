/* SPDX-License-Identifier: MIT
 *
 * Reading edge: the kernel's socket-close events, received by a thread of its own.
 * Events are taken in batches twenty times a second at most: it is the wake-ups
 * that cost, not the events.
 */
#ifndef EGRESS_CLOSE_EVENTS_H
#define EGRESS_CLOSE_EVENTS_H

#include "nat_config.h"

#include "egress/clock.h"
#include "egress/sock_diag.h"

struct close_events;

/* What was received, and how many events the kernel had no room for since the call
 * before. On the thread, or on one that drains; never two at a time. */
typedef void close_events_callback(const struct sock_diag_record *records, size_t count,
                                   uint64_t lost, nanoseconds now, void *data);

/* Joins the multicast groups; from here on events wait in the buffer. Those of connections
 * that take no gateway of `config` the kernel keeps back (NULL: none; see close_filter.h).
 * Returns 0 or -errno (-EPERM without the capability, -EPROTONOSUPPORT, -ENOENT: a kernel
 * without it). */
int close_events_open(close_events_callback *callback, void *data,
                      const struct nat_config *config, struct close_events **events);

/* Which connections take a gateway has changed. */
void close_events_refilter(struct close_events *events, const struct nat_config *config);

/* Instructions of the kernel's program; 0: there is none, for the kernel refused it. */
size_t close_events_filter_length(const struct close_events *events);

/* Bytes of receive buffer that were asked for, and granted. */
#define CLOSE_EVENTS_BUFFER (32 * 1024 * 1024)
size_t close_events_buffer(const struct close_events *events);

/* Returns 0 or -errno. */
int close_events_start(struct close_events *events);

/* Hands over all that has been received up to now. */
void close_events_drain(struct close_events *events);

/* Stops the thread, if it was started, and closes. NULL is fine. */
void close_events_close(struct close_events *events);

#endif
