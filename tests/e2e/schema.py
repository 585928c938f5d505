# SPDX-License-Identifier: MIT
"""Objects against the tables in schemas/: fields that nobody knows, fields that lack, types and enumerations."""

import json
import re
from pathlib import Path

FOLDER = Path(__file__).with_name("schemas")
# What Kubernetes' API reference (v1.36) allows where its generated clients say only "string".
VALUES = {
    "V1Toleration.effect": ["NoExecute", "NoSchedule", "PreferNoSchedule"],
    "V1Toleration.operator": ["Equal", "Exists", "Gt", "Lt"],
    "V1SeccompProfile.type": ["Localhost", "RuntimeDefault", "Unconfined"],
    "V1DaemonSetUpdateStrategy.type": ["OnDelete", "RollingUpdate"],
    "V1PodSpec.dnsPolicy": ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
    "V1Container.imagePullPolicy": ["Always", "IfNotPresent", "Never"],
    "V1EmptyDirVolumeSource.medium": ["", "Memory"],
}
SIMPLE = {"string": str, "boolean": bool, "number": (int, float), "IntOrString": (int, str), "Date": str}


def tables():
    merged = {"kinds": {}, "types": {}, "values": dict(VALUES)}
    for path in sorted(FOLDER.glob("*.json")):
        table = json.loads(path.read_text(encoding="utf-8"))
        for part in merged:
            merged[part].update(table.get(part, {}))
    return merged


class Checker:
    """complaints: one line for each fault that was found."""

    def __init__(self):
        self.tables, self.complaints = tables(), []

    def check(self, obj):
        kind = self.tables["kinds"].get(f"{obj.get('apiVersion')}/{obj.get('kind')}")
        if kind is None:
            self.complaints.append(f"{obj.get('apiVersion')}/{obj.get('kind')}: no such kind")
        else:
            self._value(obj, kind, obj["kind"], "")
        return self.complaints

    def _value(self, value, kind, where, field):
        array, mapping = re.fullmatch(r"Array<(.*)>", kind), re.fullmatch(r"\{ \[key: string\]: (.*); \}", kind)
        if array:
            self._elements(value, list, enumerate(value) if isinstance(value, list) else (), array[1], where)
        elif mapping:
            self._elements(value, dict, value.items() if isinstance(value, dict) else (), mapping[1], where)
        elif kind in self.tables["types"]:
            self._fields(value, kind, where)
        elif kind not in SIMPLE or not isinstance(value, SIMPLE[kind]) or (kind == "number" and value is True):
            self.complaints.append(f"{where}: {value!r} is no {kind}")
        elif value not in self.tables["values"].get(field, [value]):
            self.complaints.append(f"{where}: {value!r} is none of {', '.join(self.tables['values'][field])}")

    def _elements(self, value, kind, items, inner, where):
        if not isinstance(value, kind):
            self.complaints.append(f"{where}: {value!r} is no {kind.__name__}")
        for key, each in items:
            self._value(each, inner, f"{where}[{key}]", "")

    def _fields(self, value, kind, where):
        known = self.tables["types"][kind]
        if not isinstance(value, dict):
            self.complaints.append(f"{where}: {value!r} is no {kind}")
            return
        self.complaints += [f"{where}.{name}: no such field of {kind}" for name in value if name not in known]
        self.complaints += [f"{where}: lacks {name}" for name, (_, needed) in known.items()
                            if needed and name not in value]
        for name in value.keys() & known.keys():
            self._value(value[name], known[name][0], f"{where}.{name}", f"{kind}.{name}")


def check(obj):
    return Checker().check(obj)
