# SPDX-License-Identifier: MIT
"""A real Alertmanager in a network namespace of its own, and the webhook that it sends to."""

import http.client
import http.server
import json
import socket
import subprocess
import threading
import time

import quiet
import yaml

BINARY = "/usr/bin/prometheus-alertmanager"
PORT = 9093
SECONDS = 30


class Webhook(http.server.ThreadingHTTPServer):
    """Listens in a namespace and keeps what it is told: [(path, notification)]."""

    def __init__(self, namespace, port):
        super().__init__(("127.0.0.1", port), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = namespace.listener(socket.AF_INET, "127.0.0.1", port)
        self.socket.settimeout(None)
        self.notifications = []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1})
        self._thread.start()

    def close(self):
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # the name that http.server asks for
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.notifications.append((self.path, json.loads(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Nothing: pytest's output is for failures."""


class Alertmanager:
    """Alertmanager with a configuration, quickened: only its times are other ones."""

    def __init__(self, folder, configuration):
        self.namespace = quiet.Namespace()
        (webhook_port,) = {int(each["url"].split(":")[2].split("/")[0]) for receiver in configuration["receivers"]
                           for each in receiver["webhook_configs"]}
        self.webhook = Webhook(self.namespace, webhook_port)
        path = folder / "alertmanager.yml"
        path.write_text(yaml.safe_dump(_quick(configuration)), encoding="utf-8")
        self._log = folder / "output.log"
        with open(self._log, "wb") as output:
            self._child = subprocess.Popen(
                self.namespace.argv(BINARY, f"--config.file={path}", f"--storage.path={folder / 'data'}",
                                    f"--web.listen-address=127.0.0.1:{PORT}", "--cluster.listen-address="),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.wait_for(self._answers, "an answer")

    def _answers(self):
        try:
            return self.ask("GET", "/api/v2/status")
        except OSError:
            return None

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
        connection.sock = self.namespace.socket(socket.AF_INET)
        try:
            connection.sock.connect(("127.0.0.1", PORT))
            connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, text
        return json.loads(text) if text else True

    def send(self, alerts):
        """Alerts as Prometheus posts them, from labels."""
        self.ask("POST", "/api/v2/alerts", [{"labels": labels} for labels in alerts])

    def end(self, alerts):
        """What Prometheus posts when they have ended."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.ask("POST", "/api/v2/alerts", [{"labels": labels, "endsAt": now} for labels in alerts])

    def states(self):
        """{alert (its labels, frozen): "active", or "suppressed"}."""
        found = self.ask("GET", "/api/v2/alerts")
        return {frozenset(each["labels"].items()): each["status"]["state"] for each in found}

    def wait_for(self, condition, what):
        deadline = time.monotonic() + SECONDS
        while True:
            found = condition()
            if found:
                return found
            assert self._child.poll() is None, f"Alertmanager has ended\n{self.log()[-4000:]}"
            assert time.monotonic() < deadline, f"{what}: not within {SECONDS} s\n{self.log()[-2000:]}"
            time.sleep(0.1)

    def log(self):
        return self._log.read_text(encoding="utf-8", errors="replace")

    def close(self):
        self._child.terminate()
        self._child.wait(30)
        self.webhook.close()
        self.namespace.close()


def _quick(part):
    """A second in place of the times that a group waits."""
    if isinstance(part, dict):
        return {key: "1s" if key in ("group_wait", "group_interval") else _quick(value) for key, value in part.items()}
    return [_quick(each) for each in part] if isinstance(part, list) else part
