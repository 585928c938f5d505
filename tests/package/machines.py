# SPDX-License-Identifier: MIT
"""A Debian machine for the tests of a package: a root file system made by debootstrap, in namespaces of its own."""

import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ARCHIVE = "http://deb.debian.org/debian"
# "Nothing but collectd", and what its own collectd.conf cannot start without though no package says so: the plugin
# processes, which it loads, needs libmnl. curl is the one who looks.
COLLECTD = ["collectd", "libmnl0", "curl"]
# Far above what a slow archive takes.
SECONDS = 900


class Failed(Exception):
    """A command that failed, with what it said."""


def run(argv, **options):
    done = subprocess.run([str(each) for each in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS, check=False, stdin=subprocess.DEVNULL, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(str(each) for each in argv)}: status {done.returncode}\n{done.stdout[-6000:]}")
    return done.stdout


# Its own mounts, which end with it; the network is the host's.
IN_ROOT = """
mount --types proc proc "$0/proc" && mount --types tmpfs tmpfs "$0/run" && mount --types tmpfs tmpfs "$0/tmp" &&
  chmod 1777 "$0/tmp" && exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
  DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"
"""


def in_root(root, *argv):
    """Runs a command in a root file system where no daemon is to be started, with the host's network."""
    return run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", IN_ROOT, root, *argv])


def bootstrap(root, suite, packages=()):
    """A minimal Debian with these packages, none of whose daemons has run."""
    run(["debootstrap", "--variant=minbase", "--include=ca-certificates", suite, root, ARCHIVE])
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    if packages:
        install(root, *packages)
    policy.unlink()


def install(root, *packages):
    in_root(root, "apt-get", "-qq", "update")
    return in_root(root, "apt-get", "-y", "--no-install-recommends", "install", *packages)


def fetch_dependencies(root, package):
    """What the package needs is put where apt finds it once the machine is cut off."""
    in_root(root, "apt-get", "-qq", "update")
    in_root(root, "apt-get", "-y", "--no-install-recommends", "--download-only", "install", package)


def copy(root, to):
    run(["cp", "-a", "--reflink=auto", root, to])
    return to


class Machine:
    """A root file system with a network, processes and mounts of its own; nothing leaves it, and all ends with it."""

    NAMESPACES = ["--net", "--mount", "--pid", "--uts", "--ipc"]
    HOLD = """
mount --types proc proc "$0/proc" && mount --types tmpfs tmpfs "$0/run" && mount --types tmpfs tmpfs "$0/tmp" &&
  chmod 1777 "$0/tmp" && mkdir -p "$0/run/systemd/system" && hostname vm-1 &&
  ip link set lo up && ip address add 10.128.0.9/32 dev lo && echo ready && exec sleep infinity
"""

    def __init__(self, root):
        self.root = root
        shutil.copy(HERE / "systemctl", root / "usr/bin/systemctl")
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n10.128.0.9 vm-1.example.internal vm-1\n")
        self._holder = subprocess.Popen(["unshare", *self.NAMESPACES, "--fork", "--kill-child", "sh", "-c", self.HOLD,
                                         str(root)], stdout=subprocess.PIPE, text=True)
        if self._holder.stdout.readline() != "ready\n":
            self.end()
            raise Failed(f"no namespaces for {root}")
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self._inside = children.read_text().split()[0]

    def end(self):
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()

    def enter(self, *argv):
        """The host's command with the machine's network."""
        return run(["nsenter", "--target", self._inside, "--net", *argv])

    def enter_all(self, *argv):
        """The host's command in all namespaces of the machine, but not in its root."""
        return run(["nsenter", "--target", self._inside, *self.NAMESPACES, *argv])

    def command(self, script):
        return ["nsenter", "--target", self._inside, *self.NAMESPACES, "chroot", str(self.root), "/usr/bin/env", "-i",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "sh", "-c", f"cd /root\n{script}"]

    def sh(self, script):
        """What a command says, on both of its outputs; it must succeed."""
        return run(self.command(script))

    def status(self, script):
        """(exit status, what it says)."""
        done = subprocess.run(self.command(script), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=SECONDS, check=False, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout

    def file(self, path):
        return self.root / path.lstrip("/")

    def daemon(self):
        """The daemon's process id inside, and its start time: another pair is another process."""
        _, text = self.status("pid=$(cat /run/collectd.pid) && kill -0 $pid && cut -d' ' -f1,22 /proc/$pid/stat")
        return text.strip()

    def metrics(self, port=9103):
        """Those of our plugins: {name and labels: value}; nothing if nobody answers."""
        try:
            text = self.enter("curl", "-fsS", f"http://127.0.0.1:{port}/metrics")
        except Failed:
            return {}
        lines = [line.rsplit(" ", 2) for line in text.splitlines() if line.startswith("collectd_egress_")]
        return {name: float(value) for name, value, _ in lines}

    def wait_for_metrics(self, *names, seconds=60):
        """Those whose names begin so: the values, once there is one of each."""
        end = time.monotonic() + seconds
        while True:
            found = self.metrics()
            if all(any(each.startswith(name) for each in found) for name in names):
                return found
            assert time.monotonic() < end, f"no {names} within {seconds} s; there are {sorted(found)}"
            time.sleep(0.5)
