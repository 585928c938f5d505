# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests. They need root; a machine that cannot run a lab fails them, loudly."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))

import builds  # noqa: E402
from egress_lab import Lab  # noqa: E402


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
    for each in made:
        each.down()


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
    for each in started:
        status = each.stop(seconds=60)
        assert status == 0, f"collectd in {each.part} ended with {status}\n{each.log()[-8000:]}"
        assert "runtime error:" not in each.log() and "AddressSanitizer" not in each.log(), each.log()


@pytest.fixture(name="refuse_netlink", scope="session")
def refuse_netlink_fixture(tmp_path_factory):
    """A library to preload: netlink protocols that REFUSE_NETLINK lists do not exist."""
    library = tmp_path_factory.mktemp("preload") / "refuse_netlink.so"
    source = Path(__file__).with_name("refuse_netlink.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return str(library)
