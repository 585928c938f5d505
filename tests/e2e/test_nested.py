# SPDX-License-Identifier: MIT
"""A nested chain: the prober opens a tunnel through a tinyproxy to vm's Squid, and each part of it breaks."""

import signal
import subprocess

import pytest
from egress_lab import sites

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


TINYPROXY = """
Port {port}
LogFile "{folder}/nested.log"
LogLevel Critical
ConnectPort 443
ConnectPort {next}
"""


class FirstProxy:
    """A tinyproxy in podproxy, beside its Squid, that lets the prober open a tunnel to vm's Squid."""

    PORT = 3129

    def __init__(self, lab):
        self._lab = lab
        self._path = lab.directory / "nested.conf"
        self._path.write_text(TINYPROXY.format(port=self.PORT, folder=lab.directory, next=sites.PROXY_PORT),
                              encoding="ascii")
        self._child = None
        self.start()

    def start(self):
        self._child = self._lab.popen("podproxy", ["tinyproxy", "-d", "-c", str(self._path)],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self._child.kill()
        self._child.wait()

    def pause(self):
        self._child.send_signal(signal.SIGSTOP)

    def mend(self):
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGCONT)
        else:
            self.start()


@pytest.fixture(name="first")
def first_fixture(lab):
    proxy = FirstProxy(lab)
    yield proxy
    proxy.stop()


@pytest.fixture(name="pod")
def pod_fixture(lab, first, start_collectd):
    body = STANZA.format(pod_proxy=f"http://{sites.ADDRESSES['podproxy']}:{first.PORT}",
                         gce_proxy=f"http://{sites.ADDRESSES['vm']}:{sites.PROXY_PORT}", ca=lab.ca)
    collectd = start_collectd(lab, "pod", interval=4, body=body)
    collectd.wait_for(only(None), SECONDS, "a healthy chain")
    yield collectd
    lab.mend()


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


@pytest.mark.parametrize("how", ["stop", "pause"])
def test_the_first_proxy_is_blamed_and_cleared(first, pod, how):
    getattr(first, how)()
    pod.wait_for(only("pod-proxy"), SECONDS, "the blame on pod-proxy")
    first.mend()
    pod.wait_for(only(None), SECONDS, "the end of the blame")


@pytest.mark.parametrize("part, how, blamed", [
    ("vm", "stop", "gce-proxy"),
    ("vm", "deny", "gce-proxy"),
    ("vm", "pause", "gce-proxy"),
    ("vm", "drop", "gce-proxy"),
    ("nat", "drop-translated", "egress"),
])
def test_the_broken_part_is_blamed_and_cleared(lab, pod, part, how, blamed):
    lab.break_(part, how)
    metrics = pod.wait_for(only(blamed), SECONDS, f"the blame on {blamed}")
    assert metrics.value("collectd_egress_probe_hop_up", egress_probe="nest:api", type="pod-proxy") == 1
    lab.mend()
    pod.wait_for(only(None), SECONDS, "the end of the blame")
