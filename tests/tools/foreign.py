# SPDX-License-Identifier: MIT
"""Metrics that others dispatch and our files draw: collectd's stock plugins and the services of Google.

{metric: {label: its values, or None for any}}. What collectd's plugins read by our own stanzas (etc/collectd/proxies)
is computed from those."""

import dispatched

# Of every collectd by the shipped scrape configuration.
_SCRAPED = {"host": None, "job": ["collectd-egress"], "instance": None}
# The plugins' manual: https://www.collectd.org/documentation/manpages/collectd.conf.html; with the options of
# etc/collectd/vm.conf. As write_prometheus names them.
_COLLECTD = {
    # Plugin cpu, src/cpu.c: cpu_state_names.
    "collectd_cpu_percent": {
        "cpu": "user system wait nice interrupt softirq steal guest guest_nice idle active".split()},
    # Plugin memory, src/memory.c, on Linux.
    "collectd_memory": {"memory": "used buffered cached free slab_unrecl slab_recl".split()},
    "collectd_memory_percent": {"memory": "used buffered cached free slab_unrecl slab_recl".split()},
    # Plugin load, and plugin interface by device: types.db, load and if_*.
    "collectd_load_shortterm": {}, "collectd_load_midterm": {}, "collectd_load_longterm": {},
    **{f"collectd_interface_if_{kind}_{way}_total": {"interface": None}
       for kind in ("octets", "packets", "errors", "dropped") for way in ("rx", "tx")},
    # Plugin tcpconns, src/tcpconns.c.
    "collectd_tcpconns_tcp_connections": {"tcpconns": None, "type": dispatched.TCP_STATES},
    # Plugin nginx, src/nginx.c.
    "collectd_nginx_nginx_connections": {"nginx": "active accepted handled reading writing waiting".split()},
}
# Prometheus' own of each scrape: https://prometheus.io/docs/concepts/jobs_instances/
_PROMETHEUS = {name: {"job": ["collectd-egress"], "instance": None} for name in (
    "up", "scrape_duration_seconds", "scrape_samples_scraped")}
# Names: https://cloud.google.com/monitoring/promql/promql-mapping; labels: the lists of metrics at
# https://cloud.google.com/monitoring/api/metrics_gcp (compute, router) and metrics_opsagent (agent).
_VM = {"monitored_resource": ["gce_instance"], "project_id": None, "instance_id": None, "zone": None}
_GATEWAY = {"monitored_resource": ["nat_gateway"], "project_id": None, "region": None, "router_id": None,
            "gateway_name": None}
_OF_A_NAT = {**_VM, "nat_project_number": None, "router_id": None, "nat_gateway_name": None, "nat_ip": None,
             "ip_protocol": ["6", "17", "TCP", "UDP"]}
_DROPS = ["OUT_OF_RESOURCES", "ENDPOINT_INDEPENDENCE_CONFLICT"]
_STATES = "used buffered cached free slab".split()
_GOOGLE = {
    "compute_googleapis_com:nat_port_usage": _OF_A_NAT,
    "compute_googleapis_com:nat_allocated_ports": _OF_A_NAT,
    "compute_googleapis_com:nat_open_connections": _OF_A_NAT,
    "compute_googleapis_com:nat_new_connections_count": _OF_A_NAT,
    "compute_googleapis_com:nat_dropped_sent_packets_count": {**_OF_A_NAT, "reason": _DROPS},
    "router_googleapis_com:nat_port_usage": {**_GATEWAY, "ip_protocol": None},
    "router_googleapis_com:nat_allocated_ports": {**_GATEWAY, "nat_ip": None},
    "router_googleapis_com:nat_open_connections": {**_GATEWAY, "ip_protocol": None},
    "router_googleapis_com:nat_dropped_sent_packets_count": {**_GATEWAY, "ip_protocol": None, "reason": _DROPS},
    "router_googleapis_com:nat_nat_allocation_failed": _GATEWAY,
    "agent_googleapis_com:cpu_utilization": {**_VM, "cpu_number": None, "cpu_state":
                                             "idle interrupt nice softirq steal system user wait".split()},
    "agent_googleapis_com:memory_percent_used": {**_VM, "state": _STATES},
    "agent_googleapis_com:interface_traffic": {**_VM, "device": None, "direction": ["rx", "tx"]},
    "agent_googleapis_com:network_tcp_connections": {**_VM, "port": None, "tcp_state": None},
    # The metric of etc/cloud-monitoring/log-metric.json.
    "logging_googleapis_com:user_egress_nat_dropped_flows": {**_GATEWAY, "vm": None, "destination": None, "port": None,
                                                            "log": None},
}


def catalogue():
    """As dispatched.catalogue()."""
    tables = {**{name: {**labels, **_SCRAPED} for name, labels in _COLLECTD.items()}, **_PROMETHEUS, **_GOOGLE}
    return {name: dispatched.labelled(labels) for name, labels in tables.items()}


def derives(types_db):
    """{type: whether it is counted up}, of types with one value."""
    found = {}
    for line in types_db.splitlines():
        words = line.split()
        if len(words) == 2 and not line.startswith("#"):
            found[words[0]] = words[1].split(":")[1] in ("DERIVE", "COUNTER")
    return found


def of_stanza(text, types_db):
    """{metric: [labels]} of the blocks <Match> and <Key> of one file: Type and Instance, under the Plugin before it."""
    found, counted = {}, derives(types_db)
    plugin, kind, percentiles = "", "", [""]
    for line in text.splitlines():
        words = line.split()
        name, value = (words[0], words[-1].strip('"')) if words else ("", "")
        if name == "Plugin":
            plugin = value
        elif name in ("<Match>", "<Key"):
            kind, percentiles = "", [""]
        elif name == "Type":
            kind = value
        elif name == "Percentile":
            percentiles = [each for each in percentiles if each] + [f"-{value}"]
        elif name == "Instance" and kind:
            metric = dispatched.metric_name(plugin, kind, counted[kind])
            labels = {**_SCRAPED, plugin: None, "type": [value + each for each in percentiles]}
            found.setdefault(metric, []).extend(dispatched.labelled(labels))
    return found


def of_stanzas(paths, types_db):
    found = {}
    for path in paths:
        for metric, series in of_stanza(path.read_text(encoding="utf-8"), types_db).items():
            found.setdefault(metric, []).extend(series)
    return found
