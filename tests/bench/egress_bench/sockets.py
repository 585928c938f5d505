# SPDX-License-Identifier: MIT
"""Part `sockets`: one read of all TCP sockets, at several numbers of them."""

import argparse

from . import report
from .gate import accepts
from .population import Population, groups
from .readers import Baseline, EgressNetlink, NodeExporter, SocketDiscard, SocketStatistics, TcpConns, stanza

_LEVELS = [1000, 10000, 100000, 400000]
_LEVEL_MAX = 2000000
_FLOOR = "receive and discard, one request"
_FLOOR_INFO = "  the same with tcp_info"
_FLOOR_MODERN = "  the same, a request a family"
_TEN = "egress_netlink, 10 groups"
_FIFTY = "egress_netlink, 50 groups"
_LATENCY = "egress_netlink, 10 groups, Latency"
_LATENCY_STATES = (False, True)
_GROWTH_LIMIT = 8 << 20


def add_options(parser):
    parser.add_argument("--levels", type=_levels, default=_LEVELS, metavar="N,N...",
                        help="part sockets: numbers of sockets (1000,10000,100000,400000)")


def _levels(text):
    levels = sorted({int(word) for word in text.split(",")})
    if levels[0] < 100 or levels[-1] > _LEVEL_MAX:
        raise argparse.ArgumentTypeError(f"expected numbers from 100 to {_LEVEL_MAX}")
    return levels


def run(build, given):
    latency = _latency_options(build)
    population = Population(build)
    exporter = NodeExporter(population)
    try:
        return {"levels": [_level(build, population, exporter, level, latency, given.rounds)
                           for level in given.levels]}
    finally:
        exporter.stop()
        population.stop()


def _latency_options(build):
    """The lines that switch Latency off and on; none where the plugin has no such option yet."""
    if accepts(build, "egress_netlink", stanza(groups(10), "Latency true")):
        return {state: [f"Latency {str(state).lower()}"] for state in _LATENCY_STATES}
    return {False: []}


def _level(build, population, exporter, level, latency, rounds):
    report.say(f"{level} sockets: opening them")
    population.grow(level)
    report.say(f"{level} sockets: {rounds} rounds")
    readers = _readers(build, exporter, latency)
    try:
        samples = report.rounds(readers, rounds)
        for reader in readers:
            reader.check(population)
        return _figures(population, readers, samples, level)
    finally:
        for reader in readers:
            if reader is not exporter:
                reader.stop()


def _readers(build, exporter, latency):
    readers = [SocketDiscard(build, _FLOOR, "tcp-legacy"), SocketDiscard(build, _FLOOR_INFO, "tcp-legacy-info"),
               SocketDiscard(build, _FLOOR_MODERN, "tcp-by-family"), Baseline(build),
               EgressNetlink(build, _TEN, groups(10), *latency[False]),
               EgressNetlink(build, _FIFTY, groups(50), *latency[False])]
    if True in latency:
        readers.append(EgressNetlink(build, _LATENCY, groups(10), *latency[True]))
    return [*readers, TcpConns(build), SocketStatistics(), exporter]


def _figures(population, readers, samples, level):
    by_name = {reader.name: reader for reader in readers}
    raw = {name: list(values) for name, values in samples.items()}
    baseline = next(name for name, reader in by_name.items() if isinstance(reader, Baseline))
    idle = report.median(samples, baseline)
    report.subtract(samples, [name for name in (_TEN, _FIFTY, _LATENCY, "collectd tcpconns") if name in samples], idle)
    growth = {name: reader.memory_growth() for name, reader in by_name.items()}
    goals = _goals(samples, growth)
    rows = [[name, report.milliseconds(report.median(samples, name)), f"{report.ratio(samples, name, _FLOOR):.2f}",
             report.mebibytes(growth[name])] for name in by_name]
    report.table(f"{population.states().total()} TCP sockets in {population.processes} processes, "
                 f"medians of {len(samples[_FLOOR])} rounds",
                 ["one read", "CPU ms", "x floor", "memory +MiB"], rows)
    report.goals(goals)
    return {
        "level": level, "sockets": population.states().total(), "states": population.states(),
        "cpu_seconds": raw, "baseline_seconds": idle, "memory_growth_bytes": growth,
        "process_cpu_seconds": {name: reader.process_seconds for name, reader in by_name.items()
                                if hasattr(reader, "process_seconds")},
        "ratio_to_floor": {name: report.ratio(samples, name, _FLOOR) for name in by_name},
        "goals": [goal.record() for goal in goals],
    }


def _goals(samples, growth):
    exporter, statistics = NodeExporter.name, SocketStatistics.name
    return [
        report.Goal("10 groups: x receive and discard", report.ratio(samples, _TEN, _FLOOR), 1.10),
        report.Goal("10 groups: x collectd tcpconns", report.ratio(samples, _TEN, "collectd tcpconns"), 1.0),
        report.Goal("10 groups: x ss -Htan", report.ratio(samples, _TEN, statistics), 1 / 3),
        report.Goal("10 groups: x node_exporter", report.ratio(samples, _TEN, exporter), 1 / 3),
        report.Goal("10 groups: growth of resident memory", growth[_TEN] / (1 << 20), _GROWTH_LIMIT / (1 << 20),
                    " MiB"),
    ]
