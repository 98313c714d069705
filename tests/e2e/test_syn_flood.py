# SPDX-License-Identifier: BSD-3-Clause
"""A flood of SYNs to the proxy's address and port: what is established goes on untouched, new connections
still come, and memory stays as it is. tests/bench/run syn-flood has the numbers."""

import contextlib
import re
import socket
import ssl
import threading
import time

import pytest

import flood
import transfer
from channel import Channel
from harness import wan
from proxied import VIP, Plan, proto  # noqa: F401: a fixture
from topology import wait_until

PORT = 9601
KEPT, ROUNDS = 20, 25
SIZE = 30_000_000


@pytest.fixture(scope="module")
def lab(make_module_lab):
    lab = make_module_lab(pods=(1,), settings={
        "routes": [{"to": "198.18.0.0/15", "via": wan(10)}]})
    lab.box.kill("sluice-controlplane")
    (pod,) = lab.pods.values()
    ready = lab.net.dir / "transfer-ready"
    pod.machine.start("/usr/bin/python3", transfer.__file__, "serve", PORT, ready,
                      log=lab.net.dir / "transfer.log")
    wait_until(ready.exists, "the pod's server")
    yield lab
    lab.box.check_alive()


@pytest.fixture(scope="module")
def served(lab, proto):  # noqa: F811
    plan = Plan(lab, proto)
    plan.pool("transfer", list(lab.pods), port=PORT, idle_connections=0)
    plan.pool("web", list(lab.pods))
    plan.rule("", "/", "transfer")
    plan.rule("web.example", "/", "web")
    plan.certificate("all", "")
    plan.apply(idle_timeout_ms=60000)


def connect(lab, stack):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sock = stack.enter_context(contextlib.closing(lab.client.socket()))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(20)
    sock.connect((VIP, 443))
    return stack.enter_context(contextlib.closing(context.wrap_socket(sock, server_hostname="web.example")))


def ask(sock):
    """Seconds until a request is answered."""
    started = time.monotonic()
    sock.sendall(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n")
    head, rest = transfer.head_of(sock)
    assert " 200 " in head.split("\r\n")[0]
    while len(rest) < transfer.length_of(head):
        rest += sock.recv(4096)
    return time.monotonic() - started


def counters(lab, proto):  # noqa: F811
    with Channel(lab, proto) as channel:
        return {row.reason: row.count for row in channel.ask(stats=proto.StatsRequest()).stats.proxy.tcp}


def memory(lab):
    text = (lab.net.dir / "sluice-dataplane.pid").read_text().strip()
    with open(f"/proc/{text}/smaps_rollup") as stream:
        rows = dict(line.split(":", 1) for line in stream if ":" in line)
    return sum(int(rows[key].split()[0]) for key in ("Rss", "Private_Hugetlb", "Shared_Hugetlb"))


@contextlib.contextmanager
def flooded(lab):
    mac = re.search(r"lladdr (\S+)", lab.client.run("ip", "neigh", "show", VIP).stdout).group(1)
    log = lab.net.dir / "flood.log"
    process = lab.client.start("/usr/bin/python3", flood.__file__, "eth0", mac, VIP, 443, log=log)
    try:
        wait_until(lambda: "begun" in log.read_text(), "the flood", 20)
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.kill()
        process.wait()


def in_threads(jobs):
    failed = []

    def guarded(job):
        try:
            job()
        except (AssertionError, OSError, ValueError) as error:
            failed.append(repr(error))
    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(150)
        assert not thread.is_alive()
    assert not failed


def test_what_is_established_goes_on(lab, served, proto):  # noqa: F811
    took = []
    with contextlib.ExitStack() as stack:
        kept = [connect(lab, stack) for _ in range(KEPT)]
        down, up = connect(lab, stack), connect(lab, stack)
        for sock in kept:
            ask(sock)
        before, grown = counters(lab, proto), memory(lab)

        def requests():
            for _ in range(ROUNDS):
                took.extend(ask(sock) for sock in kept)

        def comes():
            for _ in range(10):
                with contextlib.ExitStack() as own:
                    ask(connect(lab, own))

        with flooded(lab):
            wait_until(lambda: counters(lab, proto)["cookies_sent"] > before["cookies_sent"] + 1000,
                       "cookies, so the half-open connections are at their bound", 20)
            in_threads((requests, comes, lambda: transfer.get(down, "transfer", SIZE),
                        lambda: transfer.put(up, "transfer", SIZE)))
        after, grown = counters(lab, proto), memory(lab) - grown
        took.sort()
        print(f"{after['cookies_sent'] - before['cookies_sent']} cookies sent, "
              f"{after['cookies_accepted'] - before['cookies_accepted']} accepted; of {len(took)} requests p99 "
              f"{took[int(len(took) * 0.99)] * 1e3:.1f} ms; memory {grown:+} kB")
        assert took[int(len(took) * 0.99)] < 1
        assert after["cookies_accepted"] > before["cookies_accepted"]  # new ones came by them
        assert grown < 8192  # what the connections themselves took
        for sock in kept:
            ask(sock)
