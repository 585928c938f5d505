# SPDX-License-Identifier: MIT
"""What is missing is said once, and the rest goes on."""

import os
import signal
import time

SECONDS = 30


def wait_for_intervals(collectd, number):
    """Until the daemon's newest egress value is `number` intervals later than now."""
    stamps = set()

    def advanced(metrics):
        stamps.update(line.rsplit(" ", 1)[1] for line in metrics.text.splitlines()
                      if line.startswith("collectd_egress_"))
        return len(stamps) > number
    return collectd.wait_for(advanced, SECONDS, f"{number} further intervals")


def wait_for_a_probe(collectd):
    collectd.wait_for(lambda metrics: metrics.find("collectd_egress_probe_up"), SECONDS, "a probe")


def lines_with(collectd, *words):
    return [line for line in collectd.log().splitlines() if all(word in line for word in words)]


def test_without_net_admin(lab, start_collectd):
    """sock_diag's dump needs no capability; conntrack and the close events do."""
    collectd = start_collectd(lab, "vm", interval=1, sanitized=False,
                              wrapper=["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"])
    metrics = wait_for_intervals(collectd, 12)
    assert metrics.find("collectd_egress_netlink_tcp_connections", egress_netlink="all")
    # From /proc.
    assert metrics.value("collectd_egress_netlink_conntrack", egress_netlink="conntrack", type="max") > 0
    assert metrics.find("collectd_egress_nat_ports_used")
    wait_for_a_probe(collectd)
    for plugin in ("egress_netlink", "egress_nat"):
        assert len(lines_with(collectd, plugin, "CAP_NET_ADMIN")) == 1, collectd.log()


def test_without_conntrack(lab, start_collectd, refuse_netlink):
    netfilter = 12  # NETLINK_NETFILTER
    collectd = start_collectd(lab, "vm", interval=1, sanitized=False,
                              environment={"LD_PRELOAD": refuse_netlink, "REFUSE_NETLINK": str(netfilter)})
    metrics = wait_for_intervals(collectd, 12)
    assert metrics.find("collectd_egress_netlink_tcp_connections", egress_netlink="all")
    assert metrics.value("collectd_egress_netlink_conntrack", egress_netlink="conntrack", type="max") > 0
    assert metrics.find("collectd_egress_netlink_conntrack_events_total", egress_netlink="conntrack", type="drop")
    assert len(lines_with(collectd, "egress_netlink", "conntrack")) == 1, collectd.log()
    assert len(lines_with(collectd, "egress_netlink", "from /proc")) == 1, collectd.log()


def test_without_sock_diag(lab, start_collectd, refuse_netlink):
    """The sockets come from /proc, for both plugins, with one line each."""
    sock_diag = 4  # NETLINK_SOCK_DIAG
    collectd = start_collectd(lab, "vm", interval=1, sanitized=False,
                              environment={"LD_PRELOAD": refuse_netlink, "REFUSE_NETLINK": str(sock_diag)})
    metrics = wait_for_intervals(collectd, 8)
    states = metrics.by_label("collectd_egress_netlink_tcp_connections", "type", egress_netlink="clients")
    assert len(states) == 11 and states["LISTEN"] >= 1
    proxy = metrics.by_label("collectd_egress_netlink_queue_length", "type", egress_netlink="listen:3128")
    assert set(proxy) == {"accept"}
    assert metrics.value("collectd_egress_netlink_udp_sockets", egress_netlink="all") is not None
    assert not metrics.find("collectd_egress_netlink_latency")
    assert metrics.find("collectd_egress_nat_ports_used")
    wait_for_a_probe(collectd)
    for plugin, name in (("egress_netlink", "TCP"), ("egress_netlink", "UDP"), ("egress_nat", "TCP")):
        assert len(lines_with(collectd, plugin, f"{name} sockets", "/proc/net/")) == 1, collectd.log()


def test_a_proxy_that_hangs_holds_nothing_up(lab, start_collectd):
    collectd = start_collectd(lab, "vm", interval=1)
    wait_for_a_probe(collectd)
    lab.break_("vm", "pause")
    try:
        collectd.wait_for(lambda metrics: metrics.value("collectd_egress_probe_up", egress_probe="vm:api") == 0, SECONDS,
                          "a failed probe")
        wait_for_intervals(collectd, 10)
        assert not lines_with(collectd, "suspended")
    finally:
        lab.mend()
    assert collectd.stop(seconds=10) == 0


def throttle(collectd, seconds, runs=0.01, waits=0.3):
    """It may run for so long, then it has to wait, and again: as a CPU limit does it, with longer waits."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        os.kill(collectd.pid, signal.SIGSTOP)
        time.sleep(waits)
        os.kill(collectd.pid, signal.SIGCONT)
        time.sleep(runs)


def test_a_prober_that_gets_no_processor_blames_nobody(lab, start_collectd):
    collectd = start_collectd(lab, "pod", interval=1)
    wait_for_a_probe(collectd)
    throttle(collectd, 20)
    wait_for_intervals(collectd, 3)
    # Said again at most once if it comes and goes.
    assert 1 <= len(lines_with(collectd, "kept from its work")) <= 2, collectd.log()
    metrics = collectd.metrics()
    for target in ("api", "git"):
        results = metrics.by_label("collectd_egress_probe_results_total", "type", egress_probe=f"prod:{target}")
        assert {name for name, count in results.items() if count} == {"ok"}, collectd.log()
    assert not lines_with(collectd, "fault at")


def test_a_secret_that_is_missing_is_said_once_and_tried_again(lab, start_collectd):
    secret = lab.directory / "egress.secret"
    status = lab.status()
    body = f"""
LoadPlugin egress_probe
<Plugin egress_probe>
  <Hop "gce-proxy">
    URL "{status["proxies"]["vm"]}"
    User "probe"
    PasswordFile "{secret}"
  </Hop>
  <Chain "vm">
    Hops "gce-proxy"
    <Target "api">
      URL "https://api.example.com/"
      CACert "{lab.ca}"
    </Target>
    <Target "git">
      URL "https://git.example.net/"
      CACert "{lab.ca}"
    </Target>
  </Chain>
  <Chain "again">
    Hops "gce-proxy"
    <Target "api">
      URL "https://api.example.com/"
      CACert "{lab.ca}"
    </Target>
  </Chain>
</Plugin>
"""
    collectd = start_collectd(lab, "vm", interval=1, body=body)
    collectd.wait_for(lambda _: lines_with(collectd, str(secret)), SECONDS, "a line about the secret")
    wait_for_intervals(collectd, 3)
    assert len(lines_with(collectd, str(secret))) == 1  # though two chains enter this hop
    secret.write_text("hunter2\n", encoding="utf-8")
    for target in ("vm:api", "again:api"):
        collectd.wait_for(lambda metrics, target=target: metrics.value("collectd_egress_probe_up", egress_probe=target) == 1,
                          SECONDS, "a probe with the secret")
    assert len(lines_with(collectd, str(secret))) <= 2  # when it was missed, and when it was found
    assert "hunter2" not in collectd.log()


def test_what_is_no_file_holds_nothing_up(lab, start_collectd):
    """libcurl would wait for the writer of a FIFO."""
    fifo = lab.directory / "client.pem"
    os.mkfifo(fifo)
    body = f"""
LoadPlugin egress_probe
<Plugin egress_probe>
  <Chain "straight">
    <Target "api">
      URL "https://api.example.com/"
      CACert "{lab.ca}"
    </Target>
    <Target "git">
      URL "https://git.example.net/"
      CACert "{lab.ca}"
      ClientCert "{fifo}"
    </Target>
  </Chain>
</Plugin>
"""
    collectd = start_collectd(lab, "vm", interval=1, body=body)
    collectd.wait_for(lambda metrics: metrics.value("collectd_egress_probe_up", egress_probe="straight:api") == 1
                      and metrics.value("collectd_egress_probe_up", egress_probe="straight:git") == 0, SECONDS,
                      "the target that has its files")
    wait_for_intervals(collectd, 3)
    assert len(lines_with(collectd, f'ClientCert "{fifo}"', "a file in PEM")) == 1, collectd.log()
    assert collectd.stop(seconds=10) == 0
