# SPDX-License-Identifier: MIT
"""The cases of `promtool test rules` notice a rule that is changed. (That they hold is a unit test.)"""

import re
import shutil
import subprocess
from pathlib import Path

import alert_rules
import pytest
import yaml

RULES = alert_rules.RULES
CASES = RULES.parent / "tests"
SHIPPED = {rule["alert"]: rule for rule in alert_rules.rules("egress-alerts.yml")}
FACTORS = {">": "/ 2", ">=": "/ 2", "<": "* 2"}


def less_strict(expression):
    """Half of what a value must be above, twice what it must be below; 0 has no half."""
    return re.sub(r"(>=?|<(?!=)) ([\d.][\d. *]*)", lambda found: f"{found[1]} ({found[2]}) {FACTORS[found[1]]} ",
                  expression)


CHANGES = {
    "never fire": {name: {"expr": "vector(0) > 1"} for name in SHIPPED},
    "always fire": {name: {"expr": "vector(1)", "for": "0s"} for name in SHIPPED},
    "do not wait": {name: {"for": "0s"} for name, rule in SHIPPED.items() if "for" in rule},
    "are not so strict": {name: {"expr": less_strict(rule["expr"])} for name, rule in SHIPPED.items()
                          if re.search(r"[<>]=? [\d.]*[1-9]", rule["expr"])},
}


def failing(folder, changes):
    """The alerts whose cases fail with {alert: change of its rule}."""
    shutil.copytree(RULES, folder / "rules")
    shutil.copytree(CASES, folder / "tests")
    path = Path(folder / "rules" / "egress-alerts.yml")
    changed = yaml.safe_load(path.read_text(encoding="utf-8"))
    for rule in (rule for group in changed["groups"] for rule in group["rules"]):
        rule.update(changes.get(rule["alert"], {}))
    path.write_text(yaml.safe_dump(changed), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", *sorted((folder / "tests").glob("*.yml"))],
                          capture_output=True, text=True, check=False)
    return set(re.findall(r"alertname: ?(\w+), time", done.stdout + done.stderr))


@pytest.mark.parametrize("how", CHANGES)
def test_the_cases_notice_alerts_that(how, tmp_path):
    assert len(CHANGES[how]) > 10
    assert failing(tmp_path, CHANGES[how]) == set(CHANGES[how])
