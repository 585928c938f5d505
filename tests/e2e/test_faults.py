# SPDX-License-Identifier: MIT
"""Every fault that the lab can make, seen by collectd from the Pod and from the VM: what becomes of the attempt, which
part is blamed and how soon, and how soon it is over. The table is the manual page's."""

from pathlib import Path

import builds
import fault_run
import fault_table
import pytest
from egress_lab import faults, sites

MANUAL = Path(__file__).resolve().parents[2] / "man" / "egress_probe.5"
ROWS = fault_table.ROWS + fault_table.DEFAULT_ROWS
# Labs side by side, by Squid's limits and the probes' patience: most of the time is spent waiting.
BENCHES = {("recommended", "short"): 3, ("recommended", "long"): 3, ("defaults", "short"): 2}
HEALTHY_ROUNDS = 3
SECONDS = 30


@pytest.fixture(name="measured", scope="module")
def measured_fixture(request):
    """The rows whose tests are going to run, measured all together."""
    wanted = [item.callspec.params["row"] for item in request.session.items
              if getattr(item, "originalname", "") == test_the_fault_is_named_and_over_when_it_is_over.__name__]
    options = {"plugin_dir": str(builds.sanitized()), "environment": builds.sanitizer_environment()}
    return fault_run.measure(wanted, BENCHES, options)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_fault_is_named_and_over_when_it_is_over(measured, row):
    found = measured[0][row]
    assert not found.error, found.error
    for seat, expected in (("pod", row.pod), ("vm", row.vm)):
        story = found.broken[seat]
        said = f"{seat}: {story.last_results} {story.last.fault}\n{story.samples}"
        assert (set(story.last_results), story.last.fault) == ({expected.result}, expected.fault), said
        assert story.rounds_until(expected.fault) <= fault_run.VERDICT_AFTER + 1, said
        assert {sample.fault for sample in story.samples} <= {fault_table.NONE, expected.fault}, said
    for seat, story in found.mended.items():
        said = f"{seat}, mended: {story.last_results} {story.last.fault}\n{story.samples}"
        assert story.says("ok", fault_table.NONE), said
        assert story.rounds_until(fault_table.NONE) <= HEALTHY_ROUNDS, said


ADDRESSED = """
LoadPlugin egress_probe
<Plugin egress_probe>
  <Hop "first">
    URL "http://{address}:{port}"
  </Hop>
  <Chain "pod">
    Hops "first"
    <Target "api">
      URL "https://api.example.com/"
      CACert "{ca}"
    </Target>
  </Chain>
</Plugin>
"""


def test_without_a_route_to_an_address(lab, start_collectd):
    """In the table the first hop has a name, and its resolver cannot be reached either."""
    body = ADDRESSED.format(address=sites.ADDRESSES["podproxy"], port=sites.PROXY_PORT, ca=lab.ca)
    collectd = start_collectd(lab, "pod", interval=1, body=body)
    results = "collectd_egress_probe_results_total"
    collectd.wait_for(lambda metrics: metrics.value(results, egress_probe="pod:api", type="ok"), SECONDS, "a probe")
    lab.break_("pod", "no-route")
    metrics = collectd.wait_for(
        lambda found: found.value("collectd_egress_probe_fault", egress_probe="pod", type="local") == 1, SECONDS,
        "the verdict `local`")
    assert metrics.value(results, egress_probe="pod:api", type="local") >= 2
    assert "no route on the prober" in collectd.log()


def test_the_daemons_end_in_order(measured):
    """After all the faults; a sanitizer that finds something ends them otherwise."""
    assert measured[1]
    for part, status, log in measured[1]:
        assert status == 0, f"collectd in {part} ended with {status}\n{log[-8000:]}"
        assert "runtime error:" not in log and "AddressSanitizer" not in log
        assert "\x1b" not in log, "bytes of a peer reached the log"


def test_every_fault_of_the_lab_is_in_the_table():
    """For values and sites one of each stands for all; the fake Google is no part of the path."""
    offered = {(part, verb) for part, ways in faults.WAYS.items() for verb in ways if part != "gcp"}
    tabled = {(row.part, row.how.split("=")[0].split(":")[0]) for row in ROWS}
    assert offered - tabled == {("dns", "stop")}, "stopped, it is `no-dns` of all parts at once"


@pytest.mark.parametrize("rows", [fault_table.ROWS, fault_table.DEFAULT_ROWS], ids=["recommended", "defaults"])
def test_the_manual_page_has_the_same_table(rows):
    page = MANUAL.read_text(encoding="utf-8").splitlines()
    lines = fault_table.printed(rows)
    begins = [number for number, line in enumerate(page) if page[number:number + 2] == lines[:2]]
    assert lines in [page[number:number + len(lines)] for number in begins], \
        "print it anew with tests/e2e/fault_table.py"
    ends = [page[number + len(lines)] for number in begins if page[number:number + len(lines)] == lines]
    assert ends == [".Ed"], "the manual page's table has more lines"
