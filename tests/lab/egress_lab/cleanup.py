# SPDX-License-Identifier: MIT
"""Removing labs: processes first, then namespaces, then files."""

import shutil
from pathlib import Path

from . import identity, process, proxies

_SHARED_MEMORY = Path("/dev/shm")


def sweep():
    """Remove what earlier runs left behind: labs without an owner, namespaces without a lab.

    The caller holds the registry's lock."""
    for lab_id in identity.labs():
        if identity.abandoned(lab_id):
            remove(lab_id)
    known = set(identity.labs())
    for lab_id in {found for found, _ in identity.namespaces()} - known:
        remove(lab_id)


def remove(lab_id):
    """Remove one lab entirely. What is already gone is no error. The caller holds the registry's lock."""
    parts = [part for found, part in identity.namespaces() if found == lab_id]
    for part in parts:
        process.empty_namespace(identity.namespace_path(lab_id, part))
    for part in parts:
        process.run(["ip", "netns", "delete", identity.namespace(lab_id, part)])
    for part in proxies.PARTS:
        for path in _SHARED_MEMORY.glob(f"{identity.squid_service(lab_id, part)}-*"):
            path.unlink(missing_ok=True)
    shutil.rmtree(identity.directory(lab_id), ignore_errors=True)
