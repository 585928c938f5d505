# SPDX-License-Identifier: MIT
"""Every PromQL expression in the files that are shipped, and what is wrong with one."""

import json
import re

import dispatched
import promql
import yaml

# Grafana's and Cloud Monitoring's variables: a window, a whole matcher, or a value.
_WINDOW = re.compile(r"\$__(?:rate_interval|interval|range)|\$\{__(?:rate_interval|interval|range)\}")
_MATCHER = re.compile(r"(?<=[{,])\s*\$\{\w+\}")
_VALUE = re.compile(r"\$\{?\w+(?::\w+)?\}?")


def of_tree(source):
    """[(file and place, expression)] of all that is shipped below a folder."""
    files = {
        of_rules: ("etc/prometheus/rules/*.yml", "etc/kubernetes/*.yaml"),
        of_json: ("etc/grafana/*.json", "etc/cloud-monitoring/**/*.json"),
        of_page: ("tests/demo/egress_demo/page/*",),
        of_markdown: ("etc/runbooks/*.md", "etc/**/README.md", "README.md"),
    }
    return [(f"{path.relative_to(source)}: {each[0]}", each[1]) for read, patterns in files.items()
            for path in sorted({path for pattern in patterns for path in source.glob(pattern)})
            for each in read(path.read_text(encoding="utf-8"))]


def without_variables(text):
    text = _MATCHER.sub('host=~".*"', _WINDOW.sub("5m", text))
    return re.sub(r'"[^"]*"', lambda found: _VALUE.sub(".*", found[0]), text)


def of_rules(text):
    """Rules of Prometheus and of Managed Prometheus (one or more documents): (where, expression, the rule)."""
    for document in yaml.safe_load_all(text):
        for group in ((document or {}).get("spec") or document or {}).get("groups") or []:
            for rule in group["rules"]:
                yield rule.get("alert") or rule["record"], rule["expr"], rule
                for name, text in rule.get("annotations", {}).items():
                    yield from ((f"{rule['alert']}, {name}", found, {}) for found in of_template(text))


def of_template(text):
    """The queries that an annotation makes: `query (printf "..." VALUES)`, or `query "..."`."""
    for quoted in re.findall(r'\bquery \(?(?:printf )?("(?:[^"\\]|\\.)*"|`[^`]*`)', text):
        yield promql.unquote(quoted).replace("%q", '"x"')


def of_json(text):
    """Dashboards and policies: every value that is PromQL by its key."""
    def walk(part, path):
        if isinstance(part, list):
            for number, each in enumerate(part):
                yield from walk(each, f"{path}[{number}]")
        elif isinstance(part, dict):
            for key, each in part.items():
                if isinstance(each, str) and (key in ("expr", "prometheusQuery") or key == "query"
                                              and path.endswith("conditionPrometheusQueryLanguage")):
                    yield f"{path}.{key}", without_variables(each)
                elif isinstance(each, str) and "label_values(" in each:
                    yield from ((f"{path}.{key}", found) for found in label_values(each))
                elif isinstance(each, str) and "prometheus.googleapis.com/" in each:
                    yield from ((f"{path}.{key}", found)
                                for found in re.findall(r"prometheus\.googleapis\.com/(\w+)/\w+", each))
                else:
                    yield from walk(each, f"{path}.{key}")
    yield from walk(json.loads(text), "")


def label_values(text):
    """Grafana's own function: the label is one that the selector must have."""
    for selector, label in re.findall(r"label_values\((.+),\s*(\w+)\)", text):
        yield f"count by ({label}) ({without_variables(selector)})"


def of_markdown(text):
    for number, block in enumerate(re.findall(r"^```promql\n(.*?)^```", text, re.M | re.S), 1):
        yield f"query {number}", block


def of_page(text):
    """Console templates, pages and their scripts: every quoted text that names a metric."""
    for number, (quote, found) in enumerate(re.findall(r"""(["'`])((?:(?!\1)[^\n])*\bcollectd_\w(?:(?!\1)[^\n])*)\1""",
                                                       text), 1):
        yield f"{number}, in {quote}", without_variables(found)


def complaints(text, known):
    """What keeps an expression from ever giving anything: [sentence]. known: dispatched.catalogue()'s."""
    try:
        expression = promql.read(text)
    except promql.NotPromql as error:
        return [f"not understood: {error}"]
    found, labels = [], set(expression.made)
    for name, matchers in expression.selectors:
        names, others = _by_name(name, matchers, known)
        series = [each for metric in names for each in known[metric]]
        if not names:
            found.append(f"no metric {name or matchers}")
        else:
            found += _of_selector(name or "its metrics", others, series)
            labels |= {label for each in series for label in each}
    if not expression.selectors and "vector(" not in text and "time()" not in text:
        found.append("it selects nothing")
    return found + [f"no label {label} to group by" for label in sorted(expression.grouped - labels)]


def _by_name(name, matchers, known):
    """The metrics that a selector means, by its name or by matchers of __name__, and its other matchers."""
    chosen = [(operator, value) for label, operator, value in matchers if label == "__name__"]
    others = [matcher for matcher in matchers if matcher[0] != "__name__"]
    if name or not chosen:
        return [name] if name in known else [], others
    patterns = [value if operator == "=~" else re.escape(value) for operator, value in chosen if operator[0] == "="]
    return [metric for metric in known if patterns and all(re.fullmatch(each, metric) for each in patterns)], others


def _of_selector(name, matchers, series):
    labels = {label for each in series for label in each}
    missing = [f"{name} has no label {label}" for label, _, _ in matchers if label not in labels]
    if missing:
        return missing
    found = [f"{name}: {label} is never {word!r}" for label, operator, value in matchers
             for word in _words(operator, value)
             if not any(label in each and _possible(each[label], operator, word) for each in series)]
    if not found and not any(all(_allows(each.get(label), operator, value) for label, operator, value in matchers)
                             for each in series):
        found.append(f"{name}: no series has all of {matchers}")
    return found


def _words(operator, value):
    """The alternatives of a regular expression, each of which has to be possible; else the value."""
    if value == "":
        return []
    return re.split(r"\|(?![^(]*\))", value) if "~" in operator else [value]


def _possible(values, operator, word):
    return values.can_match(word) if "~" in operator else values.can_be(word)


def _allows(values, operator, value):
    """Whether a label can satisfy a matcher; one that is absent is empty."""
    if values is None:
        matches = re.fullmatch(value, "") is not None if "~" in operator else value == ""
        return matches == (operator in ("=", "=~"))
    if operator in ("=", "=~"):
        return any(_possible(values, operator, word) for word in _words(operator, value))
    return values.can_differ(value if operator == "!~" else re.escape(value))


def recorded(rules, known):
    """{recorded name: its series}: the labels that its expression leaves, and the rule's own."""
    found = {}
    for name, expression, rule in rules:
        if "record" not in rule:
            continue
        read = promql.read(expression)
        dropped = {label for label in re.findall(r"without \(([^)]*)\)", expression)}
        gone = {label.strip() for text in dropped for label in text.split(",")}
        kept = re.search(r"\bby \(([^)]*)\)", expression)
        for series in (each for metric, _ in read.selectors for each in known.get(metric, [])):
            labels = {label: values for label, values in series.items() if label not in gone}
            if kept:
                labels = {label: labels[label] for label in re.findall(r"\w+", kept[1]) if label in labels}
            own = {label: dispatched.Values(value) for label, value in rule.get("labels", {}).items()}
            found.setdefault(name, []).append({**labels, **own})
    return found
