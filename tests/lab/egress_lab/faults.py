# SPDX-License-Identifier: MIT
"""Breaking parts of the path, and mending them.

Faults are a list of "PART HOW" in the lab's state. Packet faults are rendered, whole, from that list into one
nftables table a part, so that each is idempotent and mending is rendering a shorter list.
"""

import os
import re
import signal

from . import gcp, identity, process, ready, services, sites, state
from .errors import LabError, UsageError

_TABLE = "egress_fault"
_PROXY_WAYS = ("stop", "pause", "drop", "reject", "deny")
_NAMES = "|".join(site.name for site in sites.SITES)
_WAYS = {
    "podproxy": _PROXY_WAYS,
    "vm": _PROXY_WAYS,
    "nat": ("drop", "drop-translated"),
    "inet": ("stop", "status=CODE:NAME", "refuse:NAME", "drop:NAME"),
    "dns": ("stop",),
    "gcp": ("stop", *gcp.WAYS),
}
_CODES = "|".join(services.STATUSES)
_STATUS = re.compile(rf"status=({_CODES}):({_NAMES})")
_NAMED = re.compile(rf"(refuse|drop):({_NAMES})")
_SERVICE_OF = {"podproxy": "podproxy", "vm": "vm", "inet": "web", "dns": "dns", "gcp": "gcp"}
# Squid turns to a parent it took for dead again within its peer_connect_timeout (30 s by default).
_MEND_SECONDS = 40


def allowed():
    """Every part that can be broken, and how."""
    return _WAYS


def break_(lab_id, part, how):
    """Break a part; breaking it again in the same way changes nothing."""
    _check(part, how)
    with state.changing(lab_id) as current:
        fault = [part, how]
        if fault not in current["faults"]:
            current["faults"].append(fault)
            _apply(lab_id, current, part, how)


def mend(lab_id, part=None):
    """Undo all faults of a part, or of all; return when everything serves again."""
    if part is not None and part not in _WAYS:
        raise UsageError(f'no part "{part}" to mend: expected {", ".join(_WAYS)}')
    with state.changing(lab_id) as current:
        undone = [fault for fault in current["faults"] if part in (None, fault[0])]
        current["faults"] = [fault for fault in current["faults"] if fault not in undone]
        # A daemon that is starting must not be sent the signal to reload: starts come last.
        for name, how in sorted(undone, key=lambda fault: fault[1] == "stop"):
            _undo(lab_id, current, name, how)
        left = current["faults"]
    if undone and not left:
        _wait_for_all(lab_id)


def _check(part, how):
    if part not in _WAYS:
        raise UsageError(f'no part "{part}" to break: expected {", ".join(_WAYS)}')
    named = part == "inet" and (_STATUS.fullmatch(how) or _NAMED.fullmatch(how))
    if not named and ("CODE" in how or "NAME" in how or how not in _WAYS[part]):
        names = f"; NAME is one of {_NAMES}; CODE of {_CODES}" if part == "inet" else ""
        raise UsageError(f'{part} cannot be broken by "{how}": expected {", ".join(_WAYS[part])}{names}')


def _running(current, part):
    return services.Running(**current["services"][_SERVICE_OF[part]])


def _apply(lab_id, current, part, how):
    if how == "stop":
        services.stop(_running(current, part))
    elif how == "pause":
        _signal(_running(current, part), signal.SIGSTOP)
    elif part == "gcp":
        gcp.set_faults(lab_id, gcp.WAYS[how])
    elif how == "deny":
        _configure_proxy(lab_id, current, part, "http_access deny all\n", 403)
    elif how.startswith("status="):
        services.status_flag(lab_id, *_STATUS.fullmatch(how).groups()).touch()
    else:
        _render_packets(lab_id, current, part)


def _undo(lab_id, current, part, how):
    if how == "stop":
        if not _running(current, part).alive():
            running = services.start(lab_id, _SERVICE_OF[part])
            current["services"][_SERVICE_OF[part]] = vars(running)
    elif how == "pause":
        _signal(_running(current, part), signal.SIGCONT)
    elif part == "gcp":
        gcp.set_faults(lab_id, {})
    elif how == "deny":
        _configure_proxy(lab_id, current, part, "", None)
    elif how.startswith("status="):
        services.status_flag(lab_id, *_STATUS.fullmatch(how).groups()).unlink(missing_ok=True)
    else:
        _render_packets(lab_id, current, part)


def _signal(running, number):
    if running.alive():
        os.kill(running.pid, number)


def _configure_proxy(lab_id, current, part, text, status):
    (services.folder(lab_id, part) / "fault.conf").write_text(text, encoding="ascii")
    services.reload(_running(current, part))
    if status is not None and _only_fault(current, part):
        _expect(lambda: ready.proxy_status(lab_id, part) == status, f"{part} does not answer {status}")


def _only_fault(current, part):
    """Whether the effect of a fault can be seen: another one on the same part may hide it."""
    return sum(1 for name, _ in current["faults"] if name == part) == 1


def _expect(condition, complaint, seconds=10):
    if not process.wait_until(condition, seconds):
        raise LabError(f"{complaint} after {seconds} s")


def _render_packets(lab_id, current, part):
    rules = [_rule(part, how) for name, how in current["faults"] if name == part]
    wanted = "\n".join(f"        {rule}" for rule in rules if rule)
    hook = "forward" if part == "nat" else "input"
    body = f"table ip {_TABLE} {{\n    chain broken {{\n" \
           f"        type filter hook {hook} priority -150; policy accept;\n{wanted}\n    }}\n}}\n"
    script = f"add table ip {_TABLE}\ndelete table ip {_TABLE}\n{body if wanted else ''}"
    process.run(["ip", "netns", "exec", identity.namespace(lab_id, part), "nft", "-f", "-"], input=script)


def _rule(part, how):
    named = _NAMED.fullmatch(how)
    if named:
        address = sites.by_name(named[2]).address
        action = "meta l4proto tcp reject with tcp reset" if named[1] == "refuse" else "drop"
        return f"ip daddr {address} {action}"
    if part == "nat":
        # drop-translated: what the NAT serves is lost, while the Control still passes.
        only = f'ip daddr != {sites.CONTROL.address} ' if how == "drop-translated" else ""
        return f'iifname "vm" oifname "inet" ip daddr != {sites.DNS_ADDRESS} {only}drop' \
            if how.startswith("drop") else None
    action = {"drop": "drop", "reject": "reject with icmp type admin-prohibited"}.get(how)
    return f"tcp dport {sites.PROXY_PORT} {action}" if action else None


def _wait_for_all(lab_id):
    current = state.read(lab_id)
    for name in services.ALL:
        ready.wait(lab_id, name, services.Running(**current["services"][name]), _MEND_SECONDS)
