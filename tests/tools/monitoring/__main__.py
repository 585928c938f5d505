#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Prints the dashboards and the alert policies anew into etc/:

    PYTHONPATH=tests/tools python3 -m monitoring"""

import json
from pathlib import Path

from . import cloud, grafana, policies
from .panels import ROWS

ETC = Path(__file__).resolve().parents[3] / "etc"
TITLE = "Egress path"


def texts():
    """{path below etc/: what it must hold}"""
    made = {"cloud-monitoring/dashboards/egress-path.json": cloud.render(TITLE, ROWS),
            "grafana/egress-path.json": grafana.render(TITLE, ROWS)}
    made |= {f"cloud-monitoring/alert-policies/{name}.json": policy
             for name, policy in policies.render(ETC / "prometheus" / "rules").items()}
    return {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in made.items()}


def main():
    for path, text in texts().items():
        (ETC / path).parent.mkdir(parents=True, exist_ok=True)
        (ETC / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
