# SPDX-License-Identifier: MIT
"""Every command that README.md shows is run: those about packages here, as they stand there, the others by .ci/run."""

import os
import re
import shutil
import subprocess

import machines
from conftest import TOP, find_one

README = (TOP / "README.md").read_text()
# Of a clone, each with the script that runs it.
ELSEWHERE = {"./demo": ".ci/run", "./demo --host": ".ci/run", "./check": ".ci/run",
             "./demo --keep": "tests/e2e/test_demo.py"}
ON_THE_VM = ["apt-get install --no-install-recommends collectd ./collectd-egress_*.deb",
             "cp /usr/share/collectd-egress/collectd/write-prometheus.conf"
             " /etc/collectd/collectd.conf.d/",
             "systemctl restart collectd",
             "curl -s http://127.0.0.1:9103/metrics | grep ^collectd_egress_",
             "/usr/share/collectd-egress/try-configuration",
             "apt-get remove collectd-egress",
             "apt-get purge collectd-egress"]
COMMAND = re.compile(r"(\.{0,2}/\w|\.\./|(apt-get|autoreconf|cp|systemctl|curl|collectd|make|podman|dnf|rpm|gcloud|mkdir)\s)")


def commands():
    """Those of the indented blocks, without comments, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", README)
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    return [re.sub(r"\s+#.*", "", line).strip() for line in lines if COMMAND.match(line)]


def build_commands():
    return [each for each in commands() if each not in ON_THE_VM and each not in ELSEWHERE]


def test_each_command_is_run():
    assert [each for each in commands() if each in ON_THE_VM] == ON_THE_VM
    assert {each for each in commands() if each.startswith("./")} == set(ELSEWHERE)
    assert [each.split()[0] for each in build_commands()] == ["apt-get", "autoreconf", "../../configure"]


def test_the_others_are_run_elsewhere():
    for command, script in ELSEWHERE.items():
        text = (TOP / script).read_text()
        assert re.search(rf"\s{re.escape(command)}$", text, re.M) or all(
            f'"{word}"' in text for word in command.split()[1:]), command


def test_the_alerts_are_found_where_it_says(contents, tmp_path):
    """Its lines in a prometheus.yml, with the folder of the unpacked package for the machine's."""
    (lines,) = re.findall(r"^    (rule_files:\n    - /usr/share/.*\n)", README, re.M)
    path = tmp_path / "prometheus.yml"
    path.write_text(lines.replace("    ", "").replace("/usr/share", f"{contents}/usr/share"))
    said = machines.run(["promtool", "check", "config", path])
    shipped = sorted((TOP / "etc/prometheus/rules").glob("*.yml"))
    found = {name.rsplit("/", 1)[1] for name in re.findall(r"Checking (\S+/rules/\S+)$", said, re.M)}
    assert found == {rules.name for rules in shipped}
    counted = sum(int(count) for count in re.findall(r"SUCCESS: (\d+) rules found", said))
    assert counted == sum(len(re.findall(r"^ *- (?:alert|record):", rules.read_text(), re.M)) for rules in shipped)


def test_the_package_out_of_the_sources(work, packages, deb):
    """In a copy of the sources, at another time and with another umask: the same bytes, of the tarball too. Here the
    package's build runs the unit tests, which `deb` goes without."""
    files = machines.run(["git", "-C", TOP, "ls-files"]).splitlines() if (TOP / ".git").exists() else []
    assert files, "not a clone"
    copy = work / "elsewhere"
    for name in files:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TOP / name, copy / name)
    # As in a tarball, whose files have the time of the commit.
    commit = int(machines.run(["git", "-C", TOP, "log", "-1", "--format=%ct"]))
    os.utime(copy / "NEWS", (commit, commit))
    # What is installed already, by `run`, stays as it is.
    apt = work / "apt.conf"
    apt.write_text('APT::Get::Assume-Yes "true";\nAPT::Get::Upgrade "false";\n')
    script = "umask 077; cd $1\n" + " &&\n".join(build_commands())
    done = subprocess.run(["bash", "-c", script, "bash", str(copy)], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=machines.SECONDS,
                          env={**os.environ, "TZ": "Pacific/Kiritimati", "APT_CONFIG": str(apt)})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(r"^# FAIL: +0$", done.stdout, re.M) and "PASS: tests/unit/test_nat_model" in done.stdout
    for package in (deb, find_one(packages, "*.orig.tar.xz")):
        assert (copy / "build/package/packages" / package.name).read_bytes() == package.read_bytes(), package.name


def test_on_the_vm(work, root_of):
    """One after another, on a machine that has no collectd of its own configuration yet but Debian's."""
    root = machines.copy(root_of("bookworm"), work / "machine-readme")
    (root / "etc/apt/apt.conf.d/90yes").write_text('APT::Get::Assume-Yes "true";\n')
    machine = machines.Machine(root)
    try:
        for command in ON_THE_VM:
            if command.startswith("curl"):
                machine.wait_for_metrics("collectd_egress_netlink_", "collectd_egress_nat_")
            machine.sh("systemctl start collectd")
            said = machine.sh(command)
            assert said or command.startswith(("cp", "systemctl", "/usr"))
    finally:
        machine.end()
        shutil.rmtree(root)
