# SPDX-License-Identifier: MIT
"""Servers that take their time, as they are told: a resolver, and CONNECT proxies with an origin behind each.

    python3 delays.py resolver ADDRESS ANSWER
    python3 delays.py proxies  ADDRESS CERTIFICATE KEY PROGRAMS

The resolver answers ANSWER for the name `dN.example.net` N milliseconds late, and nothing for any other. PROGRAMS is a
JSON list of objects, one a port:

    port        where to listen
    role        "proxy", or "origin" for a server without a proxy before it
    plain       the client speaks no TLS to the origin
    delays      milliseconds: {"proxy_tls", "tunnel", "tls", "ttfb", "transfer"}; with proxy_tls the proxy speaks TLS
    status      of the answer to CONNECT; 200 without
    hang        the step that never comes
"""

import contextlib
import json
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time

_BODY = b"late, but whole\n" * 8
# A hanging client's patience ends long before.
_MAX_SECONDS = 60


class Hang(Exception):
    """This step never comes."""


class Server:
    """What happens to a connection, step by step."""

    def __init__(self, program, context):
        self._program, self._context = program, context

    def serve(self, connection):
        connection.settimeout(_MAX_SECONDS)
        # A client that goes away when its time is up is expected.
        with contextlib.suppress(OSError), connection:
            try:
                if self._program["role"] == "proxy":
                    self._proxy(connection)
                else:
                    self._origin(connection)
            except Hang:
                _wait_for_the_end(connection)

    def _wait(self, step):
        if self._program.get("hang") == step:
            raise Hang
        time.sleep(self._program["delays"].get(step, 0) / 1000)

    def _proxy(self, connection):
        if "proxy_tls" in self._program["delays"] or self._program.get("hang") == "proxy_tls":
            connection = self._secure(connection, "proxy_tls")
        if self._program.get("plain"):
            self._answer(connection)
            return
        _read_request(connection)
        self._wait("tunnel")
        status = self._program.get("status", 200)
        length = "" if status == 200 else "Content-Length: 0\r\n"
        connection.sendall(f"HTTP/1.1 {status} Late\r\n{length}\r\n".encode())
        if status == 200:
            here, there = socket.socketpair()
            threading.Thread(target=_relay, args=(connection, here), daemon=True).start()
            self._origin(there)

    def _origin(self, connection):
        self._answer(connection if self._program.get("plain") else self._secure(connection, "tls"))

    def _secure(self, connection, step):
        self._wait(step)
        return self._context.wrap_socket(connection, server_side=True)

    def _answer(self, connection):
        _read_request(connection)
        self._wait("ttfb")
        half = len(_BODY) // 2
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(_BODY)}\r\n\r\n".encode() + _BODY[:half])
        self._wait("transfer")
        connection.sendall(_BODY[half:])
        _wait_for_the_end(connection)


def _read_request(connection):
    request = b""
    while b"\r\n\r\n" not in request:
        more = connection.recv(4096)
        if not more:
            raise ConnectionError("closed before a request")
        request += more


def _wait_for_the_end(connection):
    while connection.recv(4096):
        pass


def _relay(first, second):
    """Until either side closes. A TLS socket may hold what select does not see."""
    # A socket that the other thread has closed meanwhile is no number for select: ValueError.
    with contextlib.suppress(OSError, ValueError), first, second:
        while True:
            ready = [each for each in (first, second) if isinstance(each, ssl.SSLSocket) and each.pending()]
            for each in ready or select.select([first, second], [], [], _MAX_SECONDS)[0] or [first]:
                data = each.recv(65536)
                if not data:
                    return
                (second if each is first else first).sendall(data)


def _accept(listener, server):
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=server.serve, args=(connection,), daemon=True).start()


def run_proxies(address, certificate, key, programs):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    threads = []
    for program in json.loads(programs):
        listener = socket.create_server((address, program["port"]), backlog=64)
        threads.append(threading.Thread(target=_accept, args=(listener, Server(program, context)), daemon=True))
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for thread in threads:
        thread.join()


# --- DNS (RFC 1035) --------------------------------------------------------------------------------------------------

def _question(query):
    """(name, type, the question's bytes)."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels), struct.unpack("!H", query[at + 1:at + 3])[0], query[12:at + 5]


def reply(query, address):
    """(milliseconds to wait, the reply), or None where there is none."""
    name, kind, question = _question(query)
    late = re.fullmatch(r"d(\d+)\.example\.net", name)
    if late is None:
        return None
    # Type A; for others there is no record.
    records = b"\xc0\x0c\x00\x01\x00\x01" + struct.pack("!IH", 0, 4) + socket.inet_aton(address) if kind == 1 else b""
    header = query[:2] + b"\x85\x80\x00\x01" + struct.pack("!H", 1 if records else 0) + bytes(4)
    return int(late[1]), header + question + records


def run_resolver(address, answer):
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((address, 53))
    print("ready", flush=True)
    while True:
        query, client = listener.recvfrom(512)
        found = reply(query, answer)
        if found:
            threading.Timer(found[0] / 1000, listener.sendto, (found[1], client)).start()


if __name__ == "__main__":
    {"resolver": run_resolver, "proxies": run_proxies}[sys.argv[1]](*sys.argv[2:])
