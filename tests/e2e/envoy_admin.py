# SPDX-License-Identifier: MIT
"""An admin listener as Envoy's, in its port alone: envoy_admin.py FOLDER serves envoy-stats.txt and envoy-memory.json.

The pages have the form that Envoy's documentation gives them (operations/admin: GET /stats, with `filter` a regular
expression that may match anywhere in a name, and GET /memory; names in configuration/upstream/cluster_manager/
cluster_stats and configuration/http/http_conn_man/stats)."""

import re
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(sys.argv[1])
PORT = 9901


def page(target):
    parts = urllib.parse.urlsplit(target)
    if parts.path == "/memory":
        return (FOLDER / "envoy-memory.json").read_text(encoding="ascii")
    if parts.path == "/stats":
        wanted = re.compile(urllib.parse.parse_qs(parts.query).get("filter", [""])[0])
        lines = (FOLDER / "envoy-stats.txt").read_text(encoding="ascii").splitlines()
        return "".join(f"{line}\n" for line in lines if wanted.search(line.partition(": ")[0]))
    return None


class Admin(BaseHTTPRequestHandler):
    def do_GET(self):
        text = page(self.path)
        body = (text or "invalid path\n").encode("ascii")
        self.send_response(200 if text else 404)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", PORT), Admin).serve_forever()
