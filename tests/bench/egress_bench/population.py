# SPDX-License-Identifier: MIT
"""The sockets that are held for the readers to count, and what there is of each kind."""

import ipaddress
import resource
import subprocess
from collections import Counter
from dataclasses import dataclass

from .build import run
from .errors import BenchError

# Holders add up over the levels; more of them make more listening ports than a small level's first ten.
_HOLDERS_A_LEVEL = 10
_PORT_COUNT = 10
_HOLDERS_MAX = 250
FIRST_PORT = 3128
# Of net.ipv4.ip_local_port_range's 28,232 ports: the search for a free one gets dear toward the end.
_CONNECTIONS_MAX = 20000
# In hold_sockets.c: one of ten connections is half closed.
_HALF_CLOSED_EVERY = 10
# A socket with its inode, file and hash entry takes about 4.5 KiB of the kernel's memory.
_BYTES_A_SOCKET = 6 << 10
_RESERVE_BYTES = 2 << 30


@dataclass(frozen=True)
class Kind:
    """Sockets that are alike: addresses and ports (None: many ports, or no remote end), and their number by state."""

    local: str
    local_port: int | None
    remote: str | None
    remote_port: int | None
    states: dict


@dataclass(frozen=True)
class _Holder:
    child: subprocess.Popen
    client: str
    server: str
    port: int
    connections: int

    def kinds(self):
        half_closed = -(-self.connections // _HALF_CLOSED_EVERY)
        whole = self.connections - half_closed
        return [Kind(self.server, self.port, None, None, {"LISTEN": 1}),
                Kind(self.client, None, self.server, self.port, {"ESTABLISHED": whole, "FIN_WAIT2": half_closed}),
                Kind(self.server, self.port, self.client, None, {"ESTABLISHED": whole, "CLOSE_WAIT": half_closed})]


class Population:
    """TCP sockets in this network namespace: private clients of public servers, all of them local addresses."""

    def __init__(self, build):
        self._build = build
        self._holders = []
        self._others = []
        run(["ip", "link", "set", "lo", "up"])
        for network in ("10.1.0.0/16", "203.0.113.0/24"):
            run(["ip", "route", "add", "local", network, "dev", "lo"])

    def grow(self, sockets):
        """Hold at least so many sockets; half as many connections."""
        have = sum(holder.connections for holder in self._holders)
        missing = (sockets + 1) // 2 - have
        if missing <= 0:
            return
        _check_memory(2 * missing)
        count = max(_HOLDERS_A_LEVEL, -(-missing // _most_connections()))
        for number in range(count):
            self._hold(missing // count + (number < missing % count))

    def add_other(self, kind):
        """Sockets that are there beside the holders'."""
        self._others.append(kind)

    @property
    def processes(self):
        return len(self._holders)

    def kinds(self):
        return [kind for holder in self._holders for kind in holder.kinds()] + self._others

    def states(self, matches=lambda kind: True):
        """How many sockets there are by state, of the kinds that match."""
        total = Counter()
        for kind in self.kinds():
            if matches(kind):
                total.update(kind.states)
        return total

    def stop(self):
        for holder in self._holders:
            holder.child.kill()
        for holder in self._holders:
            holder.child.wait()

    def _hold(self, connections):
        number = len(self._holders)
        if number >= _HOLDERS_MAX:
            raise BenchError(f"more than {_HOLDERS_MAX} processes would have to hold the sockets: "
                             "raise RLIMIT_NOFILE's hard limit, or ask for fewer")
        client, server = f"10.1.0.{number + 1}", f"203.0.113.{number + 1}"
        port = FIRST_PORT + number % _PORT_COUNT
        family = 6 if number % 2 else 4
        child = subprocess.Popen([self._build.program("hold_sockets"), client, server, str(port), str(family),
                                  str(connections)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._holders.append(_Holder(child, client, server, port, connections))
        if child.stdout.readline() != "ready\n":
            raise BenchError(f"{connections} connections from {client} to {server} could not be made")


def _most_connections():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(_CONNECTIONS_MAX, (hard - 16) // 2)


def _check_memory(sockets):
    with open("/proc/meminfo", encoding="ascii") as file:
        available = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
    wanted = sockets * _BYTES_A_SOCKET + _RESERVE_BYTES
    if available < wanted:
        raise BenchError(f"{sockets} more sockets want {wanted >> 20} MiB of memory, {available >> 20} MiB are "
                         "available: ask for lower --levels")


@dataclass(frozen=True)
class Group:
    """One <Group>: its lines, and which kinds belong to it."""

    name: str
    local_port: int | None = None
    remote_port: int | None = None
    local_network: str | None = None
    remote_network: str | None = None
    remote_scope: str | None = None

    def stanza(self):
        options = {"LocalPort": self.local_port, "RemotePort": self.remote_port, "LocalNetwork": self.local_network,
                   "RemoteNetwork": self.remote_network, "RemoteScope": self.remote_scope}
        lines = [f"    {name} {_quoted(value)}\n" for name, value in options.items() if value is not None]
        return f"  <Group \"{self.name}\">\n{''.join(lines)}  </Group>\n"

    def matches(self, kind):
        return (self.local_port in (None, kind.local_port) and self.remote_port in (None, kind.remote_port)
                and _inside(self.local_network, kind.local) and _inside(self.remote_network, kind.remote)
                and self.remote_scope in (None, _scope(kind.remote)))


def groups(count):
    """So many groups of all sorts."""
    sorts = (
        lambda number: {"local_port": FIRST_PORT + number % _PORT_COUNT},
        lambda number: {"remote_port": FIRST_PORT + number % _PORT_COUNT},
        lambda number: {"local_network": f"10.1.0.{8 * number % 256}/29"},
        lambda number: {"remote_network": f"203.0.113.{8 * number % 256}/29", "remote_port": FIRST_PORT + 3},
        lambda number: {"remote_scope": ("public", "private")[number % 2]},
    )
    return [Group(f"group-{number}", **sorts[number % len(sorts)](number // len(sorts))) for number in range(count)]


def _quoted(value):
    return value if isinstance(value, int) else f'"{value}"'


def _inside(network, address):
    return network is None or (address is not None
                               and ipaddress.ip_address(address) in ipaddress.ip_network(network))


def _scope(address):
    """Of the addresses that occur here."""
    if address is None:
        return None
    if ipaddress.ip_address(address) in ipaddress.ip_network("203.0.113.0/24"):
        return "public"
    return "loopback" if address.startswith("127.") else "private"
