# SPDX-License-Identifier: MIT
"""What a lab has left on this machine, and whose it is."""

import os
from pathlib import Path

from egress_lab import identity


def labs_of(pid):
    """The ids of the labs that belong to a process."""
    return [lab_id for lab_id in identity.labs() if identity.owner_pid(lab_id) == pid]


def leftovers(lab_id):
    """Everything on this machine that still bears a lab's name."""
    spaces = [name for name in os.listdir("/run/netns") if name.startswith(f"egress-{lab_id}-")]
    shared = [name for name in os.listdir("/dev/shm") if name.startswith(f"egress{lab_id}")]
    files = [str(path) for path in [identity.directory(lab_id)] if path.exists()]
    return spaces + shared + files


def processes_naming(lab_id):
    """The command lines that name a file of a lab."""
    return processes_with(identity.directory(lab_id))


def processes_with(folder):
    """The command lines that name a file of a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder).encode() in words:
            found.append(words)
    return found
