#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Bytes over HTTP/1.1, each of them checked: a server, and a client that gets or puts.

    transfer.py serve PORT READY       until it is killed; READY is a file that appears
    transfer.py get|put HOST PORT BYTES [TIMES]    one connection each; prints one JSON object

TRANSFER_CONGESTION names the congestion control that is used, unless it is the machine's own.

The bytes are a pattern that no lost, doubled or shifted piece leaves as it is: the client checks
what it gets, the server what is put to it, and answers 400 when it is another.
"""

import json
import os
import random
import re
import socket
import sys
import threading
import time
from pathlib import Path

PATTERN = random.Random(7).randbytes(1_000_003)
TWICE = memoryview(PATTERN + PATTERN)
PIECE = 262144


def send_pattern(sock, size):
    at = 0
    while at < size:
        start = at % len(PATTERN)
        at += sock.send(TWICE[start:start + min(PIECE, size - at)])


class Received:
    """What came so far is what was to come."""

    def __init__(self, size):
        self.size, self.at = size, 0

    def take(self, data):
        start = self.at % len(PATTERN)
        if TWICE[start:start + len(data)] != data:
            raise ValueError(f"other bytes than were sent, at {self.at}")
        self.at += len(data)

    def rest(self, sock):
        buffer = memoryview(bytearray(PIECE))
        while self.at < self.size:
            count = sock.recv_into(buffer, min(PIECE, self.size - self.at))
            if not count:
                raise ValueError(f"ended at {self.at} of {self.size}")
            self.take(buffer[:count])


def head_of(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise ValueError(f"ended within a head: {data!r}")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.decode(), rest


def length_of(head):
    found = re.search(r"(?im)^content-length: *(\d+)", head)
    return int(found.group(1)) if found else 0


def serve_one(sock):
    with sock:
        head, rest = head_of(sock)
        method, path = head.split()[:2]
        if method == "GET":
            size = int(path.rsplit("/", 1)[1])
            sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
            send_pattern(sock, size)
        else:
            received = Received(length_of(head))
            try:
                received.take(rest)
                received.rest(sock)
                status, body = "200 OK", str(received.at)
            except ValueError as error:
                status, body = "400 Bad Request", str(error)
            sock.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())


def choose_congestion(sock):
    name = os.environ.get("TRANSFER_CONGESTION")
    if name:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())


def serve(port, ready):
    listener = socket.create_server(("", port), backlog=64)
    choose_congestion(listener)
    Path(ready).touch()
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve_one, args=(sock,), daemon=True).start()


def get(sock, host, size):
    sock.sendall(f"GET /{size} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    head, rest = head_of(sock)
    if " 200 " not in head or length_of(head) != size:
        raise ValueError(head)
    received = Received(size)
    received.take(rest)
    received.rest(sock)


def put(sock, host, size):
    sock.sendall(f"PUT /put HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n"
                 "Connection: close\r\n\r\n".encode())
    send_pattern(sock, size)
    head, rest = head_of(sock)
    while len(rest) < length_of(head):
        more = sock.recv(4096)
        if not more:
            raise ValueError("ended within the answer")
        rest += more
    if " 200 " not in head or rest.decode() != str(size):
        raise ValueError(f"{head}\n{rest}")


def run(how, host, port, size, times):
    started = time.monotonic()
    for _turn in range(times):
        with socket.create_connection((host, port), timeout=60) as sock:
            choose_congestion(sock)
            how(sock, host, size)
    seconds = time.monotonic() - started
    print(json.dumps({"bytes": size * times, "seconds": seconds,
                      "mbit_per_second": size * times * 8e-6 / seconds}))


def main(what, *rest):
    if what == "serve":
        serve(int(rest[0]), rest[1])
    else:
        run({"get": get, "put": put}[what], rest[0], int(rest[1]), int(rest[2]),
            int(rest[3]) if len(rest) > 3 else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
