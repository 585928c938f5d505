# SPDX-License-Identifier: MIT
"""TCP load inside a lab, bounded in count and time by construction. Run it in a namespace of a lab:

    python3 -m egress_lab.load hold  ADDRESS PORT --count N --seconds S [--rate R]
    python3 -m egress_lab.load short ADDRESS PORT --count N --rate R --close client|server|reset

`hold` opens connections, all at once or `rate` a second, and keeps them open without a word until the end; those that
get no answer go on trying. `short` opens one connection after the other. Each prints one line of JSON when it is done.
"""

import argparse
import asyncio
import json
import socket
import struct
import sys
import time

from . import abilities, identity, process, sites

MAX_COUNT = 20000
MAX_RATE = 1000
_CONNECT_SECONDS = 5
_SHORT_RATE = 20.0
_REQUEST = b"GET / HTTP/1.0\r\n\r\n"
CLOSES = ("client", "server", "reset")


async def hold(address, port, count, seconds, rate):
    """Open `count` connections, `rate` a second if that is given; all are closed after `seconds`."""
    end = time.monotonic() + seconds
    sockets = [_new_socket() for _ in range(count)]
    attempts = []
    for sock in sockets:
        attempts.append(asyncio.ensure_future(_connect(sock, address, port)))
        if rate:
            await asyncio.sleep(1 / rate)
    await asyncio.sleep(max(0.0, end - time.monotonic()))
    done, waiting = await asyncio.wait(attempts, timeout=0)
    connected = sum(1 for attempt in done if attempt.exception() is None)
    for attempt in waiting:
        attempt.cancel()
    await asyncio.gather(*attempts, return_exceptions=True)
    for sock in sockets:
        sock.close()
    return {"connected": connected, "failed": len(done) - connected, "unanswered": len(waiting)}


async def short(address, port, count, rate, close):
    """Open `count` connections, `rate` a second, each closed at once in the given way."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    attempts = []
    for number in range(count):
        await asyncio.sleep(max(0.0, begun + number / rate - loop.time()))
        attempts.append(asyncio.ensure_future(_open_and_close(address, port, close)))
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    failed = sum(1 for outcome in outcomes if isinstance(outcome, Exception))
    return {"connected": count - failed, "failed": failed, "unanswered": 0}


def _new_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


async def _connect(sock, address, port):
    await asyncio.get_running_loop().sock_connect(sock, (address, port))


async def _open_and_close(address, port, close):
    loop = asyncio.get_running_loop()
    sock = _new_socket()
    try:
        await asyncio.wait_for(_connect(sock, address, port), _CONNECT_SECONDS)
        if close == "server":
            # HTTP/1.0: the server closes first. (Said to a TLS port it is an error, and it closes too.)
            await loop.sock_sendall(sock, _REQUEST)
            while await asyncio.wait_for(loop.sock_recv(sock, 4096), _CONNECT_SECONDS):
                pass
        elif close == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        sock.close()


def _bounded(kind, low, high):
    def parse(text):
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text}: expected {low} to {high}")
        return value
    return parse


def _lab_address(text):
    if not sites.in_lab(text):
        raise argparse.ArgumentTypeError(f"{text} is no address of the lab")
    return text


def _arguments():
    parser = argparse.ArgumentParser(prog="load", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=("hold", "short"))
    parser.add_argument("address", type=_lab_address)
    parser.add_argument("port", type=_bounded(int, 1, 65535))
    parser.add_argument("--count", type=_bounded(int, 1, MAX_COUNT), required=True)
    parser.add_argument("--seconds", type=_bounded(float, 0.1, abilities.LOAD_SECONDS), default=30.0)
    parser.add_argument("--rate", type=_bounded(float, 0.1, MAX_RATE))
    parser.add_argument("--close", choices=CLOSES, default="client")
    given = parser.parse_args()
    if given.way == "short" and not given.rate:
        given.rate = _SHORT_RATE
    limit = abilities.LOAD_SECONDS if given.way == "short" else given.seconds
    if given.rate and given.count / given.rate > limit:
        parser.error(f"{given.count} connections at {given.rate} a second take longer than {limit} s")
    return given


def _inside_a_lab():
    mine = process.namespace_inode("/proc/self/ns/net")
    paths = (identity.namespace_path(*found) for found in identity.namespaces())
    return any(process.namespace_inode(path) == mine for path in paths)


def main():
    given = _arguments()
    if not _inside_a_lab():
        sys.exit("load: this is no namespace of a lab; start it with `lab exec PART`")
    if given.way == "hold":
        work = hold(given.address, given.port, given.count, given.seconds, given.rate)
    else:
        work = short(given.address, given.port, given.count, given.rate, given.close)
    begun = time.monotonic()
    result = asyncio.run(work)
    print(json.dumps({"asked": given.count, **result, "seconds": round(time.monotonic() - begun, 2)}))


if __name__ == "__main__":
    main()
