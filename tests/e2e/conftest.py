# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests. They need root; a machine that cannot run a lab fails them, loudly."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))

import builds  # noqa: E402
from egress_lab import Lab, LabError  # noqa: E402


@pytest.fixture(scope="session")
def _shared_lab():
    with Lab.up() as lab:
        yield lab


@pytest.fixture
def lab(_shared_lab):
    """The session's lab, whole and with all NAT ports free."""
    yield _shared_lab
    _shared_lab.reset()


@pytest.fixture
def fresh_lab():
    """A function that makes a lab with settings of the test's own; all are removed at its end."""
    made = []

    def make(**settings):
        made.append(Lab.up(**settings))
        return made[-1]

    yield make
    _all_of([each.down for each in made])


def _all_of(endings):
    """Call each, whatever the others do; then complain about all that failed."""
    complaints = []
    for end in endings:
        try:
            end()
        except (LabError, OSError, AssertionError) as error:
            complaints.append(str(error))
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def start_collectd():
    """A function that starts collectd in a part of a lab, with sanitized plugins unless told otherwise.

    At the test's end each is stopped: it must end in order, and no sanitizer may have found anything."""
    started = []

    def start(lab, part, sanitized=True, environment=None, **options):
        plugins = builds.sanitized() if sanitized else builds.plain()
        environment = {**(builds.sanitizer_environment() if sanitized else {}), **(environment or {})}
        started.append(lab.collectd(part, str(plugins), environment=environment, **options))
        return started[-1]

    yield start
    _all_of([lambda each=each: _end_well(each) for each in started])


def _end_well(daemon):
    status = daemon.stop(seconds=60)
    assert status == 0, f"collectd in {daemon.part} ended with {status}\n{daemon.log()[-8000:]}"
    assert "runtime error:" not in daemon.log() and "AddressSanitizer" not in daemon.log(), daemon.log()


@pytest.fixture(name="refuse_netlink", scope="session")
def refuse_netlink_fixture(tmp_path_factory):
    """A library to preload: netlink protocols that REFUSE_NETLINK lists do not exist."""
    library = tmp_path_factory.mktemp("preload") / "refuse_netlink.so"
    source = Path(__file__).with_name("refuse_netlink.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return str(library)
