# SPDX-License-Identifier: MIT
"""A real Prometheus in a part of the lab, and its answers to queries."""

import http.client
import json
import shutil
import subprocess
from urllib.parse import quote

from . import identity, netns, process
from .errors import LabError

PORT = 9090
_BINARY = "/usr/bin/prometheus"
_STOP_SECONDS = 15


class PrometheusServer:
    """A running Prometheus. Made with `start`; ended with `stop`, or with the lab."""

    def __init__(self, lab_id, part, folder, child):
        self.lab_id, self.part, self.folder, self.child = lab_id, part, folder, child

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def ask(self, path, seconds=10):
        """The `data` of one answer of its HTTP API."""
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=seconds)
        connection.sock = netns.connect_in(self.lab_id, self.part, "127.0.0.1", PORT, seconds)
        try:
            connection.request("GET", path)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer["status"] != "success":
            raise LabError(f"Prometheus: {path}: {answer['error']}")
        return answer["data"]

    def query(self, expression, at=None):
        """[(labels, value)] of an instant query whose result is a vector; `at`: seconds since 1970, or now."""
        moment = f"&time={at:.3f}" if at else ""
        found = self.ask(f"/api/v1/query?query={quote(expression)}{moment}")["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def sample_times(self, series, window="5m"):
        """When the samples of one series were taken, as Prometheus has stored them."""
        found = self.ask(f"/api/v1/query?query={quote(f'{series}[{window}]')}")["result"]
        return [float(moment) for each in found for moment, _ in each["values"]]

    def wait_for(self, expression, seconds, condition=bool):
        """Ask until condition([(labels, value)]) is true, and return that answer."""
        last = None

        def ask():
            nonlocal last
            if self.child.poll() is not None:
                raise LabError(f"Prometheus has ended\n{self.log()[-4000:]}")
            try:
                last = self.query(expression)
            except (OSError, http.client.HTTPException, ValueError):
                return None
            return (last,) if condition(last) else None
        found = process.wait_until(ask, seconds, pause=0.2)
        if found is None:
            raise LabError(f"Prometheus: {expression}: not so within {seconds} s; the last answer: {last}\n"
                           f"{self.log()[-2000:]}")
        return found[0]

    def log(self):
        return (self.folder / "output.log").read_text(encoding="utf-8", errors="replace")

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
        try:
            self.child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def start(lab_id, part, text):
    """Start Prometheus in a part, with the text of its configuration, and no memory of an earlier one."""
    folder = identity.directory(lab_id) / f"prometheus-{part}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    path = folder / "prometheus.yml"
    path.write_text(text, encoding="utf-8")
    argv = [_BINARY, f"--config.file={path}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{PORT}", "--log.level=warn"]
    with open(folder / "output.log", "ab") as output:
        child = subprocess.Popen(netns.argv_in(lab_id, part, argv), cwd=folder, stdin=subprocess.DEVNULL,
                                 stdout=output, stderr=output, start_new_session=True)
    return PrometheusServer(lab_id, part, folder, process.adopt(child))
