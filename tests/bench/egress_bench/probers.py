# SPDX-License-Identifier: MIT
"""The probers that are compared, each with the same targets."""

import http.client
import os
import subprocess
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from . import cpu, origin
from .build import run
from .errors import BenchError
from .gate import ask_values

_COLLECTD = "/usr/sbin/collectd"
_EXPORTER = "prometheus-blackbox-exporter"
_EXPORTER_PORT = 9115
_START_SECONDS = 30
# No values are written: collectd would log for each one that nobody takes it, and what writing costs is the
# writer's matter.
_CONFIGURATION = """
Hostname "bench"
FQDNLookup false
BaseDir "{folder}"
PIDFile "{folder}/collectd.pid"
TypesDB "/usr/share/collectd/types.db"
Interval {interval}
ReadThreads 1
WriteThreads 1
PluginDir "/usr/lib/collectd"
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "{folder}/collectd.log"
</Plugin>
LoadPlugin unixsock
<Plugin unixsock>
  SocketFile "{folder}/values"
</Plugin>
<Chain "post">
  Target "stop"
</Chain>
PostCacheChain "post"
PluginDir "{plugins}"
LoadPlugin egress_probe
<Plugin egress_probe>
{options}  <Hop "proxy">
    URL "{proxy}"
  </Hop>
  <Chain "bench">
    Hops "proxy"
    Ladder false
{targets}  </Chain>
</Plugin>
"""
_TARGET = """    <Target "t{number}">
      URL "{url}/{number}"
{authorities}    </Target>
"""
_MODULES = """
modules:
  http:
    prober: http
    timeout: 5s
    http: {proxy_url: "PROXY", preferred_ip_protocol: ip4}
"""


def _status(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(f"{field}:"))


@dataclass
class Pace:
    """When probes start: so many one after the other, every so many seconds."""

    group: int
    seconds: float

    def __str__(self):
        return f"{self.group} every {1000 * self.seconds:g} ms" if self.seconds else "without pauses"

    def starts(self, count):
        """Yield a number whenever a probe is to start; one that is late starts at once."""
        begun = time.monotonic()
        for number in range(count):
            if number % self.group == 0:
                time.sleep(max(0, begun + number // self.group * self.seconds - time.monotonic()))
            yield number


class Prober:
    """What all long-lived ones have in common."""

    def __init__(self, child):
        self.child = child

    def cpu_seconds(self):
        return cpu.process_clock(self.child.pid)

    def memory(self):
        """Bytes of resident memory."""
        return _status(self.child.pid, "VmRSS") * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(15)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise BenchError(f"{self.child.args[0]} did not end 15 s after SIGTERM") from None


class EgressProbe(Prober):
    """collectd with egress_probe, which probes by itself."""

    def __init__(self, build, url, count, interval, authorities=(), options=""):
        self._folder = build.new_folder("prober")
        self._count = count
        targets = "".join(_TARGET.format(number=number, url=url, authorities=_ca_line(authorities, number))
                          for number in range(count))
        path = self._folder / "collectd.conf"
        path.write_text(_CONFIGURATION.format(folder=self._folder, interval=interval, plugins=build.plugins,
                                              options=options, proxy=origin.PROXY, targets=targets), encoding="ascii")
        environment = {**os.environ, "LD_LIBRARY_PATH": str(build.plugins)}
        with open(self._folder / "stderr", "wb") as errors:
            super().__init__(subprocess.Popen([_COLLECTD, "-f", "-C", str(path)], env=environment,
                                              stdin=subprocess.DEVNULL, stdout=errors, stderr=errors))

    def all_up(self):
        """Whether the last probe of every target was good."""
        names = [f"egress_probe-bench:t{number}/up" for number in range(self._count)]
        return all(value == 1 for value in ask_values(self._folder, names).values())

    def engine_seconds(self):
        """CPU seconds of the plugin's own thread."""
        for task in Path(f"/proc/{self.child.pid}/task").iterdir():
            if (task / "comm").read_text(encoding="ascii").strip() == "egress_probe":
                return int((task / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9
        raise BenchError(f"collectd has no thread egress_probe: {self.log()}")

    def log(self):
        path = self._folder / "collectd.log"
        return path.read_text(encoding="utf-8", errors="replace")[-1500:] if path.exists() else ""


def _ca_line(authorities, number):
    return f'      CACert "{authorities[number % len(authorities)]}"\n' if authorities else ""


class BlackboxExporter(Prober):
    """blackbox_exporter, asked for each probe over one connection that is kept."""

    def __init__(self, build, bundle):
        folder = build.new_folder("blackbox")
        path = folder / "blackbox.yml"
        path.write_text(_MODULES.replace("PROXY", origin.PROXY), encoding="ascii")
        # The system's pool is what these name.
        environment = {**os.environ, "SSL_CERT_FILE": str(bundle), "SSL_CERT_DIR": str(folder)}
        with open(folder / "output", "wb") as output:
            super().__init__(subprocess.Popen(
                [_EXPORTER, f"--config.file={path}", f"--web.listen-address=127.0.0.1:{_EXPORTER_PORT}",
                 "--log.level=error"], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output))
        self._connection = http.client.HTTPConnection("127.0.0.1", _EXPORTER_PORT, timeout=30)
        self._connect()

    def probe(self, url):
        query = urllib.parse.urlencode({"module": "http", "target": url})
        self._connection.request("GET", f"/probe?{query}")
        text = self._connection.getresponse().read().decode("utf-8")
        if "\nprobe_success 1\n" not in text:
            raise BenchError(f"{_EXPORTER}: the probe of {url} failed")

    def stop(self):
        self._connection.close()
        super().stop()

    def _connect(self):
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return self._connection.connect()
            except ConnectionRefusedError:
                if self.child.poll() is not None or time.monotonic() > deadline:
                    raise BenchError(f"{_EXPORTER} does not answer on port {_EXPORTER_PORT}") from None
                time.sleep(0.05)


def curl_seconds(url, bundle):
    """CPU seconds of one curl process that makes one probe."""
    return cpu.of_command(["curl", "--silent", "--fail", "--proxy", origin.PROXY, "--noproxy", "", "--cacert",
                           str(bundle), url])


def floor_seconds(build, authorities, count, pace):
    """CPU seconds of so many requests through the proxy with OpenSSL by hand."""
    said = run([build.program("handshake"), str(origin.PROXY_PORT), str(origin.HTTPS_PORT), str(authorities),
                str(count), str(pace.group), str(pace.seconds)])
    return int(said) / 1e9
