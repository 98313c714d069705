# SPDX-License-Identifier: BSD-3-Clause
"""TLS towards a pod: how it ends, in a tunnel and in an answer."""

import contextlib
import os
import socket
import ssl
import struct
import threading
import time
from pathlib import Path

import pytest

from harness import url
from proxied import VIP, Server, lab, make_certificate, plan, proto, read_head  # noqa: F401: fixtures

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.fixture
def pod(lab, plan):
    """A pod that speaks TLS and then does as it is told with its socket."""
    chain, key = make_certificate("pod", ["pod.example"])
    path = Path(lab.dir) / "pod.pem"
    path.write_bytes(chain + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    servers = []

    def serve(behave):
        def secured(server, sock):
            with context.wrap_socket(sock, server_side=True) as secure:
                behave(secure)

        servers.append(Server(lab, "web-1a", 9150 + len(servers), secured))
        plan.pool("web", ["web-1a"], port=9150 + len(servers) - 1, tls=True)
        plan.hosts.clear()
        plan.rule("", "/", "web", read_timeout_ms=6000)
        plan.apply()

    yield serve
    for server in servers:
        server.close()


def raw(secure):
    return socket.socket(fileno=os.dup(secure.fileno()))


def reset(secure):
    with raw(secure) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    secure.close()


def end_without_a_word(secure):
    secure.shutdown(socket.SHUT_RDWR)


def half_end_without_a_word(secure):
    with raw(secure) as sock:
        sock.shutdown(socket.SHUT_WR)
        time.sleep(5)


def nonsense(secure):
    with raw(secure) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: this is no record\r\n\r\n")
        time.sleep(5)


def false_record(secure):
    with raw(secure) as sock:
        sock.sendall(b"\x17\x03\x03\x00\x40" + b"x" * 64)
        time.sleep(5)


def half_a_record(secure):
    with raw(secure) as sock:
        sock.sendall(b"\x17\x03\x03\x00\x40" + b"x" * 6)
    secure.shutdown(socket.SHUT_RDWR)


def until_the_end(sock):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := sock.recv(65536):
            data += more
    return data


@pytest.mark.parametrize("break_it", [reset, end_without_a_word, half_end_without_a_word, nonsense,
                                      false_record, half_a_record])
def test_a_tunnel_that_breaks(lab, pod, break_it):
    now = threading.Event()

    def behave(secure):
        read_head(secure)
        secure.sendall(SWITCHED + b"hello")
        now.wait(5)
        break_it(secure)

    pod(behave)
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(8)
        sock.connect((VIP, 80))
        sock.sendall(UPGRADE)
        heard = read_head(sock)
        while not heard.endswith(b"hello"):
            heard += sock.recv(100)
        began = time.monotonic()
        now.set()
        assert until_the_end(sock) == b""
        assert time.monotonic() - began < 2


def test_the_last_bytes_of_a_tunnel(lab, pod):
    last = bytes(i * 7 % 251 for i in range(400000))
    heard = []

    def behave(secure):
        read_head(secure)
        secure.sendall(SWITCHED + last)
        with contextlib.suppress(OSError):
            raw_sock = secure.unwrap()
            raw_sock.shutdown(socket.SHUT_WR)
        heard.append(True)

    pod(behave)
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(8)
        sock.connect((VIP, 80))
        sock.sendall(UPGRADE)
        time.sleep(0.5)  # all that may wait does
        assert until_the_end(sock).split(b"\r\n\r\n", 1)[1] == last


@pytest.mark.parametrize("size", [30000, 100000, 1000000])
@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("silent", [True, False])
def test_an_answer_whose_end_is_there_before_it_is_read(lab, pod, size, length, silent):
    body = bytes(i * 7 % 251 for i in range(size))

    def behave(secure):
        read_head(secure)
        head = b"Content-Length: %d\r\n" % size if length else b""
        secure.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"Connection: close\r\n\r\n" + body)
        if silent:
            secure.shutdown(socket.SHUT_RDWR)
        else:
            with contextlib.suppress(OSError):
                secure.unwrap()

    pod(behave)
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(8)
        sock.connect((VIP, 80))
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        time.sleep(0.5)  # all that may wait does
        assert until_the_end(sock).split(b"\r\n\r\n", 1)[1] == body


def test_a_pod_that_leaves_the_handshake(lab, plan):
    server = Server(lab, "web-1a", 9141, lambda server, sock: sock.recv(65536))
    plan.pool("web", ["web-1a"], port=9141, tls=True)
    plan.rule("", "/", "web")
    plan.apply()
    began = time.monotonic()
    assert "502" in lab.curl("-i", url(VIP)).stdout
    assert time.monotonic() - began < 1.5
    server.close()


def test_what_a_pod_says_unasked_is_no_answer(lab, pod):
    """Neither its last word ahead of the end of TLS nor a whole answer is taken for the next."""
    said = threading.Event()

    def unasked(secure):
        secure.sendall(b"HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n")

    def goodbye(secure):
        secure.settimeout(0)
        with contextlib.suppress(OSError):
            secure.unwrap()

    for last in (unasked, goodbye):
        def behave(secure):
            while read_head(secure):
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                time.sleep(0.1)
                last(secure)
                said.set()
                time.sleep(1)

        pod(behave)
        for _ in range(3):
            said.clear()
            assert lab.curl("-d", "x", "-w", "%{http_code}", url(VIP)).stdout == "ok200"
            assert said.wait(5)
            time.sleep(0.1)
