# SPDX-License-Identifier: MIT
"""The daemons of a lab: the proxies in podproxy and vm, nginx and dnsmasq in inet, a fake Google in vm."""

import resource
import subprocess
from dataclasses import dataclass

from . import certificates, gcp, identity, netns, process, proxies, sites, state, templates

ALL = ("dns", "web", "gcp", *proxies.PARTS)
_PART_OF = {"dns": "inet", "web": "inet", "gcp": "vm", "podproxy": "podproxy", "vm": "vm"}
# Squid takes a second or two, although our template gives its clients none.
_GRACE_SECONDS = 3


# What a site can be made to answer: one flag file each, because nginx's `return` takes no variable.
STATUSES = ("403", "404", "429", "500", "502", "503", "504")


@dataclass(frozen=True)
class Running:
    """A started daemon: how to find it again, and where it complains."""

    pid: int
    start: int
    log: str

    def alive(self):
        return process.alive(self.pid, self.start)


def folder(lab_id, name):
    return identity.directory(lab_id) / name


def prepare(lab_id, settings):
    """Write every configuration file."""
    for name in ALL:
        folder(lab_id, name).mkdir(mode=0o755)
    write_names(lab_id)
    _prepare_web(lab_id)
    gcp.prepare(lab_id, settings)
    for part in proxies.PARTS:
        proxies.prepare(lab_id, part, settings)


def status_flag(lab_id, code, name):
    """The file whose existence makes a site answer with this status."""
    return folder(lab_id, "web") / f"answer-{code}-{name}"


def start(lab_id, name):
    """Start one daemon; it is not yet ready to serve when this returns."""
    return start_program(lab_id, _PART_OF[name], folder(lab_id, name), _argv(lab_id, name))


def start_program(lab_id, part, path, argv):
    """Start any program in a part, with a folder for its output."""
    log = path / "output.log"
    with open(log, "ab") as output:
        child = subprocess.Popen(netns.argv_in(lab_id, part, argv), cwd=path, stdin=subprocess.DEVNULL,
                                 stdout=output, stderr=output, start_new_session=True)
    process.adopt(child)
    return Running(child.pid, process.start_time(child.pid), str(log))


def stop(running, grace=_GRACE_SECONDS):
    """End one daemon and wait until its ports are closed. Ended already: nothing to do."""
    process.terminate(running.pid, running.start, grace)


def tail(lab_id, name, lines=8):
    """The last lines of a daemon's logs, for error messages."""
    texts = []
    for path in sorted(folder(lab_id, name).glob("*.log")):
        last = path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        texts += [f"  {path.name}: {line}" for line in last]
    return "\n".join(texts) or "  (its logs are empty)"


def _argv(lab_id, name):
    configuration = str(folder(lab_id, name) / f"{name}.conf")
    if name == "dns":
        return ["dnsmasq", "--keep-in-foreground", f"--conf-file={configuration}"]
    if name == "web":
        return ["nginx", "-e", str(folder(lab_id, name) / "error.log"), "-c", configuration]
    if name == "gcp":
        return gcp.argv(lab_id)
    return proxies.argv(lab_id, name, state.read(lab_id)["settings"])


def write_names(lab_id, ipv6_only=()):
    """Write what the resolver knows; sites in `ipv6_only` have no IPv4 address."""
    records = "\n".join([f"host-record={name},{sites.ADDRESSES[part]}" for part, name in sites.PROXY_NAMES.items()]
                        + [f"host-record={site.name},{sites.IPV6_ADDRESS if site in ipv6_only else site.address}"
                           for site in sites.SITES])
    zones = "\n".join(f"local=/{domain}/" for domain in sites.DOMAINS)
    text = templates.fill("dnsmasq.conf", address=sites.DNS_ADDRESS, records=records, zones=zones)
    (folder(lab_id, "dns") / "dns.conf").write_text(text, encoding="ascii")


def _prepare_web(lab_id):
    path = folder(lab_id, "web")
    servers = "\n".join(_site(lab_id, site) for site in sites.SITES)
    descriptors = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 20000)
    text = templates.fill("nginx.conf", path=path, tls=certificates.folder(lab_id), servers=servers,
                          descriptors=descriptors, connections=descriptors - 100)
    (path / "web.conf").write_text(text, encoding="ascii")


def _site(lab_id, site):
    # Flag files instead of a reload: they act at once, and connections that are held stay with their worker.
    flags = ((code, status_flag(lab_id, code, site.name)) for code in STATUSES)
    tests = "\n".join(f"            if (-f {flag}) {{ return {code}; }}" for code, flag in flags)
    return templates.fill("nginx-site.conf", name=site.name, address=site.address, faults=tests)

