# SPDX-License-Identifier: MIT
"""The three acts. Each shows, breaks or loads something, and promises what collectd must say about it."""

from . import reading, view
from .stage import INTERVAL

# VerdictAfter + 1 rounds, and what a loaded machine takes besides.
_VERDICT_SECONDS = 3 * INTERVAL + 20
_VM_TARGETS = ("api", "git")
_TARGET = ("198.51.100.10", 443)
# Ports between the estimate and the NAT's own set.
_AGREEMENT = 2
# At 4 a second these are all open and closed again before the first one's port comes back.
_SHORT = 32


def healthy(stage):
    """Act 1: the path works, and every figure is there."""
    terminal = stage.terminal
    terminal.title("Act 1: all is well")
    terminal.prose("collectd in the Pod probes three sites through both proxies; collectd in the proxy VM probes its "
                   "own leg, counts its sockets and estimates its NAT ports. Every figure below is what collectd's "
                   f"write_prometheus says, every {INTERVAL} s; beside it stands what the NAT itself holds.")
    terminal.line()
    found = stage.promise("every target is up in both chains, and nobody is blamed",
                          lambda seen: _all_is_well(seen) and _hops_work(seen), 30)
    found = stage.promise("the phases of a probe add up to its total",
                          lambda seen: _phases_add_up(seen, "prod", "api"), 10)
    terminal.lines(view.path(terminal, found))
    terminal.lines(view.waterfall(terminal, found, "prod", "api"))
    terminal.line()
    found = stage.promise(f"egress_nat's ports_used is within {_AGREEMENT} ports of what the NAT itself holds",
                          lambda seen: seen.destinations() and seen.agrees(_AGREEMENT), 20)
    terminal.lines(view.ports(terminal, found))
    terminal.lines(view.sockets(terminal, found))


def broken_hop(stage):
    """Act 2: the VM's proxy stops; the Pod, which sees only the whole chain fail, names it."""
    terminal = stage.terminal
    terminal.title("Act 2: one hop breaks")
    terminal.prose("Now the proxy on the VM is stopped. All that a client in the Pod gets to see is a 503 from the "
                   "proxy Pod. Which part is it?")
    terminal.line()
    stage.lab.break_("vm", "stop")
    found = stage.promise("the Pod's collectd blames gce-proxy, and no other part",
                          lambda seen: seen.blamed("prod") == ["gce-proxy"], _VERDICT_SECONDS)
    # collectd forgets a value that is no longer dispatched after two intervals.
    found = stage.promise("what lies behind it has no value any more: it was not reached",
                          lambda seen: seen.blamed("prod") == ["gce-proxy"] and not _reached(seen, "egress"),
                          _VERDICT_SECONDS)
    terminal.lines(view.path(terminal, found))
    _quote(stage, "pod", "gce-proxy")
    terminal.prose("The proxy is started again.")
    terminal.line()
    stage.lab.mend()
    found = stage.promise("every target is up again, and nobody is blamed", _all_is_well, _VERDICT_SECONDS)
    terminal.lines(view.path(terminal, found))


def exhaustion(stage):
    """Act 3: connections toward one destination, until the NAT has no port left for it."""
    terminal = stage.terminal
    ports, time_wait = (stage.lab.settings[key] for key in ("ports", "time_wait"))
    terminal.title(f"Act 3: the NAT's {ports} ports run out")
    terminal.prose("Now the VM opens connections toward api.example.com:443: first short ones, each of which holds "
                   f"its port for {time_wait} s after it is closed, then ones that stay open. No socket of a closed "
                   "connection tells how long the NAT still holds its port; the estimate does.")
    terminal.line()
    before = sum(entry["dropped"] for entry in stage.lab.truth().values())
    _fill(stage, ports)
    stage.promise("the NAT itself has dropped SYNs", lambda seen: seen.dropped() > before, 10)
    stage.promise("connections that got no port are seen as stalled",
                          lambda seen: (seen.nat("stalled_connects") or 0) >= 1, 20)
    found = stage.promise("the VM's collectd blames egress, and no other part",
                          lambda seen: seen.blamed("vm") == ["egress"], _VERDICT_SECONDS)
    terminal.lines(view.ports(terminal, found))
    terminal.lines(view.sockets(terminal, found))
    terminal.lines(view.path(terminal, found, "vm", _VM_TARGETS))
    _quote(stage, "vm", "egress")
    terminal.prose(f"The connections are closed. Their ports come back once {time_wait} s have passed.")
    terminal.line()
    stage.quiet()
    stage.promise("the ports are free again, and nobody is blamed",
                  lambda seen: seen.agrees(_AGREEMENT) and seen.nat("ports_used") < ports / 2 and _all_is_well(seen),
                  time_wait + _VERDICT_SECONDS, lambda seen, seconds: view.climb(terminal, seen, seconds))


def _fill(stage, ports):
    terminal = stage.terminal

    def draw(seen, seconds):
        return view.climb(terminal, seen, seconds)

    stage.load("vm", "short", *_TARGET, "--count", _SHORT, "--rate", 4, "--close", "client")
    stage.promise("short connections, closed at once, still count",
                  lambda seen: seen.agrees(_AGREEMENT) and seen.nat("ports_used") >= _SHORT, 20, draw)
    # More than there are ports: those that wait take each port that a closed connection gives back.
    stage.load("vm", "hold", *_TARGET, "--count", 2 * ports, "--rate", 8, "--seconds", 90)
    stage.promise(f"the gauge is at 100 %, within {_AGREEMENT} ports of what the NAT itself holds",
                  lambda seen: seen.agrees(_AGREEMENT) and (seen.nat("percent", type="limit") or 0) >= 99.5, 30, draw)


def _all_is_well(seen):
    return (seen.works("prod", reading.TARGETS) and seen.works("vm", _VM_TARGETS)
            and seen.blamed("prod") == [] and seen.blamed("vm") == [])


def _hops_work(seen):
    parts = (*reading.HOPS, "egress", "target")
    return all(seen.hop_up("prod", target).get(part) == 1 for target in reading.TARGETS for part in parts)


def _reached(seen, part):
    return any(part in seen.hop_up("prod", target) for target in reading.TARGETS)


def _phases_add_up(seen, chain, target):
    total, phases = seen.total(chain, target), seen.phases(chain, target)
    return total is not None and len(phases) >= 5 and abs(sum(seconds for _, seconds in phases) - total) < 1e-6


def _quote(stage, part, word):
    said = stage.said(part, f"fault at {word}")
    if said:
        stage.terminal.prose(f"Its log says: {said.rpartition('message = ')[2]}")
