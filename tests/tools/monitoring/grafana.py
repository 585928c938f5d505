# SPDX-License-Identifier: MIT
"""The page as a dashboard of Grafana, to be imported; any data source that speaks PromQL will do."""

from . import google
from .shape import VARIABLES, Google, Row, placed, with_variables

_SCHEMA_VERSION = 38
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_TYPES = {"stat": "stat", "gauge": "gauge", "state": "state-timeline", "line": "timeseries", "area": "timeseries",
          "logs": "text"}
_UNITS = {"short": "short", "percent": "percent", "s": "s", "1/s": "cps", "By/s": "Bps"}
_COLORS = {"YELLOW": "orange", "RED": "red"}
_SERIES_OF = {"chain": "collectd_egress_probe_up", "host": "{__name__=~\"collectd_egress_.+\"}",
              "gateway": "collectd_egress_nat_ports_used"}


def render(title, rows):
    """The dashboard's JSON model."""
    panels = [_panel(number, *where) for number, where in enumerate(placed(rows), start=1)]
    return {"title": title, "uid": "collectd-egress-path", "tags": ["collectd-egress"],
            "schemaVersion": _SCHEMA_VERSION, "editable": True, "graphTooltip": 1, "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"}, "timezone": "browser",
            "templating": {"list": [_source_variable()] + [_variable(name) for name in VARIABLES]},
            "annotations": {"list": []}, "panels": panels}


def _source_variable():
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "data source", "hide": 0,
            "refresh": 1, "current": {}, "options": []}


def _variable(name):
    query = f"label_values({_SERIES_OF[name]}, {VARIABLES[name]})"
    return {"name": name, "type": "query", "datasource": _SOURCE, "definition": query,
            "query": {"query": query, "refId": "variable"}, "refresh": 2, "includeAll": True, "allValue": ".*",
            "multi": True, "sort": 1, "hide": 0, "current": {"text": "All", "value": "$__all"}, "options": []}


def _panel(number, item, left, top, width, height):
    # 24 columns where Cloud Monitoring has 48; a header is one line.
    place = {"x": left // 2, "y": top // 2, "w": width // 2, "h": height // 2}
    if isinstance(item, Row):
        return {"id": number, "type": "row", "title": item.title, "collapsed": False, "panels": [],
                "gridPos": {**place, "h": 1}}
    made = {"id": number, "type": _TYPES[item.kind], "title": item.title, "gridPos": place}
    if item.kind == "logs":
        return {**made, "description": item.empty, "options": {"mode": "markdown", "content": _log_text(item)}}
    return {**made, "description": item.about, "datasource": _SOURCE, "options": _options(item),
            "targets": [_target(chr(ord("A") + index), query) for index, query in enumerate(item.queries)],
            "fieldConfig": {"defaults": _defaults(item), "overrides": []}}


def _log_text(panel):
    return f"In the Logs Explorer of Google Cloud:\n\n```\n{panel.about}\n```"


def _target(letter, query):
    if isinstance(query, Google):
        return {"refId": letter, "datasource": _SOURCE, "expr": google.promql(query),
                "legendFormat": google.legend(query), "range": True}
    promql = with_variables(query.promql, lambda name, label: f'{label}=~"${name}"')
    return {"refId": letter, "datasource": _SOURCE, "expr": promql, "legendFormat": query.legend, "range": True}


def _options(panel):
    if panel.kind in ("stat", "gauge"):
        return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                **({"graphMode": "area", "colorMode": "value"} if panel.kind == "stat" else {})}
    legend = {"showLegend": True, "displayMode": "list", "placement": "bottom"}
    if panel.kind == "state":
        return {"mergeValues": True, "showValue": "never", "rowHeight": 0.8, "legend": {**legend, "showLegend": False}}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}


def _defaults(panel):
    made = {"unit": _UNITS[panel.unit], "thresholds": {"mode": "absolute", "steps": _steps(panel.thresholds)},
            "color": {"mode": "palette-classic" if panel.kind in ("line", "area") else "thresholds"}}
    if panel.kind in ("gauge", "state") or panel.unit == "percent":
        made |= {"min": 0, "max": 1 if panel.kind == "state" else 100}
    if panel.empty:
        made["noValue"] = f"no data here: {panel.empty}"
    if panel.kind in ("line", "area"):
        made["custom"] = {"drawStyle": "line", "fillOpacity": 30 if panel.kind == "area" else 8, "lineWidth": 2,
                          "stacking": {"mode": "normal" if panel.kind == "area" else "none"},
                          "thresholdsStyle": {"mode": "line" if panel.thresholds else "off"}}
    return made


def _steps(thresholds):
    """Grafana's steps hold from a value upwards, the first one from nothing."""
    below = sorted((value, _COLORS[color]) for value, color, direction in thresholds if direction == "BELOW")
    above = sorted((value, _COLORS[color]) for value, color, direction in thresholds if direction == "ABOVE")
    if below:
        colors = [color for _, color in below] + ["green"]
        return [{"color": color, "value": value}
                for color, value in zip(colors, [None] + [value for value, _ in below])]
    return [{"color": "green", "value": None}] + [{"color": color, "value": value} for value, color in above]
