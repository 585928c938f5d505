#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A stand-in for gcloud: the commands that etc/cloud-monitoring/apply uses, with their documented flags.

FAKE_GCLOUD names its state, a JSON file: {"commands": [...], "refuse": {command: words on stderr}, "project": ...,
collections by name, each {full name: object}}. What it does not know it refuses, as gcloud does, with exit status 2."""

import json
import os
import re
import sys
from pathlib import Path

STATE = Path(os.environ["FAKE_GCLOUD"])
_WIDE = {"project", "quiet", "format", "filter"}
_UPTIME = {"path", "request-method", "validate-ssl", "period", "timeout"}
# Command -> the flags that it takes besides those of all commands.
FLAGS = {
    "config get-value": set(), "info": set(),
    "compute routers nats describe": {"router", "region"},
    "compute routers nats update": {"router", "region", "enable-logging", "log-filter"},
    "logging metrics list": set(), "logging metrics create": {"config-from-file"},
    "logging metrics update": {"config-from-file"},
    "monitoring uptime list-configs": set(),
    "monitoring uptime create": _UPTIME | {"protocol", "port", "resource-type", "resource-labels", "status-classes",
                                           "regions", "user-labels"},
    "monitoring uptime update": _UPTIME | {"set-status-classes", "set-regions", "update-user-labels"},
    "alpha monitoring policies list": set(),
    "alpha monitoring policies create": {"policy-from-file", "notification-channels"},
    "alpha monitoring policies update": {"policy-from-file"},
    "monitoring dashboards list": set(), "monitoring dashboards describe": set(),
    "monitoring dashboards create": {"config-from-file"}, "monitoring dashboards update": {"config-from-file"},
}
_COLLECTIONS = {"metrics": "metrics", "uptime": "uptimeCheckConfigs", "policies": "alertPolicies",
                "dashboards": "dashboards"}


def fail(words, status=1):
    print(f"ERROR: (gcloud) {words}", file=sys.stderr)
    sys.exit(status)


def parse(words):
    command = next((name for name in sorted(FLAGS, key=len, reverse=True)
                    if words[:len(name.split())] == name.split()), None)
    if command is None:
        fail(f"Invalid choice: {' '.join(words)!r}.", 2)
    flags, rest = {}, []
    for word in words[len(command.split()):]:
        if not word.startswith("--"):
            rest.append(word)
            continue
        name, _, value = word[2:].partition("=")
        if name not in FLAGS[command] | _WIDE:
            fail(f"unrecognized arguments: {word}", 2)
        flags[name] = value
    return command, flags, rest


def chosen(items, flags):
    """What --filter FIELD="VALUE" leaves."""
    if "filter" not in flags:
        return items
    field, value = re.fullmatch(r'(\w+)="(.*)"', flags["filter"]).groups()
    return [item for item in items if item.get(field) == value]


def show(items, flags):
    kind = flags["format"]
    if kind == "json":
        print(json.dumps(items))
        return
    fields = re.fullmatch(r"value\((.*)\)", kind)[1].split(",")
    for item in items:
        print("\t".join(str(look_up(item, field)) for field in fields))


def look_up(item, field):
    for part in field.split("."):
        item = item.get(part, "") if isinstance(item, dict) else ""
    return item


def load(flags, *names):
    path = next(flags[name] for name in names if name in flags)
    return json.loads(Path(path).read_text(encoding="utf-8"))


def uptime_of(title, flags):
    """The object that the flags mean, as the API would return it."""
    upper = {"asia-pacific": "ASIA_PACIFIC", "usa-oregon": "USA_OREGON", "europe": "EUROPE"}
    labels = dict(pair.split("=") for pair in flags["resource-labels"].split(","))
    return {"displayName": title,
            "monitoredResource": {"type": flags["resource-type"].replace("-", "_"), "labels": labels},
            "httpCheck": {"requestMethod": flags["request-method"].upper(), "useSsl": flags["protocol"] == "https",
                          "validateSsl": flags["validate-ssl"] == "true", "path": flags["path"],
                          "port": int(flags["port"]), "acceptedResponseStatusCodes": [
                              {"statusClass": f"STATUS_CLASS_{word.upper()}"}
                              for word in flags["status-classes"].split(",")]},
            "period": f"{int(flags['period']) * 60}s", "timeout": f"{flags['timeout']}s",
            "selectedRegions": [upper[word] for word in flags["regions"].split(",")],
            "userLabels": dict(pair.split("=") for pair in flags["user-labels"].split(","))}


class Cloud:
    def __init__(self):
        self.state = json.loads(STATE.read_text(encoding="utf-8"))

    def save(self):
        STATE.write_text(json.dumps(self.state, indent=1), encoding="utf-8")

    def number(self):
        self.state["last"] = self.state.get("last", 0) + 1
        return self.state["last"]

    def create(self, name, thing, project):
        found = self.state.setdefault(name, {})
        full = f"projects/{project}/{name}/{thing['name'] if name == 'metrics' else self.number()}"
        if full in found:
            fail(f"ALREADY_EXISTS: {full}")
        self.put(name, full, thing)

    def put(self, name, full, thing):
        if name != "metrics":
            thing["name"] = full
        if name == "dashboards":
            thing["etag"] = f"e{self.number()}"
        for condition in thing.get("conditions", []):
            condition.setdefault("name", f"{full}/conditions/{self.number()}")
        self.state.setdefault(name, {})[full] = thing

    def update(self, name, full, thing):
        old = self.state.get(name, {}).get(full)
        if old is None:
            fail(f"NOT_FOUND: Resource {full} not found.")
        if name == "dashboards" and thing.get("etag") != old["etag"]:
            fail("ABORTED: etag is not that of the dashboard as it is now.")
        self.put(name, full, thing)


def main():
    command, flags, rest = parse(sys.argv[1:])
    cloud = Cloud()
    cloud.state.setdefault("commands", []).append(command)
    cloud.save()
    refusal = cloud.state.get("refuse", {}).get(command)
    if refusal:
        fail(refusal)
    answer(cloud, command, flags, rest)
    cloud.save()


def answer(cloud, command, flags, rest):
    if command == "config get-value":
        print(cloud.state.get("project", ""))
    elif command == "info":
        print(sys.executable)
    elif command.startswith("compute"):
        gateway(cloud, command, flags, rest[0])
    else:
        resource(cloud, command, flags, rest)


def gateway(cloud, command, flags, name):
    found = cloud.state.setdefault("nats", {}).get(name)
    if found is None:
        fail(f"NOT_FOUND: NAT `{name}` not found in router {flags['router']}")
    if command.endswith("describe"):
        show([found], flags)
    else:
        found["logConfig"] = {"enable": "enable-logging" in flags, "filter": flags["log-filter"]}


def resource(cloud, command, flags, rest):
    words = command.split()
    name, verb = _COLLECTIONS[words[-2]], words[-1]
    found = cloud.state.get(name, {})
    if verb.startswith("list"):
        show(chosen(list(found.values()), flags), flags)
    elif verb == "describe":
        print(json.dumps(found[rest[0]]))
    elif name == "uptimeCheckConfigs":
        uptime(cloud, verb, flags, rest[0])
    else:
        thing = load(flags, "config-from-file", "policy-from-file")
        if flags.get("notification-channels"):
            thing["notificationChannels"] = flags["notification-channels"].split(",")
        if verb == "create":
            cloud.create(name, thing, flags["project"])
        else:
            prefix = f"projects/{flags['project']}/metrics/" if name == "metrics" else ""
            cloud.update(name, prefix + rest[0], thing)


def uptime(cloud, verb, flags, word):
    if verb == "create":
        cloud.create("uptimeCheckConfigs", uptime_of(word, flags), flags["project"])
        return
    found = cloud.state.get("uptimeCheckConfigs", {}).get(word)
    if found is None:
        fail(f"NOT_FOUND: {word}")
    found["period"] = f"{int(flags['period']) * 60}s"


if __name__ == "__main__":
    main()
