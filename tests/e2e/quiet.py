# SPDX-License-Identifier: MIT
"""Two network namespaces with a cable between them, in which nothing moves but what a test moves.

They have no names: the kernel removes them with the last process that uses them. collectd speaks through its csv
plugin, so that it opens no socket of its own there."""

import ctypes
import os
import socket
import subprocess
import threading
import time
from collections import namedtuple

import builds

_CLONE_NEWNET = 0x40000000
_STOCK_PLUGINS = "/usr/lib/collectd"
_CONFIGURATION = """
Hostname "quiet"
FQDNLookup false
BaseDir "{folder}"
PIDFile "{folder}/collectd.pid"
TypesDB "/usr/share/collectd/types.db"
Interval {interval}
PluginDir "{stock}"
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "{folder}/collectd.log"
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "{folder}/csv"
  StoreRates false
</Plugin>
PluginDir "{plugins}"
{body}
"""
_libc = ctypes.CDLL(None, use_errno=True)

Socket = namedtuple("Socket", "state receive_queue send_queue local local_port remote remote_port line")


def _check(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Namespace:
    """A network namespace, and what is done inside it."""

    def __init__(self):
        self._descriptor = self._in_thread(self._make)
        self.path = f"/proc/{os.getpid()}/fd/{self._descriptor}"
        self.run("ip", "link", "set", "lo", "up")

    @staticmethod
    def _make():
        _check(_libc.unshare(_CLONE_NEWNET))
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @staticmethod
    def _in_thread(function):
        """A namespace is a thread's: one that ends leaves this process where it was."""
        outcome = []

        def work():
            try:
                outcome.append((function(), None))
            except OSError as error:
                outcome.append((None, error))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    def argv(self, *words):
        return ["nsenter", f"--net={self.path}", *words]

    def run(self, *words, **options):
        done = subprocess.run(self.argv(*words), text=True, capture_output=True, check=False, **options)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def socket(self, family, kind=socket.SOCK_STREAM):
        """A socket of this namespace, for use by this process."""
        def make():
            _check(_libc.setns(self._descriptor, _CLONE_NEWNET))
            return socket.socket(family, kind)
        made = self._in_thread(make)
        made.settimeout(10)
        return made

    def listener(self, family, address, port, backlog=16, reuse=False):
        made = self.socket(family)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, reuse)
        made.bind((address, port))
        made.listen(backlog)
        return made

    def rules(self, text):
        self.run("nft", "-f", "-", input=text)

    def ss(self, *options):
        return [parse_socket(line) for line in self.run("ss", "-Hn", *options).splitlines()]

    def close(self):
        os.close(self._descriptor)


def parse_socket(line):
    """One line of `ss -Hn -t` or `-u`, in which states are the first word."""
    words = line.split()
    local, remote = _endpoint(words[3]), _endpoint(words[4])
    return Socket(words[0], int(words[1]), int(words[2]), *local, *remote, line)


def _endpoint(text):
    address, port = text.rsplit(":", 1)
    return address.strip("[]").split("%")[0], 0 if port == "*" else int(port)


class Pair:
    """`here`, which is looked at, and `there`: 192.0.2.1 and .2, 2001:db8::1 and ::2."""

    def __init__(self):
        self.here, self.there = Namespace(), Namespace()
        self.here.run("ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", self.there.path)
        for number, part in ((1, self.here), (2, self.there)):
            for key in ("accept_dad", "router_solicitations"):
                part.run("sh", "-c", f"echo 0 >/proc/sys/net/ipv6/conf/cable/{key}")
            part.run("ip", "address", "add", f"192.0.2.{number}/24", "dev", "cable")
            part.run("ip", "address", "add", f"2001:db8::{number}/64", "dev", "cable", "nodad")
            part.run("ip", "link", "set", "cable", "up")

    def close(self):
        self.here.close()
        self.there.close()


class Collectd:
    """A collectd in a namespace."""

    def __init__(self, namespace, folder, body, interval=1, sanitized=True, wrapper=(), environment=None):
        self._folder = folder
        folder.mkdir()
        plugins = builds.sanitized() if sanitized else builds.plain()
        variables = {**(builds.sanitizer_environment() if sanitized else {}), **(environment or {})}
        path = folder / "collectd.conf"
        path.write_text(_CONFIGURATION.format(folder=folder, interval=interval, stock=_STOCK_PLUGINS, plugins=plugins,
                                              body=body), encoding="utf-8")
        words = ["env", *[f"{key}={value}" for key, value in variables.items()], *wrapper,
                 builds.COLLECTD, "-f", "-C", str(path)]
        with open(folder / "output.log", "wb") as output:
            self._child = subprocess.Popen(namespace.argv(*words), stdin=subprocess.DEVNULL, stdout=output,
                                           stderr=output)

    def rows(self, identifier):
        """Every value of an identifier ("egress_netlink-all/udp_sockets") since the start."""
        rows = []
        for path in sorted((self._folder / "csv" / "quiet").glob(f"{identifier}-20??-??-??")):
            lines = path.read_text(encoding="ascii").splitlines()[1:]
            rows += [float(line.split(",")[1]) for line in lines if line.count(",") == 1]
        return rows

    def values(self, identifier):
        """{type instance: latest value} of "egress_netlink-all/tcp_connections"; under "" where there is none."""
        found = {}
        folder, kind = identifier.split("/")
        for path in sorted((self._folder / "csv" / "quiet" / folder).glob(f"{kind}-*20??-??-??")):
            instance = path.name[len(kind) + 1:-len("2000-01-01")].rstrip("-")
            rows = self.rows(f"{folder}/{kind}-{instance}" if instance else f"{folder}/{kind}")
            if rows:
                found[instance] = rows[-1]
        return found

    def wait_for(self, ask, expected, what, seconds=40):
        """Until ask() is what `expected` is, or says."""
        deadline = time.monotonic() + seconds
        while True:
            wanted = expected() if callable(expected) else expected
            seen = ask()
            if seen == wanted:
                return seen
            assert self._child.poll() is None, f"collectd has ended\n{self.log()[-4000:]}"
            assert time.monotonic() < deadline, f"{what}: {seen}, expected {wanted}\n{self.log()[-4000:]}"
            time.sleep(0.2)

    def log(self):
        files = (self._folder / "collectd.log", self._folder / "output.log")
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in files if path.exists())

    def stop(self):
        if self._child.poll() is None:
            self._child.terminate()
        status = self._child.wait(60)
        assert status == 0, f"collectd ended with {status}\n{self.log()[-8000:]}"
        assert "runtime error:" not in self.log() and "AddressSanitizer" not in self.log(), self.log()
