# SPDX-License-Identifier: MIT
"""With CAP_NET_ADMIN as the only capability everything of ours works; without it, what is lost is said. The units'
drop-in files give just that."""

import re
import shutil
import subprocess

import machines
import pytest
from conftest import TOP

CONF = """Interval 1
FQDNLookup false
BaseDir "/tmp"
PIDFile "/tmp/pid"
LoadPlugin write_prometheus
<Plugin write_prometheus>
  Host "127.0.0.1"
  Port "9103"
</Plugin>
LoadPlugin egress_netlink
<Plugin egress_netlink>
  ConntrackStates true
</Plugin>
LoadPlugin egress_nat
<Plugin egress_nat>
  <Gateway "nat">
    PortsPerVM 64
    TimeWait 30
  </Gateway>
</Plugin>
LoadPlugin egress_probe
<Plugin egress_probe>
  Interval 2
  <Chain "here">
    <Target "self">
      URL "tcp://127.0.0.1:9103"
    </Target>
  </Chain>
</Plugin>
"""
SET = "setpriv --bounding-set=-all"
AMONG = ("collectd_egress_netlink_tcp_connections{", "collectd_egress_nat_ports_used{", "collectd_egress_probe_up{")


@pytest.fixture(name="machine", scope="module")
def machine_fixture(work, root_of):
    root = machines.copy(root_of("bookworm"), work / "machine-capabilities")
    machines.install(root, f"/root/{next(root.glob('root/*.deb')).name}")
    made = machines.Machine(root)
    made.file("/srv/collectd.conf").write_text(CONF)
    yield made
    made.end()
    shutil.rmtree(root)


def observe(machine, prefix):
    """(the names of the values, the log) of a collectd that the prefix starts."""
    script = f"{prefix} collectd -f -C /srv/collectd.conf & echo $! >/run/observed; wait $!"
    with subprocess.Popen(machine.command(script), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL) as daemon:
        try:
            machine.wait_for_metrics(*AMONG)
            # A line of the log may follow a value: those of the second read are enough.
            machine.wait_for_metrics('collectd_egress_probe_results_total{egress_probe="here:self",type="ok"')
            names = set(machine.metrics())
        finally:
            machine.status("kill $(cat /run/observed)")
            log = daemon.communicate(timeout=60)[0]
    assert daemon.returncode == 0, log
    return names, log


def complaints(log):
    return [line for line in log.splitlines() if "CAP_NET_ADMIN" in line]


def test_net_admin_alone_is_enough(machine):
    everything, log = observe(machine, "")
    assert complaints(log) == []
    ours, log = observe(machine, f"{SET},+net_admin")
    assert complaints(log) == []
    assert ours == everything


@pytest.mark.parametrize("prefix", [SET, f"setpriv --reuid=65534 --regid=65534 --clear-groups {SET[8:]}"])
def test_without_it_what_is_lost_is_said_and_the_rest_works(machine, prefix):
    """wait_for_metrics has seen the rest."""
    _, log = observe(machine, prefix)
    said = complaints(log)
    assert len([line for line in said if line.startswith("egress_netlink: ")]) == 1, log
    assert len([line for line in said if line.startswith("egress_nat: ")]) == 1, log


def units(tmp_path, unit, drop_in):
    """A root in which systemd-analyze finds a unit of collectd's and a file of ours."""
    folder = tmp_path / "etc/systemd/system"
    (folder / "collectd.service.d").mkdir(parents=True)
    (folder / "collectd.service").write_text(unit)
    shutil.copy(TOP / "packaging/systemd" / drop_in, folder / "collectd.service.d")
    (tmp_path / "usr/sbin").mkdir(parents=True)
    shutil.copy("/bin/true", tmp_path / "usr/sbin/collectd")
    return tmp_path


UPSTREAM = "[Unit]\nDefaultDependencies=no\n[Service]\nType=notify\nExecStart=/usr/sbin/collectd\nCapabilityBoundingSet=\n"
DEBIAN = "[Unit]\nDefaultDependencies=no\n[Service]\nType=notify\nExecStart=/usr/sbin/collectd\n"


@pytest.mark.parametrize("unit, drop_in", [(UPSTREAM, "capabilities.conf"), (DEBIAN, "hardening.conf")])
def test_the_drop_in_leaves_net_admin_alone(tmp_path, unit, drop_in):
    """systemd's own reading of both files: of all capabilities that it warns of, the one that is there."""
    root = units(tmp_path, unit, drop_in)
    text = machines.run(["systemd-analyze", "security", "--offline=true", f"--root={root}", "--no-pager", "--json=short",
                         "collectd.service"])
    allowed = {name for name in re.findall(r'"set":false,"name":"CapabilityBoundingSet=~([^"]*)"', text)}
    assert [name for name in allowed if "NET_ADMIN" in name], text
    assert len(allowed) == 1, allowed


@pytest.mark.parametrize("drop_in", ["capabilities.conf", "hardening.conf"])
def test_systemd_knows_every_line_of_it(tmp_path, drop_in):
    root = units(tmp_path, UPSTREAM, drop_in)
    assert machines.run(["systemd-analyze", "verify", f"--root={root}", "--man=no", "collectd.service"]) == ""
