# SPDX-License-Identifier: MIT
"""The demo's command line: lab up, collectd in two parts, three acts, lab down."""

import argparse
import os
import sys
import time
from pathlib import Path

import egress_lab
from egress_lab import Lab, LabError, collectd

from . import acts, ends, page
from .stage import INTERVAL, BrokenPromise, Stage
from .terminal import Terminal

_EXIT_BROKEN_PROMISE = 1
_ACTS = (acts.healthy, acts.broken_hop, acts.exhaustion)


def main():
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab running and say how to look around")
    keep = parser.parse_args().keep
    return ends.run(lambda: _show(keep), "interrupted; the lab is gone")


def _show(keep):
    terminal = Terminal()
    begun = time.monotonic()
    try:
        plugins = collectd.plugin_dir()
        if keep:
            page.check_machine()
        with Lab.up() as lab:
            terminal.line(f"The lab is up after {time.monotonic() - begun:.1f} s: "
                          "pod, podproxy, vm, nat and inet, a network namespace each.")
            drawn = _draw(lab, terminal) if keep else None
            status = _play(lab, terminal, plugins, drawn)
            terminal.line(f"\nThe demo took {time.monotonic() - begun:.0f} s.")
            if keep:
                _leave(lab, terminal, drawn)
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.exit_code
    return status


def _draw(lab, terminal):
    drawn = page.start(lab, INTERVAL)
    terminal.line(f"The dashboard of all that follows: {drawn.url}")
    return drawn


def _play(lab, terminal, plugins, drawn):
    """All acts; what was promised and not shown is said, and makes the exit status."""
    pod = lab.collectd("pod", plugins, interval=INTERVAL)
    vm = page.collectd_in_vm(lab, plugins, INTERVAL) if drawn else lab.collectd("vm", plugins, interval=INTERVAL)
    stage = Stage(lab, terminal, pod, vm)
    try:
        for act in _ACTS:
            act(stage)
    except BrokenPromise as broken:
        terminal.line()
        print(f"demo: {broken}", file=sys.stderr, flush=True)
        return _EXIT_BROKEN_PROMISE
    finally:
        stage.quiet()
    terminal.line(terminal.paint("\nEvery promise was kept.", "good"))
    return 0


def _leave(lab, terminal, drawn):
    """Give the lab away before `with` would remove it, and say what there is to see."""
    command = os.path.relpath(Path(egress_lab.__file__).resolve().parent.parent / "lab")
    scrape = f"curl -s http://127.0.0.1:{collectd.PORT}/metrics"
    terminal.lines([
        "", f"The lab {lab.id} stays up, with both collectds and the dashboard of what they say:",
        f"  {drawn.url}",
        f"  {command} exec --id {lab.id} pod {scrape}   # the whole chain",
        f"  {command} exec --id {lab.id} vm {scrape}    # sockets and NAT ports",
        f"  {command} break --id {lab.id} vm stop      # and `mend`; `status` lists what can be broken",
        f"  {command} truth --id {lab.id}              # what the NAT itself holds",
        f"  {command} status --id {lab.id}             # addresses, names, pids",
        f"  {command} down --id {lab.id}               # remove it all", f"Its files: {lab.directory}"])
    lab.keep()


if __name__ == "__main__":
    sys.exit(main())
