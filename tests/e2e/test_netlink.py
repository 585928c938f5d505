# SPDX-License-Identifier: MIT
"""egress_netlink says exactly what ss and conntrack say, of sockets and entries in every state there is."""

import ipaddress
import math
import re
import socket
from collections import Counter

import pytest
import quiet

STATES = {"ESTAB": "ESTABLISHED", "SYN-SENT": "SYN_SENT", "SYN-RECV": "SYN_RECV", "FIN-WAIT-1": "FIN_WAIT1",
          "FIN-WAIT-2": "FIN_WAIT2", "TIME-WAIT": "TIME_WAIT", "UNCONN": "CLOSED", "CLOSE-WAIT": "CLOSE_WAIT",
          "LAST-ACK": "LAST_ACK", "LISTEN": "LISTEN", "CLOSING": "CLOSING"}
# No socket that the kernel lists is ever in CLOSED: it leaves the table on the way there, and one that is only bound
# was not in it yet.
LISTED = set(STATES.values()) - {"CLOSED"}
# By family: of our sockets, of the peer's, how each names this end and that end, and the ports it uses.
FAMILIES = {
    "ipv4": (socket.AF_INET, socket.AF_INET, "192.0.2.1", "192.0.2.2", "192.0.2.1", 7000),
    "ipv6": (socket.AF_INET6, socket.AF_INET6, "2001:db8::1", "2001:db8::2", "2001:db8::1", 7100),
    "mapped": (socket.AF_INET6, socket.AF_INET, "::ffff:192.0.2.1", "::ffff:192.0.2.2", "192.0.2.1", 7200),
}
# Ports, after the family's first one.
PLAIN, NO_SYN, NO_FIN, HELD, NO_ACK, DATA_LOST, BOUND = range(7)
GROUPS = """
LoadPlugin egress_netlink
<Plugin egress_netlink>
  ConntrackStates true
  <Group "ipv6">
    RemoteNetwork "2001:db8::/32"
  </Group>
  <Group "ipv4">
    RemoteNetwork "192.0.2.0/24"
  </Group>
  <Group "mapped">
    RemotePort 7200
    RemotePort 7202
    RemoteNetwork "192.0.2.2"
  </Group>
  <Group "inbound">
    LocalPort 7004
    LocalPort 7104
    LocalPort 7204
  </Group>
  <Group "internet">
    RemoteScope "public"
  </Group>
</Plugin>
"""


def address_of(text):
    address = ipaddress.ip_address("::" if text == "*" else text)
    return getattr(address, "ipv4_mapped", None) or address


def is_to(one, network):
    """Whether a socket's remote end is in a network; one without a remote port has none."""
    return bool(one.remote_port) and address_of(one.remote) in ipaddress.ip_network(network)


MEMBERS = {
    "all": lambda one: True,
    "ipv6": lambda one: is_to(one, "2001:db8::/32"),
    "ipv4": lambda one: is_to(one, "192.0.2.0/24"),
    "mapped": lambda one: is_to(one, "192.0.2.2/32") and one.remote_port in (7200, 7202),
    "inbound": lambda one: one.local_port in (7004, 7104, 7204),
    "internet": lambda one: is_to(one, "192.0.2.0/24") or is_to(one, "2001:db8::/32"),
}


@pytest.fixture(name="pair")
def pair_fixture():
    pair = quiet.Pair()
    yield pair
    pair.close()


@pytest.fixture(name="start")
def start_fixture(tmp_path):
    """A function that starts collectd in a namespace; at the test's end each must end in order."""
    started = []

    def start(namespace, body=GROUPS, **options):
        started.append(quiet.Collectd(namespace, tmp_path / f"collectd-{len(started)}", body, **options))
        return started[-1]

    yield start
    for each in started:
        each.stop()


class Scene:
    """Sockets of one family in every state."""

    def __init__(self, pair, family):
        self._pair = pair
        here, there, self._here, self._there, self._there_address, self._first = FAMILIES[family]
        self._family, self._peer_family = here, there
        self._peer = self._there if there == here else self._there.removeprefix("::ffff:")
        self.kept = []
        self._listeners = {port: pair.there.listener(there, self._peer, self._first + port)
                           for port in (PLAIN, NO_FIN, HELD, DATA_LOST)}

    def connect(self, port=PLAIN):
        """A connection: our end and the peer's."""
        mine = self._pair.here.socket(self._family)
        mine.connect((self._there, self._first + port))
        theirs, _ = self._listeners[port].accept()
        self.kept += [mine, theirs]
        return mine, theirs

    def open_all(self):
        self.listen()
        self.syn_sent()
        self.syn_received()
        for count, make in ((4, self.established), (1, self.fin_wait1), (3, self.fin_wait2), (2, self.close_wait),
                            (3, self.last_ack), (2, self.closing), (3, self.time_wait)):
            for _ in range(count):
                make()
        bound = self._pair.here.socket(self._family)
        bound.bind((self._here, self._first + BOUND))
        self.kept.append(bound)

    def listen(self):
        self.kept.append(self._pair.here.listener(self._family, self._here, self._first + NO_ACK))

    def syn_sent(self):
        for _ in range(2):
            mine = self._pair.here.socket(self._family)
            mine.setblocking(False)
            mine.connect_ex((self._there, self._first + NO_SYN))
            self.kept.append(mine)

    def syn_received(self):
        """The peer takes its connection for established; its last acknowledgement never arrives."""
        theirs = self._pair.there.socket(self._peer_family)
        theirs.connect((self._there_address, self._first + NO_ACK))
        self.kept.append(theirs)

    def established(self):
        self.connect()

    def fin_wait1(self):
        mine, _ = self.connect(NO_FIN)
        mine.shutdown(socket.SHUT_WR)

    def fin_wait2(self):
        mine, _ = self.connect()
        mine.shutdown(socket.SHUT_WR)

    def close_wait(self):
        _, theirs = self.connect()
        theirs.shutdown(socket.SHUT_WR)

    def last_ack(self):
        mine, theirs = self.connect(NO_FIN)
        theirs.shutdown(socket.SHUT_WR)
        assert mine.recv(1) == b""
        mine.shutdown(socket.SHUT_WR)

    def closing(self):
        """Our end is told of the peer's, which never hears of ours."""
        mine, theirs = self.connect(NO_FIN)
        mine.shutdown(socket.SHUT_WR)
        theirs.shutdown(socket.SHUT_WR)
        assert mine.recv(1) == b""

    def time_wait(self):
        mine, theirs = self.connect()
        mine.shutdown(socket.SHUT_WR)
        assert theirs.recv(1) == b""
        theirs.close()
        assert mine.recv(1) == b""
        mine.close()

    def lose_data(self):
        """What is sent is never acknowledged."""
        mine, _ = self.connect(DATA_LOST)
        mine.send(b"lost")

    def close(self):
        for one in [*self.kept, *self._listeners.values()]:
            one.close()


def drop_on_the_way(pair):
    """The packets that never arrive, by the port and what is in them.

    Dropped where they arrive: a kernel that could not even send takes no time for a lost packet."""
    def ports(offset):
        return "{ " + ", ".join(str(family[5] + offset) for family in FAMILIES.values()) + " }"
    rules = "table inet lost {{ chain input {{ type filter hook input priority 0; {} }}; }}"
    pair.there.rules(rules.format(f"tcp dport {ports(NO_SYN)} drop; "
                                  f"tcp dport {ports(NO_FIN)} tcp flags & fin == fin drop; "
                                  f"tcp dport {ports(DATA_LOST)} tcp flags & (syn | psh) == psh drop;"))
    pair.here.rules(rules.format(f"tcp dport {ports(NO_ACK)} tcp flags & (syn | ack) == ack drop;"))


@pytest.fixture(name="scenes")
def scenes_fixture(pair):
    drop_on_the_way(pair)
    scenes = [Scene(pair, family) for family in FAMILIES]
    yield scenes
    for scene in scenes:
        scene.close()


def tcp(namespace):
    return [one._replace(state=STATES[one.state]) for one in namespace.ss("-tao")]


def by_group(namespace, count):
    sockets = tcp(namespace)
    return {group: count([one for one in sockets if is_member(one)]) for group, is_member in MEMBERS.items()}


def family_of(one):
    if one.local.startswith("::ffff:"):
        return "mapped"
    return "ipv6" if ":" in one.local else "ipv4"


def states_of(sockets):
    return {**dict.fromkeys(STATES.values(), 0), **Counter(one.state for one in sockets)}


def retransmitting_of(sockets):
    found = [re.search(r"timer:\(on,[^,]*,(\d+)\)", one.line) for one in sockets]
    return {"": sum(1 for each in found if each and int(each[1]) > 0)}


def said_of(collectd, kind):
    return lambda: {group: collectd.values(f"egress_netlink-{group}/{kind}") for group in MEMBERS}


def test_all_states_of_all_families(pair, scenes, start):
    for scene in scenes:
        scene.open_all()
        scene.lose_data()
    collectd = start(pair.here)
    collectd.wait_for(said_of(collectd, "tcp_connections"), lambda: by_group(pair.here, states_of), "states")
    collectd.wait_for(lambda: all(count[""] > 0 for count in by_group(pair.here, retransmitting_of).values()), True,
                      "time-outs in every group")
    collectd.wait_for(said_of(collectd, "retransmitting"), lambda: by_group(pair.here, retransmitting_of),
                      "sockets that retransmit")

    # The scene was what it should have been: each state, in each family.
    for family in FAMILIES:
        assert {one.state for one in tcp(pair.here) if family_of(one) == family} == LISTED, family


def test_all_states_from_proc(pair, scenes, start, refuse_netlink):
    """The same from /proc/net/tcp and tcp6."""
    for scene in scenes:
        scene.open_all()
    collectd = start(pair.here, sanitized=False, environment={"LD_PRELOAD": refuse_netlink, "REFUSE_NETLINK": "4"})
    collectd.wait_for(said_of(collectd, "tcp_connections"), lambda: by_group(pair.here, states_of), "states")
    collectd.wait_for(said_of(collectd, "retransmitting"), lambda: by_group(pair.here, retransmitting_of),
                      "sockets that retransmit")
    assert said_of(collectd, "latency")()["all"] == {}


def accept_queues(namespace):
    """{port: (waiting, limit)}, the sockets on one port together."""
    found = {}
    for one in namespace.ss("-tl"):
        waiting, limit = found.get(one.local_port, (0, 0))
        found[one.local_port] = waiting + one.receive_queue, limit + one.send_queue
    return found


def test_accept_queues(pair, start):
    listeners = [pair.here.listener(socket.AF_INET, "192.0.2.1", 7301, backlog=7),
                 pair.here.listener(socket.AF_INET6, "2001:db8::1", 7301, backlog=5),
                 pair.here.listener(socket.AF_INET, "192.0.2.1", 7302, backlog=2, reuse=True),
                 pair.here.listener(socket.AF_INET, "192.0.2.1", 7302, backlog=2, reuse=True),
                 pair.here.listener(socket.AF_INET, "192.0.2.1", 7303, backlog=9)]
    clients = []
    for family, address, port, count in ((socket.AF_INET, "192.0.2.1", 7301, 3),
                                         (socket.AF_INET6, "2001:db8::1", 7301, 2),
                                         (socket.AF_INET, "192.0.2.1", 7302, 2)):
        for _ in range(count):
            clients.append(pair.there.socket(family))
            clients[-1].connect((address, port))
    collectd = start(pair.here)

    def said():
        values = {port: collectd.values(f"egress_netlink-listen:{port}/queue_length") for port in (7301, 7302, 7303)}
        return {port: (value.get("accept"), value.get("accept_max")) for port, value in values.items()}

    expected = accept_queues(pair.here)
    assert expected == {7301: (5, 12), 7302: (2, 4), 7303: (0, 9)}
    collectd.wait_for(said, expected, "accept queues")
    for each in (0, 0, 0, 1):
        clients.append(listeners[each].accept()[0])
    collectd.wait_for(said, lambda: accept_queues(pair.here), "accept queues after the server has accepted")
    assert said()[7301] == (1, 12)
    for one in clients + listeners:
        one.close()


def nearest_rank(values, percent):
    return sorted(values)[math.ceil(percent * len(values) / 100) - 1]


def rtts(namespace, is_member):
    """Seconds, of the established sockets of a group."""
    lines = [quiet.parse_socket(line) for line in namespace.run("ss", "-HnOtia", "state", "all").splitlines()]
    return [float(re.search(r" rtt:([\d.]+)/", one.line)[1]) / 1000 for one in lines
            if one.state == "ESTAB" and is_member(one)]


def test_round_trip_times(pair, scenes, start):
    for number, scene in enumerate(scenes):
        for _ in range(20 + 10 * number):
            mine, theirs = scene.connect()
            theirs.send(b"x" * (1 + number))
            mine.recv(16)
            mine.send(b"y")
            theirs.recv(16)
    collectd = start(pair.here)

    def disagreements():
        found = []
        for group, is_member in MEMBERS.items():
            exact = rtts(pair.here, is_member)
            values = collectd.values(f"egress_netlink-{group}/latency")
            if not exact:
                found += [(group, values)] if values else []
                continue
            for percent in (50, 95, 99):
                wanted, value = nearest_rank(exact, percent), values.get(f"rtt_p{percent}")
                # csv rounds to microseconds, and ss cuts what is below one.
                if value is None or abs(value - wanted) > wanted / 64 + 2e-6:
                    found.append((group, percent, value, wanted))
        return found

    collectd.wait_for(disagreements, [], "round-trip times")
    assert len(rtts(pair.here, MEMBERS["ipv4"])) == 60


def udp_of(sockets):
    return {"sockets": len(sockets), "bytes": sum(one.receive_queue for one in sockets)}


def test_udp_sockets(pair, start):
    kept = []
    for family, peer_family, mine, theirs, here, port in FAMILIES.values():
        peer = theirs if peer_family == family else theirs.removeprefix("::ffff:")
        waiting = pair.here.socket(family, socket.SOCK_DGRAM)
        waiting.bind((mine, port + BOUND))
        connected = pair.here.socket(family, socket.SOCK_DGRAM)
        connected.bind((mine, port))
        connected.connect((theirs, port))
        sender = pair.there.socket(peer_family, socket.SOCK_DGRAM)
        sender.bind((peer, port))
        for size in (1, 500, 1400):
            sender.sendto(b"x" * size, (here, port + BOUND))
            sender.sendto(b"x" * size, (here, port))
        kept += [waiting, connected, sender]
    collectd = start(pair.here)

    def said():
        found = {}
        for group in MEMBERS:
            count = collectd.values(f"egress_netlink-{group}/udp_sockets")
            memory = collectd.values(f"egress_netlink-{group}/memory")
            found[group] = {"sockets": count.get(""), "bytes": memory.get("udp_receive_queue")}
        return found

    def expected():
        sockets = pair.here.ss("-ua")
        return {group: udp_of([one for one in sockets if is_member(one)]) for group, is_member in MEMBERS.items()}

    assert expected()["all"]["sockets"] == 6 and expected()["all"]["bytes"] > 6 * 1400
    assert expected()["ipv6"]["sockets"] == 1
    collectd.wait_for(said, expected, "UDP sockets")
    for one in kept:
        one.close()


def sockstat(namespace):
    """What /proc/net/sockstat says in that namespace, in our names."""
    lines = namespace.run("cat", "/proc/thread-self/net/sockstat").splitlines()
    found = {line.split(":")[0]: dict(zip(line.split()[1::2], map(float, line.split()[2::2]))) for line in lines}
    return {"tcp_time_wait": found["TCP"]["tw"], "udp_inuse": found["UDP"]["inuse"]}


def test_sockstat(pair, scenes, start):
    for scene in scenes:
        scene.time_wait()
    datagram = pair.here.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagram.bind(("192.0.2.1", 7000))
    assert sockstat(pair.here) == {"tcp_time_wait": 3, "udp_inuse": 1}
    collectd = start(pair.here)
    names = ("tcp_time_wait", "udp_inuse")
    collectd.wait_for(lambda: {name: collectd.values("egress_netlink-sockstat/sockets").get(name) for name in names},
                      lambda: sockstat(pair.here), "sockstat")
    # These two are of the whole host, which is not quiet.
    assert set(collectd.values("egress_netlink-sockstat/sockets")) == {*names, "tcp_alloc", "tcp_orphan"}
    memory = collectd.values("egress_netlink-sockstat/memory")
    assert set(memory) == {"tcp", "udp"}
    assert all(value % 4096 == 0 for value in memory.values())
    datagram.close()


# --- Conntrack ----------------------------------------------------------------------------------------------------

def track(pair):
    pair.here.rules("table inet tracked { chain input { type filter hook input priority 10; "
                    "ct state invalid counter; }; }")


def entries(namespace):
    """{state: entries} as `conntrack -L` lists them."""
    found = Counter()
    text = "".join(namespace.run("conntrack", "-L", "-f", family) for family in ("ipv4", "ipv6"))
    for line in text.splitlines():
        words = line.split()
        protocol = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "icmpv6": "ICMP"}.get(words[0], "OTHER")
        by_status = "UNREPLIED" if "[UNREPLIED]" in line else "ASSURED" if "[ASSURED]" in line else "REPLIED"
        found[f"{protocol}_{words[3] if protocol == 'TCP' else by_status}"] += 1
    return dict(found)


def events(namespace):
    """{event: sum over the CPUs} as `conntrack -S` says, in our names; `insert` is of no use to anybody."""
    found = Counter()
    for name, value in re.findall(r"(\w+)=(\d+)", namespace.run("conntrack", "-S")):
        if name not in ("cpu", "insert"):
            found.update({name.replace("chaintoolong", "chain_toolong"): int(value)})
    return dict(found)


def make_entries(pair, scenes):
    for scene in scenes:
        for make in (scene.established, scene.time_wait, scene.fin_wait1, scene.close_wait, scene.syn_sent):
            make()
    asker = pair.here.socket(socket.AF_INET, socket.SOCK_DGRAM)
    answerer = pair.there.socket(socket.AF_INET, socket.SOCK_DGRAM)
    answerer.bind(("192.0.2.2", 7400))
    asker.connect(("192.0.2.2", 7400))
    asker.send(b"?")
    answerer.sendto(b"!", answerer.recvfrom(1)[1])
    silent = pair.here.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    silent.sendto(b"?", ("2001:db8::2", 7400))
    for address in ("192.0.2.2", "2001:db8::2"):
        pair.here.run("ping", "-c", "1", "-W", "5", address)
    # Flags that make no sense: `invalid`.
    pair.there.rules("table inet mangle { chain output { type filter hook output priority 0; "
                     "tcp dport 7500 tcp flags set rst,syn; }; }")
    stray = pair.there.socket(socket.AF_INET)
    stray.setblocking(False)
    stray.connect_ex(("192.0.2.1", 7500))
    return [asker, answerer, silent, stray]


def test_conntrack(pair, scenes, start):
    track(pair)
    kept = make_entries(pair, scenes)
    collectd = start(pair.here)

    def said_states():
        values = collectd.values("egress_netlink-conntrack/conntrack_states")
        return {name: value for name, value in values.items() if value}

    seen = entries(pair.here)
    assert {"TCP_ESTABLISHED", "TCP_TIME_WAIT", "TCP_SYN_SENT", "TCP_CLOSE_WAIT", "TCP_FIN_WAIT", "UDP_UNREPLIED",
            "UDP_REPLIED", "ICMP_REPLIED"} <= set(seen)
    collectd.wait_for(said_states, lambda: entries(pair.here), "entries by state")
    collectd.wait_for(lambda: collectd.values("egress_netlink-conntrack/conntrack").get("entries"),
                      lambda: int(pair.here.run("conntrack", "-C")), "entries")
    maximum = int(pair.here.run("cat", "/proc/sys/net/netfilter/nf_conntrack_max"))
    assert collectd.values("egress_netlink-conntrack/conntrack")["max"] == maximum

    assert events(pair.here)["invalid"] > 0 and len(events(pair.here)) >= 6
    collectd.wait_for(lambda: collectd.values("egress_netlink-conntrack/conntrack_events"),
                      lambda: events(pair.here), "events")
    for one in kept:
        one.close()


def test_conntrack_from_proc(pair, scenes, start, refuse_netlink):
    track(pair)
    kept = make_entries(pair, scenes)
    collectd = start(pair.here, sanitized=False, environment={"LD_PRELOAD": refuse_netlink, "REFUSE_NETLINK": "12"})
    collectd.wait_for(lambda: collectd.values("egress_netlink-conntrack/conntrack").get("entries"),
                      lambda: int(pair.here.run("conntrack", "-C")), "entries")
    collectd.wait_for(lambda: collectd.values("egress_netlink-conntrack/conntrack_events").get("invalid"),
                      lambda: events(pair.here)["invalid"], "events")
    assert collectd.values("egress_netlink-conntrack/conntrack_states") == {}
    for one in kept:
        one.close()


# --- One pass for both plugins -------------------------------------------------------------------------------------

def plugin(name, interval, body):
    return f"<LoadPlugin {name}>\n  Interval {interval}\n</LoadPlugin>\n<Plugin {name}>\n{body}\n</Plugin>\n"


def passes(trace):
    """The requests for connections that strace saw; those for listening sockets alone, and egress_nat's look back at
    its start, skip most of the kernel's table."""
    lines = [line for line in trace.read_text(encoding="utf-8", errors="replace").splitlines()
             if "TCPDIAG_GETSOCK" in line or ("SOCK_DIAG_BY_FAMILY" in line and "IPPROTO_TCP" in line)]
    return sum(1 for line in lines if re.search(r"idiag_states=[^}]*TCP_ESTABLISHED", line))


@pytest.mark.parametrize("netlink, nat", [(1, None), (1, 1), (1, 2), (2, 1), (2, 3)],
                         ids=["alone", "the same", "nat slower", "nat faster", "no multiple"])
def test_one_pass_serves_both(pair, start, tmp_path, netlink, nat):
    """As many passes as the faster plugin alone would make."""
    trace = tmp_path / "trace"
    body = plugin("egress_netlink", netlink, "  Conntrack false")
    if nat:
        body += plugin("egress_nat", nat, '  <Gateway "nat">\n  </Gateway>')
    collectd = start(pair.here, body, sanitized=False,
                     wrapper=["strace", "-D", "-f", "-qq", "-v", "-e", "trace=sendto,sendmsg", "-o", str(trace)])
    faster = "egress_nat-nat:tcp/ports_used" if nat and nat < netlink else "egress_netlink-all/udp_sockets"
    collectd.wait_for(lambda: len(collectd.rows(faster)) >= 8, True, "eight reads of the faster plugin")
    collectd.stop()
    reads = len(collectd.rows(faster))
    # The last pass may have been made for a read that was never written.
    assert reads <= passes(trace) <= reads + 1
