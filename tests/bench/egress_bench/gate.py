# SPDX-License-Identifier: MIT
"""collectd with one plugin, whose reads are started one by one through bench_gate.so."""

import contextlib
import os
import re
import select
import socket
import subprocess

from .build import STOCK_PLUGINS
from .errors import BenchError

_BINARY = "/usr/sbin/collectd"
_READ_SECONDS = 120
_STOP_SECONDS = 15
# Far shorter than a read: the gate and the plugin are called in turn. Values stay in the cache for Timeout intervals.
_INTERVAL = 0.001
_CONFIGURATION = """
Hostname "bench"
FQDNLookup false
BaseDir "{folder}"
PIDFile "{folder}/collectd.pid"
TypesDB "/usr/share/collectd/types.db"
Interval 10
Timeout 1000000000
ReadThreads 1
WriteThreads 1

PluginDir "{stock}"
LoadPlugin logfile
<Plugin logfile>
  LogLevel {level}
  File "{folder}/collectd.log"
</Plugin>
"""
_GATE = """
LoadPlugin unixsock
<Plugin unixsock>
  SocketFile "{folder}/values"
</Plugin>

PluginDir "{gate}"
<LoadPlugin bench_gate>
  Interval {interval}
</LoadPlugin>
"""
_PLUGIN = """
PluginDir "{plugins}"
<LoadPlugin {plugin}>
  Interval {interval}
</LoadPlugin>
{stanza}
"""


def accepts(build, plugin, stanza):
    """Whether collectd takes a plugin's stanza (it makes one read then); an error if it refuses even none."""
    if _trial(build, plugin, stanza) is None:
        return True
    complaint = _trial(build, plugin, "")
    if complaint is not None:
        raise BenchError(f"collectd does not start with {plugin}: {complaint}")
    return False


def _trial(build, plugin, stanza):
    """None if collectd starts, else the end of its log."""
    status, log = _start_once(build, plugin, stanza)
    return None if status == 0 else log


def _start_once(build, plugin, stanza):
    """The exit status of a collectd that makes one read, and the end of its log."""
    folder = build.new_folder("trial")
    command = _command(build, folder, _CONFIGURATION + _PLUGIN, "info", plugin, stanza, "-T")
    result = subprocess.run(command, env=_environment(build), text=True, capture_output=True, check=False)
    return result.returncode, _log_of(folder) + result.stderr[-2000:]


def _command(build, folder, text, level, plugin, stanza, *flags):
    plugins = build.plugins if (build.plugins / f"{plugin}.so").exists() else STOCK_PLUGINS
    path = folder / "collectd.conf"
    path.write_text(text.format(folder=folder, stock=STOCK_PLUGINS, gate=build.gate, plugins=plugins, plugin=plugin,
                                interval=_INTERVAL, level=level, stanza=stanza), encoding="utf-8")
    return [_BINARY, "-f", *flags, "-C", str(path)]


def _environment(build):
    """libegress.so as it was built: an installed one of another version must not come first."""
    return {**os.environ, "LD_LIBRARY_PATH": str(build.plugins)}


def _log_of(folder):
    path = folder / "collectd.log"
    return path.read_text(encoding="utf-8", errors="replace")[-2000:] if path.exists() else ""


class GatedCollectd:
    """A collectd that waits at the gate. plugin: None for one that reads nothing."""

    def __init__(self, build, name, plugin, stanza=""):
        self.name = name
        self._folder = build.new_folder(re.sub(r"\W+", "-", name))
        self._made_of = build, plugin, stanza
        text = _CONFIGURATION + _GATE + (_PLUGIN if plugin else "")
        # Not `info`: collectd would warn, and spend time on it, at each read that is longer than the interval.
        command = _command(build, self._folder, text, "err", plugin, stanza)
        with open(self._folder / "stderr", "wb") as errors:
            self._child = subprocess.Popen(command, env=_environment(build), stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE, stderr=errors)
        self.process_seconds = []
        self._await_gate()
        self._forget_peak()
        self._before = self._memory("VmRSS")

    def read(self):
        """Let the plugin read once; CPU seconds of the reading thread."""
        self._child.stdin.write(b"\n")
        self._child.stdin.flush()
        thread, process = self._await_gate()
        self.process_seconds.append(process / 1e9)
        return thread / 1e9

    def memory_growth(self):
        """Bytes of resident memory, at their peak, over what there was before the first read."""
        return self._memory("VmHWM") - self._before

    def values(self, identifiers):
        """The latest values by identifier "plugin-instance/type-instance"; None for one that is not there."""
        with self._values_socket() as stream:
            return {name: _ask(stream, name) for name in identifiers}

    def identifiers(self, prefix):
        """The identifiers of all values that begin with a prefix."""
        with self._values_socket() as stream:
            lines = _answer(stream, "LISTVAL")
        names = [line.split(" ", 1)[1].removeprefix("bench/") for line in lines]
        return [name for name in names if name.startswith(prefix)]

    def complaint(self):
        """What collectd says of this plugin when it is asked to say all."""
        return _start_once(*self._made_of)[1]

    def stop(self):
        self._child.terminate()
        self._child.stdin.close()
        try:
            self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            raise BenchError(f"{self.name}: collectd did not end {_STOP_SECONDS} s after SIGTERM") from None

    @contextlib.contextmanager
    def _values_socket(self):
        directory = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_READ_SECONDS)
                # Through the descriptor: the path itself may be longer than a socket's address can be.
                connection.connect(f"/proc/self/fd/{directory}/values")
                with connection.makefile("rw", encoding="utf-8", newline="\n") as stream:
                    yield stream
        finally:
            os.close(directory)

    def _await_gate(self):
        """The figures of the read that has ended: nanoseconds of the thread, and of the process."""
        ready, _, _ = select.select([self._child.stdout], [], [], _READ_SECONDS)
        words = self._child.stdout.readline().split() if ready else []
        if len(words) != 2:
            what = "ended" if self._child.poll() is not None else f"made no read within {_READ_SECONDS} s"
            raise BenchError(f"{self.name}: collectd {what}: {_log_of(self._folder)}")
        return int(words[0]), int(words[1])

    def _forget_peak(self):
        with open(f"/proc/{self._child.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5\n")  # proc(5): VmHWM becomes VmRSS

    def _memory(self, field):
        with open(f"/proc/{self._child.pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(f"{field}:"):
                    return int(line.split()[1]) * 1024
        raise BenchError(f"{self.name}: /proc/{self._child.pid}/status has no {field}")


def _ask(stream, name):
    lines = _answer(stream, f'GETVAL "bench/{name}"')
    return float(lines[0].partition("=")[2]) if lines else None


def _answer(stream, command):
    """The lines of an answer; none if it is a refusal ("STATUS TEXT", STATUS lines follow)."""
    stream.write(f"{command}\n")
    stream.flush()
    count = int(stream.readline().split()[0])
    return [stream.readline().rstrip("\n") for _ in range(count)]
