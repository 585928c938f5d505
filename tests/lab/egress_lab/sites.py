# SPDX-License-Identifier: MIT
"""The names and addresses of the lab. Documentation addresses outside (RFC 5737), 10.0.0.0/8 inside."""

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """One name on the lab's Internet, with an address of its own."""

    key: str
    name: str
    address: str
    # Reached from the VM without the NAT, as Google's own addresses are.
    bypass: bool = False


SITES = (
    Site("api", "api.example.com", "198.51.100.10"),
    Site("git", "git.example.net", "198.51.100.20"),
    Site("pay", "pay.example.org", "203.0.113.30"),
    Site("storage", "storage.example.com", "203.0.113.200", bypass=True),
)
CONTROL = next(site for site in SITES if site.bypass)
DOMAINS = ("example.com", "example.net", "example.org")
PORTS = (80, 443)

PROXY_PORT = 3128
ADDRESSES = {"pod": "10.0.1.2", "podproxy": "10.0.2.2", "vm": "10.128.0.2", "nat": "192.0.2.1", "inet": "192.0.2.2"}
# Inside the cluster proxies are known by name.
PROXY_NAMES = {"podproxy": "podproxy.example.net", "vm": "vm.example.net"}
GATEWAYS = {"pod": "10.0.1.1", "podproxy": "10.0.2.1", "vm": "10.128.0.1"}
NAT_ADDRESS = ADDRESSES["nat"]
# The VPC's resolver: every part reaches it without the NAT, as 169.254.169.254 and kube-dns are reached.
DNS_ADDRESS = "10.0.53.53"
# What a name resolves to that has IPv6 only. As behind Cloud NAT, no part has a route to it.
IPV6_ADDRESS = "2001:db8::10"

OUTSIDE = tuple(ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))
INSIDE = ipaddress.ip_network("10.0.0.0/8")


def in_lab(address):
    """Whether traffic to this address can only be the lab's own."""
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in (*OUTSIDE, INSIDE))


def by_name(name):
    """The site with this name, or None."""
    return next((site for site in SITES if name in (site.name, site.key)), None)


def translated():
    """(site, port) of every destination that the NAT admits."""
    return [(site, port) for site in SITES if not site.bypass for port in PORTS]
