# SPDX-License-Identifier: MIT
"""The shipped rules' expressions, as they can be asked in a lab that has seconds for what takes hours elsewhere.

Only windows are changed, and recorded names are replaced by what they record: the expression stays as it is."""

import re
from pathlib import Path

import yaml

RULES = Path(__file__).resolve().parents[2] / "etc" / "prometheus" / "rules"
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
    expression = re.sub(r"\[(\w+)\]", lambda found: f"[{WINDOWS[found[1]]}]", expression)
    return re.sub(r"\boffset (\w+)", lambda found: f"offset {WINDOWS[found[1]]}", expression)


def inlined(expression, records):
    """A recorded name in a window becomes a subquery."""
    for name, replacement in records.items():
        expression = re.sub(rf"{name}\[(\w+)\]", lambda found, by=replacement: f"{by}[{found[1]}:1s]", expression)
        expression = expression.replace(name, replacement)
    return expression


def alerts():
    """{alert: its expression for the lab}."""
    records = {name: scaled(expression) for name, expression in recorded().items()}
    return {rule["alert"]: inlined(scaled(rule["expr"]), records) for rule in rules("egress-alerts.yml")}
