/* SPDX-License-Identifier: MIT */
#include "nat_metrics.h"

#define GATEWAY "\"GATEWAY:tcp\" or \"GATEWAY:udp\""

static const struct metric metrics[NAT_METRIC_COUNT] = {
    [NAT_PORTS_USED] =
        {
            .type = "ports_used",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .unit = "ports",
            .help = "best estimate of the largest number of NAT ports held toward one "
                    "destination IP:port; with endpoint-independent mapping, of local "
                    "IP:ports that hold one",
        },
    [NAT_PORTS_BOUND] =
        {
            .type = "ports_bound",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .type_instance = "low, high",
            .unit = "ports",
            .help = "bounds of ports_used, where the true state cannot be seen: resets, "
                    "unanswered connects, lost events, start-up, a TimeWait not known; "
                    "high is absent while nothing bounds it",
        },
    [NAT_PORTS_ALLOCATED] =
        {
            .type = "ports_allocated",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .unit = "ports",
            .help = "ports that this machine has now, with dynamic allocation the least "
                    "that it can have; absent while not known",
        },
    [NAT_PORTS_LIMIT] =
        {
            .type = "ports_limit",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .unit = "ports",
            .help = "ports that this machine can grow to; absent while not known",
        },
    [NAT_PERCENT] =
        {
            .type = "percent",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = 100.1,
            .stock = true,
            .plugin_instance = GATEWAY,
            .type_instance = "allocated, limit, ephemeral",
            .unit = "percent",
            .help = "ports_used over ports_allocated and over ports_limit; local ports "
                    "in use toward one destination over ip_local_port_range",
        },
    [NAT_DESTINATION_PORTS] =
        {
            .type = "destination_ports",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .type_instance = "IP:port, or the name of a <Destination>",
            .unit = "ports",
            .help = "NAT ports held toward the busiest destinations, and toward each "
                    "<Destination> (the largest of its IP:ports)",
        },
    [NAT_SOURCE_PORTS] =
        {
            .type = "source_ports",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .type_instance = "IP",
            .unit = "ports",
            .help = "NAT ports held toward one destination by the flows that this machine "
                    "forwards, for the busiest original sources; from conntrack alone",
        },
    [NAT_TIME_TO_EXHAUSTION] =
        {
            .type = "time_to_exhaustion",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .unit = "seconds",
            .help = "until ports_limit is reached, from the recent rise; 0 when it is; "
                    "absent while no exhaustion is in sight",
        },
    [NAT_CONNECT_RATE] =
        {
            .type = "connect_rate",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .type_instance = "busiest, sustainable",
            .unit = "1/s",
            .help = "new connections to the busiest destination; and what its ports can "
                    "sustain, with the lifetime they have now: absent without a limit, "
                    "a TimeWait, or new connections",
        },
    [NAT_STALLED_CONNECTS] =
        {
            .type = "stalled_connects",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .unit = "sockets",
            .help = "SYN_SENT sockets that had to send again: the machine's view of a "
                    "NAT that drops",
        },
    [NAT_EVENTS_LOST] =
        {
            .type = "events_lost",
            .kind = METRIC_DERIVE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .unit = "events",
            .help = "socket-close events that the kernel had no room for; absent where "
                    "no events can be had",
        },
    [NAT_COVERAGE] =
        {
            .type = "coverage",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = 1,
            .plugin_instance = GATEWAY,
            .unit = "1",
            .help = "share of the close events since the read before that were received; "
                    "0 where no events can be had",
        },
    [NAT_GATEWAY_PORT_USAGE] =
        {
            .type = "gateway_port_usage",
            .kind = METRIC_GAUGE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .unit = "ports",
            .help = "Cloud NAT's own nat/port_usage of this machine, from Cloud "
                    "Monitoring; some minutes old",
        },
    [NAT_GATEWAY_DROPPED_PACKETS] =
        {
            .type = "gateway_dropped_packets",
            .kind = METRIC_DERIVE,
            .minimum = 0,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .type_instance = "OUT_OF_RESOURCES, ENDPOINT_INDEPENDENCE_CONFLICT, other",
            .unit = "packets",
            .help = "packets of this machine that Cloud NAT says it dropped, by reason, "
                    "since the start; some minutes late",
        },
    [NAT_ESTIMATE_ERROR] =
        {
            .type = "estimate_error",
            .kind = METRIC_GAUGE,
            .minimum = METRIC_UNBOUNDED,
            .maximum = METRIC_UNBOUNDED,
            .plugin_instance = GATEWAY,
            .unit = "ports",
            .help = "ports_used of the minute that gateway_port_usage is for, minus that "
                    "figure",
        },
};

const struct metric_table nat_metrics = {
    .plugin = "egress_nat",
    .count = NAT_METRIC_COUNT,
    .metrics = metrics,
};
