#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Adds up what the tests said: usage: tally.py [--no-skips] RESULTS BUILD...

RESULTS holds pytest's e2e.xml and e2e.status; each BUILD is a build directory in
which `make check` ran and left its exit status in check.status. Prints what
failed and what was skipped, and why, and closes with `N passed, N failed, N
skipped`. What should be there and is not is a failure. Exits with 1 if anything
failed, or, with --no-skips, if anything was skipped.
"""

import argparse
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

# cmocka's opening line in a test program's log, and its closing ones.
CMOCKA_BEGINS = re.compile(r"^\[=+\] .*\d+ test\(s\)", re.M)
CMOCKA = re.compile(r"^\[\s+(PASSED|FAILED|SKIPPED)\s+\] (\d+) test\(s\)", re.M)
CMOCKA_NAMED = re.compile(r"^\[\s+(FAILED|SKIPPED)\s+\] (?!\d+ test)(\S+)", re.M)


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add_program(self, build, record):
        """A test program of automake's: its .trs beside its .log. Returns whether it is one of cmocka's."""
        name = f"{build.name}: {record.stem}"
        status = re.search(r"^:test-result: (\w+)", record.read_text(), re.M)
        log_file = record.with_suffix(".log")
        if not log_file.exists():
            self.failed.append(f"{name}: left no log")
            return False
        log = log_file.read_text(errors="replace")
        counts = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
        for what, number in CMOCKA.findall(log):
            counts[what] += int(number)
        for what, test in sorted(set(CMOCKA_NAMED.findall(log))):
            (self.failed if what == "FAILED" else self.skipped).append(f"{name}: {test}")
        self.passed += counts["PASSED"]
        if status is None or status[1] in ("FAIL", "ERROR", "XPASS"):
            if counts["FAILED"] == 0:
                self.failed.append(f"{name}: {log.strip()[-2000:]}")
        elif status[1] == "SKIP":
            self.skipped.append(name)
        elif sum(counts.values()) == 0:
            self.passed += 1
        return CMOCKA_BEGINS.search(log) is not None

    def add_build(self, build):
        failed_before = len(self.failed)
        status = read_status(build / "check.status")
        if status is None:
            self.failed.append(f"{build.name}: not built, or not tested to the end")
            return
        records = sorted((build / "tests").glob("**/*.trs"))
        programs = [self.add_program(build, record) for record in records]
        if not any(programs):
            self.failed.append(f"{build.name}: no test program of cmocka's ran")
        if status != "0" and len(self.failed) == failed_before:
            self.failed.append(f"{build.name}: make check ended with {status}; its whole output: {build}/check.out")

    def add_pytest(self, results):
        status = read_status(results / "e2e.status")
        if status is None:
            self.failed.append("e2e: not run, or not to the end")
            return
        try:
            cases = list(ElementTree.parse(results / "e2e.xml").iter("testcase"))
        except (OSError, ElementTree.ParseError) as error:
            self.failed.append(f"e2e: no report that can be read: {error}")
            cases = []
        failed_before = len(self.failed)
        for case in cases:
            name = f"e2e: {case.get('classname')}.{case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                self.failed.append(name)
            elif case.find("skipped") is not None:
                self.skipped.append(f"{name}: {case.find('skipped').get('message')}")
            else:
                self.passed += 1
        # 1 is pytest's word for tests that failed.
        if status != "0" and (status != "1" or len(self.failed) == failed_before):
            self.failed.append(f"e2e: pytest ended with {status}")


def read_status(path):
    """The exit status that ./check wrote down; None if there is none."""
    text = path.read_text().strip() if path.exists() else ""
    return text or None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-skips", action="store_true")
    parser.add_argument("results", type=Path)
    parser.add_argument("builds", type=Path, nargs="+")
    given = parser.parse_args()
    tally = Tally()
    for build in given.builds:
        tally.add_build(build)
    tally.add_pytest(given.results)
    for name in tally.failed:
        print(f"failed: {name}")
    for name in tally.skipped:
        print(f"skipped: {name}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    allowed = not tally.failed and not (given.no_skips and tally.skipped)
    return 0 if tally.passed and allowed else 1


if __name__ == "__main__":
    sys.exit(main())
