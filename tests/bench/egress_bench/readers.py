# SPDX-License-Identifier: MIT
"""The readers of sockets. Each has: name, read() -> CPU seconds, check(population), memory_growth(), stop()."""

import http.client
import re
import subprocess
import time
from collections import Counter

from . import cpu
from .discard import Discard
from .errors import BenchError
from .gate import GatedCollectd
from .population import Kind

STATES = ("ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSED", "CLOSE_WAIT",
          "LAST_ACK", "LISTEN", "CLOSING")
_SS_NAMES = {"ESTAB": "ESTABLISHED", "FIN-WAIT-2": "FIN_WAIT2", "CLOSE-WAIT": "CLOSE_WAIT", "LISTEN": "LISTEN"}
_EXPORTER = "prometheus-node-exporter"
_EXPORTER_PORT = 9100
_EXPORTER_NAMES = {"established": "ESTABLISHED", "fin_wait2": "FIN_WAIT2", "close_wait": "CLOSE_WAIT",
                   "listen": "LISTEN"}


def expect(name, seen, expected):
    """Raise if a reader's counts by state are not those of the sockets; counts of 0 may be left out."""
    seen, expected = +Counter(seen), +Counter(expected)
    if seen != expected:
        raise BenchError(f"{name} saw {dict(seen)}, there are {dict(expected)}")


class SocketDiscard(Discard):
    """The floor of the socket readers."""

    def check(self, population):
        self.expect(population.states().total())


class SocketStatistics:
    """`ss -Htan`."""

    name = "ss -Htan"
    _ARGV = ["ss", "-Htan"]

    def read(self):
        return cpu.of_command(self._ARGV)

    def check(self, population):
        seen = Counter()
        with subprocess.Popen(self._ARGV, stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout:
                state = line.split(" ", 1)[0]
                seen[_SS_NAMES.get(state, state)] += 1
        expect(self.name, seen, population.states())

    def memory_growth(self):
        return None

    def stop(self):
        pass


class EgressNetlink(GatedCollectd):
    """egress_netlink, with groups."""

    def __init__(self, build, name, groups, *options):
        super().__init__(build, name, "egress_netlink", stanza(groups, *options))
        self._groups = groups

    def check(self, population):
        _check_collectd(self, "egress_netlink-all", population.states())
        for group in self._groups:
            _check_collectd(self, f"egress_netlink-{group.name}", population.states(group.matches))


def stanza(groups, *options):
    """The <Plugin egress_netlink> block."""
    lines = "".join(f"  {option}\n" for option in options)
    return f"<Plugin egress_netlink>\n{lines}{''.join(group.stanza() for group in groups)}</Plugin>\n"


class TcpConns(GatedCollectd):
    """collectd's own plugin, asked for the least: one sum over all ports."""

    def __init__(self, build):
        super().__init__(build, "collectd tcpconns", "tcpconns",
                         "<Plugin tcpconns>\n  ListeningPorts false\n  AllPortsSummary true\n</Plugin>\n")

    def check(self, population):
        _check_collectd(self, "tcpconns-all", population.states())


class Baseline(GatedCollectd):
    """collectd with nothing to read: what the gate itself and the daemon's loop take."""

    def __init__(self, build):
        super().__init__(build, "collectd without a plugin", None)

    def check(self, population):
        pass


def _check_collectd(reader, plugin, expected):
    names = {f"{plugin}/tcp_connections-{state}": state for state in STATES}
    found = reader.values(names)
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise BenchError(f"{reader.name}: collectd has no value {missing[0]}: {reader.complaint()}")
    expect(f"{reader.name} ({plugin})", {names[name]: int(value) for name, value in found.items()}, expected)


class NodeExporter:
    """node_exporter with one collector, scraped over one connection that is kept."""

    name = "node_exporter tcpstat"

    def __init__(self, population):
        self._child = subprocess.Popen(
            [_EXPORTER, "--collector.disable-defaults", "--collector.tcpstat",
             f"--web.listen-address=127.0.0.1:{_EXPORTER_PORT}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._connection = http.client.HTTPConnection("127.0.0.1", _EXPORTER_PORT, timeout=120)
        self._connect()
        self._before = self._memory("VmRSS")
        self._seen = {}
        population.add_other(Kind("127.0.0.1", _EXPORTER_PORT, None, None, {"LISTEN": 1}))
        population.add_other(Kind("127.0.0.1", _EXPORTER_PORT, "127.0.0.1", None, {"ESTABLISHED": 1}))
        population.add_other(Kind("127.0.0.1", None, "127.0.0.1", _EXPORTER_PORT, {"ESTABLISHED": 1}))

    def read(self):
        begun = cpu.process_clock(self._child.pid)
        self._connection.request("GET", "/metrics")
        text = self._connection.getresponse().read().decode("utf-8")
        used = cpu.process_clock(self._child.pid) - begun
        found = re.findall(r'^node_tcp_connection_states\{state="(\w+)"\} (\S+)$', text, re.MULTILINE)
        self._seen = {_EXPORTER_NAMES.get(state, state): int(float(value)) for state, value in found
                      if not state.endswith("_bytes")}
        return used

    def check(self, population):
        expect(self.name, self._seen, population.states())

    def memory_growth(self):
        return self._memory("VmHWM") - self._before

    def stop(self):
        self._connection.close()
        self._child.kill()
        self._child.wait()

    def _connect(self):
        deadline = time.monotonic() + 20
        while True:
            try:
                return self._connection.connect()
            except ConnectionRefusedError:
                if self._child.poll() is not None or time.monotonic() > deadline:
                    raise BenchError(f"{_EXPORTER} does not answer on port {_EXPORTER_PORT}") from None
                time.sleep(0.05)

    def _memory(self, field):
        with open(f"/proc/{self._child.pid}/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{field}:"))
