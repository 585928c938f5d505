# SPDX-License-Identifier: MIT
"""What the tests of the packages share. Each root file system is made once and copied; see `run`, which starts them."""

import bz2
import hashlib
import lzma
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import machines
import pytest

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def build():
    """The build directory whose `make deb` and `make rpm` are tested."""
    path = Path(os.environ.get("EGRESS_BUILD_PLAIN", ""))
    assert (path / "config.status").exists(), 'EGRESS_BUILD_PLAIN names no build directory (see tests/package/run)'
    return path


@pytest.fixture(scope="session")
def packages(build):
    """The folder with what `make deb` has built."""
    shutil.rmtree(build / "packages", ignore_errors=True)
    machines.run(["make", "-C", build, "deb"], env={**os.environ, "DEB_BUILD_OPTIONS": "nocheck"})
    return build / "packages"


def find_one(folder, pattern):
    found = sorted(folder.glob(pattern))
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]


@pytest.fixture(scope="session")
def deb(packages):
    return find_one(packages, "collectd-egress_*.deb")


# collectd's release as Debian has it, and its sum as Debian's own .dsc has it: EPEL's collectd is the same.
COLLECTD_SOURCE = "pool/main/c/collectd/collectd_5.12.0.orig.tar.xz"
COLLECTD_SHA256 = "9ccc5ebb9884a8fca1c4cdbd48d45c5875d683330a482d09da4fe2c571f3b536"


@pytest.fixture(scope="session")
def collectd_source(work):
    """The tarball of collectd's sources, packed as upstream packs it."""
    with urllib.request.urlopen(f"{machines.ARCHIVE}/{COLLECTD_SOURCE}", timeout=300) as answer:
        packed = answer.read()
    assert hashlib.sha256(packed).hexdigest() == COLLECTD_SHA256
    path = work / "collectd-5.12.0.tar.bz2"
    path.write_bytes(bz2.compress(lzma.decompress(packed)))
    return path


@pytest.fixture(scope="session")
def rpm(build, packages, collectd_source):
    """rpm knows nothing of what Debian has installed, and Debian's rpm does not strip by itself."""
    strip = "__os_install_post strip --strip-unneeded %{buildroot}%{_libdir}/collectd*/*.so"
    flags = f"--nodeps --without check --define '{strip}'"
    machines.run(["make", "-C", build, "rpm", f"COLLECTD_SOURCE={collectd_source}", f"RPM_FLAGS={flags}"])
    return find_one(packages, f"collectd-egress-[0-9]*.{os.uname().machine}.rpm")


@pytest.fixture(scope="session")
def fields(deb):
    """The package's control fields."""
    text = machines.run(["dpkg-deb", "--field", deb])
    return dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(" "))


@pytest.fixture(scope="session")
def contents(deb, work):
    """The package, unpacked."""
    folder = work / "contents"
    machines.run(["dpkg-deb", "--extract", deb, folder])
    return folder


def offered(suite):
    done = subprocess.run(["curl", "-fsSI", "-o", "/dev/null", f"{machines.ARCHIVE}/dists/{suite}/Release"], check=False)
    return done.returncode == 0


@pytest.fixture(scope="session")
def base_of(work):
    """A function: the root file system of a suite with nothing beside Debian's base."""
    made = {}

    def make(suite):
        if suite not in made:
            made[suite] = work / f"base-{suite}"
            machines.bootstrap(made[suite], suite)
        return made[suite]

    return make


@pytest.fixture(scope="session")
def root_of(work, base_of, deb):
    """A function: the root file system of a suite with collectd alone, and our package's dependencies at hand."""
    made = {}

    def make(suite):
        if suite not in made:
            root = machines.copy(base_of(suite), work / suite)
            machines.add_idle(root, *machines.COLLECTD)
            shutil.copy(deb, root / "root")
            machines.fetch_dependencies(root, f"/root/{deb.name}")
            made[suite] = root
        return made[suite]

    return make


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def machine(request, work, root_of):
    """A machine with collectd, where our package lies in /root; not offered by the archive: not tested."""
    if request.param != "bookworm" and not offered(request.param):
        pytest.skip(f"the archive has no {request.param}")
    root = machines.copy(root_of(request.param), work / f"machine-{request.param}")
    made = machines.Machine(root)
    yield made
    made.end()
    shutil.rmtree(root)
