# SPDX-License-Identifier: MIT
"""A real Prometheus scrapes a real collectd by the shipped configurations: the labels are those that are promised."""

import copy
from pathlib import Path

import builds
import pytest
import yaml
from egress_lab import prometheus_server

ETC = Path(__file__).resolve().parents[2] / "etc"
SECONDS = 60
# What the Ops Agent adds to each target of its own (its PrometheusStyleMetadata, shortened).
AGENT_LABELS = {"location": "europe-west3-b", "cluster": "__gce__", "namespace": "4711/vm-1"}


def load(name):
    return yaml.safe_load((ETC / name).read_text(encoding="utf-8"))


def shipped():
    """(scrape.yml's job, prometheus.yml's, the Ops Agent's)."""
    agent = load("ops-agent/config.yaml")["metrics"]["receivers"]["egress"]["config"]
    return [configuration["scrape_configs"] for configuration in
            (load("prometheus/scrape.yml"), load("prometheus/prometheus.yml"), agent)]


def quick(job, **changes):
    """The same job, at the lab's pace: nothing else in it is changed."""
    return {**copy.deepcopy(job), "scrape_interval": "1s", **changes}


def both_jobs():
    """prometheus.yml's own job, and the Ops Agent's beside it."""
    _, (plain,), (agent,) = shipped()
    targets = [{**each, "labels": AGENT_LABELS} for each in agent["static_configs"]]
    return [quick(plain), quick(agent, job_name="ops-agent", static_configs=targets)]


@pytest.fixture(name="running", scope="module")
def running_fixture(_shared_lab):
    """(collectd with all plugins, Prometheus), both in the VM."""
    configuration = {"scrape_configs": both_jobs()}
    with _shared_lab.collectd("vm", str(builds.plain()), interval=1) as collectd:
        with prometheus_server.start(_shared_lab.id, "vm", yaml.safe_dump(configuration)) as server:
            yield collectd, server
    _shared_lab.reset()


@pytest.fixture(name="server")
def server_fixture(running):
    return running[1]


def own(labels):
    """A series without what only its job has."""
    return {name: value for name, value in labels.items() if name not in ("job", *AGENT_LABELS)}


def test_the_three_files_scrape_alike():
    scrape, whole, agent = shipped()
    assert scrape == whole == agent
    assert scrape[0]["job_name"] == "collectd-egress"
    assert scrape[0]["honor_timestamps"] is False and scrape[0]["honor_labels"] is False


def test_prometheus_yml_names_rules_and_alertmanager():
    whole = load("prometheus/prometheus.yml")
    assert whole["rule_files"] == ["rules/*.yml"]
    assert whole["alerting"]["alertmanagers"][0]["static_configs"] == [{"targets": ["127.0.0.1:9093"]}]


EXPECTED = [
    ("collectd_egress_probe_up", {"chain": "vm", "target": "api"}, set()),
    ("collectd_egress_probe_hop_up", {"chain": "vm", "target": "git", "type": "gce-proxy"}, set()),
    ("collectd_egress_probe_fault", {"chain": "vm", "type": "gce-proxy"}, {"target"}),
    ("collectd_egress_probe_results_total", {"chain": "vm", "target": "api", "type": "ok"}, set()),
    ("collectd_egress_probe_latency_bucket_total", {"chain": "vm", "target": "api", "le": "+Inf"}, {"type"}),
    ("collectd_egress_probe_latency_bucket_total", {"chain": "vm", "target": "api", "le": "0.005"}, {"type"}),
    ("collectd_egress_probe_latency", {"chain": "vm", "target": "api", "type": "total"}, {"le"}),
    ("collectd_egress_nat_ports_used", {"gateway": "nat", "proto": "tcp"}, {"type", "chain"}),
    ("collectd_egress_nat_percent", {"gateway": "nat", "proto": "tcp", "type": "limit"}, set()),
    ("collectd_egress_netlink_tcp_connections", {"egress_netlink": "all", "type": "ESTABLISHED"}, {"chain"}),
    ("collectd_egress_netlink_queue_length", {"egress_netlink": "listen:3128", "type": "accept"}, set()),
    ("collectd_egress_netlink_conntrack", {"egress_netlink": "conntrack", "type": "entries"}, set()),
]


@pytest.mark.parametrize("name, labels, absent", EXPECTED,
                         ids=[f"{name} {' '.join(labels.values())}" for name, labels, _ in EXPECTED])
def test_the_labels_are_those_promised(server, name, labels, absent):
    chosen = ",".join(f'{key}="{value}"' for key, value in labels.items())
    found = server.wait_for(f'{name}{{job="collectd-egress",{chosen}}}', SECONDS)
    assert len(found) == 1, found
    seen = found[0][0]
    assert seen["host"] == "vm" and seen["instance"] == "127.0.0.1:9103"
    assert not absent & set(seen), seen
    assert not {"exported_instance", "egress_probe", "egress_nat"} & set(seen), seen


def test_no_series_has_a_label_that_nobody_promised(server):
    """Of our own metrics, all that there are."""
    promised = {"__name__", "job", "instance", "host", "chain", "target", "gateway", "proto", "type", "le",
                "egress_netlink"}
    server.wait_for('collectd_egress_probe_latency_bucket_total{job="collectd-egress"}', SECONDS)
    found = server.query('{__name__=~"collectd_egress_.*",job="collectd-egress"}')
    assert len(found) > 100
    assert {name for labels, _ in found for name in labels} == promised


def test_the_ops_agents_job_gives_the_same_series(server):
    def series(job):
        return {frozenset(own(labels).items())
                for labels, _ in server.query(f'{{__name__=~"collectd_.*",job="{job}"}}')}

    server.wait_for('collectd_egress_probe_latency_bucket_total{job="ops-agent"}', SECONDS)
    server.wait_for(f'count({{__name__=~"collectd_.*",job="ops-agent"}})', SECONDS,
                    lambda _: series("ops-agent") == series("collectd-egress"))
    kept = server.query('collectd_egress_nat_ports_used{job="ops-agent"}')[0][0]
    assert AGENT_LABELS.items() <= kept.items()


def test_the_histogram_gives_quantiles(server):
    found = server.wait_for(
        'histogram_quantile(0.95, sum by (le, chain, target) '
        '(rate(collectd_egress_probe_latency_bucket_total{job="collectd-egress"}[1m])))',
        SECONDS, lambda found: any(value == value for _, value in found))
    assert {(labels["chain"], labels["target"]) for labels, _ in found} == {("vm", "api"), ("vm", "git")}
    assert all(0 < value <= 10 for _, value in found if value == value)


def test_what_has_vanished_is_gone_within_two_scrapes(running, _shared_lab):
    """A phase that is not reached any more. No clock but that of Prometheus' own samples."""
    collectd, server = running
    phase = 'collectd_egress_probe_response_time{job="collectd-egress",target="api",type="tls"}'
    up = 'up{job="collectd-egress"}'
    server.wait_for(phase, SECONDS)
    _shared_lab.break_("vm", "stop")
    try:
        collectd.wait_for(lambda metrics: metrics.value("collectd_egress_probe_response_time", egress_probe="vm:api",
                                                        type="tls") is None, SECONDS, "the end of a phase")
        last = max(server.sample_times(phase))
        server.wait_for(up, SECONDS, lambda _: sum(moment > last for moment in server.sample_times(up)) >= 3)
        last = max(server.sample_times(phase))
        after = sorted(moment for moment in server.sample_times(up) if moment > last)
        assert server.query(phase, at=last), "there at its last scrape"
        assert not server.query(phase, at=after[1]), f"last seen at {last}, still there at {after[1]}"
    finally:
        _shared_lab.mend()
