# SPDX-License-Identifier: MIT
"""The stanzas of etc/collectd at work: each file as it is shipped but for names and addresses, which are the lab's."""

import re
import sys
from pathlib import Path

import builds
import pytest
from egress_lab import collectd as lab_collectd
from egress_lab import fake_gcp, gcp, sites

ETC = Path(__file__).resolve().parents[2] / "etc" / "collectd"
sys.path.insert(0, str(ETC.parents[1] / "tests" / "tools"))

import documents  # noqa: E402

SECONDS = 60
LAB_TARGETS = {"https://github.com/": "https://api.example.com/",
               "https://api.stripe.com/healthcheck": "https://git.example.net/",
               "https://storage.googleapis.com/": "https://storage.example.com/"}
PROXIES = {"http://egress-proxy.proxy.svc:3128": "http://10.0.2.2:3128",
           "http://10.128.0.9:3128": "http://10.128.0.2:3128"}
# The lab's Google speaks plain HTTP, and is found under its own address alone.
DISCOVERY = {"Discover true": f'Discover true\n    DiscoverInterval 1\n    ComputeURL "{gcp.URL}"'}


def shipped(name, lab, **loopback):
    """A file of etc/collectd with the lab's names; `loopback`: the part's own address for 127.0.0.1."""
    text = (ETC / name).read_text(encoding="utf-8")
    own = {"http://127.0.0.1:3128": f"http://{loopback['address']}:3128"} if loopback else {}
    for old, new in {**LAB_TARGETS, **PROXIES, **DISCOVERY, **own}.items():
        text = text.replace(old, new)
    return re.sub(r'^(\s*)(URL "https://.*")$', rf'\1\2\n\1CACert "{lab.ca}"', text, flags=re.M)


def start(lab, part, *texts, types=None):
    """A collectd with these files one after the other, and what Debian's collectd.conf has above them."""
    folder = lab_collectd.folder_of(lab.id, part)
    head = f'Hostname "{part}"\nFQDNLookup false\nBaseDir "{folder}"\nPIDFile "{folder}/pid"\nInterval 1\n'
    # The interval is the lab's: the last one that is named counts.
    body = re.sub(r"^(\s*)Interval \d+$", r"\1Interval 1", "\n".join(texts), flags=re.M)
    return lab_collectd.start(lab.id, part, head + (types or "") + builds.with_plugin_folders(body))


def wait_for(collectd, *wanted):
    """Until each (name, labels) has a value."""
    return collectd.wait_for(lambda metrics: all(metrics.value(name, **labels) is not None for name, labels in wanted),
                             SECONDS, f"{wanted}")


@pytest.fixture(name="google")
def google_fixture(lab):
    settings = lab.settings
    gcp.write(lab.id, fake_gcp.default_world(settings["ports"], settings["time_wait"], settings["transitory"],
                                             settings["established"]))


@pytest.mark.usefixtures("google")
def test_a_proxy_vm(lab):
    """gce-proxy.conf, write-prometheus.conf and vm.conf together, as a VM without the Ops Agent has them."""
    texts = [shipped("write-prometheus.conf", lab), shipped("vm.conf", lab),
             shipped("gce-proxy.conf", lab, address=sites.ADDRESSES["vm"])]
    with start(lab, "vm", *texts) as collectd:
        metrics = wait_for(
            collectd, ("collectd_egress_probe_up", {"egress_probe": "vm:github"}),
            ("collectd_egress_probe_hop_up", {"egress_probe": "vm:stripe", "type": "gce-proxy"}),
            ("collectd_egress_nat_ports_limit", {"egress_nat": "nat:tcp"}),
            ("collectd_egress_nat_ports_used", {"egress_nat": "nat:tcp"}),
            ("collectd_egress_netlink_tcp_connections", {"egress_netlink": "clients", "type": "ESTABLISHED"}),
            ("collectd_egress_netlink_conntrack", {"egress_netlink": "conntrack", "type": "max"}),
            # The VM's own row of the dashboard.
            ("collectd_cpu_percent", {"cpu": "idle"}), ("collectd_load_shortterm", {}),
            ("collectd_memory", {"memory": "free"}), ("collectd_memory_percent", {"memory": "used"}),
            ("collectd_interface_if_octets_rx_total", {"interface": "eth0"}),
            ("collectd_interface_if_octets_tx_total", {"interface": "eth0"}),
            ("collectd_tcpconns_tcp_connections", {"tcpconns": "all", "type": "ESTABLISHED"}))
        assert metrics.value("collectd_egress_nat_ports_limit", egress_nat="nat:tcp") == lab.settings["ports"]
        assert not metrics.find("collectd_interface_if_octets_rx_total", interface="lo")
        collectd.wait_for(lambda found: found.value("collectd_egress_probe_up", egress_probe="vm:github") == 1, SECONDS,
                          "a good probe")


def test_a_probing_pod(lab):
    with start(lab, "pod", shipped("probing-pod.conf", lab)) as collectd:
        collectd.wait_for(lambda metrics: metrics.value("collectd_egress_probe_up", egress_probe="prod:stripe") == 1,
                          SECONDS, "a good probe")
        metrics = collectd.metrics()
        assert metrics.value("collectd_egress_probe_fault", egress_probe="prod", type="pod-proxy") == 0
        listening = lab.exec("pod", ["ss", "-Hltn", "sport = :9103"], check=True).stdout
        assert "0.0.0.0:9103" in listening, "a PodMonitoring reads it from outside"


def test_a_proxy_pods_sidecar(lab):
    text = shipped("proxy-pod.conf", lab, address=sites.ADDRESSES["podproxy"])
    with start(lab, "podproxy", text) as collectd:
        collectd.wait_for(lambda metrics: metrics.value("collectd_egress_probe_up", egress_probe="pod-proxy:github") == 1,
                          SECONDS, "a good probe")
        wait_for(collectd, ("collectd_egress_netlink_queue_length", {"egress_netlink": "listen:3128", "type": "accept"}),
                 ("collectd_egress_netlink_tcp_connections", {"egress_netlink": "parent", "type": "ESTABLISHED"}))
        assert not collectd.metrics().names("collectd_egress_netlink_conntrack")


@pytest.mark.usefixtures("google")
def test_a_gke_node(lab):
    with start(lab, "vm", shipped("gke-node.conf", lab)) as collectd:
        wait_for(collectd, ("collectd_egress_nat_ports_limit", {"egress_nat": "nat:tcp"}),
                 ("collectd_egress_netlink_tcp_connections", {"egress_netlink": "internet", "type": "ESTABLISHED"}),
                 ("collectd_egress_netlink_conntrack", {"egress_netlink": "conntrack", "type": "entries"}))


def thresholds(text):
    """[(plugin, type, instance or None)] of a <Plugin threshold> block."""
    found = []
    for plugin, block in re.findall(r'^  <Plugin "(\w+)">\n(.*?)^  </Plugin>', text, re.M | re.S):
        for name, inner in re.findall(r'^    <Type "(\w+)">\n(.*?)^    </Type>', block, re.M | re.S):
            instance = re.search(r'Instance "(\w+)"', inner)
            found.append((plugin, name, instance[1] if instance else None))
    return found


def test_each_threshold_is_one_on_a_value_that_there_is():
    """collectd takes any name; the manual pages have those of the plugins' tables."""
    found = thresholds((ETC / "thresholds.conf").read_text(encoding="utf-8"))
    assert len(found) >= 10
    for plugin, name, instance in found:
        page = (ETC.parents[1] / "man" / f"{plugin}.5").read_text(encoding="utf-8")
        text = documents.metrics(page).get(name)
        assert text is not None, f"{plugin} has no {name}"
        assert instance is None or re.search(rf"\b{instance}\b", text), f"{plugin}: {name} has no {instance}"


# --- To a central collectd ------------------------------------------------------------------------------------------

def receiver_text():
    """The receiver's lines, which stand as a comment in network.conf."""
    comment = "\n".join(line[4:] for line in (ETC / "network.conf").read_text(encoding="utf-8").splitlines()
                        if line.startswith("#   "))
    assert comment.count("TypesDB") == 2 and "<Listen" in comment
    return comment + "\n"


def central(lab, types=True):
    """A collectd in the Pod's place that receives, and shows what it has got."""
    folder = lab_collectd.folder_of(lab.id, "pod")
    folder.mkdir(exist_ok=True)
    (folder / "users").write_text("vm-1: ...\n", encoding="ascii")
    installed = builds.plain().parents[1] / "share" / "collectd-egress" / "types.db"
    text = receiver_text().replace("10.128.0.20", sites.ADDRESSES["pod"])
    text = text.replace("/etc/collectd/network.users", str(folder / "users"))
    text = text.replace("/usr/share/collectd-egress/types.db", str(installed))
    if not types:
        text = re.sub(r"^TypesDB .*collectd-egress.*\n", "", text, flags=re.M)
    logfile = "LoadPlugin logfile\n<Plugin logfile>\n  File STDOUT\n</Plugin>\n"
    return start(lab, "pod", logfile, shipped("write-prometheus.conf", lab), text)


def sender(lab, secure):
    text = shipped("network.conf", lab).replace("10.128.0.20", sites.ADDRESSES["pod"])
    if secure:
        text = re.sub(r"^    # ((?:SecurityLevel|Username|Password) )", r"    \1", text, flags=re.M)
        assert len(re.findall(r"^    (?:SecurityLevel|Username|Password) ", text, re.M)) == 3
    body = lab_collectd.stanzas(lab.id, "vm", lab.settings)
    return start(lab, "vm", shipped("write-prometheus.conf", lab), body, text)


def test_a_central_collectd_receives_our_types(lab):
    with central(lab) as receiver, sender(lab, secure=True):
        for name, labels in (("up", {"egress_probe": "vm:api"}), ("ports_used", {"egress_nat": "nat:tcp"}),
                             ("results_total", {"egress_probe": "vm:api", "type": "ok"}),
                             ("fault", {"egress_probe": "vm", "type": "egress"})):
            plugin = next(iter(labels))
            receiver.wait_for(lambda metrics, found=f"collectd_{plugin}_{name}", chosen=labels:
                              metrics.value(found, instance="vm", **chosen) is not None, SECONDS, f"{plugin} {name}")


def test_a_central_collectd_takes_nothing_in_clear_when_it_asks_for_a_secret(lab):
    with central(lab) as receiver, sender(lab, secure=False) as sending:
        wait_for(sending, ("collectd_egress_probe_up", {"egress_probe": "vm:api"}))
        receiver.wait_for(lambda _: "Unencrypted packet" in receiver.log(), SECONDS, "a complaint")
        assert not receiver.metrics().names("collectd_egress_")


def test_a_central_collectd_without_our_types_says_so(lab):
    with central(lab, types=False) as receiver, sender(lab, secure=True):
        receiver.wait_for(lambda _: "Dataset not found: ports_used" in receiver.log(), SECONDS, "a complaint")
        assert receiver.metrics().value("collectd_egress_nat_ports_used", egress_nat="nat:tcp", instance="vm") is None
