# SPDX-License-Identifier: BSD-3-Clause
"""`show flows` and `clear flows` of connections that end in the proxy: HTTP, TLS, and TLS passed through."""

import contextlib
import os
import socket
import ssl

import pytest

import objects
from proxied import Server, read_head
from test_ingress import SETTINGS, VIP, ingress, path, web_service
from topology import wait_until

PASSTHROUGH = {"nginx.ingress.kubernetes.io/ssl-passthrough": "true"}


def half_answer(server, sock):
    """Half a response, and then nothing: the request stays under way."""
    read_head(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    server.seen.append(ended(sock))


def echo(server, sock):
    while data := sock.recv(65536):
        sock.sendall(data)


def ended(sock):
    """How the connection ends: "reset", "closed", or "open" after ten seconds."""
    with socket.socket(fileno=os.dup(sock.fileno())) as raw:  # what TLS makes of it does not matter
        raw.settimeout(10)
        return end_of(raw)


def end_of(sock):
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "open"
    return "closed"


def pod_service(lab, name, port, pod="web-1b"):
    return [objects.service(name, [("http", "TCP", 80, port)], type="ClusterIP"),
            objects.endpoint_slice(name, "IPv4", [("http", "TCP", port)], lab.endpoints(pods=[pod]))]


@pytest.fixture(scope="module")
def lab(make_module_lab):
    lab = make_module_lab(settings=SETTINGS)
    lab.apply("all", *web_service(lab, "web", ["web-1a"]), *pod_service(lab, "half", 9201),
              *pod_service(lab, "passed", 9202),
              ingress("web", {"web.example": [path("/", "web"), path("/half", "half")]}),
              ingress("passed", {"passed.example": [path("/", "passed")]}, PASSTHROUGH))
    wait_until(lambda: len(lab.rows("ingresses")) == 2, "the Ingresses")
    lab.wait_in_force()
    servers = [Server(lab, "web-1b", 9201, half_answer), Server(lab, "web-1b", 9202, echo)]
    lab.half = servers[0]
    yield lab
    for server in servers:
        server.close()


def connect(lab, port, tls=None):
    sock = lab.client.socket()
    sock.settimeout(10)
    sock.connect((VIP, port))
    if not tls:
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock, server_hostname=tls)


def get(sock, what="/"):
    sock.sendall(f"GET {what} HTTP/1.1\r\nHost: web.example\r\n\r\n".encode())
    return sock.recv(65536)


def proxied(lab, *words):
    rows = lab.box.show("flows", *words)["flows"]
    return {row["client_port"]: row for row in rows if row["mode"] == "proxy"}


def cleared(lab):
    rows = lab.box.show("requests")["requests"]["refused"]
    return next((row["count"] for row in rows if row["reason"] == "cleared"), 0)


def clear(lab, *words):
    return int(lab.box.sluice("clear", "flows", *words).stdout.split()[0])


@pytest.mark.sanitized
def test_each_kind_is_shown_and_ended(lab):
    before = cleared(lab)
    with contextlib.ExitStack() as stack:
        idle = stack.enter_context(connect(lab, 80))
        assert b"200 OK" in get(idle)
        busy = stack.enter_context(connect(lab, 80))
        got = get(busy, "/half")
        while not got.endswith(b"half"):
            got += busy.recv(65536)
        sealed = stack.enter_context(connect(lab, 443, "web.example"))
        assert b"200 OK" in get(sealed)
        passed = stack.enter_context(connect(lab, 443))
        # A ClientHello that says the name, sent by hand: what comes back is the endpoint's echo.
        passed.sendall(hello("passed.example"))
        assert passed.recv(65536).startswith(b"\x16\x03\x01")
        ports = {sock.getsockname()[1]: sock for sock in (idle, busy, sealed, passed)}
        rows = proxied(lab, "vip", VIP)
        assert set(rows) == set(ports)
        states = {ports[port]: row["state"] for port, row in rows.items()}
        assert states == {idle: "head", busy: "stream", sealed: "head", passed: "tunnel"}
        row = rows[busy.getsockname()[1]]
        assert row["endpoint"] == lab.pods["web-1b"].v4 and row["endpoint_port"] == 9201
        assert row["source"] and row["protocol"] == "tcp" and row["packets"] is None
        assert rows[idle.getsockname()[1]]["endpoint"] is None
        assert "proxy" in lab.box.sluice("show", "flows", "vip", VIP).stdout

        assert clear(lab, "vip", VIP, "protocol", "udp") == 0
        assert clear(lab, "endpoint", lab.pods["web-1b"].v4) == 2
        assert {ended(busy), ended(passed)} == {"reset"}
        wait_until(lambda: lab.half.seen, "the endpoint hears of it")
        assert lab.half.seen == ["reset"]
        assert set(proxied(lab)) == {idle.getsockname()[1], sealed.getsockname()[1]}
        assert clear(lab, "vip", VIP, "port", "443") == 1
        assert ended(sealed) == "reset"
        assert b"200 OK" in get(idle)  # the others live on
        assert clear(lab, "client", idle.getsockname()[0]) == 1
        assert ended(idle) == "reset"
    assert not proxied(lab)
    assert cleared(lab) == before + 4
    requests = lab.box.show("requests")["requests"]
    assert requests["connections"] == 0
    metrics = lab.box.machine.run("curl", "-sS", "--unix-socket", lab.box.api_socket,
                                  "http://box/metrics").stdout
    assert f'reason="cleared"}} {before + 4}' in metrics
    with connect(lab, 80) as again:
        assert b"200 OK" in get(again)


def test_many_at_once(lab):
    """More than a worker ends in one round."""
    before = cleared(lab)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(lab, 80)) for _ in range(300)]
        wait_until(lambda: len(proxied(lab)) == 300, "all are there")
        assert clear(lab, "all") >= 300
        assert {ended(sock) for sock in socks} == {"reset"}
    assert cleared(lab) == before + 300


def hello(name):
    """The first bytes a TLS client sends that asks for the name."""
    out = ssl.MemoryBIO()
    secure = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        secure.do_handshake()
    return out.read()
