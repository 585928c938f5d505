# SPDX-License-Identifier: MIT
"""A stand-in for the writing half of the Cloud Monitoring API, beside the lab's fake Google, whose token it asks for:

    python3 -m egress_lab.fake_monitoring FOLDER ADDRESS PORT

It takes metric descriptors and time series as Google documents them, refuses what Google refuses, and writes a line of
JSON for each request into FOLDER/written.log: {"what", "status", "complaint", "series"}; never a token."""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from . import fake_gcp

_PATH = re.compile(r"/v3/projects/([^/]+)/(timeSeries|metricDescriptors)")
# https://cloud.google.com/monitoring/quotas: series a request.
_MAX_SERIES = 200
# https://cloud.google.com/monitoring/api/resources#tag_gce_instance
_RESOURCE_LABELS = {"project_id", "instance_id", "zone"}
_ZONE = re.compile(r"[a-z]+-[a-z]+[0-9]+-[a-z]")
# https://cloud.google.com/monitoring/api/v3/kinds-and-types
_KINDS = {"GAUGE": {"int64Value", "doubleValue"}, "CUMULATIVE": {"int64Value", "doubleValue"}}
_NUMBERS = {"INT64": "int64Value", "DOUBLE": "doubleValue"}


def series_complaint(series):
    """What the API would refuse in one time series, or None."""
    resource, points = series["resource"], series["points"]
    zone = resource["labels"].get("zone", "")
    if not series["metric"]["type"].startswith("custom.googleapis.com/"):
        return f"metric type {series['metric']['type']}"
    if resource["type"] != "gce_instance" or set(resource["labels"]) != _RESOURCE_LABELS:
        return f"resource {resource}"
    if not _ZONE.fullmatch(zone):
        return f'Unrecognized region or location: "{zone}"'
    if len(points) != 1:
        return f"{len(points)} points"
    ((kind, value),) = points[0]["value"].items()
    if kind not in _KINDS[series["metricKind"]] or kind != _NUMBERS[series["valueType"]]:
        return f"{series['metricKind']} {series['valueType']} with {kind}"
    if kind == "int64Value" and not isinstance(value, str):
        return "a 64-bit number that is no string"
    if series["metricKind"] == "CUMULATIVE" and "startTime" not in points[0]["interval"]:
        return "a cumulative point without startTime"
    return None


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    folder = None

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        what, status, complaint, series = self._judge(body)
        entry = {"what": what, "status": status, "complaint": complaint, "series": series}
        with open(self.folder / "written.log", "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        answer = body if status == 200 and what == "metricDescriptors" else {}
        if status != 200:
            answer = {"error": {"code": status, "message": complaint}}
        self._send(status, json.dumps(answer).encode())

    def log_message(self, *_):
        pass

    def _judge(self, body):
        """(what it is about, status, complaint, the series that it holds)."""
        world = json.loads((self.folder / "world.json").read_text(encoding="utf-8"))
        path = _PATH.fullmatch(self.path)
        if not path:
            return self.path, 404, "Not found", []
        if self.headers.get("Authorization") != f"Bearer {fake_gcp.token_of(world)}":
            return path[2], 401, "Request had invalid authentication credentials.", []
        if path[1] != world["vm"]["project"]:
            return path[2], 403, f"Permission denied for project {path[1]}", []
        if path[2] == "metricDescriptors":
            return path[2], 200, None, [body["type"]]
        series = body["timeSeries"]
        complaints = [f"{len(series)} series"] if len(series) > _MAX_SERIES else \
            [text for text in map(series_complaint, series) if text]
        return path[2], 400 if complaints else 200, complaints[0] if complaints else None, series

    def _send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    folder, address, port = sys.argv[1:]
    Handler.folder = Path(folder)
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer((address, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
