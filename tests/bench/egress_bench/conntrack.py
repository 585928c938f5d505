# SPDX-License-Identifier: MIT
"""Part `conntrack`: the table's size and events, and a dump of it, at several sizes of the table."""

import re
import statistics
import subprocess
from pathlib import Path

from . import cpu, report
from .build import run as run_program
from .discard import Discard
from .errors import BenchError
from .gate import GatedCollectd, accepts

_LEVELS = (0, 10000, 100000)
_MAXIMUM = Path("/proc/sys/net/netfilter/nf_conntrack_max")
# Entries are tracked, and the table is there to be asked for, only where a rule looks at them.
_RULES = """
table inet egress_bench {
  chain input {
    type filter hook input priority 0;
    ct state established,related accept
  }
}
"""
_REPETITIONS = 200
_STATS = "GET_STATS"
_STATS_CPU = "GET_STATS_CPU"
_PLUGIN = "egress_netlink"
_FLOOR = "receive and discard the dump"
_STATES = "egress_netlink, ConntrackStates"
_LIBRARY = "libnetfilter_conntrack"
_COMMAND = "conntrack -L"
# How much dearer a request may be with a full table and still count as independent of it; one that walked the table
# would be dearer a hundred times.
_INDEPENDENT = 1.5


def add_options(parser):
    del parser


def run(build, given):
    states = accepts(build, _PLUGIN, _stanza(True))
    run_program(["ip", "link", "set", "lo", "up"])
    run_program(["nft", "-f", "-"], input=_RULES)
    _check_maximum()
    levels = []
    filled = 0
    for entries in _LEVELS:
        report.say(f"{entries} conntrack entries: making them, then {given.rounds} rounds")
        run_program([build.program("fill_conntrack"), str(filled), str(entries - filled)])
        filled = entries
        levels.append(_level(build, entries, states, given.rounds, levels[0] if levels else None))
    return {"levels": levels}


def _check_maximum():
    # A namespace cannot raise it, and the host's is not ours to change.
    maximum = int(_MAXIMUM.read_text(encoding="ascii"))
    if maximum < _LEVELS[-1]:
        raise BenchError(f"{_MAXIMUM} is {maximum}: {_LEVELS[-1]} entries are wanted; raise it on the host")


def _level(build, entries, states, rounds, empty):
    readers = _readers(build, states)
    try:
        samples = report.rounds(readers, rounds)
        for reader in readers:
            reader.check(entries)
        return _figures(entries, readers, samples, empty)
    finally:
        for reader in readers:
            reader.stop()


def _readers(build, states):
    readers = [Requests(build, _STATS, "conntrack-stats"), Requests(build, _STATS_CPU, "conntrack-stats-cpu"),
               Plugin(build, _PLUGIN, _stanza(None)), Dump(build, _FLOOR, "conntrack-dump")]
    if states:
        readers.append(PluginWithStates(build, _STATES, _stanza(True)))
    return [*readers, Library(build), Command()]


def _stanza(states):
    line = f"  ConntrackStates {str(states).lower()}\n" if states is not None else ""
    return f"<Plugin {_PLUGIN}>\n{line}</Plugin>\n"


class _Reader:
    def memory_growth(self):
        return None

    def stop(self):
        pass


class Requests(_Reader):
    """A small request, many times over: the median of them."""

    def __init__(self, build, name, request):
        self.name = name
        self._argv = [build.program("receive_discard"), request]

    def read(self):
        lines = run_program([*self._argv, str(_REPETITIONS)]).splitlines()
        return statistics.median(int(line.split()[0]) for line in lines) / 1e9

    def check(self, entries):
        del entries
        if int(run_program([*self._argv, "--count"]).split()[1]) < 1:
            raise BenchError(f"{self.name}: the kernel gave no answer")


class Dump(Discard):
    """The dump of the table, not looked at."""

    def check(self, entries):
        self.expect(entries)


class Plugin(GatedCollectd):
    """egress_netlink, which reads the few sockets that there are, and conntrack."""

    def __init__(self, build, name, stanza):
        super().__init__(build, name, _PLUGIN, stanza)

    def check(self, entries):
        name = f"{_PLUGIN}-conntrack/conntrack-entries"
        found = self.values([name])[name]
        if found is None:
            raise BenchError(f"{self.name}: collectd has no value {name}: {self.complaint()}")
        _expect(self.name, int(found), entries)


class PluginWithStates(Plugin):
    """The same with a dump of the table, counted by protocol and state."""

    def check(self, entries):
        super().check(entries)
        prefix = f"{_PLUGIN}-conntrack/conntrack_states-"
        found = self.values(self.identifiers(prefix))
        _expect(f"{self.name} (all states)", sum(int(value) for value in found.values()), entries)
        for words, expected in _expected_states(entries).items():
            seen = sum(int(value) for name, value in found.items()
                       if name.removeprefix(prefix).lower().startswith(words))
            _expect(f"{self.name} ({words})", seen, expected)


class Library(_Reader):
    """A program that counts with libnetfilter_conntrack; its dump, without its start."""

    name = _LIBRARY

    def __init__(self, build):
        self._program = build.program("parse_conntrack")
        self._seen = []

    def read(self):
        nanoseconds, *self._seen = (int(word) for word in run_program([self._program]).split())
        return nanoseconds / 1e9

    def check(self, entries):
        _expect(self.name, self._seen, [entries, *_expected_states(entries).values()])


class Command(_Reader):
    """`conntrack -L`, from its start to its end."""

    name = _COMMAND

    def read(self):
        return cpu.of_command(["conntrack", "-L"])

    def check(self, entries):
        result = subprocess.run(["conntrack", "-L"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                check=True)
        found = re.search(r"(\d+) flow entries have been shown", result.stderr)
        if found is None:
            raise BenchError(f"{self.name} did not say how many entries it has shown: {result.stderr.strip()}")
        _expect(self.name, int(found[1]), entries)


def _expect(name, seen, expected):
    if seen != expected:
        raise BenchError(f"{name} saw {seen} entries, there are {expected}")


def _expected_states(entries):
    """As fill_conntrack makes them: by number modulo 4."""
    whole, rest = divmod(entries, 4)
    return {"tcp_established": 2 * whole + min(rest, 2), "tcp_time_wait": whole + (rest == 3), "udp": whole}


def _figures(entries, readers, samples, empty):
    medians = {reader.name: report.median(samples, reader.name) for reader in readers}
    growth = {reader.name: reader.memory_growth() for reader in readers}
    goals = []
    if empty is not None:
        goals += [report.Goal(f"{name}: x that with an empty table",
                              medians[name] / empty["median_seconds"][name], _INDEPENDENT)
                  for name in (_STATS, _STATS_CPU)]
    if empty is not None and _STATES in medians:
        goals += [report.Goal(f"ConntrackStates: x {_LIBRARY}", report.ratio(samples, _STATES, _LIBRARY), 1.0),
                  report.Goal(f"ConntrackStates: x {_COMMAND}", report.ratio(samples, _STATES, _COMMAND), 0.5)]
    rows = [[name, report.milliseconds(value), f"{report.ratio(samples, name, _FLOOR):.2f}",
             report.mebibytes(growth[name])] for name, value in medians.items()]
    report.table(f"{entries} conntrack entries, medians of {len(samples[_STATS])} rounds",
                 ["one read", "CPU ms", "x dump", "memory +MiB"], rows)
    report.goals(goals)
    return {"entries": entries, "cpu_seconds": samples, "median_seconds": medians, "memory_growth_bytes": growth,
            "goals": [goal.record() for goal in goals]}
