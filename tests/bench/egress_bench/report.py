# SPDX-License-Identifier: MIT
"""Figures into tables, and goals beside them. Time never makes the bench fail: it says what was missed, by how much."""

import random
import statistics
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A figure that should not be above a limit; both in the same unit, or plain ratios."""

    text: str
    figure: float
    limit: float
    unit: str = ""

    def line(self):
        if self.figure <= self.limit:
            verdict = "met"
        else:
            verdict = f"missed by {100 * (self.figure / self.limit - 1):.0f} %"
        return f"  goal: {self.text:<52} {_number(self.figure)}{self.unit}, at most {_number(self.limit)}: {verdict}"

    def record(self):
        return {"goal": self.text, "figure": self.figure, "limit": self.limit, "unit": self.unit.strip(),
                "met": self.figure <= self.limit}


def rounds(readers, count):
    """CPU seconds of each reader by name, in `count` rounds. Each round has an order of its own: what a reader finds
    in the caches depends on the one before it, which must not be the same one always."""
    samples = {reader.name: [] for reader in readers}
    for number in range(count):
        for reader in random.Random(number).sample(readers, len(readers)):
            samples[reader.name].append(reader.read())
    return samples


def ratio(samples, name, base):
    """The median, over the rounds, of one reader's time to another's in the same round."""
    pairs = zip(samples[name], samples[base], strict=True)
    return statistics.median(one / other for one, other in pairs)


def median(samples, name):
    return statistics.median(samples[name])


def subtract(samples, names, amount):
    """Take a fixed amount off some readers' samples."""
    for name in names:
        samples[name] = [max(0.0, sample - amount) for sample in samples[name]]


def table(title, columns, rows):
    """Print a table: the first column is text, the others stand to the right."""
    cells = [columns, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    print(f"\n{title}")
    for row in cells:
        texts = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print(f"  {'  '.join(texts)}")


def goals(list_of_goals):
    for goal in list_of_goals:
        print(goal.line())
    print(flush=True)


def say(text):
    """What the bench is at, beside the tables."""
    print(f"== {text}", file=sys.stderr, flush=True)


def milliseconds(value):
    return f"{1000 * value:.4g}"


def mebibytes(value):
    return "-" if value is None else f"{value / (1 << 20):.1f}"


def _number(value):
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
