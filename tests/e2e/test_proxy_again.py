# SPDX-License-Identifier: BSD-3-Clause
"""A request with a body whose pod fails: once more, elsewhere, with all of the body, where its
method may be repeated."""

import contextlib
import socket
import threading

import pytest

from proxied import VIP, Server, lab, make_certificate, plan, proto, read_head  # noqa: F401: fixtures

NON_IDEMPOTENT = 1 << 10
PODS = ("web-1a", "web-1b", "web-2a")
BOUND = 4 * 33792  # what is kept of a body


def read_body(sock, want):
    """Of a request with this many bytes behind its head, all of them chunks or none."""
    data = read_head(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    while len(body) < want:
        more = sock.recv(65536)
        if not more:
            break
        body += more
    return head, body


class Pods:
    """The first `failing` connections end when so much of the body is there; others answer."""

    def __init__(self, lab, port, want, failing=1, fail_at=None):
        self.want, self.failing, self.fail_at = want, failing, want if fail_at is None else fail_at
        self.bodies, self.lock, self.failed = [], threading.Lock(), threading.Event()
        self.servers = [Server(lab, pod, port, self.behave) for pod in PODS]

    def behave(self, server, sock):
        with self.lock:
            fails, self.failing = self.failing > 0, self.failing - 1
        head, body = read_body(sock, self.fail_at if fails else self.want)
        if fails:
            self.failed.set()
            return
        self.bodies.append(body)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    def close(self):
        for server in self.servers:
            server.close()


@pytest.fixture
def pods(lab):
    made = []

    def make(*arguments, **words):
        made.append(Pods(lab, 9120 + len(made), *arguments, **words))
        return made[-1]

    yield make
    for each in made:
        each.close()


@contextlib.contextmanager
def reached(lab, plan, pods, **policy):
    """A client's connection, by whose requests these pods are reached."""
    plan.pool("web", list(PODS), port=pods.servers[0].listener.getsockname()[1])
    plan.rule("", "/", "web", **policy)
    plan.apply()
    plan.hosts.clear()
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(8)
        sock.connect((VIP, 80))
        yield sock


def send(lab, plan, pods, method, parts, head=b"", **policy):
    """The status of a request whose body comes in these parts, the later ones when a pod failed."""
    with reached(lab, plan, pods, **policy) as sock:
        head = head or b"Content-Length: %d\r\n" % sum(map(len, parts))
        sock.sendall(method + b" / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + head + b"\r\n" + parts[0])
        for part in parts[1:]:
            assert pods.failed.wait(5)
            sock.sendall(part)
        answer = read_head(sock)
        return int(answer.split(b" ")[1])


@pytest.mark.parametrize("method", [b"PUT", b"DELETE"])
@pytest.mark.parametrize("size", [1, 3000, 100000])
def test_what_may_be_repeated_is(lab, plan, pods, method, size):
    body = bytes(i * 7 % 251 for i in range(size))
    made = pods(size)
    assert send(lab, plan, made, method, [body]) == 200
    assert made.bodies == [body]


def test_two_pods_fail(lab, plan, pods):
    made = pods(50000, failing=2)
    assert send(lab, plan, made, b"PUT", [b"x" * 50000]) == 200
    assert made.bodies == [b"x" * 50000]


def test_half_of_it_was_sent(lab, plan, pods):
    made = pods(9000, fail_at=4000)
    assert send(lab, plan, made, b"PUT", [b"a" * 4000, b"b" * 5000]) == 200
    assert made.bodies == [b"a" * 4000 + b"b" * 5000]


def test_chunks(lab, plan, pods):
    chunks = b"5\r\nhello\r\n" * 1000 + b"0\r\nA: b\r\n\r\n"
    made = pods(len(chunks))
    assert send(lab, plan, made, b"PUT", [chunks], b"Transfer-Encoding: chunked\r\n") == 200
    assert made.bodies == [chunks]


def test_one_that_waits_for_100(lab, plan, pods):
    made = pods(2000)
    with reached(lab, plan, made) as sock:
        sock.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n"
                     b"Expect: 100-continue\r\n\r\n")
        assert read_head(sock) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"x" * 2000)
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    assert made.bodies == [b"x" * 2000]


def test_what_may_not_be_repeated_is_not(lab, plan, pods):
    for method in (b"POST", b"PATCH"):
        made = pods(3000)
        assert send(lab, plan, made, method, [b"x" * 3000]) == 502
        assert made.bodies == []
        made = pods(3000)
        assert send(lab, plan, made, method, [b"x" * 3000], retry_on=3 | NON_IDEMPOTENT) == 200
        assert made.bodies == [b"x" * 3000]


def test_more_than_is_kept(lab, plan, pods):
    made = pods(BOUND + 1)
    assert send(lab, plan, made, b"PUT", [b"x" * (BOUND + 1)]) == 502
    assert made.bodies == []
    made = pods(BOUND)
    assert send(lab, plan, made, b"PUT", [b"x" * BOUND]) == 200
    assert made.bodies == [b"x" * BOUND]


def test_over_tls(lab, plan, pods):
    made = pods(60000)
    plan.pool("web", list(PODS), port=made.servers[0].listener.getsockname()[1])
    plan.rule("a.example", "/", "web")
    plan.certificate("one", "a.example")
    plan.apply()
    path = lab.dir + "/body"
    with open(path, "wb") as stream:
        stream.write(b"y" * 60000)
    done = lab.curl("-k", "-T", path, "--resolve", f"a.example:443:{VIP}", "https://a.example/x")
    assert done.stdout == "ok"
    assert made.bodies == [b"y" * 60000]


def test_the_next_request_of_the_connection(lab, plan, pods):
    """What was kept of one is not of the other."""
    made = pods(10)
    with reached(lab, plan, made) as sock:
        for letter in (b"a", b"b"):
            made.failing = 1
            sock.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n" + letter * 10)
            answer = read_head(sock)
            assert answer.startswith(b"HTTP/1.1 200 ")
            while not answer.endswith(b"ok"):
                answer += sock.recv(100)
    assert made.bodies == [b"a" * 10, b"b" * 10]
