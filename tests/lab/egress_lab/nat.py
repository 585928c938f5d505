# SPDX-License-Identifier: MIT
"""Cloud NAT's admission, modelled with nftables.

A bare port range is no model: recent kernels evict TIME_WAIT entries when ports run short. So the SNAT has a wide
range, and each SYN toward a destination IP:port must find room in that destination's dynamic set of `ports`
elements (source address . source port). The elements are the truth about ports held.

    SYN, SYN-ACK                          -> transitory timeout
    FIN or RST, and all that comes after  -> TIME_WAIT timeout (the conntrack mark remembers)
    anything else                         -> established timeout
"""

import json

from . import identity, network, process, sites

_TABLE = "egress_nat"
_CLOSING = "0x1"


def load(lab_id, ports, time_wait, transitory, established):
    """Install the admission, the SNAT, and conntrack's timeouts to match."""
    timers = {"transitory": transitory, "time_wait": time_wait, "established": established}
    rules = _ruleset(ports, timers)
    process.run(["ip", "netns", "exec", identity.namespace(lab_id, "nat"), "nft", "-f", "-"], input=rules)
    network.set_kernel(lab_id, "nat", _kernel_timers(timers))


def truth(lab_id):
    """What the NAT holds: {"IP:port": {name, held, size, dropped}}."""
    listing = process.run(["ip", "netns", "exec", identity.namespace(lab_id, "nat"),
                           "nft", "-j", "list", "table", "ip", _TABLE])
    objects = json.loads(listing)["nftables"]
    held = {item["set"]["name"]: item["set"] for item in objects if "set" in item}
    dropped = {item["counter"]["name"]: item["counter"]["packets"] for item in objects if "counter" in item}
    answer = {}
    for site, port in sites.translated():
        found = held[f"held_{site.key}_{port}"]
        # The kernel leaves expired elements out of a dump, also those not yet collected.
        answer[f"{site.address}:{port}"] = {
            "name": site.name, "held": len(found.get("elem", [])), "size": found["size"],
            "dropped": dropped[f"dropped_{site.key}_{port}"]}
    return answer


def forget(lab_id, destinations=None):
    """Free every port toward some destinations, or all, and set the drop counters to 0.

    Connections still open take their port again."""
    labels = [f"{site.key}_{port}" for site, port in destinations or sites.translated()]
    script = "".join(f"flush set ip {_TABLE} held_{label}\n" for label in labels)
    enter = ["ip", "netns", "exec", identity.namespace(lab_id, "nat")]
    process.run([*enter, "nft", "-f", "-"], input=script)
    for label in labels:
        process.run([*enter, "nft", "reset", "counter", "ip", _TABLE, f"dropped_{label}"])


def _kernel_timers(timers):
    by_state = {"syn_sent": "transitory", "syn_recv": "transitory", "established": "established",
                "fin_wait": "time_wait", "close_wait": "time_wait", "last_ack": "time_wait",
                "time_wait": "time_wait", "close": "time_wait"}
    values = {f"net.netfilter.nf_conntrack_tcp_timeout_{state}": timers[timer] for state, timer in by_state.items()}
    # A flow whose mapping is gone stays gone: no picking up in the middle, as the NAT would not either.
    return {**values, "net.netfilter.nf_conntrack_tcp_loose": 0, "net.netfilter.nf_conntrack_tcp_be_liberal": 1}


def _ruleset(ports, timers):
    destinations = [(site.address, port, f"{site.key}_{port}") for site, port in sites.translated()]
    out = ", ".join(f"{address} . {port} : jump out_{label}" for address, port, label in destinations)
    back = ", ".join(f"{address} . {port} : jump back_{label}" for address, port, label in destinations)
    bodies = "".join(_destination(label, ports, timers) for _, _, label in destinations)
    return f"""
table ip {_TABLE} {{
{bodies}
    chain untracked {{
        type filter hook prerouting priority raw; policy accept;
        ip saddr {sites.INSIDE} ip daddr {{ {sites.INSIDE}, {sites.CONTROL.address} }} notrack
        ip saddr {sites.CONTROL.address} notrack
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        iifname {{ "pod", "podproxy", "vm" }} oifname {{ "pod", "podproxy", "vm" }} accept
        ip daddr {sites.DNS_ADDRESS} accept
        ip saddr {sites.DNS_ADDRESS} accept
        iifname "vm" oifname "inet" ip daddr {sites.CONTROL.address} accept
        iifname "inet" oifname "vm" ip saddr {sites.CONTROL.address} accept
        ct state invalid drop
        ct state related accept
        iifname "vm" oifname "inet" ip daddr . tcp dport vmap {{ {out} }}
        iifname "inet" oifname "vm" ct direction reply ip saddr . tcp sport vmap {{ {back} }}
    }}
    chain translate {{
        type nat hook postrouting priority srcnat; policy accept;
        iifname != "vm" accept
        oifname != "inet" accept
        meta l4proto tcp ip daddr != {sites.CONTROL.address} snat to {sites.NAT_ADDRESS}:1024-65535
    }}
}}
"""


def _destination(label, ports, timers):
    outward, inward = "ip saddr . tcp sport", "ip daddr . tcp dport"
    half_open = f'timeout {timers["transitory"]}s'
    return f"""
    counter dropped_{label} {{
    }}
    set held_{label} {{
        type ipv4_addr . inet_service
        flags dynamic, timeout
        size {ports}
        gc-interval 200ms
    }}
    chain out_{label} {{
        tcp flags & (syn | ack) == syn update @held_{label} {{ {outward} {half_open} }} accept
        tcp flags & (syn | ack) == syn counter name dropped_{label} drop
{_refresh(label, outward, timers)}
    }}
    chain back_{label} {{
        tcp flags & (syn | ack) == (syn | ack) update @held_{label} {{ {inward} {half_open} }} accept
{_refresh(label, inward, timers)}
    }}
"""


def _refresh(label, key, timers):
    return f"""        tcp flags & (fin | rst) != 0 ct mark set {_CLOSING}
        ct mark {_CLOSING} update @held_{label} {{ {key} timeout {timers["time_wait"]}s }} accept
        update @held_{label} {{ {key} timeout {timers["established"]}s }} accept"""
