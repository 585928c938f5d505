# SPDX-License-Identifier: MIT
"""What the demo reads: one scrape of each collectd, and the NAT's own set beside it. Only questions, no opinion."""

from dataclasses import dataclass

from egress_lab.prometheus import Metrics

HOPS = ("pod-proxy", "gce-proxy")
LOCATIONS = ("local", *HOPS, "egress", "target", "unknown")
TARGETS = ("api", "git", "pay")
GATEWAY = "nat:tcp"
_PHASES = ("dns", "connect", "proxy_tls-", "tunnel-", "tls", "ttfb", "transfer")


@dataclass(frozen=True)
class Reading:
    """Metrics of the Pod's and of the VM's collectd, and what the NAT holds (see Lab.truth)."""

    pod: Metrics
    vm: Metrics
    truth: dict

    def chain(self, name):
        """The metrics of the collectd that probes this chain."""
        return {"prod": self.pod, "vm": self.vm}[name]

    def faults(self, chain):
        """{location: 0 or 1}"""
        return self.chain(chain).by_label("collectd_egress_probe_fault", "type", egress_probe=chain)

    def blamed(self, chain):
        """The locations that the verdict blames; None before the first verdict."""
        found = self.faults(chain)
        return [location for location, value in found.items() if value == 1] if found else None

    def up(self, chain, target):
        """1 or 0; None before the first probe."""
        return self.chain(chain).value("collectd_egress_probe_up", egress_probe=f"{chain}:{target}")

    def works(self, chain, targets):
        return all(self.up(chain, target) == 1 for target in targets)

    def hop_up(self, chain, target):
        """{part: 0 or 1}; a part that was not reached is absent."""
        return self.chain(chain).by_label("collectd_egress_probe_hop_up", "type", egress_probe=f"{chain}:{target}")

    def phases(self, chain, target):
        """[(phase, seconds)] in the order in which they happen."""
        found = self.chain(chain).by_label("collectd_egress_probe_response_time", "type",
                                           egress_probe=f"{chain}:{target}")
        return sorted(found.items(), key=lambda item: _rank(item[0]))

    def total(self, chain, target):
        return self.chain(chain).value("collectd_egress_probe_latency", egress_probe=f"{chain}:{target}", type="total")

    def nat(self, metric, **labels):
        """A figure of egress_nat; None while it is unknown."""
        return self.vm.value(f"collectd_egress_nat_{metric}", egress_nat=GATEWAY, **labels)

    def destinations(self):
        """{destination: ports} as egress_nat names them."""
        return self.vm.by_label("collectd_egress_nat_destination_ports", "type", egress_nat=GATEWAY)

    def connections(self, group):
        """{state: sockets} of a group."""
        return self.vm.by_label("collectd_egress_netlink_tcp_connections", "type", egress_netlink=group)

    def held(self):
        """The most ports that the NAT itself holds toward one destination."""
        return max(found["held"] for found in self.truth.values())

    def dropped(self):
        """The SYNs that the NAT has dropped, by its own counters."""
        return sum(found["dropped"] for found in self.truth.values())

    def agrees(self, ports):
        """Whether the estimate is within so many ports of what the NAT holds."""
        used = self.nat("ports_used")
        return used is not None and abs(used - self.held()) <= ports


def _rank(phase):
    return next((rank for rank, name in enumerate(_PHASES) if phase == name or
                 (name.endswith("-") and phase.startswith(name))), len(_PHASES))
