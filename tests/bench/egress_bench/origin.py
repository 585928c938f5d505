# SPDX-License-Identifier: MIT
"""What the probers ask, and through what: nginx behind tinyproxy, on the loopback interface of this namespace."""

import collections
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from .build import run
from .errors import BenchError

PROXY_PORT = 8888
HTTP_PORT = 80
HTTPS_PORT = 443
PROXY = f"http://127.0.0.1:{PROXY_PORT}"
URLS = {"http": "http://127.0.0.1", "https": "https://127.0.0.1"}
_SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_START_SECONDS = 20
_NGINX = """
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 65536;
error_log {folder}/error.log crit;
pid {folder}/nginx.pid;
events {{ worker_connections 16384; }}
http {{
    log_format path '$uri';
    access_log {folder}/access path buffer=32k flush=500ms;
    keepalive_timeout 0;
    client_body_temp_path {folder}/t1;
    proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4;
    scgi_temp_path {folder}/t5;
    server {{ listen 127.0.0.1:80 backlog=4096; location / {{ return 200 "fine\\n"; }} }}
    server {{
        listen 127.0.0.1:443 ssl backlog=4096;
        ssl_certificate {folder}/leaf.pem;
        ssl_certificate_key {folder}/leaf.key;
        location / {{ return 200 "fine\\n"; }}
    }}
}}
"""
_TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 60
MaxClients 4000
LogFile "{folder}/tinyproxy.log"
LogLevel Critical
ConnectPort 443
"""


class Origin:
    """nginx, tinyproxy, an authority, and CA files with it: alone, with the system's, many of them."""

    def __init__(self, build):
        self.folder = build.new_folder("origin")
        run(["ip", "link", "set", "lo", "up"])
        # Connections that ended must not use up the ports: the loopback interface may take them again at once.
        _sysctl("net/ipv4/ip_local_port_range", "10240 65535")
        _sysctl("net/ipv4/tcp_tw_reuse", "1")
        self._certificates()
        self._children = [self._start("nginx", ["nginx", "-p", str(self.folder), "-c", "nginx.conf"],
                                      _NGINX.format(folder=self.folder)),
                          self._start("tinyproxy", ["tinyproxy", "-d", "-c", f"{self.folder}/tinyproxy.conf"],
                                      _TINYPROXY.format(folder=self.folder, port=PROXY_PORT))]
        self._wait()

    def bundles(self, count):
        """Files with the authority and the system's, each another file."""
        text = _SYSTEM_BUNDLE.read_text(encoding="ascii") + self.authority.read_text(encoding="ascii")
        paths = [self.folder / f"bundle-{number}.pem" for number in range(count)]
        for path in paths:
            path.write_text(text, encoding="ascii")
        return paths

    def requests(self):
        """How often each path was asked for so far."""
        time.sleep(1)  # nginx writes them down within 500 ms
        with open(self.folder / "access", encoding="ascii") as file:
            return collections.Counter(line.strip() for line in file)

    def stop(self):
        for child in self._children:
            child.kill()
        for child in self._children:
            child.wait()

    def _certificates(self):
        if not _SYSTEM_BUNDLE.exists():
            raise BenchError(f"{_SYSTEM_BUNDLE} is missing: install ca-certificates")
        self.authority = self.folder / "authority.pem"
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        run(["openssl", "req", "-x509", *key, "-keyout", f"{self.folder}/authority.key", "-out", str(self.authority),
             "-days", "2", "-subj", "/CN=bench authority"])
        run(["openssl", "req", "-x509", *key, "-keyout", f"{self.folder}/leaf.key", "-out", f"{self.folder}/leaf.pem",
             "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
             "-addext", "basicConstraints=critical,CA:FALSE",
             "-CA", str(self.authority), "-CAkey", f"{self.folder}/authority.key"])

    def _start(self, name, argv, text):
        (self.folder / f"{name}.conf").write_text(text, encoding="ascii")
        with open(self.folder / f"{name}.out", "wb") as output:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def _wait(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": PROXY}))
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with opener.open(URLS["http"], timeout=5) as answer:
                    answer.read()
                    return
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline or any(child.poll() is not None for child in self._children):
                    said = "".join(path.read_text() for path in sorted(self.folder.glob("*.out")))
                    raise BenchError(f"nginx behind tinyproxy does not answer: {said[-500:]}") from None
                time.sleep(0.1)


def _sysctl(name, value):
    Path("/proc/sys", name).write_text(value, encoding="ascii")
