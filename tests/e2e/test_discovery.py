# SPDX-License-Identifier: MIT
"""egress_nat asks Google: against a stand-in for the metadata server and the APIs, well-behaved and otherwise.

Whatever it does: values come every interval, no token is in a log, and a trouble is one line."""

import contextlib
import re
import time

import pytest
from egress_lab import certificates, fake_gcp, gcp, process, sites

SECONDS = 60
# How long the request waits that waits the least: a read that waited for it would be as late. What is shorter may be a
# busy machine's.
REQUEST_SECONDS = 3
NIC = sites.ADDRESSES["vm"]
LIMIT = "collectd_egress_nat_ports_limit"
ALLOCATED = "collectd_egress_nat_ports_allocated"
USAGE = "collectd_egress_nat_gateway_port_usage"
DROPS = "collectd_egress_nat_gateway_dropped_packets_total"

OPTIONS = f"""
    Discover true
    DiscoverInterval 1
    ComputeURL "{gcp.URL}"
    MonitoringURL "{gcp.URL}"
"""


def stanza(*gateways):
    """Each gateway: (name, further options)."""
    blocks = "\n".join(f'  <Gateway "{name}">{OPTIONS}{further}\n  </Gateway>' for name, further in gateways)
    return f"LoadPlugin egress_nat\n<Plugin egress_nat>\n{blocks}\n</Plugin>\n"


class Run:
    """One collectd with egress_nat in the VM, and the world it asks."""

    def __init__(self, lab, start):
        self.lab, self._start, self.collectd = lab, start, None

    @contextlib.contextmanager
    def world(self):
        with gcp.changing(self.lab.id) as world:
            yield world

    @contextlib.contextmanager
    def nat(self):
        """The world's only NAT, to change."""
        with self.world() as world:
            yield world["routers"]["123456789012"]["europe-west3"][0]["nats"][0]

    def faults(self, **ways):
        gcp.set_faults(self.lab.id, ways)

    def start(self, further="", **options):
        self.collectd = self._start(self.lab, "vm", interval=1, body=stanza(("nat", further)), **options)
        return self

    def start_gateways(self, *gateways):
        return self.start_body(stanza(*gateways))

    def start_body(self, body):
        self.collectd = self._start(self.lab, "vm", interval=1, body=body)
        return self

    def wait(self, condition, what):
        return self.collectd.wait_for(condition, SECONDS, what)

    def wait_value(self, name, value, **labels):
        return self.wait_values({name: value}, **labels)

    def wait_values(self, values, **labels):
        """All of them in one scrape: collectd's threads may hand over a read's values in any order."""
        labels = {"egress_nat": "nat:tcp", **labels}
        return self.wait(lambda metrics: all(metrics.value(name, **labels) == value for name, value in values.items()),
                         f"{values}{labels}")

    def wait_line(self, *words):
        found = process.wait_until(lambda: self.lines(*words), SECONDS, pause=0.1)
        assert found, f"no line with {words}:\n{self.collectd.log()}"
        return found

    def lines(self, *words):
        return [line for line in self.collectd.log().splitlines() if all(word in line for word in words)]

    def late_reads(self):
        """Seconds of each read that was longer than the interval, by collectd's own account."""
        return [float(seconds) for seconds in re.findall(r"read-function of .* took ([0-9.]+) seconds",
                                                         self.collectd.log())]

    def asked(self, service, since=0.0):
        return [entry for entry in gcp.requests(self.lab.id, service) if entry["time"] > since]

    def wait_asked(self, service, number, since=0.0):
        found = process.wait_until(lambda: len(self.asked(service, since)) >= number, SECONDS, pause=0.1)
        assert found, self.asked(service)

    def wait_reads(self, number):
        """Until so many further reads have left their values."""
        stamps = set()

        def advanced(metrics):
            stamps.update(line.rsplit(" ", 1)[1] for line in metrics.text.splitlines()
                          if line.startswith("collectd_egress_nat_ports_used"))
            return len(stamps) > number
        return self.wait(advanced, f"{number} further reads")


@pytest.fixture(name="run")
def run_fixture(lab, start_collectd):
    settings = lab.settings
    world = fake_gcp.default_world(settings["ports"], settings["time_wait"], settings["transitory"],
                                   settings["established"])
    gcp.write(lab.id, world)
    gcp.forget_requests(lab.id)
    made = Run(lab, start_collectd)
    yield made
    secrets = {fake_gcp.token_of({"token": {"bytes": 24, "serial": serial}}) for serial in (1, 2)}
    if made.collectd is not None:
        assert made.collectd.stop(seconds=30) == 0
        assert not any(secret in made.collectd.log() for secret in secrets), "a token in the log"
        assert "suspended" not in made.collectd.log()
        assert all(seconds < REQUEST_SECONDS for seconds in made.late_reads()), made.collectd.log()
    gcp.write(lab.id, world)


class TestWhatItFinds:
    def test_everything_without_being_told_anything(self, run):
        run.start()
        run.wait_values({LIMIT: 64, ALLOCATED: 64})
        found = run.wait_line('gateway "nat": found public NAT "nat-1"')
        assert len(found) == 1 and "64 ports" in found[0] and "TIME_WAIT 12 s" in found[0]
        assert all(entry["flavor"] == "Google" for entry in run.asked("metadata") if entry["query"] == {}
                   and entry["path"].endswith("/name"))
        mapping = next(entry for entry in run.asked("compute") if entry["path"].endswith("getNatMappingInfo"))
        assert mapping["query"]["natName"] == "nat-1" and "vm-1" in mapping["query"]["filter"]

    def test_explicit_beats_discovered(self, run):
        run.start("    PortsPerVM 128\n    TimeWait 5")
        run.wait_line("found public NAT")
        run.wait_values({LIMIT: 128, ALLOCATED: 128})

    def test_pages(self, run):
        with run.world() as world:
            routers = world["routers"]["123456789012"]["europe-west3"]
            url = fake_gcp.network_url("egress-lab", "other")
            routers[:0] = [{"name": f"other-{i}", "network": url, "nats": [dict(routers[-1]["nats"][0])]}
                           for i in range(4)]
            world["mappings"]["router-1/nat-1"][:0] = [
                {"instanceName": f"vm-{i}", "interfaceNatMappings": [
                    {"sourceVirtualIp": f"10.128.1.{i}", "numTotalNatPorts": 7}]} for i in range(2, 40)]
            world["page_size"], world["filter"] = 3, False
        run.start()
        run.wait_value(ALLOCATED, 64)
        pages = [entry for entry in run.asked("compute") if "pageToken" in entry["query"]]
        assert len(pages) >= 1 + 12
        refused = [entry for entry in run.asked("compute") if "filter" in entry["query"]]
        assert len(refused) == 1, "a filter that is refused is not tried again"

    def test_numbers_as_strings_unknown_fields_and_absent_arrays(self, run):
        with run.world() as world:
            world["numbers_as_strings"] = True
            router = world["routers"]["123456789012"]["europe-west3"][0]
            router["nats"][0]["novelty"] = {"deep": [[{"name": "no"}]], "minPortsPerVm": 1}
            world["routers"]["123456789012"]["europe-west3"].insert(0, {"name": "bare", "bgp": {"asn": 64512}})
            del world["mappings"]["router-1/nat-1"][0]["interfaceNatMappings"][0]["numTotalNatPorts"]
            world["mappings"]["router-1/nat-1"].insert(0, {"instanceName": "vm-1"})
        run.start()
        run.wait_value(ALLOCATED, 64)
        assert "TIME_WAIT 12 s" in run.wait_line("found public NAT")[0]

    def test_dynamic_allocation_follows(self, run):
        with run.nat() as nat:
            nat.update(enableDynamicPortAllocation=True, minPortsPerVm=32, maxPortsPerVm=1024)
        with run.world() as world:
            world["mappings"]["router-1/nat-1"][0]["interfaceNatMappings"][0].update(
                natIpPortRanges=["192.0.2.1:1024-1055"], numTotalNatPorts=32)
        run.start()
        run.wait_values({ALLOCATED: 32, LIMIT: 1024})
        with run.world() as world:
            world["mappings"]["router-1/nat-1"][0]["interfaceNatMappings"][0].update(
                natIpPortRanges=["192.0.2.1:1024-1087"], numTotalNatPorts=64)
        run.wait_values({ALLOCATED: 64, LIMIT: 1024})
        assert len(run.lines("found public NAT", "dynamic allocation of up to 1024 ports")) == 1

    def test_two_addresses_and_drained_ports(self, run):
        with run.world() as world:
            world["mappings"]["router-1/nat-1"][0]["interfaceNatMappings"][0].update(
                natIpPortRanges=["192.0.2.1:1024-1055", "192.0.2.5:2048-2143"], numTotalNatPorts=128,
                drainNatIpPortRanges=["192.0.2.6:1024-1055"], numTotalDrainNatPorts=32)
        run.start()
        run.wait_values({ALLOCATED: 128, LIMIT: 128})

    def test_endpoint_independent_mapping_is_told(self, run):
        with run.nat() as nat:
            nat["enableEndpointIndependentMapping"] = True
        run.start()
        run.wait_line("found public NAT", "endpoint-independent mapping")

    def test_a_nat_that_changes(self, run):
        run.start()
        run.wait_value(LIMIT, 64)
        with run.world() as world:
            world["mappings"]["router-1/nat-1"][0]["interfaceNatMappings"][0]["numTotalNatPorts"] = 256
        with run.nat() as nat:
            nat.update(minPortsPerVm=256, effectiveTcpTimeWaitTimeoutSec=30)
        run.wait_value(LIMIT, 256)
        run.wait_line("found public NAT", "256 ports", "TIME_WAIT 30 s")

    def test_a_nat_that_moves_to_another_router(self, run):
        run.start()
        run.wait_value(LIMIT, 64)
        with run.world() as world:
            world["routers"]["123456789012"]["europe-west3"][0]["name"] = "router-2"
            world["mappings"] = {"router-2/nat-1": world["mappings"]["router-1/nat-1"]}
        run.wait_line('of router "router-2"')
        assert not run.lines("[warning]")

    def test_before_the_mapping_shows_it_the_setting_counts(self, run):
        with run.world() as world:
            world["mappings"] = {}
        run.start()
        metrics = run.wait_value(LIMIT, 64)
        assert metrics.value(ALLOCATED) is None
        run.wait_line("no mapping is shown yet")

    def test_private_nat_by_its_name(self, run):
        with run.nat() as nat:
            nat.update(name="private-1", type="PRIVATE")
        with run.world() as world:
            world["mappings"] = {"router-1/private-1": world["mappings"]["router-1/nat-1"]}
        run.start('    NatName "private-1"\n    Network "10.0.0.0/8"')
        run.wait_value(LIMIT, 64)
        run.wait_line('found private NAT "private-1"')

    def test_private_nat_is_not_taken_for_a_public_one(self, run):
        with run.nat() as nat:
            nat["type"] = "PRIVATE"
        run.start()
        run.wait_line("no public NAT", '"default"', "NatName")
        assert run.wait_reads(2).value(LIMIT) is None

    def test_rules_have_ports_of_their_own(self, run):
        with run.nat() as nat:
            nat["rules"] = [{"ruleNumber": 100, "match": "inIpRange(destination.ip, '203.0.113.0/24')"}]
        with run.world() as world:
            world["mappings"]["router-1/nat-1"][0]["interfaceNatMappings"][0]["ruleMappings"] = [
                {"ruleNumber": 100, "natIpPortRanges": ["192.0.2.7:1024-1279"], "numTotalNatPorts": 256}]
        run.start_gateways(("partner", '    NatRule 100\n    Network "203.0.113.0/24"'), ("nat", ""),
                           ("wrong", '    NatRule 200\n    Network "10.9.9.0/24"'))
        run.wait_value(LIMIT, 256, egress_nat="partner:tcp")
        run.wait_value(LIMIT, 64, egress_nat="nat:tcp")
        assert len(run.wait_line('gateway "wrong"', "has no rule 200")) == 1
        assert run.wait_reads(2).value(LIMIT, egress_nat="wrong:tcp") is None

    def test_shared_vpc(self, run):
        """The router is the host project's; the machine's own project has none."""
        with run.world() as world:
            routers = world["routers"].pop("123456789012")
            world["routers"] = {"987654321098": routers}
            world["vm"]["network"] = "projects/987654321098/networks/default"
        run.start("    CloudMonitoring true")
        run.wait_value(LIMIT, 64)
        assert 'project "987654321098"' in run.wait_line("found public NAT")[0]
        run.wait_asked("monitoring", 1)
        assert all(entry["path"].startswith("/v3/projects/egress-lab/") for entry in run.asked("monitoring"))

    def test_by_name_no_list_is_needed(self, run):
        run.start('    Project "123456789012"\n    Region "europe-west3"\n    Router "router-1"\n    NatName "nat-1"')
        run.wait_value(LIMIT, 64)
        assert not [entry for entry in run.asked("compute") if entry["path"].endswith("/routers")]

    def test_of_two_gateways_the_one_that_has_our_address(self, run):
        with run.world() as world:
            routers = world["routers"]["123456789012"]["europe-west3"]
            nat = dict(routers[0]["nats"][0], name="nat-0", sourceSubnetworkIpRangesToNat="LIST_OF_SUBNETWORKS")
            routers.insert(0, {"name": "router-0", "network": routers[0]["network"], "nats": [nat]})
            world["mappings"]["router-0/nat-0"] = [
                {"instanceName": "vm-1", "interfaceNatMappings": [
                    {"sourceVirtualIp": "10.128.0.20", "numTotalNatPorts": 512}]}]
        run.start()
        run.wait_value(LIMIT, 64)
        run.wait_line('"nat-1" of router "router-1"')

    def test_an_external_address_is_said_once(self, run):
        with run.world() as world:
            world["vm"]["external"] = "203.0.113.99"
            world["mappings"] = {}
        run.start()
        run.wait_line("external address 203.0.113.99", "do not take Cloud NAT")
        holder = run.lab.load("vm", "hold", sites.SITES[0].address, 443, "--count", 3, "--seconds", 4)
        run.wait_reads(3)
        assert run.collectd.metrics().value("collectd_egress_nat_ports_used", egress_nat="nat:tcp") == 0
        holder.communicate(timeout=20)
        assert len(run.lines("external address")) == 1


class TestTokens:
    @pytest.mark.parametrize("length", [2048, 30])
    def test_of_any_length_and_asked_for_once(self, run, length):
        with run.world() as world:
            world["token"]["bytes"] = length
        run.start()
        run.wait_value(LIMIT, 64)
        run.wait_asked("compute", 8)
        assert len(run.asked("token")) == 1
        assert all(entry["authorized"] for entry in run.asked("compute"))
        assert all(entry["authorized"] is None for entry in run.asked("metadata") + run.asked("token"))

    def test_too_long_is_refused(self, run):
        with run.world() as world:
            world["token"]["bytes"] = 4200
        run.start()
        run.wait_line("holds no access token")
        assert run.asked("compute") == []

    def test_that_expires_is_got_anew(self, run):
        with run.world() as world:
            world["token"]["expires_in"] = 61
        run.start()
        run.wait_value(LIMIT, 64)
        run.wait_asked("token", 3)
        assert all(entry["authorized"] for entry in run.asked("compute"))

    def test_that_is_revoked_before_its_time_is_got_anew(self, run):
        run.start()
        run.wait_value(LIMIT, 64)
        with run.world() as world:
            world["token"]["serial"] = 2
        changed = time.time()
        run.wait_asked("token", 1, since=changed)
        with run.world() as world:
            world["mappings"]["router-1/nat-1"][0]["interfaceNatMappings"][0]["numTotalNatPorts"] = 128
        run.wait_value(ALLOCATED, 128)
        assert not run.lines("[warning]")

    def test_never_to_a_server_that_redirects(self, run):
        run.faults(compute="redirect")
        run.start()
        run.wait_line("the Compute API", "HTTP 302")
        assert not [entry for entry in run.asked("compute") if entry["path"] == "/elsewhere"]

    def test_not_in_the_log_when_a_server_echoes_it(self, run):
        run.faults(compute="echo", monitoring="echo")
        run.start("    CloudMonitoring true")
        run.wait_line("the Compute API", "HTTP 400")
        run.wait_line("the Monitoring API", "HTTP 400")
        assert not run.lines("ya29")

    def test_no_service_account(self, run):
        with run.world() as world:
            world["vm"]["service_account"] = False
        run.start()
        assert len(run.wait_line("no service account", "set-service-account")) == 1


# How it fails: the ways of both APIs, and what the line for each holds.
REFUSALS = {
    "scope": ("scope", "scope", ["access scopes", "compute.readonly"], ["access scopes", "monitoring.read"]),
    "permission": ("permission=compute.routers.list", "permission=monitoring.timeSeries.list",
                   ["compute.routers.list", '"123456789012"', "roles/compute.networkViewer"],
                   ["monitoring.timeSeries.list", '"egress-lab"', "roles/monitoring.viewer"]),
    "disabled": ("disabled", "disabled", ["Compute API is not enabled"], ["Monitoring API is not enabled"]),
    "404": ("status=404", "status=404", ['region "europe-west3"', "404"], ["the Monitoring API", "404"]),
    "429": ("status=429", "status=429", ["quota of the Compute API"], ["quota of the Monitoring API"]),
    "500": ("status=500", "status=500", ["Compute API", "HTTP 500"], ["Monitoring API", "HTTP 500"]),
    "huge": ("huge", "huge", ["Compute API", "more than 8388608 bytes"], ["Monitoring API", "more than 8388608 bytes"]),
    "huge-string": ("huge-string", "huge-string", ["Compute API", "something else"],
                    ["Monitoring API", "something else"]),
    **{way: (way, way, ["Compute API", "something else"], ["Monitoring API", "something else"])
       for way in ("malformed", "truncated")},
    # The Monitoring API is asked after the Compute API: one that hangs is enough.
    "endless": ("endless", "html", ["Compute API", "within 15 s"], ["Monitoring API", "something else"]),
}


class TestTrouble:
    @pytest.mark.parametrize("way", REFUSALS)
    def test_is_one_line_and_the_rest_goes_on(self, run, way):
        """At the start nothing is known; when it ends, all is found."""
        compute, monitoring, compute_words, monitoring_words = REFUSALS[way]
        run.faults(compute=compute, monitoring=monitoring)
        run.start("    CloudMonitoring true")
        run.wait_line("[warning]", *compute_words)
        run.wait_line("[warning]", *monitoring_words)
        metrics = run.wait_reads(3)
        assert metrics.value("collectd_egress_nat_ports_used", egress_nat="nat:tcp") is not None
        assert metrics.value(LIMIT) is None and not metrics.find(USAGE)
        assert len(run.lines("[warning]", "gateway")) == 2, run.collectd.log()
        run.faults()
        run.wait_value(LIMIT, 64)
        run.wait_line("the Compute API answers as it should again")

    @pytest.mark.parametrize("way", ["scope", "429", "malformed"])
    def test_what_was_found_stays(self, run, way):
        compute = REFUSALS[way][0]
        run.start("    CloudMonitoring true")
        run.wait_value(LIMIT, 64)
        run.faults(compute=compute)
        run.wait_line("[warning]", *REFUSALS[way][2])
        run.wait_reads(3)
        run.wait_values({LIMIT: 64, ALLOCATED: 64})
        assert not run.lines("[warning]", "Monitoring")

    def test_it_is_asked_more_and_more_seldom(self, run):
        run.faults(compute="status=429")
        run.start()
        run.wait_asked("compute", 4)
        times = [entry["time"] for entry in run.asked("compute")][:4]
        pauses = [later - earlier for earlier, later in zip(times, times[1:])]
        assert 1.5 < pauses[0] < pauses[1] < pauses[2]

    def test_no_metadata_server(self, run):
        run.lab.break_("gcp", "stop")
        run.start("    CloudMonitoring true")
        assert len(run.wait_line("the metadata server is not reached", gcp.URL)) == 1
        run.wait_reads(5)
        run.lab.mend("gcp")
        run.wait_value(LIMIT, 64)
        assert len(run.lines("the metadata server is not reached")) == 1
        run.wait_line("the metadata server answers as it should again")

    @pytest.mark.parametrize("way, words", [
        ("silent", "within 3 s"), ("endless", "more than 1024 bytes"), ("huge", "more than 1024 bytes"),
        ("status=503", "HTTP 503"), ("html", "that is none"),
    ])
    def test_a_metadata_server_that_is_none(self, run, way, words):
        run.faults(metadata=way)
        run.start()
        run.wait_line("the metadata server", words)
        run.wait_reads(3)
        assert len(run.lines("[warning]", "gateway")) == 1

    def test_somebody_elses_metadata_server(self, run):
        with run.world() as world:
            world["no_flavor"] = True
        run.start()
        run.wait_line("Metadata-Flavor: Google", "not believed")
        assert run.asked("token") == []

    @pytest.mark.parametrize("service", ["compute", "monitoring"])
    def test_a_server_that_hangs_does_not_hold_up_the_end(self, run, service):
        run.faults(**{service: "silent"})
        run.start("    CloudMonitoring true")
        run.wait_asked(service, 1)
        run.wait_reads(2)
        begun = time.monotonic()
        assert run.collectd.stop(seconds=30) == 0
        assert time.monotonic() - begun < 10, "the request's own limit is 15 s"


class TestSecureTransport:
    """The APIs over https, with an authority that the system does not know."""

    @staticmethod
    def start(run, url, authority=None):
        trusted = f'\n    CACert "{authority}"' if authority else ""
        body = stanza(("nat", f"    CloudMonitoring true{trusted}"))
        run.start_body(body.replace(f'URL "{gcp.URL}"', f'URL "{url}"'))

    def test_with_an_authority_of_our_own(self, run):
        with run.world() as world:
            world["series"] = {"port_usage": [TestFigures.series(17)]}
        self.start(run, gcp.SECURE_URL, certificates.authority(run.lab.id))
        run.wait_value(LIMIT, 64)
        run.wait_value(USAGE, 17, egress_nat="nat:tcp")
        asked = run.asked("compute") + run.asked("monitoring")
        assert asked and all(entry["secure"] and entry["authorized"] for entry in asked)

    @pytest.mark.parametrize("why", ["authority", "name", "file"])
    def test_a_certificate_that_is_not_trusted_is_one_line_and_no_token(self, run, why):
        url, authority = gcp.SECURE_URL, certificates.authority(run.lab.id)
        if why == "authority":
            authority = None
        elif why == "name":
            url = f"https://127.0.0.1:{gcp.TLS_PORT}"
        else:
            authority = run.lab.directory / "no-such-file.pem"
        self.start(run, url, authority)
        words = ("cannot be read",) if why == "file" else ("certificate", "CACert")
        run.wait_line("Compute API", "is not reached", *words)
        run.wait_line("Monitoring API", "is not reached", *words)
        assert run.wait_reads(5).value(LIMIT) is None
        assert len(run.lines("Compute API", "is not reached")) == 1
        assert len(run.asked("token")) == 1
        assert run.asked("compute") + run.asked("monitoring") == [], "the token went to a server that is not known"


class TestFigures:
    @staticmethod
    def series(value, age=60, protocol="TCP", nat="nat-1", **labels):
        return {"labels": {"ip_protocol": protocol, "nat_gateway_name": nat, **labels}, "points": [[age, value]]}

    def test_port_usage_and_drops(self, run):
        with run.world() as world:
            world["series"] = {
                "port_usage": [self.series(17), self.series(3, protocol="UDP"), self.series(99, nat="another")],
                "dropped_sent_packets_count": [self.series(1000, age=300, reason="OUT_OF_RESOURCES")],
            }
        run.start("    CloudMonitoring true")
        run.wait_value(USAGE, 17, egress_nat="nat:tcp")
        run.wait_value(USAGE, 3, egress_nat="nat:udp")
        # Those that were dropped before the start are not ours to count; counters begin at 0.
        metrics = run.wait(lambda found: found.find(DROPS), "drops")
        assert set(value for _, value in metrics.find(DROPS)) == {0}
        with run.world() as world:
            world["series"]["dropped_sent_packets_count"] = [
                dict(self.series(7, age=0, reason="OUT_OF_RESOURCES"), now=time.time()),
                dict(self.series(2, age=0, reason="ENDPOINT_INDEPENDENCE_CONFLICT"), now=time.time())]
        run.wait_value(DROPS, 7, egress_nat="nat:tcp", type="OUT_OF_RESOURCES")
        run.wait_value(DROPS, 2, egress_nat="nat:tcp", type="ENDPOINT_INDEPENDENCE_CONFLICT")
        asked = len(run.asked("monitoring"))
        run.wait_asked("monitoring", asked + 6)
        metrics = run.wait_reads(2)
        assert metrics.value(DROPS, egress_nat="nat:tcp", type="OUT_OF_RESOURCES") == 7, "each drop counts once"

    def test_error_of_the_estimate(self, run):
        """Our own estimate of the same minute is 5: Cloud NAT's 3 makes 2."""
        holder = run.lab.load("vm", "hold", sites.SITES[0].address, 443, "--count", 5, "--seconds", 55)
        run.start("    CloudMonitoring true")
        run.wait_value("collectd_egress_nat_ports_used", 5)
        while time.time() % 60 < 5:
            time.sleep(1)  # Else the minute may be the one before the connections.
        now = time.time()
        with run.world() as world:
            world["series"] = {"port_usage": [dict(self.series(3, age=0), now=now)]}
        run.wait_value("collectd_egress_nat_estimate_error", 2, egress_nat="nat:tcp")
        with run.world() as world:
            # Of a minute before the start there is no estimate.
            world["series"] = {"port_usage": [dict(self.series(4, age=600), now=now)]}
        metrics = run.wait(lambda found: found.value(USAGE, egress_nat="nat:tcp") == 4 or
                           not found.find(USAGE), "the older figure, or none")
        assert metrics.value("collectd_egress_nat_estimate_error") is None
        holder.kill()

    def test_allocated_ports_where_the_compute_api_refuses(self, run):
        run.faults(compute="scope")
        with run.world() as world:
            world["series"] = {"allocated_ports": [
                {"labels": {"nat_gateway_name": "nat-1", "nat_ip": address}, "points": [[60, 32], [120, 64]]}
                for address in ("192.0.2.1", "192.0.2.2")]}
        run.start("    CloudMonitoring true")
        assert run.wait_value(ALLOCATED, 64).value(LIMIT) is None


def test_memcheck_finds_nothing(run):
    """Through answers of every kind; what a request under way holds at the end is freed too."""
    report = run.lab.directory / "memcheck-discovery"
    with run.world() as world:
        world["series"] = {"port_usage": [TestFigures.series(17)]}
        world["token"]["expires_in"] = 61
    run.start("    CloudMonitoring true", sanitized=False,
              wrapper=["valgrind", "--tool=memcheck", "--leak-check=full", "--show-leak-kinds=definite",
                       "--errors-for-leak-kinds=definite", "--num-callers=20", f"--log-file={report}"])
    run.wait_value(USAGE, 17, egress_nat="nat:tcp")
    for way in ("scope", "malformed", "truncated", "huge-string", "huge", "status=500"):
        begun = time.time()
        run.faults(compute=way)
        run.wait_asked("compute", 1, since=begun)
        run.faults()
        begun = time.time()
        run.wait_asked("compute", 2, since=begun)
    run.faults(compute="silent", monitoring="silent")
    run.wait_asked("compute", 1, since=time.time())
    assert run.collectd.stop(seconds=60) == 0
    said = report.read_text(encoding="utf-8")
    assert "ERROR SUMMARY: 0 errors" in said, said
    assert "definitely lost: 0" in said or "no leaks are possible" in said, said
