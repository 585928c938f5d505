/* SPDX-License-Identifier: MIT
 *
 * The thread that asks Google about the gateways, slowly and now and then, and the
 * place where it leaves what it has learned. None of the functions waits for the
 * network, but for discovery_stop, and that for a fraction of a second.
 */
#ifndef EGRESS_DISCOVERY_THREAD_H
#define EGRESS_DISCOVERY_THREAD_H

#include "discovery_cycle.h"

struct discovery;

/* The sources must outlive it; those that ask nothing are left alone. Makes the thread
 * if there is something to ask; else *discovery is NULL. Returns 0 or -errno. */
int discovery_start(const struct gateway_source *const *sources, size_t count,
                    struct discovery **discovery);

/* Ends the thread, also one in the middle of a request. NULL is fine. */
void discovery_stop(struct discovery *discovery);

/* A copy of what is known of a gateway. */
void discovery_get(struct discovery *discovery, size_t gateway,
                   struct gateway_view *view);

/* Whether more than half of the ports are in use: then it asks more often. */
void discovery_set_busy(struct discovery *discovery, size_t gateway, bool busy);

#endif
