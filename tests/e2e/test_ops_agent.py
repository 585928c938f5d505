# SPDX-License-Identifier: MIT
"""etc/ops-agent/config.yaml keeps the Ops Agent's rules, and a file that does not is found out."""

import copy
from pathlib import Path

import ops_agent
import pytest
import yaml

CONFIG = yaml.safe_load((Path(__file__).resolve().parents[2] / "etc" / "ops-agent" / "config.yaml")
                        .read_text(encoding="utf-8"))
JOB = ("metrics", "receivers", "egress", "config", "scrape_configs", 0)


def changed(path, value):
    """The shipped configuration with the field at `path` set, or appended to a list where the last step is `+`."""
    made = copy.deepcopy(CONFIG)
    inner = made
    for step in path[:-1]:
        inner = inner[step]
    if path[-1] == "+":
        inner.append(value)
    else:
        inner[path[-1]] = value
    return made


def test_the_shipped_file_keeps_the_rules():
    assert ops_agent.complaints(CONFIG) == []


BROKEN = [
    ((*JOB, "scrape_interval"), "5s", "scrape_interval 5s is raised to 10s"),
    ((*JOB, "honor_labels"), True, "honor_labels is refused"),
    ((*JOB, "gce_sd_configs"), [{"project": "p", "zone": "z"}], "gce_sd_configs: static_configs only"),
    ((*JOB, "no_such_field"), 1, "unknown field no_such_field"),
    ((*JOB, "metric_relabel_configs", "+"), {"target_label": "__name__", "replacement": "x"}, "renames a metric"),
    ((*JOB, "metric_relabel_configs", "+"), {"target_label": "location", "replacement": "x"}, "makes location"),
    ((*JOB, "metric_relabel_configs", "+"), {"target_label": "cluster", "replacement": "x"}, "makes cluster"),
    ((*JOB, "relabel_configs"), [{"target_label": "namespace", "replacement": "x"}], "makes namespace"),
    ((*JOB, "metric_relabel_configs", "+"), {"target_label": "type", "replacement": ""}, "an empty replacement"),
    ((*JOB[:4], "remote_write"), [{"url": "http://127.0.0.1/"}], "remote_write is refused"),
    ((*JOB[:4], "rule_files"), ["rules.yml"], "rule_files is refused"),
    ((*JOB[:4], "alerting"), {"alertmanagers": []}, "alerting is refused"),
    ((*JOB[:4], "global"), {"scrape_interval": "30s"}, "unknown field global"),
    (JOB[:5], [], "no scrape_configs"),
    (("metrics", "receivers", "lib:egress"), {"type": "hostmetrics"}, "not a name of one's own"),
    (("metrics", "receivers", "spare"), {"type": "hostmetrics"}, "spare: in no pipeline"),
    (("metrics", "receivers", "egress", "type"), "collectd", "unknown type collectd"),
    (("metrics", "service", "pipelines", "egress", "receivers"), ["egres"], "there is no egres among the receivers"),
    (("logging", "processors", "squid_parts", "regexp"), "x", "unknown field regexp"),
    (("logging", "processors", "squid_parts", "type"), "parse_squid", "unknown type parse_squid"),
    (("logging", "processors", "notification_parts"), {"type": "parse_json", "time_key": "t"}, "go together"),
    (("logging", "receivers", "squid_access"), {"type": "files"}, "include_paths is missing"),
    (("logging", "processors", "squid_fields", "fields", "request.url"), {"static_value": "x"}, "no field of a log entry"),
    (("logging", "processors", "squid_fields", "fields", "severity"), {"move": "x"}, "unknown change move"),
    (("logging", "processors", "notification_fields", "fields", "severity", "map_values", "x"), "BAD", "no severity"),
    (("traces",), {}, "unknown section traces"),
]


@pytest.mark.parametrize("path, value, words", BROKEN, ids=[row[2] for row in BROKEN])
def test_a_broken_file_is_found_out(path, value, words):
    found = ops_agent.complaints(changed(path, value))
    assert any(words in line for line in found), found
