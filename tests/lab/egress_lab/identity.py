# SPDX-License-Identifier: MIT
"""Names, state directories and owners of labs.

A lab is its state directory /run/egress-lab/ID. The directory is made, under a lock, before the first
namespace, and removed after the last one: so a namespace of ours without a directory is an orphan.
"""

import contextlib
import fcntl
import json
import os
import re
import secrets
from pathlib import Path

from . import process
from .errors import LabError, UsageError

ROOT = Path("/run/egress-lab")
NETNS = Path("/run/netns")
PARTS = ("pod", "podproxy", "vm", "nat", "inet")

ID_PATTERN = re.compile(r"[a-z0-9]{1,8}")
_NAMESPACE_PATTERN = re.compile(rf"egress-({ID_PATTERN.pattern})-({'|'.join(PARTS)})")
# Parents that end with the command they run: the one above them is the person's shell.
_TRANSIENT_PARENTS = {"sudo", "su", "doas"}


def new_id():
    return secrets.token_hex(3)


def check_id(lab_id):
    if not ID_PATTERN.fullmatch(lab_id):
        raise UsageError(f'bad lab id "{lab_id}": expected 1 to 8 of a-z and 0-9')
    return lab_id


def namespace(lab_id, part):
    return f"egress-{lab_id}-{part}"


def namespace_path(lab_id, part):
    return NETNS / namespace(lab_id, part)


def directory(lab_id):
    return ROOT / lab_id


def squid_service(lab_id, part):
    """Squid names its files in /dev/shm after this; it takes letters and digits only."""
    return f"egress{lab_id}{part}"


@contextlib.contextmanager
def registry_lock():
    """Held while labs are registered, swept or removed: one at a time on this machine."""
    ROOT.mkdir(mode=0o711, exist_ok=True)
    with open(ROOT / ".lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def labs():
    """The ids of all labs that have a state directory."""
    if not ROOT.is_dir():
        return []
    return sorted(path.name for path in ROOT.iterdir() if path.is_dir() and ID_PATTERN.fullmatch(path.name))


def namespaces():
    """(id, part) of all namespaces with a name of our shape."""
    if not NETNS.is_dir():
        return []
    matches = (_NAMESPACE_PATTERN.fullmatch(path.name) for path in NETNS.iterdir())
    return [(match[1], match[2]) for match in matches if match]


def the_only_lab():
    """The lab that is meant when none is named."""
    found = labs()
    if not found:
        raise UsageError("no lab is running: start one with `lab up`")
    if len(found) > 1:
        raise UsageError(f"several labs are running ({', '.join(found)}): choose one with --id")
    return found[0]


def register(lab_id, owner):
    """Make the state directory. The caller holds the lock."""
    path = directory(lab_id)
    try:
        # 0711: Squid and nginx's workers must reach their own directories below.
        path.mkdir(mode=0o711)
    except FileExistsError:
        raise UsageError(f'lab "{lab_id}" exists already: `lab down --id {lab_id}` removes it') from None
    write_owner(lab_id, owner)
    return path


def write_owner(lab_id, owner):
    """Say whose a lab is. In one step: a record that cannot be read counts as nobody's."""
    draft = directory(lab_id) / "owner.new"
    draft.write_text(json.dumps(owner), encoding="ascii")
    os.replace(draft, directory(lab_id) / "owner.json")


def owner_pid(lab_id):
    """The pid that a lab belongs to; None for a kept lab and for one that is gone."""
    try:
        return json.loads((directory(lab_id) / "owner.json").read_text(encoding="ascii"))["pid"]
    except (OSError, ValueError, KeyError):
        return None


def owner_of(pid):
    """An owner record for a process."""
    return {"pid": pid, "start": process.start_time(pid), "boot": process.boot_id()}


def owner_nobody():
    """The owner record of a lab that stays until `down`, or until the machine restarts."""
    return {"pid": None, "start": None, "boot": process.boot_id()}


def calling_shell():
    """The pid that a lab made from the command line belongs to: a process that ends, as that of pid 1 does not."""
    pid = os.getppid()
    while pid > 1 and _process_name(pid) in _TRANSIENT_PARENTS:
        pid = _parent(pid)
    if pid <= 1:
        raise UsageError(f"the calling shell is process {pid}: expected one that ends, for the lab to end with it; "
                         "use --keep, and `lab down` when you are done")
    return pid


def abandoned(lab_id):
    """Whether a lab's owner is gone. A record that cannot be read has no owner."""
    try:
        owner = json.loads((directory(lab_id) / "owner.json").read_text(encoding="ascii"))
        if owner["boot"] != process.boot_id():
            return True
        return owner["pid"] is not None and not process.alive(owner["pid"], owner["start"])
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _process_name(pid):
    return Path(f"/proc/{pid}/comm").read_text(encoding="ascii", errors="replace").strip()


def _parent(pid):
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    match = re.search(r"^PPid:\s*(\d+)", status, re.MULTILINE)
    if match is None:
        raise LabError(f"no parent in /proc/{pid}/status")
    return int(match[1])
