# SPDX-License-Identifier: MIT
"""What Cloud Monitoring and Grafana are given: valid to their APIs, alike, applied twice without doubling anything."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import google_api
import pytest

ROOT = Path(__file__).resolve().parents[2]
CLOUD = ROOT / "etc" / "cloud-monitoring"
sys.path.insert(0, str(ROOT / "tests" / "tools"))

import expressions  # noqa: E402
import monitoring.__main__ as generator  # noqa: E402
from monitoring import google  # noqa: E402
from monitoring.panels import ROWS  # noqa: E402
from monitoring.shape import Google  # noqa: E402


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


DASHBOARD = load(CLOUD / "dashboards" / "egress-path.json")
GRAFANA = load(ROOT / "etc" / "grafana" / "egress-path.json")
POLICIES = {path.stem: load(path) for path in sorted((CLOUD / "alert-policies").glob("*.json"))}
FILES = {"Dashboard": DASHBOARD, "UptimeCheckConfig": load(CLOUD / "uptime-check.json"),
         "LogMetric": load(CLOUD / "log-metric.json")}
WIDGETS = [tile["widget"] for tile in DASHBOARD["mosaicLayout"]["tiles"]]


class TestGoogleTakesThem:
    @pytest.mark.parametrize("message", FILES)
    def test_fields_enumerations_and_rules(self, message):
        assert google_api.complaints(message, FILES[message]) == []

    @pytest.mark.parametrize("name", POLICIES)
    def test_policies(self, name):
        assert google_api.complaints("AlertPolicy", POLICIES[name]) == []
        assert POLICIES[name]["displayName"] == name

    @pytest.mark.parametrize("change, complaint", [
        (lambda tile: tile["widget"].update(titel="x"), "has no field 'titel'"),
        (lambda tile: tile.update(width="16"), "expected a integer"),
        (lambda tile: tile.update(width=True), "expected a integer"),
        (lambda tile: tile.update(width=49), "does not stay within the 48 columns"),
        (lambda tile: tile.update(yPos=0), "overlap"),
        (lambda tile: tile.pop("widget") and None or tile.update(widget={"title": "empty"}), "expected one of"),
        (lambda tile: tile["widget"]["xyChart"]["dataSets"][0].update(plotType="LINES"), "'LINES' is none of LINE"),
        (lambda tile: tile["widget"]["xyChart"]["thresholds"].append({"value": 1.0, "color": "RED"}), "neither color"),
        (lambda tile: tile["widget"]["xyChart"]["thresholds"].append({"value": "1"}), "expected a number"),
        (lambda tile: tile["widget"]["xyChart"]["dataSets"][0]["timeSeriesQuery"].update(timeSeriesFilter={}),
         "expected one of prometheusQuery"),
        (lambda tile: tile["widget"]["xyChart"]["dataSets"][0].update(minAlignmentPeriod="1m"), "no duration"),
    ])
    def test_what_is_wrong_in_a_dashboard_is_found(self, change, complaint):
        broken = copy.deepcopy(DASHBOARD)
        change(next(tile for tile in broken["mosaicLayout"]["tiles"] if "xyChart" in tile["widget"]))
        assert any(complaint in line for line in google_api.complaints("Dashboard", broken))

    @pytest.mark.parametrize("change, complaint", [
        (lambda policy: policy.update(severity="PAGE"), "'PAGE' is none of CRITICAL"),
        (lambda policy: policy.update(enabled="true"), "expected a boolean"),
        (lambda policy: policy.pop("combiner"), "no combiner"),
        (lambda policy: condition(policy).update(evaluationInterval="45s"), "multiple of 30 s"),
        (lambda policy: condition(policy).update(expr="up"), "has no field 'expr'"),
        (lambda policy: policy["conditions"][0].update(conditionThreshold={}), "expected one of conditionAbsent"),
        (lambda policy: policy["conditions"].append({"displayName": "x", "conditionThreshold": {
            "filter": 'metric.type="a" AND resource.type="b"', "comparison": "COMPARISON_GE", "thresholdValue": "1",
            "duration": "90s"}}), "expected COMPARISON_GT or COMPARISON_LT"),
    ])
    def test_what_is_wrong_in_a_policy_is_found(self, change, complaint):
        broken = copy.deepcopy(POLICIES["EgressNatPortsHigh"])
        change(broken)
        assert any(complaint in line for line in google_api.complaints("AlertPolicy", broken))

    @pytest.mark.parametrize("message, change, complaint", [
        ("UptimeCheckConfig", {"period": "90s"}, "period: expected"),
        ("UptimeCheckConfig", {"selectedRegions": ["EUROPE"]}, "3 or more"),
        ("UptimeCheckConfig", {"selectedRegions": ["EUROPE", "USA", "MOON"]}, "'MOON' is none of"),
        ("LogMetric", {"labelExtractors": {"vm": "EXTRACT(a)"}}, "different labels"),
        ("LogMetric", {"labelExtractors": {"vm": "jsonPayload.a", "destination": "EXTRACT(b)", "port": "EXTRACT(c)"}},
         "expected EXTRACT"),
    ])
    def test_what_is_wrong_elsewhere_is_found(self, message, change, complaint):
        assert any(complaint in line for line in google_api.complaints(message, {**FILES[message], **change}))


def condition(policy):
    return policy["conditions"][0]["conditionPrometheusQueryLanguage"]


def shown_by_google():
    """[(title, [PromQL or metric type])] of the widgets, from the top."""
    found = []
    for widget in WIDGETS:
        charts = [widget["scorecard"]] if "scorecard" in widget else widget.get("xyChart", {}).get("dataSets", [])
        found.append((widget["title"], [asked(chart["timeSeriesQuery"]) for chart in charts]))
    return found


def asked(query):
    if "timeSeriesFilter" in query:
        return re.search(r'metric\.type="([^"]+)"', query["timeSeriesFilter"]["filter"])[1]
    return re.sub(r"\$\{egress_(\w+)\}", r'\1=~"$\1"', query["prometheusQuery"])


def shown_by_grafana():
    return [(panel["title"], [google_or_promql(target["expr"]) for target in panel.get("targets", [])])
            for panel in sorted(GRAFANA["panels"], key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]))]


def google_or_promql(promql):
    """A metric of Google's by its type, everything else as it is."""
    types = {google.promql(query): query.metric for row in ROWS for panel in row.panels for query in panel.queries
             if isinstance(query, Google)}
    return types.get(promql, promql)


class TestBothDashboards:
    def test_the_files_are_what_the_description_says(self):
        for path, text in generator.texts().items():
            assert (ROOT / "etc" / path).read_text(encoding="utf-8") == text, \
                f"etc/{path}: print it anew: PYTHONPATH=tests/tools python3 -m monitoring"

    def test_no_policy_is_left_from_a_rule_that_is_gone(self):
        made = {Path(path).stem for path in generator.texts() if "alert-policies" in path}
        assert set(POLICIES) == made

    def test_same_panels_in_the_same_order_with_the_same_queries(self):
        ours, theirs = shown_by_google(), shown_by_grafana()
        assert [title for title, _ in ours] == [title for title, _ in theirs]
        assert dict(ours) == dict(theirs)
        assert len(dict(ours)) == len(ours), "a title stands for one panel"
        assert sum(len(queries) for _, queries in ours) > 40

    def test_the_path_from_top_to_bottom(self):
        headers = [widget["title"] for widget in WIDGETS if "sectionHeader" in widget]
        assert headers == ["Verdict", "Probes", "Proxy", "Proxy VM", "Cloud NAT"]
        assert [panel["title"] for panel in GRAFANA["panels"] if panel["type"] == "row"] == headers
        assert [widget["title"] for widget in WIDGETS if "logsPanel" in widget] == ["Google: log of dropped flows"]

    def test_grafana_panels_are_whole_and_do_not_overlap(self):
        cells = set()
        for panel in GRAFANA["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            mine = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                    for y in range(place["y"], place["y"] + place["h"])}
            assert not mine & cells, panel["title"]
            cells |= mine
        assert len({panel["id"] for panel in GRAFANA["panels"]}) == len(GRAFANA["panels"])

    def test_grafana_asks_whatever_data_source_is_chosen(self):
        variables = {variable["name"] for variable in GRAFANA["templating"]["list"]}
        assert variables == {"datasource", "chain", "host", "gateway"}
        targets = [target for panel in GRAFANA["panels"] for target in panel.get("targets", [])]
        assert {target["datasource"]["uid"] for target in targets} == {"${datasource}"}
        used = {name for target in targets for name in re.findall(r"\$(\w+)", target["expr"])}
        assert used == variables - {"datasource"}


def test_policies_need_no_recorded_series():
    """Cloud Monitoring evaluates no recording rules."""
    asked_by = {f"{name}{where}": promql for name in POLICIES for where, promql in
                expressions.of_json((CLOUD / "alert-policies" / f"{name}.json").read_text(encoding="utf-8"))
                if "conditionPrometheusQueryLanguage" in where}
    assert len(asked_by) > 20
    # A record's name has colons; a label's value in quotes may have them too.
    assert [where for where, promql in asked_by.items() if ":" in re.sub(r'"[^"]*"|\[[^]]*\]', "", promql)] == []


@pytest.fixture
def cloud(tmp_path):
    """A project, and `apply` beside a gcloud that only knows it."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    shutil.copy(Path(__file__).with_name("fake_gcloud.py"), binaries / "gcloud")
    (binaries / "gcloud").chmod(0o755)
    return Project(tmp_path, binaries)


class Project:
    def __init__(self, folder, binaries):
        self.path = folder / "state.json"
        self.environment = {"PATH": f"{binaries}:{os.environ['PATH']}", "FAKE_GCLOUD": str(self.path),
                            "TMPDIR": str(folder), "HOME": str(folder)}
        self.write({"project": "lab-project", "nats": {"nat-1": {"name": "nat-1"}}})

    def write(self, state):
        self.path.write_text(json.dumps(state), encoding="utf-8")

    def change(self, **values):
        self.write({**self.state(), **values})

    def state(self):
        return load(self.path)

    def apply(self, *words, environment=None):
        return subprocess.run([str(CLOUD / "apply"), *words], env=environment or self.environment, text=True,
                              capture_output=True, check=False, timeout=300)


NAT = ("--router", "router-1", "--nat", "nat-1", "--region", "europe-west3")
COLLECTIONS = ("metrics", "uptimeCheckConfigs", "alertPolicies", "dashboards")


class TestApply:
    def test_twice_makes_one_of_each(self, cloud):
        first = cloud.apply(*NAT, "--endpoint", "www.example.com", "--channel", "mail")
        assert first.returncode == 0, first.stderr
        once = cloud.state()
        self.everything_is_there(once)
        second = cloud.apply(*NAT, "--endpoint", "www.example.com", "--channel", "mail")
        assert second.returncode == 0, second.stderr
        twice = cloud.state()
        for name in COLLECTIONS:
            assert sorted(twice[name]) == sorted(once[name]), f"{name}: some were made again"
        assert twice["alertPolicies"] == once["alertPolicies"], "conditions, and with them incidents, go on"
        assert not [word for word in twice["commands"][len(once["commands"]):] if word.endswith("create")]

    def everything_is_there(self, state):
        assert {policy["displayName"] for policy in state["alertPolicies"].values()} == set(POLICIES)
        assert all(policy["notificationChannels"] == ["mail"] for policy in state["alertPolicies"].values())
        (dashboard,) = state["dashboards"].values()
        assert dashboard["mosaicLayout"] == DASHBOARD["mosaicLayout"]
        assert state["metrics"] == {"projects/lab-project/metrics/egress_nat_dropped_flows": FILES["LogMetric"]}
        assert state["nats"]["nat-1"]["logConfig"] == {"enable": True, "filter": "ERRORS_ONLY"}
        (check,) = state["uptimeCheckConfigs"].values()
        expected = json.loads(json.dumps(FILES["UptimeCheckConfig"]).replace("HOST", "www.example.com")
                              .replace("PROJECT", "lab-project"))
        assert {**check, "name": None} == {**expected, "name": None}

    def test_what_the_project_has_decided_stays(self, cloud):
        assert cloud.apply().returncode == 0
        state = cloud.state()
        name, policy = next(iter(state["alertPolicies"].items()))
        policy |= {"enabled": False, "notificationChannels": ["pager"], "severity": "ERROR"}
        cloud.write(state)
        assert cloud.apply("--channel", "mail").returncode == 0
        after = cloud.state()["alertPolicies"][name]
        assert (after["enabled"], after["notificationChannels"]) == (False, ["pager"])
        assert after["severity"] == POLICIES[after["displayName"]]["severity"], "what is ours is brought up to date"

    @pytest.mark.parametrize("before, flag", [("ALL", None), ("ERRORS_ONLY", None),
                                              ("TRANSLATIONS_ONLY", "--log-filter=ALL")])
    def test_a_log_that_is_on_is_not_cut(self, cloud, before, flag):
        cloud.change(nats={"nat-1": {"logConfig": {"enable": True, "filter": before}}})
        done = cloud.apply("--dry-run", *NAT)
        assert done.returncode == 0, done.stderr
        updates = [line.split() for line in done.stdout.splitlines() if "nats update" in line]
        assert [flag in words for words in updates] == ([True] if flag else [])

    def test_a_dry_run_changes_nothing_and_prints_what_would_be_run(self, cloud):
        before = cloud.state()
        done = cloud.apply("--dry-run", *NAT, "--endpoint", "www.example.com", "--channel", "mail")
        assert done.returncode == 0, done.stderr
        assert {**cloud.state(), "commands": None} == {**before, "commands": None}
        assert not [word for word in cloud.state()["commands"] if word.endswith(("create", "update"))]
        # The lines are commands: run as they are they do what apply does.
        subprocess.run(["bash", "-e"], input=done.stdout, env=cloud.environment, text=True, check=True, timeout=300)
        self.everything_is_there(cloud.state())

    @pytest.mark.parametrize("command, said, told", [
        ("alpha monitoring policies create", "PERMISSION_DENIED: Permission monitoring.alertPolicies.create denied",
         "the roles that --help names"),
        ("logging metrics list", "User [x] does not have permission to access projects instance (403)",
         "the roles that --help names"),
        ("monitoring dashboards list", "You do not currently have an active account selected.", "gcloud auth login"),
        ("alpha monitoring policies create", "NOT_FOUND: Cannot find metric that matches type = x", "run this again"),
        ("monitoring uptime create", "Something nobody has heard of", "by hand"),
        ("compute routers nats update", "RESOURCE_EXHAUSTED: Quota exceeded", "quota"),
    ])
    def test_a_step_that_fails_stops_it_and_says_why(self, cloud, command, said, told):
        cloud.change(refuse={command: said})
        done = cloud.apply(*NAT, "--endpoint", "www.example.com")
        assert done.returncode == 1
        assert f"gcloud {command}" in done.stderr and said in done.stderr and told in done.stderr
        assert cloud.state()["commands"][-1] == command, "nothing was tried after it"

    def test_it_goes_on_where_it_was_stopped(self, cloud):
        cloud.change(refuse={"monitoring dashboards create": "INTERNAL: try later"})
        assert cloud.apply().returncode == 1
        made = set(cloud.state()["alertPolicies"])
        cloud.change(refuse={})
        assert cloud.apply().returncode == 0
        assert set(cloud.state()["alertPolicies"]) == made and len(cloud.state()["dashboards"]) == 1

    @pytest.mark.parametrize("collection, said", [("dashboards", "several dashboards"),
                                                  ("alertPolicies", "several alert policies")])
    def test_two_of_a_name_are_not_guessed_at(self, cloud, collection, said):
        twins = {f"projects/lab-project/{collection}/{number}": {
            "name": f"projects/lab-project/{collection}/{number}", "displayName": title}
            for number, title in enumerate(("Egress path", "EgressFaultHop") * 2)}
        cloud.change(**{collection: twins})
        done = cloud.apply()
        assert done.returncode == 1 and said in done.stderr
        assert cloud.state()[collection] == twins

    def test_no_project(self, cloud):
        cloud.change(project="")
        done = cloud.apply()
        assert done.returncode == 1 and "--project" in done.stderr
        assert "gcloud monitoring" not in done.stdout

    def test_no_gcloud(self, cloud, tmp_path):
        empty = tmp_path / "empty"
        empty.mkdir()
        for tool in ("bash", "env", "dirname"):
            (empty / tool).symlink_to(shutil.which(tool))
        done = cloud.apply(environment={**cloud.environment, "PATH": str(empty)})
        assert done.returncode == 1 and "install the Google Cloud CLI" in done.stderr

    @pytest.mark.parametrize("words, complaint", [
        (("--nat", "nat-1"), "go together"), (("--frob",), 'unknown argument "--frob"'),
        (("--endpoint", "https://x/"), "expected a host name"), (("--project",), "needs a value")])
    def test_wrong_words(self, cloud, words, complaint):
        done = cloud.apply(*words)
        assert done.returncode == 1 and complaint in done.stderr
        assert "commands" not in cloud.state()

    def test_it_leaves_no_files(self, cloud, tmp_path):
        assert cloud.apply().returncode == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "state.json"]

    def test_shellcheck_finds_nothing(self):
        done = subprocess.run(["shellcheck", str(CLOUD / "apply")], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
