# SPDX-License-Identifier: MIT
"""Part `probe`: one HTTP or HTTPS probe through a proxy, beside blackbox_exporter, a curl process a probe, and OpenSSL
by hand.

All probe the same targets at the same interval. egress_probe chooses the starts itself; the others are asked at even
distances, as Prometheus asks. What a probe costs depends on it: a processor that has slept between two probes has
forgotten much of what they need. So the table also says what a probe of theirs costs without any pause and, of OpenSSL
by hand, in the groups of egress_probe; the goals do not.

A machine that others use is faster at one time than at another. All take turns, some times, and what is compared is
the sum."""

import statistics
import time
from dataclasses import dataclass, field

from . import report
from .errors import BenchError
from .origin import URLS, Origin
from .probers import BlackboxExporter, EgressProbe, Pace, curl_seconds, floor_seconds

# Targets, and the interval at which they are probed.
_LEVELS = {10: 0.5, 100: 2, 1000: 10}
_MOST = 1000
_TURNS = 2
# Of egress_probe in a turn.
_ROUNDS = 3
_SECONDS = 10
# Probes in a turn. More of curl would tell no more: each one costs up to 60 ms.
_BLACKBOX_PROBES = 200
_CURL_PROBES = 40
_FLOOR_PROBES = 320
_CA_FILES = 16
# plugins/probe/schedule.h: SCHEDULE_GROUP.
_GROUP = 16
# collectd queues all values of a reading: with many targets its queue's highest mark is what grows.
_FLAT_TARGETS = 200
_FLAT_INTERVAL = 0.4
_FLAT_GROWTH_LIMIT = 1 << 20


def add_options(parser):
    parser.add_argument("--flat", type=int, default=100000, metavar="PROBES",
                        help="part probe: probes over which memory and descriptors must stay (100000)")


def run(build, given):
    origin = Origin(build)
    try:
        bundle, *files = origin.bundles(1 + _CA_FILES)
        figures = {"levels": [_level(Level(build, origin, scheme, count, bundle, files))
                              for scheme in URLS for count in _LEVELS]}
        figures["flat"] = _flat(build, origin, given.flat)
        return figures
    finally:
        origin.stop()


# --- One scheme, so many targets ---------------------------------------------------------------------------------

@dataclass
class Level:
    """What is probed, and with which authorities."""

    build: object
    origin: object
    scheme: str
    count: int
    bundle: object
    files: list

    @property
    def url(self):
        return URLS[self.scheme]

    @property
    def interval(self):
        return _LEVELS[self.count]

    @property
    def pace(self):
        """Even distances."""
        return Pace(1, self.interval / self.count)

    def say(self, what):
        report.say(f"{self.url}, {self.count} targets: {what}")


@dataclass
class Cost:
    """What the probes of one prober have cost in all turns."""

    probes: int = 0
    seconds: float = 0
    engine_seconds: float = 0
    window: float = 0
    missed: int = 0
    memory: int | None = None
    each: list = field(default_factory=list)

    @property
    def cpu(self):
        """CPU seconds a probe. A process of its own for each has some that the machine held up: hence the median."""
        return statistics.median(self.each) if self.each else self.seconds / self.probes

    @property
    def engine_cpu(self):
        """Of egress_probe's own thread; None of the others."""
        return self.engine_seconds / self.probes if self.engine_seconds else None

    @property
    def share(self):
        """Of a core."""
        return self.seconds / self.window

    def record(self):
        return {"cpu": self.cpu, "engine_cpu": self.engine_cpu, "memory": self.memory,
                "missed": self.missed, "probes": self.probes or len(self.each)}


_PAUSES, _NO_PAUSES, _OUR_GROUPS = "", ", without pauses", ", in egress_probe's groups"


def _level(level):
    ours = {"egress_probe": [level.bundle]}
    if level.scheme == "https":
        ours[f"egress_probe, {_CA_FILES} CA files"] = level.files
    costs = {}
    for _ in range(_TURNS):
        for name, authorities in ours.items():
            _add_ours(level, authorities, costs.setdefault(name, Cost()))
        for kind, pace in ((_PAUSES, level.pace), (_NO_PAUSES, Pace(1, 0))):
            _add_blackbox(level, pace, costs.setdefault(f"blackbox_exporter{kind}", Cost()))
            _add_curl(level, pace, costs.setdefault(f"a curl process{kind}", Cost()))
        if level.scheme == "https":
            group = min(_GROUP, level.count)
            ours_pace = Pace(group, group * level.interval / level.count)
            for kind, pace in ((_PAUSES, level.pace), (_NO_PAUSES, Pace(1, 0)), (_OUR_GROUPS, ours_pace)):
                _add_floor(level, pace, costs.setdefault(f"OpenSSL by hand{kind}", Cost()))
    _table(level, costs)
    goals = _goals(level, costs, ours)
    report.goals(goals)
    return {"scheme": level.scheme, "targets": level.count, "goals": [goal.record() for goal in goals],
            "probers": {name: cost.record() for name, cost in costs.items()}}


def _table(level, costs):
    rows = []
    for name, cost in costs.items():
        rows.append([name, report.milliseconds(cost.cpu), report.mebibytes(cost.memory)])
        if cost.engine_cpu:
            rows.append(["  its own thread", report.milliseconds(cost.engine_cpu), "-"])
    report.table(f"{level.scheme} through a proxy, {level.count} targets every {level.interval} s",
                 ["one probe", "CPU ms", "resident MiB"], rows)


def _goals(level, costs, ours):
    """Of the whole collectd, which hands on some 45 values a target besides, and of the probing as such."""
    limits = {"blackbox_exporter": 1 / 4, "a curl process": 1 / 30}
    if level.scheme == "https":
        limits = {"blackbox_exporter": 1, "a curl process": 1 / 10, "OpenSSL by hand": 1.25}
    goals = []
    for name in ours:
        cost = costs[name]
        for who, seconds in ((name, cost.cpu), (f"{name}, its own thread", cost.engine_cpu)):
            goals += [report.Goal(f"{who}: x {peer}", seconds / costs[peer].cpu, limit)
                      for peer, limit in limits.items()]
        if level.count == _MOST:
            goals.append(report.Goal(f"{name}: share of a core, every {level.interval} s", cost.share,
                                     0.05 if level.scheme == "http" else 0.25))
        goals.append(report.Goal(f"{name}: rounds that a target has missed", cost.missed, 0))
    return goals


def _add_ours(level, authorities, cost):
    """CPU seconds of the whole collectd with its reading of the values, and of the plugin's thread alone."""
    interval = level.interval
    rounds = max(_ROUNDS, int(_SECONDS / interval))
    level.say(f"egress_probe, CA files: {len(authorities)}, {rounds} rounds")
    prober = EgressProbe(level.build, level.url, level.count, interval, authorities)
    try:
        _wait_until_up(prober, interval)
        early = level.origin.requests()
        seconds, engine, begun = prober.cpu_seconds(), prober.engine_seconds(), time.monotonic()
        time.sleep(rounds * interval)
        cost.window += time.monotonic() - begun
        cost.seconds += prober.cpu_seconds() - seconds
        cost.engine_seconds += prober.engine_seconds() - engine
        made = level.origin.requests() - early
        if not prober.all_up():
            raise BenchError(f"egress_probe has failing probes: {prober.log()}")
        each = [made[f"/{number}"] for number in range(level.count)]
        cost.probes += sum(each)
        # Whatever the moment of the first look and of the last one, all rounds but one lie between them.
        cost.missed += max(0, rounds - 1 - min(each))
        cost.memory = max(cost.memory or 0, prober.memory())
    finally:
        prober.stop()


def _wait_until_up(prober, interval):
    """All are good, and then a round more: what is done once, such as parsing CA files, is done."""
    deadline = time.monotonic() + 60 + 4 * interval
    while True:
        time.sleep(interval)
        if prober.child.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"egress_probe has no good round: {prober.log()}")
        try:
            if prober.all_up():
                time.sleep(interval)
                return
        except (ConnectionRefusedError, FileNotFoundError):
            continue


def _add_blackbox(level, pace, cost):
    level.say(f"blackbox_exporter, {_BLACKBOX_PROBES} probes, {pace}")
    prober = BlackboxExporter(level.build, level.bundle)
    try:
        for _ in range(10):
            prober.probe(f"{level.url}/warm")
        begun = prober.cpu_seconds()
        for _ in pace.starts(_BLACKBOX_PROBES):
            prober.probe(f"{level.url}/blackbox")
        cost.seconds += prober.cpu_seconds() - begun
        cost.probes += _BLACKBOX_PROBES
        cost.memory = max(cost.memory or 0, prober.memory())
    finally:
        prober.stop()


def _add_curl(level, pace, cost):
    level.say(f"curl, {_CURL_PROBES} probes, {pace}")
    cost.each += [curl_seconds(f"{level.url}/curl", level.bundle) for _ in pace.starts(_CURL_PROBES)]


def _add_floor(level, pace, cost):
    level.say(f"OpenSSL by hand, {_FLOOR_PROBES} probes, {pace}")
    cost.seconds += floor_seconds(level.build, level.bundle, _FLOOR_PROBES, pace)
    cost.probes += _FLOOR_PROBES


# --- Many probes ----------------------------------------------------------------------------------------------------

def _flat(build, origin, probes):
    """Memory and descriptors after a quarter of the probes, when all heaps are as large as they get, and after all."""
    report.say(f"{probes} probes in a row, {_FLAT_TARGETS} targets every {_FLAT_INTERVAL} s")
    prober = EgressProbe(build, URLS["http"], _FLAT_TARGETS, _FLAT_INTERVAL)
    try:
        _wait_until_up(prober, _FLAT_INTERVAL)
        start = sum(origin.requests().values())
        _wait_for_probes(prober, origin, start + probes // 4, probes)
        before = {"memory": prober.memory(), "descriptors": prober.descriptors()}
        _wait_for_probes(prober, origin, start + probes, probes)
        after = {"memory": prober.memory(), "descriptors": prober.descriptors()}
    finally:
        prober.stop()
    goals = [report.Goal("growth of memory", (after["memory"] - before["memory"]) / (1 << 20),
                         _FLAT_GROWTH_LIMIT / (1 << 20), " MiB"),
             # Probes that are under way have theirs; a leak would be of thousands.
             report.Goal("growth of descriptors", after["descriptors"] - before["descriptors"], 100)]
    report.table(f"{probes} probes", ["", "resident MiB", "descriptors"],
                 [[text, report.mebibytes(at["memory"]), str(at["descriptors"])]
                  for text, at in (("after a quarter", before), ("after all", after))])
    report.goals(goals)
    return {"probes": probes, "before": before, "after": after, "goals": [goal.record() for goal in goals]}


def _wait_for_probes(prober, origin, count, probes):
    deadline = time.monotonic() + 120 + 4 * probes * _FLAT_INTERVAL / _FLAT_TARGETS
    while sum(origin.requests().values()) < count:
        if prober.child.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"egress_probe did not make {probes} probes: {prober.log()}")
