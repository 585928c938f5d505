# SPDX-License-Identifier: MIT
"""What the Ops Agent takes as its configuration, as far as etc/ops-agent/config.yaml uses it.

Sources: Google's pages "Configure the Ops Agent" [C] and "Collect Prometheus metrics" [P],

    C  https://cloud.google.com/stackdriver/docs/solutions/agents/ops-agent/configuration
    P  https://cloud.google.com/stackdriver/docs/solutions/agents/ops-agent/prometheus

and, where those are silent, what the agent itself does: confgenerator/prometheus.go (validatePrometheus), and for logs
confgenerator/logging_processors.go and logging_modify_fields.go, of github.com/GoogleCloudPlatform/ops-agent [G]."""

import re

# By section and type: the fields that a receiver or processor may have, and those it must have [C].
RECEIVERS = {
    "metrics": {
        "hostmetrics": ({"type", "collection_interval"}, {"type"}),
        "prometheus": ({"type", "config"}, {"type", "config"}),
    },
    "logging": {
        "files": ({"type", "include_paths", "exclude_paths", "record_log_file_path", "wildcard_refresh_interval"},
                  {"type", "include_paths"}),
    },
}
PROCESSORS = {
    "metrics": {"exclude_metrics": ({"type", "metrics_pattern"}, {"type", "metrics_pattern"})},
    "logging": {
        "parse_regex": ({"type", "field", "time_key", "time_format", "regex"}, {"type", "regex"}),
        "parse_json": ({"type", "field", "time_key", "time_format"}, {"type"}),
        "modify_fields": ({"type", "fields"}, {"type", "fields"}),
    },
}
# What modify_fields may do to a field, and which fields of a LogEntry there are [C].
FIELD_CHANGES = {"move_from", "copy_from", "static_value", "default_value", "type", "omit_if", "map_values",
                 "map_values_exclusive"}
FIELD_TYPES = {"integer", "float"}
ENTRY_FIELDS = re.compile(r'(jsonPayload|labels)\.["\w.@-]+|severity|trace|spanId|httpRequest\.(' + "|".join((
    "requestMethod", "requestUrl", "requestSize", "status", "responseSize", "userAgent", "remoteIp", "serverIp",
    "referer", "cacheLookup", "cacheHit", "cacheValidatedWithOriginServer", "cacheFillBytes", "protocol")) + ")")
# https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSeverity
SEVERITIES = {"DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}
# Parts of a Prometheus configuration that the receiver refuses [G].
REFUSED_PARTS = ("remote_write", "remote_read", "rule_files", "alerting")
# No relabelling may make these: they are the resource's [P], [G]. A metric cannot be renamed either.
RESOURCE_LABELS = {"location", "namespace", "cluster"}
TARGET_DISCOVERIES = re.compile(r"\w+_sd_configs")
SCRAPE_FIELDS = {"job_name", "scrape_interval", "honor_timestamps", "honor_labels", "static_configs",
                 "metric_relabel_configs", "relabel_configs", "metrics_path", "scheme", "scrape_timeout"}
# Under it the agent takes 10 s in silence [P], [G].
SHORTEST_INTERVAL = 10
_UNITS = {"s": 1, "m": 60, "h": 3600}
# An identifier with this prefix belongs to the agent [C].
_ID = re.compile(r"(?!lib:)[A-Za-z_][\w./-]*")


def complaints(configuration):
    """One line for each rule that a configuration breaks; [] for a good one."""
    found = [f"unknown section {name}" for name in configuration if name not in RECEIVERS]
    for section in RECEIVERS:
        found += [f"{section}: {text}" for text in _section(section, configuration.get(section, {}))]
    return found


def _section(section, content):
    yield from (f"unknown field {name}" for name in content if name not in ("receivers", "processors", "service"))
    for kind, types in (("receivers", RECEIVERS[section]), ("processors", PROCESSORS[section])):
        for name, component in content.get(kind, {}).items():
            yield from (f"{kind} {name}: {text}" for text in _component(name, component, types))
    yield from _pipelines(content)


def _component(name, component, types):
    if not _ID.fullmatch(name):
        yield "not a name of one's own"
    if component.get("type") not in types:
        yield f"unknown type {component.get('type')}"
        return
    allowed, needed = types[component["type"]]
    yield from (f"unknown field {field}" for field in component if field not in allowed)
    yield from (f"{field} is missing" for field in needed if field not in component)
    if ("time_key" in component) != ("time_format" in component):
        yield "time_key and time_format go together"
    if component["type"] == "prometheus":
        yield from _prometheus(component["config"])
    if component["type"] == "modify_fields":
        yield from (f"{field}: {text}" for field, changes in component["fields"].items()
                    for text in _field_changes(field, changes))


def _field_changes(field, changes):
    named = [field, *(changes[key] for key in ("move_from", "copy_from") if key in changes)]
    yield from (f"{name} is no field of a log entry" for name in named if not ENTRY_FIELDS.fullmatch(name))
    yield from (f"unknown change {key}" for key in changes if key not in FIELD_CHANGES)
    if sum(key in changes for key in ("move_from", "copy_from", "static_value")) > 1:
        yield "one source at most"
    if changes.get("type", "integer") not in FIELD_TYPES:
        yield f"unknown type {changes['type']}"
    if field == "severity":
        yield from (f"{value} is no severity" for value in changes.get("map_values", {}).values()
                    if value not in SEVERITIES)


def _pipelines(content):
    used = set()
    for name, pipeline in content.get("service", {}).get("pipelines", {}).items():
        for kind in pipeline:
            if kind not in ("receivers", "processors"):
                yield f"pipeline {name}: unknown field {kind}"
                continue
            for each in pipeline[kind]:
                used.add((kind, each))
                if each not in content.get(kind, {}):
                    yield f"pipeline {name}: there is no {each} among the {kind}"
    for kind in ("receivers", "processors"):
        yield from (f"{kind} {each}: in no pipeline" for each in content.get(kind, {}) if (kind, each) not in used)


def _prometheus(config):
    yield from (f"{part} is refused" for part in REFUSED_PARTS if part in config)
    yield from (f"unknown field {part}" for part in config if part not in ("scrape_configs", *REFUSED_PARTS))
    if not config.get("scrape_configs"):
        yield "no scrape_configs"
    for job in config.get("scrape_configs", []):
        yield from _job(job)


def _job(job):
    for field in job:
        if TARGET_DISCOVERIES.fullmatch(field):
            yield f"{field}: static_configs only"
        elif field not in SCRAPE_FIELDS:
            yield f"unknown field {field}"
    if _seconds(job.get("scrape_interval", "1m")) < SHORTEST_INTERVAL:
        yield f"scrape_interval {job['scrape_interval']} is raised to {SHORTEST_INTERVAL}s"
    if job.get("honor_labels"):
        yield "honor_labels is refused"
    for which in ("relabel_configs", "metric_relabel_configs"):
        for rule in job.get(which, []):
            yield from (f"{which}: {text}" for text in _relabelling(which, rule))


def _relabelling(which, rule):
    target = rule.get("target_label")
    if target in RESOURCE_LABELS:
        yield f"makes {target}"
    if which == "metric_relabel_configs" and target == "__name__":
        yield "renames a metric"
    # The agent prints what it has read and reads it again: an empty field is left out, and so the default [G].
    if rule.get("replacement") == "":
        yield "an empty replacement becomes $1"


def _seconds(duration):
    number, unit = re.fullmatch(r"(\d+)([smh])", duration).groups()
    return int(number) * _UNITS[unit]
