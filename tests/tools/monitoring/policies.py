# SPDX-License-Identifier: MIT
"""The alerting rules of etc/prometheus as alert policies of Cloud Monitoring, and those that only Google can tell.

Cloud Monitoring keeps no recorded series: what a rule takes from a recording rule stands in the policy itself."""

import re

import yaml

_SEVERITIES = {"critical": "CRITICAL", "warning": "WARNING"}
_SECONDS = {"s": 1, "m": 60, "h": 3600}
# A recorded series has a point each evaluation; a subquery is told how far apart its points are.
_SUBQUERY_STEP = "5m"
_RUNBOOKS = "/usr/share/collectd-egress/runbooks"
# Said by Google's own metrics, or in another way than Prometheus does.
_OTHERWISE = {"EgressNatDropsFlows", "EgressMetricsMissing"}
_PRESENT = {"egress_probe": "collectd_egress_probe_up", "egress_nat": "collectd_egress_nat_coverage",
            "egress_netlink": 'collectd_egress_netlink_tcp_connections{egress_netlink="all"}'}


def render(rules_folder):
    """{name: AlertPolicy object}"""
    groups = _groups(rules_folder / "egress-alerts.yml")
    recorded = _recorded(_groups(rules_folder / "egress-recording.yml"))
    rules = [(group["name"], rule) for group in groups for rule in group["rules"] if "alert" in rule]
    made = {rule["alert"]: _from_rule(group, rule, recorded) for group, rule in rules
            if rule["alert"] not in _OTHERWISE}
    severities = {rule["alert"]: _SEVERITIES[rule["labels"]["severity"]] for _, rule in rules}
    own = (_drops(severities["EgressNatDropsFlows"]), _missing(severities["EgressMetricsMissing"]), _allocation(),
           _uptime())
    return made | {policy["displayName"]: policy for policy in own}


def in_full(promql, recorded):
    """The expression with each recorded series replaced by what it is recorded from."""
    for name, expression in recorded.items():
        promql = re.sub(re.escape(name) + r"\[(\w+)\]",
                        lambda found, text=expression: f"({text})[{found[1]}:{_SUBQUERY_STEP}]", promql)
        promql = promql.replace(name, f"({expression})")
    return promql


def _groups(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]


def _recorded(groups):
    return {rule["record"]: _one_line(rule["expr"]) for group in groups for rule in group["rules"]
            if "record" in rule and "labels" not in rule}


def _one_line(text):
    return " ".join(text.split())


def _seconds(text):
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([smh])", text))


def _policy(name, severity, said, conditions):
    return {"displayName": name, "severity": severity, "combiner": "OR", "userLabels": {"suite": "collectd-egress"},
            "documentation": {"mimeType": "text/markdown", "subject": said,
                              "content": f"{said}.\n\nWhat it means and what to do: `{_RUNBOOKS}/{name}.md`"},
            "conditions": conditions, "alertStrategy": {"autoClose": "1800s"}}


def _from_rule(group, rule, recorded):
    said = re.sub(r"\{\{ *\$labels\.(\w+) *\}\}", r"${metric_or_resource.label.\1}", rule["annotations"]["summary"])
    condition = _promql(rule["alert"], group, in_full(_one_line(rule["expr"]), recorded),
                        _seconds(rule.get("for", "0s")), rule["labels"]["plugin"])
    return _policy(rule["alert"], _SEVERITIES[rule["labels"]["severity"]], said, [condition])


def _promql(name, group, query, seconds, plugin, title=None):
    return {"displayName": title or name, "conditionPrometheusQueryLanguage": {
        "query": query, "duration": f"{seconds}s", "evaluationInterval": "30s", "labels": {"plugin": plugin},
        "alertRule": name, "ruleGroup": group,
        # The policy may be made before the first value has come.
        "disableMetricValidation": True}}


def _missing(severity):
    conditions = [_promql("EgressMetricsMissing", "egress-host",
                          f"group by (host) (max_over_time({series}[1d])) unless on (host) group by (host) ({series})",
                          300, plugin, f"{plugin} has ended") for plugin, series in sorted(_PRESENT.items())]
    return _policy("EgressMetricsMissing", severity, "${metric_or_resource.label.host} says nothing any more",
                   conditions)


def _threshold(title, metric, resource, aggregation, limit, seconds):
    return {"displayName": title, "conditionThreshold": {
        "filter": f'metric.type="{metric}" AND resource.type="{resource}"',
        "aggregations": [{"alignmentPeriod": "60s", **aggregation}], "comparison": "COMPARISON_GT",
        "thresholdValue": limit, "duration": f"{seconds}s", "trigger": {"count": 1}}}


def _drops(severity):
    return _policy("EgressNatDropsFlows", severity, "Cloud NAT drops packets of ${resource.label.instance_id}", [
        _threshold("dropped packets", "compute.googleapis.com/nat/dropped_sent_packets_count", "gce_instance",
                   {"perSeriesAligner": "ALIGN_RATE", "crossSeriesReducer": "REDUCE_SUM",
                    "groupByFields": ["resource.label.instance_id", "metric.label.reason"]}, 0.0, 0)])


def _allocation():
    return _policy("EgressNatAllocationFailed", "CRITICAL",
                   "${resource.label.gateway_name} has too few addresses to give every VM its ports", [
                       _threshold("allocation failed", "router.googleapis.com/nat/nat_allocation_failed",
                                  "nat_gateway", {"perSeriesAligner": "ALIGN_COUNT_TRUE"}, 0.0, 60)])


def _uptime():
    return _policy("EgressUptimeFailing", "WARNING", "${resource.label.host} does not answer Google's uptime check", [
        _threshold("seen from two regions or more", "monitoring.googleapis.com/uptime_check/check_passed", "uptime_url",
                   {"perSeriesAligner": "ALIGN_NEXT_OLDER", "crossSeriesReducer": "REDUCE_COUNT_FALSE",
                    "groupByFields": ["resource.label.host"]}, 1.0, 120)])
