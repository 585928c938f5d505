# SPDX-License-Identifier: MIT
"""A stand-in for Google's metadata server, Compute API and Monitoring API: in plain HTTP, and over TLS.

    fake_gcp.py FOLDER ADDRESS PORT TLS_PORT CERTIFICATE KEY

It answers as Google documents it, about the world that FOLDER/world.json describes (read anew for each request), and
writes a line of JSON for each request into FOLDER/requests.log: never a token, only whether the right one came."""

import datetime
import json
import re
import ssl
import string
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

METADATA = "/computeMetadata/v1/"
_ROUTERS = re.compile(r"/compute/v1/projects/([^/]+)/regions/([^/]+)/routers(?:/([^/]+)(/getNatMappingInfo)?)?")
_SERIES = re.compile(r"/v3/projects/([^/]+)/timeSeries")
_METRIC = re.compile(r'metric\.type = "compute\.googleapis\.com/nat/(\w+)"')
_INSTANCE = re.compile(r'resource\.labels\.instance_id = "(\d+)"')
_NAME_FILTER = re.compile(r"instanceName = ([a-z0-9-]+)")
_HUGE_BYTES = 50 * 1024 * 1024
_ENDLESS_SECONDS = 120
_SCOPES = {"compute": "compute.googleapis.com", "monitoring": "monitoring.googleapis.com"}


def default_world(ports=64, time_wait=12, transitory=30, established=1200):
    """One VM, one router, one NAT of the lab's settings."""
    nat = {
        "name": "nat-1", "type": "PUBLIC", "natIpAllocateOption": "MANUAL_ONLY",
        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES", "minPortsPerVm": ports,
        "enableDynamicPortAllocation": False, "enableEndpointIndependentMapping": False,
        "tcpEstablishedIdleTimeoutSec": established, "tcpTransitoryIdleTimeoutSec": transitory,
        "udpIdleTimeoutSec": 30, "icmpIdleTimeoutSec": 30, "effectiveTcpTimeWaitTimeoutSec": time_wait,
        "endpointTypes": ["ENDPOINT_TYPE_VM"], "logConfig": {"enable": False, "filter": "ALL"},
    }
    mapping = {
        "instanceName": "vm-1",
        "interfaceNatMappings": [{"sourceVirtualIp": "10.128.0.2", "sourceAliasIpRange": "",
                                  "natIpPortRanges": [f"192.0.2.1:1024-{1023 + ports}"], "numTotalNatPorts": ports}],
    }
    return {
        "vm": {
            "project": "egress-lab", "project_number": "123456789012", "id": "4711471147114711", "name": "vm-1",
            "zone": "europe-west3-b", "ip": "10.128.0.2", "external": None,
            "network": "projects/123456789012/networks/default", "service_account": True,
        },
        # By project (id or number), then region.
        "routers": {"123456789012": {"europe-west3": [
            {"name": "router-1", "id": "998877665544332211", "network": network_url("egress-lab", "default"),
             "nats": [nat]}]}},
        # By "router/nat".
        "mappings": {"router-1/nat-1": [mapping]},
        # By metric: series of {labels, points: [[age in seconds, value], ...]}.
        "series": {},
        "token": {"bytes": 200, "expires_in": 3600, "serial": 1},
        "page_size": None,       # at most so many a page
        "numbers_as_strings": False,
        "no_flavor": False,      # a metadata server of somebody else's
        "filter": True,          # whether getNatMappingInfo takes a filter
        "faults": {},            # by service (metadata, token, compute, monitoring): a way
    }


def network_url(project, name):
    return f"https://www.googleapis.com/compute/v1/projects/{project}/global/networks/{name}"


def token_of(world):
    """A token of the length asked for; another serial, another token."""
    letters = (f"ya29.serial{world['token']['serial']}." + string.ascii_letters + string.digits + "-_") * 64
    return letters[:world["token"]["bytes"]]


class Answer(Exception):
    """What a request gets."""

    def __init__(self, status, body, content="application/json"):
        super().__init__(status)
        self.status, self.content = status, content
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def error(status, message, reason=None, details=None):
    """As Google's APIs print an error (AIP-193, and the older `errors`)."""
    inner = {"code": status, "message": message,
             "errors": [{"message": message, "domain": "global", "reason": reason or "backendError"}]}
    if details:
        inner["status"] = "PERMISSION_DENIED"
        inner["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "googleapis.com", **details}]
    return Answer(status, {"error": inner})


def scope_error(service):
    return error(403, "Request had insufficient authentication scopes.", "insufficientPermissions",
                 {"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "metadatas": {"service": _SCOPES[service]}})


def permission_error(service, permission, project):
    if service == "compute":
        return error(403, f"Required '{permission}' permission for 'projects/{project}'", "forbidden")
    return error(403, f"Permission {permission} denied (or the resource may not exist).", "forbidden",
                 {"reason": "IAM_PERMISSION_DENIED", "metadata": {"permission": permission}})


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server_version = "Metadata Server for VM"
    folder = None
    context = None  # of TLS

    def do_GET(self):
        self.world = json.loads((self.folder / "world.json").read_text(encoding="utf-8"))
        parts = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.service, self.path_only = self._service_of(unquote(parts.path)), unquote(parts.path)
        self._log()
        try:
            self._fail_if_told()
            self._answer()
        except Answer as answer:
            self._send(answer)

    def log_message(self, *_):
        pass

    def _service_of(self, path):
        if path.startswith(METADATA):
            return "token" if path.endswith("/token") else "metadata"
        return "monitoring" if path.startswith("/v3/") else "compute"

    def _log(self):
        sent = self.headers.get("Authorization")
        entry = {"service": self.service, "path": self.path_only, "query": self.query, "time": time.time(),
                 "authorized": None if sent is None else sent == f"Bearer {token_of(self.world)}",
                 "flavor": self.headers.get("Metadata-Flavor"), "secure": self.context is not None}
        with open(self.folder / "requests.log", "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    # --- Faults --------------------------------------------------------------------------------------------------

    def _fail_if_told(self):
        way = self.world["faults"].get(self.service)
        if not way:
            return
        project = self.path_only.split("/")[4] if self.service == "compute" else self.world["vm"]["project"]
        if way == "scope":
            raise scope_error(self.service)
        if way.startswith("permission"):
            raise permission_error(self.service, way.partition("=")[2], project)
        if way == "disabled":
            raise error(403, f"The API has not been used in project {project} before or it is disabled.",
                        "accessNotConfigured", {"reason": "SERVICE_DISABLED"})
        if way.startswith("status="):
            self._fail_with_status(int(way.partition("=")[2]))
        if way == "echo":
            raise error(400, f"bad header: {self.headers.get('Authorization')}", "badRequest")
        if way in ("malformed", "truncated", "html"):
            raise Answer(200, {"malformed": b'{"items": [{"name": nope}]}', "truncated": b'{"items": [{"na',
                               "html": b"<html>login</html>"}[way])
        if way == "redirect":
            self._redirect()
        self._misbehave(way)

    def _fail_with_status(self, status):
        reasons = {429: ("Quota exceeded for quota metric 'Read requests'", "rateLimitExceeded"),
                   404: ("The resource was not found", "notFound")}
        raise error(status, *reasons.get(status, (f"Internal error {status}", "backendError")))

    def _redirect(self):
        self._begin(302, "text/plain", 0, {"Location": f"http://{self.headers['Host']}/elsewhere"})
        raise Answer(0, b"")

    def _misbehave(self, way):
        """Answers that are no answers; the connection is given up with them."""
        self.close_connection = True
        if way == "silent":
            time.sleep(_ENDLESS_SECONDS)
        elif way == "endless":
            self._begin(200, "application/json", None)
            self._pour(b'{"items": [' + b" " * 100, until=time.monotonic() + _ENDLESS_SECONDS, pause=0.05)
        elif way == "huge":
            self._begin(200, "application/json", _HUGE_BYTES)
            self._pour(b" " * 65536, until=time.monotonic() + _ENDLESS_SECONDS, count=_HUGE_BYTES // 65536)
        elif way == "huge-string":
            self._begin(200, "application/json", None)
            self._pour(b'{"kind": "', until=time.monotonic() + 1, count=1)
            self._pour(b"x" * 65536, until=time.monotonic() + _ENDLESS_SECONDS, count=_HUGE_BYTES // 65536)
        raise Answer(0, b"")

    def _pour(self, piece, until, count=10**9, pause=0):
        try:
            while time.monotonic() < until and count > 0:
                self.wfile.write(piece)
                piece = b" " * len(piece) if pause else piece
                count -= 1
                time.sleep(pause)
        except OSError:
            pass  # The client has had enough.

    # --- Answers -------------------------------------------------------------------------------------------------

    def _answer(self):
        if self.service in ("metadata", "token"):
            if self.headers.get("Metadata-Flavor") != "Google":
                raise Answer(403, b"Missing required header: Metadata-Flavor", "text/html")
            raise self._metadata(self.path_only[len(METADATA):])
        if self.headers.get("Authorization") != f"Bearer {token_of(self.world)}":
            raise error(401, "Request had invalid authentication credentials.", "authError")
        match = _ROUTERS.fullmatch(self.path_only)
        if match:
            raise self._routers(*match.groups())
        if _SERIES.fullmatch(self.path_only):
            raise self._series(_SERIES.fullmatch(self.path_only)[1])
        raise error(404, "Not found", "notFound")

    def _metadata(self, path):
        vm = self.world["vm"]
        leaves = {
            "": "instance/\nproject/\n",
            "instance/service-accounts/default/scopes": "https://www.googleapis.com/auth/monitoring\n",
            "project/project-id": vm["project"], "instance/id": vm["id"], "instance/name": vm["name"],
            "instance/zone": f"projects/{vm['project_number']}/zones/{vm['zone']}",
            "instance/network-interfaces/0/ip": vm["ip"], "instance/network-interfaces/0/network": vm["network"],
            "instance/network-interfaces/0/access-configs/0/external-ip": vm["external"],
        }
        if path == "instance/service-accounts/default/token" and vm["service_account"]:
            return Answer(200, {"access_token": token_of(self.world), "expires_in": self.world["token"]["expires_in"],
                                "token_type": "Bearer"})
        if leaves.get(path) is None:
            return Answer(404, b"<html>Error 404 (Not Found)!!1</html>", "text/html")
        return Answer(200, leaves[path].encode(), "application/text")

    def _routers(self, project, region, router, mapping):
        regions = self.world["routers"].get(project)
        if regions is None:
            return permission_error("compute", "compute.routers." + ("get" if router else "list"), project)
        routers = regions.get(region, [])
        if router is None:
            return self._page("items", routers, "compute#routerList")
        found = next((each for each in routers if each["name"] == router), None)
        if found is None:
            return error(404, f"The resource 'projects/{project}/regions/{region}/routers/{router}' was not found",
                         "notFound")
        return self._mapping(router) if mapping else Answer(200, self._numbers(found))

    def _mapping(self, router):
        found = [entry for key, entries in self.world["mappings"].items() for entry in entries
                 if key == f"{router}/{self.query['natName']}" or
                 ("natName" not in self.query and key.startswith(f"{router}/"))]
        wanted = self.query.get("filter")
        if wanted and not self.world["filter"]:
            return error(400, "Invalid value for field 'filter'", "invalid")
        if wanted:
            name = _NAME_FILTER.fullmatch(wanted)
            if not name:
                return error(400, f"Invalid list filter expression: {wanted}", "invalid")
            found = [entry for entry in found if entry["instanceName"] == name[1]]
        return self._page("result", found, "compute#vmEndpointNatMappingsList")

    def _series(self, project):
        text = self.query.get("filter", "")
        metric, instance = _METRIC.search(text), _INSTANCE.search(text)
        if project not in (self.world["vm"]["project"], self.world["vm"]["project_number"]):
            return permission_error("monitoring", "monitoring.timeSeries.list", project)
        if not metric or not instance or "interval.endTime" not in self.query:
            return error(400, "Field filter had an invalid value", "badRequest")
        if instance[1] != self.world["vm"]["id"]:
            return Answer(200, {"unit": "1"})
        series = [self._one_series(metric[1], each) for each in self.world["series"].get(metric[1], [])]
        return self._page("timeSeries", [each for each in series if each["points"]], None)

    def _one_series(self, metric, series):
        begin, end = (parse_time(self.query[f"interval.{which}Time"]) for which in ("start", "end"))
        points = sorted(((series.get("now", time.time()) - age, value) for age, value in series["points"]), reverse=True)
        return {
            "metric": {"type": f"compute.googleapis.com/nat/{metric}", "labels": series["labels"]},
            "resource": {"type": "gce_instance", "labels": {"instance_id": self.world["vm"]["id"]}},
            "metricKind": "GAUGE", "valueType": "INT64",
            # protobuf's JSON: a 64-bit number is a string.
            "points": [{"interval": {"startTime": print_time(at), "endTime": print_time(at)},
                        "value": {"int64Value": str(value)}} for at, value in points if begin < int(at) <= end],
        }

    def _page(self, key, entries, kind):
        size = min(int(self.query.get("maxResults", 500)), self.world["page_size"] or 500)
        first = int(self.query.get("pageToken", "page=0").partition("=")[2])
        page = {"kind": kind} if kind else {}
        if entries[first:first + size]:
            page[key] = self._numbers(entries[first:first + size])
        if first + size < len(entries):
            page["nextPageToken"] = f"page={first + size}"
        return Answer(200, page)

    def _numbers(self, value):
        """The same with every whole number as a string, if the world is such."""
        if not self.world["numbers_as_strings"]:
            return value
        if isinstance(value, dict):
            return {key: self._numbers(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._numbers(inner) for inner in value]
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def _begin(self, status, content, length, headers=None):
        self.send_response(status)
        self.send_header("Content-Type", content)
        if self.service in ("metadata", "token") and not self.world["no_flavor"]:
            self.send_header("Metadata-Flavor", "Google")
        if length is not None:
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Connection", "close")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, answer):
        if answer.status:
            self._begin(answer.status, answer.content, len(answer.body))
            self.wfile.write(answer.body)


class SecureHandler(Handler):
    """The same over TLS. The handshake is this connection's thread's: a client that breaks it off harms no other."""

    def handle(self):
        self.connection.settimeout(_ENDLESS_SECONDS)
        try:
            with self.context.wrap_socket(self.connection, server_side=True) as self.connection:
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                super().handle()
        except OSError:
            pass  # The client has had enough.


def print_time(seconds):
    return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()


def main():
    folder, address, port, tls_port, certificate, key = sys.argv[1:]
    Handler.folder = Path(folder)
    ThreadingHTTPServer.daemon_threads = True
    SecureHandler.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    SecureHandler.context.load_cert_chain(certificate, key)
    # On every address of the machine, so that a client can be told one for which the certificate is not.
    secure = ThreadingHTTPServer(("", int(tls_port)), SecureHandler)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    ThreadingHTTPServer((address, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
