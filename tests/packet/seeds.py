#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds of tests/fuzz/packet_fuzz.c: seeds.py [FOLDER]. One file a conversation, in the
format that file says: options, length, frame without its Ethernet addresses."""

import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from test_fragments import cut, datagram  # noqa: E402
from test_icmp import error  # noqa: E402
from test_malformed import arp, samples  # noqa: E402
from world import *  # noqa: E402,F401,F403
from world import V4, V6  # noqa: E402

PORT, QUEUE, AS_IS, SECOND = 1, 2, 4, 16
SOURCES = range(20000, 20008)


def row(layers, options=0):
    data = bytes(Ether(src=GATEWAY_MAC, dst=WAN_MAC) / layers)[12:]
    return struct.pack("<BH", options, len(data)) + data


def replies(f, pod, layers):
    """From a pod to every source port that full NAT may have chosen."""
    return [row(f.ip(pod, f.lan) / layers(port), PORT | (QUEUE if port & 1 else 0)) for port in SOURCES]


def conversations(f):
    for name, packet in samples(f):
        yield f"sample-{name}", [row(packet)]
        yield f"tagged-{name}", [row(Dot1Q(vlan=100) / packet)]
    for port in 80, 83:
        pod = f.pods[0] if port == 80 else f.pods[3]
        start = [row(f.ip(f.client, f.vip) / tcp(4000, port, "S"))]
        yield f"life-{port}", [
            *start, *replies(f, pod, lambda source: tcp(8080, source, "SA")),
            row(f.ip(f.client, f.vip) / tcp(4000, port, "A")),
            row(f.ip(f.client, f.vip) / tcp(4000, port, "FA")),
            *replies(f, pod, lambda source: tcp(8080, source, "FA"))[:4],
            row(f.ip(f.client, f.vip) / tcp(4000, port, "A")),
            row(f.ip(f.client, f.vip) / tcp(4000, port, "S"), SECOND)]
        yield f"udp-{port}", [
            row(f.ip(f.client, f.vip) / UDP(sport=4000, dport=port) / b"q"),
            *replies(f, pod, lambda source: UDP(sport=8080, dport=source) / b"a"),
            row(f.ip(f.client, f.vip) / UDP(sport=4000, dport=port), 7 * SECOND)]
    yield "dnat", [
        row(f.ip(f.client, f.vip) / tcp(4000, 81, "S")),
        row(f.ip(f.pods[1], f.client) / tcp(8080, 4000, "SA"), PORT),
        row(f.ip(f.client, f.vip) / tcp(4000, 81, "R"), QUEUE),
        row(f.ip(f.client, f.vip) / tcp(4000, 81, "PA")),
        row(f.ip(f.pods[1], f.client) / tcp(8080, 4000, "RA"), PORT | QUEUE)]
    for kind in "too_big", "port", "time":
        yield f"error-{kind}", [
            row(f.ip(f.client, f.vip) / UDP(sport=4000, dport=80) / b"q"),
            row(f.ip(f.client, f.vip) / UDP(sport=4000, dport=82) / b"q"),
            *[row(f.ip(f.node, f.lan) / error(
                f, kind, f.ip(f.lan, f.pods[0]) / UDP(sport=source, dport=8080) / b"q"), PORT)
              for source in SOURCES],
            row(f.ip(f.other(1), f.vip) / error(
                f, kind, f.ip(f.vip, f.client) / UDP(sport=80, dport=4000) / b"a")),
            row(f.ip(f.other(1), f.vip) / error(
                f, kind, f.ip(f.vip, f.client) / UDP(sport=82, dport=4000) / b"a")),
            row(f.ip(f.node, f.lan) / error(
                f, kind, f.ip(f.lan, f.pods[2]) / f.ip(f.client, f.vip)
                / UDP(sport=4000, dport=82) / b"q"), PORT)]
    for order in (0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 0, 1), (2, 0, 2):
        pieces = cut(datagram(f, 200), [64, 64, 0])
        yield "fragments-" + "".join(map(str, order)), [row(pieces[i], QUEUE * (i & 1)) for i in order]
    for port in 85, 87, 99:
        yield f"port-{port}", [row(f.ip(f.client, f.vip) / tcp(4000, port, "S")),
                               row(f.ip(f.client, f.vip, ttl=1) / UDP(sport=4000, dport=port))]
    big = f.ip(f.client, f.vip) / UDP(sport=4000, dport=87) / bytes(1450)
    yield "big", [row(big)]


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests" / "fuzz" / "corpus" / "packet")
    folder.mkdir(parents=True, exist_ok=True)
    for f in V4, V6:
        for name, rows in conversations(f):
            (folder / f"{f}-{name}").write_bytes(b"".join(rows))
    (folder / "arp").write_bytes(row(arp(V4).payload))


if __name__ == "__main__":
    main()
