# SPDX-License-Identifier: MIT
"""Part `nat`: close events, the model alone, and a read with many destinations."""

import statistics
import subprocess
import time

from . import cpu, report
from .build import run as run_program
from .errors import BenchError
from .gate import GatedCollectd

_CLIENT, _SERVER = "10.0.0.1", "198.51.0.1"
# The goals are for this many events a second; a connection closes at both ends.
_RATE = 8000
# Both ends of a connection: neither takes the gateway.
_BYPASS = "198.51.0.0/16"
_SECONDS = 6
_FLOOD = 120000
_DESTINATIONS = 100000
_A_PROCESS = 10000
_MODEL_EVENTS = 20000000
_MODEL_SIZES = ((1000, 100000), (100000, 1000000))   # destinations, ports held
_TRACKING = """
table inet egress_bench {
  chain input {
    type filter hook input priority 0;
    ct state established,related accept
  }
}
"""
_STANZA = """<Plugin egress_nat>
  Source "sockets"
  TopDestinations 10
  <Gateway "nat">
    PortsPerVM 4096
    TimeWait 30
  </Gateway>
</Plugin>
"""
_NAIVE = "ss -Htan | sort | uniq -c"


def add_options(parser):
    del parser


def run(build, given):
    run_program(["ip", "link", "set", "lo", "up"])
    run_program(["ip", "address", "add", f"{_CLIENT}/32", "dev", "lo"])
    # Every address of the network is this machine's, without being one that getifaddrs() shows: so it counts as remote.
    run_program(["ip", "route", "add", "local", "198.51.0.0/16", "dev", "lo"])
    with open("/proc/sys/net/ipv4/tcp_max_tw_buckets", "w", encoding="ascii") as file:
        file.write("1000000\n")
    return {"events": _events(build), "model": _model(build), "read": _read(build, given.rounds)}


class _Taker:
    """A receiver of close events: events, lost, CPU seconds, ports held."""

    def __init__(self, build, *words):
        self._child = subprocess.Popen([build.program("take_closes"), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True)
        if self._child.stdout.readline() != "ready\n":
            raise BenchError("take_closes has failed; its complaint is above")

    def stop(self):
        time.sleep(0.2)
        self._child.stdin.close()
        words = self._child.stdout.readline().split()
        self._child.wait()
        received, lost, nanoseconds, held = (int(word) for word in words)
        return received, lost, nanoseconds / 1e9, held


def _close(build, connections, rate):
    words = run_program([build.program("make_closes"), _CLIENT, _SERVER, str(connections), str(rate)]).split()
    return float(words[1])


def _events(build):
    report.say(f"close events: {_RATE} a second for {_SECONDS} s, then {2 * _FLOOD} at once")
    rows, figures = [], {}
    for name, connections, rate in (("steady", _RATE // 2 * _SECONDS, _RATE // 2), ("flood", _FLOOD, 0)):
        taker = _Taker(build)
        seconds = _close(build, connections, rate)
        received, lost, spent, held = taker.stop()
        figures[name] = {"events": received, "lost": lost, "cpu_seconds": spent, "seconds": seconds, "held": held}
        if received + lost < 2 * connections:
            raise BenchError(f"{received} events received and {lost} lost, of {2 * connections}")
        rows.append([f"egress_nat's reader, {name}", f"{received / seconds:.0f}", f"{1e6 * spent / received:.2f}",
                     str(lost), f"{100 * spent / seconds:.1f}"])
    for name, words in (("without", ()), ("with", ("filter",))):
        taker = _Taker(build, _BYPASS, *words)
        seconds = _close(build, _RATE // 2 * _SECONDS, _RATE // 2)
        received, lost, spent, _ = taker.stop()
        if (received + lost == 0) != (name == "with"):
            raise BenchError(f"{received} events received and {lost} lost of connections that bypass, {name} a filter")
        figures[f"bypass, {name} filter"] = {"events": received, "cpu_seconds": spent, "seconds": seconds}
        rows.append([f"the same, all bypass, {name} filter", f"{received / seconds:.0f}", "-", str(lost),
                     f"{100 * spent / seconds:.1f}"])
    watched = _watch(build)
    figures["conntrack -E"] = watched
    rows.append(["conntrack -E", f"{watched['events'] / watched['seconds']:.0f}",
                 f"{1e6 * watched['cpu_seconds'] / watched['events']:.2f}", "-",
                 f"{100 * watched['cpu_seconds'] / watched['seconds']:.1f}"])
    report.table("Events of closing connections, to the end", ["", "events/s", "CPU us each", "lost", "% of a core"], rows)
    steady, flood = figures["steady"], figures["flood"]
    goals = [report.Goal(f"CPU of the reader at {_RATE} events a second", 1e6 * steady["cpu_seconds"] / steady["events"],
                         2.0, " us"),
             report.Goal("events lost in the flood", flood["lost"], 0),
             report.Goal("CPU where all bypass: with the filter x without",
                         figures["bypass, with filter"]["cpu_seconds"] / figures["bypass, without filter"]["cpu_seconds"],
                         0.25),
             report.Goal("CPU for a second's events: x that of conntrack -E",
                         steady["cpu_seconds"] / steady["seconds"] / (watched["cpu_seconds"] / watched["seconds"]), 1.0)]
    report.goals(goals)
    return {**figures, "goals": [goal.record() for goal in goals]}


def _watch(build):
    """`conntrack -E` on the same connections: of each it prints every change, not the close alone."""
    run_program(["nft", "-f", "-"], input=_TRACKING)
    with subprocess.Popen(["conntrack", "-E", "-p", "tcp", "-b", "33554432"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as child:
        counter = subprocess.Popen(["wc", "-l"], stdin=child.stdout, stdout=subprocess.PIPE, text=True)
        child.stdout.close()
        time.sleep(0.5)
        before = cpu.process_clock(child.pid)
        seconds = _close(build, _RATE // 2 * _SECONDS, _RATE // 2)
        time.sleep(0.5)
        spent = cpu.process_clock(child.pid) - before
        child.terminate()
        events = int(counter.communicate()[0])
    run_program(["nft", "delete", "table", "inet", "egress_bench"])
    if events < _RATE // 2 * _SECONDS:
        raise BenchError(f"conntrack -E printed {events} events of {_RATE // 2 * _SECONDS} connections")
    return {"events": events, "cpu_seconds": spent, "seconds": seconds}


def _model(build):
    report.say(f"the model alone: {_MODEL_EVENTS} events")
    rows, figures, goals = [], [], []
    for destinations, held in _MODEL_SIZES:
        words = run_program([build.program("feed_model"), str(_MODEL_EVENTS), str(destinations), str(held)]).split()
        rate = int(words[0]) / (int(words[1]) / 1e9)
        rows.append([f"{destinations} destinations, {held} ports held", f"{rate / 1e6:.1f}", f"{1e9 / rate:.0f}"])
        figures.append({"destinations": destinations, "held": held, "events_per_second": rate})
        goals.append(report.Goal(f"ns an event, {held} held", 1e9 / rate, 1e9 / 5e6, " ns"))
    report.table("The model alone, reads every 10 s of its clock included", ["", "million events/s", "ns each"], rows)
    report.goals(goals)
    return {"sizes": figures, "goals": [goal.record() for goal in goals]}


class _Naive:
    """Counting sockets with what is at hand."""

    name = _NAIVE

    def read(self):
        return cpu.of_command(["/bin/sh", "-c", _NAIVE])

    def memory_growth(self):
        return None

    def stop(self):
        pass


def _read(build, rounds):
    report.say(f"{_DESTINATIONS} destinations: opening them, then {rounds} rounds")
    holders = [_hold(build, first) for first in range(0, _DESTINATIONS, _A_PROCESS)]
    readers = []
    try:
        readers = [GatedCollectd(build, "egress_nat", "egress_nat", _STANZA), _Naive()]
        samples = report.rounds(readers, rounds)
        _check(readers[0])
        return _read_figures(readers, samples)
    finally:
        for reader in readers:
            reader.stop()
        for holder in holders:
            holder.stdin.close()
        for holder in holders:
            holder.wait()


def _hold(build, first):
    child = subprocess.Popen([build.program("hold_destinations"), str(first), str(_A_PROCESS)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    if child.stdout.readline() != "ready\n":
        raise BenchError("hold_destinations has failed; its complaint is above")
    return child


def _check(reader):
    name = "egress_nat-nat:tcp/ports_used"
    found = reader.values([name])[name]
    if found is None or found < 1:
        raise BenchError(f"egress_nat has counted no destination: {name} is {found}: {reader.complaint()}")


def _read_figures(readers, samples):
    rows = [[reader.name, report.milliseconds(report.median(samples, reader.name)),
             report.mebibytes(reader.memory_growth())] for reader in readers]
    growth = readers[0].memory_growth()
    goals = [report.Goal(f"a read: x {_NAIVE}", report.ratio(samples, "egress_nat", _NAIVE), 1 / 3),
             report.Goal("growth of resident memory", growth / (1 << 20), 64, " MiB")]
    report.table(f"One read with a connection to each of {_DESTINATIONS} destinations",
                 ["", "CPU ms", "memory +MiB"], rows)
    report.goals(goals)
    return {"cpu_seconds": samples, "memory_growth_bytes": growth,
            "median_seconds": {name: statistics.median(values) for name, values in samples.items()},
            "goals": [goal.record() for goal in goals]}
