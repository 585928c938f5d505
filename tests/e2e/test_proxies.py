# SPDX-License-Identifier: MIT
"""The files of etc/collectd/proxies beside the proxies themselves: real traffic is counted, made faults are seen."""

import re
import shutil
from pathlib import Path

import proxies
import pytest
from egress_lab import LabError

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

    def wait_for(self, kind, condition, what="as expected"):
        """Until the values of one kind meet a condition; those values. Of one read some may be seen before others."""
        try:
            metrics = self.collectd.wait_for(lambda metrics: condition(self.values(metrics, kind)), SECONDS, kind)
        except LabError as error:
            found = self.values(self.collectd.metrics(), kind)
            raise AssertionError(f"{kind} is {found}, not {what}\n{self.proxy.output()}\n{error}") from None
        return self.values(metrics, kind)

    def wait(self, kind, **expected):
        """Until these types have these values."""
        return self.wait_for(kind, lambda found: expected.items() <= found.items(), expected)

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
    squid.codes(_2=4)
    squid.wait("http_requests_total", tunnel=1, plain=3)
    squid.wait_for("total_bytes_total", lambda found: found["sent"] > 300)
    lab.break_("inet", f"status=404:{GIT}")
    squid.proxy.through(f"http://{GIT}/")
    lab.break_("inet", f"status=502:{PAY}")
    squid.proxy.through(f"http://{PAY}/")
    lab.mend()
    squid.codes(_2=4, _4=1, _5=1)
    squid.wait("errors_total", gateway=1, tunnel_failed=0)
    # A closed port, a port that may not be asked for, a client that does not wait for a silent origin.
    lab.break_("inet", f"refuse:{PAY}")
    assert squid.proxy.through(f"https://{PAY}/") == (0, 503)
    assert squid.proxy.through(f"https://{PAY}:8443/") == (0, 403)
    lab.break_("inet", f"drop:{GIT}")
    squid.proxy.through(f"http://{GIT}/", "--max-time", "2")
    squid.wait("http_response_codes_total", none=1)
    squid.codes(_2=4, _4=2, _5=2)
    squid.wait("errors_total", tunnel_failed=1, denied=1, gateway=2, aborted=1, timeout=0)
    # The sum of six requests, one of which took the client's two seconds.
    squid.wait_for("total_time_in_ms_total", lambda found: 1900 < found["plain"] < 20000)
    squid.wait_for("latency", lambda found: "plain_ms-99" in found)


def test_squids_pages(watch):
    squid = watch("squid")
    for _ in range(2):
        squid.proxy.through(f"http://{GIT}/")
    squid.wait("total_requests_total", server=2)
    squid.wait_for("total_requests_total", lambda found: found["client"] >= 2)
    squid.wait_for("file_handles", lambda found: 0 < found.get("used", 0) < found.get("max", 0))
    squid.wait_for("response_time", lambda found: set(found) == {"median", "median_miss", "median_dns"})
    squid.wait_for("users", lambda found: set(found) == {"clients"})
    squid.wait_for("percent", lambda found: set(found) == {"cpu_5min"})
    squid.wait_for("uptime", lambda found: found.get("squid", 0) > 0)
    refused = squid.wait_for("errors_total", lambda found: "client" in found)["client"]
    squid.proxy.through(f"https://{GIT}:8443/")
    squid.wait("errors_total", client=refused + 1)
    # A dead proxy has no figures; they are back when it is.
    squid.proxy.stop()
    squid.wait_for("file_handles", lambda found: not found)
    squid.proxy.start()
    squid.wait_for("file_handles", lambda found: found)


def test_haproxy(lab, watch):
    haproxy = watch("haproxy")
    haproxy.codes()
    for _ in range(3):
        assert haproxy.proxy.through(f"http://{GIT}/") == (200, 0)
    assert haproxy.proxy.through(f"http://{GIT}/denied")[0] == 403
    haproxy.codes(_2=3, _4=1)
    haproxy.wait("errors_total", denied=1, connect=0, response=0, retry=0)
    haproxy.wait("total_requests_total", client=4)
    haproxy.wait("backends", active=1)
    haproxy.wait("queue_length", backend=0)
    haproxy.wait_for("response_time", lambda found: set(found) == {"queue", "connect", "response", "total"})
    haproxy.wait_for("current_sessions", lambda found: 0 <= found["used"] < found["max"])
    haproxy.wait_for("total_bytes_total", lambda found: min(found["sent"], found["received"]) > 0)
    # The next hop's port is closed: HAProxy itself answers 503, after one more try.
    lab.break_("vm", "stop")
    assert haproxy.proxy.through(f"http://{GIT}/")[0] == 503
    haproxy.codes(_2=3, _4=1, _5=1)
    haproxy.wait_for("errors_total", lambda found: found["connect"] >= 1 and found["retry"] == 1)


def test_nginx(lab, watch):
    nginx = watch("nginx")
    nginx.codes()
    for _ in range(3):
        assert nginx.proxy.through(f"http://{GIT}/") == (200, 0)
    lab.break_("inet", f"status=404:{GIT}")
    # What stands inside a request must not be taken for its status.
    nginx.proxy.through(f'http://{GIT}/?x="%20500%201%20rt=9')
    nginx.codes(_2=3, _4=1)
    nginx.wait_for("total_bytes_total", lambda found: found["sent"] > 0)
    lab.break_("inet", f"refuse:{PAY}")
    assert nginx.proxy.through(f"http://{PAY}/")[0] == 502
    assert nginx.proxy.through(f"http://{PAY}/no-name")[0] == 502
    lab.mend()
    lab.break_("inet", f"drop:{PAY}")
    assert nginx.proxy.through(f"http://{PAY}/")[0] == 504
    nginx.codes(_2=3, _4=1, _5=3)
    nginx.wait("errors_total", gateway=3, connect=1, timeout=1, dns=1, response=0, tls=0, capacity=0)
    nginx.wait_for("latency", lambda found: "request-95" in found)
    metrics = nginx.collectd.metrics()
    handled = metrics.by_label("collectd_nginx_connections_total", "nginx")
    assert handled["accepted"] == handled["handled"] >= 6 and handled["failed"] == 0, handled
    states = metrics.by_label("collectd_nginx_nginx_connections", "nginx")
    assert set(states) == {"active", "reading", "writing", "waiting"}


def test_tinyproxy(lab, watch):
    tinyproxy = watch("tinyproxy")
    for _ in range(2):
        assert tinyproxy.proxy.through(f"http://{GIT}/") == (200, 0)
    assert tinyproxy.proxy.through(f"https://{GIT}/") == (200, 200)
    tinyproxy.wait("http_requests_total", plain=2, tunnel=1)
    tinyproxy.wait("connections_total", upstream=3)
    tinyproxy.wait_for("errors_total", lambda found: set(found.values()) == {0})
    tinyproxy.wait_for("total_requests_total", lambda found: found["client"] >= 3)
    tinyproxy.wait_for("current_connections", lambda found: found.get("open", 0) >= 1)
    lab.break_("inet", f"refuse:{PAY}")
    tinyproxy.proxy.through(f"http://{PAY}/")
    tinyproxy.proxy.through("http://nowhere.example.com/")
    tinyproxy.proxy.through(f"https://{GIT}:8443/")
    tinyproxy.wait("errors_total", connect=1, dns=1, port_denied=1)
    tinyproxy.wait_for("errors_total", lambda found: found["bad"] >= 1)


def test_envoy(watch):
    def pages(proxy):
        for page in PAGES.glob("envoy-*"):
            shutil.copy(page, proxy.folder)

    envoy = watch("envoy", ready=pages)
    envoy.codes(_1=1, _2=4981, _3=11, _4=7, _5=53)
    envoy.wait("errors_total", connect=23, connect_timeout=9, overflow=2, pending_overflow=1, timeout=8,
               upstream_4xx=6, upstream_5xx=13, reset=5)
    envoy.wait("latency", **{"connect_ms-50": 1.05, "connect_ms-95": 5.5, "connect_ms-99": 7.03})
    envoy.wait("current_connections", client=31, upstream=17)
    envoy.wait("requests", client=4)
    envoy.wait("total_requests_total", client=5057)
    envoy.wait("total_bytes_total", received=4294968001, sent=814502)
    envoy.wait("connections_total", upstream=498)
    envoy.wait("backends", healthy=1)
    envoy.wait("memory", allocated=6344608, heap=12582912)
    stats = envoy.proxy.folder / "envoy-stats.txt"
    text = stats.read_text(encoding="ascii")
    text = text.replace("upstream_cx_connect_fail: 23", "upstream_cx_connect_fail: 24")
    text = re.sub(r"(connect_ms:).*", r"\1 P0(nan,1) P50(nan,1.07) P95(nan,5.07) P99(nan,7.08) P100(nan,9.1)", text)
    stats.write_text(text, encoding="ascii")
    envoy.wait("errors_total", connect=24)
    # No new connection: no time.
    envoy.wait_for("latency", lambda found: all(value != value for value in found.values()))


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
