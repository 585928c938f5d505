# SPDX-License-Identifier: MIT
"""collectd -> write_prometheus -> Prometheus with the shipped scrape configuration and rules: healthy, no alert's
expression has data; after a fault those have that are for it, and none but those that it implies. By the end every
expression of every shipped file has had data."""

import contextlib
import os
import re
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import alert_rules
import builds
import pytest
import yaml
from egress_demo import page
from egress_lab import Lab, certificates, collectd, gcp, prometheus_server, sites

ETC = Path(__file__).resolve().parents[2] / "etc" / "prometheus"
INTERVAL = 2
SECONDS = 90
# What comes late of what a fault implies is still that fault's.
SETTLE_SECONDS = 4
QUIET_POLLS = 3
# Many more than the probes themselves hold, at their pace here and while they confirm a fault.
PORTS = 256
API = sites.by_name("api")
GOOGLE = f"""
    Discover true
    DiscoverInterval 1
    ComputeURL "{gcp.URL}"
    MonitoringURL "{gcp.URL}"
    CloudMonitoring true
"""
GOOGLES_NAT = {"ip_protocol": "TCP", "nat_gateway_name": "nat-1"}
# What Cloud NAT itself counts, at any time.
USAGE = {"port_usage": [{"labels": GOOGLES_NAT, "points": [[0, 17]]}]}
# A prober that may enter at the first proxy only.
BLIND = """
  <Chain "blind">
    Hops "pod-proxy" "gce-proxy"
    Mode "cascade"
    Ladder false
    <Target "api">
      URL "https://{name}/"
      CACert "{ca}"
    </Target>
    <Target "git">
      URL "https://git.example.net/"
      CACert "{ca}"
    </Target>
  </Chain>
</Plugin>"""
LISTENER = """
import socket, time
listener = socket.create_server(("10.128.0.2", 9999), backlog=4)
time.sleep(120)
"""
# So that the kernel tracks the VM's connections at all; those of the scrapes, on loopback, are left out.
TRACKED = """
add table ip tracked
add chain ip tracked output { type filter hook output priority filter; }
add rule ip tracked output oifname lo accept
add rule ip tracked output ct state new counter
"""


# Nothing in the lab can have these, whatever is broken; what has them instead, by what the expression selects.
ELSEWHERE = {
    r"_googleapis_com:": "Google's own metrics, by the names of tests/tools/foreign.py",
    r"collectd_(haproxy|nginx|envoy|tinyproxy)_": "other proxies' figures: test_proxies.py, from the real programs",
    r"collectd_egress_nat_source_ports": "this VM forwards for nobody: test_exhaustion.py",
}


class Watched:
    """The lab with a collectd and a Prometheus in the Pod, and in the VM."""

    def __init__(self, lab, daemons, servers):
        self.lab, self.daemons, self.servers = lab, daemons, servers
        self.expressions = alert_rules.alerts()
        self.unanswered = alert_rules.everywhere()
        self.answered = 0

    def firing(self):
        """The alerts whose expressions have data now: {(alert, host)}. Keeps in mind which expressions had none yet."""
        for expression in list(self.unanswered):
            if any(server.query(expression) for server in self.servers.values()):
                self.answered += len(self.unanswered.pop(expression))
        return {(alert, labels.get("host", part)) for part, server in self.servers.items()
                for alert, expression in self.expressions.items() for labels, _ in server.query(expression)}

    def wait_until_quiet(self):
        deadline, quiet, seen = time.monotonic() + SECONDS, 0, set()
        while quiet < QUIET_POLLS:
            seen = self.firing()
            quiet = 0 if seen else quiet + 1
            assert time.monotonic() < deadline, f"still there after {SECONDS} s: {sorted(seen)}"
            time.sleep(1)

    def collect(self, expected):
        """All that fire from now until the expected ones have, and a little longer."""
        deadline, end, seen = time.monotonic() + SECONDS, None, set()
        while end is None or time.monotonic() < end:
            seen |= self.firing()
            if end is None and expected <= {alert for alert, _ in seen}:
                end = time.monotonic() + SETTLE_SECONDS
            missing = expected - {alert for alert, _ in seen}
            assert end is not None or time.monotonic() < deadline, f"no {sorted(missing)} within {SECONDS} s; {seen}"
            time.sleep(0.5)
        return seen


def configuration():
    """The shipped one, at the lab's pace, with the shipped rules."""
    text = (ETC / "prometheus.yml").read_text(encoding="utf-8")
    whole = yaml.safe_load(text)
    whole["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for job in whole["scrape_configs"]:
        job["scrape_interval"] = "1s"
    whole["rule_files"] = [str(ETC / pattern) for pattern in whole["rule_files"]]
    del whole["alerting"]
    return yaml.safe_dump(whole)


def body(lab, part):
    text = collectd.stanzas(lab.id, part, lab.settings)
    if part == "pod":
        return text.rstrip().removesuffix("</Plugin>") + BLIND.format(name=API.name, ca=lab.ca) + "\n"
    text = text.replace("  Conntrack true", "  Conntrack true\n  ConntrackStates true")
    return text.replace("    PortsPerVM", f"{GOOGLE}    PortsPerVM", 1) + page.stock_in_vm(lab)


@pytest.fixture(name="path", scope="module")
def path_fixture():
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab.up(ports=PORTS))
        with gcp.changing(lab.id) as world:
            world["series"] = USAGE
        daemons, servers = {}, {}
        for part in ("pod", "vm"):
            daemons[part] = stack.enter_context(lab.collectd(
                part, str(builds.plain()), interval=INTERVAL, body=body(lab, part)))
            servers[part] = stack.enter_context(prometheus_server.start(lab.id, part, configuration()))
        path = Watched(lab, daemons, servers)
        for part, chain in (("pod", "blind"), ("vm", "vm")):
            servers[part].wait_for(f'collectd_egress_probe_fault{{chain="{chain}",type="unknown"}}', SECONDS)
        servers["vm"].wait_for("count(egress:plugin:present)", SECONDS, lambda found: found and found[0][1] == 3)
        yield path


@contextlib.contextmanager
def broken(path, part, how):
    path.lab.break_(part, how)
    try:
        yield
    finally:
        path.lab.mend()


@contextlib.contextmanager
def used_up(path):
    """Ever more connections to one destination, until there are more than its ports."""
    load = path.lab.load("vm", "hold", API.address, 443, "--count", PORTS + 40, "--rate", 30, "--seconds", 110)
    try:
        yield
    finally:
        load.terminate()
        load.wait()
        path.lab.reset()


@contextlib.contextmanager
def dropped_by_google(path):
    with gcp.changing(path.lab.id) as world:
        world["series"] = {**USAGE, "dropped_sent_packets_count": [
            {"labels": {**GOOGLES_NAT, "reason": "OUT_OF_RESOURCES"}, "points": [[0, 7]], "now": time.time()}]}
    try:
        yield
    finally:
        with gcp.changing(path.lab.id) as world:
            world["series"] = USAGE


@contextlib.contextmanager
def cut_off(path):
    route = [str(sites.INSIDE), "via", sites.GATEWAYS["pod"]]
    path.lab.exec("pod", ["ip", "route", "delete", *route], check=True)
    try:
        yield
    finally:
        path.lab.exec("pod", ["ip", "route", "add", *route], check=True)


def reload_web(path):
    os.kill(path.lab.status()["services"]["web"]["pid"], signal.SIGHUP)


@contextlib.contextmanager
def short_lived(path):
    certificates.issue(path.lab.id, days=5)
    reload_web(path)
    try:
        yield
    finally:
        certificates.issue(path.lab.id)
        reload_web(path)


@contextlib.contextmanager
def queue_full(path):
    listener = path.lab.popen("vm", ["/usr/bin/python3", "-c", LISTENER])
    while not path.lab.exec("vm", ["ss", "-Hltn", "sport = :9999"]).stdout:
        assert listener.poll() is None
        time.sleep(0.1)
    load = path.lab.load("pod", "hold", sites.ADDRESSES["vm"], 9999, "--count", 10, "--seconds", 110)
    try:
        yield
    finally:
        for child in (load, listener):
            child.terminate()
            child.wait()


@contextlib.contextmanager
def table_full(path):
    """The maximum is the host's and cannot be lowered for one namespace: so as many entries as it takes."""
    path.lab.exec("vm", ["nft", "-f", "-"], input=TRACKED, check=True)
    most = int(path.lab.exec("vm", ["cat", "/proc/sys/net/netfilter/nf_conntrack_max"], check=True).stdout)
    assert most <= 4_000_000, "a table of gigabytes"
    entries = path.lab.directory / "entries"
    with open(entries, "w", encoding="ascii") as file:
        for number in range(most):
            file.write(f"-I -s 10.{1 + number // 5000000}.{number // 50000 % 100}.1 -d 203.0.113.1 -p udp "
                       f"--sport {10000 + number % 50000} --dport 9 -t 600\n")
    # The last ones find no room, and it says so.
    path.lab.exec("vm", ["conntrack", "-R", str(entries)])
    try:
        yield
    finally:
        path.lab.exec("vm", ["nft", "delete table ip tracked"], check=True)
        path.lab.exec("vm", ["conntrack", "-F"], check=True)


@contextlib.contextmanager
def ended(path):
    for daemon in path.daemons.values():
        daemon.stop()
    yield


@dataclass(frozen=True)
class Fault:
    """A fault, the alerts that are for it, and those that it implies: any others are wrong."""

    name: str
    make: Callable
    arguments: tuple
    expected: frozenset
    implied: frozenset = field(default=frozenset())


def fault(name, make, *arguments, expected, implied=""):
    def names(text):
        return frozenset(f"Egress{word}" for word in text.split())
    return Fault(name, make, arguments, names(expected), names(implied))


PROBES = "ProbeFailing LatencyBurnFast LatencyBurnSlow"
# When traffic begins (again), its ports rise for some seconds, and a forecast is made of that. Whoever waits 5 minutes,
# as the alert does, never sees it; here it is nobody's fault but that of the row before.
BEGINNING = frozenset({"EgressNatExhaustionSoon"})
FAULTS = [
    fault("the VM's proxy is stopped", broken, "vm", "stop", expected=f"FaultHop FaultUnknown {PROBES}"),
    fault("the Pod's proxy hangs", broken, "podproxy", "pause", expected=f"FaultHop {PROBES}",
          implied="FaultUnknown"),
    fault("the ports toward one destination are used up", used_up,
          expected="NatPortsHigh NatPortsCritical NatExhaustionSoon ConnectsStalled Retransmissions FaultEgress "
                   "FaultTarget",
          implied=PROBES),
    fault("the NAT drops everything", broken, "nat", "drop-translated", expected=f"FaultEgress FaultUnknown {PROBES}",
          implied="ConnectsStalled Retransmissions"),
    fault("Cloud NAT says that it drops", dropped_by_google, expected="NatDropsFlows"),
    fault("a target answers 503", broken, "inet", "status=503:api.example.com", expected="FaultTarget Http5xxRising",
          implied=PROBES),
    fault("a target answers 404", broken, "inet", "status=404:git.example.net", expected="FaultTarget Http4xxRising",
          implied=PROBES),
    fault("a target refuses", broken, "inet", "refuse:pay.example.org", expected="FaultTarget ProbeFailing",
          implied=PROBES),
    fault("the prober has no route", cut_off, expected=f"FaultLocal {PROBES}"),
    fault("a certificate has 5 days left", short_lived, expected="CertificateExpiring"),
    fault("a program does not accept", queue_full, expected="AcceptQueueFull"),
    fault("the conntrack table is full", table_full, expected="ConntrackNearlyFull ConntrackDrops", implied=PROBES),
    # Last: they stay away.
    fault("both collectds have ended", ended, expected="MetricsMissing"),
]
seen_by_fault = {}


def test_every_alert_has_its_fault():
    assert frozenset().union(*(each.expected for each in FAULTS)) == set(alert_rules.alerts())


def test_the_rules_run_as_they_are_shipped(path):
    """Not the lab's variants: Prometheus itself evaluates every one, and finds no error."""
    for server in path.servers.values():
        def evaluated(server=server):
            return [rule for group in server.ask("/api/v1/rules")["groups"] for rule in group["rules"]]
        deadline = time.monotonic() + SECONDS
        while not all(rule["health"] == "ok" for rule in evaluated()):
            assert time.monotonic() < deadline, [rule for rule in evaluated() if rule["health"] != "ok"]
            time.sleep(0.5)
        shipped = alert_rules.rules("egress-recording.yml") + alert_rules.rules("egress-alerts.yml")
        assert len(evaluated()) == len(shipped)


def test_a_healthy_path_is_quiet(path):
    path.wait_until_quiet()


@pytest.mark.parametrize("each", FAULTS, ids=[each.name for each in FAULTS])
def test_a_fault_and_its_alerts(path, each):
    path.wait_until_quiet()
    with each.make(path, *each.arguments):
        seen = path.collect(each.expected)
    names = {alert for alert, _ in seen}
    seen_by_fault[each.name] = names
    print(f"{each.name}: {' '.join(sorted(f'{alert}({host})' for alert, host in seen))}")
    unexpected = names - each.expected - each.implied - BEGINNING
    assert not unexpected, sorted(unexpected)


def test_the_table(path):
    """Fault by alert: X is for it, i implied by it and seen, . implied and not seen this time, b of a beginning."""
    names = sorted(path.expressions)
    rows = []
    for each in FAULTS:
        seen = seen_by_fault.get(each.name, set())
        marks = ["X" if name in each.expected & seen else "i" if name in each.implied & seen
                 else "." if name in each.implied else "b" if name in seen else " " for name in names]
        rows.append(f"{each.name:46}|{'|'.join(marks)}|")
    print("\n".join([*(f"{number:2} {name}" for number, name in enumerate(names)), *rows]))
    assert set(seen_by_fault) == {each.name for each in FAULTS}


def test_every_expression_of_every_file_has_had_data(path):
    """In one run of the lab: healthy, or broken by the fault that it is for."""
    never = [f"{where}: {text}" for expression, places in path.unanswered.items()
             if not any(re.search(pattern, expression) for pattern in ELSEWHERE) for where, text in places]
    assert not never, "\n".join(["", *never])
    assert path.answered > 200
    for pattern in ELSEWHERE:
        assert any(re.search(pattern, expression) for expression in path.unanswered), f"{pattern}: no longer needed"
