# SPDX-License-Identifier: MIT
"""Breaking parts of the path, and mending them. Faults are a list of "PART HOW" in the lab's state; HOW is a verb,
and for some verbs a value and the name of a site: `verb`, `verb=VALUE`, `verb:NAME`, `verb=VALUE:NAME`."""

from dataclasses import dataclass

from . import abilities, fault_ways, gcp, proxies, ready, services, sites, state
from .errors import LabError, UsageError

# Squid turns to a parent it took for dead again within its peer_connect_timeout (30 s by default).
_MEND_SECONDS = 40


@dataclass(frozen=True)
class Way:
    """How a verb is made and unmade, and what it needs beside itself."""

    make: object
    unmake: object
    values: tuple = ()
    named: bool = False
    # A part of the path, not the Control, which the NAT does not serve.
    translated: bool = False

    def shown(self, verb):
        """As it stands in a list of what is allowed."""
        return f"{verb}{'=CODE' if self.values else ''}{':NAME' if self.named else ''}"


_PACKETS = (fault_ways.render, fault_ways.render)
_STAND_IN = (fault_ways.replace_proxy, fault_ways.start)
_PROXY = {
    "stop": Way(fault_ways.stop, fault_ways.start),
    "pause": Way(fault_ways.pause, fault_ways.go_on),
    "drop": Way(*_PACKETS),
    "reject": Way(*_PACKETS),
    **{how: Way(fault_ways.restrict, fault_ways.release) for how in proxies.RESTRICTIONS},
    "garbage": Way(*_STAND_IN),
    "flood": Way(*_STAND_IN),
    "answer": Way(*_STAND_IN, values=abilities.PROXY_STATUSES),
    "no-dns": Way(*_PACKETS),
}
_NO_ROUTE = {"no-route": Way(fault_ways.remove_route, fault_ways.add_route)}
_SITE_STAND_IN = Way(fault_ways.replace_site, fault_ways.bring_site_back, named=True)
WAYS = {
    "pod": {"no-dns": Way(*_PACKETS), **_NO_ROUTE},
    "podproxy": _PROXY,
    "vm": {**_PROXY, "stop-noticed": Way(fault_ways.stop_noticed, fault_ways.start), **_NO_ROUTE},
    "nat": {
        "drop": Way(*_PACKETS),
        "drop-translated": Way(*_PACKETS),
        "full": Way(fault_ways.fill_nat, fault_ways.empty_nat, named=True, translated=True),
    },
    "inet": {
        "stop": Way(fault_ways.stop, fault_ways.start),
        "status": Way(fault_ways.answer_status, fault_ways.answer_well, values=services.STATUSES, named=True),
        "refuse": Way(*_PACKETS, named=True),
        "drop": Way(*_PACKETS, named=True),
        **{verb: _SITE_STAND_IN for verb in abilities.SITE_WAYS},
    },
    "dns": {
        "stop": Way(fault_ways.stop, fault_ways.start),
        "ipv6-only": Way(fault_ways.change_names, fault_ways.change_names, named=True),
    },
    "gcp": {
        "stop": Way(fault_ways.stop, fault_ways.start),
        **{verb: Way(fault_ways.fail_google, fault_ways.fail_google) for verb in gcp.WAYS},
    },
}


@dataclass(frozen=True)
class Fault:
    """One fault, taken apart."""

    part: str
    how: str
    verb: str
    value: str
    site: object

    @property
    def way(self):
        return WAYS[self.part][self.verb]

    @property
    def number(self):
        """The place of its verb among the part's, twice: two ports each."""
        return 2 * list(WAYS[self.part]).index(self.verb)


def allowed():
    """Every part that can be broken, and how."""
    return {part: [way.shown(verb) for verb, way in ways.items()] for part, ways in WAYS.items()}


def parse(part, how):
    """The Fault that "PART HOW" names, or a UsageError that says what may stand there."""
    if part not in WAYS:
        raise UsageError(f'no part "{part}" to break: expected {", ".join(WAYS)}')
    head, _, name = how.partition(":")
    verb, _, value = head.partition("=")
    way, site = WAYS[part].get(verb), sites.by_name(name)
    if way is None or way.shown(verb) != verb + ("=CODE" if value else "") + (":NAME" if name else ""):
        raise _no_way(part, how)
    if (way.values and value not in way.values) or (way.named and site is None) \
            or (way.translated and site.bypass):
        raise _no_way(part, how)
    return Fault(part, f"{head}:{site.name}" if site else head, verb, value, site)


def _no_way(part, how):
    codes = {value for way in WAYS[part].values() for value in way.values}
    names = [site.name for site in sites.SITES] if any(way.named for way in WAYS[part].values()) else []
    more = (f"; NAME is one of {'|'.join(names)}" if names else "") + \
           (f"; CODE of {'|'.join(sorted(codes))}" if codes else "")
    return UsageError(f'{part} cannot be broken by "{how}": expected {", ".join(allowed()[part])}{more}')


def break_(lab_id, part, how):
    """Break a part; breaking it again in the same way changes nothing, and failing to break it neither."""
    fault, failure = parse(part, how), None
    with state.changing(lab_id) as current:
        if [fault.part, fault.how] not in current["faults"]:
            current["faults"].append([fault.part, fault.how])
            try:
                fault.way.make(_place(lab_id, current), fault)
            except LabError as error:
                failure = error
                current["faults"].pop()
                fault.way.unmake(_place(lab_id, current), fault)
    if failure:
        raise failure


def mend(lab_id, part=None):
    """Undo all faults of a part, or of all; return when everything serves again."""
    if part is not None and part not in WAYS:
        raise UsageError(f'no part "{part}" to mend: expected {", ".join(WAYS)}')
    with state.changing(lab_id) as current:
        undone = [parse(*words) for words in current["faults"] if part in (None, words[0])]
        current["faults"] = [words for words in current["faults"] if part not in (None, words[0])]
        # A daemon that is starting must not be sent the signal to reload: starts come last.
        for fault in sorted(undone, key=lambda fault: fault.way.unmake is fault_ways.start):
            fault.way.unmake(_place(lab_id, current), fault)
        left = current["faults"]
    if undone and not left:
        _wait_for_all(lab_id)


def _place(lab_id, current):
    return fault_ways.Place(lab_id, current, [parse(*words) for words in current["faults"]])


def _wait_for_all(lab_id):
    current = state.read(lab_id)
    for name in services.ALL:
        ready.wait(lab_id, name, services.Running(**current["services"][name]), _MEND_SECONDS)
