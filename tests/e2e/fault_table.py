# SPDX-License-Identifier: MIT
"""What is broken, and what egress_probe then says: the table of egress_probe(5), which test_faults.py measures.

    python3 tests/e2e/fault_table.py

prints the two tables as they stand in the manual page."""

from dataclasses import dataclass

FIRST, LAST = "pod-proxy", "gce-proxy"
NONE = "-"


@dataclass(frozen=True)
class Seen:
    """From one seat: what becomes of the target's attempt (a type of `results`), and which part is blamed."""

    result: str
    fault: str


@dataclass(frozen=True)
class Row:
    """One fault: what the manual calls it, how the lab makes it, and what is seen from the Pod and from the VM."""

    text: str
    part: str
    how: str
    pod: Seen
    vm: Seen
    # Squid's time limits; how patient the probes are: see test_faults.py.
    squid: str = "recommended"
    patience: str = "short"

    @property
    def id(self):
        return f"{self.part} {self.how}, {self.squid}"


def row(text, where, pod, vm, **options):
    """`where`: "PART HOW", `pod` and `vm`: "RESULT FAULT"."""
    return Row(text, *where.split(), Seen(*pod.split()), Seen(*vm.split()), **options)


_WELL = f"ok {NONE}"
_API = ":api.example.com"

# With the recommended limits, and a Timeout that is longer than they are.
ROWS = (
    row("first proxy stopped", "podproxy stop", f"refused {FIRST}", _WELL),
    row("  its packets dropped", "podproxy drop", f"connect_timeout {FIRST}", _WELL),
    row("  unreachable by ICMP", "podproxy reject", f"unreachable {FIRST}", _WELL),
    row("  accepts, and hangs", "podproxy pause", f"tunnel_timeout {FIRST}", _WELL),
    row("  answers garbage", "podproxy garbage", f"proxy_error {FIRST}", _WELL),
    row("  headers without end", "podproxy flood", f"proxy_error {FIRST}", _WELL),
    row("  denies access (403)", "podproxy deny", f"proxy_denied {FIRST}", _WELL),
    row("  wants a password (407)", "podproxy credentials", f"proxy_denied {FIRST}", _WELL),
    row("  answers 502", "podproxy answer=502", f"proxy_error {FIRST}", _WELL),
    row("  answers 503", "podproxy answer=503", f"proxy_error {FIRST}", _WELL),
    row("  answers 504", "podproxy answer=504", f"proxy_error {FIRST}", _WELL),
    row("  no resolver", "podproxy no-dns", _WELL, _WELL),
    row("last proxy stopped", "vm stop", f"proxy_error {LAST}", f"refused {LAST}"),
    row("  given up by the first", "vm stop-noticed", f"proxy_error {LAST}", f"refused {LAST}"),
    row("  its packets dropped", "vm drop", f"proxy_error {LAST}", f"connect_timeout {LAST}", patience="long"),
    row("  unreachable by ICMP", "vm reject", f"proxy_error {LAST}", f"unreachable {LAST}"),
    row("  accepts, and hangs", "vm pause", f"tunnel_timeout {LAST}", f"tunnel_timeout {LAST}"),
    row("  answers garbage", "vm garbage", f"tls {LAST}", f"proxy_error {LAST}"),
    row("  headers without end", "vm flood", f"proxy_error {LAST}", f"proxy_error {LAST}"),
    row("  denies access (403)", "vm deny", f"proxy_denied {LAST}", f"proxy_denied {LAST}"),
    row("  wants a password (407)", "vm credentials", f"proxy_denied {LAST}", f"proxy_denied {LAST}"),
    row("  answers 502", "vm answer=502", "proxy_error egress", f"proxy_error {LAST}"),
    row("  answers 503", "vm answer=503", "proxy_error egress", f"proxy_error {LAST}"),
    row("  answers 504", "vm answer=504", "proxy_error egress", f"proxy_error {LAST}"),
    row("  no resolver", "vm no-dns", f"tunnel_timeout {LAST}", f"tunnel_timeout {LAST}", patience="long"),
    row("  no route to anywhere", "vm no-route", f"proxy_error {LAST}", f"tunnel_timeout {LAST}", patience="long"),
    row("NAT drops all", "nat drop", "proxy_error egress", "proxy_error egress", patience="long"),
    row("  but the control works", "nat drop-translated", "proxy_error egress", "proxy_error egress",
        patience="long"),
    row("  no ports to one target", f"nat full{_API}", "proxy_error target", "proxy_error egress", patience="long"),
    row("all targets refuse", "inet stop", "proxy_error egress", "proxy_error egress"),
    row("one target refuses", f"inet refuse{_API}", "proxy_error target", "proxy_error target"),
    row("  its packets dropped", f"inet drop{_API}", "proxy_error target", "proxy_error target", patience="long"),
    row("  has IPv6 only", f"dns ipv6-only{_API}", "proxy_error target", "proxy_error target"),
    row("  answers 500", f"inet status=500{_API}", "status target", "status target"),
    row("  wrong body", f"inet wrong-body{_API}", "body target", "body target"),
    row("  certificate expired", f"inet expired{_API}", "certificate target", "certificate target"),
    row("  self-signed", f"inet self-signed{_API}", "certificate target", "certificate target"),
    row("  for another name", f"inet wrong-name{_API}", "certificate target", "certificate target"),
    row("  cut in the handshake", f"inet cut-tls{_API}", "tls target", "tls target"),
    row("  slow headers", f"inet slow-headers{_API}", "timeout target", "timeout target"),
    row("  slow body", f"inet slow-body{_API}", "timeout target", "timeout target"),
    row("  body without end", f"inet endless-body{_API}", _WELL, _WELL),
    row("  redirects in circles", f"inet redirects{_API}", "status target", "status target"),
    row("no resolver in the Pod", "pod no-dns", "dns local", _WELL),
    row("no route in the Pod", "pod no-route", "dns local", _WELL),
    row("no descriptors here", "prober no-descriptors", "local local", "local local"),
)

# With Squid's own limits the prober is always the first to lose patience.
DEFAULT_ROWS = (
    row("last proxy's packets dropped", "vm drop", f"tunnel_timeout {LAST}", f"connect_timeout {LAST}",
        squid="defaults"),
    row("  stopped", "vm stop", f"proxy_error {LAST}", f"refused {LAST}", squid="defaults"),
    row("  given up by the first", "vm stop-noticed", f"proxy_error {LAST}", f"refused {LAST}", squid="defaults"),
    row("  no resolver", "vm no-dns", f"tunnel_timeout {LAST}", f"tunnel_timeout {LAST}", squid="defaults"),
    row("NAT drops all", "nat drop", f"tunnel_timeout {LAST}", "tunnel_timeout egress", squid="defaults"),
    row("  but the control works", "nat drop-translated", "tunnel_timeout egress", "tunnel_timeout egress",
        squid="defaults"),
    row("  no ports to one target", f"nat full{_API}", "tunnel_timeout target", "tunnel_timeout egress",
        squid="defaults"),
    row("one target's packets dropped", f"inet drop{_API}", "tunnel_timeout target", "tunnel_timeout target",
        squid="defaults"),
)

TITLE = "what is broken"
_FORMAT = "{:<29}{:<16}{:<11}{:<16}{}"


def line(text, *words):
    return _FORMAT.format(text, *words).rstrip()


def printed(rows):
    """The lines of a table, as the manual page has them."""
    head = [line("", "in the Pod", "", "on the VM", ""), line(TITLE, "results", "fault", "results", "fault")]
    return head + [line(each.text, each.pod.result, each.pod.fault, each.vm.result, each.vm.fault) for each in rows]


if __name__ == "__main__":
    print("\n".join([*printed(ROWS), "", *printed(DEFAULT_ROWS)]))
