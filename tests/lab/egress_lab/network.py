# SPDX-License-Identifier: MIT
"""The namespaces, the veth pairs between them, addresses and routes.

The nat part is the VPC's fabric and its Cloud NAT: it routes between the subnets of pod, podproxy and vm, and it
alone touches the Internet side. No interface is ever made in the host's own namespace, so no route leads there.
"""

from . import gcp, identity, process, sites

_INSIDE_PARTS = ("pod", "podproxy", "vm")


def create(lab_id):
    """Make the whole network of a lab."""
    for part in identity.PARTS:
        process.run(["ip", "netns", "add", identity.namespace(lab_id, part)])
    _batch(lab_id, "nat", _nat_links(lab_id))
    for part in _INSIDE_PARTS:
        _batch(lab_id, part, _inside(part))
    _batch(lab_id, "inet", _internet())
    _batch(lab_id, "nat", _nat_addresses())
    set_kernel(lab_id, "nat", {"net.ipv4.ip_forward": 1})


def set_kernel(lab_id, part, values):
    """Set sysctl values inside a part."""
    script = "".join(f"echo {value} >/proc/sys/{key.replace('.', '/')} || exit 1\n" for key, value in values.items())
    process.run(["ip", "netns", "exec", identity.namespace(lab_id, part), "/bin/sh", "-c", script])


def remove_way_out(lab_id, part):
    """Take a part's only route beyond its own subnet away."""
    _batch(lab_id, part, [f"route delete {_reach(part)}"])


def add_way_out(lab_id, part):
    """Give it back."""
    _batch(lab_id, part, [f"route replace {_reach(part)} via {sites.GATEWAYS[part]}"])


def _reach(part):
    # Only the VM has a way out: what the cluster sends to the Internet goes through the proxy or nowhere.
    return "default" if part == "vm" else str(sites.INSIDE)


def _batch(lab_id, part, lines):
    process.run(["ip", "-n", identity.namespace(lab_id, part), "-batch", "-"], input="\n".join(lines) + "\n")


def _nat_links(lab_id):
    return [f"link add {part} type veth peer name eth0 netns {identity.namespace(lab_id, part)}"
            for part in (*_INSIDE_PARTS, "inet")]


def _inside(part):
    metadata = [f"address add {gcp.ADDRESS}/32 dev lo"] if part == "vm" else []
    return ["link set lo up", *metadata, f"address add {sites.ADDRESSES[part]}/24 dev eth0", "link set eth0 up",
            f"route add {_reach(part)} via {sites.GATEWAYS[part]}"]


def _internet():
    owned = [site.address for site in sites.SITES] + [sites.DNS_ADDRESS]
    return ["link set lo up", f"address add {sites.ADDRESSES['inet']}/24 dev eth0",
            *(f"address add {address}/32 dev lo" for address in owned), "link set eth0 up",
            # For the resolver's answers, and for what reaches the Control without the NAT.
            f"route add {sites.INSIDE} via {sites.NAT_ADDRESS}"]


def _nat_addresses():
    lines = ["link set lo up", f"address add {sites.NAT_ADDRESS}/24 dev inet", "link set inet up"]
    for part in _INSIDE_PARTS:
        lines += [f"address add {sites.GATEWAYS[part]}/24 dev {part}", f"link set {part} up"]
    far = [str(network) for network in sites.OUTSIDE[1:]] + [f"{sites.DNS_ADDRESS}/32"]
    return lines + [f"route add {prefix} via {sites.ADDRESSES['inet']}" for prefix in far]
