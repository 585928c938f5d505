#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Put into etc/kubernetes what other files say: collectd's stanzas, the relabelling, the rules.

    tests/tools/kubernetes_texts.py      after a change under etc/collectd or etc/prometheus

tests/e2e/test_kubernetes.py fails where they differ."""

import re
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
ETC = TOP / "etc"
MANIFESTS = ETC / "kubernetes"
# (manifest, ConfigMap, its key): the file whose text it holds.
TEXTS = {
    ("probing-pods.yaml", "collectd-egress-probing", "collectd.conf"): "collectd/probing-pod.conf",
    ("nodes.yaml", "collectd-egress-nodes", "collectd.conf"): "collectd/gke-node.conf",
    ("proxy-pod.yaml", "collectd-egress-proxy", "collectd.conf"): "collectd/proxy-pod.conf",
    ("proxy-pod.yaml", "collectd-egress-proxy", "squid.conf"): "collectd/proxies/squid.conf",
}
RULES = {"Rules": "rules.yaml", "GlobalRules": "global-rules.yaml"}
NAMES = {"source_labels": "sourceLabels", "target_label": "targetLabel"}


def indented(text, width):
    return "".join(" " * width + line if line.strip() else "\n" for line in text.splitlines(keepends=True))


def put_text(manifest, name, key, source):
    """Replace what stands under a ConfigMap's key, up to the next line that is not deeper."""
    path = MANIFESTS / manifest
    block = re.compile(rf"(^  name: {name}\n(?:(?!^---).*\n)*?^  {re.escape(key)}: \|\n)((?:    .*\n|\n)+)", re.M)
    body = indented(source.read_text(encoding="utf-8"), 4)
    text, found = block.subn(lambda match: match[1] + body, path.read_text(encoding="utf-8"))
    assert found == 1, f"{manifest}: {found} places for {name}, {key}"
    path.write_text(text, encoding="utf-8")


def put_relabelling():
    scrape = (ETC / "prometheus" / "scrape.yml").read_text(encoding="utf-8")
    rules = re.search(r"^  metric_relabel_configs:\n((?:  .*\n)+)", scrape, re.M)[1]
    for old, new in NAMES.items():
        rules = re.sub(rf"\b{old}:", f"{new}:", rules)
    path = MANIFESTS / "pod-monitoring.yaml"
    place = re.compile(r"(^    metricRelabeling:\n)((?:    .*\n)+)", re.M)
    text = place.sub(lambda match: match[1] + indented(rules, 2), path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


def main():
    for place, source in TEXTS.items():
        put_text(*place, ETC / source)
    put_relabelling()
    for kind, name in RULES.items():
        made = subprocess.run([MANIFESTS / "make-rules", kind], check=True, capture_output=True, text=True)
        (MANIFESTS / name).write_text(made.stdout, encoding="utf-8")


if __name__ == "__main__":
    main()
