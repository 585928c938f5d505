# SPDX-License-Identifier: MIT
"""The image: the Containerfile's own lines, done to a root file system that debootstrap has made."""

import json
import re
import shlex
import shutil

import machines
import pytest
from conftest import TOP


def instructions(text):
    """[(verb, the rest of it)], comments left out and continued lines joined."""
    lines = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.M)).splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


class Image:
    """What COPY and RUN have made of a root, and what the others say."""

    def __init__(self, root, context):
        self.root, self.context, self.said = root, context, {}

    def do(self, verb, rest):
        if verb == "RUN":
            machines.in_root(self.root, "sh", "-c", rest)
        elif verb == "COPY":
            mode = re.match(r"--chmod=(\d+) ", rest)
            source, target = (rest[mode.end():] if mode else rest).split()
            to = self.root / target.lstrip("/")
            path = to / source if target.endswith("/") else to
            shutil.copy(self.context / source, path)
            path.chmod(int(mode[1], 8) if mode else 0o644)
        else:
            assert verb in ("FROM", "USER", "EXPOSE", "ENTRYPOINT"), verb
            self.said[verb] = rest


@pytest.fixture(name="image", scope="module")
def image_fixture(build, packages, work, base_of):
    """`/tmp` is a mount of its own in each RUN, so what is copied there goes by way of /var/tmp."""
    assert packages
    machines.run(["make", "-C", build, "container"])
    context = build / "packages/container"
    made = Image(machines.copy(base_of("bookworm"), work / "image"), context)
    for verb, rest in instructions((context / "Containerfile").read_text()):
        made.do(verb, rest.replace("/tmp/", "/var/tmp/"))
    yield made
    shutil.rmtree(made.root)


def test_it_is_slim_debian_and_not_root(image):
    assert image.said["FROM"] == "debian:12-slim"
    user, group = (int(each) for each in image.said["USER"].split(":"))
    assert user >= 10000 and group >= 10000
    assert image.said["EXPOSE"] == "9103"


def test_it_has_our_package_and_nothing_to_build_with(image):
    names = set(machines.in_root(image.root, "dpkg-query", "-W", "-f", "${Package}\n").split())
    assert {"collectd-egress", "collectd-core", "libmicrohttpd12", "ca-certificates"} <= names
    assert not [name for name in names if re.match(r"(gcc|g\+\+|cpp|make|binutils|dpkg-dev|python3|curl$)|.*-dev$", name)
                and name != "gcc-12-base"]
    assert not list(image.root.glob("var/tmp/*")) and not list(image.root.glob("var/lib/apt/lists/*"))


def test_its_entrypoint_runs_as_that_user(image, work):
    """With a ConfigMap at /etc/collectd: values, and both of the entry point's probes agree."""
    machine = machines.Machine(image.root)
    try:
        machine.file("/etc/collectd/collectd.conf").write_text(
            'Interval 1\nLoadPlugin write_prometheus\n<Plugin write_prometheus>\n  Port "9103"\n</Plugin>\n'
            "LoadPlugin egress_netlink\n")
        user, group = image.said["USER"].split(":")
        start = shlex.join(json.loads(image.said["ENTRYPOINT"]))
        as_user = f"setpriv --reuid={user} --regid={group} --clear-groups --bounding-set=-all --no-new-privs"
        machine.sh(f"install -d -o {user} -g {group} /run/collectd-egress &&"
                   f" HOSTNAME=pod-1 {as_user} {start} >/tmp/log 2>&1 & sleep 0.1")
        machine.wait_for_metrics("collectd_egress_netlink_tcp_connections{")
        machine.sh(f"{as_user} {start} alive && {as_user} {start} ready")
    finally:
        machine.end()
