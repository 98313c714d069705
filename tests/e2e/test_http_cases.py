# SPDX-License-Identifier: BSD-3-Clause
"""Every request of the table of what is refused (tests/unit/dataplane/proxy/h1_cases.h) sent to a
listener over the network: its status, one answer and no more, and an end of the connection. Every
request that is sound is answered by the pod."""

import contextlib
import os
import subprocess
from pathlib import Path

from test_proxy import VIP, Server, ask, lab, plan, proto, read_head  # noqa: F401: fixtures

BUILD = Path(os.environ.get("SLUICE_BUILD") or Path(__file__).resolve().parents[2] / "build")


def cases():
    program = BUILD / "tests/unit/dataplane/proxy/h1_cases_print"
    lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    for line in lines:
        name, status, *data = line.split(" ")
        yield name, int(status), bytes.fromhex(data[0])


def test_every_ambiguous_request_is_refused(lab, plan):  # noqa: F811
    def behave(server, sock):  # says nothing before it was asked all
        server.seen.append(read_head(sock))
        while data := sock.recv(65536):
            server.seen.append(data)

    server = Server(lab, "web-1a", 9201, behave)
    plan.pool("web", ["web-1a"], port=9201)
    plan.rule("", "/", "web", retry_tries=1)
    plan.apply()
    refused, wrong = 0, []
    for name, status, data in cases():
        if name == "none":
            continue
        answer = ask(lab, data + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        refused += 1
        if not answer.startswith(b"HTTP/1.1 %d " % status) or answer.count(b"HTTP/1.1 ") != 1:
            wrong.append((name, status, data[:80], answer[:80]))
    server.close()
    assert not wrong
    assert refused >= 150
    assert not any(b"/smuggled" in seen for seen in server.seen)


def test_every_sound_request_is_answered(lab, plan):  # noqa: F811
    def behave(server, sock):
        while read_head(sock):
            sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            with contextlib.suppress(OSError):
                sock.shutdown(1)

    server = Server(lab, "web-1a", 9202, behave)
    plan.pool("web", ["web-1a"], port=9202)
    plan.rule("", "/", "web", kind=2)
    plan.rule("", "", "web", kind=4)
    plan.apply()
    wrong = []
    for name, _status, data in cases():
        if name == "none":
            close = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            ends = b" HTTP/1.0" in data and b"keep-alive" not in data.lower()
            answer = ask(lab, data if ends else data + close)
            if not answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").startswith(b"HTTP/1.1 200 "):
                wrong.append((data[:120], answer[:80]))
    server.close()
    assert not wrong
