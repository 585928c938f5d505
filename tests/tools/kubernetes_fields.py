#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Make tests/e2e/schemas/kubernetes.json anew: what Kubernetes' OpenAPI says of the kinds in etc/kubernetes.

    npm pack @kubernetes/client-node && tar -xzf kubernetes-client-node-*.tgz
    tests/tools/kubernetes_fields.py package >tests/e2e/schemas/kubernetes.json

The package (Apache-2.0, by the Kubernetes authors) is generated from that document. Kept of it are the fields of each
kind, with their types, and which of them must be there; no text."""

import json
import re
import sys
from pathlib import Path

KINDS = {"v1/Namespace": "V1Namespace", "v1/ConfigMap": "V1ConfigMap", "v1/ServiceAccount": "V1ServiceAccount",
         "v1/Service": "V1Service", "apps/v1/DaemonSet": "V1DaemonSet", "apps/v1/Deployment": "V1Deployment",
         "networking.k8s.io/v1/NetworkPolicy": "V1NetworkPolicy"}
# What only the cluster itself writes.
LEFT_OUT = re.compile(r"Status$|Condition$|ManagedFieldsEntry")


def of_type(models, name):
    """{field: [type, whether it must be there]}; the words of the type are the generator's: Array<V1Container>."""
    table = re.search(r"attributeTypeMap = (\[.*?\n\]);", (models / f"{name}.js").read_text(encoding="utf-8"), re.S)
    declared = (models / f"{name}.d.ts").read_text(encoding="utf-8")
    required = set(re.findall(r"^    '(\w+)': ", declared, re.M))
    fields = json.loads(re.sub(r",(\s*[\]}])", r"\1", table[1]))
    return {field["baseName"]: [field["type"], field["name"] in required] for field in fields
            if not LEFT_OUT.search(field["type"].rstrip(">"))}


def collect(models):
    found, waiting = {}, sorted(KINDS.values())
    while waiting:
        name = waiting.pop()
        if name not in found and (models / f"{name}.js").exists():
            found[name] = of_type(models, name)
            waiting += {inner for kind, _ in found[name].values() for inner in re.findall(r"[A-Z]\w+", kind)}
    return found


def main():
    package = Path(sys.argv[1])
    models = package / "dist" / "gen" / "models"
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    release = re.search(r"OpenAPI spec version: (\S+)", (models / "V1Pod.d.ts").read_text(encoding="utf-8"))[1]
    types = collect(models)
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(types[name], sort_keys=True)}" for name in sorted(types))
    print(f'{{"source": "npm @kubernetes/client-node {version}, made from Kubernetes\' OpenAPI {release}",\n'
          f' "licence": "Apache-2.0, The Kubernetes Authors",\n'
          f' "kinds": {json.dumps(KINDS, sort_keys=True)},\n "types": {{\n{lines}\n }}}}')


if __name__ == "__main__":
    main()
