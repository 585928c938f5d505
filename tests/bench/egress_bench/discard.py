# SPDX-License-Identifier: MIT
"""The floor: an answer that is received and not looked at."""

import subprocess

from .build import run
from .errors import BenchError


class Discard:
    """A resident receive_discard, which answers a byte with the cost of one more exchange."""

    def __init__(self, build, name, request):
        self.name = name
        self._argv = [build.program("receive_discard"), request]
        self._child = subprocess.Popen([*self._argv, "--wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self):
        self._child.stdin.write(b"\n")
        self._child.stdin.flush()
        words = self._child.stdout.readline().split()
        if len(words) != 2:
            raise BenchError(f"{self.name}: receive_discard has failed; its complaint is above")
        return int(words[0]) / 1e9

    def count(self):
        """The number of messages in an answer, counted by a process of its own."""
        return int(run([*self._argv, "--count"]).split()[1])

    def expect(self, expected):
        seen = self.count()
        if seen != expected:
            raise BenchError(f"{self.name} received {seen} messages, expected {expected}")

    def memory_growth(self):
        return None

    def stop(self):
        self._child.stdin.close()
        self._child.wait()
