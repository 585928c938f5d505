#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Adds up what the tests said: usage: tally.py RESULTS BUILD...

RESULTS holds pytest's e2e.xml and e2e.status; each BUILD is a build directory
in which `make check` ran. Prints what failed and what was skipped, and why, and
closes with `N passed, N failed, N skipped`. Exits with 1 unless all passed.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

# cmocka's closing lines in a test program's log.
CMOCKA = re.compile(r"^\[\s+(PASSED|FAILED|SKIPPED)\s+\] (\d+) test\(s\)", re.M)
CMOCKA_NAMED = re.compile(r"^\[\s+(FAILED|SKIPPED)\s+\] (?!\d+ test)(\S+)", re.M)


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add_program(self, build, record):
        """A test program of automake's: its .trs beside its .log."""
        name = f"{build.name}: {record.stem}"
        status = re.search(r"^:test-result: (\w+)", record.read_text(), re.M)
        log = record.with_suffix(".log").read_text(errors="replace")
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

    def add_build(self, build):
        records = sorted((build / "tests").glob("**/*.trs"))
        if not records:
            self.failed.append(f"{build.name}: no test ran")
        for record in records:
            self.add_program(build, record)

    def add_pytest(self, results):
        status = (results / "e2e.status").read_text().strip()
        report = results / "e2e.xml"
        if status not in ("0", "1") or not report.exists():
            self.failed.append(f"e2e: pytest ended with {status}")
            return
        for case in ElementTree.parse(report).iter("testcase"):
            name = f"e2e: {case.get('classname')}.{case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                self.failed.append(name)
            elif case.find("skipped") is not None:
                self.skipped.append(f"{name}: {case.find('skipped').get('message')}")
            else:
                self.passed += 1


def main():
    tally = Tally()
    for build in sys.argv[2:]:
        tally.add_build(Path(build))
    tally.add_pytest(Path(sys.argv[1]))
    for name in tally.failed:
        print(f"failed: {name}")
    for name in tally.skipped:
        print(f"skipped: {name}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
