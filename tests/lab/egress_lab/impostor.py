# SPDX-License-Identifier: MIT
"""Stands in a proxy's or a site's place and misbehaves. Run it in a namespace of a lab:

    python3 -m egress_lab.impostor proxy HOW ADDRESS PORT
    python3 -m egress_lab.impostor site  HOW ADDRESS PORT --certificate FILE --key FILE --name NAME

A site listens on PORT without TLS, and with it on PORT + 1. No connection is served for longer than MAX_SECONDS.
"""

import argparse
import contextlib
import socket
import ssl
import threading
import time

from . import abilities, sites

MAX_SECONDS = 60
_MAX_REQUEST = 65536
_CHUNK = b"x" * 4096
# Not HTTP, with control bytes and a terminal's escape sequence, which must reach no log.
_GARBAGE = bytes(range(256)) + b"\x1b[31mHTTP? no\r\n\r\n"


def read_request(connection):
    """The bytes of one request up to its empty line; b"" if the client goes away before."""
    request = b""
    while b"\r\n\r\n" not in request and len(request) < _MAX_REQUEST:
        more = connection.recv(4096)
        if not more:
            return b""
        request += more
    return request


def _until(deadline, pause):
    """Count until the deadline, with a pause after each number."""
    number = 0
    while time.monotonic() < deadline:
        yield number
        number += 1
        time.sleep(pause)


# --- Proxies: what they send once they have read a request ---------------------------------------------------------

def _garbage(connection, _):
    connection.sendall(_GARBAGE)


def _flood(connection, deadline):
    """A good status, and header lines without end."""
    connection.sendall(b"HTTP/1.1 200 Connection established\r\n")
    for number in _until(deadline, 0.001):
        connection.sendall(b"X-Line-%d: " % number + _CHUNK[:1000] + b"\r\n")


def _answer(status):
    def answer(connection, _):
        connection.sendall(f"HTTP/1.1 {status} Impostor\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    return answer


PROXY_WAYS = {"garbage": _garbage, "flood": _flood, **{f"answer={status}": _answer(status)
                                                       for status in abilities.PROXY_STATUSES}}


def serve_proxy(connection, how, deadline):
    if read_request(connection):
        PROXY_WAYS[how](connection, deadline)


# --- Sites: what they send once they have read a request --------------------------------------------------------------

def _head(extra):
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{extra}\r\n".encode()


def _right_body(connection, name, _):
    text = f"This is {name}, in the lab.\n".encode()
    connection.sendall(_head(f"Content-Length: {len(text)}\r\n") + text)


def _wrong_body(connection, _, __):
    connection.sendall(_head("Content-Length: 12\r\n") + b"Maintenance\n")


def _slow_headers(connection, _, deadline):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in _until(deadline, 0.5):
        connection.sendall(f"X-Slow: {number}\r\n".encode())


def _slow_body(connection, name, deadline):
    text = f"This is {name}, in the lab.\n".encode() * 100
    connection.sendall(_head(f"Content-Length: {len(text)}\r\n"))
    for number in _until(deadline, 0.5):
        connection.sendall(text[number:number + 1])


def _endless_body(connection, name, deadline):
    connection.sendall(_head("") + f"This is {name}, in the lab.\n".encode())
    for _ in _until(deadline, 0.005):
        connection.sendall(_CHUNK)


def _redirects(connection, name, _):
    scheme = "https" if isinstance(connection, ssl.SSLSocket) else "http"
    connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {scheme}://{name}/again\r\nContent-Length: 0\r\n"
                       "Connection: close\r\n\r\n".encode())


# Without one it is the certificate, or the handshake, that is wrong.
_BODIES = {
    "wrong-body": _wrong_body, "slow-headers": _slow_headers, "slow-body": _slow_body,
    "endless-body": _endless_body, "redirects": _redirects,
}


def serve_site(connection, how, name, deadline):
    if read_request(connection):
        _BODIES.get(how, _right_body)(connection, name, deadline)


def serve_site_tls(connection, how, name, deadline, context):
    if how == "cut-tls":
        # Gone once the client has said hello.
        connection.recv(4096)
        return
    with context.wrap_socket(connection, server_side=True) as secured:
        serve_site(secured, how, name, deadline)


# --- Listening -----------------------------------------------------------------------------------------------------

def _close_gently(connection):
    """Without bytes left unread, so that what was sent arrives, and not a reset in its place."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(1)
    for _ in range(64):
        if not connection.recv(4096):
            break


def _handle(connection, serve):
    connection.settimeout(MAX_SECONDS)
    # A client that has had enough, or wants none of our certificate, is what this program is for.
    with contextlib.suppress(OSError), connection:
        serve(connection, time.monotonic() + MAX_SECONDS)
        if connection.fileno() >= 0:
            _close_gently(connection)


def _accept(listener, serve):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_handle, args=(connection, serve), daemon=True).start()


def _listen(address, port):
    return socket.create_server((address, port), backlog=256)


def _arguments():
    parser = argparse.ArgumentParser(prog="impostor", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=("proxy", "site"))
    parser.add_argument("how", choices=sorted({*PROXY_WAYS, *abilities.SITE_WAYS}))
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    for option in ("--certificate", "--key", "--name"):
        parser.add_argument(option)
    given = parser.parse_args()
    if not sites.in_lab(given.address):
        parser.error(f"{given.address} is no address of the lab")
    if given.how not in (PROXY_WAYS if given.role == "proxy" else abilities.SITE_WAYS):
        parser.error(f"a {given.role} does not know {given.how}")
    return given


def main():
    given = _arguments()
    listener = _listen(given.address, given.port)
    if given.role == "proxy":
        _accept(listener, lambda connection, deadline: serve_proxy(connection, given.how, deadline))
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(given.certificate, given.key)
    secured = _listen(given.address, given.port + 1)
    threading.Thread(target=_accept, daemon=True, args=(
        listener, lambda connection, deadline: serve_site(connection, given.how, given.name, deadline))).start()
    _accept(secured, lambda connection, deadline: serve_site_tls(connection, given.how, given.name, deadline, context))


if __name__ == "__main__":
    main()
