# SPDX-License-Identifier: MIT
"""The shipped expressions, as they can be asked in a lab that has seconds for what takes hours elsewhere.

Only windows are changed, and recorded names are replaced by what they record: the expression stays as it is."""

import re
import sys
from pathlib import Path

import yaml

TOP = Path(__file__).resolve().parents[2]
RULES = TOP / "etc" / "prometheus" / "rules"
sys.path.insert(0, str(TOP / "tests" / "tools"))

import expressions  # noqa: E402

# A probe comes every 2 s and a scrape every second. A single lost probe is not to fire the burn rates.
WINDOWS = {"5m": "6s", "10m": "6s", "15m": "8s", "30m": "8s", "1h": "30s", "6h": "44s", "1d": "60s"}


def rules(name):
    groups = yaml.safe_load((RULES / name).read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def recorded():
    """{recorded name: its expression}; several rules of one name are alternatives, with their labels."""
    found = {}
    for rule in rules("egress-recording.yml"):
        expression = rule["expr"]
        for name, value in rule.get("labels", {}).items():
            expression = f'label_replace({expression}, "{name}", "{value}", "", "")'
        found.setdefault(rule["record"], []).append(expression)
    return {name: "(" + " or ".join(expressions) + ")" for name, expressions in found.items()}


def scaled(expression):
    """With the lab's windows. A window that is not in the table is an error."""
    expression = re.sub(r"\[(\w+)(:\w+)?\]", lambda found: f"[{WINDOWS[found[1]]}{found[2] and ':1s' or ''}]",
                        expression)
    return re.sub(r"\boffset (\w+)", lambda found: f"offset {WINDOWS[found[1]]}", expression)


def inlined(expression, records):
    """A recorded name in a window becomes a subquery."""
    for name, replacement in records.items():
        expression = re.sub(rf"{name}\[(\w+)\]", lambda found, by=replacement: f"{by}[{found[1]}:1s]", expression)
        expression = expression.replace(name, replacement)
    return expression


def for_lab(expression, records=None):
    records = {name: scaled(text) for name, text in recorded().items()} if records is None else records
    return inlined(scaled(expression), records)


def alerts():
    """{alert: its expression for the lab}."""
    return {rule["alert"]: for_lab(rule["expr"]) for rule in rules("egress-alerts.yml")}


def everywhere():
    """{expression for the lab: [(file and place, as it is shipped)]} of every file that has any.

    The value "x" stands for one that a template puts there."""
    records, found = {name: scaled(text) for name, text in recorded().items()}, {}
    for where, text in expressions.of_tree(TOP):
        here = for_lab(" ".join(text.split()), records).replace('="x"', '=~".+"')
        found.setdefault(here, []).append((where, text))
    return found
