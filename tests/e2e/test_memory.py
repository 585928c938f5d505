# SPDX-License-Identifier: MIT
"""memcheck over a collectd with all three plugins, for 30 intervals of one second."""

import re

INTERVALS = 30
SECONDS = 180


def test_memcheck_finds_nothing(lab, start_collectd):
    report = lab.directory / "memcheck"
    # collectd leaves plugins loaded at its end, so what they lost can still be named.
    wrapper = ["valgrind", "--tool=memcheck", "--leak-check=full", "--show-leak-kinds=definite",
               "--errors-for-leak-kinds=definite", "--num-callers=20", f"--log-file={report}"]
    collectd = start_collectd(lab, "vm", interval=1, sanitized=False, wrapper=wrapper)
    load = lab.load("vm", "short", "198.51.100.20", 443, "--count", 240, "--rate", 4, "--close", "client")
    stamps = set()

    def thirty(metrics):
        stamps.update(line.rsplit(" ", 1)[1] for line in metrics.text.splitlines()
                      if line.startswith("collectd_egress_nat_ports_used{"))
        return len(stamps) > INTERVALS

    try:
        metrics = collectd.wait_for(thirty, SECONDS, f"{INTERVALS} intervals under memcheck")
    finally:
        load.terminate()
    assert metrics.find("collectd_egress_probe_up") and metrics.find("collectd_egress_netlink_tcp_connections")
    assert collectd.stop(seconds=60) == 0
    said = report.read_text(encoding="utf-8")
    assert re.search(r"ERROR SUMMARY: 0 errors", said), said
    assert not re.search(r"definitely lost: [1-9]", said), said
