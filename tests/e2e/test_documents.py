# SPDX-License-Identifier: MIT
"""collectd takes every stanza that is printed anywhere: in the manual pages, in README.md, in etc/collectd."""

import re
import subprocess
import sys
from pathlib import Path

import builds
import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "tools"))

import documents  # noqa: E402

# Asks the metadata server while it is configured: test_stackdriver.py starts it where there is one.
ELSEWHERE = ("write-stackdriver.conf",)


def collect():
    """(where it is printed, the stanza)."""
    found = []
    for path in sorted((TOP / "man").glob("*.[57]")):
        found += [(path, text) for text in documents.manual_stanzas(path.read_text(encoding="utf-8"))]
    found += [(TOP / "README.md", text) for text in
              documents.readme_stanzas((TOP / "README.md").read_text(encoding="utf-8"))]
    found += [(path, path.read_text(encoding="utf-8")) for path in sorted((TOP / "etc" / "collectd").glob("*.conf"))
              if path.name not in ELSEWHERE]
    counts = {}
    for path, text in found:
        counts[path.name] = counts.get(path.name, 0) + 1
        yield pytest.param(text, id=f"{path.name}-{counts[path.name]}")


STANZAS = list(collect())
OURS = [each for each in STANZAS if re.search(r"^<Plugin \"?egress_", each.values[0], re.M)]


def run(tmp_path, stanza):
    """In a namespace of its own: a probe that the stanza asks for reaches nobody.

    The address is for getaddrinfo, which finds nothing to listen on where there is none but loopback's."""
    path = tmp_path / "collectd.conf"
    path.write_text(f'Hostname "test"\nFQDNLookup false\nBaseDir "{tmp_path}"\nPIDFile "{tmp_path}/pid"\n'
                    f"{builds.with_plugin_folders(stanza)}", encoding="utf-8")
    script = 'ip link set lo up && ip address add 192.0.2.1/32 dev lo && exec "$@"'
    return subprocess.run(["unshare", "--net", "sh", "-c", script, "sh", builds.COLLECTD, "-T", "-f", "-C", str(path)],
                          capture_output=True, text=True, timeout=60, check=False)


def test_there_are_stanzas_of_all_plugins():
    text = "\n".join(each.values[0] for each in OURS)
    for plugin in ("egress_probe", "egress_netlink", "egress_nat"):
        assert f"<Plugin {plugin}>" in text


@pytest.mark.parametrize("stanza", STANZAS)
def test_the_stanza_is_taken(tmp_path, stanza):
    ended = run(tmp_path, stanza)
    output = ended.stdout + ended.stderr
    assert ended.returncode == 0, output
    assert '<Plugin "' not in output, "an error in a block"
    for name in re.findall(r"^<Plugin \"?(\w+)", stanza, re.M):
        # Also as a string within JSON, which log_logstash writes.
        assert f'plugin_load: plugin "{name}" successfully loaded.' in output.replace('\\"', '"')


@pytest.mark.parametrize("stanza", OURS)
def test_its_block_is_really_read(tmp_path, stanza):
    """The same stanza with one option that does not exist is refused."""
    wrong = re.sub(r"^(\s*<Plugin \"?egress_\w+\"?>)", r"\1\n  NoSuchOption true", stanza, count=1, flags=re.M)
    assert wrong != stanza
    ended = run(tmp_path, wrong)
    assert ended.returncode != 0
    assert "NoSuchOption" in ended.stdout + ended.stderr


def test_a_receiver_takes_the_installed_types(tmp_path):
    """collectd without the plugins reads types.db beside its own, without a complaint."""
    types = builds.plain().parents[1] / "share" / "collectd-egress" / "types.db"
    good = f'TypesDB "/usr/share/collectd/types.db"\nTypesDB "{types}"\nLoadPlugin csv\n'
    assert types.exists()
    ended = run(tmp_path, good)
    output = (ended.stdout + ended.stderr).splitlines()
    assert ended.returncode == 0, output
    assert not [line for line in output if "type" in line], output
    broken = tmp_path / "types.db"
    broken.write_text(types.read_text(encoding="utf-8").replace("value:GAUGE:0:1", "value:GUAGE:0:1", 1),
                      encoding="utf-8")
    ended = run(tmp_path, good.replace(str(types), str(broken)))
    assert [line for line in (ended.stdout + ended.stderr).splitlines() if "GUAGE" in line]
