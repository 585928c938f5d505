# SPDX-License-Identifier: MIT
"""Commands and sockets inside a part's network namespace."""

import ctypes
import os
import socket
import threading

from . import identity, sites
from .errors import LabError

_CLONE_NEWNET = 0x40000000
_HOST_FILES = {
    "resolv.conf": f"nameserver {sites.DNS_ADDRESS}\noptions timeout:2 attempts:2\n",
    # Without nss-resolve, nss-mdns and the like: those would ask daemons of the host.
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "hosts": "127.0.0.1 localhost\n",
}
# `ip netns exec` has made a mount namespace of its own, so the host sees none of this. A file that is missing on
# the host (or a dangling link) cannot be mounted over: then the whole of /etc gets a read-only layer on top.
_ENTER = """
etc=$1; shift
layered=
for file in resolv.conf nsswitch.conf hosts; do
    [ -e "/etc/$file" ] || layered=yes
done
if [ -n "$layered" ]; then
    mount -t overlay -o "lowerdir=$etc:/etc" egress-lab /etc || exit 126
else
    for file in resolv.conf nsswitch.conf hosts; do
        mount --bind "$etc/$file" "/etc/$file" || exit 126
    done
fi
exec "$@"
"""


def write_host_files(lab_id):
    """Write the few files of /etc that programs in the lab see instead of the host's."""
    folder = identity.directory(lab_id) / "etc"
    folder.mkdir(mode=0o755)
    for name, text in _HOST_FILES.items():
        (folder / name).write_text(text, encoding="ascii")


def argv_in(lab_id, part, argv):
    """The command line that runs argv inside a part; the process keeps the pid."""
    if part not in identity.PARTS:
        raise LabError(f'no part "{part}": the parts are {", ".join(identity.PARTS)}')
    folder = str(identity.directory(lab_id) / "etc")
    return ["ip", "netns", "exec", identity.namespace(lab_id, part), "/bin/sh", "-c", _ENTER, "sh", folder, *argv]


def connect_in(lab_id, part, address, port, seconds):
    """A TCP connection made from inside a part, for use by this process.

    A socket belongs to the namespace that its creating thread is in, so a thread of its own enters it."""
    outcome = []

    def enter_and_connect():
        try:
            _set_namespace(identity.namespace_path(lab_id, part))
            outcome.append(socket.create_connection((address, port), timeout=seconds))
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=enter_and_connect)
    thread.start()
    thread.join()
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def _set_namespace(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
