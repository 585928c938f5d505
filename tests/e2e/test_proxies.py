# SPDX-License-Identifier: MIT
"""The files of etc/collectd/proxies beside the proxies themselves: real traffic is counted, made faults are seen."""

import re
import shutil
from pathlib import Path

import proxies
import pytest

SECONDS = 60
PAGES = Path(__file__).with_name("pages")
GIT, PAY = "git.example.net", "pay.example.org"
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


class Watched:
    """A proxy, and a collectd beside it that reads its file."""

    def __init__(self, proxy, collectd):
        self.proxy, self.collectd = proxy, collectd

    def values(self, metrics, kind):
        """{type: value} of one kind of value."""
        return metrics.by_label(f"collectd_{self.proxy.name}_{kind}", "type", **{self.proxy.name: "proxy"})

    def wait(self, kind, **expected):
        """Until these types have these values."""
        def seen(metrics):
            found = self.values(metrics, kind)
            return all(found.get(name) == value for name, value in expected.items())
        try:
            return self.collectd.wait_for(seen, SECONDS, f"{kind} {expected}")
        except Exception as error:
            found = self.values(self.collectd.metrics(), kind)
            raise AssertionError(f"{kind} is {found}, not {expected}\n{self.proxy.output()}\n{error}") from None

    def codes(self, **expected):
        """Until the answers by class are these, and all others 0."""
        wanted = {name: 0 for name in CLASSES} | {f"{key[1:]}xx": value for key, value in expected.items()}
        return self.wait("http_response_codes_total", **wanted)


@pytest.fixture(name="watch")
def watch_fixture(lab, start_collectd):
    """A function: a proxy by name, with its collectd; a collectd that has read everything once."""
    running = []

    def watch(name, ready=None):
        proxy = proxies.Proxy(lab, name)
        running.append(proxy)
        if ready:
            ready(proxy)
        collectd = start_collectd(lab, proxies.PART, sanitized=False, body=proxy.stanza())
        watched = Watched(proxy, collectd)
        collectd.wait_for(lambda metrics: watched.values(metrics, "errors_total"), SECONDS, "its first figures")
        return watched

    yield watch
    for proxy in running:
        proxy.stop()


def test_squid(lab, watch):
    squid = watch("squid")
    squid.codes()
    for _ in range(3):
        assert squid.proxy.through(f"http://{GIT}/") == (200, 0)
    assert squid.proxy.through(f"https://{GIT}/") == (200, 200)
    metrics = squid.codes(_2=4)
    assert squid.values(metrics, "http_requests_total") == {"tunnel": 1, "plain": 3}
    assert squid.values(metrics, "total_bytes_total")["sent"] > 300
    lab.break_("inet", f"status=404:{GIT}")
    squid.proxy.through(f"http://{GIT}/")
    lab.break_("inet", f"status=502:{PAY}")
    squid.proxy.through(f"http://{PAY}/")
    lab.mend()
    metrics = squid.codes(_2=4, _4=1, _5=1)
    assert squid.values(metrics, "errors_total")["gateway"] == 1
    assert squid.values(metrics, "errors_total")["tunnel_failed"] == 0
    # A closed port, a port that may not be asked for, a client that does not wait for a silent origin.
    lab.break_("inet", f"refuse:{PAY}")
    assert squid.proxy.through(f"https://{PAY}/") == (0, 503)
    assert squid.proxy.through(f"https://{PAY}:8443/") == (0, 403)
    lab.break_("inet", f"drop:{GIT}")
    squid.proxy.through(f"http://{GIT}/", "--max-time", "2")
    squid.wait("http_response_codes_total", none=1)
    metrics = squid.codes(_2=4, _4=2, _5=2)
    errors = squid.values(metrics, "errors_total")
    assert {name: value for name, value in errors.items() if name != "client"} == {
        "tunnel_failed": 1, "denied": 1, "gateway": 2, "aborted": 1, "timeout": 0}
    # The sum of five requests, one of which took the client's two seconds.
    assert 1900 < squid.values(metrics, "total_time_in_ms_total")["plain"] < 20000
    assert "plain_ms-99" in squid.values(metrics, "latency")


def test_squids_pages(watch):
    squid = watch("squid")
    for _ in range(2):
        squid.proxy.through(f"http://{GIT}/")
    metrics = squid.wait("total_requests_total", server=2)
    assert squid.values(metrics, "total_requests_total")["client"] >= 2
    handles = squid.values(metrics, "file_handles")
    assert 0 < handles["used"] < handles["max"]
    assert set(squid.values(metrics, "response_time")) == {"median", "median_miss", "median_dns"}
    assert set(squid.values(metrics, "users")) == {"clients"} and set(squid.values(metrics, "percent")) == {"cpu_5min"}
    assert squid.values(metrics, "uptime")["squid"] > 0
    refused = squid.values(metrics, "errors_total")["client"]
    squid.proxy.through(f"https://{GIT}:8443/")
    squid.wait("errors_total", client=refused + 1)
    # A dead proxy has no figures; they are back when it is.
    squid.proxy.stop()
    squid.collectd.wait_for(lambda found: not squid.values(found, "file_handles"), SECONDS, "the end of the figures")
    squid.proxy.start()
    squid.collectd.wait_for(lambda found: squid.values(found, "file_handles"), SECONDS, "the figures again")


def test_haproxy(lab, watch):
    haproxy = watch("haproxy")
    haproxy.codes()
    for _ in range(3):
        assert haproxy.proxy.through(f"http://{GIT}/") == (200, 0)
    assert haproxy.proxy.through(f"http://{GIT}/denied")[0] == 403
    metrics = haproxy.codes(_2=3, _4=1)
    assert haproxy.values(metrics, "errors_total")["denied"] == 1
    assert haproxy.values(metrics, "total_requests_total") == {"client": 4}
    assert haproxy.values(metrics, "backends") == {"active": 1}
    assert set(haproxy.values(metrics, "response_time")) == {"queue", "connect", "response", "total"}
    sessions = haproxy.values(metrics, "current_sessions")
    assert 0 <= sessions["used"] < sessions["max"]
    assert haproxy.values(metrics, "queue_length") == {"backend": 0}
    assert min(haproxy.values(metrics, "total_bytes_total").values()) > 0
    # The next hop's port is closed: HAProxy itself answers 503, after one more try.
    lab.break_("vm", "stop")
    assert haproxy.proxy.through(f"http://{GIT}/")[0] == 503
    metrics = haproxy.codes(_2=3, _4=1, _5=1)
    errors = haproxy.values(metrics, "errors_total")
    assert errors["connect"] >= 1 and errors["retry"] == 1, errors


def test_nginx(lab, watch):
    nginx = watch("nginx")
    nginx.codes()
    for _ in range(3):
        assert nginx.proxy.through(f"http://{GIT}/") == (200, 0)
    lab.break_("inet", f"status=404:{GIT}")
    # What stands inside a request must not be taken for its status.
    nginx.proxy.through(f'http://{GIT}/?x="%20500%201%20rt=9')
    metrics = nginx.codes(_2=3, _4=1)
    assert nginx.values(metrics, "total_bytes_total")["sent"] > 0
    lab.break_("inet", f"refuse:{PAY}")
    assert nginx.proxy.through(f"http://{PAY}/")[0] == 502
    assert nginx.proxy.through(f"http://{PAY}/no-name")[0] == 502
    lab.mend()
    lab.break_("inet", f"drop:{PAY}")
    assert nginx.proxy.through(f"http://{PAY}/")[0] == 504
    metrics = nginx.codes(_2=3, _4=1, _5=3)
    metrics = nginx.wait("errors_total", gateway=3, connect=1, timeout=1, dns=1, response=0, tls=0, capacity=0)
    assert "request-95" in nginx.values(metrics, "latency")
    handled = metrics.by_label("collectd_nginx_connections_total", "nginx")
    assert handled["accepted"] == handled["handled"] >= 7 and handled["failed"] == 0, handled
    states = metrics.by_label("collectd_nginx_nginx_connections", "nginx")
    assert set(states) == {"active", "reading", "writing", "waiting"}


def test_tinyproxy(lab, watch):
    tinyproxy = watch("tinyproxy")
    for _ in range(2):
        assert tinyproxy.proxy.through(f"http://{GIT}/") == (200, 0)
    assert tinyproxy.proxy.through(f"https://{GIT}/") == (200, 200)
    metrics = tinyproxy.wait("http_requests_total", plain=2, tunnel=1)
    metrics = tinyproxy.wait("connections_total", upstream=3)
    assert set(tinyproxy.values(metrics, "errors_total").values()) == {0}
    assert tinyproxy.values(metrics, "total_requests_total")["client"] >= 3
    assert tinyproxy.values(metrics, "current_connections")["open"] >= 1
    lab.break_("inet", f"refuse:{PAY}")
    tinyproxy.proxy.through(f"http://{PAY}/")
    tinyproxy.proxy.through("http://nowhere.example.com/")
    tinyproxy.proxy.through(f"https://{GIT}:8443/")
    metrics = tinyproxy.wait("errors_total", connect=1, dns=1, port_denied=1)
    tinyproxy.collectd.wait_for(lambda found: tinyproxy.values(found, "errors_total")["bad"] >= 1, SECONDS, "bad")


def test_envoy(watch):
    def pages(proxy):
        for page in PAGES.glob("envoy-*"):
            shutil.copy(page, proxy.folder)

    envoy = watch("envoy", ready=pages)
    metrics = envoy.codes(_1=1, _2=4981, _3=11, _4=7, _5=53)
    assert envoy.values(metrics, "errors_total") == {
        "connect": 23, "connect_timeout": 9, "overflow": 2, "pending_overflow": 1, "timeout": 8, "upstream_4xx": 6,
        "upstream_5xx": 13, "reset": 5}
    assert envoy.values(metrics, "latency") == {"connect_ms-50": 1.05, "connect_ms-95": 5.5, "connect_ms-99": 7.03}
    assert envoy.values(metrics, "current_connections") == {"client": 31, "upstream": 17}
    assert envoy.values(metrics, "total_bytes_total") == {"received": 4294968001, "sent": 814502}
    assert envoy.values(metrics, "backends") == {"healthy": 1}
    envoy.wait("memory", allocated=6344608, heap=12582912)
    stats = envoy.proxy.folder / "envoy-stats.txt"
    text = stats.read_text(encoding="ascii")
    text = text.replace("upstream_cx_connect_fail: 23", "upstream_cx_connect_fail: 24")
    text = re.sub(r"(connect_ms:).*", r"\1 P0(nan,1) P50(nan,1.07) P95(nan,5.07) P99(nan,7.08) P100(nan,9.1)", text)
    stats.write_text(text, encoding="ascii")
    metrics = envoy.wait("errors_total", connect=24)
    known = [value for value in envoy.values(metrics, "latency").values() if value == value]
    assert not known, "no new connection: no time"


@pytest.mark.parametrize("name", sorted(proxies.PORTS))
def test_values_are_named_alike(name):
    """Every value is the proxy's own by its plugin's name, and has the instance `proxy`; nothing counts as ABSOLUTE."""
    text = (proxies.STANZAS / f"{name}.conf").read_text(encoding="ascii")
    blocks = re.findall(r"^  <(?:Page|File|URL) .*?^  </", text, re.M | re.S)
    assert blocks
    for block in blocks:
        assert re.search(rf'^    Plugin "{name}"$', block, re.M), block[:200]
        assert re.search(r'^  <Page "proxy">|^    Instance "proxy"$', block, re.M), block[:200]
    assert not re.findall(r'DSType "(?:Absolute|Counter)\w+"', text)
