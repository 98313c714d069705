#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""decap.py READY-FILE VIP...: the other end of a DSR tunnel, on a pod.

Takes IPIP and IP6IP6 from raw sockets, gives the inner packet to the kernel through a TUN device,
and holds the VIPs on the loopback, so that the pod's own servers answer from the VIP. It stands in
for the kernel's ipip and ip6_tunnel devices, which not every kernel has."""

import fcntl
import os
import selectors
import socket
import struct
import subprocess
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def main():
    ready, vips = sys.argv[1], sys.argv[2:]
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH14x", b"decap", IFF_TUN | IFF_NO_PI))
    commands = ["link set decap up mtu 1480"]
    commands += [f"addr add {vip}/{128 if ':' in vip else 32} dev lo" for vip in vips]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n", text=True, check=True)

    four = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IPIP)
    six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_IPV6)
    selector = selectors.DefaultSelector()
    for sock in (four, six):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        selector.register(sock, selectors.EVENT_READ)
    with open(ready, "w", encoding="ascii"):
        pass
    while True:
        for key, _ in selector.select():
            data = key.fileobj.recv(65535)
            if key.fileobj is four:  # comes with its outer header
                data = data[(data[0] & 15) * 4:]
            try:
                os.write(tun, data)
            except OSError as error:
                print(f"inner packet of {len(data)} bytes refused: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
