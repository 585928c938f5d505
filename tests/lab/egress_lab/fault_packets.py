# SPDX-License-Identifier: MIT
"""Faults that are made of packets: one nftables table a part, rendered whole from the list of faults, so that each
is idempotent and mending is rendering a shorter list."""

from . import abilities, identity, process, sites

_TABLE = "egress_fault"
_CHAINS = {
    "input": "type filter hook input priority -150; policy accept;",
    "forward": "type filter hook forward priority -150; policy accept;",
    "prerouting": "type nat hook prerouting priority dstnat; policy accept;",
}


def render(lab_id, part, faults):
    """Make a part's packets meet these faults, and no others."""
    rules = [found for fault in faults if fault.part == part for found in _rules(fault)]
    chains = "".join(_chain(hook, [rule for at, rule in rules if at == hook]) for hook in _CHAINS)
    script = f"add table ip {_TABLE}\ndelete table ip {_TABLE}\n"
    if chains:
        script += f"table ip {_TABLE} {{\n{chains}}}\n"
    process.run(["ip", "netns", "exec", identity.namespace(lab_id, part), "nft", "-f", "-"], input=script)


def stand_in_port(fault):
    """The port of the program that stands in a site's place: two for each fault, without and with TLS."""
    return 20000 + 100 * sites.SITES.index(fault.site) + fault.number


def _chain(hook, rules):
    if not rules:
        return ""
    lines = "".join(f"        {rule}\n" for rule in rules)
    return f"    chain {hook} {{\n        {_CHAINS[hook]}\n{lines}    }}\n"


def _rules(fault):
    """[(hook, rule)] of one fault."""
    return _RULES[fault.verb](fault) if fault.verb in _RULES else []


def _proxy_drop(_):
    return [("input", f"tcp dport {sites.PROXY_PORT} drop")]


def _proxy_reject(_):
    return [("input", f"tcp dport {sites.PROXY_PORT} reject with icmp type admin-prohibited")]


def _no_dns(_):
    # The answers are lost: a question that may not leave would be an error at once, and not silence.
    return [("input", "udp sport 53 drop"), ("input", "tcp sport 53 drop")]


def _nat_drop(fault):
    # drop-translated: what the NAT serves is lost, while the Control still passes.
    only = f"ip daddr != {sites.CONTROL.address} " if fault.verb == "drop-translated" else ""
    return [("forward", f'iifname "vm" oifname "inet" ip daddr != {sites.DNS_ADDRESS} {only}drop')]


def _site_refuse(fault):
    return [("input", f"ip daddr {fault.site.address} meta l4proto tcp reject with tcp reset")]


def _site_drop(fault):
    return [("input", f"ip daddr {fault.site.address} drop")]


def _stand_in(fault):
    address, port = fault.site.address, stand_in_port(fault)
    return [("prerouting", f"ip daddr {address} tcp dport 80 dnat to {address}:{port}"),
            ("prerouting", f"ip daddr {address} tcp dport 443 dnat to {address}:{port + 1}")]


def _drop(fault):
    if fault.part == "nat":
        return _nat_drop(fault)
    return _site_drop(fault) if fault.site else _proxy_drop(fault)


_RULES = {
    "drop": _drop, "drop-translated": _nat_drop, "reject": _proxy_reject, "refuse": _site_refuse, "no-dns": _no_dns,
    **dict.fromkeys(abilities.SITE_WAYS, _stand_in),
}
