# SPDX-License-Identifier: MIT
"""What a panel is made of, and where it stands. Widths are in the 48 columns of a Cloud Monitoring mosaic."""

import re
from dataclasses import dataclass

COLUMNS = 48
HEADER_HEIGHT = 4

# Variable in a query -> label that it selects. Both dashboards offer them as drop-downs.
VARIABLES = {"chain": "chain", "host": "host", "gateway": "gateway"}
_VARIABLE = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class Query:
    """A PromQL expression; $host and the like, inside braces, stand for a matcher of that label."""

    promql: str
    legend: str


@dataclass(frozen=True)
class Google:
    """A metric of Google's own. kind: gauge, delta, bool; over: how series that differ in other labels become one."""

    metric: str
    resource: str
    legend: str
    kind: str = "gauge"
    labels: tuple = ()
    where: str = ""
    over: str = "max"


@dataclass(frozen=True)
class Panel:
    """kind: stat, gauge, state (0 or 1 over time), line, area, logs, text."""

    title: str
    kind: str
    unit: str
    queries: tuple
    about: str
    width: int = 16
    height: int = 14
    # (value, "YELLOW" or "RED", "ABOVE" or "BELOW")
    thresholds: tuple = ()
    # Why a working path may draw nothing here; empty where it always draws.
    empty: str = ""


@dataclass(frozen=True)
class Row:
    """A part of the path."""

    title: str
    subtitle: str
    panels: tuple


def with_variables(promql, render):
    """The expression with each $name made what render(name, label) says."""
    return _VARIABLE.sub(lambda found: render(found[1], VARIABLES[found[1]]), promql)


def placed(rows):
    """(row or panel, x, y, width, height) from the top: panels flow from left to right, and wrap."""
    top = 0
    for row in rows:
        yield row, 0, top, COLUMNS, HEADER_HEIGHT
        top += HEADER_HEIGHT
        left = tallest = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            yield panel, left, top, panel.width, panel.height
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
