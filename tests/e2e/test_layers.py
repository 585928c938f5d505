# SPDX-License-Identifier: MIT
"""README's table "Layer by layer": its files are there, its metrics are dispatched, its tests show them."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "tools"))

import dispatched  # noqa: E402
import foreign  # noqa: E402

PROXIES = TOP / "etc" / "collectd" / "proxies"
STOCK_TYPES = Path("/usr/share/collectd/types.db")
COLUMNS = ("what", "files", "metrics", "tests")


def rows():
    text = (TOP / "README.md").read_text(encoding="utf-8")
    table = re.search(r"^## Layer by layer\n\n(?:\|.*\n){2}((?:\|.*\n)+)", text, re.M)[1]
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        words = [re.findall(r"`([^`]+)`", cell) for cell in cells[1:]]
        yield pytest.param(dict(zip(COLUMNS, (cells[0].strip(), *words))), id=cells[0].strip())


ROWS = list(rows())


@pytest.fixture(name="metrics", scope="session")
def metrics_fixture():
    """The names under which write_prometheus shows what the plugins and the proxies' files dispatch."""
    tool = Path(os.environ["EGRESS_BUILD_PLAIN"]) / "tests" / "tools" / "metric_tables"
    first, *lines = subprocess.run([tool], check=True, capture_output=True, text=True).stdout.splitlines()
    table = [dict(zip(first.split("\t"), line.split("\t"))) for line in lines]
    own = {dispatched.metric_name(row["plugin"], row["type"], row["kind"] == "derive") for row in table}
    return own | set(foreign.of_stanzas(PROXIES.glob("*.conf"), STOCK_TYPES.read_text(encoding="utf-8")))


def functions(module):
    tree = ast.parse((Path(__file__).parent / module).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_layer_and_question_has_a_row():
    assert [row.values[0]["what"] for row in ROWS] == [
        "the Pod", "the proxy Pod", "the GCE proxy", "the NAT", "the public endpoint", "flows that were dropped",
        "use of the NAT's address", "errors of the proxy on the VM", "4xx and 5xx", "RTT and codes of external targets"]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_what_there_is(row, metrics):
    assert row["files"] and row["metrics"] and row["tests"]
    for name in row["files"]:
        assert (TOP / name).exists(), name
    assert set(row["metrics"]) <= metrics
    shown = ""
    for name in row["tests"]:
        module, function = name.split("::")
        assert function in functions(module), name
        shown += (Path(__file__).parent / module).read_text(encoding="utf-8")
    for name in row["metrics"]:
        # A test may put a name together from the plugin's and this.
        assert name in shown or f'"{name.split("_", 2)[2]}"' in shown, f"no test of the row speaks of {name}"
