# SPDX-License-Identifier: MIT
"""The Pods of etc/kubernetes as a kubelet would run them: accounts, capabilities, a root that cannot be written to."""

import signal

import container
import pytest
from egress_lab import collectd, netns, prometheus, sites

SECONDS = 60
NODE = "gke-prod-pool-1-8d2a41f3-q0xz"
NET_ADMIN = 1 << 12
ADDRESSES = {
    "http://egress-proxy.proxy.svc:3128": f"http://{sites.ADDRESSES['podproxy']}:{sites.PROXY_PORT}",
    "10.128.0.9": sites.ADDRESSES["vm"],
    "https://github.com/": "https://api.example.com/",
    "https://api.stripe.com/healthcheck": "https://pay.example.org/",
    "https://storage.googleapis.com/": "https://storage.example.com/",
}


def in_the_lab(text):
    """What somebody who uses the manifest does to it; and a shorter interval."""
    for old, new in ADDRESSES.items():
        text = text.replace(old, new)
    return text.replace("Interval 30", "Interval 4").replace("Interval 10\n", "Interval 1\n", 1)


@pytest.fixture(name="make")
def make_fixture(lab):
    """A function that makes a Pod."""
    pods = []

    def make(part, manifest, workload, edit=in_the_lab, objects=None):
        pods.append(container.Pod(lab, part, objects or container.load(manifest), workload, NODE, edit))
        return pods[-1]

    yield make
    for pod in pods:
        pod.stop()


def scrape(lab, part):
    """What a Prometheus outside of the Pod reads."""
    with netns.connect_in(lab.id, part, sites.ADDRESSES[part], collectd.PORT, 5) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: connection.recv(65536), b""))
    return prometheus.Metrics(text.partition(b"\r\n\r\n")[2].decode("utf-8"))


def wait_ready(running):
    running.wait(lambda: running.run(["/entrypoint", "ready"]).returncode == 0, SECONDS, "readiness")


def test_the_probing_pod(lab, make):
    pod = make("pod", "probing-pods.yaml", "DaemonSet")
    running = pod.start("collectd")
    wait_ready(running)
    assert running.probe("livenessProbe") == (0, "") and running.probe("readinessProbe") == (0, "")
    state = running.status()
    assert state["Name"] == ["collectd"] and state["NoNewPrivs"] == ["1"]
    assert set(state["Uid"]) == {"65532"} and set(state["Gid"]) == {"65532"} and state.get("Groups", []) == []
    assert {int(state[name][0], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")} == {0}
    for path in ("/x", "/etc/collectd/x", "/etc/x", "/usr/x", "/tmp/x"):
        assert "Read-only file system" in running.run(["touch", path]).stderr, path
    running.wait(lambda: scrape(lab, "pod").value("collectd_egress_probe_up", egress_probe="prod:stripe") == 1,
                 SECONDS, "a good probe")
    metrics = scrape(lab, "pod")
    assert metrics.value("collectd_egress_probe_up", egress_probe="prod:github", instance=NODE) == 1
    hosts = {dict(labels)["instance"] for samples in metrics.samples.values() for labels in samples}
    assert hosts == {NODE}
    assert running.stop() == 0, running.log()


def test_an_answer_by_its_status(lab, make):
    """What an external target answers, and how far it is, as a Pod sees it."""
    running = make("pod", "probing-pods.yaml", "DaemonSet").start("collectd")
    wait_ready(running)
    where = {"egress_probe": "prod:stripe"}

    def code(metrics):
        return metrics.value("collectd_egress_probe_response_code", **where, type="http")

    running.wait(lambda: code(scrape(lab, "pod")) == 200, SECONDS, "a good answer")
    metrics = scrape(lab, "pod")
    assert 0 < metrics.value("collectd_egress_probe_latency", **where, type="rtt") < \
        metrics.value("collectd_egress_probe_latency", **where, type="total")
    assert metrics.value("collectd_egress_probe_http_response_codes_total", **where, type="200") >= 1
    lab.break_("inet", "status=503:pay.example.org")
    running.wait(lambda: code(scrape(lab, "pod")) == 503, SECONDS, "the bad answer")
    metrics = scrape(lab, "pod")
    assert metrics.value("collectd_egress_probe_http_response_codes_total", **where, type="503") >= 1
    assert metrics.value("collectd_egress_probe_up", **where) == 0


def test_a_pod_that_comes_back_goes_on_with_the_series(lab, make):
    pod = make("pod", "probing-pods.yaml", "DaemonSet")
    seen = []
    for name in ("collectd-egress-probing-x7k2p", "collectd-egress-probing-9zq4d"):
        running = pod.start("collectd", HOSTNAME=name)
        wait_ready(running)
        running.wait(lambda: scrape(lab, "pod").find("collectd_egress_probe_fault", type="local"), SECONDS, "a verdict")
        seen.append(scrape(lab, "pod").find("collectd_egress_probe_fault", type="local"))
        assert running.stop() == 0
    assert seen[0][0][0] == seen[1][0][0] and seen[0][0][0]["instance"] == NODE


def test_the_probes_fail_when_collectd_is_stopped(make):
    running = make("pod", "probing-pods.yaml", "DaemonSet").start("collectd")
    wait_ready(running)
    running.signal(signal.SIGSTOP)
    for name in ("livenessProbe", "readinessProbe"):
        status, words = running.probe(name)
        assert status == 1 and "gave no values" in words, words
    running.signal(signal.SIGCONT)
    running.wait(lambda: running.probe("livenessProbe") == (0, ""), SECONDS, "life again")


STUCK = """
Interval 1
ReadThreads 1
LoadPlugin write_prometheus
<Plugin write_prometheus>
  Host "0.0.0.0"
</Plugin>
LoadPlugin uptime
LoadPlugin curl
<Plugin curl>
  <Page "silent">
    URL "http://127.0.0.1:7/"
    Timeout 0
    MeasureResponseTime true
  </Page>
</Plugin>
"""


# Three answers, then a connection that nothing comes on.
SILENT = """
import socket, time
server = socket.create_server(("127.0.0.1", 7))
for _ in range(3):
    connection, _ = server.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    connection.close()
time.sleep(120)
"""


def test_the_probes_fail_when_collectd_answers_but_no_longer_reads(lab, make):
    """Its only reading thread waits for a page that never comes."""
    silent = lab.popen("pod", ["/usr/bin/python3", "-c", SILENT])
    pod = make("pod", "probing-pods.yaml", "DaemonSet", edit=lambda text: STUCK)
    running = pod.start("collectd", ALIVE_SECONDS="3")
    running.wait(lambda: running.probe("livenessProbe") == (0, ""), SECONDS, "life")
    running.wait(lambda: "no longer reads" in running.probe("livenessProbe")[1], SECONDS, "the end of the values")
    assert running.probe("livenessProbe")[0] == 1 and running.probe("readinessProbe")[0] == 1
    assert scrape(lab, "pod").names() == [] and running.running()
    silent.kill()


def test_a_pod_without_our_values_lives_but_is_not_ready(make):
    pod = make("pod", "probing-pods.yaml", "DaemonSet", edit=lambda text: STUCK.partition("LoadPlugin curl")[0])
    running = pod.start("collectd")
    running.wait(lambda: running.probe("livenessProbe") == (0, ""), SECONDS, "life")
    status, words = running.probe("readinessProbe")
    assert status == 1 and "no value of an egress plugin" in words
    running.environment["METRICS_PORT"] = "9104"
    status, words = running.probe("livenessProbe")
    assert status == 1 and "nothing listens on port 9104" in words


def test_the_node_pod(lab, make):
    """Root, but NET_ADMIN is all that it can do: conntrack is read, other files are not."""
    pod = make("vm", "nodes.yaml", "DaemonSet",
               edit=lambda text: in_the_lab(text).replace("Discover true", "PortsPerVM 64\n    TimeWait 12"))
    assert pod.spec["hostNetwork"] is True
    running = pod.start("collectd")
    wait_ready(running)
    assert running.probe("livenessProbe") == (0, "") and running.probe("readinessProbe") == (0, "")
    state = running.status()
    assert set(state["Uid"]) == {"0"} and state["NoNewPrivs"] == ["1"]
    assert {int(state[name][0], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {NET_ADMIN}
    assert "Read-only file system" in running.run(["touch", "/x"]).stderr
    running.wait(lambda: scrape(lab, "vm").find("collectd_egress_netlink_conntrack", type="entries"), SECONDS,
                 "conntrack")
    metrics = scrape(lab, "vm")
    assert metrics.value("collectd_egress_nat_ports_limit", egress_nat="nat:tcp", instance=NODE) == 64
    assert "CAP_NET_ADMIN" not in running.log()
    assert running.stop() == 0, running.log()


def test_the_proxy_pod(lab, make):
    """Both containers: Squid by the manifest's own squid.conf, and the sidecar that reads its log as a group member."""
    lab.break_("podproxy", "stop")
    pod = make("podproxy", "proxy-pod.yaml", "Deployment")
    squid = pod.start("squid")
    listens = ["ss", "-Hltn", f"sport = :{sites.PROXY_PORT}"]
    squid.wait(lambda: lab.exec("podproxy", listens).stdout.strip(), SECONDS, "Squid's port")
    sidecar = pod.start("collectd")
    assert "readinessProbe" not in sidecar.spec
    wait_ready(sidecar)
    assert set(squid.status()["Uid"]) == {"13"} and set(sidecar.status()["Uid"]) == {"65532"}
    assert sidecar.status()["Groups"] == ["13"] and int(sidecar.status()["CapBnd"][0], 16) == 0
    assert "Read-only file system" in sidecar.run(["touch", "/var/log/squid/x"]).stderr

    def seen(metrics):
        return (metrics.value("collectd_egress_probe_up", egress_probe="pod-proxy:github") == 1
                and metrics.value("collectd_squid_http_requests_total", squid="proxy", type="tunnel")
                and metrics.value("collectd_squid_file_handles", squid="proxy", type="used")
                and metrics.value("collectd_egress_netlink_queue_length", egress_netlink="listen:3128",
                                  type="accept") == 0)

    sidecar.wait(lambda: seen(scrape(lab, "podproxy")), SECONDS, "the proxy's figures")
    host = {dict(labels)["instance"] for labels in scrape(lab, "podproxy").samples["collectd_squid_file_handles"]}
    assert host == {f"{NODE}-egress-proxy"}
    assert sidecar.probe("livenessProbe") == (0, "")
    assert sidecar.stop() == 0, sidecar.log()


@pytest.mark.parametrize("environment, volumes, words", [
    ({"HOSTNAME_OVERRIDE": 'a" \nInclude "/x'}, {}, "expected letters, digits"),
    ({"NODE_NAME": "-x"}, {}, "set HOSTNAME_OVERRIDE or NODE_NAME"),
    ({}, {"configuration": None}, "cannot read /etc/collectd/collectd.conf: mount a ConfigMap"),
    ({}, {"runtime": 0o555}, "cannot write /run/collectd-egress/collectd.conf: mount an emptyDir"),
])
def test_one_line_says_what_is_missing(make, environment, volumes, words):
    pod = make("pod", "probing-pods.yaml", "DaemonSet")
    for name, mode in volumes.items():
        if mode is None:
            (pod.volumes[name] / "collectd.conf").unlink()
        else:
            pod.volumes[name].chmod(mode)
    running = pod.start("collectd", **environment)
    assert running.child.wait(30) == 1
    lines = running.log().strip().splitlines()
    assert lines[0].startswith("entrypoint: ") and words in running.log(), lines
