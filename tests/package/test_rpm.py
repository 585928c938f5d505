# SPDX-License-Identifier: MIT
"""The rpm package: what is in it, and what its scriptlets do on a machine that is laid out as Enterprise Linux is.

The programs in it are this Debian's, so the machine is one too; it has collectd's folders where EPEL has them."""

import re
import shutil

import machines
import pytest
from conftest import TOP

CONF = "/etc/collectd.d/egress.conf"
EL_CONF = """FQDNLookup false
PluginDir "/usr/lib64/collectd"
LoadPlugin write_prometheus
<Plugin write_prometheus>
  Host "127.0.0.1"
  Port "9103"
</Plugin>
Include "/etc/collectd.d"
"""


def query(rpm, *what):
    return machines.run(["rpm", "--query", "--package", *what, rpm])


def test_its_files(rpm):
    files = {path for path in query(rpm, "--list").split() if "/.build-id" not in path}
    outside = {each for each in files if not each.startswith(("/usr/share/doc/", "/usr/share/licenses/",
                                                              "/usr/share/man/", "/usr/share/collectd-egress"))}
    assert outside == {
        CONF, "/usr/lib64/collectd/egress_nat.so", "/usr/lib64/collectd/egress_netlink.so",
        "/usr/lib64/collectd/egress_probe.so", "/usr/lib64/collectd-egress", "/usr/lib64/collectd-egress/libegress.so",
        "/usr/lib/systemd/system/collectd.service.d",
        "/usr/lib/systemd/system/collectd.service.d/collectd-egress.conf"}
    assert {f"/usr/share/collectd-egress/{name}" for name in (
        "load/egress_nat.conf", "load/egress_netlink.conf", "load/egress_probe.conf", "try-configuration", "types.db",
        "collectd/gce-proxy.conf")} <= files
    assert {re.sub(r"\.gz$", "", path.rsplit("/", 1)[1]) for path in files if "/man/" in path} == {
        path.name for path in (TOP / "man").glob("*.[57]")}
    assert query(rpm, "--configfiles").split() == [CONF]


def test_what_it_takes_and_gives(rpm):
    requires = query(rpm, "--requires")
    assert "(collectd >= 5.12 with collectd < 5.13)" in requires and "ca-certificates" in requires
    assert "libegress" not in requires and ".so" not in query(rpm, "--provides")
    assert query(rpm, "--recommends").strip() == "collectd-write_prometheus"


@pytest.fixture(name="machine", scope="module")
def machine_fixture(work, root_of, rpm):
    """collectd as EPEL lays it out; what the package needs is there from Debian's."""
    root = machines.copy(root_of("bookworm"), work / "machine-rpm")
    machines.install(root, f"/root/{next(root.glob('root/*.deb')).name}")
    made = machines.Machine(root)
    made.sh("dpkg --purge collectd-egress && mv /usr/lib/collectd /usr/lib64/collectd && mkdir /etc/collectd.d &&"
            " rm -r /etc/collectd/collectd.conf.d && ln -sfn /etc/collectd.conf /etc/collectd/collectd.conf &&"
            " ln -s /usr/lib64/collectd /usr/lib/collectd && mkdir -p /usr/lib/systemd/system")
    made.file("/etc/collectd.conf").write_text(EL_CONF)
    shutil.copy(rpm, root / "root")
    made.sh("systemctl start collectd")
    assert made.daemon()
    yield made
    made.end()
    shutil.rmtree(root)


def rpm_does(machine, *arguments):
    """This machine's rpm, in the namespaces of the other, which has none."""
    return machine.enter_all("rpm", "--root", machine.root, "--nodeps", *arguments)


def test_installed_it_runs(machine, rpm):
    before = machine.daemon()
    said = rpm_does(machine, "--install", rpm)
    assert "collectd-egress:" not in said
    assert machine.daemon() not in ("", before)
    machine.wait_for_metrics("collectd_egress_netlink_tcp_connections{", "collectd_egress_nat_ports_used{")


def test_a_broken_stanza_is_told_and_leaves_collectd_alone(machine, rpm):
    running, path = machine.daemon(), machine.file(CONF)
    good = path.read_text()
    path.write_text(good.replace("Discover true", "Discover perhaps"))
    said = rpm_does(machine, "--upgrade", "--force", rpm)
    assert "perhaps" in path.read_text(), "the edited file was replaced"
    path.write_text(good)
    assert "collectd refuses" in said and "perhaps" in said
    assert machine.daemon() == running


def test_a_load_plugin_line_that_would_stop_collectd_is_told(machine, rpm):
    line = machine.file("/etc/collectd.d/mine.conf")
    line.write_text("LoadPlugin egress_netlink\n")
    running = machine.daemon()
    said = rpm_does(machine, "--erase", "collectd-egress")
    assert "not restarted" in said and "/etc/collectd.d/mine.conf" in said
    assert machine.daemon() == running
    line.unlink()
    rpm_does(machine, "--install", rpm)


def test_removed_collectd_runs_without_it(machine):
    machine.file(CONF).write_text(machine.file(CONF).read_text() + "# Mine.\n")
    running = machine.daemon()
    rpm_does(machine, "--erase", "collectd-egress")
    assert machine.daemon() not in ("", running)
    assert machine.file(CONF + ".rpmsave").exists(), "the edited file is kept"
    assert not list(machine.file("/usr").glob("lib*/collectd*/*egress*"))
