# SPDX-License-Identifier: MIT
"""Serves the page, the dashboard that it draws, and Prometheus' answers.

    python3 -m egress_demo.page_server DESCRIPTOR PORT

It runs inside the part of the lab where Prometheus listens on PORT, and ends with it; the listening socket that it is
given as DESCRIPTOR belongs to the host, so that a browser there can reach it."""

import http.client
import re
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = Path(__file__).with_name("page")
DASHBOARD = Path(__file__).resolve().parents[3] / "etc" / "grafana" / "egress-path.json"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}
_SECONDS = 20
# What the page asks; nothing else of Prometheus is reachable from here.
_QUESTIONS = re.compile(r"/api/v1/(query_range|label/[a-z_]+/values)(\?.*)?")


class Handler(BaseHTTPRequestHandler):
    prometheus = 0

    def do_GET(self):
        if _QUESTIONS.fullmatch(self.path):
            self._pass_on()
        elif self.path.partition("?")[0] == "/dashboard.json":
            self._file(DASHBOARD)
        else:
            names = {f"/{path.name}": path for path in PAGE.iterdir()} | {"/": PAGE / "index.html"}
            self._file(names.get(self.path))

    def _file(self, path):
        if path is None:
            self._answer(404, "text/plain", b"no such page\n")
        else:
            self._answer(200, f"{_TYPES[path.suffix]}; charset=utf-8", path.read_bytes())

    def _pass_on(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.prometheus, timeout=_SECONDS)
        try:
            connection.request("GET", self.path)
            found = connection.getresponse()
            self._answer(found.status, found.getheader("Content-Type"), found.read())
        except (OSError, http.client.HTTPException) as error:
            self._answer(502, "text/plain", f"Prometheus does not answer: {error}\n".encode())
        finally:
            connection.close()

    def _answer(self, status, kind, body):
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", len(body)), ("Cache-Control", "no-store"),
                            ("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; "
                                                        "img-src 'self' data:")):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """A line a request would say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A browser that goes away is no trouble."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*_)


def main():
    descriptor, Handler.prometheus = (int(word) for word in sys.argv[1:])
    server = Server(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=descriptor)
    server.server_activate()
    server.serve_forever()


if __name__ == "__main__":
    main()
