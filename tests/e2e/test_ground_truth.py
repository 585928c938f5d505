# SPDX-License-Identifier: MIT
"""egress_nat against the NAT's own sets: from sockets and from conntrack at the same time, through loads of every kind."""

import time

import pytest

import ground_truth
from egress_lab import sites

INTERVAL = 1
SECONDS = 60
BUSY, SIBLING = "198.51.100.10:443", "198.51.100.10:80"   # two destinations on one IP
OTHER = "198.51.100.20:443"
REFUSED = "203.0.113.30:443"
SOURCES = ("sockets", "conntrack")
# A rule that looks at the state of connections is what makes a kernel track them.
TRACKING = ("add table inet tracking; add chain inet tracking out { type filter hook output priority 0; }; "
            "add rule inet tracking out ct state established accept")


def stanza(lab, source):
    settings = lab.settings
    return f"""
LoadPlugin egress_nat
<Plugin egress_nat>
  Source "{source}"
  <Gateway "nat">
    PortsPerVM {settings["ports"]}
    TimeWait {settings["time_wait"]}
    ResetTimeout {settings["time_wait"]}
    TransitoryTimeout {settings["transitory"]}
    EstablishedTimeout {settings["established"]}
    Bypass "{sites.CONTROL.address}/32"
  </Gateway>
</Plugin>
"""


@pytest.fixture(name="watched")
def watched_fixture(fresh_lab, start_collectd):
    """A function that makes a lab with both sources at work, and a recorder of all of it."""
    def make(track_time_wait=None, **settings):
        lab = fresh_lab(**settings)
        assert lab.exec("vm", ["nft", TRACKING]).returncode == 0
        if track_time_wait:
            path = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait"
            assert lab.exec("vm", ["/bin/sh", "-c", f"echo {track_time_wait} >{path}"]).returncode == 0
        running = {source: start_collectd(lab, "vm", interval=INTERVAL, body=stanza(lab, source), second=number > 0)
                   for number, source in enumerate(SOURCES)}
        return lab, ground_truth.Recorder(lab, running)
    return make


class Loads:
    """What runs in a lab; all of it ends with the test."""

    def __init__(self, lab):
        self._lab, self._running = lab, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for load in self._running:
            load.terminate()
            load.wait()

    def short(self, destination, rate, seconds, close):
        self._start("short", destination, "--count", max(1, int(rate * seconds)), "--rate", rate, "--close", close)

    def hold(self, destination, count, seconds, rate=None):
        self._start("hold", destination, "--count", count, "--seconds", seconds, *(("--rate", rate) if rate else ()))

    def _start(self, way, destination, *words):
        self._running.append(self._lab.load("vm", way, *destination.split(":"), *words))


def run_phase(name, seconds, steady=False):
    phase = ground_truth.Phase(name, steady)
    time.sleep(seconds)
    phase.over()
    return phase


def measure(recorder, name, phase):
    """A line for one source and phase."""
    pairs = ground_truth.errors(recorder, name, phase)
    assert pairs, f"{name}: no read in the phase `{phase.name}`"
    mean, worst = ground_truth.off(pairs)
    print(f"{name:9} {phase.name:34} {pairs[-1][1]:5} held, {len(pairs):3} reads: "
          f"error mean {mean:.2f} %, worst {worst:.2f} %")


def check(recorder, phases):
    """The goals, after a line for each source and phase, and what counting sockets would have said."""
    for name in SOURCES:
        for phase in phases:
            measure(recorder, name, phase)
    for phase in phases:
        opened, every, held = ground_truth.naive(recorder, phase, BUSY)
        print(f"counting  {phase.name:34} {held:7.1f} held: open sockets {opened:.1f}, with TIME_WAIT {every:.1f}")
    for name in SOURCES:
        wrong = ground_truth.outside(recorder, name)
        assert wrong == [], f"{name}: outside ports_bound (second, low, high, held from, to): {wrong}"
        for phase in phases:
            missed = ground_truth.misses(recorder, name, phase) if phase.steady else []
            assert missed == [], f"{name}, {phase.name}: (estimate, held from, to): {missed}"


def test_64_ports(watched):
    """Closes of every kind, connects that fail, idle connections, a slow rise, exhaustion; TIME_WAIT of 12 s."""
    lab, recorder = watched(ports=64, time_wait=12, transitory=10, established=20)
    lab.break_("inet", "refuse:pay.example.org")
    phases = []
    with recorder, Loads(lab) as loads:
        for rate, close in ((1.4, "client"), (0.8, "server"), (0.5, "reset")):
            loads.short(BUSY, rate, 44, close)
        loads.short(SIBLING, 0.7, 44, "client")
        loads.short(REFUSED, 1, 44, "client")
        loads.hold(OTHER, 45, 60)   # the most at first; idle, so the NAT gives their ports away after 20 s
        phases.append(run_phase("start", 14))
        phases.append(run_phase("idle connections are the most", 4, steady=True))
        recorder.wait_for(lambda: recorder.held(OTHER) == 0, SECONDS, "idle connections lose their ports")
        time.sleep(INTERVAL + 3)
        phases.append(run_phase("closes of every kind", 12, steady=True))
        loads.hold(BUSY, 60, 14, rate=8)
        recorder.wait_for(lambda: recorder.dropped() > 0, SECONDS, "exhaustion")
        time.sleep(INTERVAL)
        phases.append(run_phase("exhausted", 4, steady=True))
    check(recorder, phases)


def test_256_ports(watched):
    """A TIME_WAIT of 6 s, of which the VM's own conntrack keeps but 3; resets by the server, a burst, exhaustion."""
    lab, recorder = watched(ports=256, time_wait=6, transitory=10, track_time_wait=3)
    phases = []
    with recorder, Loads(lab) as loads:
        for rate, close in ((11, "client"), (9, "server"), (5, "reset")):
            loads.short(BUSY, rate, 44, close)
        loads.short(SIBLING, 4, 44, "client")
        phases.append(run_phase("start", 10))
        phases.append(run_phase("closes of every kind", 10, steady=True))
        loads.hold(BUSY, 60, 30)
        time.sleep(2)
        phases.append(run_phase("a burst of 60 held", 3, steady=True))
        local = f"( src = {BUSY} and dst = 192.0.2.1 )"
        assert lab.exec("inet", ["ss", "-HKtn", local]).returncode == 0   # the server resets what is open
        phases.append(run_phase("reset by the server", 4))
        time.sleep(6)
        phases.append(run_phase("afterwards", 4, steady=True))
        loads.hold(BUSY, 200, 14)
        recorder.wait_for(lambda: recorder.dropped() > 0, SECONDS, "exhaustion")
        time.sleep(INTERVAL)
        phases.append(run_phase("exhausted", 4, steady=True))
    check(recorder, phases)


def test_4096_ports(watched):
    """A hundred closes a second, then up to the last port."""
    lab, recorder = watched(ports=4096, time_wait=12, transitory=10)
    phases = []
    with recorder, Loads(lab) as loads:
        for rate, close in ((45, "client"), (35, "server"), (20, "reset")):
            loads.short(BUSY, rate, 120, close)   # past the exhaustion, however busy the machine
        phases.append(run_phase("start", 15))
        phases.append(run_phase("closes of every kind", 10, steady=True))
        loads.hold(BUSY, 3200, 120, rate=400)
        recorder.wait_for(lambda: recorder.dropped() > 0, SECONDS + 30, "exhaustion")
        time.sleep(INTERVAL)
        phases.append(run_phase("exhausted", 4, steady=True))
    check(recorder, phases)


def test_exhaustion_is_foreseen(watched):
    """At half usage the forecast is within 20 % of the first dropped packet; who is hurt shows one interval later."""
    lab, recorder = watched(ports=64, time_wait=12)
    with recorder, Loads(lab) as loads:
        loads.hold(BUSY, 90, 70, rate=1.4)
        recorder.wait_for(lambda: recorder.dropped() > 0, SECONDS + 40, "exhaustion")
        # The dropped SYN is sent again after one second (RFC 6298, 2.1): not before is it seen.
        recorder.wait_for(lambda: all((recorder.latest(name, "stalled_connects") or 0) >= 1 for name in SOURCES),
                          1 + 2 * INTERVAL + 2, "stalled_connects")
    first_drop = next(at for at, _, dropped in recorder.truth if dropped > 0)
    for name in SOURCES:
        half = min(at for at, figures in recorder.figures[name].items() if figures[("ports_used", None)] >= 32)
        foreseen = recorder.figures[name][half].get(("time_to_exhaustion", None))
        left = first_drop - half
        print(f"{name}: at half usage {foreseen} s foreseen, {left:.1f} s it took")
        assert foreseen is not None and abs(foreseen - left) <= 0.2 * left
