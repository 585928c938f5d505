# SPDX-License-Identifier: MIT
"""The lab, its two collectds, and promises: what must be seen within a time."""

import http.client
import time

from .reading import Reading

INTERVAL = 2


class BrokenPromise(Exception):
    """Something that the demo said it would show did not show; the message is one line."""


class Stage:
    """Everything an act needs: the lab, the readings, the terminal."""

    def __init__(self, lab, terminal, pod, vm):
        self.lab, self.terminal = lab, terminal
        self._collectds = {"pod": pod, "vm": vm}
        self.loads = []

    def read(self):
        """One reading; None while a collectd does not listen yet."""
        for part, collectd in self._collectds.items():
            if not collectd.running():
                raise BrokenPromise(f"collectd in {part} has ended; its log says:\n{_tail(collectd.log())}")
        if any(load.poll() for load in self.loads):
            raise BrokenPromise("a load inside the lab has failed; it says why above")
        try:
            pod, vm = (collectd.metrics() for collectd in self._collectds.values())
        except (OSError, http.client.HTTPException):
            return None
        return Reading(pod, vm, self.lab.truth())

    def promise(self, text, condition, seconds, live=None):
        """Read until the condition is true and say so; return that reading. Too late: the promise is broken.

        live: draws one line of a reading, given it and the seconds since the beginning."""
        begun = last = time.monotonic()
        found = None
        while time.monotonic() - begun < seconds:
            found = self.read() or found
            if found and condition(found):
                if live:
                    self.terminal.status(live(found, time.monotonic() - begun))
                self.terminal.kept(f"{text} (after {time.monotonic() - begun:.0f} s)")
                return found
            if live and found and time.monotonic() - last >= 1:
                last = time.monotonic()
                self.terminal.status(live(found, last - begun))
            time.sleep(0.25)
        raise BrokenPromise(f"promise not kept within {seconds} s: {text}; {self._seen(found)}")

    def load(self, part, *words):
        """A bounded load inside the lab, ended with the stage's `quiet` at the latest."""
        self.loads.append(self.lab.load(part, *words))

    def quiet(self):
        """End every load."""
        for load in self.loads:
            load.terminate()
            load.communicate()
        self.loads.clear()

    def said(self, part, word):
        """The last line of a collectd's log that holds a word, without its time stamp; or None."""
        lines = [line for line in self._collectds[part].log().splitlines() if word in line]
        return lines[-1].partition("] ")[2] if lines else None

    def _seen(self, found):
        if found is None:
            logs = "\n".join(_tail(collectd.log()) for collectd in self._collectds.values())
            return f"collectd could not be read; its log says:\n{logs}"
        blamed = {chain: found.blamed(chain) for chain in ("prod", "vm")}
        used = found.nat("ports_used")
        return (f"seen last: blamed {blamed}, ports_used {used}, stalled {found.nat('stalled_connects')}, "
                f"the NAT holds {found.held()} and has dropped {found.dropped()}")


def _tail(log, lines=12):
    return "\n".join(f"  {line}" for line in log.splitlines()[-lines:])
