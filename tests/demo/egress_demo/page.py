# SPDX-License-Identifier: MIT
"""The dashboard over a running lab: a Prometheus with the shipped configuration and rules, and a page for browsers."""

import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from egress_lab import LabError, collectd, identity, prometheus_server, services, sites

ETC = Path(__file__).resolve().parents[3] / "etc"
_DEMO = Path(__file__).resolve().parents[1]
# Prometheus runs where the Pod's collectd is, and reaches the VM's over the lab's own network.
PART = "pod"
_TARGETS = (f"127.0.0.1:{collectd.PORT}", f"{sites.ADDRESSES['vm']}:{collectd.PORT}")
_STOCK = "/usr/lib/collectd"


@dataclass(frozen=True)
class Page:
    """Where it is, and what draws it; both processes end with the lab, or with `stop`."""

    url: str
    prometheus: prometheus_server.PrometheusServer
    server: subprocess.Popen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.server.kill()
        self.server.wait()
        self.prometheus.stop()


def check_machine():
    """Raise LabError with one line if there is no Prometheus to ask."""
    if shutil.which("prometheus") is None:
        raise LabError("the page needs Prometheus: apt-get install prometheus")


def start(lab, interval):
    """Start both over collectds that listen for each other's parts."""
    check_machine()
    prometheus = prometheus_server.start(lab.id, PART, configuration(interval))
    # Made here, the socket is the host's; whoever serves it may live in the lab.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = _serve(lab, listening.fileno())
        return Page(f"http://127.0.0.1:{listening.getsockname()[1]}/", prometheus, server)


def configuration(interval):
    """etc/prometheus/prometheus.yml at the lab's pace, with the lab's two collectds and nobody to send alerts to."""
    text = (ETC / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    targets = ", ".join(f"'{target}'" for target in _TARGETS)
    for shipped, here in (("scrape_interval: 30s", f"scrape_interval: {interval}s"),
                          ("evaluation_interval: 30s", f"evaluation_interval: {interval}s"),
                          ("['127.0.0.1:9093']", "[]"), ("['127.0.0.1:9103']", f"[{targets}]"),
                          ("- rules/", f"- {ETC}/prometheus/rules/")):
        if shipped not in text:
            raise LabError(f"etc/prometheus/prometheus.yml: found no \"{shipped}\"")
        text = text.replace(shipped, here)
    return text


def stock_in_vm(lab):
    """Stanzas of the stock plugins for the VM itself and for its Squid, as they are shipped."""
    squid = (ETC / "collectd" / "proxies" / "squid.conf").read_text(encoding="utf-8")
    squid = squid.replace("/var/log/squid", str(services.folder(lab.id, "vm")))
    vm = (ETC / "collectd" / "vm.conf").read_text(encoding="utf-8")
    return f'\nPluginDir "{_STOCK}"\n{vm}\n{squid}'


def collectd_in_vm(lab, plugins, interval):
    """The VM's collectd: our plugins, and the stock ones; Prometheus reaches it."""
    ours = collectd.stanzas(lab.id, "vm", lab.settings)
    text = collectd.configuration(lab.id, "vm", plugins, interval, body=ours + stock_in_vm(lab))
    return collectd.start(lab.id, "vm", text.replace('Host "127.0.0.1"', 'Host "0.0.0.0"'))


def _serve(lab, descriptor):
    environment = {**os.environ, "PYTHONPATH": str(_DEMO), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = ["/usr/bin/python3", "-m", "egress_demo.page_server", str(descriptor), str(prometheus_server.PORT)]
    with open(identity.directory(lab.id) / "page.log", "ab") as log:
        return lab.popen(PART, argv, pass_fds=(descriptor,), env=environment, stdin=subprocess.DEVNULL, stdout=log,
                         stderr=log, start_new_session=True)
