#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every PromQL expression of every shipped file is one, and something that the suite dispatches can satisfy it."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
SOURCE = Path(os.environ.get("srcdir", Path(__file__).resolve().parents[2])).resolve()
sys.path.insert(0, str(SOURCE / "tests" / "tools"))

import tallied  # noqa: E402

try:
    import yaml
except ImportError:
    raise unittest.SkipTest("no python3-yaml") from None

import dispatched  # noqa: E402
import expressions  # noqa: E402
import foreign  # noqa: E402
import promql  # noqa: E402

STOCK_TYPES = Path("/usr/share/collectd/types.db")


def metric_tables():
    """Rows as dictionaries, by the names in the first line."""
    done = subprocess.run([Path("tests") / "tools" / "metric_tables"], check=True, capture_output=True, text=True)
    first, *rows = done.stdout.splitlines()
    return [dict(zip(first.split("\t"), row.split("\t"))) for row in rows]


def scrape_jobs():
    return yaml.safe_load((SOURCE / "etc" / "prometheus" / "scrape.yml").read_text(encoding="utf-8"))["scrape_configs"]


def recorded(known):
    rules = [rule for path in sorted((SOURCE / "etc" / "prometheus" / "rules").glob("*.yml"))
             for rule in expressions.of_rules(path.read_text(encoding="utf-8"))]
    return expressions.recorded(rules, known)


def catalogue():
    known = {**foreign.catalogue(), **dispatched.catalogue(metric_tables(), scrape_jobs())}
    if STOCK_TYPES.exists():
        proxies = sorted((SOURCE / "etc" / "collectd" / "proxies").glob("*.conf"))
        known.update(foreign.of_stanzas(proxies, STOCK_TYPES.read_text(encoding="utf-8")))
    known.update(recorded(known))
    return known


def syntax_errors(texts):
    """What promtool says against them, as rules of one file."""
    rules = {"groups": [{"name": "all", "rules": [{"record": f"number_{number}", "expr": text}
                                                  for number, text in enumerate(texts)]}]}
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        yaml.safe_dump(rules, file)
        file.flush()
        done = subprocess.run(["promtool", "check", "rules", "--lint=none", file.name], capture_output=True, text=True,
                              check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


class Shipped(unittest.TestCase):
    def setUp(self):
        if not (SOURCE / "etc" / "collectd" / "proxies").exists() or STOCK_TYPES.exists():
            return
        self.skipTest(f"no {STOCK_TYPES}")

    def test_something_can_satisfy_each(self):
        known = catalogue()
        wrong = [f"{where}: {text}\n    {sentence}" for where, text in expressions.of_tree(SOURCE)
                 for sentence in expressions.complaints(text, known)]
        self.assertEqual(wrong, [], "\n".join(["", *wrong]))

    @unittest.skipUnless(shutil.which("promtool"), "no promtool")
    def test_each_is_promql(self):
        self.assertEqual(syntax_errors([text for _, text in expressions.of_tree(SOURCE)]), "")

    def test_every_kind_of_file_has_some(self):
        places = [where for where, _ in expressions.of_tree(SOURCE)]
        for beginning in ("etc/prometheus/rules/egress-alerts.yml", "etc/prometheus/rules/egress-recording.yml",
                          "etc/runbooks/"):
            self.assertGreater(sum(where.startswith(beginning) for where in places), 8, beginning)
        for folder in ("etc/grafana", "etc/cloud-monitoring/dashboards", "etc/cloud-monitoring/alert-policies"):
            if (SOURCE / folder).exists():
                self.assertGreater(sum(where.startswith(folder) for where in places), 8, folder)


class Walker(unittest.TestCase):
    """It must be able to complain."""

    @classmethod
    def setUpClass(cls):
        cls.known = catalogue()

    def wrong(self, text, *words):
        said = " ".join(expressions.complaints(text, self.known))
        self.assertTrue(said, text)
        for word in words:
            self.assertIn(word, said, text)

    def right(self, text):
        self.assertEqual(expressions.complaints(text, self.known), [], text)

    def test_a_misspelled_metric(self):
        self.wrong("rate(collectd_egress_probe_result_total[5m])", "collectd_egress_probe_result_total")
        self.wrong("collectd_egress_probe_results", "no metric")  # a derive has _total
        self.wrong("up + collectd_egress_nat_port_used", "collectd_egress_nat_port_used")
        self.wrong("egress:slow_or_failed:ratio_rate2h", "ratio_rate2h")
        self.wrong("collectd_squid_response_code", "no metric")

    def test_a_value_that_never_is(self):
        self.wrong('collectd_egress_probe_results_total{type="okay"}', "type", "okay")
        self.wrong('collectd_egress_probe_results_total{type=~"ok|tls|certifcate"}', "certifcate")
        self.wrong('collectd_egress_probe_results_total{type!="fine"}', "fine")
        self.wrong('collectd_egress_nat_percent{type="used"}', "used")
        self.wrong('collectd_egress_nat_ports_used{proto="sctp"}', "sctp")
        self.wrong('collectd_egress_probe_http_response_codes_total{type=~"6.."}', "6..")
        self.wrong('collectd_egress_probe_latency_bucket_total{le="2"}', "le")
        self.wrong('collectd_egress_netlink_queue_length{egress_netlink="3128"}', "3128")
        self.wrong('collectd_egress_netlink_tcp_connections{type="ESTAB"}', "ESTAB")
        self.wrong('up{job="collectd"}', "collectd")
        self.wrong('egress:plugin:present{plugin="egress_net"}', "egress_net")

    def test_an_unknown_label(self):
        self.wrong('collectd_egress_probe_up{egress_probe="prod:github"}', "egress_probe")
        self.wrong('collectd_egress_probe_fault{target="github"}', "target")
        self.wrong('collectd_egress_probe_latency_bucket_total{type="1"}', "type")
        self.wrong('collectd_egress_nat_ports_used{type="limit"}', "type")
        self.wrong("sum by (chains) (collectd_egress_probe_up)", "chains")
        self.wrong("sum without (tpye) (rate(collectd_egress_probe_results_total[5m]))", "tpye")
        self.wrong("egress:http_5xx:ratio_rate15m / on (type) egress:http_4xx:ratio_rate15m", "type")
        self.wrong('egress:http_5xx:ratio_rate15m{type="503"}', "type")

    def test_what_no_single_series_has(self):
        self.wrong('collectd_egress_probe_up{target=""}', "no series")

    def test_what_selects_nothing_or_is_no_promql(self):
        self.wrong("1 + 1", "selects nothing")
        self.wrong("sum(", "selects nothing")
        self.wrong('{job="collectd-egress"}', "no metric")
        self.wrong('{__name__=~"collectd_egres_.+"}', "no metric")
        self.right('count by (host, chain) ({__name__=~"collectd_egress_.+"})')
        self.wrong("up & up", "not understood")
        if shutil.which("promtool"):
            self.assertIn("number_1", syntax_errors(["up", "sum(up", "vector(1)"]))
            self.assertEqual(syntax_errors(["up", "vector(1)"]), "")

    def test_what_is_right(self):
        self.right('histogram_quantile(0.9, sum by (le, host) (rate(collectd_egress_probe_latency_bucket_total[5m])))')
        self.right('collectd_egress_probe_response_time{type="tunnel-my-proxy"}')
        self.right('collectd_egress_probe_fault{type!~"local|egress|target|unknown"} == 1')
        self.right('count by (who) (label_replace(up, "who", "$1", "instance", "(.*):.*"))')
        self.right('collectd_egress_nat_destination_ports{type="192.0.2.1:443"} offset 5m')
        self.right('max_over_time(collectd_egress_nat_ports_used{proto=~"tcp|udp"}[1h:1m])')
        self.right('egress:plugin:present{plugin="egress_nat"} unless on (host) up{}')

    def test_variables_of_the_dashboards(self):
        self.assertEqual(expressions.without_variables('rate(x{${egress_chain},host=~"$host"}[$__rate_interval])'),
                         'rate(x{host=~".*",host=~".*"}[5m])')

    def test_names_in_filters_and_variables(self):
        text = '{"filter": "metric.type=\\"prometheus.googleapis.com/no_such_metric/gauge\\"", ' \
               '"query": "label_values(collectd_egress_probe_up, chains)", "a": [{"expr": "x"}]}'
        self.assertEqual([found for _, found in expressions.of_json(text)],
                         ["no_such_metric", "count by (chains) (collectd_egress_probe_up)", "x"])

    def test_queries_of_pages(self):
        text = """const a = "min(collectd_x)", b = 'collectd_y{a="b"}', c = "other"; f(`rate(collectd_z[5m])`)"""
        self.assertEqual([found for _, found in expressions.of_page(text)],
                         ["min(collectd_x)", 'collectd_y{a="b"}', "rate(collectd_z[5m])"])

    def test_queries_of_annotations(self):
        text = '{{ range query (printf "x{a=%q} == 0" $labels.a) }}{{ . }}{{ end }} {{ query "y" }}'
        self.assertEqual(list(expressions.of_template(text)), ['x{a="x"} == 0', "y"])
        self.assertIn("EgressFaultTarget, description", " ".join(where for where, _ in expressions.of_tree(SOURCE)))

    def test_tokens(self):
        read = promql.read('sum by (a, b) (x{c="}",d=~`e\\d`}) / on (f) group_left (g) y offset 5m # z\n > bool 1e3')
        self.assertEqual(read.selectors, [("x", [("c", "=", "}"), ("d", "=~", "e\\d")]), ("y", [])])
        self.assertEqual(read.grouped, {"a", "b", "f", "g"})
        self.assertEqual(promql.read('label_replace(x{a="b"}, "made", "$1", "a", "(.*)")').made, {"made"})


class Relabelling(unittest.TestCase):
    def test_the_labels_of_the_shipped_configuration(self):
        known = dispatched.catalogue(metric_tables(), scrape_jobs())
        everywhere = {"host", "job", "instance"}
        for name, labels in (("probe_up", {"chain", "target"}), ("probe_fault", {"chain", "type"}),
                             ("probe_latency_bucket_total", {"chain", "target", "le"}),
                             ("nat_ports_used", {"gateway", "proto"}), ("netlink_percent", {"egress_netlink", "type"})):
            for series in known[f"collectd_egress_{name}"]:
                self.assertEqual(set(series), labels | everywhere, name)

    def test_rules_one_by_one(self):
        rule = {"source_labels": ["a", "b"], "regex": "(.+);(.+)", "target_label": "c", "replacement": "$2-${1}"}
        self.assertEqual(dispatched.relabelled({"a": "1", "b": "2"}, rule), {"a": "1", "b": "2", "c": "2-1"})
        self.assertEqual(dispatched.relabelled({"a": "1"}, rule), {"a": "1"})
        self.assertEqual(dispatched.relabelled({"a": "1"}, {"regex": "a", "action": "labeldrop"}), {})
        self.assertIsNone(dispatched.relabelled({"a": "1"}, {"source_labels": ["a"], "regex": "2", "action": "keep"}))
        gone = {"source_labels": ["a"], "regex": "1", "target_label": "a", "replacement": "$1"}
        self.assertEqual(dispatched.relabelled({"a": "1", "b": "2"}, gone), {"b": "2"})

    def test_a_table_that_is_not_understood(self):
        with self.assertRaises(ValueError):
            dispatched.type_instances("something said in words")
        with self.assertRaises(ValueError):
            dispatched.plugin_instances("Whatever it is")


if __name__ == "__main__":
    sys.exit(tallied.main())
