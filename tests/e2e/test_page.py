# SPDX-License-Identifier: MIT
"""The page of `./demo --keep` in a browser: every panel of the dashboard has data, also when the path is broken."""

import http.client
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

import builds
import pytest
from browser import look

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "demo"))

from egress_demo import page, page_server  # noqa: E402
from egress_lab import LabError, process  # noqa: E402

DASHBOARD = json.loads(page_server.DASHBOARD.read_text(encoding="utf-8"))
TITLES = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] != "row"]
# What the lab cannot have, and what the panel says of it.
NEVER = {
    "Google: port usage beside ours": "Cloud NAT's own figure",
    "Google: ports allocated": "none outside Google Cloud",
    "Google: dropped packets by reason": "Cloud NAT's own figure",
    "Google: gateway failed to allocate": "none outside Google Cloud",
    "Google: flows dropped, from the NAT's log": "none outside Google Cloud",
    "Google: log of dropped flows": "none outside Google Cloud",
    "Busiest sources": "forwards for nobody",
}
# A figure of now: only while usage is rising.
WHILE_RISING = {"Ports run out in": "usage is not rising"}
API = ("198.51.100.10", 443)
INTERVAL = 1
SECONDS = 90


@pytest.fixture(name="shown", scope="module")
def shown_fixture(_shared_lab):
    """(lab, page) with both collectds and a Prometheus."""
    lab, plugins = _shared_lab, str(builds.plain())
    with page.start(lab, INTERVAL) as started:
        with lab.collectd("pod", plugins, interval=INTERVAL):
            with page.collectd_in_vm(lab, plugins, INTERVAL):
                started.prometheus.wait_for("min(collectd_egress_probe_up) == 1", SECONDS)
                yield lab, started
    lab.reset()


def seen(started, tmp_path, condition):
    """What the browser shows, once the condition holds for it."""
    last = []

    def ask():
        last[:] = [look(started.url, tmp_path / "profile")]
        return condition(last[0])
    process.wait_until(ask, SECONDS, pause=1)
    return last[0]


def empty(document):
    return {title: panel["text"] for title, panel in document.panels.items() if panel["state"] != "data"}


def only_empty(document, *expected):
    return set(empty(document)) <= {title for each in expected for title in each}


def test_every_panel_has_data_or_says_why_not(shown, tmp_path):
    lab, started = shown
    # Usage that rises, for the forecast's chart.
    load = lab.load("vm", "short", *API, "--count", 40, "--rate", 5, "--close", "client")
    started.prometheus.wait_for("min(collectd_egress_nat_time_to_exhaustion) > 0", SECONDS)
    document = seen(started, tmp_path, lambda found: only_empty(found, NEVER, WHILE_RISING))
    load.communicate(timeout=60)
    assert document.body["data-trouble"] == ""
    assert list(document.panels) == TITLES and len(TITLES) > 35
    assert document.headings == [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert only_empty(document, NEVER, WHILE_RISING), empty(document)
    for title, reason in NEVER.items():
        assert "no data here: " in document.panels[title]["text"] and reason in document.panels[title]["text"]
    assert all(panel["shapes"] for panel in document.panels.values() if panel["state"] == "data")
    parts = ["local", "gce-proxy", "pod-proxy", "egress", "target", "unknown"]
    assert "".join(f"prod: {part}" for part in parts) in document.panels["Verdict by part"]["text"]
    # The load may have taken the last ports meanwhile.
    document = seen(started, tmp_path, lambda found: found.verdict == "every part works")
    assert document.verdict == "every part works" and "green" in document.verdict_class


def test_a_broken_hop_is_red_and_the_panels_stay(shown, tmp_path):
    lab, started = shown
    lab.break_("vm", "stop")
    started.prometheus.wait_for('sum(collectd_egress_probe_fault{type="gce-proxy"}) == 2', SECONDS)
    document = seen(started, tmp_path, lambda found: "prod: gce-proxy" in found.verdict)
    assert document.verdict == "broken: prod: gce-proxy, vm: gce-proxy" and "red" in document.verdict_class
    assert only_empty(document, NEVER, WHILE_RISING), empty(document)
    assert "red" in document.panels["Parts blamed"]["colors"] and "red" in document.panels["Targets up"]["colors"]
    assert {"red", "green"} <= set(document.panels["Verdict by part"]["colors"])
    lab.mend()
    started.prometheus.wait_for("sum(collectd_egress_probe_fault) == 0", SECONDS)


def test_a_full_nat_is_red(shown, tmp_path):
    lab, started = shown
    ports = lab.settings["ports"]
    load = lab.load("vm", "hold", *API, "--count", 2 * ports, "--rate", 32, "--seconds", 60)
    try:
        started.prometheus.wait_for('max(collectd_egress_nat_percent{type="limit"}) >= 99.5', SECONDS)
        started.prometheus.wait_for("sum(collectd_egress_nat_stalled_connects) >= 5", SECONDS)
        document = seen(started, tmp_path, lambda found: "red" in found.panels["NAT ports used"]["colors"])
    finally:
        load.terminate()
        load.communicate()
    assert "red" in document.panels["NAT ports used"]["colors"]
    assert "red" in document.panels["Stalled connects"]["colors"]
    assert "198.51.100.10:443" in document.panels["Busiest destinations"]["text"]


def test_the_configuration_is_the_shipped_one_at_the_labs_pace():
    text = page.configuration(2)
    assert "scrape_interval: 2s" in text and "30s" not in text and ":9093" not in text
    assert "targets: ['127.0.0.1:9103', '10.128.0.2:9103']" in text and f"- {page.ETC}/prometheus/rules/*.yml" in text
    assert "honor_timestamps: false" in text and "target_label: gateway" in text


def test_no_prometheus_is_one_line_that_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabError, match="^the page needs Prometheus: apt-get install prometheus$"):
        page.check_machine()


def get(started, path):
    where = urlsplit(started.url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/../page.py", "/page.py", "/api/v1/admin/tsdb/snapshot", "/-/quit",
                                  "/api/v1/status/config"])
def test_only_the_page_and_its_questions_are_served(shown, path):
    assert get(shown[1], path)[0] == 404


def test_without_prometheus_the_page_says_so(shown, tmp_path):
    _, started = shown
    started.prometheus.stop()
    status, said = get(started, "/api/v1/query_range?query=up")
    assert status == 502 and b"Prometheus does not answer" in said
    document = look(started.url, tmp_path / "profile")
    assert document.verdict == "no answer from Prometheus" and "502" in document.body["data-trouble"]
