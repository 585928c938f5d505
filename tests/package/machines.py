# SPDX-License-Identifier: MIT
"""A Debian machine for the tests of a package: a root file system made by debootstrap, in namespaces of its own."""

import os
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


def bootstrap(root, suite):
    """A minimal Debian."""
    run(["debootstrap", "--variant=minbase", "--include=ca-certificates", suite, root, ARCHIVE])


def add_idle(root, *packages):
    """These packages, none of whose daemons runs."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
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
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n10.128.0.9 vm-1.example.internal vm-1\n")
        self.prepare()
        self._holder = subprocess.Popen([*self.within(), "unshare", *self.NAMESPACES, "--fork", "--kill-child", "sh",
                                         "-c", self.HOLD, str(root)], stdout=subprocess.PIPE, text=True)
        if self._holder.stdout.readline() != "ready\n":
            self.end()
            raise Failed(f"no namespaces for {root}")
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self._inside = children.read_text().split()[0]

    def prepare(self):
        """Without systemd a script does as the unit says."""
        shutil.copy(HERE / "systemctl", self.root / "usr/bin/systemctl")

    def within(self):
        """What the namespaces are made by: a command's first words."""
        return []

    def end(self):
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()

    def enter(self, *argv):
        """The host's command with the machine's network."""
        return run(["nsenter", "--target", self._inside, "--net", *argv])

    def enter_all(self, *argv):
        """The host's command in all namespaces of the machine, but not in its root."""
        return run([*self._entrance(), *argv])

    def _entrance(self):
        """By the holder's root, which is ours also where this runs in a chroot itself; a mount namespace has another."""
        return ["nsenter", "--target", self._inside, *self.NAMESPACES, f"--root=/proc/{self._holder.pid}/root"]

    def command(self, script):
        return [*self._entrance(), "chroot", str(self.root), "/usr/bin/env", "-i",
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


class Booted(Machine):
    """A machine whose root has systemd, and whose first process it is. Its control group ends with it too."""

    NAMESPACES = [*Machine.NAMESPACES, "--cgroup"]
    # What systemd expects of a container's manager: /proc, /sys, /dev, a control group of its own, and `container`.
    HOLD = """
mount --make-rprivate / && mount --bind "$0" "$0" && cd "$0" && mount --types proc proc proc &&
  mount --types sysfs --options ro sysfs sys && mount --types cgroup2 cgroup2 sys/fs/cgroup &&
  mount --types tmpfs tmpfs run && mount --types tmpfs tmpfs tmp && chmod 1777 tmp &&
  mount --types tmpfs --options mode=755 tmpfs dev && mkdir dev/pts dev/shm && : >dev/console || exit
for name in null zero full random urandom tty; do
  : >dev/$name && mount --bind /dev/$name dev/$name || exit
done
hostname vm-1 && ip link set lo up && ip address add 10.128.0.9/32 dev lo && echo ready &&
  exec chroot . /usr/bin/env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \\
  --show-status=no >/dev/null 2>&1
"""
    # In mounts of its own: the tree of control groups, wherever the host has it, or not at all.
    GROUPS = """
mount --make-rprivate / && mount --types cgroup2 cgroup2 /mnt || {
  echo "this kernel refuses to mount cgroup2, which systemd needs" >&2
  exit 1
}
"""
    JOIN = GROUPS + 'mkdir "/mnt/$0" && echo $$ >"/mnt/$0/cgroup.procs" && exec "$@"'
    LEAVE = GROUPS + """
tries=0
until find "/mnt/$0" -depth -type d -exec rmdir {} + 2>/dev/null; do
  [ $((tries += 1)) -lt 100 ] || exit 1
  sleep 0.1
done
"""

    def __init__(self, root):
        self._group = f"collectd-egress-{os.getpid()}-{root.name}"
        super().__init__(root)
        self.wait_for("systemctl is-system-running | grep -E 'running|degraded'")

    def prepare(self):
        """systemd is there, and names the machine itself."""
        (self.root / "etc/hostname").write_text("vm-1\n")

    def within(self):
        return ["unshare", "--mount", "sh", "-c", self.JOIN, self._group]

    def end(self):
        super().end()
        run(["unshare", "--mount", "sh", "-c", self.LEAVE, self._group])

    def wait_for(self, script, seconds=120):
        end = time.monotonic() + seconds
        while True:
            status, said = self.status(script)
            if status == 0:
                return said
            assert time.monotonic() < end, f"{script}: not within {seconds} s: {said}"
            time.sleep(0.5)

    def daemon(self):
        """collectd's process id inside; nothing while it does not run."""
        said = self.sh("systemctl show --property=ActiveState,MainPID --value collectd.service").split()
        return next(word for word in said if word.isdigit()) if "active" in said else ""
