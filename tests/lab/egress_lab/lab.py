# SPDX-License-Identifier: MIT
"""The facade: one object, or one command line, for a whole lab."""

import atexit
import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import certificates, cleanup, collectd, faults, identity, nat, netns, network, process, proxies, ready
from . import services, sites, state
from .errors import LabError, Unavailable, UsageError

_PROGRAMS = {
    "ip": "iproute2", "nft": "nftables", "squid": "squid", "nginx": "nginx", "dnsmasq": "dnsmasq-base",
    "tinyproxy": "tinyproxy-bin", "openssl": "openssl", "mount": "mount", "unshare": "util-linux",
}
_PACKAGE_ROOT = Path(__file__).resolve().parent.parent
# The kernel's own maximum of elements that a model of 64,512 ports a NAT address needs.
_MAX_PORTS = 64512
_MAX_SECONDS = 86400


class Lab:
    """One running lab, known by its id. `with Lab.up() as lab:` removes it on every way out, unless it is kept."""

    def __init__(self, lab_id=None):
        self.id = identity.check_id(lab_id) if lab_id else identity.the_only_lab()
        state.read(self.id)
        self._kept = False

    @classmethod
    def up(cls, lab_id=None, ports=64, time_wait=12, transitory=30, established=1200, squid="recommended",
           proxies="cascade", keep=False, owner=None):
        """Make a lab and return when every part of it serves.

        It belongs to the calling process (or to the pid `owner`; with keep, to nobody) and is removed when that ends:
        at once if this interpreter ends in an orderly way, else by the next `up` on this machine."""
        settings = _checked_settings(ports, time_wait, transitory, established, squid, proxies)
        lab_id = identity.check_id(lab_id) if lab_id else identity.new_id()
        check_machine()
        mine = not keep and owner is None
        if mine:
            process.end_in_order()
        with identity.registry_lock():
            cleanup.sweep()
            record = identity.owner_nobody() if keep else identity.owner_of(os.getpid() if mine else owner)
            identity.register(lab_id, record)
        try:
            _build(lab_id, settings)
        except BaseException:
            _remove(lab_id)
            raise
        lab = cls(lab_id)
        lab._kept = keep
        if mine:
            atexit.register(_remove_if_owner, lab_id, os.getpid())
        return lab

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self._kept:
            self.down()

    def exec(self, part, argv, check=False, **options):
        """Run a command inside a part and wait for it; text and captured output unless said otherwise."""
        options = {"text": True, "capture_output": True, **options}
        return subprocess.run(self.argv(part, argv), check=check, **options)

    def popen(self, part, argv, **options):
        """Start a command inside a part. It ends with the lab at the latest."""
        return process.adopt(subprocess.Popen(self.argv(part, argv), **{"text": True, **options}))

    def argv(self, part, argv):
        """The command line that runs argv inside a part."""
        return netns.argv_in(self.id, part, list(argv))

    def load(self, part, *words):
        """Start egress_lab.load inside a part; its one line of JSON comes on stdout."""
        environment = {**os.environ, "PYTHONPATH": str(_PACKAGE_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        argv = ["/usr/bin/python3", "-m", "egress_lab.load", *(str(word) for word in words)]
        return self.popen(part, argv, stdout=subprocess.PIPE, env=environment)

    def break_(self, part, how):
        """Break a part; see `status()["allowed_faults"]`."""
        faults.break_(self.id, part, how)

    def mend(self, part=None):
        """Undo the faults of one part, or all; when none is left, wait until everything serves."""
        faults.mend(self.id, part)

    def collectd(self, part, plugin_dir=None, interval=2, body=None, wrapper=(), environment=None, second=False):
        """Start a collectd in a part: with our stanzas, or with `body` in their place. `second`: beside another one."""
        text = collectd.configuration(self.id, part, plugin_dir, interval, self.settings, body, second)
        return collectd.start(self.id, part, text, wrapper, environment, second)

    def reset(self):
        """Mend everything and free the NAT's ports: as good as a new lab for the next test."""
        self.mend()
        nat.forget(self.id)

    @property
    def settings(self):
        return state.read(self.id)["settings"]

    @property
    def directory(self):
        return identity.directory(self.id)

    @property
    def ca(self):
        """The file of the lab's certificate authority."""
        return str(certificates.authority(self.id))

    def truth(self):
        """What the NAT itself holds: {"IP:port": {name, held, size, dropped}}."""
        return nat.truth(self.id)

    def programs(self):
        """The names of what runs in the place of a part, or fills the NAT, because of a fault."""
        return sorted(state.read(self.id)["programs"])

    def status(self):
        """Everything one may want to know about a running lab, ready for JSON."""
        current = state.read(self.id)
        found = {name: services.Running(**record) for name, record in current["services"].items()}
        return {
            "id": self.id, "directory": str(self.directory), "ca": self.ca, "settings": current["settings"],
            "parts": {part: {"namespace": identity.namespace(self.id, part), "address": sites.ADDRESSES[part]}
                      for part in identity.PARTS},
            "proxies": {part: f"http://{sites.ADDRESSES[part]}:{sites.PROXY_PORT}" for part in proxies.PARTS},
            "resolver": sites.DNS_ADDRESS, "nat_address": sites.NAT_ADDRESS,
            "sites": {site.name: {"address": site.address, "ports": list(sites.PORTS), "nat": not site.bypass}
                      for site in sites.SITES},
            "services": {name: {"pid": running.pid, "running": running.alive()} for name, running in found.items()},
            "broken": [{"part": part, "how": how} for part, how in current["faults"]],
            "allowed_faults": faults.allowed(),
        }

    def keep(self):
        """Give the lab to nobody: from now on it stays until `down`, or until the machine restarts."""
        identity.write_owner(self.id, identity.owner_nobody())
        self._kept = True

    def down(self):
        """Remove the lab; gone already is no error."""
        _remove(self.id)


def check_machine():
    """Raise Unavailable with one line that says what to do, if no lab can run here."""
    if os.geteuid() != 0:
        raise Unavailable("the lab needs root for network namespaces: run it as root or with sudo")
    missing = sorted({package for program, package in _PROGRAMS.items() if shutil.which(program) is None})
    if missing:
        raise Unavailable(f"programs are missing: apt-get install {' '.join(missing)}")
    trial = subprocess.run(["unshare", "--net", "--mount", "nft", "list", "tables"], capture_output=True, text=True,
                           check=False)
    if trial.returncode != 0:
        reason = trial.stderr.strip().splitlines()[:1]
        raise Unavailable("this machine gives no network namespaces with nftables "
                          f"({' '.join(reason)}): run on a machine or in a container with CAP_SYS_ADMIN, CAP_NET_ADMIN")


def _checked_settings(ports, time_wait, transitory, established, squid, chained):
    limits = {"ports": (ports, _MAX_PORTS), "time_wait": (time_wait, _MAX_SECONDS),
              "transitory": (transitory, _MAX_SECONDS), "established": (established, _MAX_SECONDS)}
    for name, (value, most) in limits.items():
        if not 1 <= value <= most:
            raise UsageError(f"{name} is {value}: expected 1 to {most}")
    words = {"squid": (squid, proxies.SQUID_SETTINGS), "proxies": (chained, proxies.SETTINGS)}
    for name, (value, allowed) in words.items():
        if value not in allowed:
            raise UsageError(f'{name} is "{value}": expected {" or ".join(allowed)}')
    return {name: value for name, (value, _) in {**limits, **words}.items()}


def _build(lab_id, settings):
    state.create(lab_id, settings)
    netns.write_host_files(lab_id)
    certificates.create(lab_id)
    services.prepare(lab_id, settings)
    network.create(lab_id)
    nat.load(lab_id, settings["ports"], settings["time_wait"], settings["transitory"], settings["established"])
    running = {name: services.start(lab_id, name) for name in services.ALL}
    with state.changing(lab_id) as current:
        current["services"] = {name: vars(found) for name, found in running.items()}
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: ready.wait(lab_id, name, running[name]), services.ALL))
    with state.changing(lab_id) as current:
        current["ready"] = True


def _remove(lab_id):
    # A second Ctrl-C must not leave half a lab behind.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        with identity.registry_lock():
            cleanup.remove(lab_id)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _remove_if_owner(lab_id, pid):
    # atexit handlers are inherited by a fork: only the process that made the lab may remove it.
    if os.getpid() == pid and identity.owner_pid(lab_id) == pid:
        _remove(lab_id)
