# SPDX-License-Identifier: MIT
"""A nested chain: the prober opens a tunnel through tinyproxy to Squid, and the other way round, and each part breaks."""

import pytest
from egress_lab import Lab

LOCATIONS = {"local", "pod-proxy", "gce-proxy", "egress", "target", "unknown"}
SECONDS = 40
STANZA = """
LoadPlugin egress_probe
<Plugin egress_probe>
  Timeout 1.6
  <Hop "pod-proxy">
    URL "{pod_proxy}"
  </Hop>
  <Hop "gce-proxy">
    URL "{gce_proxy}"
  </Hop>
  <Chain "nest">
    Hops "pod-proxy" "gce-proxy"
    Mode "nested"
    <Target "api">
      URL "https://api.example.com/"
      CACert "{ca}"
    </Target>
    <Target "git">
      URL "http://git.example.net/"
    </Target>
    <Target "pay">
      URL "tcp://pay.example.org:443"
    </Target>
    <Control "storage">
      URL "https://storage.example.com/"
      CACert "{ca}"
    </Control>
  </Chain>
</Plugin>
"""


def only(location):
    """A condition: this location has 1, every other one 0; None: all have 0."""
    expected = {name: float(name == location) for name in LOCATIONS}
    return lambda metrics: metrics.by_label("collectd_egress_probe_fault", "type", egress_probe="nest") == expected


@pytest.fixture(name="nest", scope="module", params=["nested", "nested-swapped"])
def nest_fixture(request):
    with Lab.up(proxies=request.param) as lab:
        yield lab


@pytest.fixture(name="pod")
def pod_fixture(nest, start_collectd):
    proxies = nest.status()["proxies"]
    body = STANZA.format(pod_proxy=proxies["podproxy"], gce_proxy=proxies["vm"], ca=nest.ca)
    collectd = start_collectd(nest, "pod", interval=4, body=body)
    collectd.wait_for(only(None), SECONDS, "a healthy chain")
    yield collectd
    nest.mend()


def test_each_hop_in_figures(pod):
    metrics = pod.wait_for(lambda found: found.value("collectd_egress_probe_up", egress_probe="nest:api") == 1,
                           SECONDS, "a good probe")
    phases = metrics.by_label("collectd_egress_probe_response_time", "type", egress_probe="nest:api")
    assert set(phases) == {"dns", "connect", "tunnel-pod-proxy", "tunnel-gce-proxy", "tls", "ttfb", "transfer"}
    total = metrics.value("collectd_egress_probe_latency", egress_probe="nest:api", type="total")
    assert sum(phases.values()) == pytest.approx(total, abs=1e-6)
    codes = metrics.by_label("collectd_egress_probe_response_code", "type", egress_probe="nest:api")
    assert codes == {"http": 200, "tunnel-pod-proxy": 200, "tunnel-gce-proxy": 200}
    # A plain request goes to the last proxy as it is.
    plain = metrics.by_label("collectd_egress_probe_response_time", "type", egress_probe="nest:git")
    assert set(plain) == {"dns", "connect", "tunnel-pod-proxy", "ttfb", "transfer"}
    connected = metrics.by_label("collectd_egress_probe_response_time", "type", egress_probe="nest:pay")
    assert set(connected) == {"dns", "connect", "tunnel-pod-proxy", "tunnel-gce-proxy"}


@pytest.mark.parametrize("part, how, blamed", [
    ("podproxy", "stop", "pod-proxy"),
    ("podproxy", "deny", "pod-proxy"),
    ("podproxy", "pause", "pod-proxy"),
    ("vm", "stop", "gce-proxy"),
    ("vm", "deny", "gce-proxy"),
    ("vm", "pause", "gce-proxy"),
    ("vm", "drop", "gce-proxy"),
    ("nat", "drop-translated", "egress"),
])
def test_the_broken_part_is_blamed_and_cleared(nest, pod, part, how, blamed):
    nest.break_(part, how)
    metrics = pod.wait_for(only(blamed), SECONDS, f"the blame on {blamed}")
    if part == "vm":
        assert metrics.value("collectd_egress_probe_hop_up", egress_probe="nest:api", type="pod-proxy") == 1
    nest.mend()
    pod.wait_for(only(None), SECONDS, "the end of the blame")
