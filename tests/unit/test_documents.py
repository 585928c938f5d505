#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The manual pages and types.db say what the code says: its tables are asked through tests/tools."""

import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
SOURCE = Path(os.environ.get("srcdir", Path(__file__).resolve().parents[2])).resolve()
sys.path.insert(0, str(SOURCE / "tests" / "tools"))

import documents  # noqa: E402
import tallied  # noqa: E402

PLUGINS = ("egress_probe", "egress_netlink", "egress_nat")
STOCK_TYPES = Path("/usr/share/collectd/types.db")
# What mandoc says of a machine on which the other manual pages are not installed.
NOT_INSTALLED = ("referenced manual not found", "outdated mandoc.db")


def run_tool(name, *arguments):
    tool = Path("tests") / "tools" / name
    return subprocess.run([tool, *arguments], check=True, capture_output=True, text=True).stdout


def read_table(name):
    """Rows as dictionaries, by the names in the first line."""
    first, *rows = run_tool(name).splitlines()
    return [dict(zip(first.split("\t"), row.split("\t"))) for row in rows]


def page(plugin):
    return (SOURCE / "man" / f"{plugin}.5").read_text(encoding="utf-8")


def types_of(text):
    """{type: what types.db says of it}, without comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {line.split(None, 1)[0]: line.split(None, 1)[1] for line in lines}


def words_of(instances):
    """`accept, accept_max` are words to be found in a page; `the state` is a description."""
    parts = [part.strip() for part in instances.split(",")]
    return [part for part in parts if re.fullmatch(r"[a-z0-9_.+-]+(Inf|HOP)?", part)] if len(parts) > 1 else []


def said_in(word, text):
    return re.search(rf"(?<![\w.]){re.escape(word)}(?![\w])(?!\.\d)", text) is not None


class Documents(unittest.TestCase):
    def same_names(self, documented, real, what):
        self.assertEqual(sorted(set(real) - set(documented)), [], f"{what}: not in the manual page")
        self.assertEqual(sorted(set(documented) - set(real)), [], f"{what}: in the manual page, not in the code")

    def test_types_db_is_that_of_the_tables(self):
        shipped = (SOURCE / "etc" / "collectd" / "types.db").read_text(encoding="utf-8")
        lines = [line for line in shipped.splitlines() if not line.startswith("#")]
        self.assertEqual(lines, run_tool("metric_tables", "--types-db").splitlines(),
                         "etc/collectd/types.db: print it anew with tests/tools/metric_tables --types-db")

    def test_one_type_has_one_definition(self):
        names = [line.split()[0] for line in run_tool("metric_tables", "--types-db").splitlines()]
        self.assertEqual(sorted(names), sorted(set(names)))

    def test_stock_types_are_collectds_and_own_ones_are_not(self):
        if not STOCK_TYPES.exists():
            self.skipTest(f"no {STOCK_TYPES}")
        stock = types_of(STOCK_TYPES.read_text(encoding="utf-8"))
        for row in read_table("metric_tables"):
            name = f"{row['plugin']}: {row['type']}"
            if row["origin"] == "stock":
                self.assertIn(row["type"], stock, name)
                self.assertRegex(stock[row["type"]], rf"^value:{row['kind'].upper()}:", name)
            else:
                self.assertNotIn(row["type"], stock, f"{name}: collectd has a type of this name")

    def test_every_metric_is_in_its_page(self):
        rows = read_table("metric_tables")
        for plugin in PLUGINS:
            documented = documents.metrics(page(plugin))
            self.same_names(documented, [row["type"] for row in rows if row["plugin"] == plugin], plugin)

    def test_the_pages_say_kind_unit_and_instances(self):
        for row in read_table("metric_tables"):
            text = documents.metrics(page(row["plugin"]))[row["type"]]
            name = f"{row['plugin']}: {row['type']}"
            self.assertIn(f"{row['kind'].capitalize()}, ", text, name)
            self.assertTrue(said_in(row["unit"], text), f"{name}: the unit {row['unit']}")
            for word in words_of(row["type_instance"]) + words_of(row["plugin_instance"]):
                self.assertTrue(said_in(word, text), f"{name}: the instance {word}")

    def test_every_option_is_in_its_page(self):
        rows = read_table("option_tables")
        for plugin in PLUGINS:
            real = [(row["block"], row["option"]) for row in rows if row["plugin"] == plugin]
            self.same_names(documents.options(page(plugin)), real, plugin)

    def test_the_pages_say_what_an_option_allows(self):
        for row in read_table("option_tables"):
            text = documents.options(page(row["plugin"]))[row["block"], row["option"]]
            allowed = re.findall(r"from (\S+) to (\S+)", row["expected"])
            words = list(allowed[0]) if allowed else re.findall(r'"(\w+)"', row["expected"])
            for word in words:
                self.assertTrue(said_in(word, text), f"{row['plugin']}, <{row['block']}>: {row['option']}: {word}")

    def test_every_option_has_a_default_or_must_be_given(self):
        for row in read_table("option_tables"):
            text = documents.options(page(row["plugin"]))[row["block"], row["option"]]
            if row["expected"] != "block":
                self.assertRegex(text, r"Default:|No default|[Rr]equired|is needed",
                                 f"{row['plugin']}, <{row['block']}>: {row['option']}")

    def test_every_page_has_a_stanza_of_its_plugin(self):
        for plugin in PLUGINS:
            stanzas = documents.manual_stanzas(page(plugin))
            self.assertTrue(any(f"<Plugin {plugin}>" in stanza for stanza in stanzas), plugin)
        entry = (SOURCE / "man" / "collectd-egress.7").read_text(encoding="utf-8")
        for plugin in PLUGINS:
            self.assertTrue(any(f"LoadPlugin {plugin}" in stanza for stanza in documents.manual_stanzas(entry)), plugin)

    def test_mandoc_has_no_complaint(self):
        if not shutil.which("mandoc"):
            self.skipTest("no mandoc")
        for path in sorted((SOURCE / "man").glob("*.[57]")):
            said = subprocess.run(["mandoc", "-T", "lint", str(path)], capture_output=True, text=True, check=False)
            lines = [line for line in (said.stdout + said.stderr).splitlines()
                     if not any(words in line for words in NOT_INSTALLED)]
            self.assertEqual(lines, [])


if __name__ == "__main__":
    sys.exit(tallied.main())
