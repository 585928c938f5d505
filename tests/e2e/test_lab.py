# SPDX-License-Identifier: MIT
"""The lab itself: its path, its NAT's admission, and that it leaves nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from asking import API, API_443, GIT_443, PROXY, VM_PROXY, fetch, held
from egress_lab import Lab, LabError, identity, process, sites
from remains import leftovers, processes_naming

LAB = Path(__file__).resolve().parent.parent / "lab"
# An own interpreter that makes a lab, prints its id, and does what the test says.
OWNER = "import sys, os, signal, time\nsys.path.insert(0, {folder!r})\n" \
        "from egress_lab import Lab\nlab = Lab.up()\nprint(lab.id, flush=True)\n{then}\n"


def cli(*words, **options):
    return subprocess.run([str(LAB / "lab"), *words], capture_output=True, text=True, timeout=60, check=False,
                          **options)


class TestPath:
    def test_every_part_is_named_and_serves(self, lab):
        status = lab.status()
        assert set(status["parts"]) == {"pod", "podproxy", "vm", "nat", "inet"}
        assert all(service["running"] for service in status["services"].values())
        assert status["broken"] == []
        assert json.loads(json.dumps(status)) == status

    @pytest.mark.parametrize("site", sites.SITES, ids=lambda site: site.key)
    def test_the_chain_and_each_way_into_it_work(self, lab, site):
        url = f"https://{site.name}/"
        assert fetch(lab, "pod", url, PROXY) == (200, 200)
        assert fetch(lab, "pod", url, VM_PROXY) == (200, 200)
        assert fetch(lab, "vm", url) == (200, 0)

    def test_the_chain_goes_through_both_proxies(self, lab):
        done = lab.exec("pod", ["curl", "-s", "-D", "-", "-o", "/dev/null", "-x", PROXY, f"http://{API.name}/"])
        via = next(line for line in done.stdout.splitlines() if line.lower().startswith("via:"))
        assert "vm" in via and "podproxy" in via

    @pytest.mark.parametrize("part", ["pod", "podproxy"])
    @pytest.mark.parametrize("name", [API.name, sites.CONTROL.name])
    def test_the_cluster_has_no_way_out_but_the_proxy(self, lab, part, name):
        assert fetch(lab, part, f"https://{name}/") == (0, 0)

    @pytest.mark.parametrize("part", identity.PARTS)
    def test_no_part_has_a_route_beyond_the_lab(self, lab, part):
        routes = json.loads(lab.exec(part, ["ip", "-j", "route"], check=True).stdout)
        defaults = [route for route in routes if route["dst"] == "default"]
        assert len(defaults) == (1 if part == "vm" else 0)
        assert not any(route["dev"] not in ("eth0", "pod", "podproxy", "vm", "inet") for route in routes)

    def test_names_come_from_the_lab_only(self, lab):
        before = Path("/etc/resolv.conf").read_bytes()
        assert lab.exec("vm", ["cat", "/etc/resolv.conf"]).stdout.startswith(f"nameserver {sites.DNS_ADDRESS}\n")
        assert lab.exec("vm", ["getent", "ahostsv4", API.name]).stdout.split()[0] == API.address
        assert lab.exec("vm", ["getent", "hosts", "www.debian.org"]).returncode != 0
        assert Path("/etc/resolv.conf").read_bytes() == before

    @pytest.mark.parametrize("site, seen", [(sites.CONTROL, sites.ADDRESSES["vm"]), (API, sites.NAT_ADDRESS)],
                             ids=["control", "translated"])
    def test_the_internet_sees_the_nats_address_except_at_the_control(self, lab, site, seen):
        holder = lab.load("vm", "hold", site.address, 443, "--count", 1, "--seconds", 2)
        assert process.wait_until(lambda: self._peers(lab, site), 2) == {seen}
        assert held(lab) == (0 if site.bypass else 1)
        assert json.loads(holder.communicate(timeout=10)[0])["connected"] == 1

    @staticmethod
    def _peers(lab, site):
        lines = lab.exec("inet", ["ss", "-Htn", "src", f"{site.address}:443"]).stdout.splitlines()
        return {line.split()[4].rpartition(":")[0] for line in lines}


class TestAdmission:
    def test_exactly_the_ports_there_are(self, fresh_lab):
        lab = fresh_lab(ports=64, time_wait=3)
        holder = lab.load("vm", "hold", API.address, 443, "--count", 64, "--seconds", 6)
        assert process.wait_until(lambda: held(lab) == 64, 4)
        assert lab.truth()[API_443]["dropped"] == 0
        assert fetch(lab, "vm", f"https://{API.name}/") == (0, 0)
        full = lab.truth()[API_443]
        assert full["held"] == full["size"] == 64 and full["dropped"] >= 1
        assert fetch(lab, "vm", "https://git.example.net/") == (200, 0)
        assert fetch(lab, "vm", f"https://{sites.CONTROL.name}/") == (200, 0)
        assert fetch(lab, "vm", f"http://{API.name}/") == (200, 0), "another port is another destination"
        result = json.loads(holder.communicate(timeout=15)[0])
        assert (result["connected"], result["failed"], result["unanswered"]) == (64, 0, 0)

    @pytest.mark.parametrize("close", ["client", "server", "reset"])
    def test_a_closed_connection_holds_its_port_for_time_wait(self, fresh_lab, close):
        lab = fresh_lab(ports=5, time_wait=3)
        begun = time.monotonic()
        loader = lab.load("vm", "short", API.address, 443, "--count", 5, "--rate", 100, "--close", close)
        assert json.loads(loader.communicate(timeout=10)[0])["connected"] == 5
        assert held(lab) == 5
        assert fetch(lab, "vm", f"https://{API.name}/", seconds=0.5) == (0, 0)
        assert lab.truth()[API_443]["dropped"] >= 1
        assert held(lab) == 5
        assert process.wait_until(lambda: held(lab) == 0, 6)
        assert time.monotonic() - begun > 3
        time.sleep(0.5)  # An expired element counts until the next collection, every 200 ms.
        holder = lab.load("vm", "hold", API.address, 443, "--count", 6, "--seconds", 2)
        result = json.loads(holder.communicate(timeout=10)[0])
        assert (result["connected"], result["unanswered"]) == (5, 1)

    def test_a_silent_connection_outlives_the_transitory_timeout(self, fresh_lab):
        lab = fresh_lab(transitory=1, time_wait=2)
        holder = lab.load("vm", "hold", API.address, 443, "--count", 3, "--seconds", 4)
        assert process.wait_until(lambda: held(lab) == 3, 3)
        time.sleep(2.5)
        assert held(lab) == 3
        assert json.loads(holder.communicate(timeout=10)[0])["connected"] == 3

    def test_a_half_open_connection_holds_its_port_for_the_transitory_timeout(self, fresh_lab):
        lab = fresh_lab(transitory=2, time_wait=60)
        lab.break_("inet", f"drop:{API.name}")
        assert fetch(lab, "vm", f"https://{API.name}/", seconds=0.5) == (0, 0)
        assert held(lab) == 1
        assert process.wait_until(lambda: held(lab) == 0, 5)


class TestLife:
    def test_two_labs_at_once(self, fresh_lab):
        first, second = fresh_lab(ports=2), fresh_lab(ports=3)
        assert first.id != second.id
        first.break_("vm", "stop")
        assert fetch(first, "pod", f"https://{API.name}/", PROXY)[0] == 0
        assert fetch(second, "pod", f"https://{API.name}/", PROXY) == (200, 200)
        assert (held(first), held(second)) == (0, 1)
        assert (first.truth()[API_443]["size"], second.truth()[API_443]["size"]) == (2, 3)
        unnamed = cli("status")
        assert unnamed.returncode == 2 and first.id in unnamed.stderr and second.id in unnamed.stderr

    def test_two_that_start_at_the_same_moment(self):
        owners = [self._owner("time.sleep(60)") for _ in range(2)]
        ids = [owner.stdout.readline().strip() for owner in owners]
        assert len(set(ids)) == 2
        assert all(fetch(Lab(lab_id), "pod", f"https://{API.name}/", PROXY) == (200, 200) for lab_id in ids)
        for owner in owners:
            owner.terminate()
            owner.communicate(timeout=30)
        assert [leftovers(lab_id) for lab_id in ids] == [[], []]

    def test_down_leaves_nothing_and_may_be_repeated(self):
        links = subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout
        lab = Lab.up()
        sleeper = lab.popen("pod", ["sleep", "60"])
        assert leftovers(lab.id) and processes_naming(lab.id)
        lab.down()
        lab.down()
        assert leftovers(lab.id) == [] and processes_naming(lab.id) == []
        assert sleeper.wait(5) == -signal.SIGKILL
        assert subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout == links

    def test_a_crashed_owners_lab_is_removed_by_the_next_up(self, fresh_lab):
        child = self._owner("os.kill(os.getpid(), signal.SIGKILL)")
        crashed = child.communicate(timeout=30)[0].strip()
        assert child.returncode == -signal.SIGKILL
        assert leftovers(crashed)
        survivor = fresh_lab()
        assert leftovers(crashed) == [] and processes_naming(crashed) == []
        assert leftovers(survivor.id)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda item: item.name)
    def test_a_signal_to_the_owner_removes_its_lab(self, number):
        child = self._owner("time.sleep(60)")
        lab_id = child.stdout.readline().strip()
        assert leftovers(lab_id)
        child.send_signal(number)
        child.communicate(timeout=30)
        assert child.returncode != 0
        assert leftovers(lab_id) == []

    def test_an_exception_in_the_owner_removes_its_lab(self):
        child = self._owner("raise RuntimeError('on purpose')")
        output = child.communicate(timeout=30)
        assert child.returncode == 1 and "on purpose" in output[1]
        assert leftovers(output[0].strip()) == []

    def test_a_lab_that_is_given_away_outlives_its_maker(self, fresh_lab):
        child = self._owner("lab.keep()")
        lab_id = child.communicate(timeout=30)[0].strip()
        try:
            assert child.returncode == 0
            fresh_lab()
            assert fetch(Lab(lab_id), "pod", f"https://{API.name}/", PROXY) == (200, 200)
        finally:
            Lab(lab_id).down()
        assert leftovers(lab_id) == []

    def test_orphaned_namespaces_go_and_foreign_ones_stay(self, fresh_lab):
        orphan, foreign = "egress-0rphan-pod", "egress-foreign"
        for name in (orphan, foreign):
            process.run(["ip", "netns", "add", name])
        try:
            fresh_lab()
            left = os.listdir("/run/netns")
            assert orphan not in left and foreign in left
        finally:
            process.run(["ip", "netns", "delete", foreign])

    def test_a_failing_up_says_why_and_leaves_nothing(self, monkeypatch):
        monkeypatch.setattr("egress_lab.proxies._SQUID_TIMEOUTS", {"recommended": "no_such_directive"})
        monkeypatch.setattr("egress_lab.sites.PORTS", (80, 443))
        with pytest.raises(LabError, match="no_such_directive|podproxy|vm") as raised:
            Lab.up("failing")
        assert "cache.log" in str(raised.value) or "output.log" in str(raised.value)
        assert leftovers("failing") == []

    @staticmethod
    def _owner(then):
        script = OWNER.format(folder=str(LAB), then=then)
        return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)


class TestCommandLine:
    def test_a_whole_life(self):
        made = cli("up", "--id", "clilife", "--ports", "7", "--keep")
        try:
            assert (made.returncode, made.stdout) == (0, "clilife\n")
            again = cli("up", "--id", "clilife", "--keep")
            assert again.returncode == 2 and "exists already" in again.stderr
            done = cli("exec", "--id", "clilife", "pod", "hostname", "-I")
            assert done.stdout.split() == [sites.ADDRESSES["pod"]]
            assert cli("break", "--id", "clilife", "vm", "stop").returncode == 0
            status = json.loads(cli("status", "--id", "clilife").stdout)
            assert status["broken"] == [{"part": "vm", "how": "stop"}] and not status["services"]["vm"]["running"]
            assert cli("mend", "--id", "clilife").returncode == 0
            assert json.loads(cli("truth", "--id", "clilife").stdout)[GIT_443]["size"] == 7
            bad = cli("break", "--id", "clilife", "vm", "melt")
            assert bad.returncode == 2 and "expected stop" in bad.stderr
        finally:
            gone = cli("down", "--id", "clilife")
        assert gone.returncode == 0 and leftovers("clilife") == []

    def test_a_lab_without_keep_belongs_to_the_calling_process(self):
        try:
            assert cli("up", "--id", "mine").returncode == 0
            assert identity.owner_pid("mine") == os.getpid()
        finally:
            assert cli("down", "--id", "mine").returncode == 0

    def test_without_a_shell_that_ends_a_lab_must_be_kept(self):
        # As the first process of a pid namespace of its own, and as one whose parent is outside of it.
        for words in (f"{LAB}/lab up --id orphan; true", f"exec {LAB}/lab up --id orphan"):
            done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", words], check=False,
                                  capture_output=True, text=True, timeout=60)
            assert "use --keep" in done.stderr and len(done.stderr.splitlines()) == 1
            assert leftovers("orphan") == []

    def test_a_process_that_is_gone_is_not_alive(self):
        child = subprocess.Popen(["true"])
        child.wait()
        assert process.start_time(child.pid) is None and not process.alive(child.pid, None)

    @pytest.mark.parametrize("words, expected", [
        (("up", "--id", "Bad-Id"), "1 to 8 of a-z and 0-9"),
        (("up", "--ports", "0"), "ports is 0: expected 1 to"),
        (("status", "--id", "nolab"), 'no lab "nolab"'),
    ])
    def test_bad_usage_says_what_is_expected(self, words, expected):
        done = cli(*words)
        assert done.returncode == 2 and expected in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_without_root_one_line_says_so(self):
        # A copy that another user can read, wherever the checkout lies.
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            copy = shutil.copytree(LAB, Path(folder) / "lab")
            done = subprocess.run([copy / "lab", "up"], user=65534, group=65534, extra_groups=[], cwd="/",
                                  capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 77 and done.stdout == ""
        assert len(done.stderr.splitlines()) == 1 and "root" in done.stderr


class TestLoad:
    def test_refuses_to_run_outside_a_lab(self):
        done = subprocess.run([sys.executable, "-m", "egress_lab.load", "hold", API.address, "443", "--count", "1"],
                              cwd=LAB, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1 and "no namespace of a lab" in done.stderr

    @pytest.mark.parametrize("words", [
        ("hold", "8.8.8.8", "443", "--count", "1"),
        ("hold", API.address, "443", "--count", "1000000"),
        ("hold", API.address, "443", "--count", "1", "--seconds", "86400"),
        ("short", API.address, "443", "--count", "20000", "--rate", "1"),
        ("hold", API.address, "443", "--count", "100", "--rate", "1", "--seconds", "10"),
    ], ids=" ".join)
    def test_refuses_what_is_foreign_or_unbounded(self, lab, words):
        loader = lab.load("vm", *words)
        assert loader.wait(10) == 2


    def test_holds_all_that_it_opens_little_by_little(self, lab):
        loader = lab.load("vm", "hold", API.address, 443, "--count", 6, "--rate", 4, "--seconds", 3)
        assert process.wait_until(lambda: 1 <= held(lab) <= 4, 2, pause=0.01)
        assert process.wait_until(lambda: held(lab) == 6, 3)
        assert json.loads(loader.communicate(timeout=10)[0])["connected"] == 6


class TestCollectd:
    def test_stock_plugins_are_scraped_and_it_ends_in_order(self, lab):
        with lab.collectd("vm", body="LoadPlugin load", interval=1) as daemon:
            metrics = daemon.wait_for(lambda found: found.names("collectd_load"), 15, "the load plugin")
            assert metrics.value("collectd_load_shortterm", instance="vm") >= 0
            assert metrics.value("collectd_load_shortterm", instance="pod") is None
        assert daemon.stop() == 0
        assert "Exiting normally" in daemon.log()

    def test_two_parts_have_one_each(self, lab):
        with lab.collectd("vm", body="LoadPlugin load", interval=1) as first, \
                lab.collectd("pod", body="LoadPlugin load", interval=1) as second:
            for daemon, part in ((first, "vm"), (second, "pod")):
                metrics = daemon.wait_for(lambda found: found.names("collectd_load"), 15, "the load plugin")
                assert set(metrics.by_label("collectd_load_shortterm", "instance")) == {part}

    def test_a_wrapper_and_an_environment_reach_the_daemon_alone(self, lab):
        with lab.collectd("pod", body="LoadPlugin load", interval=1, wrapper=["nice", "-n", "3"],
                          environment={"EGRESS_MARK": "seen"}) as daemon:
            daemon.wait_for(lambda found: found.names("collectd_load"), 15, "the load plugin")
            assert b"EGRESS_MARK=seen" in Path(f"/proc/{daemon.pid}/environ").read_bytes().split(b"\0")
            assert os.getpriority(os.PRIO_PROCESS, daemon.pid) == 3

    def test_a_daemon_that_ends_is_reported_with_its_log(self, lab):
        daemon = lab.collectd("pod", body="LoadPlugin no_such_plugin", interval=1)
        with pytest.raises(LabError, match="no_such_plugin"):
            daemon.wait_for(lambda found: True, 15, "anything")
        assert daemon.stop() == 1
