# SPDX-License-Identifier: MIT
"""The lengths of a probe's phases, against servers that wait for a programmed time at each step."""

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import builds
import pytest
from egress_lab import Lab, sites

DELAYS = Path(__file__).with_name("delays.py")
INTERVAL, TIMEOUT = 5, 4
# A machine that is busy with something else adds to a phase now and then, never to the same one each time. So it is
# measured again until each phase was right once.
MEASUREMENTS = 12
SECONDS = 90
FIRST_PORT = 4000


@dataclass(frozen=True)
class Case:
    """One chain with one target: how its servers wait, in milliseconds by phase, and what becomes of the attempt."""

    name: str
    delays: dict
    result: str = "ok"
    role: str = "proxy"
    plain: bool = False
    status: int = 200
    hang: str = ""
    # Phases that pass without a delay.
    passed: tuple = field(default=("connect",))

    def expected(self):
        """Milliseconds by phase. The phase that hangs takes what is left of Timeout."""
        lengths = {**dict.fromkeys(self.passed, 0), **self.delays}
        if self.hang:
            lengths[self.hang] = TIMEOUT * 1000 - sum(lengths.values())
        return lengths


ALL = {"dns": 300, "tunnel": 400, "tls": 500, "ttfb": 600, "transfer": 700}
CASES = (
    Case("proxy", ALL),
    Case("other-order", {"dns": 500, "tunnel": 700, "tls": 200, "ttfb": 400, "transfer": 300}),
    Case("tls-proxy", {"dns": 150, "proxy_tls": 250, "tunnel": 350, "tls": 450, "ttfb": 550, "transfer": 650}),
    Case("plain", {"dns": 200, "ttfb": 500, "transfer": 300}, plain=True),
    Case("straight", {"dns": 250, "tls": 350, "ttfb": 450, "transfer": 550}, role="origin"),
    Case("answer-403", {"dns": 200, "tunnel": 600}, "proxy_denied", status=403),
    Case("answer-407", {"dns": 300, "tunnel": 500}, "proxy_denied", status=407),
    Case("answer-502", {"dns": 100, "tunnel": 700}, "proxy_error", status=502),
    Case("answer-403-tls-proxy", {"dns": 200, "proxy_tls": 300, "tunnel": 600}, "proxy_denied", status=403),
    Case("hang-dns", {}, "dns", hang="dns", passed=()),
    Case("hang-proxy-tls", {"dns": 200}, "timeout", hang="proxy_tls"),
    Case("hang-tunnel", {"dns": 200}, "tunnel_timeout", hang="tunnel"),
    Case("hang-tls", {"dns": 200, "tunnel": 300}, "timeout", hang="tls"),
    Case("hang-ttfb", {"dns": 200, "tunnel": 300, "tls": 400}, "timeout", hang="ttfb"),
    Case("hang-transfer", {"dns": 100, "tunnel": 200, "tls": 300, "ttfb": 400}, "timeout", hang="transfer"),
)


def is_near(measured, programmed):
    """Milliseconds."""
    return abs(measured - programmed) <= 5 + 0.05 * programmed


def program(index):
    case = CASES[index]
    return {"port": FIRST_PORT + index, "role": case.role, "plain": case.plain, "delays": case.delays,
            "status": case.status, "hang": case.hang}


def stanza(index, certificate):
    """A chain of its own for each case; all wait side by side."""
    case = CASES[index]
    name = "never.example.net" if case.hang == "dns" else f"d{case.delays['dns']}.example.net"
    secure = "proxy_tls" in case.delays or case.hang == "proxy_tls"
    hop = f"""
  <Hop "hop-{case.name}">
    URL "http{'s' if secure else ''}://{name}:{FIRST_PORT + index}"
    {f'CACert "{certificate}"' if secure else ''}
  </Hop>""" if case.role == "proxy" else ""
    target = "d0.example.net" if case.role == "proxy" else f"{name}:{FIRST_PORT + index}"
    return f"""{hop}
  <Chain "{case.name}">
    {f'Hops "hop-{case.name}"' if hop else ''}
    Ladder false
    <Target "t">
      URL "http{'' if case.plain else 's'}://{target}/"
      CACert "{certificate}"
      ExpectBody "but whole"
    </Target>
  </Chain>"""


def configuration(certificate):
    chains = "".join(stanza(index, certificate) for index in range(len(CASES)))
    return f"""
<LoadPlugin egress_probe>
  Interval 0.5
</LoadPlugin>
<Plugin egress_probe>
  Interval {INTERVAL}
  Timeout {TIMEOUT}{chains}
</Plugin>
"""


def certificate_in(folder):
    """(certificate, key): its own authority, for all names here."""
    paths = folder / "delays.pem", folder / "delays.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", str(paths[1]), "-out", str(paths[0]), "-days", "2", "-subj", "/CN=delays",
                    "-addext", "subjectAltName=DNS:*.example.net"], check=True, capture_output=True)
    return paths


def milliseconds(metrics, case):
    """What was measured: by phase without the hop's name, and in total."""
    phases = metrics.by_label("collectd_egress_probe_response_time", "type", egress_probe=f"{case.name}:t")
    total = metrics.value("collectd_egress_probe_latency", egress_probe=f"{case.name}:t", type="total")
    return {name.split("-")[0]: 1000 * length for name, length in phases.items()}, 1000 * (total or 0)


def complaints(metrics, case):
    """What is wrong with the newest measurement of a case, by phase; {} if nothing is."""
    expected, (measured, total) = case.expected(), milliseconds(metrics, case)
    if measured.keys() != expected.keys():
        return {phase: f"phases {sorted(measured)}, expected {sorted(expected)}" for phase in expected}
    found = {phase: f"took {measured[phase]:.1f} ms, expected {expected[phase]}" for phase in expected
             if not is_near(measured[phase], expected[phase])}
    if abs(sum(measured.values()) - total) > 0.001:
        found["total"] = f"the phases add up to {sum(measured.values())} ms, the total is {total}"
    return found


@pytest.fixture(name="measured", scope="module")
def measured_fixture(tmp_path_factory):
    """{case's name: [(complaints, results)] of its measurements, until each phase was right}."""
    certificate, key = certificate_in(tmp_path_factory.mktemp("delays"))
    address = sites.ADDRESSES["podproxy"]
    words = [json.dumps([program(index) for index in range(len(CASES))])]
    with Lab.up() as lab:
        for service in ("podproxy", "dns"):
            lab.break_(service, "stop")
        for part, arguments in (("inet", ["resolver", sites.DNS_ADDRESS, address]),
                                ("podproxy", ["proxies", address, str(certificate), str(key), *words])):
            child = lab.popen(part, ["/usr/bin/python3", str(DELAYS), *arguments], stdout=subprocess.PIPE)
            assert child.stdout.readline() == "ready\n"
        # Not the sanitized build: its time is not the plugin's.
        with lab.collectd("pod", str(builds.plain()), interval=2, body=configuration(certificate)) as daemon:
            yield watch(daemon)


def watch(daemon):
    found = {case.name: [] for case in CASES}
    seen = dict.fromkeys(found, 0)
    deadline = time.monotonic() + SECONDS
    with daemon.scraper() as scraper:
        while time.monotonic() < deadline and any(map(is_open, found.values())):
            metrics = scraper.metrics()
            for case in CASES:
                results = metrics.by_label("collectd_egress_probe_results_total", "type",
                                           egress_probe=f"{case.name}:t") if metrics else {}
                if sum(results.values()) > seen[case.name]:
                    seen[case.name] = sum(results.values())
                    if is_open(found[case.name]):
                        found[case.name].append((complaints(metrics, case), results))
            time.sleep(0.2)
    return found


def is_open(measurements):
    return len(measurements) < MEASUREMENTS and (not measurements or bool(always_wrong(measurements)))


def always_wrong(measurements):
    """The phases that were right in none of them."""
    return set.intersection(*(set(wrong) for wrong, _ in measurements))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_phase_is_as_long_as_it_was_made(measured, case):
    measurements = measured[case.name]
    assert measurements, "never measured"
    assert not always_wrong(measurements), measurements
    assert "total" not in {phase for wrong, _ in measurements for phase in wrong}, measurements
    results = measurements[-1][1]
    assert {name for name, count in results.items() if count} == {case.result}
