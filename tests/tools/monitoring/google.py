# SPDX-License-Identifier: MIT
"""A metric of Google's, as a time series filter and in PromQL.

The names in PromQL follow Google's page "PromQL for Cloud Monitoring metrics": the first '/' becomes ':', every other
character that PromQL does not take becomes '_'; `monitored_resource` chooses among several."""

import re

_ALIGNERS = {"gauge": "ALIGN_MEAN", "delta": "ALIGN_RATE", "bool": "ALIGN_COUNT_TRUE"}
_REDUCERS = {"max": "REDUCE_MAX", "sum": "REDUCE_SUM", "mean": "REDUCE_MEAN"}
_OPERATORS = {"max": "max", "sum": "sum", "mean": "avg"}
_IDENTITIES = {"gce_instance": "instance_id", "nat_gateway": "gateway_name"}


def time_series_filter(metric):
    """TimeSeriesFilter of the Dashboard API."""
    parts = [f'metric.type="{metric.metric}"', f'resource.type="{metric.resource}"']
    parts += [metric.where] if metric.where else []
    aggregation = {"alignmentPeriod": "60s", "perSeriesAligner": _ALIGNERS[metric.kind],
                   "crossSeriesReducer": _REDUCERS[metric.over], "groupByFields": _group_by(metric)}
    return {"filter": " ".join(parts), "aggregation": aggregation}


def promql(metric):
    """The same figure for a data source that speaks PromQL to Cloud Monitoring."""
    domain, _, path = metric.metric.partition("/")
    name = ":".join(re.sub(r"[^a-zA-Z0-9_]", "_", part) for part in (domain, path))
    where = metric.where.replace("metric.labels.", "")
    matchers = ",".join([f'monitored_resource="{metric.resource}"'] + ([where] if where else []))
    series = f"{name}{{{matchers}}}"
    if metric.kind == "delta":
        series = f"rate({series}[5m])"
    return f"{_OPERATORS[metric.over]} by ({', '.join((_IDENTITIES[metric.resource], *metric.labels))}) ({series})"


def _group_by(metric):
    return [f"resource.label.{_IDENTITIES[metric.resource]}"] + [f"metric.label.{label}" for label in metric.labels]


def legend(metric):
    """As Grafana writes it."""
    return " ".join([metric.legend] + [f"{{{{{label}}}}}" for label in metric.labels])
