# SPDX-License-Identifier: MIT
"""What is broken is what is blamed, from the Pod's seat, by a real collectd through real Squids."""

import pytest

LOCATIONS = {"local", "pod-proxy", "gce-proxy", "egress", "target", "unknown"}
INTERVAL = 2
# VerdictAfter + 1 rounds of 2 s, and what a loaded machine takes besides.
SECONDS = 30


def faults(metrics, chain="prod"):
    return metrics.by_label("collectd_egress_probe_fault", "type", egress_probe=chain)


def only(location):
    """A condition: this location has 1, every other one 0; None: all have 0."""
    expected = {name: float(name == location) for name in LOCATIONS}
    return lambda metrics: faults(metrics) == expected


@pytest.fixture(name="pod")
def pod_fixture(lab, start_collectd):
    collectd = start_collectd(lab, "pod", interval=INTERVAL)
    collectd.wait_for(only(None), SECONDS, "a healthy chain")
    yield collectd
    lab.mend()


@pytest.mark.parametrize("part, how, blamed", [
    ("vm", "stop", "gce-proxy"),
    ("vm", "drop", "gce-proxy"),
    ("podproxy", "stop", "pod-proxy"),
    ("podproxy", "pause", "pod-proxy"),
    ("inet", "status=503:api.example.com", "target"),
])
def test_the_broken_part_is_blamed_and_cleared(lab, pod, part, how, blamed):
    lab.break_(part, how)
    metrics = pod.wait_for(only(blamed), SECONDS, f"the blame on {blamed}")
    if blamed == "target":
        assert metrics.value("collectd_egress_probe_up", egress_probe="prod:api") == 0
        assert metrics.value("collectd_egress_probe_up", egress_probe="prod:git") == 1
        assert metrics.value("collectd_egress_probe_response_code", egress_probe="prod:api", type="http") == 503
    else:
        assert set(metrics.by_label("collectd_egress_probe_up", "egress_probe").values()) == {0}
    lab.mend()
    pod.wait_for(only(None), SECONDS, "the end of the blame")
    assert f"fault at {blamed}" in pod.log()


def test_a_healthy_chain_in_figures(pod):
    metrics = pod.wait_for(lambda found: (found.value("collectd_egress_probe_results_total", egress_probe="prod:api",
                                                     type="ok") or 0) >= 2, SECONDS, "two good probes")
    assert metrics.by_label("collectd_egress_probe_up", "egress_probe") == {
        "prod:api": 1, "prod:git": 1, "prod:pay": 1}
    total = metrics.value("collectd_egress_probe_latency", egress_probe="prod:api", type="total")
    phases = metrics.by_label("collectd_egress_probe_response_time", "type", egress_probe="prod:api")
    assert set(phases) == {"dns", "connect", "tunnel-pod-proxy", "tls", "ttfb", "transfer"}
    assert all(length >= 0 for length in phases.values())
    assert sum(phases.values()) == pytest.approx(total, abs=1e-6)
    hops = metrics.by_label("collectd_egress_probe_hop_up", "type", egress_probe="prod:api")
    assert hops and set(hops.values()) == {1}
    assert metrics.value("collectd_egress_probe_response_code", egress_probe="prod:api", type="http") == 200
    results = metrics.by_label("collectd_egress_probe_results_total", "type", egress_probe="prod:api")
    assert set(results) == {"ok", "local", "dns", "refused", "unreachable", "connect_timeout", "proxy_denied",
                            "proxy_error", "tunnel_timeout", "tls", "certificate", "timeout", "status", "body",
                            "other"}
    buckets = metrics.by_label("collectd_egress_probe_latency_bucket_total", "type", egress_probe="prod:api")
    assert list(sorted(buckets.values())) == [
        buckets[bound] for bound in ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10",
                                     "+Inf")]
    assert buckets["+Inf"] == results["ok"]


PORTLESS = """
LoadPlugin egress_probe
<Plugin egress_probe>
  <Hop "web">
    URL "http://198.51.100.20"
  </Hop>
  <Chain "odd">
    Hops "web"
    <Target "api">
      URL "https://api.example.com/"
    </Target>
  </Chain>
</Plugin>
"""


def test_a_hop_without_a_port_is_asked_at_its_schemes_port(lab, start_collectd):
    """nginx listens on 80 and knows no CONNECT; on libcurl's own default, 1080, nobody listens."""
    collectd = start_collectd(lab, "vm", interval=1, body=PORTLESS)
    metrics = collectd.wait_for(lambda found: found.find("collectd_egress_probe_response_code"), SECONDS, "an answer")
    assert metrics.value("collectd_egress_probe_response_code", egress_probe="odd:api", type="tunnel-web") in (400, 405)
    assert metrics.value("collectd_egress_probe_results_total", egress_probe="odd:api", type="refused") == 0
