# SPDX-License-Identifier: MIT
"""Words, colours and bars on a terminal; plain text when there is none, when it is dumb, or with NO_COLOR."""

import os
import re
import shutil
import sys
import textwrap

_COLOURS = {"good": "32", "bad": "1;31", "dim": "2", "title": "1;36", "warn": "33"}
_WIDEST = 100
_ESCAPE = re.compile(r"(\033\[[0-9;]*m)")


class Terminal:
    """Where the demo speaks. `colour` and `blocks` follow what the stream can show unless they are given."""

    def __init__(self, stream=None, colour=None, blocks=None):
        self._stream = stream or sys.stdout
        self.live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        # https://no-color.org: any value but an empty one.
        self._colour = (self.live and not os.environ.get("NO_COLOR")) if colour is None else colour
        encoding = (getattr(self._stream, "encoding", "") or "").lower()
        self._blocks = (self.live and encoding.startswith("utf")) if blocks is None else blocks
        self._pending = False

    @property
    def width(self):
        """Columns to fill: those of the terminal, up to the most that reads well."""
        return min(_WIDEST, shutil.get_terminal_size().columns) if self.live else _WIDEST

    @property
    def roomy(self):
        """Whether the widest drawings fit."""
        return self.width == _WIDEST

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
        self.line(self.paint(f"== {text} ", "title") + self.paint("=" * max(0, self.width - len(text) - 4), "dim"))

    def prose(self, text):
        """A sentence or two, wrapped."""
        self.line()
        self.lines(self.wrap(text))

    def wrap(self, text, indent="", hanging=""):
        """Plain text as lines of the terminal's width, the first one indented, the others hanging."""
        return textwrap.wrap(text, self.width, initial_indent=indent, subsequent_indent=hanging)

    def kept(self, text):
        """A promise that was kept."""
        mark = "  [kept] "
        first, *others = self.wrap(text, mark, " " * len(mark))
        self.line(first.replace("[kept]", self.paint("[kept]", "good"), 1))
        self.lines(others)

    def status(self, text):
        """What is going on right now: rewritten in place on a terminal, a line each elsewhere."""
        if not self.live:
            print(text, file=self._stream, flush=True)
            return
        # Never wider than the terminal: a wrapped line could not be rewritten.
        text = cut(text, shutil.get_terminal_size().columns - 1)
        print(f"\r\033[K{text}", end="", file=self._stream, flush=True)
        self._pending = True

    def _finish_status(self):
        if self._pending:
            print(file=self._stream)
            self._pending = False


def cut(text, columns):
    """The text, no wider than that on a terminal: colours take no room, and those that follow the cut stay."""
    pieces = []
    for piece in _ESCAPE.split(text):
        if not _ESCAPE.fullmatch(piece):
            piece = piece[:columns]
            columns -= len(piece)
        pieces.append(piece)
    return "".join(pieces)
