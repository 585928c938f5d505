# SPDX-License-Identifier: MIT
"""Drawing a reading: the path, one probe's phases, the NAT's ports. Functions from figures to lines of text."""

from . import reading

_NAMES = {"pod-proxy": "proxy Pod", "gce-proxy": "proxy VM", "egress": "Cloud NAT"}
_LABEL = 18
_CELL, _ARROW = 11, " -> "


def path(terminal, found, chain="prod", targets=reading.TARGETS):
    """The path as a line of parts, each with its state below it; then the targets."""
    hops = [hop for hop in reading.HOPS if chain == "prod" or hop == "gce-proxy"]
    start = "Pod" if chain == "prod" else "VM"
    cells = [(start, "probing", "dim")]
    cells += [(_NAMES[part], *_state(found, chain, targets, part)) for part in (*hops, "egress")]
    cells.append(("Internet", *_internet(found, chain, targets)))
    names = _ARROW.join(f"{name:^{_CELL}}" for name, _, _ in cells)
    states = (" " * len(_ARROW)).join(terminal.paint(f"{state:^{_CELL}}", colour) for _, state, colour in cells)
    return ["", f"  {names.rstrip()}", f"  {states}", "", f"  {_targets(terminal, found, chain, targets)}",
            f"  {verdict(terminal, found, chain)}"]


def verdict(terminal, found, chain):
    """The verdict of a chain, in the metric's own words."""
    blamed = found.blamed(chain)
    if blamed is None:
        return f'fault{{egress_probe="{chain}"}}: none yet'
    words = " ".join(terminal.paint(f"{location}={found.faults(chain)[location]:.0f}",
                                    "bad" if location in blamed else "dim")
                     for location in reading.LOCATIONS if location in found.faults(chain))
    return f"verdict of {chain}: {words}"


def waterfall(terminal, found, chain, target):
    """One probe's phases, each where it began and as long as it took."""
    phases = found.phases(chain, target)
    total = sum(seconds for _, seconds in phases)
    lines = ["", f"  one probe of {target} through chain {chain}: {1000 * total:.1f} ms"]
    begun, bar = 0.0, _bar(terminal)
    for name, seconds in phases:
        stretch = terminal.span(begun / total, seconds / total, bar) if total > 0 else " " * bar
        lines.append(f"    {name:<{_LABEL}} |{stretch}| {1000 * seconds:8.2f} ms")
        begun += seconds
    return lines


def ports(terminal, found):
    """NAT ports by destination, as collectd estimates them, with what the NAT itself holds beside them."""
    limit, bar = found.nat("ports_limit") or found.nat("ports_allocated"), _bar(terminal)
    lines = ["", f"  {'NAT ports toward':<{_LABEL + 6}}{'estimated by egress_nat':<{bar + 7}} held by the NAT itself"]
    for name, used in sorted(found.destinations().items(), key=lambda item: -item[1]):
        lines.append(f"    {_site(found, name):<{_LABEL + 4}}{gauge(terminal, used, limit, bar)}   "
                     f"{_held(found, name):>4}")
    percent = found.nat("percent", type="limit")
    stalled = found.nat("stalled_connects")
    summary = (f"ports_used {_number(found.nat('ports_used'))} of {_number(limit)} = {_number(percent)} %, "
               f"stalled connects {_number(stalled)}; the NAT itself: {found.held()} held, "
               f"{found.dropped()} SYNs dropped")
    return lines + terminal.wrap(summary, "  ", "  ")


def gauge(terminal, used, limit, width):
    """A bar of ports used, with the figures."""
    share = used / limit if limit else 0.0
    colour = "good" if share < 0.7 else "warn" if share < 0.95 else "bad"
    return f"{terminal.bar(share, width, colour)} {used:3.0f}/{_number(limit)}"


def climb(terminal, found, seconds):
    """One line while the ports fill up or become free."""
    used, limit = found.nat("ports_used") or 0, found.nat("ports_limit") or found.nat("ports_allocated")
    bar = 32 if terminal.roomy else 20
    return (f"  {seconds:3.0f} s {gauge(terminal, used, limit, bar)}  NAT: {found.held():3d} held, "
            f"{found.dropped():3d} dropped  stalled {_number(found.nat('stalled_connects'))}")


def sockets(terminal, found, group="internet"):
    """The VM's sockets toward the Internet by state, those that are there."""
    states = {state: count for state, count in found.connections(group).items() if count > 0}
    words = ", ".join(f"{state} {count:.0f}" for state, count in sorted(states.items())) or "none"
    return terminal.wrap(f"the VM's own sockets toward the Internet: {words}", "  ", "    ")


def _bar(terminal):
    return 40 if terminal.roomy else 24


def _state(found, chain, targets, part):
    if part in (found.blamed(chain) or []):
        return "BROKEN", "bad"
    states = [found.hop_up(chain, target).get(part) for target in targets]
    known = [state for state in states if state is not None]
    if not known:
        return "not reached", "dim"
    return ("ok", "good") if any(known) else ("no answer", "warn")


def _internet(found, chain, targets):
    good = sum(1 for target in targets if found.up(chain, target) == 1)
    return f"{good} of {len(targets)} up", "good" if good == len(targets) else "bad"


def _targets(terminal, found, chain, targets):
    words = []
    for target in targets:
        state = found.up(chain, target)
        word, colour = {1: ("up", "good"), 0: ("down", "bad"), None: ("?", "dim")}[state]
        words.append(f"{target} {terminal.paint(word, colour)}")
    return "targets: " + ", ".join(words)


def _site(found, name):
    site = found.truth.get(name)
    return f"{site['name']}:{name.rpartition(':')[2]}" if site else name


def _held(found, name):
    """What the NAT holds toward a destination; a name of the configuration stands for the largest of its own."""
    if name in found.truth:
        return found.truth[name]["held"]
    return max((entry["held"] for entry in found.truth.values() if entry["name"].startswith(f"{name}.")), default="-")


def _number(value):
    return "?" if value is None else f"{value:.0f}"
