# SPDX-License-Identifier: MIT
"""Words, colours and bars on a terminal; plain text when there is none, or with NO_COLOR."""

import os
import shutil
import sys
import textwrap

_COLOURS = {"good": "32", "bad": "1;31", "dim": "2", "title": "1;36", "warn": "33"}
_WIDTH = 100


class Terminal:
    """Where the demo speaks. `colour` and `blocks` follow what the stream can show unless they are given."""

    def __init__(self, stream=None, colour=None, blocks=None):
        self._stream = stream or sys.stdout
        self.live = self._stream.isatty()
        # https://no-color.org: any value but an empty one.
        self._colour = (self.live and not os.environ.get("NO_COLOR")) if colour is None else colour
        encoding = (getattr(self._stream, "encoding", "") or "").lower()
        self._blocks = (self.live and encoding.startswith("utf")) if blocks is None else blocks
        self._pending = False

    def paint(self, text, colour):
        """The text in a colour: good, bad, dim, title or warn."""
        return f"\033[{_COLOURS[colour]}m{text}\033[0m" if self._colour else text

    def bar(self, share, width, colour="good"):
        """A bar of a fixed width, full at share 1."""
        filled = round(min(max(share, 0.0), 1.0) * width)
        full, empty = ("█", "░") if self._blocks else ("#", ".")
        return self.paint(full * filled, colour) + self.paint(empty * (width - filled), "dim")

    def span(self, begin, length, width, colour="good"):
        """A stretch of a bar, from share `begin` on, never invisible."""
        first = min(round(begin * width), width - 1)
        last = min(max(first + 1, round((begin + length) * width)), width)
        full = "█" if self._blocks else "#"
        return " " * first + self.paint(full * (last - first), colour) + " " * (width - last)

    def line(self, text=""):
        """One line."""
        self._finish_status()
        print(text, file=self._stream, flush=True)

    def lines(self, texts):
        for text in texts:
            self.line(text)

    def title(self, text):
        """The head of an act."""
        self.line()
        self.line(self.paint(f"== {text} ", "title") + self.paint("=" * max(0, _WIDTH - len(text) - 4), "dim"))

    def prose(self, text):
        """A sentence or two, wrapped."""
        self.line()
        self.lines(textwrap.wrap(text, _WIDTH))

    def kept(self, text):
        """A promise that was kept."""
        self.line(f"  {self.paint('[kept]', 'good')} {text}")

    def status(self, text):
        """What is going on right now: rewritten in place on a terminal, a line each elsewhere."""
        if not self.live:
            print(text, file=self._stream, flush=True)
            return
        # Never wider than the terminal: a wrapped line could not be rewritten.
        if not self._colour:
            text = text[:shutil.get_terminal_size().columns - 1]
        print(f"\r\033[K{text}", end="", file=self._stream, flush=True)
        self._pending = True

    def _finish_status(self):
        if self._pending:
            print(file=self._stream)
            self._pending = False
