# SPDX-License-Identifier: MIT
"""The package's own test as Debian runs it: autopkgtest reads its control file, installs what it names, and starts it."""

import shutil

import machines
from conftest import TOP


def test_it_passes(work, root_of, deb):
    """Its dependencies, and what autopkgtest itself installs, are at hand: the machine reaches no archive."""
    root = machines.copy(root_of("bookworm"), work / "machine-autopkgtest")
    machines.install(root, "iproute2", "dpkg-dev", "apt-utils")
    source = work / "autopkgtest"
    shutil.copytree(TOP / "packaging/debian", source / "debian")
    machine = machines.Machine(root)
    try:
        machine.enter_all("autopkgtest", "--no-built-binaries", "--output-dir", work / "autopkgtest-output", deb,
                          source, "--", "chroot", root)
        summary = (work / "autopkgtest-output/summary").read_text()
        assert summary.split() == ["metrics", "PASS"]
        assert "collectd_egress_nat_ports_used{" in (work / "autopkgtest-output/metrics-stdout").read_text()
    finally:
        machine.end()
        shutil.rmtree(root)
