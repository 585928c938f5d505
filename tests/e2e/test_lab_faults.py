# SPDX-License-Identifier: MIT
"""The lab's faults: each breaks what it says, no more, and mends; and its nested proxies."""

import time

import pytest
from asking import API, API_443, PROXY, VM_PROXY, complaint, fetch, held
from egress_lab import LabError, gcp, identity, sites

# What works while a part is broken: api through the chain, api through the VM's proxy, the Control through it.
FIRST_PROXY, ALL, API_ONLY = (False, True, True), (False, False, False), (False, False, True)
PROXY_FAULTS = ("stop", "pause", "drop", "reject", "deny", "credentials", "garbage", "flood", "answer=502")
SITE_FAULTS = ("status=503", "refuse", "drop", "expired", "self-signed", "wrong-name", "cut-tls", "slow-headers",
               "slow-body", "endless-body", "redirects")
FAULTS = {
    ("pod", "no-route"): ALL,
    ("pod", "no-dns"): (True, True, True),
    **{("podproxy", how): FIRST_PROXY for how in PROXY_FAULTS},
    # A child of a parent asks it for names, too.
    ("podproxy", "no-dns"): (True, True, True),
    **{("vm", how): ALL for how in (*PROXY_FAULTS, "stop-noticed", "no-route", "no-dns")},
    ("nat", "drop"): ALL,
    ("nat", "drop-translated"): API_ONLY,
    ("nat", "full:api.example.com"): API_ONLY,
    ("inet", "stop"): ALL,
    **{("inet", f"{how}:api.example.com"): API_ONLY for how in SITE_FAULTS},
    ("inet", "wrong-body:api.example.com"): (True, True, True),
    ("dns", "stop"): ALL,
    ("dns", "ipv6-only:api.example.com"): API_ONLY,
    **{("gcp", how): (True, True, True) for how in ("stop", *gcp.WAYS)},
}


def fault_rules(lab):
    """The parts in which rules of a fault are left."""
    return [part for part in identity.PARTS if "egress_fault" in lab.exec(part, ["nft", "list", "tables"]).stdout]


class TestFaults:
    @pytest.mark.parametrize("fault", FAULTS, ids=" ".join)
    def test_breaks_what_it_says_and_mends(self, lab, fault):
        lab.break_(*fault)
        lab.break_(*fault)
        assert lab.status()["broken"] == [{"part": fault[0], "how": fault[1]}]
        if fault == ("dns", "stop") or fault[1] == "no-dns":
            time.sleep(1.5)  # The proxies keep an answer for a second.
        works = (fetch(lab, "pod", f"https://{API.name}/", PROXY, 1),
                 fetch(lab, "pod", f"https://{API.name}/", VM_PROXY, 1),
                 fetch(lab, "pod", f"https://{sites.CONTROL.name}/", VM_PROXY, 1))
        assert tuple(status == 200 for status, _ in works) == FAULTS[fault], works
        lab.mend(fault[0])
        assert lab.status()["broken"] == []
        assert fault_rules(lab) == [] and lab.programs() == []
        assert fetch(lab, "pod", f"https://{API.name}/", PROXY) == (200, 200)

    def test_every_way_that_is_offered_is_tested(self, lab):
        offered = {(part, how.split("=")[0].split(":")[0]) for part, ways in lab.status()["allowed_faults"].items()
                   for how in ways}
        assert offered == {(part, how.split("=")[0].split(":")[0]) for part, how in FAULTS}

    @pytest.mark.parametrize("part, how, status", [
        ("vm", "deny", 403), ("vm", "credentials", 407), ("vm", "answer=504", 504), ("vm", "stop", 503),
        ("vm", "stop-noticed", 500), ("podproxy", "credentials", 407), ("podproxy", "answer=502", 502)])
    def test_the_status_of_a_refusal_is_the_one_asked_for(self, lab, part, how, status):
        lab.break_(part, how)
        assert fetch(lab, "pod", f"https://{API.name}/", PROXY) == (0, status)

    # curl's exit codes: libcurl-errors(3).
    @pytest.mark.parametrize("how, code, words", [
        ("expired", 60, "has expired"), ("self-signed", 60, "self-signed"), ("wrong-name", 60, "subject name"),
        ("cut-tls", 35, "SSL"), ("slow-headers", 28, "0 bytes received"), ("slow-body", 28, "out of"),
        ("endless-body", 28, "bytes received"), ("redirects", 47, "redirects")])
    def test_a_site_is_bad_in_the_way_asked_for(self, lab, how, code, words):
        lab.break_("inet", f"{how}:{API.name}")
        found, said = complaint(lab, f"https://{API.name}/", "-L", "--max-redirs", "3")
        assert found == code and words in said
        assert complaint(lab, "https://git.example.net/") == (0, "")

    def test_a_wrong_body_is_another_one(self, lab):
        url = f"https://{API.name}/"
        good = lab.exec("vm", ["curl", "-s", "--cacert", lab.ca, url]).stdout
        lab.break_("inet", f"wrong-body:{API.name}")
        bad = lab.exec("vm", ["curl", "-s", "--cacert", lab.ca, url]).stdout
        assert API.name in good and bad and API.name not in bad

    def test_a_part_without_a_resolver_waits_in_vain(self, lab):
        lab.break_("pod", "no-dns")
        assert lab.exec("pod", ["curl", "-s", "-m", "1", f"http://{API.name}/"]).returncode == 28
        assert lab.exec("vm", ["getent", "ahostsv4", API.name]).returncode == 0

    def test_a_name_with_ipv6_only(self, lab):
        lab.break_("dns", f"ipv6-only:{API.name}")
        found = lab.exec("vm", ["getent", "ahosts", API.name]).stdout.splitlines()
        assert {line.split()[0] for line in found} == {sites.IPV6_ADDRESS}

    def test_all_ports_toward_one_destination_are_held_and_given_back(self, lab):
        lab.break_("nat", f"full:{API.name}")
        assert held(lab) == lab.truth()[API_443]["size"]
        assert fetch(lab, "vm", f"https://{API.name}/", seconds=1) == (0, 0)
        assert lab.truth()[API_443]["dropped"] >= 1
        assert fetch(lab, "vm", "https://git.example.net/") == (200, 0)
        lab.mend()
        assert held(lab) == 0

    def test_denial_and_status_together(self, lab):
        lab.break_("inet", f"status=429:{API.name}")
        assert fetch(lab, "pod", f"https://{API.name}/", PROXY) == (429, 200)
        assert fetch(lab, "pod", "https://git.example.net/", PROXY) == (200, 200)

    def test_several_at_once_and_mended_one_by_one(self, lab):
        lab.break_("podproxy", "stop")
        lab.break_("podproxy", "deny")
        lab.break_("vm", "drop")
        lab.mend("vm")
        assert fetch(lab, "pod", f"https://{API.name}/", VM_PROXY) == (200, 200)
        assert fetch(lab, "pod", f"https://{API.name}/", PROXY) == (0, 0)
        lab.mend("podproxy")
        assert fetch(lab, "pod", f"https://{API.name}/", PROXY) == (200, 200)

    def test_recommended_limits_answer_within_five_seconds(self, lab):
        lab.break_("nat", "drop")
        assert fetch(lab, "pod", f"https://{API.name}/", PROXY, 8) == (0, 503)

    @pytest.mark.parametrize("part, how, expected", [
        ("vm", "melt", "stop, pause, drop, reject, deny"),
        ("moon", "stop", "podproxy, vm, nat, inet, dns"),
        ("inet", "status=503:unknown.example.com", "status=CODE:NAME"),
        ("inet", "drop:NAME", "api.example.com"),
        ("inet", "drop", "drop:NAME"),
        ("vm", "answer=200", "answer=CODE.*502"),
        ("nat", "full:storage.example.com", "full:NAME"),
    ])
    def test_an_unknown_fault_says_what_is_allowed(self, lab, part, how, expected):
        with pytest.raises(LabError, match=expected):
            lab.break_(part, how)
        assert lab.status()["broken"] == []


# Opens a tunnel through the first proxy to the second, asks that for another, and says GET over TLS at its end.
NESTED = """
import socket, ssl, sys
def connect(sock, endpoint):
    sock.sendall(f"CONNECT {endpoint} HTTP/1.1\\r\\nHost: {endpoint}\\r\\n\\r\\n".encode())
    answer = b""
    while b"\\r\\n\\r\\n" not in answer:
        answer += sock.recv(1) or sys.exit("closed")
    print(answer.split()[1].decode())
first, second, name, ca = sys.argv[1:]
sock = socket.create_connection(first.split(":"), 5)
connect(sock, second)
connect(sock, name + ":443")
with ssl.create_default_context(cafile=ca).wrap_socket(sock, server_hostname=name) as secured:
    secured.sendall(f"GET / HTTP/1.0\\r\\nHost: {name}\\r\\n\\r\\n".encode())
    print(secured.recv(4096).split()[1].decode())
"""


class TestNested:
    @pytest.mark.parametrize("chained", ["nested", "nested-swapped"])
    def test_a_tunnel_in_a_tunnel(self, fresh_lab, chained):
        lab = fresh_lab(proxies=chained)
        words = [f"{sites.ADDRESSES[part]}:{sites.PROXY_PORT}" for part in ("podproxy", "vm")] + [API.name, lab.ca]

        def statuses():
            return lab.exec("pod", ["/usr/bin/python3", "-c", NESTED, *words]).stdout.split()

        assert statuses() == ["200", "200", "200"]
        for part, how, expected in (("podproxy", "deny", ["403"]), ("vm", "deny", ["200", "403"]),
                                    ("podproxy", "credentials", ["407"]), ("vm", "credentials", ["200", "407"]),
                                    ("podproxy", "answer=502", ["502"]), ("vm", "answer=502", ["200", "502"])):
            lab.break_(part, how)
            assert statuses()[:len(expected)] == expected, (part, how)
            lab.mend()
            assert statuses() == ["200", "200", "200"], (part, how)

    def test_what_needs_a_child_says_so(self, fresh_lab):
        lab = fresh_lab(proxies="nested")
        with pytest.raises(LabError, match="cascade"):
            lab.break_("vm", "stop-noticed")
        assert lab.status()["broken"] == []
        assert fetch(lab, "pod", f"https://{API.name}/", VM_PROXY) == (200, 200)
