# SPDX-License-Identifier: MIT
"""A wrong option makes collectd refuse to start, with one line that says block, option, value and what is allowed."""

import subprocess

import builds
import pytest

PROBE = """
<Plugin egress_probe>
  <Hop "gce-proxy">
    URL "http://10.0.0.1:3128"
  </Hop>
  <Chain "prod">
    Hops "gce-proxy"
    <Target "api">
      URL "https://api.example.com/"
    </Target>
  </Chain>
</Plugin>
"""
NETLINK = """
<Plugin egress_netlink>
  <Group "clients">
    LocalPort 3128
  </Group>
</Plugin>
"""
NAT = """
<Plugin egress_nat>
  <Gateway "nat">
    PortsPerVM 64
    TimeWait 30
  </Gateway>
</Plugin>
"""

# plugin, its good stanza, what is replaced in it, by what, and the words that the error must hold.
BAD = [
    ("egress_probe", PROBE, '<Chain "prod">', '<Chain "prod">\n    Mode "cascde"',
     ['Chain "prod"', 'Mode "cascde"', '"cascade"']),
    ("egress_probe", PROBE, '"http://10.0.0.1:3128"', '"ftp://10.0.0.1"',
     ['Hop "gce-proxy"', 'URL', 'ftp', 'http']),
    ("egress_probe", PROBE, 'Hops "gce-proxy"', 'Hops "nowhere"', ['Chain "prod"', 'Hops', 'nowhere', 'gce-proxy']),
    ("egress_probe", PROBE, "<Plugin egress_probe>", "<Plugin egress_probe>\n  Interval 0",
     ["egress_probe", "Interval 0", "number from"]),
    ("egress_probe", PROBE, "<Plugin egress_probe>", "<Plugin egress_probe>\n  Intervall 10",
     ["egress_probe", "Intervall", "unknown option", "Interval"]),
    ("egress_probe", PROBE, 'Target "api"', 'Target "a/b"', ['Target "a/b"', "'/'"]),
    ("egress_probe", PROBE, 'URL "https://api.example.com/"',
     'URL "https://api.example.com/"\n      ExpectStatus "200-99"', ['Target "api"', 'ExpectStatus "200-99"']),
    ("egress_probe", PROBE, "<Plugin egress_probe>", "<Plugin egress_probe>\n  Interval 30\n  Timeout 16",
     ['Chain "prod"', "Timeout 16", "Interval 30", "lengthen"]),
    # Known only after the last block.
    ("egress_probe", PROBE, "<Plugin egress_probe>", "<Plugin egress_probe>\n  Timeout 6",
     ['Chain "prod"', "Timeout 6", "Interval 10", "lengthen"]),
    ("egress_netlink", NETLINK, "LocalPort 3128", "LocalPort 70000",
     ['Group "clients"', "LocalPort 70000", "1 to 65535"]),
    ("egress_netlink", NETLINK, "LocalPort 3128", 'RemoteScope "everywhere"',
     ['Group "clients"', 'RemoteScope "everywhere"', '"public"', '"private"', '"loopback"']),
    ("egress_netlink", NETLINK, "LocalPort 3128", 'RemoteNetwork "10.0.0.1/8"',
     ['Group "clients"', 'RemoteNetwork "10.0.0.1/8"']),
    ("egress_netlink", NETLINK, '"clients"', '"all"', ['Group "all"', "reserved"]),
    ("egress_netlink", NETLINK, "<Plugin egress_netlink>", '<Plugin egress_netlink>\n  Conntrack "yes"',
     ['Conntrack "yes"', "true or false"]),
    ("egress_nat", NAT, "PortsPerVM 64", "PortsPerVM 0", ['Gateway "nat"', "PortsPerVM 0", "whole number from"]),
    ("egress_nat", NAT, "TimeWait 30", "TimeWait -1", ['Gateway "nat"', "TimeWait -1", "number from"]),
    ("egress_nat", NAT, "TimeWait 30", 'Bypass "nonsense"', ['Gateway "nat"', 'Bypass "nonsense"']),
    ("egress_nat", NAT, "TimeWait 30", 'Discover true\n    ComputeURL "http://compute.googleapis.com"',
     ['Gateway "nat"', "ComputeURL", "https://HOST", "169.254.169.254"]),
    ("egress_nat", NAT, "TimeWait 30", 'NatName "nat-1"', ['Gateway "nat"', "NatName", "Discover true"]),
    ("egress_nat", NAT, "<Plugin egress_nat>", '<Plugin egress_nat>\n  Source "guess"',
     ['Source "guess"', '"sockets"']),
]


def run(tmp_path, plugin, stanza, *arguments):
    path = tmp_path / "collectd.conf"
    path.write_text(f'Hostname "test"\nFQDNLookup false\nBaseDir "{tmp_path}"\nPIDFile "{tmp_path}/pid"\n'
                    f'PluginDir "{builds.plain()}"\nLoadPlugin {plugin}\n{stanza}', encoding="utf-8")
    return subprocess.run([builds.COLLECTD, *arguments, "-C", str(path)], capture_output=True, text=True, timeout=30,
                          check=False)


@pytest.mark.parametrize("arguments", [("-T", "-f"), ("-f",)], ids=["test", "daemon"])
@pytest.mark.parametrize("plugin, stanza, good, bad, words", BAD, 
                         ids=[f"{row[0]}: {row[3].splitlines()[-1].strip()}" for row in BAD])
def test_a_wrong_option_is_refused(tmp_path, arguments, plugin, stanza, good, bad, words):
    assert stanza.count(good) == 1
    ended = run(tmp_path, plugin, stanza.replace(good, bad), *arguments)
    assert ended.returncode != 0
    said = [line for line in (ended.stdout + ended.stderr).splitlines() if f'<Plugin "{plugin}">' in line]
    assert len(said) == 1, ended.stdout + ended.stderr
    for word in words:
        assert word in said[0]


def test_no_password_in_a_url_and_none_in_the_log(tmp_path):
    stanza = PROBE.replace("http://10.0.0.1:3128", "http://probe:hunter2@10.0.0.1:3128")
    ended = run(tmp_path, "egress_probe", stanza, "-T", "-f")
    output = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert "PasswordFile" in output
    assert "hunter2" not in output


@pytest.mark.parametrize("plugin, stanza", [("egress_netlink", NETLINK), ("egress_nat", NAT)])
def test_a_good_stanza_is_taken(tmp_path, plugin, stanza):
    ended = run(tmp_path, plugin, stanza, "-T", "-f")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["interval first", "interval last"])
def test_blocks_stand_in_any_order(tmp_path, order):
    blocks = ("<Plugin egress_probe>\n  Interval 60\n</Plugin>\n",
              PROBE.replace("<Plugin egress_probe>", "<Plugin egress_probe>\n  Timeout 20"))
    ended = run(tmp_path, "egress_probe", "".join(blocks[index] for index in order), "-T", "-f")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ended = run(tmp_path, "egress_probe", blocks[1], "-T", "-f")
    assert ended.returncode != 0 and "does not fit" in ended.stdout + ended.stderr
