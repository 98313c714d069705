# SPDX-License-Identifier: BSD-3-Clause
"""The PROXY protocol: from whom we trust to send it, and to pods that want it."""

import contextlib
import socket
import ssl
import struct

from channel import packed
from harness import wan
from proxied import VIP, Server, ask, lab, plan, proto, read_head  # noqa: F401: fixtures

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
REQUEST = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def announced(source, destination, ports):
    v4 = "." in source
    body = packed(source) + packed(destination) + struct.pack("!HH", *ports)
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x11 if v4 else 0x21, len(body)) + body


def client_is_trusted(plan):
    prefix = {"address": packed(wan(10)), "length": 32 if "." in wan(10) else 128}
    plan.listener["proxy_protocol"] = [prefix]


def answer_with_client(server, sock):
    head = read_head(sock)
    server.seen.append(head)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def test_who_the_client_is(lab, plan):  # noqa: F811
    server = Server(lab, "web-1a", 9201, answer_with_client)
    plan.pool("web", ["web-1a"], port=9201)
    plan.rule("", "/", "web")
    client_is_trusted(plan)
    plan.apply()
    for header, client in ((b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 80\r\n", b"203.0.113.7"),
                           (announced("203.0.113.9", "192.0.2.1", (4711, 80)), b"203.0.113.9"),
                           (announced("2001:db8::9", "2001:db8::1", (4711, 80)), b"2001:db8::9"),
                           (SIGNATURE + b"\x20\x00\x00\x00", wan(10).encode()),
                           (b"PROXY UNKNOWN\r\n", wan(10).encode())):
        assert ask(lab, header + REQUEST).startswith(b"HTTP/1.1 200 "), header
        assert b"\r\nx-real-ip: " + client + b"\r\n" in server.seen[-1].lower(), header
    server.close()


def test_without_the_header_or_with_another_nothing(lab, plan):  # noqa: F811
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web")
    client_is_trusted(plan)
    plan.apply()
    for bytes_sent in (REQUEST, b"PROXY TCP4 1.2.3.4 1.2.3.4 x 80\r\n" + REQUEST,
                       SIGNATURE + b"\x31\x11\x00\x00" + REQUEST):
        assert ask(lab, bytes_sent) == b"", bytes_sent
    # From those who may not announce, it is no request.
    plan.listener = {}
    plan.apply()
    assert ask(lab, b"PROXY TCP4 1.2.3.4 1.2.3.4 1 80\r\n" + REQUEST).startswith(b"HTTP/1.1 400 ")


def test_ahead_of_tls(lab, plan):  # noqa: F811
    server = Server(lab, "web-1a", 9202, answer_with_client)
    plan.pool("web", ["web-1a"], port=9202)
    plan.rule("", "/", "web")
    plan.certificate("a", "a.example")
    client_is_trusted(plan)
    plan.apply()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(5)
        sock.connect((VIP, 443))
        sock.sendall(b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n")
        with context.wrap_socket(sock, server_hostname="a.example") as tls:
            tls.sendall(REQUEST)
            assert tls.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert b"\r\nx-real-ip: 203.0.113.7\r\n" in server.seen[0].lower()
    server.close()


def test_to_the_pod(lab, plan):  # noqa: F811
    def behave(server, sock):
        server.seen.append(read_head(sock))
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        read_head(sock)

    server = Server(lab, "web-1a", 9203, behave)
    plan.pool("web", ["web-1a"], port=9203, proxy_protocol=True)
    plan.rule("", "/", "web")
    plan.apply()
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(5)
        sock.connect((VIP, 80))
        port = sock.getsockname()[1]
        for _ in range(2):
            sock.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok"):
                answer += sock.recv(65536)
    expected = announced(wan(10), VIP, (port, 80))
    assert len(server.seen) == 2 and all(seen.startswith(expected + b"GET /x ") for seen in server.seen)
    server.close()


def test_whom_a_trusted_proxy_asks_for(lab, plan):  # noqa: F811
    """Each request of its connection is of whoever it names, and no other may name anybody."""
    server = Server(lab, "web-1a", 9202, answer_with_client)
    plan.pool("web", ["web-1a"], port=9202)
    plan.rule("", "/", "web")
    own = wan(10).encode()
    ten = {"address": packed("10.0.0.0"), "length": 8}

    def seen_as(*fields):
        head = b"".join(b"X-Forwarded-For: %b\r\n" % field for field in fields)
        assert ask(lab, REQUEST.replace(b"\r\n\r\n", b"\r\n" + head + b"\r\n")).startswith(b"HTTP/1.1 200 ")
        lines = server.seen[-1].lower().split(b"\r\n")
        return next(line[11:] for line in lines if line.startswith(b"x-real-ip: "))

    plan.apply()
    assert seen_as(b"203.0.113.7") == own
    plan.listener["trusted"] = [{"address": packed(wan(10)), "length": 32 if "." in wan(10) else 128}, ten]
    plan.apply()
    for fields, client in (
            ((b"203.0.113.7",), b"203.0.113.7"), ((b"2001:DB8::7",), b"2001:db8::7"), ((), own),
            ((b"1.2.3.4, 203.0.113.7",), b"203.0.113.7"),  # who says it is 1.2.3.4
            ((b"1.2.3.4, 203.0.113.7, 10.1.1.1,10.2.2.2",), b"203.0.113.7"),
            ((b"1.2.3.4, 203.0.113.7", b"10.1.1.1"), b"203.0.113.7"),
            ((b"10.3.3.3", b"10.1.1.1"), b"10.3.3.3"),
            ((b"unknown",), own), ((b"1.2.3.4, nobody, 10.1.1.1",), b"10.1.1.1"),
            ((b"203.0.113.7:4711",), b"203.0.113.7"), ((b"[2001:db8::7]:4711",), b"2001:db8::7"),
            ((b"",), own)):
        assert seen_as(*fields) == client, fields
    # Two requests of one connection.
    two = REQUEST.replace(b"Connection: close\r\n", b"")
    ask(lab, two.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 203.0.113.8\r\n\r\n") + REQUEST)
    assert [b"203.0.113.8" in head for head in server.seen[-2:]] == [True, False]
    assert b"\r\nx-real-ip: " + own + b"\r\n" in server.seen[-1].lower()
    server.close()


def test_hashed_and_announced_as_whom_it_asks_for(lab, plan):  # noqa: F811
    def answer(server, sock):
        server.seen.append(read_head(sock))
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    servers = [Server(lab, pod, 9203, answer) for pod in ("web-1a", "web-1b", "web-2a")]
    plan.pool("web", ["web-1a", "web-1b", "web-2a"], port=9203, algorithm=8, hash_key=1,
              proxy_protocol=True)
    plan.rule("", "/", "web")
    plan.listener["trusted"] = [{"address": packed(wan(10)), "length": 32 if "." in wan(10) else 128}]
    plan.apply()
    for number in range(40):
        head = b"\r\nX-Forwarded-For: 203.0.113.%d\r\n\r\n" % (number % 20)
        assert ask(lab, REQUEST.replace(b"\r\n\r\n", head)).startswith(b"HTTP/1.1 200 ")
    heads = [server.seen for server in servers]
    assert all(heads), [len(seen) for seen in heads]
    for seen in heads:  # each client had one pod
        names = [head.lower().split(b"x-real-ip: ")[1].split(b"\r\n")[0] for head in seen]
        assert all(names.count(name) == 2 for name in names)
        for name, head in zip(names, seen):
            assert head.startswith(SIGNATURE) and head[16:20] == socket.inet_aton(name.decode())
    for server in servers:
        server.close()
