# SPDX-License-Identifier: MIT
"""Field names and enumerations of the Google APIs that etc/cloud-monitoring is written for, and a check against them.

Source: the REST references of projects.dashboards (Cloud Monitoring API v1), projects.alertPolicies and
projects.uptimeCheckConfigs (v3), https://cloud.google.com/monitoring/api/ref_v3/rest, and projects.metrics (Cloud
Logging API v2), https://cloud.google.com/logging/docs/reference/v2/rest; as of the discovery documents in Google Cloud
CLI 528. Messages that no file of ours uses have no line: they are named with None."""

import re

ENUMERATIONS = {
    "FilterType": ("RESOURCE_LABEL", "METRIC_LABEL", "USER_METADATA_LABEL", "SYSTEM_METADATA_LABEL", "GROUP",
        "VALUE_ONLY"),
    "ValueType": ("STRING", "STRING_ARRAY"),
    "PlotType": ("LINE", "STACKED_AREA", "STACKED_BAR", "HEATMAP"),
    "TargetAxis": ("Y1", "Y2"),
    "CrossSeriesReducer": ("REDUCE_NONE", "REDUCE_MEAN", "REDUCE_MIN", "REDUCE_MAX", "REDUCE_SUM", "REDUCE_STDDEV",
        "REDUCE_COUNT", "REDUCE_COUNT_TRUE", "REDUCE_COUNT_FALSE", "REDUCE_FRACTION_TRUE", "REDUCE_PERCENTILE_99",
        "REDUCE_PERCENTILE_95", "REDUCE_PERCENTILE_50", "REDUCE_PERCENTILE_05"),
    "PerSeriesAligner": ("ALIGN_NONE", "ALIGN_DELTA", "ALIGN_RATE", "ALIGN_INTERPOLATE", "ALIGN_NEXT_OLDER",
        "ALIGN_MIN", "ALIGN_MAX", "ALIGN_MEAN", "ALIGN_COUNT", "ALIGN_SUM", "ALIGN_STDDEV", "ALIGN_COUNT_TRUE",
        "ALIGN_COUNT_FALSE", "ALIGN_FRACTION_TRUE", "ALIGN_PERCENTILE_99", "ALIGN_PERCENTILE_95",
        "ALIGN_PERCENTILE_50", "ALIGN_PERCENTILE_05", "ALIGN_PERCENT_CHANGE"),
    "Color": ("YELLOW", "RED"),
    "ThresholdDirection": ("ABOVE", "BELOW"),
    "Scale": ("LINEAR", "LOG10"),
    "Mode": ("COLOR", "X_RAY", "STATS"),
    "SparkChartType": ("SPARK_LINE", "SPARK_BAR"),
    "Format": ("MARKDOWN", "RAW"),
    "Combiner": ("AND", "OR", "AND_WITH_MATCHING_RESOURCE"),
    "Severity": ("CRITICAL", "ERROR", "WARNING"),
    "Comparison": ("COMPARISON_GT", "COMPARISON_GE", "COMPARISON_LT", "COMPARISON_LE", "COMPARISON_EQ",
        "COMPARISON_NE"),
    "EvaluationMissingData": ("EVALUATION_MISSING_DATA_INACTIVE", "EVALUATION_MISSING_DATA_ACTIVE",
        "EVALUATION_MISSING_DATA_NO_OP"),
    "NotificationPrompts": ("OPENED", "CLOSED"),
    "CheckerType": ("STATIC_IP_CHECKERS", "VPC_CHECKERS"),
    "SelectedRegions": ("USA", "EUROPE", "SOUTH_AMERICA", "ASIA_PACIFIC", "USA_OREGON", "USA_IOWA", "USA_VIRGINIA"),
    "ContentType": ("URL_ENCODED", "USER_PROVIDED"),
    "RequestMethod": ("GET", "POST"),
    "StatusClass": ("STATUS_CLASS_1XX", "STATUS_CLASS_2XX", "STATUS_CLASS_3XX", "STATUS_CLASS_4XX",
        "STATUS_CLASS_5XX", "STATUS_CLASS_ANY"),
    "Version": ("V2", "V1"),
    "LaunchStage": ("UNIMPLEMENTED", "PRELAUNCH", "EARLY_ACCESS", "ALPHA", "BETA", "GA", "DEPRECATED"),
    "MetricKind": ("GAUGE", "DELTA", "CUMULATIVE"),
    "MetricDescriptorValueType": ("BOOL", "INT64", "DOUBLE", "STRING", "DISTRIBUTION", "MONEY"),
    "LabelDescriptorValueType": ("STRING", "BOOL", "INT64"),
}

MESSAGES = {
    "Dashboard": {"annotations": None, "columnLayout": None, "dashboardFilters": ["DashboardFilter"], "displayName":
        "string", "etag": "string", "gridLayout": None, "labels": "strings", "mosaicLayout": "MosaicLayout", "name":
        "string", "rowLayout": None},
    "DashboardFilter": {"filterType": "FilterType", "labelKey": "string", "stringArray": None, "stringArrayValue":
        None, "stringValue": "string", "templateVariable": "string", "timeSeriesQuery": "TimeSeriesQuery",
        "valueType": "ValueType"},
    "MosaicLayout": {"columns": "integer", "tiles": ["Tile"]},
    "Tile": {"height": "integer", "widget": "Widget", "width": "integer", "xPos": "integer", "yPos": "integer"},
    "Widget": {"alertChart": None, "blank": None, "collapsibleGroup": None, "errorReportingPanel": None, "id":
        "string", "incidentList": None, "logsPanel": "LogsPanel", "pieChart": None, "scorecard": "Scorecard",
        "sectionHeader": "SectionHeader", "singleViewGroup": None, "text": "Text", "timeSeriesTable": None, "title":
        "string", "visibilityCondition": None, "xyChart": "XyChart"},
    "XyChart": {"chartOptions": "ChartOptions", "dataSets": ["DataSet"], "thresholds": ["Threshold"],
        "timeshiftDuration": "string", "xAxis": "Axis", "y2Axis": "Axis", "yAxis": "Axis"},
    "DataSet": {"breakdowns": None, "dimensions": None, "legendTemplate": "string", "measures": None,
        "minAlignmentPeriod": "string", "plotType": "PlotType", "sort": None, "targetAxis": "TargetAxis",
        "timeSeriesQuery": "TimeSeriesQuery"},
    "TimeSeriesQuery": {"opsAnalyticsQuery": None, "outputFullDuration": "boolean", "prometheusQuery": "string",
        "timeSeriesFilter": "TimeSeriesFilter", "timeSeriesFilterRatio": None, "timeSeriesQueryLanguage": "string",
        "unitOverride": "string"},
    "TimeSeriesFilter": {"aggregation": "Aggregation", "filter": "string", "pickTimeSeriesFilter": None,
        "secondaryAggregation": "Aggregation", "statisticalTimeSeriesFilter": None},
    "Aggregation": {"alignmentPeriod": "string", "crossSeriesReducer": "CrossSeriesReducer", "groupByFields":
        ["string"], "perSeriesAligner": "PerSeriesAligner"},
    "Threshold": {"color": "Color", "direction": "ThresholdDirection", "label": "string", "targetAxis": "TargetAxis",
        "value": "number"},
    "Axis": {"label": "string", "scale": "Scale"},
    "ChartOptions": {"displayHorizontal": "boolean", "mode": "Mode"},
    "Scorecard": {"blankView": None, "breakdowns": None, "dimensions": None, "gaugeView": "GaugeView", "measures":
        None, "sparkChartView": "SparkChartView", "thresholds": ["Threshold"], "timeSeriesQuery": "TimeSeriesQuery"},
    "GaugeView": {"lowerBound": "number", "upperBound": "number"},
    "SparkChartView": {"minAlignmentPeriod": "string", "sparkChartType": "SparkChartType"},
    "SectionHeader": {"dividerBelow": "boolean", "subtitle": "string"},
    "LogsPanel": {"filter": "string", "resourceNames": ["string"]},
    "Text": {"content": "string", "format": "Format", "style": None},
    "AlertPolicy": {"alertStrategy": "AlertStrategy", "combiner": "Combiner", "conditions": ["Condition"],
        "creationRecord": None, "displayName": "string", "documentation": "Documentation", "enabled": "boolean",
        "mutationRecord": None, "name": "string", "notificationChannels": ["string"], "severity": "Severity",
        "userLabels": "strings", "validity": None},
    "Condition": {"conditionAbsent": "MetricAbsence", "conditionMatchedLog": None, "conditionMonitoringQueryLanguage":
        None, "conditionPrometheusQueryLanguage": "PrometheusQueryLanguageCondition", "conditionSql": None,
        "conditionThreshold": "MetricThreshold", "displayName": "string", "name": "string"},
    "PrometheusQueryLanguageCondition": {"alertRule": "string", "disableMetricValidation": "boolean", "duration":
        "string", "evaluationInterval": "string", "labels": "strings", "query": "string", "ruleGroup": "string"},
    "MetricThreshold": {"aggregations": ["Aggregation"], "comparison": "Comparison", "denominatorAggregations":
        ["Aggregation"], "denominatorFilter": "string", "duration": "string", "evaluationMissingData":
        "EvaluationMissingData", "filter": "string", "forecastOptions": None, "thresholdValue": "number", "trigger":
        "Trigger"},
    "MetricAbsence": {"aggregations": ["Aggregation"], "duration": "string", "filter": "string", "trigger":
        "Trigger"},
    "Trigger": {"count": "integer", "percent": "number"},
    "Documentation": {"content": "string", "links": ["Link"], "mimeType": "string", "subject": "string"},
    "Link": {"displayName": "string", "url": "string"},
    "AlertStrategy": {"autoClose": "string", "notificationChannelStrategy": None, "notificationPrompts":
        ["NotificationPrompts"], "notificationRateLimit": None},
    "UptimeCheckConfig": {"checkerType": "CheckerType", "contentMatchers": None, "displayName": "string", "httpCheck":
        "HttpCheck", "internalCheckers": None, "isInternal": "boolean", "monitoredResource": "MonitoredResource",
        "name": "string", "period": "string", "resourceGroup": None, "selectedRegions": ["SelectedRegions"],
        "syntheticMonitor": None, "tcpCheck": None, "timeout": "string", "userLabels": "strings"},
    "MonitoredResource": {"labels": "strings", "type": "string"},
    "HttpCheck": {"acceptedResponseStatusCodes": ["ResponseStatusCode"], "authInfo": None, "body": "string",
        "contentType": "ContentType", "customContentType": "string", "headers": "strings", "maskHeaders": "boolean",
        "path": "string", "pingConfig": None, "port": "integer", "requestMethod": "RequestMethod",
        "serviceAgentAuthentication": None, "useSsl": "boolean", "validateSsl": "boolean"},
    "ResponseStatusCode": {"statusClass": "StatusClass", "statusValue": "integer"},
    "LogMetric": {"bucketName": "string", "bucketOptions": None, "createTime": "string", "description": "string",
        "disabled": "boolean", "filter": "string", "labelExtractors": "strings", "metricDescriptor":
        "MetricDescriptor", "name": "string", "resourceName": "string", "updateTime": "string", "valueExtractor":
        "string", "version": "Version"},
    "MetricDescriptor": {"description": "string", "displayName": "string", "labels": ["LabelDescriptor"],
        "launchStage": "LaunchStage", "metadata": None, "metricKind": "MetricKind", "monitoredResourceTypes":
        ["string"], "name": "string", "type": "string", "unit": "string", "valueType": "MetricDescriptorValueType"},
    "LabelDescriptor": {"description": "string", "key": "string", "valueType": "LabelDescriptorValueType"},
}

_WIDGETS = ("logsPanel", "scorecard", "sectionHeader", "text", "xyChart")
_QUERIES = ("prometheusQuery", "timeSeriesFilter", "timeSeriesQueryLanguage")
_CONDITIONS = ("conditionAbsent", "conditionPrometheusQueryLanguage", "conditionThreshold")
# Fields that hold a google.protobuf.Duration.
_DURATIONS = {"alignmentPeriod", "duration", "evaluationInterval", "autoClose", "period", "timeout",
              "minAlignmentPeriod"}
_DURATION = re.compile(r"\d+(\.\d{1,9})?s")
_KINDS = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}


def complaints(message, value, where=None):
    """What the API would not take, one line each: {path}: {what is wrong}."""
    where = where or message
    if not isinstance(value, dict):
        return [f"{where}: expected an object, found {value!r}"]
    fields = MESSAGES[message]
    found = [f"{where}: {message} has no field {name!r}" for name in value if name not in fields]
    for name, kind in fields.items():
        if name in value:
            found += _field(kind, name, value[name], f"{where}.{name}")
    return found + [f"{where}: {line}" for line in _rules(message, value, found)]


def _field(kind, name, value, where):
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{where}: expected a list, found {value!r}"]
        return [line for index, item in enumerate(value) for line in _field(kind[0], name, item, f"{where}[{index}]")]
    if kind is None:
        return [f"{where}: the table above says nothing of its message; write it there"]
    if kind in MESSAGES:
        return complaints(kind, value, where)
    if kind in ENUMERATIONS:
        return [] if value in ENUMERATIONS[kind] else [f"{where}: {value!r} is none of {', '.join(ENUMERATIONS[kind])}"]
    if kind == "strings":
        good = isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
        return [] if good else [f"{where}: expected strings by name, found {value!r}"]
    # bool is an int in Python, not in JSON.
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return [f"{where}: expected a {kind}, found {value!r}"]
    if name in _DURATIONS and not _DURATION.fullmatch(value):
        return [f"{where}: {value!r} is no duration such as 60s"]
    return []


def _rules(message, value, found):
    rule = _RULES.get(message)
    try:
        return list(rule(value)) if rule else []
    except (AttributeError, TypeError):
        # A rule takes the types for right; that they are not has been said.
        if not found:
            raise
        return []


def _one_of(value, names):
    given = [name for name in names if name in value]
    if len(given) != 1:
        yield f"expected one of {', '.join(names)}; found {', '.join(given) or 'none'}"


def _seconds(text):
    return float(text.rstrip("s")) if isinstance(text, str) and _DURATION.fullmatch(text) else 0.0


def _whole_minutes(value, name, least):
    seconds = _seconds(value.get(name, "0s"))
    if seconds % 60 or seconds < least:
        yield f"{name} is {value.get(name)!r}: expected whole minutes, {least} s or more"


def _dashboard(value):
    yield from _one_of(value, ("columnLayout", "gridLayout", "mosaicLayout", "rowLayout"))
    if not value.get("displayName"):
        yield "no displayName"


def _mosaic(value):
    columns, taken = value.get("columns", 0), {}
    if not 1 <= columns <= 48:
        yield f"columns is {columns}: expected 1 to 48"
    for index, tile in enumerate(value.get("tiles", [])):
        left, top, width, height = (tile.get(name, 0) for name in ("xPos", "yPos", "width", "height"))
        if min(left, top) < 0 or min(width, height) < 1 or left + width > columns:
            yield f"tile {index} does not stay within the {columns} columns"
        for cell in ((x, y) for x in range(left, left + width) for y in range(top, top + height)):
            if taken.setdefault(cell, index) != index:
                yield f"tiles {taken[cell]} and {index} overlap"
                break


def _chart(value):
    # "Color is not allowed in a XyChart", and of the direction the same.
    if any({"color", "direction"} & set(limit) for limit in value.get("thresholds", [])):
        yield "a threshold of an xyChart has neither color nor direction"
    if not value.get("dataSets"):
        yield "no dataSets"


def _scorecard(value):
    yield from _one_of(value, ("blankView", "gaugeView", "sparkChartView"))
    if "timeSeriesQuery" not in value:
        yield "no timeSeriesQuery"
    if any(not {"color", "direction", "value"} <= set(limit) for limit in value.get("thresholds", [])):
        yield "a threshold of a scorecard needs value, color and direction"


def _condition(value):
    yield from _one_of(value, _CONDITIONS)
    if not value.get("displayName"):
        yield "no displayName"


def _policy(value):
    for name in ("displayName", "combiner", "conditions"):
        if not value.get(name):
            yield f"no {name}"
    if len(value.get("conditions", [])) > 6:
        yield "more than 6 conditions"


def _promql_condition(value):
    if not value.get("query"):
        yield "no query"
    interval = _seconds(value.get("evaluationInterval", "30s"))
    if interval < 30 or interval % 30:
        yield "evaluationInterval: expected a multiple of 30 s"
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", value.get("alertRule", "x")):
        yield "alertRule is no valid label name"


def _threshold(value):
    yield from _whole_minutes(value, "duration", 0)
    yield from _metric_filter(value)
    if not {"comparison", "thresholdValue"} <= set(value):
        yield "needs comparison and thresholdValue"
    # "Currently, only COMPARISON_LT and COMPARISON_GT are supported."
    if value.get("comparison") not in ("COMPARISON_GT", "COMPARISON_LT"):
        yield "comparison: expected COMPARISON_GT or COMPARISON_LT"


def _absence(value):
    yield from _whole_minutes(value, "duration", 120)
    yield from _metric_filter(value)


def _metric_filter(value):
    text = value.get("filter", "")
    if not re.search(r'metric\.type ?= ?"', text) or not re.search(r'resource\.type ?= ?"', text):
        yield "filter: expected one metric.type and one resource.type"
    for one in value.get("aggregations", []):
        if _seconds(one.get("alignmentPeriod", "0s")) < 60:
            yield "alignmentPeriod: expected 60 s or more"


def _documentation(value):
    if len(value.get("content", "")) > 8192 or len(value.get("content", "").encode()) > 10240:
        yield "content is longer than the API takes"
    if len(value.get("subject", "").encode()) > 255:
        yield "subject is longer than the API takes"
    if value.get("mimeType", "text/markdown") != "text/markdown":
        yield "mimeType: only text/markdown is known"


def _uptime(value):
    yield from _one_of(value, ("httpCheck", "tcpCheck"))
    if value.get("period") not in ("60s", "300s", "600s", "900s"):
        yield "period: expected 60s, 300s, 600s or 900s"
    if not 1 <= _seconds(value.get("timeout", "60s")) <= 60:
        yield "timeout: expected 1 to 60 s"
    if 0 < len(value.get("selectedRegions", [])) < 3:
        yield "selectedRegions: expected 3 or more, or none for all"


def _log_metric(value):
    labels = {label.get("key") for label in value.get("metricDescriptor", {}).get("labels", [])}
    if labels != set(value.get("labelExtractors", {})):
        yield "labelExtractors and the labels of metricDescriptor name different labels"
    for extractor in value.get("labelExtractors", {}).values():
        if not re.fullmatch(r"(REGEXP_)?EXTRACT\(.+\)", extractor):
            yield f"{extractor!r}: expected EXTRACT(field) or REGEXP_EXTRACT(field, expression)"
    if not value.get("name") or not value.get("filter"):
        yield "needs name and filter"


_RULES = {
    "Dashboard": _dashboard, "MosaicLayout": _mosaic, "XyChart": _chart, "Scorecard": _scorecard,
    "Widget": lambda value: _one_of(value, _WIDGETS), "TimeSeriesQuery": lambda value: _one_of(value, _QUERIES),
    "AlertPolicy": _policy, "Condition": _condition, "PrometheusQueryLanguageCondition": _promql_condition,
    "MetricThreshold": _threshold, "MetricAbsence": _absence, "Documentation": _documentation,
    "UptimeCheckConfig": _uptime, "LogMetric": _log_metric,
}
