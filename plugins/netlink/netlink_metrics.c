/* SPDX-License-Identifier: MIT */
#include "netlink_metrics.h"

static const struct metric metrics[NETLINK_METRIC_COUNT] = {
    [NETLINK_TCP_CONNECTIONS] =
        {
            .type = "tcp_connections",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = 4294967295.0,
            .stock = true,
            .plugin_instance = "\"all\", or a group",
            .type_instance = "state",
            .unit = "sockets",
            .help = "TCP sockets in this state; a state without a socket is 0",
        },
    [NETLINK_UDP_SOCKETS] =
        {
            .type = "udp_sockets",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = "\"all\", or a group",
            .unit = "sockets",
            .help = "UDP sockets, IPv4 and IPv6",
        },
    [NETLINK_QUEUE_LENGTH] =
        {
            .type = "queue_length",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .stock = true,
            .plugin_instance = "\"listen:PORT\"",
            .type_instance = "accept, accept_max",
            .unit = "connections",
            .help = "connections that wait to be accepted on a listening port, and how "
                    "many may wait; several sockets on one port are summed",
        },
    [NETLINK_LATENCY] =
        {
            .type = "latency",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .stock = true,
            .plugin_instance = "\"all\", or a group",
            .type_instance = "rtt_p50, rtt_p95, rtt_p99",
            .unit = "seconds",
            .help = "the smoothed round-trip time that this share of the established "
                    "sockets does not exceed, within 1.6 %",
        },
    [NETLINK_RETRANSMITTING] =
        {
            .type = "retransmitting",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = "\"all\", or a group",
            .unit = "sockets",
            .help = "TCP sockets that have sent something again after a timeout and "
                    "still wait for its acknowledgement",
        },
    [NETLINK_SOCKETS] =
        {
            .type = "sockets",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = "\"sockstat\"",
            .type_instance = "tcp_alloc, tcp_orphan, tcp_time_wait, udp_inuse",
            .unit = "sockets",
            .help = "the kernel's own sums (/proc/net/sockstat); tcp_alloc and "
                    "tcp_orphan are of the whole host, udp_inuse is IPv4's",
        },
    [NETLINK_MEMORY] =
        {
            .type = "memory",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = 281474976710656.0,
            .stock = true,
            .plugin_instance = "\"sockstat\"; \"all\", or a group",
            .type_instance = "tcp, udp, udp_receive_queue",
            .unit = "bytes",
            .help = "memory that the buffers of all sockets of the host take (tcp, udp); "
                    "what waits to be read from a group's UDP sockets "
                    "(udp_receive_queue)",
        },
    [NETLINK_CONNTRACK] =
        {
            .type = "conntrack",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = 4294967295.0,
            .stock = true,
            .plugin_instance = "\"conntrack\"",
            .type_instance = "entries, max",
            .unit = "entries",
            .help = "entries of the conntrack table, and how many it may hold",
        },
    [NETLINK_PERCENT] =
        {
            .type = "percent",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = 100.1,
            .stock = true,
            .plugin_instance = "\"conntrack\"",
            .type_instance = "used",
            .unit = "percent",
            .help = "entries of the conntrack table over its maximum",
        },
    [NETLINK_CONNTRACK_STATES] =
        {
            .type = "conntrack_states",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = "\"conntrack\"",
            .type_instance = "protocol and state",
            .unit = "entries",
            .help = "entries of the conntrack table by protocol and state, such as "
                    "TCP_ESTABLISHED or UDP_UNREPLIED",
        },
    [NETLINK_CONNTRACK_EVENTS] =
        {
            .type = "conntrack_events",
            .kind = METRIC_DERIVE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = "\"conntrack\"",
            .type_instance = "found, invalid, insert_failed, drop, early_drop, error, "
                             "search_restart, clash_resolve, chain_toolong",
            .unit = "events",
            .help = "what conntrack(8) -S counts, summed over the CPUs",
        },
    [NETLINK_READ_TIME] =
        {
            .type = "read_time",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = "\"self\"",
            .type_instance = "sockets, conntrack",
            .unit = "seconds",
            .help = "CPU time of the last pass, the kernel's share included",
        },
    [NETLINK_PARTIAL_READS] =
        {
            .type = "partial_reads",
            .kind = METRIC_DERIVE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = "\"self\"",
            .type_instance = "sockets, conntrack",
            .unit = "passes",
            .help = "passes that the kernel marked as interrupted, or that failed part "
                    "way; their values may be a little off",
        },
};

const struct metric_table netlink_metrics = {
    .plugin = "egress_netlink",
    .count = NETLINK_METRIC_COUNT,
    .metrics = metrics,
};

/* src/tcpconns.c of collectd, tcp_state[]. */
const char *const netlink_state_names[TCP_STATE_COUNT] = {
    [TCP_STATE_ESTABLISHED] = "ESTABLISHED",
    [TCP_STATE_SYN_SENT] = "SYN_SENT",
    [TCP_STATE_SYN_RECEIVED] = "SYN_RECV",
    [TCP_STATE_FIN_WAIT1] = "FIN_WAIT1",
    [TCP_STATE_FIN_WAIT2] = "FIN_WAIT2",
    [TCP_STATE_TIME_WAIT] = "TIME_WAIT",
    [TCP_STATE_CLOSE] = "CLOSED",
    [TCP_STATE_CLOSE_WAIT] = "CLOSE_WAIT",
    [TCP_STATE_LAST_ACK] = "LAST_ACK",
    [TCP_STATE_LISTEN] = "LISTEN",
    [TCP_STATE_CLOSING] = "CLOSING",
};
