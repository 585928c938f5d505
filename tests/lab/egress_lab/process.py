# SPDX-License-Identifier: MIT
"""Processes by pid and start time, so that a recycled pid is never taken for ours."""

import os
import signal
import subprocess
import sys
import threading
import time

from .errors import LabError

# Children of this process, by pid: they stay zombies until they are waited for.
_children = {}


def start_time(pid):
    """The start time of a living process in clock ticks since boot, or None."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): after the name, field 3 is the state and field 22 the start time.
    return None if fields[0] in "ZX" else int(fields[19])


def boot_id():
    """The kernel's name for this boot: pids and namespaces do not outlive it."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def alive(pid, start):
    """Whether the process that had this pid and this start time is still there."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
    return start is not None and start_time(pid) == start


def adopt(child):
    """Remember a Popen, so that `alive` can reap it."""
    _children[child.pid] = child
    return child


def end_in_order():
    """Let SIGTERM and SIGHUP end this interpreter as sys.exit does, so that cleaning happens."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda received, _: sys.exit(128 + received))


def run(argv, **options):
    """Run a helper program; its complaint becomes the error's text."""
    result = subprocess.run(argv, text=True, capture_output=True, check=False, **options)
    if result.returncode != 0:
        words = (result.stderr or result.stdout).strip()
        raise LabError(f"{' '.join(argv)}: exit {result.returncode}: {words}")
    return result.stdout


def wait_until(condition, seconds, pause=0.02):
    """Wait for a condition to be true; the last value of it is returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() >= deadline:
            return value
        time.sleep(pause)


def terminate(pid, start, grace):
    """End one process: politely, and after `grace` seconds not so."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5)):
        if not alive(pid, start):
            return
        os.kill(pid, number)
        if number == signal.SIGTERM:
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not alive(pid, start), patience)
    if alive(pid, start):
        raise LabError(f"process {pid} is still there 5 s after SIGKILL")


def namespace_inode(path):
    """The identity of a namespace, or None when the path is none any more."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return found.st_dev, found.st_ino


def members(namespace_path):
    """The pids of all processes inside one network namespace."""
    wanted = namespace_inode(namespace_path)
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if wanted and namespace_inode(f"/proc/{pid}/ns/net") == wanted]


def kill_member(pid, namespace_path):
    """SIGKILL a process, having looked again, through a pidfd, that it is still inside the namespace."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if namespace_inode(f"/proc/{pid}/ns/net") == namespace_inode(namespace_path):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def empty_namespace(namespace_path, seconds=10):
    """Kill everything inside a network namespace and wait until nothing is left."""

    def gone():
        pids = [pid for pid in members(namespace_path) if alive(pid, start_time(pid) or -1)]
        for pid in pids:
            kill_member(pid, namespace_path)
        return not pids

    if not wait_until(gone, seconds):
        raise LabError(f"processes in {namespace_path} survive SIGKILL: {members(namespace_path)}")
