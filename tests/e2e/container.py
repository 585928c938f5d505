# SPDX-License-Identifier: MIT
"""Pods without a container engine: a manifest's containers as a kubelet would run them, in a part of the lab.

Of the manifest these are taken: command, env, the ConfigMaps' and emptyDirs' mounts, and the security context. Each
container has mount and process namespaces of its own, a root of its own that nothing can be written to, this machine's
/usr as its image, and the capabilities that are left, in its bounding set too."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import builds
import yaml
from egress_lab import LabError, process

TOP = Path(__file__).resolve().parents[2]
MANIFESTS = TOP / "etc" / "kubernetes"
ENTRYPOINT = TOP / "packaging" / "container" / "entrypoint"
# Where the image has what libegress is linked as; RUNPATH names the build's own folder.
LIBRARY = "/usr/lib/collectd-egress"

# In namespaces of its own. /etc is what an image and a kubelet put there; mounts are "SOURCE TARGET ro|rw" lines.
ROOT = """
set -eu
root=$1 plugins=$2 library=$3 entrypoint=$4 certificates=$5 writable=$6 mounts=$7; shift 7
mount --make-rprivate /
mount -t tmpfs -o mode=755 pod "$root"
cd "$root"
mkdir -p usr etc/ssl/certs etc/collectd proc dev tmp var/log var/spool/squid run/collectd-egress
for name in bin sbin lib lib32 lib64; do
    if [ -L "/$name" ]; then ln -s "usr/$name" "$name"; fi
done
mount --bind /usr usr
mount -o remount,bind,ro usr
mount -t tmpfs -o mode=755 plugins usr/lib/collectd
cp /usr/lib/collectd/*.so "$plugins"/*.so usr/lib/collectd
mkdir -p lib-egress && mount --bind "$library" lib-egress
for name in passwd group nsswitch.conf resolv.conf hosts ld.so.cache protocols services; do
    if [ -e "/etc/$name" ]; then cat "/etc/$name" >"etc/$name"; fi
done
for name in alternatives squid; do
    if [ -e "/etc/$name" ]; then mkdir -p "etc/$name" && mount --bind "/etc/$name" "etc/$name"; fi
done
cat "$certificates" >etc/ssl/certs/ca-certificates.crt
for name in null zero random urandom; do
    : >"dev/$name" && mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/shm && mount -t tmpfs -o mode=1777 shm dev/shm
cat "$entrypoint" >entrypoint && chmod 755 entrypoint
while read -r source target mode; do
    [ -n "$source" ] || continue
    if [ -d "$source" ]; then mkdir -p "./$target"; else [ -e "./$target" ] || : >"./$target"; fi
    mount --bind "$source" "./$target"
    [ "$mode" = rw ] || mount -o remount,bind,ro "./$target"
done <<END
$mounts
END
mount -t proc proc proc
[ "$writable" = yes ] || mount -o remount,ro "$root"
exec chroot "$root" "$@"
"""


def load(name):
    """The objects of a manifest."""
    return list(yaml.safe_load_all((MANIFESTS / name).read_text(encoding="utf-8")))


def find(objects, kind, name=None):
    found = [each for each in objects if each["kind"] == kind and name in (None, each["metadata"]["name"])]
    assert len(found) == 1, f"{kind} {name}: {len(found)} found"
    return found[0]


class Pod:
    """The Pod of a workload: its containers, started one by one."""

    def __init__(self, lab, part, objects, workload, node, edit=lambda text: text):
        """edit: what the reader of the manifest does to the ConfigMaps' texts: names and addresses."""
        self.lab, self.part, self.node = lab, part, node
        self.spec = find(objects, workload)["spec"]["template"]["spec"]
        self.folder = lab.directory / "pod"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o755)
        self.volumes = {each["name"]: self._volume(each, objects, edit) for each in self.spec["volumes"]}
        self.containers = []

    def start(self, name, **environment):
        """environment: variables beside those of the manifest."""
        container = Container(self, next(each for each in self.spec["containers"] if each["name"] == name), environment)
        self.containers.append(container)
        return container

    def stop(self):
        for container in self.containers:
            if container.running():
                container.stop()

    def _volume(self, volume, objects, edit):
        folder = self.folder / "volumes" / volume["name"]
        folder.mkdir(parents=True)
        if "configMap" in volume:
            data = find(objects, "ConfigMap", volume["configMap"]["name"])["data"]
            items = volume["configMap"].get("items") or [{"key": key, "path": key} for key in data]
            for item in items:
                path = folder / item["path"]
                path.parent.mkdir(exist_ok=True)
                path.write_text(edit(data[item["key"]]), encoding="utf-8")
        else:
            assert "emptyDir" in volume, volume
            group = self.spec["securityContext"].get("fsGroup")
            if group is not None:
                os.chown(folder, 0, group)
            folder.chmod(0o777 if group is None else 0o2777)
        return folder


class Container:
    """One running container."""

    def __init__(self, pod, spec, environment):
        self.pod, self.spec = pod, spec
        self.context = {**pod.spec["securityContext"], **spec["securityContext"]}
        self.root = pod.folder / f"root-{spec['name']}-{len(pod.containers)}"
        self.root.mkdir(mode=0o755)
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": f"{spec['name']}-x7k2p",
                            "LD_LIBRARY_PATH": "/lib-egress", **self._variables(), **environment}
        self.output = pod.folder / f"{self.root.name}.log"
        script = pod.folder / "root.sh"
        script.write_text(ROOT, encoding="ascii")
        plugins = builds.plain()
        argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", str(script), str(self.root),
                str(plugins), str(plugins.parent / "collectd-egress"), str(ENTRYPOINT), pod.lab.ca,
                "no" if self.context.get("readOnlyRootFilesystem") else "yes", self._mounts(),
                *self._confined(), *spec["command"]]
        with open(self.output, "wb") as output:
            self.child = pod.lab.popen(pod.part, argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.pid = None

    def run(self, argv, seconds=60):
        """A command inside, as a kubelet's exec: the same account, environment and limits."""
        if self.pid is None:
            self.pid = process.wait_until(self._first_process, 10)
            assert self.pid, f"not running\n{self.log()}"
        inside = ["nsenter", "-t", str(self.pid), "--mount", "--pid", "--net", f"--root=/proc/{self.pid}/root"]
        return subprocess.run([*inside, *self._confined(), *argv], text=True, capture_output=True, timeout=seconds,
                              check=False)

    def probe(self, name):
        """What its livenessProbe or readinessProbe says: the exit status and the words."""
        ended = self.run(self.spec[name]["exec"]["command"])
        return ended.returncode, ended.stderr

    def wait(self, condition, seconds, what):
        found = process.wait_until(lambda: condition() or not self.running(), seconds, pause=0.2)
        if not self.running() or not found:
            raise LabError(f"{self.spec['name']}: {what} not seen within {seconds} s\n{self.log()[-4000:]}")
        return found

    def status(self):
        """/proc/PID/status of its first process, seen from inside."""
        lines = self.run(["cat", "/proc/1/status"]).stdout.splitlines()
        return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}

    def signal(self, number):
        os.kill(self.pid, number)

    def running(self):
        return self.child.poll() is None

    def stop(self, seconds=20):
        """SIGTERM to its first process, as when a Pod is deleted; the exit status."""
        self.run(["true"])
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            return self.child.wait(seconds)

    def log(self):
        return self.output.read_text(encoding="utf-8", errors="replace")

    def _variables(self):
        known = {}
        for each in self.spec.get("env", []):
            if "valueFrom" in each:
                assert each["valueFrom"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}, each
                known[each["name"]] = self.pod.node
            else:
                value = each["value"]
                for name, text in known.items():
                    value = value.replace(f"$({name})", text)
                known[each["name"]] = value
        return known

    def _mounts(self):
        lines = []
        for mount in self.spec["volumeMounts"]:
            source = self.pod.volumes[mount["name"]]
            if "subPath" in mount:
                source /= mount["subPath"]
            lines.append(f"{source} {mount['mountPath']} {'ro' if mount.get('readOnly') else 'rw'}")
        return "\n".join(lines)

    def _confined(self):
        """setpriv's words for the security context, then env's."""
        context = self.context
        capabilities = context["capabilities"]
        assert capabilities["drop"] == ["ALL"] and context["allowPrivilegeEscalation"] is False
        added = "".join(f",+{name.lower()}" for name in capabilities.get("add", []))
        groups = [str(context["fsGroup"])] if "fsGroup" in context else []
        return ["setpriv", f"--reuid={context['runAsUser']}", f"--regid={context['runAsGroup']}",
                f"--groups={','.join(groups)}" if groups else "--clear-groups",
                f"--bounding-set=-all{added}", "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs",
                "env", "-i", "--chdir=/", *(f"{name}={value}" for name, value in self.environment.items())]

    def _first_process(self):
        """The pid, out here, of the process that has entered the container's root: a name that begins otherwise
        where this runs in a chroot itself, for the mounts inside are copies."""
        for path in Path("/proc").glob("[0-9]*"):
            try:
                fields = (path / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                if fields[1] == str(self.child.pid) and os.readlink(path / "root").endswith(str(self.root)):
                    return int(path.name)
            except OSError:
                continue
        return None
