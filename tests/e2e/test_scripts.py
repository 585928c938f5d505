# SPDX-License-Identifier: MIT
"""The scripts around the tests: what tally.py counts, and how bootstrap.sh installs and builds, with stubs for apt."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from egress_lab import process

TOP = Path(__file__).resolve().parents[2]
BOOTSTRAP = TOP / "tests" / "bootstrap.sh"

GOOD = "[==========] Running 2 test(s).\n[==========] 2 test(s) run.\n[  PASSED  ] 2 test(s).\n"
BAD = "[==========] Running 2 test(s).\n[  PASSED  ] 1 test(s).\n[  FAILED  ] 1 test(s), listed below:\n" \
      "[  FAILED  ] test_of_mine\n"
REPORT = '<testsuites><testsuite><testcase classname="c" name="a"/><testcase classname="c" name="b">{}</testcase>' \
         '</testsuite></testsuites>'


def add_record(build, name, result, log):
    (build / "tests").mkdir(parents=True, exist_ok=True)
    (build / "tests" / f"{name}.trs").write_text(f":test-result: {result}\n:recheck: no\n")
    (build / "tests" / f"{name}.log").write_text(log)


class Tallied:
    """A results folder and one build, all well unless a test changes it."""

    def __init__(self, folder):
        self.results, self.build = folder / "results", folder / "gcc"
        self.results.mkdir()
        self.e2e("0", REPORT.format(""))
        add_record(self.build, "test_one", "PASS", GOOD)
        self.make_check("0")

    def make_check(self, status):
        (self.build / "check.status").write_text(f"{status}\n")

    def e2e(self, status, report):
        (self.results / "e2e.status").write_text(f"{status}\n")
        (self.results / "e2e.xml").write_text(report)

    def run(self, *options):
        """(exit status, the lines)."""
        done = subprocess.run(["/usr/bin/python3", TOP / "tests" / "tally.py", *options, self.results, self.build],
                              capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()


@pytest.fixture
def tallied(tmp_path):
    return Tallied(tmp_path)


class TestTally:
    def test_all_is_well(self, tallied):
        assert tallied.run("--no-skips") == (0, ["4 passed, 0 failed, 0 skipped"])

    def test_records_of_an_earlier_run_do_not_count(self, tallied):
        (tallied.build / "check.status").unlink()
        assert tallied.run() == (1, ["failed: gcc: not built, or not tested to the end",
                                     "2 passed, 1 failed, 0 skipped"])

    def test_a_make_that_failed_beside_the_tests_is_a_failure(self, tallied):
        tallied.make_check("2")
        status, lines = tallied.run()
        assert status == 1 and lines[0].startswith("failed: gcc: make check ended with 2")
        assert lines[-1] == "4 passed, 1 failed, 0 skipped"

    def test_a_failed_test_is_told_once(self, tallied):
        add_record(tallied.build, "test_two", "FAIL", BAD)
        tallied.make_check("2")
        assert tallied.run() == (1, ["failed: gcc: test_two: test_of_mine", "5 passed, 1 failed, 0 skipped"])

    def test_a_build_without_unit_tests_is_a_failure(self, tallied):
        add_record(tallied.build, "test_one", "PASS", "replayed 3 files\n")
        assert tallied.run() == (1, ["failed: gcc: no test program of cmocka's ran", "3 passed, 1 failed, 0 skipped"])

    def test_a_record_without_a_log_is_a_failure(self, tallied):
        add_record(tallied.build, "test_two", "PASS", GOOD)
        (tallied.build / "tests" / "test_two.log").unlink()
        assert tallied.run() == (1, ["failed: gcc: test_two: left no log", "4 passed, 1 failed, 0 skipped"])

    @pytest.mark.parametrize("status, report, expected", [
        ("124", REPORT.format(""), "failed: e2e: pytest ended with 124"),
        ("1", REPORT.format(""), "failed: e2e: pytest ended with 1"),
        ("0", "<testsuites><test", "failed: e2e: no report that can be read"),
        ("1", REPORT.format("<failure/>"), "failed: e2e: c.b"),
    ])
    def test_what_pytest_did_not_do_is_a_failure(self, tallied, status, report, expected):
        tallied.e2e(status, report)
        code, lines = tallied.run()
        assert code == 1 and lines[0].startswith(expected)
        assert re.fullmatch(r"[234] passed, [12] failed, 0 skipped", lines[-1])

    def test_no_word_of_pytest_is_a_failure(self, tallied):
        shutil.rmtree(tallied.results)
        assert tallied.run() == (1, ["failed: e2e: not run, or not to the end", "2 passed, 1 failed, 0 skipped"])

    def test_a_skipped_test_is_allowed_unless_it_is_not(self, tallied):
        tallied.e2e("0", REPORT.format('<skipped message="no kernel for it"/>'))
        lines = ["skipped: e2e: c.b: no kernel for it", "3 passed, 0 failed, 1 skipped"]
        assert tallied.run() == (0, lines)
        assert tallied.run("--no-skips") == (1, lines)


# What stands in the place of Debian's programs. apt-get does what $APT says once it installs.
STUBS = {
    "apt-get": 'case " $* " in *" install "*) echo "$*" >>"$STATE/apt"; eval "$APT" ;; esac',
    "apt-cache": "exit 0",
    "dpkg-query": 'for name; do :; done; grep -qsx "$name" "$STATE/installed" && echo installed',
    "id": 'echo "${STUB_ID:-0}"',
    "update-rc.d": 'echo "$*" >>"$STATE/services"',
}
PRELUDE = 'set -uo pipefail; . "$BOOTSTRAP"; top="$STATE"; policy="$STATE/policy"; ' \
          'to_disable="$STATE/build/services-to-disable"; '


class Machine:
    """A folder that stands for the machine and for the clone."""

    def __init__(self, folder):
        self.folder = folder
        stubs = folder / "bin"
        stubs.mkdir()
        for name, text in STUBS.items():
            (stubs / name).write_text(f"#!/bin/sh\n{text}\n")
            (stubs / name).chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}", "STATE": str(folder),
                            "BOOTSTRAP": str(BOOTSTRAP)}

    def start(self, script, **variables):
        # In a session of its own: without a terminal, and not in the way of pytest's signals.
        return subprocess.Popen(["bash", "-c", PRELUDE + script], env={**self.environment, **variables}, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def run(self, script, **variables):
        child = self.start(script, **variables)
        output, complaints = child.communicate(timeout=60)
        return subprocess.CompletedProcess(script, child.returncode, output, complaints)

    def read(self, name):
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def is_clean(self):
        return not (self.folder / "policy").exists() and not self.read("build/services-to-disable")


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


class TestInstalling:
    def test_no_service_starts_now_or_at_the_next_boot(self, machine):
        (machine.folder / "installed").write_text("squid\n")
        done = machine.run("install_packages one two", APT='cp "$STATE/policy" "$STATE/seen"')
        assert done.returncode == 0, done.stderr
        assert machine.read("apt")[0].endswith("install one two")
        assert machine.read("seen")[-1] == "exit 101"
        assert "collectd disable" in machine.read("services")
        assert "squid disable" not in machine.read("services"), "it was there before"
        assert machine.is_clean()

    def test_a_failing_apt_is_noticed(self, machine):
        done = machine.run("install_packages one; echo $?", APT="exit 100")
        assert done.stdout.splitlines()[-1] == "1"
        assert "apt-get could not install: one" in done.stderr
        assert machine.is_clean() and "collectd disable" in machine.read("services")

    @pytest.mark.parametrize("name, status", [("INT", 130), ("TERM", 143), ("HUP", 129)])
    def test_interrupted_it_leaves_nothing(self, machine, name, status):
        done = machine.run("install_packages one", APT=f"kill -{name} $PPID")
        assert done.returncode == status
        assert machine.is_clean() and "collectd disable" in machine.read("services")

    def test_what_a_killed_run_left_the_next_one_removes(self, machine):
        assert machine.run("install_packages one", APT="kill -KILL $PPID").returncode == 137
        assert not machine.is_clean() and machine.read("services") == []
        (machine.folder / "installed").write_text("one\ncollectd-core\n")
        assert machine.run("install_packages one").returncode == 0
        assert machine.is_clean() and "collectd disable" in machine.read("services")
        assert len(machine.read("apt")) == 1

    def test_a_policy_of_the_machines_own_stays(self, machine):
        (machine.folder / "policy").write_text("#!/bin/sh\nexit 0\n")
        assert machine.run("install_packages one", APT="exit 1").returncode == 1
        assert machine.read("policy") == ["#!/bin/sh", "exit 0"]

    def test_two_at_once_wait_for_each_other(self, machine):
        apt = 'mkdir "$STATE/busy" && sleep 0.5 && rmdir "$STATE/busy"'
        children = [machine.start("install_packages one", APT=apt) for _ in range(2)]
        said = [child.communicate(timeout=60) for child in children]
        assert [child.returncode for child in children] == [0, 0], said
        assert len(machine.read("apt")) == 2
        assert any("waiting for another run" in output for output, _ in said)

    def test_without_root_it_names_the_packages(self, machine):
        done = machine.run("install_packages one two", STUB_ID="1000")
        assert done.returncode == 77 and done.stderr == "bash: packages to install, which needs root: one two\n"

    def test_without_apt_it_says_so(self, machine):
        done = machine.run("PATH=/nonexistent install_packages one")
        assert done.returncode == 77 and done.stderr == "bash: needs Debian's apt-get; found none\n"


CONFIGURE = """#!/bin/sh
echo "$*" >>"$STATE/configured"
eval "${CONFIGURE:-}"
printf 'all:\\n\\ttouch made\\ninstall: all\\n' >Makefile
"""


class TestBuilding:
    @pytest.fixture(autouse=True)
    def _source(self, machine):
        (machine.folder / "configure").write_text(CONFIGURE)
        (machine.folder / "configure").chmod(0o755)
        (machine.folder / "Makefile.in").touch()

    def test_it_is_configured_once(self, machine):
        for _ in range(2):
            assert machine.run("build one --enable-this").returncode == 0
        assert len(machine.read("configured")) == 1 and machine.read("configured")[0].endswith("--enable-this")

    def test_other_arguments_make_it_anew(self, machine):
        assert machine.run("build one --enable-this").returncode == 0
        (machine.folder / "build" / "one" / "old").touch()
        assert machine.run("build one").returncode == 0
        assert len(machine.read("configured")) == 2 and not (machine.folder / "build" / "one" / "old").exists()

    def test_a_configure_that_was_cut_off_is_repeated(self, machine):
        cut_off = machine.run("build one", CONFIGURE="touch config.status; kill -KILL $$")
        assert cut_off.returncode == 1 and "configure failed (one)" in cut_off.stderr
        assert machine.run("build one").returncode == 0
        assert (machine.folder / "build" / "one" / "made").exists()

    def test_a_configured_source_tree_is_refused(self, machine):
        (machine.folder / "config.status").touch()
        done = machine.run("build one")
        assert done.returncode == 1 and "make distclean" in done.stderr and len(done.stderr.splitlines()) == 1

    def test_a_clone_that_another_user_built_in_is_refused(self):
        # A copy that another user can read, wherever the checkout lies.
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            tests = Path(folder) / "tests"
            tests.mkdir()
            shutil.copy(BOOTSTRAP, tests)
            (Path(folder) / "build").mkdir()
            done = subprocess.run(["bash", "-c", f"set -uo pipefail; . {tests}/bootstrap.sh; build one"], cwd="/",
                                  user=65534, group=65534, extra_groups=[], capture_output=True, text=True, check=False)
        assert done.returncode == 77 and done.stdout == ""
        assert done.stderr == f"bash: cannot write to {folder}/build, which belongs to root: " \
                              "run it as that user, or in a clone of your own\n"


class TestLimits:
    def test_what_hangs_is_ended_with_its_children(self, machine):
        done = machine.run("within 1 sh -c 'sleep 600 & echo $!; wait'; echo $?")
        child, status = (int(line) for line in done.stdout.split())
        assert status == 124
        assert process.wait_until(lambda: process.start_time(child) is None, 20)

    def test_what_ends_by_itself_keeps_its_status(self, machine):
        assert machine.run("within 600 sh -c 'exit 3'").returncode == 3


class TestDemo:
    @pytest.mark.parametrize("words, expected", [
        (("--keep", "--host"), "--keep leaves the lab running, and --host makes none"),
        (("--nonsense",), 'unknown argument "--nonsense"'),
    ])
    def test_arguments_that_make_no_sense_are_refused(self, words, expected):
        done = subprocess.run([TOP / "demo", *words], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 2 and done.stdout == "" and expected in done.stderr


def test_an_unknown_sanitizer_is_refused(tmp_path):
    done = subprocess.run([TOP / "configure", "--enable-sanitizers=nonsense"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=300, check=False)
    assert done.returncode != 0
    assert "--enable-sanitizers=nonsense: gcc does not link with -fsanitize=nonsense" in done.stderr


class TestTree:
    """Nothing is in the tree that no makefile knows."""

    PARTS = [path for folder in ("plugins", "tests", "etc", "man", "packaging")
             for path in (TOP / folder).rglob("local.mk")]

    def test_every_part_is_included(self):
        included = [name for path in (TOP / "Makefile.am", *self.PARTS)
                    for name in re.findall(r"^include (\S+)$", path.read_text(), re.M)]
        assert sorted(included) == sorted(str(path.relative_to(TOP)) for path in self.PARTS)

    @pytest.mark.parametrize("pattern", ["tests/unit/test_*.c", "tests/fuzz/fuzz_*.c", "tests/unit/test_*.py"])
    def test_every_test_is_built_and_run(self, pattern):
        text = "".join(path.read_text() for path in self.PARTS).replace("\\\n", "")
        lists = re.findall(r"^(?:check_PROGRAMS|FUZZ_TARGETS|TESTS) \+?=(.*)", text, re.M)
        files = [path.relative_to(TOP) for path in TOP.glob(pattern)]
        names = {str(path if path.suffix == ".py" else path.with_suffix("")) for path in files}
        assert names and sorted(names - set(" ".join(lists).split())) == []
