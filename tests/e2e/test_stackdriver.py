# SPDX-License-Identifier: MIT
"""Debian's write_stackdriver with the shipped stanza, against a stand-in for Google: what it can do, and what not."""

import contextlib
import json
import os
import re
from pathlib import Path

import builds
import pytest
from egress_lab import collectd as lab_collectd
from egress_lab import fake_gcp, fake_monitoring, gcp, identity, netns, process

TOP = Path(__file__).resolve().parents[2]
STANZA = (TOP / "etc" / "collectd" / "write-stackdriver.conf").read_text(encoding="utf-8")
SECONDS = 60
PORT = 8080
# "Authorization: Bearer " and the end of the string in write_stackdriver's 256 bytes.
LONGEST_TOKEN = 256 - len("Authorization: Bearer ") - 1


@pytest.fixture(name="monitoring", scope="module")
def monitoring_fixture(_shared_lab):
    """The fake API, and the metadata server under the name by which the plugin knows it."""
    hosts = identity.directory(_shared_lab.id) / "etc" / "hosts"
    before = hosts.read_text(encoding="ascii")
    hosts.write_text(f"{before}{gcp.ADDRESS} metadata.google.internal\n", encoding="ascii")
    lab_root = Path(fake_monitoring.__file__).resolve().parents[1]
    argv = ["/usr/bin/python3", "-m", "egress_lab.fake_monitoring", str(gcp.folder(_shared_lab.id)), gcp.ADDRESS,
            str(PORT)]
    server = _shared_lab.popen("vm", argv, env={**os.environ, "PYTHONPATH": str(lab_root)})

    def listens():
        with contextlib.suppress(OSError):
            netns.connect_in(_shared_lab.id, "vm", gcp.ADDRESS, PORT, 1).close()
            return True
        return False
    assert process.wait_until(listens, SECONDS, pause=0.1)
    yield
    server.terminate()
    server.wait()
    hosts.write_text(before, encoding="ascii")


def written(lab):
    path = gcp.folder(lab.id) / "written.log"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@contextlib.contextmanager
def run(lab, token_bytes, stanza=STANZA):
    """A collectd in the VM that writes with a token of this length."""
    settings = lab.settings
    world = fake_gcp.default_world(settings["ports"], settings["time_wait"], settings["transitory"],
                                   settings["established"])
    world["token"]["bytes"] = token_bytes
    gcp.write(lab.id, world)
    (gcp.folder(lab.id) / "written.log").unlink(missing_ok=True)
    project = world["vm"]["project"]
    assert stanza.count('Project "my-project"') == 1
    stanza = stanza.replace("my-project", project).replace(
        f'Project "{project}"', f'Project "{project}"\n  Url "{gcp.URL}:{PORT}/v3"')
    body = lab_collectd.stanzas(lab.id, "vm", settings) + 'PluginDir "/usr/lib/collectd"\n' + stanza
    try:
        with lab.collectd("vm", str(builds.plain()), interval=1, body=body) as collectd:
            yield collectd
    finally:
        gcp.prepare(lab.id, settings)


def wait_written(lab, collectd, condition, what):
    found = process.wait_until(lambda: [each for each in written(lab) if condition(each)], SECONDS, pause=0.1)
    assert found, f"{what}:\n{written(lab)[-3:]}\n{collectd.log()[-3000:]}"
    return found


@pytest.mark.usefixtures("monitoring")
@pytest.mark.parametrize("token_bytes", [200, LONGEST_TOKEN])
def test_a_short_token_works(lab, token_bytes):
    wanted = {("egress_nat/ports_used", "nat:tcp"), ("egress_probe/up", "vm:api"), ("egress_probe/results", "vm:api")}
    seen = {}

    def everything(entry):
        if entry["what"] == "timeSeries" and entry["status"] == 200:
            seen.update({(each["metric"]["type"].removeprefix("custom.googleapis.com/collectd/"),
                          each["metric"]["labels"]["plugin_instance"]): each for each in entry["series"]
                         if "plugin_instance" in each["metric"]["labels"]})
        return wanted <= set(seen)

    with run(lab, token_bytes) as collectd:
        wait_written(lab, collectd, everything, "time series")
        assert not [entry for entry in written(lab) if entry["status"] != 200]
    used = seen["egress_nat/ports_used", "nat:tcp"]
    assert used["metric"]["labels"]["host"] == "vm"
    assert used["resource"]["labels"]["zone"] == "europe-west3-b"
    results = seen["egress_probe/results", "vm:api"]
    assert results["metricKind"] == "CUMULATIVE" and results["metric"]["labels"]["type_instance"]


@pytest.mark.usefixtures("monitoring")
@pytest.mark.parametrize("token_bytes", [LONGEST_TOKEN + 1, 1100, 2048])
def test_a_long_token_sends_nothing_and_says_so(lab, token_bytes):
    """As the stanza says. If this fails, collectd can do it now: say so there, and in collectd-egress(7)."""
    with run(lab, token_bytes) as collectd:
        collectd.wait_for(lambda _: "write_stackdriver plugin: wg_call_metricdescriptor_create failed" in collectd.log(),
                          SECONDS, "its complaint")
        collectd.wait_for(lambda metrics: metrics.value("collectd_egress_nat_ports_used", egress_nat="nat:tcp") is not None,
                          SECONDS, "the other pipelines go on")
        assert not [entry for entry in written(lab) if entry["status"] == 200]


@pytest.mark.usefixtures("monitoring")
def test_without_the_resource_the_api_refuses_its_zone(lab):
    """Why the stanza spells it out."""
    bare = re.sub(r"  <Resource .*?</Resource>\n", "", STANZA, flags=re.S)
    assert bare != STANZA
    with run(lab, 200, bare) as collectd:
        (refused, *_) = wait_written(lab, collectd, lambda entry: entry["what"] == "timeSeries", "time series")
        assert refused["status"] == 400 and "zones/" in refused["complaint"], refused["complaint"]


def test_the_stand_in_refuses_what_the_api_refuses():
    good = {"metric": {"type": "custom.googleapis.com/collectd/x", "labels": {}}, "metricKind": "GAUGE",
            "valueType": "DOUBLE", "points": [{"interval": {"endTime": "t"}, "value": {"doubleValue": 1.0}}],
            "resource": {"type": "gce_instance",
                         "labels": {"project_id": "p", "instance_id": "1", "zone": "europe-west3-b"}}}
    point = good["points"][0]
    assert fake_monitoring.series_complaint(good) is None
    for field, bad in (("metric", {"type": "x"}), ("points", []), ("points", [point, point]), ("valueType", "INT64"),
                       ("metricKind", "CUMULATIVE"), ("resource", {"type": "global", "labels": {}})):
        assert fake_monitoring.series_complaint({**good, field: bad}), field
