# SPDX-License-Identifier: MIT
"""The commands and queries of etc/logs/README.md, which cannot run here, use flags and fields that Google documents."""

import re
import shlex
from pathlib import Path

import pytest

LOGS = Path(__file__).resolve().parents[2] / "etc" / "logs"
README = (LOGS / "README.md").read_text(encoding="utf-8")
REFERENCE = "https://cloud.google.com/sdk/gcloud/reference/"
# By command: the flags that we may use, from its page under REFERENCE, and the values where the page lists them.
FLAGS = {
    "compute routers nats update": {"--router": None, "--region": None, "--enable-logging": None,
                                    "--log-filter": {"ALL", "ERRORS_ONLY", "TRANSLATIONS_ONLY"}},
    "compute networks subnets update": {
        "--region": None, "--enable-flow-logs": None, "--logging-flow-sampling": None, "--logging-filter-expr": None,
        "--logging-aggregation-interval": {f"interval-{each}" for each in
                                           ("5-sec", "30-sec", "1-min", "5-min", "10-min", "15-min")},
        "--logging-metadata": {"include-all", "exclude-all", "custom"}},
    "logging sinks create": {"--project": None, "--use-partitioned-tables": None, "--log-filter": None},
    "logging sinks describe": {"--project": None, "--format": None},
    "projects add-iam-policy-binding": {"--member": None, "--role": None},
}
# jsonPayload of the logs that Google writes.
FIELDS = {
    # https://cloud.google.com/nat/docs/monitoring
    "compute.googleapis.com/nat_flows": {"allocation_status", "connection.dest_ip", "connection.dest_port",
                                         "endpoint.vm_name"},
    # https://cloud.google.com/vpc/docs/about-flow-logs-records
    "compute.googleapis.com/vpc_flows": {"reporter", "connection.dest_port", "src_instance.vm_name",
                                         "dest_instance.vm_name", "dest_vpc.vpc_name"},
}
RESOURCES = {"compute.googleapis.com/nat_flows": "nat_gateway", "compute.googleapis.com/vpc_flows": "gce_subnetwork"}


def complaints(command):
    """What is wrong with one gcloud command line."""
    words = shlex.split(command)[1:]
    names = [name for name in FLAGS if words[:len(name.split())] == name.split()]
    if len(names) != 1:
        return [f"unknown command: {command}"]
    found = []
    for word in words:
        flag, _, value = word.partition("=")
        if flag.startswith("--"):
            allowed = FLAGS[names[0]]
            if flag not in allowed:
                found.append(f"unknown flag {flag}")
            elif allowed[flag] and value not in allowed[flag]:
                found.append(f"{flag} takes no {value}")
    return found


COMMANDS = re.findall(r"^    (gcloud .*)$", README, re.M)
QUERIES = re.findall(r"^    ((?:resource\.type|log_id).*)$", README, re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_documented_flags(command):
    assert complaints(command) == []


def test_all_commands_and_their_pages_are_there():
    used = {name for name in FLAGS for command in COMMANDS if command.startswith(f"gcloud {name} ")}
    assert used == set(FLAGS)
    for name in FLAGS:
        assert REFERENCE + name.replace(" ", "/") in README


@pytest.mark.parametrize("broken", [
    "gcloud compute routers nats update NAT --router=R --logging", "gcloud compute routers nats upgrade NAT",
    "gcloud compute routers nats update NAT --router=R --log-filter=DROPPED"])
def test_a_wrong_command_is_found_out(broken):
    assert complaints(broken)


@pytest.mark.parametrize("log", FIELDS)
def test_queries_of_googles_logs_use_their_fields(log):
    queries = [query for query in QUERIES if f'log_id("{log}")' in query]
    assert queries
    for query in queries:
        assert f'resource.type="{RESOURCES[log]}"' in query
        assert set(re.findall(r"jsonPayload\.([\w.]+)", query)) <= FIELDS[log]


def test_the_bigquery_query_uses_the_tables_fields():
    text = (LOGS / "dropped.sql").read_text(encoding="utf-8")
    log = "compute.googleapis.com/nat_flows"
    assert set(re.findall(r"jsonPayload\.([\w.]+)", text)) == FIELDS[log]
    # What is no letter, digit or underscore of a log's name is one in the table's.
    assert re.findall(r"`PROJECT\.egress_logs\.(\w+)`", text) == [re.sub(r"\W", "_", log)]
    assert "bq mk --dataset --location=EU PROJECT:egress_logs" in README
    assert re.search(r"^    bq query --use_legacy_sql=false < dropped\.sql$", README, re.M)
