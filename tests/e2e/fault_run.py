# SPDX-License-Identifier: MIT
"""Measures rows of fault_table.py: breaks, watches from both seats, mends, watches again. No asserts here."""

import collections
import queue
import threading
import time
import traceback
from dataclasses import dataclass, field

from egress_lab import Lab, sites
from fault_table import NONE

# Seconds: Interval and Timeout of the probes. Twice Timeout, for chain and ladder, fits into the interval. "long" sees
# what Squid answers after its recommended limits of 3 and 4 s.
PATIENCE = {"short": (3, 1.4), "long": (15, 6)}
VERDICT_AFTER = 2
# How often values are read: a round's result must not be overtaken by the next one's.
READ_SECONDS = 0.25
PORTS, TIME_WAIT = 200, 2
# Intervals after which a verdict will not come any more.
_PATIENT_INTERVALS = 12

_TARGET = """
    <{kind} "{site.key}">
      URL "https://{site.name}/"
      CACert "{ca}"
      ExpectBody "This is {site.name}"
      FollowRedirects true
      MaxRedirects 2
    </{kind}>"""

_BODY = """
<LoadPlugin egress_probe>
  Interval {read}
</LoadPlugin>
<Plugin egress_probe>
  Interval {interval}
  Timeout {timeout}
  VerdictAfter {verdict_after}
  <Hop "pod-proxy">
    URL "http://{names[podproxy]}:{port}"
  </Hop>
  <Hop "gce-proxy">
    URL "http://{gce_proxy}:{port}"
  </Hop>
  <Chain "{chain}">
    Hops {hops}
    Direct {direct}{targets}
  </Chain>
</Plugin>
"""

_NAT = """
LoadPlugin egress_nat
<Plugin egress_nat>
  <Gateway "nat">
    PortsPerVM {ports}
    TimeWait {time_wait}
    ResetTimeout {time_wait}
    Bypass "{control}/32"
  </Gateway>
</Plugin>
"""


@dataclass(frozen=True)
class Sample:
    """What one seat says at one time: rounds judged, api's attempts by result, and the part that is blamed."""

    rounds: int
    results: collections.Counter
    fault: str


@dataclass
class Story:
    """What one seat said after a change: the samples that differ, from the first on."""

    samples: list = field(default_factory=list)

    def add(self, sample):
        if sample is not None and (not self.samples or sample != self.samples[-1]):
            self.samples.append(sample)

    @property
    def last(self):
        return self.samples[-1]

    @property
    def rounds(self):
        return self.last.rounds - self.samples[0].rounds

    def rounds_until(self, fault):
        """Rounds until this part was blamed, or nobody; None: never."""
        return next((sample.rounds - self.samples[0].rounds for sample in self.samples if sample.fault == fault), None)

    @property
    def last_results(self):
        """How api's attempts ended in the newest round that was seen."""
        before = next((sample for sample in reversed(self.samples) if sample.rounds < self.last.rounds), None)
        return dict(self.last.results - before.results) if before else {}

    def says(self, result, fault):
        return self.last.fault == fault and self.last_results.keys() == {result}


@dataclass
class Measured:
    """What came of one row; `broken` and `mended` are the stories by seat."""

    broken: dict = field(default_factory=dict)
    mended: dict = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0


def body(lab, part, interval, timeout):
    """The configuration of a seat: the whole chain from the Pod, its own leg from the VM."""
    pod = part == "pod"
    targets = [(site, "Control" if site.bypass else "Target") for site in sites.SITES]
    text = _BODY.format(
        read=READ_SECONDS, interval=interval, timeout=timeout, verdict_after=VERDICT_AFTER, names=sites.PROXY_NAMES,
        port=sites.PROXY_PORT, gce_proxy=sites.PROXY_NAMES["vm"] if pod else sites.ADDRESSES["vm"], chain=part,
        hops='"pod-proxy" "gce-proxy"' if pod else '"gce-proxy"', direct=str(not pod).lower(),
        targets="".join(_TARGET.format(kind=kind, site=site, ca=lab.ca) for site, kind in targets))
    return text if pod else text + _NAT.format(ports=PORTS, time_wait=TIME_WAIT, control=sites.CONTROL.address)


def sample(metrics, chain):
    """A Sample from one scrape, or None while there is none."""
    if metrics is None:
        return None
    results = metrics.by_label("collectd_egress_probe_results_total", "type", egress_probe=f"{chain}:api")
    faults = metrics.by_label("collectd_egress_probe_fault", "type", egress_probe=chain)
    if not results or not faults:
        return None
    blamed = [name for name, value in faults.items() if value == 1]
    counts = collections.Counter({name: int(value) for name, value in results.items() if value})
    return Sample(sum(counts.values()), counts, blamed[0] if blamed else NONE)


class Seat:
    """One collectd, and the chain that it watches."""

    def __init__(self, collectd):
        self.collectd, self.part = collectd, collectd.part
        self._scraper = collectd.scraper()

    def sample(self):
        if not self.collectd.running():
            raise RuntimeError(f"collectd in {self.part} has ended\n{self.collectd.log()[-4000:]}")
        return sample(self._scraper.metrics(), self.part)


class Bench:
    """A lab with a collectd at each seat, in which rows are measured one after the other."""

    def __init__(self, squid, patience, collectd_options):
        self.interval, self.timeout = PATIENCE[patience]
        self.lab = Lab.up(squid=squid, ports=PORTS, time_wait=TIME_WAIT)
        self.seats = {}
        for part in ("pod", "vm"):
            daemon = self.lab.collectd(part, interval=2, body=body(self.lab, part, self.interval, self.timeout),
                                       **collectd_options)
            self.seats[part] = Seat(daemon)

    def close(self):
        """[(part, exit status, log)] of the daemons; the lab is gone afterwards."""
        try:
            return [(part, seat.collectd.stop(seconds=60), seat.collectd.log()) for part, seat in self.seats.items()]
        finally:
            self.lab.down()

    def measure(self, each):
        found, begun = Measured(), time.monotonic()
        self._watch({part: ("ok", NONE) for part in self.seats}, 0)
        try:
            self._break(each)
            expected = {part: (seen.result, seen.fault) for part, seen in (("pod", each.pod), ("vm", each.vm))}
            # A wrong verdict that is on its way would be out by then.
            found.broken = self._watch(expected, VERDICT_AFTER + 1)
        finally:
            self._mend(each)
        found.mended = self._watch({part: ("ok", NONE) for part in self.seats}, 1)
        self.lab.reset()
        found.seconds = time.monotonic() - begun
        return found

    def _break(self, each):
        if each.part == "prober":
            for seat in self.seats.values():
                # 0, 1 and 2 are always taken, so nothing can be opened.
                seat.collectd.limit_descriptors(3)
        else:
            self.lab.break_(each.part, each.how)

    def _mend(self, each):
        if each.part == "prober":
            for seat in self.seats.values():
                seat.collectd.limit_descriptors(None)
        else:
            self.lab.mend()

    def _watch(self, expected, rounds):
        """The stories, until all say what is expected, for at least so many rounds, or will not any more."""
        # What was under way before the change is not counted, once it has been read.
        time.sleep(READ_SECONDS + 0.05)
        stories = {part: Story() for part in self.seats}
        deadline = time.monotonic() + _PATIENT_INTERVALS * self.interval
        while time.monotonic() < deadline:
            for part, story in stories.items():
                if not self._is_over(story, expected[part], rounds):
                    story.add(self.seats[part].sample())
            if all(self._is_over(story, expected[part], rounds) for part, story in stories.items()):
                break
            time.sleep(0.1)
        return stories

    @staticmethod
    def _is_over(story, expected, rounds):
        return bool(story.samples) and story.rounds >= max(rounds, 1) and story.says(*expected)


def measure(rows, benches, collectd_options):
    """({row: Measured}, what the daemons said at their end). `benches`: how many for each (squid, patience)."""
    results, endings, threads = {}, [], []
    for kind, number in benches.items():
        todo = queue.SimpleQueue()
        for each in [each for each in rows if (each.squid, each.patience) == kind]:
            todo.put(each)
        for _ in range(min(number, todo.qsize())):
            threads.append(threading.Thread(target=_work, args=(kind, todo, results, endings, collectd_options)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results, endings


def _work(kind, todo, results, endings, collectd_options):
    bench = Bench(*kind, collectd_options)
    try:
        while True:
            try:
                each = todo.get_nowait()
            except queue.Empty:
                return
            try:
                results[each] = bench.measure(each)
            except Exception:  # pylint: disable=broad-except
                # Shown by the row's own test; the other rows go on.
                results[each] = Measured(error=traceback.format_exc())
    finally:
        endings.extend(bench.close())
