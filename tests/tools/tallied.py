# SPDX-License-Identifier: MIT
"""Runs a file of unittest cases as automake's and tests/tally.py's kind of test."""

import sys
import unittest


def main():
    """Closes with the lines that tests/tally.py counts; the exit status of the file."""
    result = unittest.main(argv=[sys.argv[0], "-v"], exit=False).result
    failed = len(result.failures) + len(result.errors)
    for test, _ in result.failures + result.errors:
        print(f"[  FAILED  ] {test.id()}")
    for test, reason in result.skipped:
        print(f"[  SKIPPED ] {test.id()}: {reason}")
    for word, count in (("PASSED", result.testsRun - failed - len(result.skipped)), ("FAILED", failed),
                        ("SKIPPED", len(result.skipped))):
        if count:
            print(f"[  {word.ljust(7)} ] {count} test(s).")
    return 0 if failed == 0 and result.testsRun else 1
