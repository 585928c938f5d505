# SPDX-License-Identifier: MIT
"""The page as a dashboard of Cloud Monitoring (projects.dashboards of its API)."""

import re

from . import google
from .shape import COLUMNS, VARIABLES, Google, Row, placed, with_variables

# Names of their own, so that no legend's ${chain} is taken for a variable.
PREFIX = "egress_"
_UNITS = {"short": "1", "percent": "%", "s": "s", "1/s": "1/s", "By/s": "By/s"}
_PLOTS = {"line": "LINE", "area": "STACKED_AREA", "state": "STACKED_AREA"}


def render(title, rows):
    """The Dashboard object."""
    filters = [{"filterType": "METRIC_LABEL", "labelKey": label, "templateVariable": PREFIX + name,
                "valueType": "STRING"} for name, label in VARIABLES.items()]
    return {"displayName": title, "labels": {"collectd-egress": ""}, "dashboardFilters": filters,
            "mosaicLayout": {"columns": COLUMNS, "tiles": [_tile(*where) for where in placed(rows)]}}


def _tile(item, left, top, width, height):
    widget = _header(item) if isinstance(item, Row) else _widget(item)
    return {"xPos": left, "yPos": top, "width": width, "height": height, "widget": widget}


def _header(row):
    return {"title": row.title, "sectionHeader": {"subtitle": row.subtitle, "dividerBelow": False}}


def _widget(panel):
    if panel.kind == "logs":
        return {"title": panel.title, "logsPanel": {"filter": panel.about}}
    if panel.kind in ("stat", "gauge"):
        return {"title": panel.title, "scorecard": _scorecard(panel)}
    return {"title": panel.title, "xyChart": _chart(panel)}


def _scorecard(panel):
    view = {"gaugeView": {"lowerBound": 0.0, "upperBound": 100.0}} if panel.kind == "gauge" \
        else {"sparkChartView": {"sparkChartType": "SPARK_LINE"}}
    query, = panel.queries
    limits = [{"value": float(value), "color": color, "direction": direction}
              for value, color, direction in panel.thresholds]
    return {"timeSeriesQuery": _query(query, panel.unit), **view, "thresholds": limits}


def _chart(panel):
    # In a chart the API takes a threshold's value alone: colour and direction are a scorecard's.
    limits = [{"value": float(value), "targetAxis": "Y1"} for value, _, _ in panel.thresholds]
    return {"dataSets": [_data_set(panel, query) for query in panel.queries],
            "thresholds": limits if panel.kind != "state" else [],
            "yAxis": {"scale": "LINEAR"}, "chartOptions": {"mode": "COLOR"}}


def _data_set(panel, query):
    return {"timeSeriesQuery": _query(query, panel.unit), "plotType": _PLOTS[panel.kind], "targetAxis": "Y1",
            "legendTemplate": _legend(query)}


def _query(query, unit):
    if isinstance(query, Google):
        return {"timeSeriesFilter": google.time_series_filter(query), "unitOverride": _UNITS[unit]}
    promql = with_variables(query.promql, lambda name, _: f"${{{PREFIX}{name}}}")
    return {"prometheusQuery": promql, "unitOverride": _UNITS[unit]}


def _legend(query):
    if isinstance(query, Google):
        return " ".join([query.legend] + [f"${{metric.labels.{label}}}" for label in query.labels])
    return re.sub(r"\{\{(\w+)\}\}", r"${\1}", query.legend)
