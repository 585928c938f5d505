# SPDX-License-Identifier: MIT
"""Watches the NAT's own sets and the plugins' figures side by side, and compares them second by second."""

import re
import statistics
import threading
import time

_SAMPLE = re.compile(r'collectd_egress_nat_(\w+)\{([^}]*)\} (\S+) (\d+)')
_LABEL = re.compile(r'(\w+)="([^"]*)"')
# A figure is compared with what the NAT held within half a second of it.
_SAME_SECOND = 0.5


class Recorder:
    """Reads the NAT, and every collectd given by name, several times a second until it is stopped."""

    def __init__(self, lab, collectds):
        self._lab, self._collectds = lab, collectds
        self.truth = []     # (time, {destination: held}, packets dropped)
        self.looks = []     # (begin, end, held) of the same: when it was, lies between the two
        self.figures = {name: {} for name in collectds}   # {name: {time of the read: {(type, instance): value}}}
        self.sockets = []   # (time, {destination: (open, with TIME_WAIT)})
        self._stop = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        if self._error:
            raise self._error

    def _run(self):
        try:
            while not self._stop.is_set():
                self._look()
        except Exception as error:  # pylint: disable=broad-except
            self._error = error

    def _look(self):
        before = time.time()
        found = self._lab.truth()
        held = {name: entry["held"] for name, entry in found.items()}
        after = time.time()
        # The kernel has read the sets when nft starts to print them: nearer to the beginning.
        self.truth.append((before + (after - before) / 3, held, sum(e["dropped"] for e in found.values())))
        self.looks.append((before, after, held))
        for name, collectd in self._collectds.items():
            self._scrape(name, collectd)
        if not self.sockets or before - self.sockets[-1][0] >= 1:
            self.sockets.append((time.time(), self._count_sockets()))

    def _scrape(self, name, collectd):
        try:
            text = collectd.metrics().text
        except OSError:
            return
        read = {}
        for kind, labels, value, stamp in _SAMPLE.findall(text):
            found = dict(_LABEL.findall(labels))
            if found.get("egress_nat") == "nat:tcp":
                read[kind, found.get("type")] = (float(value), int(stamp) / 1000)
        # The values of one read have stamps a few milliseconds apart; older ones are those that have ended.
        if ("ports_used", None) in read:
            stamp = read["ports_used", None][1]
            self.figures[name][stamp] = {key: value for key, (value, at) in read.items() if abs(at - stamp) < 0.3}

    def _count_sockets(self):
        lines = self._lab.exec("vm", ["ss", "-Htan"]).stdout.splitlines()
        counted = {}
        for state, *_, remote in (line.split() for line in lines):
            opened, every = counted.get(remote, (0, 0))
            counted[remote] = (opened + (state != "TIME-WAIT"), every + 1)
        return counted

    def latest(self, name, kind, instance=None):
        """The last value of a figure, or None."""
        reads = self.figures[name]
        return reads[max(reads)].get((kind, instance)) if reads else None

    def held(self, destination):
        return self.truth[-1][1][destination] if self.truth else 0

    def dropped(self):
        return self.truth[-1][2] if self.truth else 0

    def wait_for(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
            assert self._thread.is_alive(), self._error
            time.sleep(0.05)


class Phase:
    """A stretch of time, from `begin` to `end`."""

    def __init__(self, name, steady):
        self.name, self.steady, self.begin, self.end = name, steady, time.time(), None

    def over(self):
        self.end = time.time()

    def has(self, moment):
        return self.begin <= moment <= self.end


def near(recorder, moment):
    """What the NAT held in the same second: [{destination: held}], nearest first."""
    found = [(abs(at - moment), held) for at, held, _ in recorder.truth if abs(at - moment) <= _SAME_SECOND]
    return [held for _, held in sorted(found, key=lambda item: item[0])]


def between(recorder, begin, end):
    """(least, most) that the NAT held toward its busiest destination from `begin` to `end`, or None if that is not
    known: the looks in between, the last one before and the first one behind."""
    before = [look for look in recorder.looks if look[1] <= begin]
    behind = [look for look in recorder.looks if look[0] >= end]
    if not before or not behind:
        return None
    first, last = before[-1], behind[0]
    held = [max(look[2].values()) for look in recorder.looks if first[0] <= look[0] <= last[0]]
    return min(held), max(held)


def errors(recorder, name, phase):
    """[(estimate, truth)] of the busiest destination, for each read in a phase."""
    pairs = []
    for moment, figures in sorted(recorder.figures[name].items()):
        around = near(recorder, moment)
        used = figures.get(("ports_used", None))
        if phase.has(moment) and around and used is not None:
            pairs.append((used, max(around[0].values())))
    return pairs


def misses(recorder, name, phase):
    """[(estimate, least and most held in that second)] of each read in a phase that is too far from all of them."""
    wrong = []
    for moment, figures in sorted(recorder.figures[name].items()):
        around = [max(held.values()) for held in near(recorder, moment)]
        used = figures.get(("ports_used", None))
        if (phase.has(moment) and around and used is not None
                and all(abs(used - held) > tolerance(held) for held in around)):
            wrong.append((used, min(around), max(around)))
    return wrong


def outside(recorder, name):
    """[(seconds, low, high, least and most held meanwhile)] of each read whose bounds did not hold. What a figure is
    of, lies between the stamp of the one before, for then this one was not begun, and its own."""
    wrong = []
    begin = recorder.truth[0][0]
    reads = sorted(recorder.figures[name])
    for before, moment in zip(reads, reads[1:]):
        held = between(recorder, before, moment)
        figures = recorder.figures[name][moment]
        low, high = figures.get(("ports_bound", "low")), figures.get(("ports_bound", "high"))
        if held and low is not None and (low > held[1] or (high is not None and high < held[0])):
            wrong.append((round(moment - begin, 1), low, high, *held))
    return wrong


def naive(recorder, phase, destination):
    """What counting sockets says: the mean of (open, with TIME_WAIT), and of what was held, in a phase."""
    rows = [(counted.get(destination, (0, 0)), near(recorder, at)) for at, counted in recorder.sockets if phase.has(at)]
    rows = [(counts, around[0][destination]) for counts, around in rows if around]
    return tuple(statistics.mean(column) for column in zip(*((*counts, held) for counts, held in rows)))


def tolerance(held):
    return max(0.03 * held, 2)


def off(pairs):
    """(mean, worst) error in percent of what was held, or of 64 where that was less."""
    shares = [100 * abs(used - held) / max(held, 64) for used, held in pairs]
    return statistics.mean(shares), max(shares)
