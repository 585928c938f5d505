# SPDX-License-Identifier: MIT
"""The lab's fake Google: describing its world, and what it was asked."""

import contextlib
import fcntl
import json
import os

from . import certificates, fake_gcp, identity

ADDRESS = "169.254.169.254"
PORT = 80
TLS_PORT = 8443
URL = f"http://{ADDRESS}"
SECURE_URL = f"https://{ADDRESS}:{TLS_PORT}"
# What a fault's way means: which service fails how. PERMISSION is filled by the service.
WAYS = {
    "scope": {"compute": "scope", "monitoring": "scope"},
    "permission": {"compute": "permission=compute.routers.list", "monitoring": "permission=monitoring.timeSeries.list"},
    "quota": {"compute": "status=429", "monitoring": "status=429"},
    "error": {"compute": "status=500", "monitoring": "status=500"},
    "endless": {"compute": "endless", "monitoring": "endless"},
    "huge": {"compute": "huge", "monitoring": "huge"},
    "malformed": {"compute": "malformed", "monitoring": "malformed"},
    "silent": {"compute": "silent", "monitoring": "silent"},
}


def folder(lab_id):
    return identity.directory(lab_id) / "gcp"


def prepare(lab_id, settings):
    """The first world."""
    write(lab_id, fake_gcp.default_world(settings["ports"], settings["time_wait"], settings["transitory"],
                                         settings["established"]))


def argv(lab_id):
    return ["/usr/bin/python3", fake_gcp.__file__, str(folder(lab_id)), ADDRESS, str(PORT), str(TLS_PORT),
            str(certificates.folder(lab_id) / "server.pem"), str(certificates.folder(lab_id) / "server.key")]


def read(lab_id):
    return json.loads((folder(lab_id) / "world.json").read_text(encoding="utf-8"))


def write(lab_id, world):
    """In one step: the server reads it at any time."""
    draft = folder(lab_id) / "world.new"
    draft.write_text(json.dumps(world, indent=1), encoding="utf-8")
    os.replace(draft, folder(lab_id) / "world.json")


@contextlib.contextmanager
def changing(lab_id):
    """The world to change in place; it is as changed for the next request."""
    with open(folder(lab_id) / "world.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        world = read(lab_id)
        yield world
        write(lab_id, world)


def set_faults(lab_id, faults):
    """By service; {} mends."""
    with changing(lab_id) as world:
        world["faults"] = dict(faults)


def requests(lab_id, service=None):
    """What was asked, in order."""
    path = folder(lab_id) / "requests.log"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    entries = [json.loads(line) for line in lines]
    return [entry for entry in entries if service in (None, entry["service"])]


def forget_requests(lab_id):
    (folder(lab_id) / "requests.log").unlink(missing_ok=True)
