# SPDX-License-Identifier: MIT
"""The shipped Alertmanager configuration in a real Alertmanager: who is told, together with what, and what is not."""

import re
import subprocess
from pathlib import Path

import alert_rules
import pytest
import yaml
from alertmanager import Alertmanager

FOLDER = Path(__file__).resolve().parents[2] / "etc" / "prometheus"
PATH = FOLDER / "alertmanager.yml"
# What the values of each alert bring along.
LABELS = {"egress_nat": {"gateway": "nat", "proto": "tcp"}, "egress_probe": {"chain": "prod"}, "egress_netlink": {}}
OF_A_TARGET = ("EgressProbeFailing", "EgressHttp4xxRising", "EgressHttp5xxRising", "EgressLatencyBurnFast",
               "EgressLatencyBurnSlow", "EgressCertificateExpiring")


def configuration():
    return yaml.safe_load(PATH.read_text(encoding="utf-8"))


def rules():
    return {rule["alert"]: rule for rule in alert_rules.rules("egress-alerts.yml")}


def alert(name, host="vm-1", **labels):
    """An alert as the rules make it."""
    plugin = labels.pop("plugin", rules()[name]["labels"]["plugin"])
    target = {"target": "github"} if name in OF_A_TARGET else {}
    hop = rules()[name]["labels"].get("hop", "")
    hop = {"hop": "gce-proxy" if "{" in hop else hop} if hop else {}
    return {"alertname": name, "severity": rules()[name]["labels"]["severity"], "plugin": plugin, "host": host,
            **LABELS[plugin], **target, **hop, **labels}


def amtool(*words):
    return subprocess.run(["amtool", *map(str, words)], capture_output=True, text=True, check=False)


def test_amtool_finds_nothing():
    done = amtool("check-config", PATH)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(configuration()['inhibit_rules'])} inhibit rules" in done.stdout, done.stdout


def test_amtool_would_find_something(tmp_path):
    wrong = tmp_path / "alertmanager.yml"
    wrong.write_text(PATH.read_text(encoding="utf-8").replace("receiver: egress-critical", "receiver: nobody", 1),
                     encoding="utf-8")
    assert amtool("check-config", wrong).returncode != 0


def test_every_alert_that_is_named_exists():
    text = PATH.read_text(encoding="utf-8")
    names = set()
    for value in re.findall(r'alertname!?=~?"([^"]+)"', text):
        found = {name for name in rules() if re.fullmatch(value, name)}
        assert found, value
        for word in re.split(r"[|](?![^(]*\))", value):
            assert any(re.fullmatch(word, name) for name in rules()), word
        names |= found
    assert "EgressFaultHop" in names


def test_every_label_that_is_compared_is_one_of_the_alerts():
    known = {label for name in rules() for label in alert(name, plugin="egress_nat")} | {"chain", "target"}
    found = configuration()
    assert {label for rule in found["inhibit_rules"] for label in rule["equal"]} <= known
    assert set(found["route"]["group_by"]) <= known


@pytest.mark.parametrize("name", sorted(rules()))
def test_who_is_told(name):
    severity = rules()[name]["labels"]["severity"]
    done = amtool("config", "routes", "test", f"--config.file={PATH}", f"--verify.receivers=egress-{severity}",
                  f"alertname={name}", f"severity={severity}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(name="manager")
def manager_fixture(tmp_path):
    running = Alertmanager(tmp_path, configuration())
    yield running
    running.close()


# (what is the case, what of it is said, what is not).
INHIBITIONS = [
    ("a dead hop",
     [alert("EgressFaultHop", "pod-1"), alert("EgressProbeFailing", "pod-1", chain="other"),
      alert("EgressProbeFailing", "pod-2"), alert("EgressCertificateExpiring", "pod-1")],
     [alert("EgressProbeFailing", "pod-1"), alert("EgressProbeFailing", "pod-1", target="stripe"),
      alert("EgressLatencyBurnFast", "pod-1"), alert("EgressLatencyBurnSlow", "pod-1"),
      alert("EgressFaultUnknown", "pod-3")]),
    ("a dead target, which silences nothing that is critical",
     [alert("EgressFaultTarget", "pod-1"), alert("EgressLatencyBurnFast", "pod-1")],
     [alert("EgressProbeFailing", "pod-1"), alert("EgressHttp5xxRising", "pod-1"),
      alert("EgressLatencyBurnSlow", "pod-1")]),
    ("ports used up",
     [alert("EgressNatPortsCritical"), alert("EgressNatPortsHigh", "vm-2"), alert("EgressNatPortsHigh", proto="udp"),
      alert("EgressNatPortsHigh", gateway="other"), alert("EgressFaultEgress")],
     [alert("EgressNatPortsHigh"), alert("EgressNatExhaustionSoon"), alert("EgressConnectsStalled"),
      alert("EgressNatDropsFlows"), alert("EgressRetransmissions", egress_netlink="internet")]),
    ("a full conntrack table",
     [alert("EgressConntrackDrops"), alert("EgressConntrackNearlyFull", "vm-2"),
      alert("EgressAcceptQueueFull", egress_netlink="listen:3128")],
     [alert("EgressConntrackNearlyFull")]),
    ("a host that is missing, and on another one a plugin",
     [alert("EgressMetricsMissing", plugin="egress_nat"), alert("EgressMetricsMissing", plugin="egress_netlink"),
      alert("EgressMetricsMissing", "vm-2", plugin="egress_nat"), alert("EgressConntrackDrops", "vm-2")],
     [alert("EgressNatPortsCritical"), alert("EgressConntrackDrops"), alert("EgressNatExhaustionSoon", "vm-2")]),
]


def frozen(alerts):
    return {frozenset(labels.items()) for labels in alerts}


@pytest.mark.parametrize("said, unsaid", [each[1:] for each in INHIBITIONS], ids=[each[0] for each in INHIBITIONS])
def test_what_is_implied_is_not_said(manager, said, unsaid):
    manager.send(said + unsaid)
    expected = {**dict.fromkeys(frozen(said), "active"), **dict.fromkeys(frozen(unsaid), "suppressed")}
    manager.wait_for(lambda: manager.states() == expected, "the states")

    def told():
        return {frozenset(each["labels"].items()) for _, message in manager.webhook.notifications
                for each in message["alerts"]}
    manager.wait_for(lambda: frozen(said) <= told(), "the messages")
    assert told() == frozen(said)

    # What was silenced speaks when its silencer has ended. (A second one may silence it still.)
    sources = [each for each in said if each["alertname"] != "EgressCertificateExpiring"]
    manager.end(sources)
    manager.wait_for(lambda: frozen(unsaid) & told(), "a message of what was implied")


def test_one_cause_is_one_message(manager):
    probers = [alert("EgressFaultHop", f"pod-{number}") for number in range(5)]
    elsewhere = [alert("EgressFaultHop", "pod-1", hop="pod-proxy", chain="other")]
    warning = [alert("EgressNatPortsHigh", "vm-7"), alert("EgressNatPortsHigh", "vm-8")]
    manager.send(probers + elsewhere + warning)
    manager.wait_for(lambda: len(manager.webhook.notifications) >= 3, "three messages")
    seen = sorted(((path, message["groupLabels"].get("hop"), frozen(each["labels"] for each in message["alerts"]))
                   for path, message in manager.webhook.notifications), key=str)
    assert seen == sorted([("/egress/critical", "gce-proxy", frozen(probers)),
                           ("/egress/critical", "pod-proxy", frozen(elsewhere)),
                           ("/egress/warning", "egress", frozen(warning))], key=str)
    assert {message["status"] for _, message in manager.webhook.notifications} == {"firing"}
    manager.end(warning)
    manager.wait_for(lambda: any(message["status"] == "resolved" for _, message in manager.webhook.notifications),
                     "the message that it is over")
