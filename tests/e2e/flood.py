#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""SYNs of clients that there are not, as fast as they go: flood.py DEVICE MAC ADDRESS PORT

MAC is the box's, ADDRESS and PORT the VIP's. Until it is killed; prints a line when it has begun."""

import itertools
import random
import socket
import struct
import sys

QDISC_BYPASS = 20  # of SOL_PACKET
FRAMES = 50000


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def syn(chance, macs, address, port):
    source, target = bytes([198, 18 | chance.getrandbits(1), *chance.randbytes(2)]), socket.inet_aton(address)
    tcp = struct.pack("!HHIIBBHHHBBH", chance.randrange(1024, 65536), port, chance.getrandbits(32), 0,
                      6 << 4, 2, 64240, 0, 0, 2, 4, 1460)
    tcp = tcp[:16] + struct.pack("!H", checksum(source + target + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, source, target)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return macs + b"\x08\x00" + ip + tcp


def main(device, mac, address, port):
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    link.bind((device, 0))
    link.setsockopt(socket.SOL_PACKET if hasattr(socket, "SOL_PACKET") else 263, QDISC_BYPASS, 1)
    macs = bytes.fromhex(mac.replace(":", "")) + link.getsockname()[4]
    chance = random.Random(1)
    frames = [syn(chance, macs, address, int(port)) for _ in range(FRAMES)]
    print("begun", flush=True)
    for frame in itertools.cycle(frames):
        try:
            link.send(frame)
        except OSError:  # no room just now
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
