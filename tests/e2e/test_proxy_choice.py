# SPDX-License-Identifier: BSD-3-Clause
"""Which pod a request goes to where that depends on how the pods do: least requests, EWMA."""

import contextlib
import threading
import time

import pytest

from proxied import VIP, Server, lab, plan, proto, read_head  # noqa: F401: fixtures

PODS = ("web-1a", "web-1b", "web-2a")
PORT = 8090
LEAST_REQUESTS, EWMA = 6, 7
SLOW_S = 0.2


def answering(name, wait_s):
    def behave(server, sock):
        while read_head(sock):
            server.seen.append(1)
            time.sleep(wait_s)
            sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode())
    return behave


@pytest.fixture(scope="module")  # connections to them are kept, from one test to the next
def pods(lab):  # noqa: F811
    """The first of them takes its time."""
    servers = [Server(lab, pod, PORT, answering(pod, SLOW_S if pod == PODS[0] else 0)) for pod in PODS]
    yield servers
    for server in servers:
        server.close()


def ask_for(lab, seconds):  # noqa: F811
    """One request after the other on a connection of its own."""
    until = time.monotonic() + seconds
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(5)
        sock.connect((VIP, 80))
        while time.monotonic() < until:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = b""
            while not answer.endswith(tuple(pod.encode() for pod in PODS)):
                more = sock.recv(65536)
                assert more
                answer += more


def shares(lab, plan, pods, algorithm, clients):  # noqa: F811
    plan.pool("web", PODS, port=PORT, algorithm=algorithm)
    plan.rule("", "/", "web")
    plan.apply()
    ask_for(lab, 5 * SLOW_S)  # until each is known
    for server in pods:
        server.seen.clear()
    threads = [threading.Thread(target=ask_for, args=(lab, 10 * SLOW_S)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [len(server.seen) for server in pods]


@pytest.mark.parametrize("algorithm", (LEAST_REQUESTS, EWMA))
def test_the_slow_one_gets_little(lab, plan, pods, algorithm):  # noqa: F811
    slow, *quick = shares(lab, plan, pods, algorithm, 6)
    assert min(quick) > 20
    assert slow < 0.2 * sum(quick)


def test_by_latency_one_client_goes_elsewhere(lab, plan, pods):  # noqa: F811
    """Where none has a request under way, only how long they took tells them apart."""
    slow, *quick = shares(lab, plan, pods, EWMA, 1)
    assert slow <= 3 and min(quick) > 10
