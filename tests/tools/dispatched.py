# SPDX-License-Identifier: MIT
"""Every series that the suite can dispatch, as a Prometheus that uses the shipped scrape configuration has it.

From the plugins' own metric tables, by write_prometheus's rules for names and labels, through the relabelling of
etc/prometheus/scrape.yml. What a user names (a chain, a hop, a group) is a placeholder until then, any text after."""

import itertools
import re

# What the tables say in words: the type instances that stand for it.
_ANY, _STATUS, _PORT = "XANYX", "XSTATUSX", "XPORTX"
_PATTERNS = {_ANY: r".+", _STATUS: r"[1-5]\d\d", _PORT: r"\d+"}
_SAMPLES = {_ANY: ["x", "prod", "vm-1", "192.0.2.10:443", "TCP_ESTABLISHED"],
            _STATUS: ["200", "301", "404", "429", "503"], _PORT: ["80", "3128"]}
# collectd's tcpconns plugin (src/tcpconns.c) has these names; man/egress_netlink.5 lists them.
TCP_STATES = ("ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSED CLOSE_WAIT LAST_ACK LISTEN "
               "CLOSING").split()
_IN_WORDS = {"state": TCP_STATES, "protocol and state": [f"{_ANY}_{_ANY}"], "IP:port": [_ANY], "IP": [_ANY],
             "or the name of a <Destination>": [_ANY], "100 ... 599": [_STATUS]}


def type_instances(text):
    """`accept, accept_max` are words; else what the words stand for. "" is none."""
    found = []
    for item in text.split(", "):
        if item in _IN_WORDS:
            found += _IN_WORDS[item]
        elif re.fullmatch(r"[\w.+-]*", item):
            found.append(re.sub(r"\bHOP\b", _ANY, item))
        else:
            raise ValueError(f"a metric table says {text!r}: {item!r} is no word, and not known as a description")
    return found


def plugin_instances(text):
    """`chain:target`, `"listen:PORT"`, `"all", or a group` ..."""
    if re.fullmatch(r"[a-z:]+", text):
        return [re.sub(r"[a-z]+", _ANY, text)]
    quoted = [re.sub(r"\bPORT\b", _PORT, re.sub(r"\bGATEWAY\b", _ANY, each)) for each in re.findall(r'"([^"]+)"', text)]
    if not quoted:
        raise ValueError(f"a metric table says {text!r}: expected words in quotes")
    return quoted + ([_ANY] if "group" in text else [])


def metric_name(plugin, kind, derive):
    """write_prometheus.c, metric_family_name(): the plugin is left out where the type is of its name."""
    words = ["collectd", *([plugin] if plugin != kind else []), kind, *(["total"] if derive else [])]
    return "_".join(words)


def write_prometheus(rows):
    """Labels of every series, __name__ among them, as write_prometheus writes them."""
    for row in rows:
        name = metric_name(row["plugin"], row["type"], row["kind"] == "derive")
        for plugin_instance, type_instance in itertools.product(plugin_instances(row["plugin_instance"]),
                                                                type_instances(row["type_instance"])):
            labels = {"__name__": name, row["plugin"]: plugin_instance, "instance": _ANY}
            yield {**labels, "type": type_instance} if type_instance else labels


def scraped(series, job):
    """As Prometheus has it: its own job and instance, and the job's metric_relabel_configs. None: it is dropped."""
    labels = {**{name: value for name, value in series.items() if name != "instance"},
              "exported_instance": series["instance"], "instance": _ANY, "job": job["job_name"]}
    for rule in job["metric_relabel_configs"]:
        labels = relabelled(labels, rule)
        if labels is None:
            return None
    return labels


def relabelled(labels, rule):
    """One rule of https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config."""
    action, pattern = rule.get("action", "replace"), rule.get("regex", "(.*)")
    if action in ("labeldrop", "labelkeep"):
        return {name: value for name, value in labels.items()
                if (re.fullmatch(pattern, name) is None) == (action == "labeldrop")}
    source = rule.get("separator", ";").join(labels.get(name, "") for name in rule["source_labels"])
    match = re.fullmatch(pattern, source)
    if action in ("keep", "drop"):
        return labels if (match is not None) == (action == "keep") else None
    if action != "replace":
        raise ValueError(f"relabelling by {action!r}: not known here")
    if match is None:
        return labels
    value = re.sub(r"\$(?:(\d+)|\{(\d+)\})", lambda found: _group(match, int(found[1] or found[2])),
                   rule.get("replacement", "$1"))
    left = {name: text for name, text in labels.items() if name != rule["target_label"]}
    return {**left, rule["target_label"]: value} if value else left


def _group(match, number):
    return (match[number] or "") if number <= match.re.groups else ""


class Values:
    """What one label of one series can be."""

    def __init__(self, text):
        self._text = text
        pieces = re.split(f"({'|'.join(_PATTERNS)})", text)
        self._pattern = "".join(_PATTERNS.get(piece) or re.escape(piece) for piece in pieces)
        self._samples = ["".join(words) for words in
                         itertools.product(*(_SAMPLES.get(piece, [piece]) for piece in pieces))]

    def can_be(self, text):
        return re.fullmatch(self._pattern, text) is not None

    def can_match(self, pattern):
        """Whether a regular expression matches one of its values, or is one of them."""
        return self.can_be(pattern) or any(re.fullmatch(pattern, sample) for sample in self._samples)

    def can_differ(self, pattern):
        """Whether one of its values is not matched."""
        return not all(re.fullmatch(pattern, sample) for sample in self._samples)


def catalogue(rows, jobs):
    """{metric: [{label: Values}]} of all that is dispatched and scraped."""
    found = {}
    for series, job in itertools.product(write_prometheus(rows), jobs):
        labels = scraped(series, job)
        if labels is not None:
            found.setdefault(labels.pop("__name__"), []).append({name: Values(text) for name, text in labels.items()})
    return found


def labelled(labels):
    """A series of somebody else: {label: its values, or None for any}, several values make several."""
    names = list(labels)
    return [{name: Values(value) for name, value in zip(names, chosen)}
            for chosen in itertools.product(*([_ANY] if labels[name] is None else labels[name] for name in names))]
