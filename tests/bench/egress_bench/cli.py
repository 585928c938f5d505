# SPDX-License-Identifier: MIT
"""The command line: each part runs in network and process namespaces of its own."""

import argparse
import contextlib
import fcntl
import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

from .build import Build
from .errors import BenchError
from .parts import PARTS

_LOCK = "/run/egress-bench.lock"
_SCRIPT = Path(__file__).resolve().parent.parent / "bench"
# The network namespace has no name, and everything in it is a descendant of the process namespace's first process:
# when that ends, the kernel ends the rest. Each process here is killed when the one before it ends, however it ends.
_ENCLOSE = ["setpriv", "--pdeathsig", "KILL",
            "unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


def main(arguments=None):
    parser = _parser()
    given = parser.parse_args(arguments)
    for name in given.parts:
        if name not in PARTS:
            parser.error(f'no part "{name}": expected {" or ".join(PARTS)}')
    try:
        return _inside(given) if given.inside else _outside(given)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("parts", nargs="*", help=f"which parts to run ({', '.join(PARTS)}); all if none is named")
    parser.add_argument("--build", required=True, help="the build directory: programs come from it, figures go to it")
    parser.add_argument("--rounds", type=int, default=10, help="reads of each reader at each level (10)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    for part in PARTS.values():
        part.add_options(parser)
    return parser


def _outside(given):
    """Run each part in an enclosure, one bench at a time on this machine."""
    status = 0
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with _only_one():
        for name in given.parts or PARTS:
            command = [*_ENCLOSE, "/usr/bin/python3", str(_SCRIPT), *_options(given), "--inside", name]
            child = subprocess.Popen(command)
            try:
                status = max(status, child.wait())
            finally:
                child.kill()
                child.wait()
    return status


def _options(given):
    """The options as they were given, for the same program inside."""
    hidden = {"parts", "inside"}
    words = []
    for name, value in vars(given).items():
        if name not in hidden and value is not None:
            text = ",".join(str(number) for number in value) if isinstance(value, list) else str(value)
            words += [f"--{name.replace('_', '-')}", text]
    return words


@contextlib.contextmanager
def _only_one():
    with open(_LOCK, "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError("another bench runs on this machine: two would measure each other; "
                             "wait for its end") from None
        yield


def _inside(given):
    name, = given.parts
    build = Build(given.build)
    figures = {"part": name, "machine": _machine(), "rounds": given.rounds, **PARTS[name].run(build, given)}
    path = build.folder / f"bench-{name}.json"
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="ascii")
    build.remove_work()
    print(f"raw figures: {path}", flush=True)
    return 0


def _machine():
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1])
    return {"kernel": platform.release(), "cpus": os.cpu_count(), "memory_kib": memory}
