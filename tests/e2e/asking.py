# SPDX-License-Identifier: MIT
"""Requests inside a lab, as a person would make them with curl."""

from egress_lab import sites

API = sites.by_name("api")
API_443, GIT_443 = "198.51.100.10:443", "198.51.100.20:443"
PROXY = f"http://{sites.ADDRESSES['podproxy']}:3128"
VM_PROXY = f"http://{sites.ADDRESSES['vm']}:3128"


def fetch(lab, part, url, proxy=None, seconds=2):
    """(status of the answer, status of the CONNECT) as curl sees them; 0 where there is no, or no whole, answer."""
    argv = ["curl", "-s", "-m", str(seconds), "-o", "/dev/null", "-w", "%{http_code} %{http_connect}",
            "--cacert", lab.ca, url]
    done = lab.exec(part, [*argv, *(["-x", proxy] if proxy else [])])
    status, connect = done.stdout.split()
    return int(status) if done.returncode == 0 else 0, int(connect)


def complaint(lab, url, *words):
    """(exit code, what curl says of it) of a request from the VM straight out."""
    done = lab.exec("vm", ["curl", "-sS", "-m", "1", "-o", "/dev/null", "--cacert", lab.ca, *words, url])
    return done.returncode, done.stderr


def held(lab, destination=API_443):
    return lab.truth()[destination]["held"]
