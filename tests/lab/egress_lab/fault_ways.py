# SPDX-License-Identifier: MIT
"""How each fault is made, and unmade: one pair of functions a way.

`at` is a Place: the lab, its state while it is being changed, and all faults that are in force (that of the call
included when it is made, not when it is unmade). Making a fault twice, or unmaking one that another has covered,
does no harm.
"""

import os
import signal
import time
from dataclasses import dataclass

from . import (abilities, certificates, fault_packets, gcp, identity, nat, network, process, proxies, ready, services,
               sites)
from .errors import LabError, UsageError

_PACKAGE_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_SERVICE_OF = {"podproxy": "podproxy", "vm": "vm", "inet": "web", "dns": "dns", "gcp": "gcp"}
_SECONDS = 10
# Squid takes a parent for dead after ten failures.
_FAILURES_UNTIL_DEAD = 40
# positive_dns_ttl of our Squids, local-ttl of our dnsmasq, and a little more.
_NAME_SECONDS = 1.2


@dataclass(frozen=True)
class Place:
    """Where a fault is made."""

    lab_id: str
    current: dict
    faults: list

    @property
    def settings(self):
        return self.current["settings"]

    def service(self, part):
        return services.Running(**self.current["services"][_SERVICE_OF[part]])


def _expect(condition, complaint):
    if not process.wait_until(condition, _SECONDS):
        raise LabError(f"{complaint} after {_SECONDS} s")


# --- Daemons ---------------------------------------------------------------------------------------------------------

def stop(at, fault):
    _end_program(at, fault.part)
    services.stop(at.service(fault.part))


def start(at, fault):
    _end_program(at, fault.part)
    if not at.service(fault.part).alive():
        running = services.start(at.lab_id, _SERVICE_OF[fault.part])
        at.current["services"][_SERVICE_OF[fault.part]] = vars(running)


def pause(at, fault):
    _signal(at.service(fault.part), signal.SIGSTOP)


def go_on(at, fault):
    _signal(at.service(fault.part), signal.SIGCONT)


def _signal(running, number):
    if running.alive():
        os.kill(running.pid, number)


def stop_noticed(at, fault):
    """Stop the VM's proxy and let the one before it fail until it has given it up."""
    if proxies.is_nested(at.settings):
        raise UsageError("stop-noticed needs a proxy that hands on to this one: a lab with --proxies cascade")
    stop(at, fault)
    for _ in range(_FAILURES_UNTIL_DEAD):
        if ready.connect_status(at.lab_id, "podproxy") == 500:
            return
    raise LabError(f"podproxy's Squid still tries its parent after {_FAILURES_UNTIL_DEAD} failures")


# --- Proxies that demand something -----------------------------------------------------------------------------------

def restrict(at, fault):
    _configure(at, fault.part, fault.verb)
    if sum(1 for other in at.faults if other.part == fault.part) == 1:
        # Another fault on the same part may hide this one.
        status = proxies.RESTRICTIONS[fault.verb]
        _expect(lambda: ready.proxy_status(at.lab_id, fault.part) == status, f"{fault.part} does not answer {status}")


def release(at, fault):
    _configure(at, fault.part, "")


def _configure(at, part, how):
    proxies.restrict(at.lab_id, part, at.settings, how)
    _signal(at.service(part), proxies.reload_signal(at.settings, part))


# --- Packets and routes ----------------------------------------------------------------------------------------------

def render(at, fault):
    fault_packets.render(at.lab_id, fault.part, at.faults)


def remove_route(at, fault):
    network.remove_way_out(at.lab_id, fault.part)


def add_route(at, fault):
    network.add_way_out(at.lab_id, fault.part)


# --- Programs in a part's place --------------------------------------------------------------------------------------

def replace_proxy(at, fault):
    """An impostor on the proxy's port, in the proxy's place, at once: nobody shall see a proxy that is stopped."""
    services.stop(at.service(fault.part), grace=0)
    address = sites.ADDRESSES[fault.part]
    _start_program(at, fault.part, fault.part, ["egress_lab.impostor", "proxy", fault.how, address, sites.PROXY_PORT])
    _expect_port(at, "pod", address, sites.PROXY_PORT)


def replace_site(at, fault):
    """An impostor beside the web server, which goes on; the packets are then led to it."""
    certificate, key = certificates.of_impostor(at.lab_id, fault.verb, fault.site)
    port = fault_packets.stand_in_port(fault)
    _start_program(at, fault.how, "inet", [
        "egress_lab.impostor", "site", fault.verb, fault.site.address, port, "--certificate", certificate,
        "--key", key, "--name", fault.site.name])
    _expect_port(at, "inet", fault.site.address, port + 1)
    render(at, fault)


def bring_site_back(at, fault):
    render(at, fault)
    _end_program(at, fault.how)


def fill_nat(at, fault):
    """The VM holds every port that there is toward one destination, and waits for more."""
    nat.forget(at.lab_id, [(fault.site, 443)])
    ports = at.settings["ports"]
    _start_program(at, fault.how, "vm", ["egress_lab.load", "hold", fault.site.address, 443, "--count", ports + 8,
                                         "--seconds", abilities.LOAD_SECONDS])
    _expect(lambda: nat.truth(at.lab_id)[f"{fault.site.address}:443"]["held"] == ports,
            f"not all of the {ports} ports are held")


def empty_nat(at, fault):
    _end_program(at, fault.how)
    nat.forget(at.lab_id, [(fault.site, 443)])


def _start_program(at, name, part, words):
    """Run one of our own modules; it is found again, and ended, by its name."""
    _end_program(at, name)
    folder = identity.directory(at.lab_id) / "programs"
    folder.mkdir(mode=0o755, exist_ok=True)
    argv = ["env", f"PYTHONPATH={_PACKAGE_ROOT}", "PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3", "-m",
            *(str(word) for word in words)]
    at.current["programs"][name] = vars(services.start_program(at.lab_id, part, folder, argv))


def _end_program(at, name):
    record = at.current["programs"].pop(name, None)
    if record is not None:
        services.stop(services.Running(**record))


def _expect_port(at, part, address, port):
    _expect(lambda: ready.port_is_open(at.lab_id, part, address, port), f"nobody listens on {address}:{port}")


# --- Answers ---------------------------------------------------------------------------------------------------------

def answer_status(at, fault):
    services.status_flag(at.lab_id, fault.value, fault.site.name).touch()


def answer_well(at, fault):
    services.status_flag(at.lab_id, fault.value, fault.site.name).unlink(missing_ok=True)


def fail_google(at, fault):
    """As the newest fault of the fake Google says; without one it does well."""
    verbs = [other.verb for other in at.faults if other.part == fault.part and other.verb in gcp.WAYS]
    gcp.set_faults(at.lab_id, gcp.WAYS[verbs[-1]] if verbs else {})


def change_names(at, fault):
    """The resolver reads its names at its start only; the proxies keep an old answer a little longer."""
    services.write_names(at.lab_id, [other.site for other in at.faults if other.verb == "ipv6-only"])
    if at.service("dns").alive():
        services.stop(at.service("dns"))
        start(at, fault)
        time.sleep(_NAME_SECONDS)
