# SPDX-License-Identifier: MIT
"""A machine's life with the package, in the order of the tests: installed, edited, broken, upgraded, removed, purged."""

import re
import shutil

import machines
import pytest
from conftest import TOP

CONF = "/etc/collectd/collectd.conf.d/egress.conf"
NETLINK, NAT = "collectd_egress_netlink_tcp_connections{", "collectd_egress_nat_ports_used{"


def apt(machine, *arguments):
    return machine.sh("apt-get -y --no-install-recommends " + " ".join(arguments))


def edit(machine, old, new):
    path = machine.file(CONF)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture(name="higher", scope="module")
def higher_fixture(work, deb, fields):
    """The same package with a higher version, and with another conffile: each upgrade must choose between two."""
    tree = work / "higher"
    shutil.rmtree(tree, ignore_errors=True)
    machines.run(["dpkg-deb", "--raw-extract", deb, tree])
    control = tree / "DEBIAN/control"
    version = fields["Version"] + "+next"
    control.write_text(re.sub(r"^Version: .*", f"Version: {version}", control.read_text(), flags=re.M))
    conf = tree / CONF.lstrip("/")
    conf.write_text(conf.read_text() + "# The next version's.\n")
    machines.run(["dpkg-deb", "--root-owner-group", "--build", tree, work / f"collectd-egress_{version}.deb"])
    shutil.rmtree(tree)
    return work / f"collectd-egress_{version}.deb"


def test_installed_and_running(machine, deb):
    """The package is all that it takes: collectd runs as its unit says, and is restarted by the installation."""
    machine.sh("systemctl start collectd")
    before = machine.daemon()
    assert before
    said = apt(machine, "install", f"/root/{deb.name}")
    assert "refuses" not in said and "could not be restarted" not in said
    assert machine.daemon() not in ("", before)


def test_values_within_a_minute(machine):
    machine.sh("cp /usr/share/collectd-egress/collectd/write-prometheus.conf"
               " /etc/collectd/collectd.conf.d/ && systemctl restart collectd")
    machine.wait_for_metrics(NETLINK, NAT)


def test_its_autopkgtest_passes(machine):
    shutil.copy(TOP / "packaging/debian/tests/metrics", machine.file("/root"))
    assert "collectd_egress_nat_ports_used{" in machine.sh("/root/metrics")


def test_the_options_are_read(machine):
    """A wrong option in the conffile fails `collectd -T -f`; one line names it (on Debian collectd.conf sends that to
    the log, so it is read from the trial)."""
    edit(machine, "Discover true", "Discover perhaps")
    status, _ = machine.status("collectd -T -f")
    tried, said = machine.status("/usr/share/collectd-egress/try-configuration")
    edit(machine, "Discover perhaps", "Discover true")
    assert (status, tried) == (1, 1)
    assert len([line for line in said.splitlines() if "Discover" in line and "perhaps" in line]) == 1, said
    assert machine.status("/usr/share/collectd-egress/try-configuration") == (0, "")


def test_options_that_nothing_loads_are_told(machine):
    """The comment signs taken away, but for one line: collectd starts, and would say so in its log alone."""
    path = machine.file(CONF)
    good = path.read_text()
    kept, options = good.split("#<Plugin egress_probe>\n")
    path.write_text(kept + "<Plugin egress_probe>\n" + options.replace("#", ""))
    status, said = machine.status("/usr/share/collectd-egress/try-configuration")
    (line,) = said.splitlines()
    assert status == 0 and line.startswith("<Plugin egress_probe>: not read")
    path.write_text(path.read_text().replace("<Plugin egress_probe>", line.split("add above it: ")[1] + "\n<Plugin egress_probe>"))
    assert machine.status("/usr/share/collectd-egress/try-configuration") == (0, "")
    path.write_text(good)


def test_an_upgrade_with_a_broken_stanza_warns_and_leaves_collectd_alone(machine, deb):
    running = machine.daemon()
    edit(machine, "Discover true", "Discover perhaps")
    said = apt(machine, "reinstall", f"/root/{deb.name}")
    edit(machine, "Discover perhaps", "Discover true")
    assert "collectd refuses" in said and "perhaps" in said
    assert machine.daemon() == running
    assert machine.metrics()


@pytest.mark.parametrize("text", ["<Plugin egress_nat>\n", "LoadPlugin egress_none\n"])
def test_so_does_any_other_file_that_names_our_plugins(machine, deb, text):
    running = machine.daemon()
    other = machine.file("/etc/collectd/collectd.conf.d/zzz.conf")
    other.write_text(text)
    said = apt(machine, "reinstall", f"/root/{deb.name}")
    other.unlink()
    assert "collectd refuses" in said
    assert machine.daemon() == running


def test_upgrade_keeps_what_was_edited(machine, higher):
    edit(machine, "Discover true", "PortsPerVM 64\n    TimeWait 30")
    edited, running = machine.file(CONF).read_text(), machine.daemon()
    shutil.copy(higher, machine.file("/root"))
    said = apt(machine, "-o Dpkg::Options::=--force-confold", "install", f"/root/{higher.name}")
    assert machine.sh("dpkg-query -W -f '${Version}' collectd-egress") in higher.name
    assert "refuses" not in said
    assert machine.file(CONF).read_text() == edited
    assert machine.daemon() not in ("", running)
    found = machine.wait_for_metrics(NETLINK, NAT, "collectd_egress_nat_ports_limit{")
    assert 64 in [value for name, value in found.items() if name.startswith("collectd_egress_nat_ports_limit{")]


def test_removed(machine):
    """The edited conffile stays, and collectd goes on without the plugins."""
    running = machine.daemon()
    said = apt(machine, "remove", "collectd-egress")
    assert "could not" not in said
    assert machine.daemon() not in ("", running)
    assert machine.file(CONF).exists()
    assert not machine.metrics()
    machine.sh("systemctl restart collectd")
    assert machine.daemon()
    assert not list(machine.file("/usr/lib").glob("collectd*/*egress*"))


def test_purged(machine):
    """What collectd has written of our values is collectd's."""
    apt(machine, "purge", "collectd-egress")
    left = machine.sh("find / -xdev -name '*egress*' -not -path '/root/*' -not -path '/var/lib/collectd/*'")
    assert left == ""
    assert machine.sh("grep -rl egress /etc /var/lib/dpkg || true") in ("",
                      "/etc/collectd/collectd.conf.d/write-prometheus.conf\n")


def test_removal_with_a_load_plugin_line_left_warns(machine, deb):
    apt(machine, "install", f"/root/{deb.name}")
    line = machine.file("/etc/collectd/collectd.conf.d/mine.conf")
    line.write_text("LoadPlugin egress_netlink\n")
    running = machine.daemon()
    said = apt(machine, "remove", "collectd-egress")
    assert "/etc/collectd/collectd.conf.d/mine.conf" in said and "not restarted" in said
    assert machine.daemon() == running
    line.unlink()
