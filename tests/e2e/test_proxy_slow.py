# SPDX-License-Identifier: BSD-3-Clause
"""Clients and pods that are slow, each within its own time and beyond it: who is, is named, and the
other does not pay for it."""

import contextlib
import socket
import time

from channel import Channel
from proxied import VIP, Server, lab, plan, proto, read_head  # noqa: F401: fixtures
from topology import wait_until

SECOND = 1000
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


def stats(lab, plan):
    with Channel(lab, plan.proto) as channel:
        return channel.ask(stats=plan.proto.StatsRequest()).stats.proxy


def refused(lab, plan, reason):
    return {row.reason: row.count for row in stats(lab, plan).refusals}.get(reason, 0)


@contextlib.contextmanager
def behind(lab, plan, behave, site=None, **policy):
    """A connection of a client to a pod that behaves so."""
    server = Server(lab, "web-1a", 0, behave)
    plan.pool("web", ["web-1a"], port=server.listener.getsockname()[1])
    plan.rule("", "/", "web", **policy)
    plan.apply(**(site or {}))
    with contextlib.closing(server), contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(10)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.connect((VIP, 80))
        yield sock


def rest(sock):
    answer = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while more := sock.recv(1 << 20):
            answer += more
    return answer


def upload(sock, size):
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        sock.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        sock.sendall(b"x" * size)
    return rest(sock)


def takes(size, after):
    """A pod that reads nothing of a body for so long."""
    def behave(_, sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        left = size - len(read_head(sock).partition(b"\r\n\r\n")[2])
        time.sleep(after)
        while left:
            left -= len(sock.recv(min(left, 1 << 20)))
        sock.sendall(OK)
    return behave


def test_a_client_slower_than_a_pod_may_be(lab, plan):
    with behind(lab, plan, takes(10, 0), send_timeout_ms=SECOND, read_timeout_ms=SECOND) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst")
        time.sleep(2)
        sock.sendall(b"later")
        assert rest(sock).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_sends_no_more(lab, plan):
    with behind(lab, plan, takes(10, 0), {"body_timeout_ms": SECOND}) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst")
        assert rest(sock).startswith(b"HTTP/1.1 408 ")


def test_a_pod_slower_than_a_client_may_be(lab, plan):
    with behind(lab, plan, takes(20_000_000, 2), {"body_timeout_ms": SECOND}) as sock:
        assert upload(sock, 20_000_000).startswith(b"HTTP/1.1 200 ")


def test_a_pod_that_takes_no_more(lab, plan):
    with behind(lab, plan, takes(20_000_000, 4), send_timeout_ms=SECOND) as sock:
        assert upload(sock, 20_000_000).startswith(b"HTTP/1.1 504 ")


def test_a_pod_that_says_a_little_at_a_time(lab, plan):
    """Its time is that between two pieces, also of a head, and heads ahead of the answer are some."""
    slowly = [OK[at:at + 10] for at in range(0, len(OK), 10)]

    def behave(_, sock):
        pieces = slowly if b"/head" in read_head(sock) else [b"HTTP/1.1 102 Processing\r\n\r\n"] * 5 + [OK]
        for piece in pieces:
            time.sleep(0.4)
            sock.sendall(piece)

    for path in (b"/head", b"/102"):
        with behind(lab, plan, behave, read_timeout_ms=SECOND) as sock:
            sock.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert b"HTTP/1.1 200 OK\r\n" in rest(sock), path


def test_a_client_that_takes_later_than_a_pod_may_answer(lab, plan):
    def behave(_, sock):
        while read_head(sock):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n" + b"x" * 30000)

    with behind(lab, plan, behave, read_timeout_ms=SECOND) as sock:
        one = b"GET / HTTP/1.1\r\nHost: a\r\n"
        sock.sendall((one + b"\r\n") * 499 + one + b"Connection: close\r\n\r\n")
        time.sleep(2)
        assert rest(sock).count(b"HTTP/1.1 200 OK") == 500


def endless(server, sock):
    read_head(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        sock.sendall(b"x" * 100_000_000)
    server.seen.append("gone")


def test_a_client_that_takes_nothing(lab, plan):
    before = refused(lab, plan, "client_stalled")
    with behind(lab, plan, endless, {"body_timeout_ms": SECOND}) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: refused(lab, plan, "client_stalled") == before + 1, "named", 5)
        assert stats(lab, plan).connections == 0


def test_a_client_that_takes_little_at_a_time(lab, plan):
    before = refused(lab, plan, "client_stalled")
    with behind(lab, plan, endless, {"body_timeout_ms": SECOND}) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(10):
            got = 0
            while got < 100_000:
                got += len(sock.recv(100_000))
            time.sleep(0.3)
    assert refused(lab, plan, "client_stalled") == before


def test_a_client_that_leaves_in_the_middle(lab, plan):
    before = refused(lab, plan, "client_left")
    with behind(lab, plan, endless) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(100)
        lab.abort(sock)
        wait_until(lambda: refused(lab, plan, "client_left") == before + 1, "named", 5)


def test_a_refusal_is_heard_by_who_sends_on(lab, plan):
    with behind(lab, plan, endless, body_bytes=1000) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n")
        for _ in range(30):
            sock.sendall(b"x" * 10000)
            time.sleep(0.1)
        assert rest(sock).startswith(b"HTTP/1.1 413 ")


def test_the_end_of_a_tunnel_has_its_reason(lab, plan):
    def behave(_, sock):
        what = read_head(sock)
        sock.sendall(b"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        if b"/cut" in what:
            lab.abort(sock)
        elif b"/over" not in what:
            sock.recv(1)

    for path, reason in (("idle", "tunnel_idle"), ("cut", "upstream_cut"), ("left", "client_left"), ("over", None)):
        before = {row.reason: row.count for row in stats(lab, plan).refusals}
        with behind(lab, plan, behave, read_timeout_ms=SECOND) as sock:
            sock.sendall(b"GET /" + path.encode() + b" HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
                         b"Upgrade: websocket\r\n\r\n")
            assert sock.recv(1000).startswith(b"HTTP/1.1 101 ")
            if path == "left":
                lab.abort(sock)
            else:
                rest(sock)
        wait_until(lambda: stats(lab, plan).connections == 0, "the end")
        after = {row.reason: row.count for row in stats(lab, plan).refusals}
        assert {name: count - before[name] for name, count in after.items() if count != before[name]} == \
            ({reason: 1} if reason else {}), path
