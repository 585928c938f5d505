# SPDX-License-Identifier: MIT
"""The log lines that real programs write in the lab are those that the Ops Agent's parsers and the queries expect."""

import contextlib
import re
import subprocess
import time
from pathlib import Path

import agent_logs
import builds
import pytest
import yaml
from egress_lab import collectd as lab_collectd
from egress_lab import netns, process, sites

ETC = Path(__file__).resolve().parents[2] / "etc"
LOGGING = yaml.safe_load((ETC / "ops-agent" / "config.yaml").read_text(encoding="utf-8"))["logging"]
README = (ETC / "logs" / "README.md").read_text(encoding="utf-8")
SECONDS = 60
API = sites.by_name("api")


def read(receiver, line):
    return agent_logs.read_line(LOGGING, receiver, line)


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def wait_lines(path, condition, what):
    """All lines of a file, once condition(lines) holds."""
    assert process.wait_until(lambda: condition(lines_of(path)), SECONDS, pause=0.1), f"{what}:\n{lines_of(path)[-20:]}"
    return lines_of(path)


def shipped(name, old, new):
    """A file of etc/ with its log folder moved into the lab."""
    text = (ETC / name).read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, str(new))


# --- Squid ---------------------------------------------------------------------------------------------------------

@pytest.fixture(name="squid_lines", scope="module")
def squid_lines_fixture(_shared_lab):
    """{kind of request: its line in the VM's access.log}."""
    log = _shared_lab.directory / "vm" / "access.log"
    found = {}

    def ask(kind, *curl):
        before = len(lines_of(log))
        _shared_lab.exec("pod", ["curl", "--silent", "--max-time", "15", "--proxy", "http://10.128.0.2:3128", *curl])
        found[kind] = wait_lines(log, lambda lines: len(lines) > before, kind)[-1]

    ask("plain", f"http://{API.name}/a%20path?q=1")
    ask("tunnel", "--cacert", _shared_lab.ca, f"https://{API.name}/")
    ask("denied", f"http://{API.name}:8080/")
    ask("nowhere", "http://no-such-name.example.com/")
    ask("user", "--proxy-user", "probe:x", f"http://{API.name}/")
    ask("malformed", "--request-target", "/no/absolute", f"http://{API.name}/")
    _shared_lab.break_("inet", "refuse:api.example.com")
    ask("refused", f"http://{API.name}/")
    _shared_lab.reset()
    return found


SQUID = [
    # Squid leaves out what follows the question mark.
    ("plain", {"status": 200, "requestMethod": "GET", "requestUrl": f"http://{API.name}/a%20path?",
               "remoteIp": "10.0.1.2", "serverIp": API.address}),
    ("tunnel", {"status": 200, "requestMethod": "CONNECT", "requestUrl": f"{API.name}:443"}),
    ("denied", {"status": 403, "requestMethod": "GET", "serverIp": "-"}),
    ("nowhere", {"status": 502, "serverIp": "-"}),
    ("user", {"status": 200}),
    ("malformed", {"status": 400}),
    ("refused", {"status": 502, "serverIp": API.address}),
]


@pytest.mark.parametrize("kind, request_fields", SQUID, ids=[row[0] for row in SQUID])
def test_squids_lines_are_taken_apart(squid_lines, kind, request_fields):
    entry = read("squid_access", squid_lines[kind])
    assert request_fields.items() <= entry["httpRequest"].items(), squid_lines[kind]
    assert isinstance(entry["jsonPayload"]["elapsed_ms"], int) and entry["httpRequest"]["responseSize"] >= 0
    assert abs(entry["time"] - time.time()) < 600
    assert {"result", "user", "hierarchy", "server", "content_type"} <= set(entry["jsonPayload"])


def test_all_lines_of_both_squids_are_taken_apart(_shared_lab, squid_lines):
    for part in ("vm", "podproxy"):
        for line in lines_of(_shared_lab.directory / part / "access.log"):
            assert read("squid_access", line)["httpRequest"]["status"] >= 0
    assert len(squid_lines) == len(SQUID)


def test_the_proxy_pods_query_finds_what_failed(squid_lines):
    (pattern,) = re.findall(r'textPayload=~"(\^.*)"$', README, re.M)
    found = {kind for kind, line in squid_lines.items() if re.search(pattern, line)}
    assert found == {"denied", "nowhere", "refused"}


# --- The VM's own log of connections ----------------------------------------------------------------------------------

@contextlib.contextmanager
def ulogd(lab, folder):
    """ulogd2 with the shipped configuration, and the shipped rules, in the VM."""
    folder.mkdir()
    configuration = folder / "ulogd.conf"
    configuration.write_text(shipped("logs/ulogd.conf", "/var/log/ulog", folder), encoding="utf-8")
    lab.exec("vm", ["nft", "-f", str(ETC / "logs" / "egress-log.nft")], check=True)
    child = lab.popen("vm", ["ulogd", "--configfile", str(configuration)], stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL)
    try:
        wait_lines(folder / "ulogd.log", lambda lines: any("building new pluginstance" in line for line in lines), "ulogd")
        yield folder / "egress.log"
    finally:
        child.terminate()
        child.wait()
        lab.exec("vm", ["nft", "delete table inet egress_log"], check=True)


def connections(path, prefix):
    entries = [read("egress_connections", line) for line in lines_of(path)]
    return [entry for entry in entries if entry["jsonPayload"]["oob.prefix"] == prefix]


def test_connections_that_the_nat_drops_are_logged(lab, tmp_path):
    """80 connections through 64 ports: each is logged, and those without a port again."""
    with ulogd(lab, tmp_path / "ulog") as log:
        load = lab.load("vm", "hold", API.address, 443, "--count", 80, "--seconds", 30)
        wait_lines(log, lambda _: len(connections(log, "egress-new")) >= 80
                   and len(connections(log, "egress-again")) >= 10, "connections, and SYNs sent again")
        load.terminate()
        load.wait()
        new, again = connections(log, "egress-new"), connections(log, "egress-again")
        assert lab.truth()[f"{API.address}:443"]["dropped"] > 0
    opened = {entry["jsonPayload"]["src_port"] for entry in new}
    assert {entry["jsonPayload"]["src_port"] for entry in again} < opened
    for entry in new + again:
        payload = entry["jsonPayload"]
        assert (payload["src_ip"], payload["dest_ip"], payload["dest_port"]) == ("10.128.0.2", API.address, 443)
        assert abs(entry["time"] - time.time()) < 600


def test_what_does_not_take_the_nat_is_not_logged(lab, tmp_path):
    with ulogd(lab, tmp_path / "ulog") as log:
        for address in ("10.0.53.53", "169.254.169.254", API.address):
            with contextlib.suppress(OSError):
                netns.connect_in(lab.id, "vm", address, 80, 5).close()
        wait_lines(log, lambda lines: lines, "the one toward the Internet")
        assert {entry["jsonPayload"]["dest_ip"] for entry in connections(log, "egress-new")} == {API.address}
        assert not connections(log, "egress-again")


# --- collectd's notifications ---------------------------------------------------------------------------------------

@pytest.fixture(name="notified")
def notified_fixture(lab, start_collectd):
    """A collectd in the VM with the shipped notifications.conf and thresholds.conf: (it, the file of notifications)."""
    folder = lab_collectd.folder_of(lab.id, "vm")
    path = folder / "notifications.json"
    path.unlink(missing_ok=True)
    stock = 'PluginDir "/usr/lib/collectd"\n'
    notifications = shipped("collectd/notifications.conf", "/var/log/collectd-egress", folder)
    body = (lab_collectd.stanzas(lab.id, "vm", lab.settings) + stock + notifications
            + (ETC / "collectd" / "thresholds.conf").read_text(encoding="utf-8"))
    return start_collectd(lab, "vm", body=body, interval=1), path


def entries_about(path, **fields):
    """The entries whose payload has these fields."""
    entries = [read("egress_notifications", line) for line in lines_of(path)]
    return [entry for entry in entries if fields.items() <= entry["jsonPayload"].items()]


def wait_entry(path, severity, **fields):
    found = []

    def there(_):
        found[:] = [entry for entry in entries_about(path, **fields) if entry["severity"] == severity]
        return found
    wait_lines(path, there, f"{severity} {fields}")
    return found[0]


def test_a_verdict_is_one_line(lab, notified):
    collectd, path = notified
    collectd.wait_for(lambda metrics: metrics.value("collectd_egress_probe_up", egress_probe="vm:api") == 1, SECONDS,
                      "a good probe")
    lab.break_("vm", "stop")
    verdict = {"plugin": "egress_probe", "plugin_instance": "vm", "type": "fault"}
    entry = wait_entry(path, "ERROR", **verdict)
    payload = entry["jsonPayload"]
    assert payload["host"] == "vm" and payload["severity"] == "failure"
    assert payload["message"].startswith("vm: fault at gce-proxy (10.128.0.2:3128): ")
    assert abs(entry["time"] - time.time()) < 600
    # The threshold on `up` says it of each target.
    wait_entry(path, "ERROR", plugin="egress_probe", plugin_instance="vm:api", type="up")
    lab.mend()
    wait_entry(path, "NOTICE", **verdict)
    assert len([each for each in entries_about(path, **verdict) if each["severity"] == "ERROR"]) == 1


def test_a_threshold_is_raised_by_ports_that_run_out(lab, notified):
    collectd, path = notified
    collectd.wait_for(lambda metrics: metrics.value("collectd_egress_nat_ports_used", egress_nat="nat:tcp") is not None,
                      SECONDS, "ports_used")
    hold = lab.load("vm", "hold", API.address, 443, "--count", 80, "--seconds", 40)
    try:
        share = {"plugin": "egress_nat", "plugin_instance": "nat:tcp", "type": "percent", "type_instance": "limit"}
        entry = wait_entry(path, "ERROR", **share)
        assert "above the failure threshold of 90" in entry["jsonPayload"]["message"]
        wait_lines(path, lambda _: any(entry["severity"] != "NOTICE" for entry in
                                       entries_about(path, plugin="egress_nat", type="stalled_connects")), "stalled")
    finally:
        hold.terminate()
        hold.wait()
    lab.reset()
    wait_entry(path, "NOTICE", **share)


def test_an_error_of_collectds_own_is_one_too(lab, notified):
    """It has a level and no severity: the agent makes it an ERROR."""
    _, path = notified
    line = '{"message":"x","level":"error","@timestamp":"2026-11-23T05:43:07Z"}'
    assert read("egress_notifications", line)["severity"] == "ERROR"
    lines = wait_lines(path, lambda lines: any('"level":"error"' in each for each in lines), "collectd's own line")
    found = next(each for each in lines if '"level":"error"' in each)
    assert set(read("egress_notifications", found)["jsonPayload"]) == {"message", "level"}


def test_the_probing_pods_query_finds_its_verdict(lab, start_collectd):
    """What its collectd says on standard output, which is the container's log."""
    (words,) = re.findall(r'textPayload:"([^"]*)"$', README, re.M)
    text = (ETC / "collectd" / "probing-pod.conf").read_text(encoding="utf-8")
    begin, end = text.index("LoadPlugin logfile"), text.index("</Plugin>") + len("</Plugin>\n")
    body = lab_collectd.stanzas(lab.id, "pod", lab.settings)
    configuration = lab_collectd.configuration(lab.id, "pod", str(builds.plain()), 1, lab.settings, body)
    logfile = re.compile(r"LoadPlugin logfile\n<Plugin logfile>.*?</Plugin>\n", re.S)
    assert logfile.search(configuration)
    with lab_collectd.start(lab.id, "pod", logfile.sub(lambda _: text[begin:end], configuration)) as collectd:
        collectd.wait_for(lambda metrics: metrics.value("collectd_egress_probe_up", egress_probe="prod:api") == 1,
                          SECONDS, "a good probe")
        output = collectd.folder / "output.log"
        assert not [line for line in lines_of(output) if words in line]
        lab.break_("vm", "stop")
        found = wait_lines(output, lambda lines: [line for line in lines if words in line], words)
        assert any("prod: fault at gce-proxy" in line for line in found)


# --- The files among themselves -------------------------------------------------------------------------------------

@pytest.mark.parametrize("regex", [r"a|b", r"(?=a)", r"a*?", r"a++", r"\d+", r"[a&&b]", r"[[:alpha:]]", r"(?i)a", r"\Aa"])
def test_a_regular_expression_of_two_meanings_is_refused(regex):
    with pytest.raises(ValueError):
        agent_logs.common_regex(regex)


@pytest.mark.parametrize("receiver, line", [
    ("squid_access", "1700000000.123 nothing of Squid's"), ("egress_notifications", "[info] plain text"),
    ("egress_connections", '["a list"]')])
def test_other_lines_are_not_taken_apart(receiver, line):
    with pytest.raises(agent_logs.Unreadable):
        read(receiver, line)


def test_the_agent_reads_the_files_that_are_written():
    included = [path for receiver in LOGGING["receivers"].values() for path in receiver["include_paths"]]
    written = re.findall(r'[Ff]ile[= ]"(/var/log/[^"]*(?:json|egress\.log))"',
                         (ETC / "collectd" / "notifications.conf").read_text(encoding="utf-8")
                         + (ETC / "logs" / "ulogd.conf").read_text(encoding="utf-8"))
    assert len(written) == 2 and set(written) | {"/var/log/squid/access.log"} == set(included)


def test_the_queries_name_logs_that_there_are():
    """A log has the name of its receiver."""
    assert set(re.findall(r'log_id\("(\w+)"\)', README)) == set(LOGGING["receivers"])
