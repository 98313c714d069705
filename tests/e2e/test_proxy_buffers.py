# SPDX-License-Identifier: BSD-3-Clause
"""Bodies nobody reads wait in the proxy, but not in the buffers that all other packets need."""

import contextlib
import socket
import threading

import pytest

from harness import url
from proxied import VIP, Plan, Server, proto, read_head  # noqa: F401: fixtures

BUFFERS = 8192
UPLOADS = 300


@pytest.fixture(scope="module")
def lab(make_module_lab):
    lab = make_module_lab(settings={"dataplane": {"buffers": BUFFERS}})
    lab.box.kill("sluice-controlplane")
    yield lab
    lab.box.check_alive()


def test_bodies_that_wait_leave_buffers_for_others(lab, proto):  # noqa: F811
    heads, done = threading.Semaphore(0), threading.Event()

    def behave(server, sock):
        read_head(sock)
        heads.release()
        done.wait(60)

    server = Server(lab, "web-1a", 9401, behave)
    plan = Plan(lab, proto)
    plan.pool("stuck", ["web-1a"], port=9401)
    plan.pool("web", ["web-1b"])
    plan.rule("", "/stuck", "stuck")
    plan.rule("", "/", "web")
    plan.apply(body_timeout_ms=60000)
    with contextlib.ExitStack() as stack:
        for _ in range(UPLOADS):
            sock = stack.enter_context(contextlib.closing(lab.client.socket()))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect((VIP, 80))
            sock.sendall(b"POST /stuck HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n")
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(400):  # small segments: a buffer each
                    sock.send(b"x" * 700)
        assert heads.acquire(timeout=20)
        for _ in range(20):
            assert "web-1b" in lab.curl("-m", "5", url(VIP)).stdout
        done.set()
    server.close()
