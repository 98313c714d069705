#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A slow and lossy cable between two interfaces of one machine: late.py LEFT RIGHT MS LOSS_PERCENT

Each frame comes out of the other end so many milliseconds later, or is lost, TCP's at random."""

import collections
import random
import select
import socket
import sys
import time

TCP_AT = 23  # the protocol's octet of an IPv4 packet in a frame
OUTGOING = 4  # PACKET_OUTGOING


def cable_end(device):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    sock.bind((device, 3))
    sock.setblocking(False)
    return sock


def take(sock, flying, delay, loss, chance):
    while True:
        try:
            frame, address = sock.recvfrom(65535)
        except BlockingIOError:
            return
        if address[2] == OUTGOING:
            continue
        if len(frame) > TCP_AT and frame[TCP_AT] == 6 and chance.random() < loss:
            continue
        flying.append((time.monotonic() + delay, frame))


def main(left, right, milliseconds, percent):
    ends = [cable_end(left), cable_end(right)]
    flying = [collections.deque(), collections.deque()]  # that came in there
    delay, loss, chance = float(milliseconds) / 1e3, float(percent) / 100, random.Random(1)
    while True:
        due = min((queue[0][0] for queue in flying if queue), default=None)
        wait = None if due is None else max(0, due - time.monotonic())
        select.select(ends, [], [], wait)
        for side, sock in enumerate(ends):
            take(sock, flying[side], delay, loss, chance)
            while flying[side] and flying[side][0][0] <= time.monotonic():
                ends[1 - side].send(flying[side].popleft()[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
