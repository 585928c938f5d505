# SPDX-License-Identifier: MIT
"""What a lab remembers between calls: settings, services, faults. One JSON file, changed under a lock."""

import contextlib
import fcntl
import json
import os

from . import identity
from .errors import UsageError


def create(lab_id, settings):
    """Write the first state of a lab."""
    _write(lab_id, {"id": lab_id, "ready": False, "settings": settings, "services": {}, "programs": {},
                    "faults": []})


def read(lab_id):
    """The state as it is now."""
    try:
        return json.loads(_path(lab_id).read_text(encoding="ascii"))
    except FileNotFoundError:
        known = ", ".join(identity.labs()) or "none"
        raise UsageError(f'no lab "{lab_id}": running: {known}') from None


@contextlib.contextmanager
def changing(lab_id):
    """The state to change in place; written back at the end, unless an exception left it half done."""
    with contextlib.closing(_open_lock(lab_id)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = read(lab_id)
        yield state
        _write(lab_id, state)


def _path(lab_id):
    return identity.directory(lab_id) / "state.json"


def _open_lock(lab_id):
    read(lab_id)
    return open(identity.directory(lab_id) / "state.lock", "w", encoding="ascii")


def _write(lab_id, state):
    draft = _path(lab_id).with_suffix(".new")
    draft.write_text(json.dumps(state, indent=1), encoding="ascii")
    os.replace(draft, _path(lab_id))
