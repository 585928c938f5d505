# SPDX-License-Identifier: MIT
"""Reading what collectd's write_prometheus prints (the text format of Prometheus, version 0.0.4)."""

import re

_SAMPLE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)')
_ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


class Metrics:
    """One scrape: {name: {frozenset of (label, value): number}}, with the questions one asks of it."""

    def __init__(self, text):
        self.text = text
        self.samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = _parse(line)
                self.samples.setdefault(name, {})[frozenset(labels.items())] = value

    def names(self, prefix=""):
        return sorted(name for name in self.samples if name.startswith(prefix))

    def find(self, name, **labels):
        """[(labels, value)] of every sample that has at least the given labels."""
        wanted = labels.items()
        return [(dict(found), value) for found, value in self.samples.get(name, {}).items()
                if wanted <= dict(found).items()]

    def value(self, name, **labels):
        """The value of the one sample that has the given labels; None when there is none."""
        found = self.find(name, **labels)
        if len(found) > 1:
            raise LookupError(f"{name}{labels}: {len(found)} samples match: {[item[0] for item in found]}")
        return found[0][1] if found else None

    def by_label(self, name, label, **labels):
        """{value of a label: number} over the samples that have the given labels."""
        return {found[label]: value for found, value in self.find(name, **labels) if label in found}


def _parse(line):
    match = _SAMPLE.fullmatch(line)
    if match is None:
        raise ValueError(f"no sample of the Prometheus text format: {line!r}")
    name, inside, value = match.groups()
    labels = {key: _unescape(text) for key, text in _LABEL.findall(inside or "")}
    return name, labels, float(value)


def _unescape(text):
    return re.sub(r"\\[n\"\\]", lambda found: _ESCAPES[found[0]], text)
