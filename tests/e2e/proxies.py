# SPDX-License-Identifier: MIT
"""Proxies beside the lab's own Squid in `vm`: a real Squid, HAProxy, nginx, tinyproxy, each configured as the head of
its file in etc/collectd/proxies says; and a server with Envoy's pages."""

import shutil
import subprocess
import sys
from pathlib import Path

from egress_lab import LabError, identity, process, sites

STANZAS = Path(__file__).resolve().parents[2] / "etc" / "collectd" / "proxies"
PART = "vm"
ADDRESS = sites.ADDRESSES[PART]
# The lab's own Squid has 3128.
PORTS = {"squid": 3130, "haproxy": 3131, "nginx": 3132, "tinyproxy": 8888, "envoy": 9901}

SQUID = """
visible_hostname vm
http_port {port}
pid_filename none
coredump_dir {folder}
cache_log {folder}/cache.log
access_log stdio:{folder}/access.log squid
logfile_rotate 0
cache deny all
memory_cache_shared off
pinger_enable off
netdb_filename none
hosts_file none
dns_nameservers {resolver}
shutdown_lifetime 1 second
connect_timeout 4 seconds
acl SSL_ports port 443
http_access allow localhost manager
http_access deny manager
http_access deny CONNECT !SSL_ports
http_access allow all
"""
# It forwards to the lab's Squid, and to a server that is not there.
HAPROXY = """
global
  log stdout format raw local0
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
  retries 1
frontend egress
  bind {address}:{port}
  http-request deny if {{ path /denied }}
  use_backend dead if {{ path /dead }}
  default_backend next
backend next
  server gce-proxy {address}:{next}
backend dead
  server nobody {address}:9
frontend statistics
  bind 127.0.0.1:8405
  http-request use-service prometheus-exporter if {{ path /metrics }}
  no log
"""
NGINX = """
user www-data;
daemon off;
worker_processes 1;
error_log {folder}/error.log error;
pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{
  log_format egress '$remote_addr - $remote_user [$time_local] "$request" '
                    '$status $body_bytes_sent rt=$request_time';
  access_log {folder}/egress.log egress;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_connect_timeout 2s;
  server {{
    listen {address}:{port};
    resolver {resolver} valid=1s;
    location / {{ proxy_pass http://$http_host$request_uri; }}
    location = /no-name {{ proxy_pass http://nowhere.example.com$request_uri; }}
  }}
  server {{
    listen 127.0.0.1:8406;
    access_log off;
    location = /stub_status {{ stub_status; }}
  }}
}}
"""
TINYPROXY = """
Port {port}
Timeout 60
StatHost "tinyproxy.stats"
LogFile "{folder}/tinyproxy.log"
LogLevel Info
ConnectPort 443
"""
CONFIGURATIONS = {"squid": SQUID, "haproxy": HAPROXY, "nginx": NGINX, "tinyproxy": TINYPROXY}
# Where the files of etc/collectd/proxies look for logs, and what stands there in a test.
LOGS = {"squid": "/var/log/squid", "nginx": "/var/log/nginx", "tinyproxy": "/var/log/tinyproxy"}


class Proxy:
    """One of them, running in `vm`."""

    def __init__(self, lab, name):
        self.lab, self.name, self.port = lab, name, PORTS[name]
        self.folder = lab.directory / f"proxy-{name}"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o755)
        # Squid and nginx write their logs as accounts of their own.
        self.folder.chmod(0o777)
        if name in CONFIGURATIONS:
            text = CONFIGURATIONS[name].format(port=self.port, folder=self.folder, address=ADDRESS,
                                               resolver=sites.DNS_ADDRESS, next=sites.PROXY_PORT)
            (self.folder / "conf").write_text(text, encoding="ascii")
        self.child = None
        self.start()

    def start(self):
        with open(self.folder / "output.log", "ab") as output:
            self.child = self.lab.popen(PART, self._argv(), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        if not process.wait_until(self._listens, 15):
            raise LabError(f"{self.name} does not listen\n{self.output()}")

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def output(self):
        return "".join(path.read_text(encoding="utf-8", errors="replace")[-2000:]
                       for path in sorted(self.folder.glob("*.log")))

    def stanza(self):
        """Its file of etc/collectd/proxies, with this proxy's port and logs."""
        text = (STANZAS / f"{self.name}.conf").read_text(encoding="ascii")
        replacements = {"127.0.0.1:3128": f"127.0.0.1:{self.port}"}
        if self.name in LOGS:
            replacements[LOGS[self.name]] = str(self.folder)
        for old, new in replacements.items():
            text = text.replace(old, new)
        # The first PluginDir of the lab's configuration is not the one that holds here.
        return f'PluginDir "/usr/lib/collectd"\n{text}'

    def ask(self, url, *options):
        """A request through it from the Pod; the status, and that of CONNECT."""
        argv = ["curl", "--silent", "--insecure", "--output", "/dev/null", "--max-time", "20", "--write-out",
                "%{http_code} %{http_connect}", *options, url]
        answered = self.lab.exec("pod", argv).stdout.split()
        return tuple(int(word) for word in answered)

    def through(self, url, *options):
        return self.ask(url, "--proxy", f"http://{ADDRESS}:{self.port}", *options)

    def _argv(self):
        conf = str(self.folder / "conf")
        return {"squid": ["squid", "-N", "-n", identity.squid_service(self.lab.id, "proxies"), "-f", conf],
                "haproxy": ["haproxy", "-db", "-f", conf],
                "nginx": ["nginx", "-e", str(self.folder / "error.log"), "-c", conf],
                "tinyproxy": ["tinyproxy", "-d", "-c", conf],
                "envoy": [sys.executable, str(Path(__file__).with_name("envoy_admin.py")), str(self.folder)],
                }[self.name]

    def _listens(self):
        # Not by a connection: that would be counted.
        return self.lab.exec(PART, ["ss", "-Hltn", f"sport = :{self.port}"]).stdout.strip()
