# SPDX-License-Identifier: MIT
"""The proxies of podproxy and vm: which program each is, and its configuration.

In a cascade both are Squid, and podproxy's hands everything on to vm's. Nested, each goes where it is told, and either
lets a client open a tunnel to the other's port.
"""

import shutil
import signal

from . import identity, sites, templates

PARTS = ("podproxy", "vm")
_PROGRAMS = {
    "cascade": {"podproxy": "squid", "vm": "squid"},
    "nested": {"podproxy": "tinyproxy", "vm": "squid"},
    "nested-swapped": {"podproxy": "squid", "vm": "tinyproxy"},
}
SETTINGS = tuple(_PROGRAMS)
_SQUID_TIMEOUTS = {
    "recommended": "connect_timeout 4 seconds\npeer_connect_timeout 3 seconds",
    "defaults": "# connect_timeout and peer_connect_timeout: Squid's own defaults",
}
SQUID_SETTINGS = tuple(_SQUID_TIMEOUTS)

# Refused by every proxy of ours; Squid looks the name up before it does. (Discard, RFC 863.)
LOOKUP_PORT = 9

# What a proxy can be made to demand of its clients, and the status with which it then answers ours.
RESTRICTIONS = {"deny": 403, "credentials": 407}
_RULES = {
    "squid": {
        "": "",
        "deny": "http_access deny all\n",
        # The helper takes any name and password; our clients send none.
        "credentials": "auth_param basic program /usr/lib/squid/basic_fake_auth\nauth_param basic children 1\n"
                       "acl known proxy_auth REQUIRED\nhttp_access deny !known\n",
    },
    "tinyproxy": {
        "": f"Allow {sites.INSIDE}\n",
        "deny": f"Deny {sites.INSIDE}\n",
        "credentials": f"Allow {sites.INSIDE}\nBasicAuth probe secret\n",
    },
}


def program(settings, part):
    return _PROGRAMS[settings["proxies"]][part]


def is_nested(settings):
    return settings["proxies"] != "cascade"


def prepare(lab_id, part, settings):
    """Write a proxy's configuration."""
    path = _folder(lab_id, part)
    if program(settings, part) == "squid":
        _write_squid(path, part, settings)
        # Squid gives up root for this account before it opens its logs.
        shutil.chown(path, "proxy", "proxy")
    restrict(lab_id, part, settings, "")


def restrict(lab_id, part, settings, how):
    """Write what is demanded of clients: one of RESTRICTIONS, or "" for nothing. The proxy must be told to read it."""
    path = _folder(lab_id, part)
    text = _RULES[program(settings, part)][how]
    if program(settings, part) == "squid":
        (path / "fault.conf").write_text(text, encoding="ascii")
        (path / "fault.conf").chmod(0o644)
    else:
        text = templates.fill("tinyproxy.conf", path=path, name=part, port=sites.PROXY_PORT, access=text)
        (path / f"{part}.conf").write_text(text, encoding="ascii")


def argv(lab_id, part, settings):
    """The command line that runs a proxy in the foreground: its pid is the service."""
    configuration = str(_folder(lab_id, part) / f"{part}.conf")
    if program(settings, part) == "tinyproxy":
        return ["tinyproxy", "-d", "-c", configuration]
    return ["squid", "-N", "-n", identity.squid_service(lab_id, part), "-f", configuration]


def reload_signal(settings, part):
    """What makes a proxy read its configuration again. tinyproxy in the foreground dies of SIGHUP."""
    return signal.SIGHUP if program(settings, part) == "squid" else signal.SIGUSR1


def _folder(lab_id, part):
    return identity.directory(lab_id) / part


def _write_squid(path, part, settings):
    cascade = part == "podproxy" and not is_nested(settings)
    parent = f"cache_peer {sites.ADDRESSES['vm']} parent {sites.PROXY_PORT} 0 no-query default\nnever_direct allow all"
    text = templates.fill("squid.conf", path=path, name=part, port=sites.PROXY_PORT, resolver=sites.DNS_ADDRESS,
                          lookup=LOOKUP_PORT,
                          upstream=parent if cascade else "always_direct allow all",
                          tunnels=f"443 {sites.PROXY_PORT}" if is_nested(settings) else "443",
                          timeouts=_SQUID_TIMEOUTS[settings["squid"]])
    (path / f"{part}.conf").write_text(text, encoding="ascii")
