# SPDX-License-Identifier: MIT
"""The manifests of etc/kubernetes: fields that Kubernetes knows, objects that fit each other, texts of others."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import container
import pytest
import schema
import yaml

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "tools"))

import kubernetes_texts  # noqa: E402

FOLDER = TOP / "etc" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
TEXTS = {place: TOP / "etc" / source for place, source in kubernetes_texts.TEXTS.items()}
SCRAPE = TOP / "etc" / "prometheus" / "scrape.yml"
AGAIN = "tests/tools/kubernetes_texts.py makes them equal"


def objects():
    for path in FILES:
        for each in container.load(path.name):
            yield pytest.param(each, id=f"{path.name}-{each['kind']}-{each['metadata']['name']}")


OBJECTS = list(objects())
WORKLOADS = [each for each in OBJECTS if each.values[0]["kind"] in ("DaemonSet", "Deployment")]


def test_there_is_each_kind():
    kinds = {each.values[0]["kind"] for each in OBJECTS}
    assert {"DaemonSet", "Deployment", "ConfigMap", "Service", "PodMonitoring"} <= kinds


@pytest.mark.parametrize("each", OBJECTS)
def test_every_field_is_known(each):
    assert schema.check(each) == []


def paths(value, path=()):
    """The path of every map in an object that has fields of its own (not: labels, data)."""
    if isinstance(value, dict):
        if not path or path[-1] not in ("labels", "matchLabels", "data", "nodeSelector", "selector", "requests",
                                        "limits", "annotations"):
            yield path
        for key, inner in value.items():
            yield from paths(inner, path + (key,))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, path + (index,))


@pytest.mark.parametrize("each", WORKLOADS + [each for each in OBJECTS if each.values[0]["kind"] == "PodMonitoring"])
def test_a_field_that_nobody_knows_is_refused_wherever_it_stands(each):
    found = list(paths(each))
    assert len(found) > 5
    for path in found:
        wrong = copy.deepcopy(each)
        inner = wrong
        for key in path:
            inner = inner[key]
        inner["noSuchField"] = "x"
        assert any("noSuchField: no such field" in line for line in schema.check(wrong)), path


@pytest.mark.parametrize("change, complaint", [
    (lambda pod: pod["containers"][0].pop("name"), "lacks name"),
    (lambda pod: pod.update(hostNetwork="yes"), "'yes' is no boolean"),
    (lambda pod: pod["containers"][0].update(command="/entrypoint"), "is no list"),
    (lambda pod: pod["containers"][0]["livenessProbe"].update(periodSeconds="30"), "is no number"),
    (lambda pod: pod["tolerations"][0].update(effect="NoShedule"), "is none of"),
    (lambda pod: pod["containers"][0]["env"][0].update(value=5), "5 is no string"),
])
def test_a_wrong_value_is_refused(change, complaint):
    daemons = copy.deepcopy(container.find(container.load("probing-pods.yaml"), "DaemonSet"))
    change(daemons["spec"]["template"]["spec"])
    complaints = schema.check(daemons)
    assert len(complaints) == 1 and complaint in complaints[0]


def test_a_kind_that_nobody_knows_is_refused():
    assert schema.check({"apiVersion": "apps/v1beta1", "kind": "DaemonSet"}) == ["apps/v1beta1/DaemonSet: no such kind"]


@pytest.mark.parametrize("each", WORKLOADS)
def test_objects_fit_each_other(each):
    spec, template = each["spec"], each["spec"]["template"]
    pod, namespace = template["spec"], each["metadata"]["namespace"]
    assert spec["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    known = {(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]): one
             for one in (other.values[0] for other in OBJECTS)}
    if "serviceAccountName" in pod:
        assert ("ServiceAccount", namespace, pod["serviceAccountName"]) in known
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for volume in volumes.values():
        if "configMap" in volume:
            held = known["ConfigMap", namespace, volume["configMap"]["name"]]["data"]
            assert {item["key"] for item in volume["configMap"].get("items", [])} <= held.keys()
    for one in pod["containers"]:
        assert {mount["name"] for mount in one["volumeMounts"]} <= volumes.keys()
    read = [one for (kind, place, _), one in known.items() if kind == "PodMonitoring" and place == namespace
            and one["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()]
    assert len(read) == 1, "nobody, or more than one, reads its values"
    ports = {port["name"]: port["containerPort"] for one in pod["containers"] for port in one["ports"]}
    assert ports[read[0]["spec"]["endpoints"][0]["port"]] == 9103


@pytest.mark.parametrize("each", WORKLOADS)
def test_no_container_may_do_more_than_it_needs(each):
    pod = each["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    on_the_node = pod.get("hostNetwork", False)
    for one in pod["containers"]:
        context = {**pod["securityContext"], **one["securityContext"]}
        assert context["allowPrivilegeEscalation"] is False and context["capabilities"]["drop"] == ["ALL"]
        assert context["capabilities"].get("add", []) == (["NET_ADMIN"] if on_the_node else [])
        assert (context["runAsUser"] == 0) == on_the_node and context.get("runAsNonRoot", False) != on_the_node
        assert {"cpu", "memory"} <= one["resources"]["requests"].keys() and "memory" in one["resources"]["limits"]
        if one["name"] == "collectd":
            assert context["readOnlyRootFilesystem"] is True
            assert one["command"] == ["/entrypoint"]
            assert one["livenessProbe"]["exec"]["command"] == ["/entrypoint", "alive"]
            # The entry point itself waits 5 s for an answer.
            assert one["livenessProbe"]["timeoutSeconds"] > 5


@pytest.mark.parametrize("each", WORKLOADS)
def test_the_image_and_the_manifest_agree(each):
    """The account, the entry point, its port and its folders: those of the Containerfile and of the entry point."""
    image = dict(line.split(None, 1) for line in (container.ENTRYPOINT.parent / "Containerfile").read_text().splitlines()
                 if re.match(r"(USER|EXPOSE|ENTRYPOINT) ", line))
    entry = dict(re.findall(r"^(\w+)=(\S+)$", container.ENTRYPOINT.read_text(), re.M))
    pod = each["spec"]["template"]["spec"]
    (one,) = [one for one in pod["containers"] if one["name"] == "collectd"]
    context = {**pod["securityContext"], **one["securityContext"]}
    account = "0:0" if pod.get("hostNetwork") else image["USER"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == account
    assert one["command"] == json.loads(image["ENTRYPOINT"])
    assert [str(port["containerPort"]) for port in one["ports"]] == [image["EXPOSE"]]
    assert entry["port"] == "${METRICS_PORT:-%s}" % image["EXPOSE"]
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in one["volumeMounts"]}
    assert mounts[str(Path(entry["configuration"]).parent)] is True and mounts[entry["runtime"]] is False
    probes = [one[name]["exec"]["command"] for name in ("livenessProbe", "readinessProbe") if name in one]
    known = re.findall(r"^  (\w+)\)", container.ENTRYPOINT.read_text(), re.M)
    assert all(probe[:-1] == one["command"] and probe[-1] in known for probe in probes)


@pytest.mark.parametrize("place", TEXTS, ids=lambda place: "-".join(place))
def test_a_configmap_holds_a_file_as_it_is(place):
    manifest, name, key = place
    held = container.find(container.load(manifest), "ConfigMap", name)["data"][key]
    assert held.rstrip("\n") == TEXTS[place].read_text(encoding="utf-8").rstrip("\n"), AGAIN


def test_a_podmonitoring_relabels_as_prometheus_does():
    job = yaml.safe_load(SCRAPE.read_text(encoding="utf-8"))["scrape_configs"][0]
    names = {"source_labels": "sourceLabels", "target_label": "targetLabel"}
    expected = [{names.get(key, key): value for key, value in rule.items()} for rule in job["metric_relabel_configs"]]
    found = container.load("pod-monitoring.yaml")
    for each in found:
        assert each["metadata"]["name"] == job["job_name"], "the label job is the PodMonitoring's name"
        for endpoint in each["spec"]["endpoints"]:
            assert endpoint["metricRelabeling"] == expected, AGAIN
            assert endpoint["interval"] == job["scrape_interval"]
    assert {each["metadata"]["namespace"] for each in found} == {
        each.values[0]["metadata"]["namespace"] for each in WORKLOADS}


def test_a_podmonitoring_leaves_alone_what_is_protected():
    """Its rules may neither write nor drop the labels that Google's own are."""
    protected = yaml.safe_load((schema.FOLDER / "managed-prometheus.json").read_text(encoding="utf-8"))["protected"]
    for each in container.load("pod-monitoring.yaml"):
        for rule in each["spec"]["endpoints"][0]["metricRelabeling"]:
            assert rule.get("targetLabel") not in protected
            if rule.get("action") == "labeldrop":
                assert not [label for label in protected if re.fullmatch(rule["regex"], label)]


@pytest.fixture(name="rule_files")
def rule_files_fixture():
    return sorted((TOP / "etc" / "prometheus" / "rules").glob("*.yml"))


def make_rules(*arguments):
    return subprocess.run([str(FOLDER / "make-rules"), *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind, name", kubernetes_texts.RULES.items())
def test_the_rules_are_those_of_prometheus(rule_files, kind, name):
    made = make_rules(kind)
    assert made.returncode == 0, made.stderr
    assert (FOLDER / name).read_text(encoding="utf-8") == made.stdout, AGAIN
    groups = [group for each in container.load(name) for group in each["spec"]["groups"]]
    assert groups == [group for path in rule_files
                      for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    assert {each["kind"] for each in container.load(name)} == {kind}


@pytest.mark.parametrize("text, complaint", [
    ("groups:\n- name: a\n  rules:\n  - alert: A\n    expr: up\n    keep_firing_for: 5m\n", '"keep_firing_for"'),
    ("rules: []\n", 'no line "groups:"'),
])
def test_a_rule_that_google_would_drop_is_refused(tmp_path, text, complaint):
    path = tmp_path / "some.yml"
    path.write_text(text, encoding="utf-8")
    made = make_rules("Rules", str(path))
    assert made.returncode != 0 and complaint in made.stderr and made.stdout == ""


def test_make_rules_says_how_it_is_called():
    assert "usage: make-rules Rules|ClusterRules|GlobalRules" in make_rules("rules").stderr
