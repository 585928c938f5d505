"""`./demo --host`: egress_netlink and egress_nat once, against this machine's own kernel.

collectd listens on a loopback port of the kernel's choice for as long as it takes to be asked twice; nothing is sent
anywhere else, and nothing is left behind."""

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from egress_lab import process
from egress_lab.prometheus import Metrics

from . import ends

_SECONDS = 20
_CONFIGURATION = """
Hostname "localhost"
FQDNLookup false
BaseDir "{folder}"
PIDFile "{folder}/collectd.pid"
Interval 1
PluginDir "/usr/lib/collectd"
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "{folder}/collectd.log"
</Plugin>
LoadPlugin write_prometheus
<Plugin write_prometheus>
  Host "127.0.0.1"
  Port "{port}"
</Plugin>
PluginDir "{plugins}"
LoadPlugin egress_netlink
<Plugin egress_netlink>
  <Group "internet">
    RemoteScope "public"
  </Group>
</Plugin>
LoadPlugin egress_nat
<Plugin egress_nat>
  <Gateway "nat">
  </Gateway>
</Plugin>
"""


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _scrape(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        return Metrics(connection.getresponse().read().decode("utf-8"))
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _wait(daemon, port):
    """The first scrape in which both plugins speak; None if the daemon ends or takes too long."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        metrics = _scrape(port)
        if metrics and metrics.names("collectd_egress_netlink_") and metrics.names("collectd_egress_nat_"):
            return metrics
        time.sleep(0.2)
    return None


def _print(metrics, log):
    print("What this machine's kernel says (collectd's own output, read once):\n")
    for name in metrics.names("collectd_egress_"):
        for labels, value in sorted(metrics.find(name), key=lambda sample: sorted(sample[0].items())):
            labels.pop("instance", None)
            text = ", ".join(f"{key}={label}" for key, label in sorted(labels.items()))
            print(f"  {name.removeprefix('collectd_'):38} {value:14.6g}  {text}")
    said = [line for line in log.splitlines() if "egress_" in line]
    if said:
        print("\nWhat the plugins said:\n")
        print("\n".join(f"  {line}" for line in said))


def _end(daemon):
    """End collectd, and return what it wrote."""
    daemon.terminate()
    try:
        return daemon.communicate(timeout=_SECONDS)[0]
    except subprocess.TimeoutExpired:
        daemon.kill()
        return daemon.communicate()[0]


def main():
    process.end_in_order()
    return ends.run(_show, "interrupted; collectd has ended")


def _show():
    plugins = os.environ["EGRESS_PLUGIN_DIR"]
    with tempfile.TemporaryDirectory(prefix="egress-host-") as name:
        folder, port = Path(name), _free_port()
        configuration = folder / "collectd.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, port=port, plugins=plugins), encoding="utf-8")
        daemon = subprocess.Popen(["/usr/sbin/collectd", "-f", "-C", str(configuration)], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            metrics = _wait(daemon, port)
        finally:
            output = _end(daemon)
        log = folder / "collectd.log"
        said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        if metrics is None:
            print(f"demo: collectd gave no value of both plugins within {_SECONDS} s; it said:\n{output}{said}",
                  file=sys.stderr)
            return 1
        _print(metrics, said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
