#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""pod.py NAME READY-FILE: what runs in a pod of the lab beside nginx.

On port 9000, IPv4 and IPv6:
  UDP  each datagram is answered with "NAME CLIENT PORT\\n" and the datagram itself
  TCP  a new connection is greeted with "NAME CLIENT PORT\\n"; then all is echoed
READY-FILE appears when it listens.
"""

import asyncio
import socket
import sys

PORT = 9000


def plain(address):
    return address[0].removeprefix("::ffff:")


class UdpEcho(asyncio.DatagramProtocol):
    def __init__(self, name):
        self.name = name

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        head = f"{self.name} {plain(address)} {address[1]}\n".encode()
        self.transport.sendto((head + data)[:65507], address)

    def error_received(self, _error):
        pass  # a client that is gone answered with ICMP; the next one is served


def udp_socket(family, host):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    sock.setblocking(False)
    sock.bind((host, PORT))
    return sock


async def serve(name, ready):
    async def tcp_echo(reader, writer):
        try:
            address = writer.get_extra_info("peername")
            writer.write(f"{name} {plain(address)} {address[1]}\n".encode())
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()
        except OSError:
            writer.transport.abort()

    loop = asyncio.get_running_loop()
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        await loop.create_datagram_endpoint(lambda: UdpEcho(name), sock=udp_socket(family, host))
        await asyncio.start_server(tcp_echo, host, PORT, family=family, backlog=1024)
    with open(ready, "w", encoding="ascii"):
        pass
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2]))
