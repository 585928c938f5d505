# SPDX-License-Identifier: MIT
"""The build directory: where programs and plugins are found, and a folder to work in."""

import shutil
import subprocess
from pathlib import Path

from .errors import BenchError

STOCK_PLUGINS = Path("/usr/lib/collectd")


class Build:
    """A build directory in which `make bench` has made its products."""

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        # Plugins and their private library are used as they were built, not installed.
        self.plugins = self.folder / ".libs"
        self.gate = self.folder / "tests/bench/.libs"
        for path in (self.plugins / "egress_netlink.so", self.gate / "bench_gate.so"):
            if not path.exists():
                raise BenchError(f"{path} is missing: run `make bench` in the build directory")
        self._work = self.folder / "bench-work"
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir()

    def program(self, name):
        return str(self.folder / "tests/bench" / name)

    def remove_work(self):
        """Logs and configurations are of use after a failure only."""
        shutil.rmtree(self._work)

    def new_folder(self, name):
        """An empty folder for one daemon."""
        path = self._work / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path


def run(argv, **options):
    """Run a helper program and return what it has printed; its complaint becomes the error's text."""
    result = subprocess.run(argv, text=True, capture_output=True, check=False, **options)
    if result.returncode != 0:
        words = (result.stderr or result.stdout).strip()
        raise BenchError(f"{' '.join(argv)}: exit {result.returncode}: {words}")
    return result.stdout
