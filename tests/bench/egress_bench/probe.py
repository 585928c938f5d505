# SPDX-License-Identifier: MIT
"""Part `probe`: one HTTP or HTTPS probe through a proxy, beside blackbox_exporter and a curl process a probe."""

import statistics
import time

from . import report
from .errors import BenchError
from .origin import URLS, Origin
from .probers import BlackboxExporter, EgressProbe, curl_seconds, floor_seconds

# Targets, and the interval at which they are probed.
_LEVELS = {10: 0.5, 100: 2, 1000: 10}
_MOST = 1000
_ROUNDS = 3
# More would tell no more: each one costs up to 60 ms.
_CURL_MOST = 60
_BLACKBOX_MOST = 500
_FLOOR_PROBES = 500
_CA_FILES = 16
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
        figures = {"levels": [_level(build, origin, scheme, count, bundle, files)
                              for scheme in URLS for count in _LEVELS]}
        figures["flat"] = _flat(build, origin, given.flat)
        return figures
    finally:
        origin.stop()


# --- One scheme, so many targets ---------------------------------------------------------------------------------

def _level(build, origin, scheme, count, bundle, files):
    url = URLS[scheme]
    ours = {"egress_probe": _ours(build, origin, url, count, [bundle])}
    if scheme == "https":
        ours[f"egress_probe, {_CA_FILES} CA files"] = _ours(build, origin, url, count, files)
    blackbox = _blackbox(build, url, count, bundle)
    report.say(f"{url}, {count} targets: curl")
    curl = statistics.median(curl_seconds(f"{url}/curl", bundle) for _ in range(min(count, _CURL_MOST)))
    floor = floor_seconds(build, bundle, _FLOOR_PROBES) if scheme == "https" else None
    _table(scheme, count, ours, blackbox, curl, floor)
    goals = _goals(scheme, count, ours, blackbox["cpu"], curl, floor)
    report.goals(goals)
    return {"scheme": scheme, "targets": count, "egress_probe": ours, "blackbox_exporter": blackbox,
            "curl_cpu": curl, "floor_cpu": floor, "goals": [goal.record() for goal in goals]}


def _table(scheme, count, ours, blackbox, curl, floor):
    rows = []
    for name, figures in ours.items():
        rows.append([name, report.milliseconds(figures["cpu"]), report.mebibytes(figures["memory"])])
        rows.append(["  its own thread", report.milliseconds(figures["engine_cpu"]), "-"])
    rows.append(["blackbox_exporter", report.milliseconds(blackbox["cpu"]), report.mebibytes(blackbox["memory"])])
    rows.append(["a curl process", report.milliseconds(curl), "-"])
    if floor is not None:
        rows.append(["OpenSSL by hand", report.milliseconds(floor), "-"])
    report.table(f"{scheme} through a proxy, {count} targets", ["one probe", "CPU ms", "resident MiB"], rows)


def _goals(scheme, count, ours, blackbox, curl, floor):
    """Of the whole collectd, which hands on some 45 values a target besides, and of the probing as such."""
    goals = []
    for name, figures in ours.items():
        for who, seconds in ((name, figures["cpu"]), (f"{name}, its own thread", figures["engine_cpu"])):
            if scheme == "http":
                goals += [report.Goal(f"{who}: x blackbox_exporter", seconds / blackbox, 1 / 4),
                          report.Goal(f"{who}: x curl", seconds / curl, 1 / 30)]
            else:
                goals += [report.Goal(f"{who}: x blackbox_exporter", seconds / blackbox, 1.0),
                          report.Goal(f"{who}: x curl", seconds / curl, 1 / 10),
                          report.Goal(f"{who}: x OpenSSL by hand", seconds / floor, 1.25)]
        if count == _MOST:
            goals.append(report.Goal(f"{name}: share of a core, every {_LEVELS[count]} s", figures["share"],
                                     0.05 if scheme == "http" else 0.25))
        goals.append(report.Goal(f"{name}: rounds that a target has missed", figures["missed"], 0))
    return goals


def _ours(build, origin, url, count, authorities):
    """CPU seconds a probe, of the whole collectd with its reading of the values, and of the plugin's thread alone."""
    interval = _LEVELS[count]
    rounds = max(_ROUNDS, int(20 / interval))
    report.say(f"{url}, {count} targets, CA files: {len(authorities)}: egress_probe, {rounds} rounds")
    prober = EgressProbe(build, url, count, interval, authorities)
    try:
        _wait_until_up(prober, interval)
        early = origin.requests()
        seconds, engine, begun = prober.cpu_seconds(), prober.engine_seconds(), time.monotonic()
        time.sleep(rounds * interval)
        window = time.monotonic() - begun
        seconds, engine = prober.cpu_seconds() - seconds, prober.engine_seconds() - engine
        made = origin.requests() - early
        if not prober.all_up():
            raise BenchError(f"egress_probe has failing probes: {prober.log()}")
        probes = sum(made[f"/{number}"] for number in range(count))
        # Whatever the moment of the first look and of the last one, all rounds but one lie between them.
        missed = max(0, rounds - 1 - min(made[f"/{number}"] for number in range(count)))
        return {"cpu": seconds / probes, "engine_cpu": engine / probes, "share": seconds / window, "missed": missed,
                "memory": prober.memory(), "descriptors": prober.descriptors(), "probes": probes}
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


def _blackbox(build, url, count, bundle):
    probes = min(count, _BLACKBOX_MOST) if count > 10 else 100
    report.say(f"{url}, {count} targets: blackbox_exporter, {probes} probes")
    prober = BlackboxExporter(build, bundle)
    try:
        for _ in range(10):
            prober.probe(f"{url}/warm")
        begun = prober.cpu_seconds()
        for _ in range(probes):
            prober.probe(f"{url}/blackbox")
        return {"cpu": (prober.cpu_seconds() - begun) / probes, "memory": prober.memory(), "probes": probes}
    finally:
        prober.stop()


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
