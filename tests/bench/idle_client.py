#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Connections that are there and say nothing: idle_client.py ADDRESS PORT COUNT ASK SOURCE...

From each SOURCE address the same share, so that ports suffice. ASK 1: each asks once first and has its answer.
Prints a line when all are there, and one with how many the other side has ended when told to go (a
line on the standard input)."""

import select
import socket
import sys

AT_A_TIME = 200
BIND_ADDRESS_NO_PORT = 24
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def begin(source, target):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
    sock.bind((source, 0))
    sock.connect_ex(target)
    return sock


def wait(socks, events):
    poll = select.poll()
    waiting = {sock.fileno(): sock for sock in socks}
    for number in waiting:
        poll.register(number, events)
    while waiting:
        ready = poll.poll(20000)
        if not ready:
            raise SystemExit(f"{len(waiting)} connections do not come")
        for number, _event in ready:
            poll.unregister(number)
            sock = waiting.pop(number)
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise SystemExit(f"a connection failed: {error}")


def main(address, port, count, ask, *sources):
    kept = []
    while len(kept) < int(count):
        batch = [begin(sources[(len(kept) + i) % len(sources)], (address, int(port)))
                 for i in range(min(AT_A_TIME, int(count) - len(kept)))]
        wait(batch, select.POLLOUT)
        if ask == "1":
            for sock in batch:
                sock.send(REQUEST)
            wait(batch, select.POLLIN)
            for sock in batch:
                if b" 200 " not in sock.recv(4096):
                    raise SystemExit("another answer than 200")
        kept += batch
    print("there", flush=True)
    sys.stdin.readline()
    ended = 0
    for sock in kept:
        try:
            ended += sock.recv(1) == b""
        except BlockingIOError:
            pass
    print(f"ended {ended}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
