# SPDX-License-Identifier: MIT
"""A collectd in a part of the lab, and what it says over write_prometheus."""

import http.client
import os
import re
import resource
import subprocess

from . import certificates, identity, netns, process, sites, templates
from .errors import LabError
from .prometheus import Metrics

PORT = 9103
_BINARY = "/usr/sbin/collectd"
_STOCK_PLUGINS = "/usr/lib/collectd"
_STOP_SECONDS = 15


class Collectd:
    """A running collectd. Made with `start`; ended with `stop`, or with the lab."""

    def __init__(self, lab_id, part, folder, child, port=PORT):
        self.lab_id, self.part, self.folder, self.child, self.port = lab_id, part, folder, child, port
        self.pid, self._start = child.pid, process.start_time(child.pid)
        self._descriptors = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def metrics(self, seconds=5):
        """One scrape of write_prometheus, asked for from inside the part."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        connection.sock = netns.connect_in(self.lab_id, self.part, "127.0.0.1", self.port, seconds)
        try:
            connection.request("GET", "/metrics")
            return Metrics(connection.getresponse().read().decode("utf-8"))
        finally:
            connection.close()

    def wait_for(self, condition, seconds, what):
        """Scrape until condition(metrics) is true and return those metrics; else an error that quotes the log."""
        def scrape():
            if not self.running():
                raise LabError(f"collectd in {self.part} has ended while waiting for {what}\n{self.log()[-4000:]}")
            try:
                metrics = self.metrics()
            except (OSError, http.client.HTTPException):
                return None
            return metrics if condition(metrics) else None
        found = process.wait_until(scrape, seconds, pause=0.1)
        if found is None:
            raise LabError(f"collectd in {self.part}: {what} not seen within {seconds} s\n{self.log()[-4000:]}")
        return found

    def scraper(self):
        """A Scraper of this daemon."""
        return Scraper(self)

    def limit_descriptors(self, number=None):
        """Let the daemon open no descriptor from `number` on, as `ulimit -n` does; None: give back what it had."""
        soft, hard = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        if number is None:
            soft, self._descriptors = self._descriptors or soft, None
        else:
            soft, self._descriptors = number, self._descriptors or soft
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (soft, hard))

    def log(self):
        """Everything that collectd has logged, and what it or its wrapper wrote to stdout and stderr."""
        files = (self.folder / "collectd.log", self.folder / "output.log")
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in files if path.exists())

    def running(self):
        return process.alive(self.pid, self._start)

    def stop(self, seconds=_STOP_SECONDS):
        """End it in the orderly way and return the exit status (sanitizers and valgrind speak through it)."""
        if self.child.poll() is None:
            self.child.terminate()
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise LabError(f"collectd in {self.part} did not end {seconds} s after SIGTERM\n"
                           f"{self.log()[-4000:]}") from None


class Scraper:
    """Scrapes over one connection that stays open: also a daemon without descriptors answers."""

    def __init__(self, daemon, seconds=10):
        self._daemon, self._seconds, self._connection = daemon, seconds, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def metrics(self):
        """The metrics, or None without an answer."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._daemon.port, timeout=self._seconds)
                self._connection.sock = netns.connect_in(self._daemon.lab_id, self._daemon.part, "127.0.0.1",
                                                         self._daemon.port, self._seconds)
            self._connection.request("GET", "/metrics")
            return Metrics(self._connection.getresponse().read().decode("utf-8"))
        except (OSError, http.client.HTTPException):
            self.close()
            return None

    def close(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def configuration(lab_id, part, plugin_dir, interval=2, settings=None, body=None, second=False):
    """The text of a configuration: our stanzas for `pod` or `vm`, or `body` in their place.

    The first PluginDir finds collectd's own plugins; the second one, which rules what is loaded after it, ours."""
    folder = folder_of(lab_id, part, second)
    if body is None:
        body = stanzas(lab_id, part, settings)
    return templates.fill("collectd.conf", host=part, folder=folder, interval=interval,
                          port=PORT + second,
                          stock_plugins=_STOCK_PLUGINS, plugins=plugin_dir or _STOCK_PLUGINS, body=body)


def stanzas(lab_id, part, settings):
    """The stanzas of the egress plugins for a part."""
    proxies = {f"{name}_proxy": f"http://{sites.ADDRESSES[part_]}:{sites.PROXY_PORT}"
               for name, part_ in (("pod", "podproxy"), ("gce", "vm"))}
    names = {site.key: site.name for site in sites.SITES}
    git = sites.by_name("git").address
    return templates.fill(f"collectd-{part}.conf", **proxies, **names, ca=certificates.authority(lab_id),
                          proxy_port=sites.PROXY_PORT, control_address=sites.CONTROL.address, git_address=git,
                          ports=settings["ports"], time_wait=settings["time_wait"],
                          transitory=settings["transitory"], established=settings["established"])


def folder_of(lab_id, part, second=False):
    return identity.directory(lab_id) / f"collectd-{part}{'-second' if second else ''}"


def start(lab_id, part, text, wrapper=(), environment=None, second=False):
    """Start collectd in a part with a configuration text; `second` for one beside the first.

    wrapper: words before collectd's own command line (valgrind ...); environment: variables added for it alone
    (LD_PRELOAD of the sanitizers, LD_LIBRARY_PATH)."""
    folder = folder_of(lab_id, part, second)
    folder.mkdir(mode=0o755, exist_ok=True)
    for stale in ("collectd.log", "output.log"):
        (folder / stale).unlink(missing_ok=True)
    path = folder / "collectd.conf"
    path.write_text(text, encoding="utf-8")
    # `env` right before the daemon: LD_PRELOAD must not reach ip, sh and mount.
    variables = [f"{key}={value}" for key, value in (environment or {}).items()]
    argv = ["env", *variables, *wrapper, _BINARY, "-f", "-C", str(path)]
    with open(folder / "output.log", "ab") as output:
        child = subprocess.Popen(netns.argv_in(lab_id, part, argv), cwd=folder, stdin=subprocess.DEVNULL,
                                 stdout=output, stderr=output, start_new_session=True)
    return Collectd(lab_id, part, folder, process.adopt(child), PORT + second)


def plugin_dir():
    """The folder of our plugins, from EGRESS_PLUGIN_DIR."""
    path = os.environ.get("EGRESS_PLUGIN_DIR", "")
    if not path or not os.path.isfile(os.path.join(path, "egress_probe.so")):
        raise LabError(f'EGRESS_PLUGIN_DIR is "{path}": expected the folder that holds egress_probe.so')
    return path


def strip_times(log):
    """Log lines without collectd's time stamps, for comparing."""
    return re.sub(r"^\[[^\]]*\] ", "", log, flags=re.MULTILINE)
