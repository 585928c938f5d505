# SPDX-License-Identifier: MIT
"""egress_nat against the NAT's own set, from rest to exhaustion and back."""

import pytest

SECONDS = 40
DESTINATION = "198.51.100.10:443"


def ports_used(metrics):
    return metrics.value("collectd_egress_nat_ports_used", egress_nat="nat:tcp")


def held(lab):
    return lab.truth()[DESTINATION]["held"]


def follows(lab):
    """A condition: the estimate is within 2 ports of the set's elements."""
    def agrees(metrics):
        used = ports_used(metrics)
        return used is not None and abs(used - max(entry["held"] for entry in lab.truth().values())) <= 2
    return agrees


@pytest.fixture(name="vm")
def vm_fixture(lab, start_collectd):
    collectd = start_collectd(lab, "vm", interval=2)
    collectd.wait_for(lambda metrics: ports_used(metrics) is not None, SECONDS, "ports_used")
    return collectd


def test_ports_used_follows_held_and_closed_connections(lab, vm):
    load = lab.load("vm", "short", *DESTINATION.split(":"), "--count", 42, "--rate", 3, "--close", "client")
    hold = lab.load("vm", "hold", *DESTINATION.split(":"), "--count", 10, "--seconds", 30)
    try:
        vm.wait_for(lambda metrics: held(lab) > 30 and follows(lab)(metrics), SECONDS,
                    "an estimate within 2 ports of the NAT's set")
        metrics = vm.metrics()
        sockets = metrics.by_label("collectd_egress_netlink_tcp_connections", "type", egress_netlink="internet")
        print(f"NAT {held(lab)}, estimate {ports_used(metrics)}, open sockets {sockets['ESTABLISHED']}")
    finally:
        load.terminate()
        hold.terminate()


def test_exhaustion_is_seen_named_and_over_when_it_is_over(lab, vm):
    dropped = lab.truth()[DESTINATION]["dropped"]
    hold = lab.load("vm", "hold", *DESTINATION.split(":"), "--count", 80, "--seconds", 40)

    def exhausted(metrics):
        return (follows(lab)(metrics) and ports_used(metrics) >= 62
                and (metrics.value("collectd_egress_nat_stalled_connects", egress_nat="nat:tcp") or 0) >= 1)

    try:
        metrics = vm.wait_for(exhausted, SECONDS, "exhaustion")
        assert metrics.value("collectd_egress_nat_percent", egress_nat="nat:tcp", type="limit") >= 96
        assert metrics.value("collectd_egress_nat_ports_allocated", egress_nat="nat:tcp") == 64
        busiest = metrics.by_label("collectd_egress_nat_destination_ports", "type", egress_nat="nat:tcp")
        assert max(busiest, key=busiest.get) == DESTINATION
        assert lab.truth()[DESTINATION]["dropped"] > dropped
        vm.wait_for(lambda found: found.value("collectd_egress_probe_fault", egress_probe="vm", type="egress") == 1,
                    SECONDS, "the verdict `egress`")
    finally:
        hold.terminate()
        hold.wait()
    vm.wait_for(lambda metrics: ports_used(metrics) < 32 and follows(lab)(metrics)
                and metrics.value("collectd_egress_probe_fault", egress_probe="vm", type="egress") == 0,
                SECONDS + lab.settings["time_wait"], "the end of the exhaustion")


def test_bypass_files_are_read_again_when_they_change(lab, start_collectd):
    """A file that is broken by then changes nothing, and is complained of once."""
    path = lab.directory / "bypass.json"

    def publish(text):
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.rename(path)

    def prefixes(network):
        return f'{{"prefixes": [{{"ipv4Prefix": "{network}"}}]}}'

    publish(prefixes("192.0.2.128/25"))
    body = f"""
LoadPlugin egress_nat
<Plugin egress_nat>
  Source "sockets"
  <Gateway "nat">
    PortsPerVM 64
    TimeWait 4
    ResetTimeout 0
    BypassFile "{path}"
  </Gateway>
</Plugin>
"""
    vm = start_collectd(lab, "vm", interval=1, body=body)
    hold = lab.load("vm", "hold", *DESTINATION.split(":"), "--count", 7, "--seconds", 3 * SECONDS)
    try:
        vm.wait_for(lambda metrics: (ports_used(metrics) or 0) >= 7, SECONDS, "seven ports")
        publish(prefixes("198.51.100.0/24"))
        vm.wait_for(lambda metrics: ports_used(metrics) == 0, SECONDS, "no port, for all bypass")
        publish("<html>")
        vm.wait_for(lambda _: "is no JSON" in vm.log(), SECONDS, "a line about the broken file")
        publish("<html><html>")
        publish(prefixes("192.0.2.128/25"))
        vm.wait_for(lambda metrics: (ports_used(metrics) or 0) >= 7, SECONDS, "seven ports again")
    finally:
        hold.terminate()
        hold.wait()
    lines = [line for line in vm.log().splitlines() if str(path) in line]
    assert len(lines) == 1 and "still holds" in lines[0], vm.log()
    assert "BypassFile is right again" in vm.log()


FORWARDING = """
LoadPlugin egress_nat
<Plugin egress_nat>
  Source "conntrack"
  <Gateway "nat">
    PortsPerVM 64
    TimeWait 5
  </Gateway>
</Plugin>
"""
TRACKED = "add table ip tracked; add chain ip tracked output { type filter hook output priority 0; }; " \
          "add rule ip tracked output ct state new counter"


def test_the_busiest_of_those_that_a_machine_forwards_for(lab, start_collectd):
    """As on a GKE node: the connections are of Pods, and only conntrack knows them."""
    lab.exec("vm", ["nft", TRACKED], check=True)
    try:
        for source, ports in (("10.4.0.7", 5), ("10.4.0.8", 3)):
            for port in range(40000, 40000 + ports):
                lab.exec("vm", ["conntrack", "-I", "-s", source, "-d", "203.0.113.1", "--src-nat", "10.128.0.2", "-p",
                                "tcp", "--sport", str(port), "--dport", "443", "--state", "ESTABLISHED", "-u",
                                "SEEN_REPLY,ASSURED", "-t", "600"], check=True)
        collectd = start_collectd(lab, "vm", interval=1, body=FORWARDING)
        expected = {"10.4.0.7": 5, "10.4.0.8": 3}
        collectd.wait_for(lambda metrics: metrics.by_label("collectd_egress_nat_source_ports", "type",
                                                           egress_nat="nat:tcp") == expected, SECONDS, str(expected))
    finally:
        lab.exec("vm", ["nft", "delete table ip tracked"], check=True)
        lab.exec("vm", ["conntrack", "-F"], check=True)
