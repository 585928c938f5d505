# SPDX-License-Identifier: MIT
"""A machine that systemd has booted: the maintainer scripts, and the drop-in files, by the real systemctl and unit."""

import re
import shutil

import machines
import pytest
from conftest import TOP

CONF = "/etc/collectd/collectd.conf.d/egress.conf"
DROP_INS = "/etc/systemd/system/collectd.service.d"
NETLINK, NAT = "collectd_egress_netlink_tcp_connections{", "collectd_egress_nat_ports_used{"
NET_ADMIN = 1 << 12


@pytest.fixture(name="machine", scope="module")
def machine_fixture(work, root_of):
    root = machines.copy(root_of("bookworm"), work / "machine-systemd")
    machines.install(root, "systemd")
    made = machines.Booted(root)
    yield made
    made.end()
    shutil.rmtree(root)


def apt(machine, *arguments):
    return machine.sh("apt-get -y --no-install-recommends " + " ".join(arguments))


def restart(machine):
    """The new process's capabilities that are left to it, and what it has logged."""
    machine.sh("systemctl daemon-reload && systemctl restart collectd")
    process = machine.daemon()
    bounding = int(re.search(r"^CapBnd:\s*(\w+)", machine.sh(f"cat /proc/{process}/status"), re.M)[1], 16)
    machine.wait_for_metrics(NETLINK, NAT)
    return bounding, machine.sh(f"journalctl --no-pager _PID={process}")


def test_installed_it_is_restarted_and_has_values(machine, deb):
    assert machine.sh("systemctl is-enabled collectd").strip() == "enabled"
    before = machine.daemon()
    assert before
    said = apt(machine, "install", f"/root/{deb.name}")
    assert "refuses" not in said and "could not" not in said
    assert machine.daemon() not in ("", before)
    machine.sh("cp /usr/share/collectd-egress/collectd/write-prometheus.conf /etc/collectd/collectd.conf.d/")
    _, log = restart(machine)
    assert "CAP_NET_ADMIN" not in log


def test_stopped_it_stays_stopped(machine, deb):
    """An administrator who has stopped collectd does not get it back from an upgrade."""
    machine.sh("systemctl stop collectd")
    apt(machine, "reinstall", f"/root/{deb.name}")
    assert machine.daemon() == ""
    machine.sh("systemctl start collectd")


def test_a_broken_stanza_leaves_the_service_running(machine, deb):
    running, path = machine.daemon(), machine.file(CONF)
    good = path.read_text()
    path.write_text(good.replace("Discover true", "Discover perhaps"))
    said = apt(machine, "reinstall", f"/root/{deb.name}")
    path.write_text(good)
    assert "collectd refuses" in said and "perhaps" in said
    assert machine.daemon() == running


def test_the_hardening_example_leaves_net_admin_and_all_values(machine):
    machine.sh(f"mkdir -p {DROP_INS} && cp /usr/share/doc/collectd-egress/examples/hardening.conf {DROP_INS}")
    bounding, log = restart(machine)
    machine.sh(f"rm {DROP_INS}/hardening.conf")
    assert bounding == NET_ADMIN
    assert "CAP_NET_ADMIN" not in log


def test_the_drop_in_of_enterprise_linux_gives_net_admin_back(machine):
    """Its unit, like collectd's own, leaves the daemon no capability; without ours one line says what is lost."""
    machine.file(f"{DROP_INS}/a-unit.conf").write_text("[Service]\nCapabilityBoundingSet=\nNoNewPrivileges=yes\n")
    bounding, log = restart(machine)
    assert bounding == 0
    assert len([line for line in log.splitlines() if "egress_netlink: " in line and "CAP_NET_ADMIN" in line]) == 1, log
    shutil.copy(TOP / "packaging/systemd/capabilities.conf", machine.file(f"{DROP_INS}/collectd-egress.conf"))
    bounding, log = restart(machine)
    assert bounding == NET_ADMIN
    assert "CAP_NET_ADMIN" not in log
    machine.sh(f"rm -r {DROP_INS}")


def test_removed_and_purged_the_service_runs_on(machine):
    machine.sh("systemctl daemon-reload")
    before = machine.daemon()
    assert "could not" not in apt(machine, "remove", "collectd-egress")
    after = machine.daemon()
    assert after not in ("", before)
    apt(machine, "purge", "collectd-egress")
    machine.sh("systemctl restart collectd")
    assert machine.daemon() not in ("", after)
