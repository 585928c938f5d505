# SPDX-License-Identifier: MIT
"""Asking the services of a lab whether they serve.

None of these requests goes through the NAT's admission, so they hold no port: proxies are asked for the Control,
and each site from inside `inet`.
"""

import http.client
import socket
import ssl

from . import certificates, gcp, netns, process, proxies, services, sites, state
from .errors import LabError

_SECONDS_A_REQUEST = 5


def proxy_status(lab_id, part):
    """The status with which a proxy answers for the Control over plain HTTP, or None without an answer.

    Nested, the first proxy is asked for a tunnel to the second one; its own word counts if it gives none."""
    url = f"http://{sites.CONTROL.name}/"
    address = sites.ADDRESSES[part]
    if part == "podproxy" and proxies.is_nested(state.read(lab_id)["settings"]):
        status = connect_status(lab_id, part, f"{sites.ADDRESSES['vm']}:{sites.PROXY_PORT}")
        return status if status != 200 else proxy_status(lab_id, "vm")
    return _status(lab_id, "pod", address, sites.PROXY_PORT, url, sites.CONTROL.name)


def connect_status(lab_id, part, endpoint=f"{sites.CONTROL.name}:443"):
    """The status with which a proxy answers CONNECT, or None without an answer."""
    return _status(lab_id, "pod", sites.ADDRESSES[part], sites.PROXY_PORT, endpoint, endpoint, method="CONNECT")


def names_are_known(lab_id, part):
    """Whether a proxy waits for no lookup any more: one that began when the resolver was dead goes on for a while."""
    return all(connect_status(lab_id, part, f"{site.name}:{proxies.LOOKUP_PORT}") == 403 for site in sites.SITES)


def port_is_open(lab_id, part, address, port):
    """Whether something accepts connections from inside a part."""
    try:
        with netns.connect_in(lab_id, part, address, port, 1):
            return True
    except OSError:
        return False


def site_status(lab_id, site):
    """The status of a site as seen from its own side, or None without an answer over TLS."""
    context = ssl.create_default_context(cafile=str(certificates.authority(lab_id)))
    return _status(lab_id, "inet", site.address, 443, "/", site.name, context)


def resolver_answers(lab_id):
    """Whether the lab's resolver answers, over TCP, for the Control's name."""
    try:
        with netns.connect_in(lab_id, "pod", sites.DNS_ADDRESS, 53, 1) as connection:
            labels = b"".join(bytes([len(label)]) + label.encode() for label in sites.CONTROL.name.split("."))
            # RFC 1035: id, recursion desired, one question; the name; type A, class IN.
            query = b"\x00\x07\x01\x00\x00\x01" + bytes(6) + labels + b"\x00\x00\x01\x00\x01"
            connection.sendall(len(query).to_bytes(2, "big") + query)
            return connection.recv(512)[2:4] == b"\x00\x07"
    except OSError:
        return False


def google_answers(lab_id):
    """Whether the fake metadata server answers at all: without the header it refuses, as the real one does."""
    return _status(lab_id, "vm", gcp.ADDRESS, gcp.PORT, "/computeMetadata/v1/instance/id", gcp.ADDRESS) == 403


def serving(lab_id, name):
    """Whether one service does its work; for a proxy, with everything after it."""
    if name == "dns":
        return resolver_answers(lab_id)
    if name == "web":
        return all(site_status(lab_id, site) == 200 for site in sites.SITES)
    if name == "gcp":
        return google_answers(lab_id)
    return proxy_status(lab_id, name) == 200 and names_are_known(lab_id, name)


def wait(lab_id, name, running, seconds=15):
    """Return when a service does its work; else say which one does not, with the end of its log."""
    process.wait_until(lambda: serving(lab_id, name) or not running.alive(), seconds)
    if not serving(lab_id, name):
        state = "is running but does not serve" if running.alive() else "has ended"
        raise LabError(f"lab {lab_id}: {name} {state} after {seconds} s\n{services.tail(lab_id, name)}")


def _status(lab_id, part, address, port, target, host, context=None, method="GET"):
    try:
        connection = http.client.HTTPConnection(host, timeout=_SECONDS_A_REQUEST)
        connection.sock = netns.connect_in(lab_id, part, address, port, _SECONDS_A_REQUEST)
        try:
            if context is not None:
                connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
            connection.request(method, target, headers={"Host": host, "Connection": "close"})
            return connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, socket.timeout):
        return None
