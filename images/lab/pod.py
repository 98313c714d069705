#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""pod.py NAME READY-FILE: what runs in a pod of the lab beside nginx.

On port 9000, IPv4 and IPv6:
  UDP  each datagram is answered with "NAME CLIENT PORT\\n" and the datagram itself, from the address
       it was sent to
  TCP  a new connection is greeted with "NAME CLIENT PORT\\n"; then all is echoed
READY-FILE appears when it listens.
"""

import asyncio
import socket
import struct
import sys

PORT = 9000
IP_PKTINFO = 8
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33


def udp_socket(family, host):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    for buffer in (SO_RCVBUFFORCE, SO_SNDBUFFORCE):
        sock.setsockopt(socket.SOL_SOCKET, buffer, 8 << 20)
    sock.setblocking(False)
    sock.bind((host, PORT))
    return sock


def answer_from(ancillary):
    """Ancillary data that make the answer leave from the address the question came to."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            _, _, to = struct.unpack("i4s4s", data[:12])
            return [(level, kind, struct.pack("i4s4s", 0, to, bytes(4)))]
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return [(level, kind, data[:16] + struct.pack("i", 0))]
    return []


def udp_echo(sock, name):
    for _ in range(64):
        try:
            data, ancillary, _, client = sock.recvmsg(65535, 128)
            head = f"{name} {client[0]} {client[1]}\n".encode()
            sock.sendmsg([(head + data)[:65507]], answer_from(ancillary), 0, client)
        except BlockingIOError:
            return
        except OSError:
            continue  # a client that is gone answered with ICMP; the next one is served


async def tcp_echo(name, reader, writer):
    try:
        client = writer.get_extra_info("peername")
        writer.write(f"{name} {client[0]} {client[1]}\n".encode())
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    except OSError:
        writer.transport.abort()


async def serve(name, ready):
    loop = asyncio.get_running_loop()
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        sock = udp_socket(family, host)
        loop.add_reader(sock, udp_echo, sock, name)
        await asyncio.start_server(
            lambda reader, writer: tcp_echo(name, reader, writer), host, PORT, family=family,
            backlog=1024)
    with open(ready, "w", encoding="ascii"):
        pass
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2]))
