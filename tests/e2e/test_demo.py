# SPDX-License-Identifier: MIT
"""The demo: what it draws from a scrape, that a promise can be broken, and a run of the whole."""

import io
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import builds
import pytest
from remains import labs_of, leftovers, processes_naming, processes_with

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "demo"))

from egress_demo import acts, view  # noqa: E402
from egress_demo.reading import Reading  # noqa: E402
from egress_demo.stage import BrokenPromise, Stage  # noqa: E402
from egress_demo.terminal import Terminal, cut  # noqa: E402
from egress_lab import process  # noqa: E402
from egress_lab.prometheus import Metrics  # noqa: E402

API_443 = "198.51.100.10:443"
TRUTH = {API_443: {"name": "api.example.com", "held": 62, "size": 64, "dropped": 7},
         "198.51.100.20:443": {"name": "git.example.net", "held": 3, "size": 64, "dropped": 0}}
POD = """# TYPE collectd_egress_probe_up gauge
collectd_egress_probe_up{egress_probe="prod:api",instance="pod"} 0 1700000000000
collectd_egress_probe_up{egress_probe="prod:git",instance="pod"} 1 1700000000000
collectd_egress_probe_up{egress_probe="prod:pay",instance="pod"} 1 1700000000000
collectd_egress_probe_hop_up{egress_probe="prod:git",type="pod-proxy",instance="pod"} 1 1700000000000
collectd_egress_probe_hop_up{egress_probe="prod:api",type="gce-proxy",instance="pod"} 0 1700000000000
collectd_egress_probe_response_time{egress_probe="prod:git",type="transfer",instance="pod"} 0.001 1700000000000
collectd_egress_probe_response_time{egress_probe="prod:git",type="dns",instance="pod"} 0.001 1700000000000
collectd_egress_probe_response_time{egress_probe="prod:git",type="tunnel-pod-proxy",instance="pod"} 0.006 1700000000000
collectd_egress_probe_response_time{egress_probe="prod:git",type="connect",instance="pod"} 0.002 1700000000000
collectd_egress_probe_latency{egress_probe="prod:git",type="total",instance="pod"} 0.01 1700000000000
collectd_egress_probe_fault{egress_probe="prod",type="gce-proxy",instance="pod"} 1 1700000000000
collectd_egress_probe_fault{egress_probe="prod",type="egress",instance="pod"} 0 1700000000000
"""
VM = f"""collectd_egress_nat_ports_used{{egress_nat="nat:tcp",instance="vm"}} 63 1700000000000
collectd_egress_nat_ports_allocated{{egress_nat="nat:tcp",instance="vm"}} 64 1700000000000
collectd_egress_nat_percent{{egress_nat="nat:tcp",type="limit",instance="vm"}} 98.4375 1700000000000
collectd_egress_nat_destination_ports{{egress_nat="nat:tcp",type="git",instance="vm"}} 3 1700000000000
collectd_egress_nat_destination_ports{{egress_nat="nat:tcp",type="{API_443}",instance="vm"}} 63 1700000000000
collectd_egress_netlink_tcp_connections{{egress_netlink="internet",type="SYN_SENT",instance="vm"}} 2 1700000000000
collectd_egress_netlink_tcp_connections{{egress_netlink="internet",type="CLOSING",instance="vm"}} 0 1700000000000
"""
FOUND = Reading(Metrics(POD), Metrics(VM), TRUTH)
PLAIN = Terminal(io.StringIO())


class TestDrawing:
    def test_the_path_names_the_part_that_is_blamed(self):
        names, states = view.path(PLAIN, FOUND)[1:3]
        at = {name: names.index(name) for name in ("proxy Pod", "proxy VM", "Cloud NAT", "Internet")}
        assert list(at.values()) == sorted(at.values())
        assert states.split() == ["probing", "ok", "BROKEN", "not", "reached", "2", "of", "3", "up"]
        assert "gce-proxy=1 egress=0" in view.path(PLAIN, FOUND)[-1]

    def test_the_waterfall_is_in_order_and_adds_up(self):
        lines = view.waterfall(PLAIN, FOUND, "prod", "git")
        assert "10.0 ms" in lines[1]
        assert [line.split()[0] for line in lines[2:]] == ["dns", "connect", "tunnel-pod-proxy", "transfer"]
        bars = [line.split("|")[1] for line in lines[2:]]
        assert [bar.count("#") for bar in bars] == [4, 8, 24, 4]
        assert [bar.index("#") for bar in bars] == [0, 4, 12, 36]

    def test_ports_stand_beside_the_nats_own(self):
        lines = view.ports(PLAIN, FOUND)
        busiest, second, summary = lines[2:]
        assert busiest.split()[0] == "api.example.com:443" and busiest.split()[-1] == "62" and "63/64" in busiest
        assert second.split()[0] == "git" and second.split()[-1] == "3"
        assert "63 of 64 = 98 %" in summary and "62 held, 7 SYNs dropped" in summary
        assert "stalled connects ?" in summary, "what is unknown is not drawn as 0"

    def test_sockets_that_are_not_there_are_left_out(self):
        assert view.sockets(PLAIN, FOUND) == ["  the VM's own sockets toward the Internet: SYN_SENT 2"]

    def test_plain_text_unless_it_is_a_terminal(self):
        stream = io.StringIO()
        terminal = Terminal(stream)
        terminal.title("Act")
        terminal.lines(view.path(terminal, FOUND))
        terminal.status("climbing")
        assert stream.getvalue().isascii() and "\033" not in stream.getvalue()

    def test_colours_and_blocks_where_they_can_be_shown(self):
        terminal = Terminal(io.StringIO(), colour=True, blocks=True)
        assert "\033[1;31mBROKEN" in terminal.paint("BROKEN", "bad")
        assert terminal.bar(0.5, 4).count("█") == 2

    @pytest.mark.parametrize("columns", [80, 100, 200])
    def test_it_fits_the_terminal(self, monkeypatch, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
        stream = FakeTerminal()
        terminal = Terminal(stream)
        terminal.title("Act")
        terminal.prose("word " * 50)
        terminal.kept("word " * 50)
        for lines in (view.path(terminal, FOUND), view.waterfall(terminal, FOUND, "prod", "git"),
                      view.ports(terminal, FOUND), view.sockets(terminal, FOUND)):
            terminal.lines(lines)
        widths = [len(cut_colours(line)) for line in stream.getvalue().splitlines()]
        assert max(widths) == min(columns, 100)

    def test_a_live_line_is_cut_but_not_its_colours(self, monkeypatch):
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("TERM", "xterm")
        stream = FakeTerminal()
        terminal = Terminal(stream)
        terminal.status(terminal.paint("x" * 60, "bad") + terminal.paint("y" * 60, "good"))
        shown = stream.getvalue().removeprefix("\r\033[K")
        assert cut_colours(shown) == "x" * 60 + "y" * 19
        assert shown.startswith("\033[1;31mx") and shown.endswith("y\033[0m")
        assert cut("plain", 3) == "pla"

    def test_a_dumb_terminal_is_not_live(self, monkeypatch):
        monkeypatch.setenv("TERM", "dumb")
        stream = FakeTerminal()
        Terminal(stream).status("climbing")
        assert stream.getvalue() == "climbing\n"


class FakeTerminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def cut_colours(text):
    return re.sub("\033\\[[0-9;]*m", "", text)


class FakeCollectd:
    def __init__(self, text, running=True):
        self._text, self._running = text, running

    def running(self):
        return self._running

    def metrics(self):
        return Metrics(self._text)

    def log(self):
        return "[2026-01-01 00:00:00] [info] egress_probe: chain prod: fault at gce-proxy\nlast words\n"


class FakeLab:
    settings = {"ports": 64, "time_wait": 12}

    def __init__(self):
        self.did = []

    def truth(self):
        return TRUTH

    def break_(self, *fault):
        self.did.append(fault)

    def mend(self):
        self.did.append("mend")


def stage(pod=POD, vm=VM, running=True):
    output = io.StringIO()
    made = Stage(FakeLab(), Terminal(output), FakeCollectd(pod, running), FakeCollectd(vm))
    return made, output


class TestPromises:
    def test_a_kept_one_is_said(self):
        made, output = stage()
        found = made.promise("the ports agree", lambda seen: seen.agrees(2), 5)
        assert found.nat("ports_used") == 63
        assert "[kept] the ports agree" in output.getvalue()

    def test_one_that_is_not_kept_says_what_was_seen(self):
        made, output = stage()
        with pytest.raises(BrokenPromise, match=r"nobody is blamed.*'prod': \['gce-proxy'\].*holds 62"):
            made.promise("nobody is blamed", lambda seen: seen.blamed("prod") == [], 0.3)
        assert "[kept]" not in output.getvalue()

    def test_a_dead_collectd_breaks_it_at_once(self):
        made, _ = stage(running=False)
        with pytest.raises(BrokenPromise, match="(?s)pod has ended.*last words"):
            made.promise("anything", lambda seen: True, 5)

    def test_a_wrong_verdict_breaks_the_second_act(self, monkeypatch):
        monkeypatch.setattr(acts, "_VERDICT_SECONDS", 0.3)
        made, _ = stage(pod=POD.replace('type="gce-proxy",instance="pod"} 1', 'type="gce-proxy",instance="pod"} 0'))
        with pytest.raises(BrokenPromise, match="blames gce-proxy"):
            acts.broken_hop(made)
        assert made.lab.did == [("vm", "stop")]

    def test_two_that_are_blamed_break_it_too(self, monkeypatch):
        monkeypatch.setattr(acts, "_VERDICT_SECONDS", 0.3)
        made, _ = stage(pod=POD.replace('type="egress",instance="pod"} 0', 'type="egress",instance="pod"} 1'))
        with pytest.raises(BrokenPromise, match="no other part"):
            acts.broken_hop(made)


def demo(*words, module="egress_demo", **variables):
    path = f"{TESTS / 'lab'}:{TESTS / 'demo'}"
    environment = {**os.environ, "EGRESS_PLUGIN_DIR": str(builds.plain()), "PYTHONPATH": path,
                   "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.Popen(["/usr/bin/python3", "-m", module, *words], env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lab_in_its_first_act(child):
    """The id of the demo's lab, and what it has printed."""
    printed = [child.stdout.readline()]
    while "Act 1" not in printed[-1]:
        assert child.poll() is None, child.stderr.read()
        printed.append(child.stdout.readline())
    lab_id, = labs_of(child.pid)
    assert leftovers(lab_id) and processes_naming(lab_id)
    return lab_id, "".join(printed)


def nothing_is_left(lab_id):
    return leftovers(lab_id) == [] and processes_naming(lab_id) == []


class TestWhole:
    def test_three_acts_and_nothing_left(self):
        child = demo()
        lab_id, output = lab_in_its_first_act(child)
        more, complaints = child.communicate(timeout=180)
        output += more
        assert child.returncode == 0, output + complaints
        assert complaints == ""
        assert [line[3:8] for line in output.splitlines() if line.startswith("== Act")] == ["Act 1", "Act 2", "Act 3"]
        assert "gce-proxy=1" in output and "egress=1" in output and "64/64" in output
        assert nothing_is_left(lab_id)

    def test_kept_it_stays_and_says_how_to_look_and_to_remove(self):
        child = demo("--keep")
        output, complaints = child.communicate(timeout=180)
        said = next(line for line in output.splitlines() if line.startswith("The lab ") and "stays up" in line)
        lab_id = said.split()[2]
        lab = [str(TESTS / "lab" / "lab")]
        try:
            assert child.returncode == 0, output + complaints
            scrape = subprocess.run([*lab, "exec", "--id", lab_id, "vm", "curl", "-s", "http://127.0.0.1:9103/metrics"],
                                    capture_output=True, text=True, timeout=20, check=True)
            assert Metrics(scrape.stdout).value("collectd_egress_nat_ports_allocated", egress_nat="nat:tcp") == 64
            address, = set(re.findall(r"http://127\.0\.0\.1:\d+/(?=\s)", output))
            with urllib.request.urlopen(address, timeout=20) as answer:
                assert b"<title>Egress path</title>" in answer.read()
        finally:
            subprocess.run([*lab, "down", "--id", lab_id], check=True, timeout=60)
        assert nothing_is_left(lab_id)
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(address, timeout=5)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda item: item.name)
    def test_interrupted_it_leaves_nothing(self, number):
        child = demo()
        lab_id, _ = lab_in_its_first_act(child)
        child.send_signal(number)
        _, complaints = child.communicate(timeout=30)
        assert child.returncode == 128 + number and len(complaints.splitlines()) <= 1
        assert nothing_is_left(lab_id)

    def test_when_nobody_reads_on_it_ends_quietly(self):
        child = demo()
        lab_id, _ = lab_in_its_first_act(child)
        child.stdout.close()
        assert (child.wait(timeout=60), child.stderr.read()) == (128 + signal.SIGPIPE, "")
        assert nothing_is_left(lab_id)


class TestHost:
    def test_it_prints_what_both_plugins_say(self):
        child = demo(module="egress_demo.host")
        output, complaints = child.communicate(timeout=60)
        assert (child.returncode, complaints) == (0, "")
        assert "egress_netlink_tcp_connections" in output and "egress_nat_ports_used" in output

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda item: item.name)
    def test_interrupted_it_leaves_nothing(self, tmp_path, number):
        child = demo(module="egress_demo.host", TMPDIR=str(tmp_path))
        assert process.wait_until(lambda: processes_with(tmp_path), 20), child.stderr.read()
        child.send_signal(number)
        _, complaints = child.communicate(timeout=60)
        assert child.returncode == 128 + number and len(complaints.splitlines()) <= 1
        assert list(tmp_path.iterdir()) == [] and processes_with(tmp_path) == []
