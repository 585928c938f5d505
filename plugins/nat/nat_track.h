/* SPDX-License-Identifier: MIT
 *
 * What one conntrack entry says of a NAT further on (pure).
 *
 * An entry is dated by its timer: since its last packet as many seconds have passed as
 * the timeout of its state is more than what is left of it. The kernel tells whole
 * seconds, rounded down: a date is half a second off at most.
 */
#ifndef EGRESS_NAT_TRACK_H
#define EGRESS_NAT_TRACK_H

#include "egress/clock.h"
#include "egress/conntrack_flow.h"

#define NAT_TRACK_PRECISION (NANOSECONDS_PER_SECOND / 2)

/* This machine's own timeouts (nf_conntrack_tcp_timeout_* and _udp_timeout*). 0: not
 * known; what is in such a state is taken to have had its last packet just now. */
struct nat_track_timeouts {
  nanoseconds tcp[CONNTRACK_TCP_STATES];
  nanoseconds unacknowledged; /* in the place of a longer one, with data under way */
  nanoseconds udp, udp_stream;
};

enum nat_track_kind {
  NAT_TRACK_OTHER,     /* neither TCP nor UDP, or no flow yet */
  NAT_TRACK_OPEN,
  NAT_TRACK_HALF_OPEN, /* no answer to its SYN yet */
  NAT_TRACK_CLOSED,
  NAT_TRACK_RESET,
};

struct nat_track {
  enum nat_track_kind kind;
  nanoseconds age; /* since its last packet; of a closed one, since it closed */
};

struct nat_track nat_track_read(const struct conntrack_flow *entry,
                                const struct nat_track_timeouts *timeouts);

#endif
