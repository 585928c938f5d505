#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The alerting rules: `promtool` finds nothing, each alert has cases that fire, that must not and that clear, and each
has its page. (That the cases notice a rule that is changed is in tests/e2e/test_alert_cases.py.)"""

import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
SOURCE = Path(os.environ.get("srcdir", Path(__file__).resolve().parents[2])).resolve()
sys.path.insert(0, str(SOURCE / "tests" / "tools"))

import tallied  # noqa: E402

try:
    import yaml
except ImportError:
    raise unittest.SkipTest("no python3-yaml") from None

RULES = SOURCE / "etc" / "prometheus" / "rules"
CASES = SOURCE / "etc" / "prometheus" / "tests"
PAGES = SOURCE / "etc" / "runbooks"
SECTIONS = ["What it means", "What to look at", "What to do"]
NAMES = set("""
    EgressNatPortsHigh EgressNatPortsCritical EgressNatExhaustionSoon EgressConnectsStalled EgressNatDropsFlows
    EgressProbeFailing EgressFaultLocal EgressFaultHop EgressFaultEgress EgressFaultTarget EgressFaultUnknown
    EgressHttp4xxRising EgressHttp5xxRising EgressLatencyBurnFast EgressLatencyBurnSlow EgressConntrackNearlyFull
    EgressConntrackDrops EgressAcceptQueueFull EgressRetransmissions EgressCertificateExpiring EgressMetricsMissing
    """.split())


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def groups(name):
    return load(RULES / name)["groups"]


def alerts():
    """{name: rule}."""
    return {rule["alert"]: rule for group in groups("egress-alerts.yml") for rule in group["rules"]}


def cases():
    """[(file, test, alert, [(seconds, how many fire)])], in the order of time."""
    found = []
    for path in sorted(CASES.glob("*.yml")):
        for test in load(path)["tests"]:
            by_alert = {}
            for case in test["alert_rule_test"]:
                by_alert.setdefault(case["alertname"], []).append(
                    (seconds(case["eval_time"]), len(case.get("exp_alerts") or [])))
            found += [(path.name, test, name, sorted(times)) for name, times in by_alert.items()]
    return found


def seconds(text):
    factors = {"s": 1, "m": 60, "h": 3600}
    return sum(int(number) * factors[unit] for number, unit in re.findall(r"(\d+)([smh])", text))


def promtool(*words):
    return subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)


def clears(times):
    """Nothing, then something, then nothing again; the first may be left out."""
    counts = [count for _, count in times]
    return any(counts) and counts[-1] == 0


class Rules(unittest.TestCase):
    def test_the_alerts_are_those_that_are_promised(self):
        self.assertEqual(set(alerts()), NAMES)

    def test_labels_and_annotations(self):
        for name, rule in alerts().items():
            self.assertIn(rule["labels"]["severity"], ("critical", "warning"), name)
            self.assertRegex(rule["labels"]["plugin"], r"^egress_(probe|netlink|nat)$|^\{\{", name)
            self.assertEqual(set(rule["annotations"]), {"summary", "description", "runbook_url"}, name)
            self.assertTrue(rule["annotations"]["runbook_url"].endswith(f"/runbooks/{name}.md"), name)

    def test_every_alert_fires_stays_silent_and_clears(self):
        for name in NAMES:
            mine = [times for _, _, alert, times in cases() if alert == name]
            self.assertTrue(any(clears(times) for times in mine), f"{name}: no case in which it fires and clears")
            self.assertTrue(any(len(times) >= 3 and not any(count for _, count in times) for times in mine),
                            f"{name}: no case, looked at three times, in which it must not fire")

    def test_every_file_names_all_groups_in_order(self):
        """promtool evaluates those that are not named in a random order."""
        order = [group["name"] for name in ("egress-recording.yml", "egress-alerts.yml") for group in groups(name)]
        for path in CASES.glob("*.yml"):
            self.assertEqual(load(path)["group_eval_order"], order, path.name)


@unittest.skipUnless(shutil.which("promtool"), "no promtool")
class Promtool(unittest.TestCase):
    def test_check_rules(self):
        done = promtool("check", "rules", "--lint=all", "--lint-fatal", *sorted(RULES.glob("*.yml")))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_all_cases(self):
        done = promtool("test", "rules", *sorted(CASES.glob("*.yml")))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count("SUCCESS"), len(list(CASES.glob("*.yml"))))


class Runbooks(unittest.TestCase):
    def test_every_alert_has_its_page_and_every_page_its_alert(self):
        self.assertEqual({path.stem for path in PAGES.glob("*.md")}, set(alerts()))

    def test_every_page_has_the_three_sections_with_something_in_them(self):
        for path in sorted(PAGES.glob("*.md")):
            text = path.read_text(encoding="utf-8")
            self.assertTrue(text.startswith(f"# {path.stem}\n"), path.name)
            parts = re.split(r"^## (.+)\n", text, flags=re.M)
            self.assertEqual(parts[1::2], SECTIONS, path.name)
            for heading, body in zip(parts[1::2], parts[2::2]):
                self.assertGreater(len(body.split()), 15, f"{path.name}: {heading}")
            self.assertRegex(parts[4], r"(?m)^(?: {4}|```)", f"{path.name}: nothing to run or to ask")

    def test_every_page_tells_its_thresholds(self):
        """The numbers of the expression, and how long it has to hold, with their reasons."""
        for name, rule in alerts().items():
            text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
            self.assertRegex(text, r"(?m)^Threshold: ", name)
            if "for" in rule:
                number, unit = re.fullmatch(r"(\d+)([mh])", rule["for"]).groups()
                word = {"m": "minute", "h": "hour"}[unit]
                self.assertRegex(text, rf"\b({number}|a|an|one) {word}s?\b", f"{name}: for {rule['for']}")


if __name__ == "__main__":
    sys.exit(tallied.main())
