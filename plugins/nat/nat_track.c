/* SPDX-License-Identifier: MIT */
#include "nat_track.h"

#include <netinet/in.h>

static const enum nat_track_kind kinds[CONNTRACK_TCP_STATES] = {
    [CONNTRACK_TCP_NONE] = NAT_TRACK_OTHER,
    [CONNTRACK_TCP_SYN_SENT] = NAT_TRACK_HALF_OPEN,
    [CONNTRACK_TCP_SYN_RECV] = NAT_TRACK_OPEN,
    [CONNTRACK_TCP_ESTABLISHED] = NAT_TRACK_OPEN,
    [CONNTRACK_TCP_FIN_WAIT] = NAT_TRACK_OPEN,
    [CONNTRACK_TCP_CLOSE_WAIT] = NAT_TRACK_OPEN,
    [CONNTRACK_TCP_LAST_ACK] = NAT_TRACK_OPEN,
    [CONNTRACK_TCP_TIME_WAIT] = NAT_TRACK_CLOSED,
    [CONNTRACK_TCP_CLOSE] = NAT_TRACK_RESET,
    [CONNTRACK_TCP_SYN_SENT2] = NAT_TRACK_HALF_OPEN,
};

static nanoseconds age_of(const struct conntrack_flow *entry, nanoseconds timeout) {
  nanoseconds age = timeout - entry->timeout * NANOSECONDS_PER_SECOND - NAT_TRACK_PRECISION;

  return entry->has_timeout && age > 0 ? age : 0;
}

/* Data that is not acknowledged yet shortens the timer of an established one
 * (nf_conntrack_tcp_packet() in net/netfilter/nf_conntrack_proto_tcp.c). */
static nanoseconds tcp_timeout(const struct conntrack_flow *entry,
                               const struct nat_track_timeouts *timeouts) {
  nanoseconds timeout = timeouts->tcp[entry->tcp_state];
  nanoseconds left = entry->timeout * NANOSECONDS_PER_SECOND;

  return timeout > timeouts->unacknowledged && left <= timeouts->unacknowledged &&
                 entry->tcp_state == CONNTRACK_TCP_ESTABLISHED
             ? timeouts->unacknowledged
             : timeout;
}

/* Picked up in the middle, and nobody answers: what is left of a connection that the
 * table, or the machine, had forgotten. */
static enum nat_track_kind tcp_kind(const struct conntrack_flow *entry) {
  enum nat_track_kind kind = kinds[entry->tcp_state];

  return kind == NAT_TRACK_OPEN && !entry->seen_reply ? NAT_TRACK_HALF_OPEN : kind;
}

struct nat_track nat_track_read(const struct conntrack_flow *entry,
                                const struct nat_track_timeouts *timeouts) {
  switch (entry->protocol) {
  case IPPROTO_TCP:
    return (struct nat_track){tcp_kind(entry),
                              age_of(entry, tcp_timeout(entry, timeouts))};
  case IPPROTO_UDP:
    return (struct nat_track){
        NAT_TRACK_OPEN,
        age_of(entry, entry->assured ? timeouts->udp_stream : timeouts->udp)};
  default:
    return (struct nat_track){.kind = NAT_TRACK_OTHER};
  }
}
