# SPDX-License-Identifier: MIT
"""What egress_netlink and egress_nat say agrees with ss, conntrack and the NAT's own set."""

from collections import Counter

SECONDS = 30
STATES = {"ESTAB": "ESTABLISHED", "SYN-SENT": "SYN_SENT", "SYN-RECV": "SYN_RECV", "FIN-WAIT-1": "FIN_WAIT1",
          "FIN-WAIT-2": "FIN_WAIT2", "TIME-WAIT": "TIME_WAIT", "UNCONN": "CLOSED", "CLOSE-WAIT": "CLOSE_WAIT",
          "LAST-ACK": "LAST_ACK", "LISTEN": "LISTEN", "CLOSING": "CLOSING"}
NETLINK_ONLY = """
LoadPlugin egress_netlink
<Plugin egress_netlink>
  <Group "sink">
    RemotePort 443
  </Group>
  <Group "elsewhere">
    RemoteNetwork "203.0.113.0/24"
  </Group>
</Plugin>
"""


def ss_states(lab, *filters):
    """{state: sockets} as ss counts them, all states there."""
    lines = lab.exec("vm", ["ss", "-Htan", *filters], check=True).stdout.splitlines()
    return {**dict.fromkeys(STATES.values(), 0), **Counter(STATES[line.split()[0]] for line in lines)}


def counted(metrics, group):
    return metrics.by_label("collectd_egress_netlink_tcp_connections", "type", egress_netlink=group)


def test_sockets_agree_with_ss(lab, start_collectd):
    collectd = start_collectd(lab, "vm", body=NETLINK_ONLY, interval=1)
    hold = lab.load("vm", "hold", "198.51.100.20", 443, "--count", 40, "--seconds", 25)
    more = lab.load("vm", "hold", "203.0.113.30", 443, "--count", 7, "--seconds", 25)
    try:
        collectd.wait_for(lambda metrics: counted(metrics, "sink").get("ESTABLISHED") == 47, SECONDS,
                          "47 held connections")
        sink = ss_states(lab, "dport", "=", ":443")
        metrics = collectd.wait_for(lambda found: counted(found, "sink") == sink, SECONDS, f"what ss says: {sink}")
        assert set(counted(metrics, "all")) == set(STATES.values())
        elsewhere = ss_states(lab, "dst", "203.0.113.0/24")
        assert elsewhere["ESTABLISHED"] >= 7
        collectd.wait_for(lambda found: counted(found, "elsewhere") == elsewhere, SECONDS, f"what ss says: {elsewhere}")
    finally:
        hold.terminate()
        more.terminate()


def test_listeners_agree_with_ss(lab, start_collectd):
    collectd = start_collectd(lab, "vm", body=NETLINK_ONLY, interval=1)
    metrics = collectd.wait_for(lambda found: found.find("collectd_egress_netlink_queue_length"), SECONDS,
                                "accept queues")
    listening = {line.split()[3].rsplit(":", 1)[1]: int(line.split()[2])
                 for line in lab.exec("vm", ["ss", "-Hltn"], check=True).stdout.splitlines()}
    limits = {labels["egress_netlink"].removeprefix("listen:"): value
              for labels, value in metrics.find("collectd_egress_netlink_queue_length", type="accept_max")}
    assert limits == listening
    assert "3128" in limits


def test_conntrack_agrees_with_the_tool(lab, start_collectd):
    # A rule that asks for state makes the kernel track the VM's connections; each scrape is left out, on loopback.
    lab.exec("vm", ["nft", "add table ip tracked; add chain ip tracked output "
                    "{ type filter hook output priority raw; }; add rule ip tracked output oifname lo notrack; "
                    "add chain ip tracked input { type filter hook prerouting priority raw; }; "
                    "add rule ip tracked input iifname lo notrack; add chain ip tracked state "
                    "{ type filter hook output priority filter; }; add rule ip tracked state ct state new counter"],
             check=True)
    hold = lab.load("vm", "hold", "198.51.100.20", 443, "--count", 12, "--seconds", 25)
    try:
        collectd = start_collectd(lab, "vm", body=NETLINK_ONLY, interval=1)

        def agrees(metrics):
            entries = int(lab.exec("vm", ["conntrack", "-C"], check=True).stdout)
            found = metrics.value("collectd_egress_netlink_conntrack", egress_netlink="conntrack", type="entries")
            return found is not None and entries >= 12 and found == entries

        metrics = collectd.wait_for(agrees, SECONDS, "what conntrack -C says")
        maximum = int(lab.exec("vm", ["cat", "/proc/sys/net/netfilter/nf_conntrack_max"], check=True).stdout)
        assert metrics.value("collectd_egress_netlink_conntrack", egress_netlink="conntrack", type="max") == maximum
        events = metrics.by_label("collectd_egress_netlink_conntrack_events_total", "type", egress_netlink="conntrack")
        said = lab.exec("vm", ["conntrack", "-S"], check=True).stdout
        for name in ("invalid", "insert_failed", "drop", "early_drop", "error", "search_restart"):
            words = [word for line in said.splitlines() for word in line.split() if word.startswith(f"{name}=")]
            assert events[name] == sum(int(word.split("=")[1]) for word in words), name
    finally:
        hold.terminate()
        lab.exec("vm", ["nft", "delete table ip tracked"])
