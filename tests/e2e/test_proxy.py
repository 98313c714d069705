# SPDX-License-Identifier: BSD-3-Clause
"""The proxy over real ports: HTTP from the client's curl and sockets to nginx in the pods, with the
plan sent by the test itself."""

import contextlib
import socket
import threading
import time

import pytest

from channel import Channel, packed
from harness import url, wan
from proxied import VIP, Server, ask, lab, plan, proto, read_head  # noqa: F401: fixtures
from topology import wait_until


def test_a_request_reaches_a_pod(lab, plan):
    plan.pool("web", ["web-1a"])
    plan.rule("a.example", "/", "web")
    plan.apply()
    done = lab.curl("-i", "-H", "Host: a.example", url(VIP))
    assert "200 OK" in done.stdout and "web-1a" in done.stdout
    for name in ("Date:", "Server:", "Content-Length:", "Content-Type:"):
        assert name in done.stdout
    assert "404" in lab.curl("-i", "-H", "Host: b.example", url(VIP)).stdout
    assert "400" in lab.curl("-i", "-H", "Host: a b", url(VIP)).stdout


def test_all_pods_in_turn_on_one_connection(lab, plan):
    plan.pool("web", list(lab.pods))
    plan.rule("", "/", "web")
    plan.apply()
    out = lab.curl(*[url(VIP)] * 40).stdout
    counts = {pod: out.count(pod) for pod in lab.pods}
    assert all(count == 10 for count in counts.values()), counts


def test_without_endpoint_503(lab, plan):
    plan.pool("none", [])
    plan.rule("", "/", "none")
    plan.rule("", "/nothing", None)
    plan.apply()
    assert "503" in lab.curl("-i", url(VIP)).stdout
    assert "503" in lab.curl("-i", url(VIP, path="/nothing")).stdout


def test_large_files_both_families(lab, plan):
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web")
    plan.apply()
    files = lab.pods["web-1a"].dir / "files"
    (files / "big").write_bytes(bytes(range(256)) * 40000)
    out = lab.dir + "/out"
    lab.curl("-o", out, url(VIP, path="/files/big"))
    with open(out, "rb") as stream:
        assert stream.read() == bytes(range(256)) * 40000


def test_pipelined_requests_are_answered_in_order(lab, plan):
    plan.pool("web", list(lab.pods))
    plan.rule("", "/", "web")
    plan.apply()
    one = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = ask(lab, one * 20 + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 21


def test_smuggling_is_refused(lab, plan):
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web")
    plan.apply()
    for head in (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
                 b"Content-Length: 4\r\nContent-Length: 4\r\n", b"Transfer-Encoding : chunked\r\n",
                 b"Transfer-Encoding: xchunked\r\n", b"X: a\r\n b\r\n"):
        answer = ask(lab, b"POST / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 "), (head, answer)


def test_forwarded_fields(lab, plan):
    def behave(server, sock):
        server.seen.append(read_head(sock))
        sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    server = Server(lab, "web-1a", 9101, behave)
    plan.pool("web", ["web-1a"], port=9101)
    plan.rule("", "/", "web")
    plan.apply()
    lab.curl("-H", "Host: a.example:80", "-H", "X-Forwarded-For: 1.2.3.4", "-H", "Proxy: evil",
             "-H", "Connection: x-drop", "-H", "X-Drop: 1", url(VIP, path="/p?q=1"))
    server.close()
    seen = server.seen[0].decode().lower()
    assert seen.startswith("get /p?q=1 http/1.1\r\nhost: a.example:80\r\n")
    client = wan(10)
    for line in (f"x-forwarded-for: {client}", f"x-real-ip: {client}", "x-forwarded-proto: http",
                 "x-forwarded-port: 80", "x-forwarded-host: a.example:80",
                 "x-original-forwarded-for: 1.2.3.4", "x-scheme: http"):
        assert f"\r\n{line}\r\n" in seen, (line, seen)
    assert "x-request-id: " in seen and "evil" not in seen and "x-drop" not in seen


def test_a_refused_connection_goes_to_another_pod(lab, plan):
    plan.pool("web", ["web-1a", "web-1b", "web-2a"])
    for number, endpoint in enumerate(plan.pools["web"]["endpoints"]):
        endpoint["port"] = 8080 if number == 0 else 9999  # nobody listens there
    plan.rule("", "/", "web")
    plan.apply()
    out = lab.curl("-w", "%{http_code}\n", *[url(VIP)] * 20).stdout
    assert out.count("web-1a") == 20


def test_chunked_both_ways(lab, plan):
    def behave(server, sock):
        data = read_head(sock)
        while not data.endswith(b"0\r\n\r\n"):
            data += sock.recv(65536)
        server.seen.append(data)
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (b"5\r\nhello\r\n", b"6;x=y\r\n world\r\n", b"0\r\nT: 1\r\n\r\n"):
            sock.sendall(part)

    server = Server(lab, "web-1a", 9102, behave)
    plan.pool("web", ["web-1a"], port=9102)
    plan.rule("", "/", "web")
    plan.apply()
    done = lab.curl("-H", "Transfer-Encoding: chunked", "-d", "abc" * 1000, url(VIP))
    assert done.stdout == "hello world"
    assert b"abc" * 1000 in server.seen[0]
    # An HTTP/1.0 client gets it without chunks.
    answer = ask(lab, b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nhello world")
    server.close()


def test_bodies_beyond_the_limit(lab, plan):
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web", body_bytes=1000)
    plan.apply()
    assert "413" in lab.curl("-i", "-d", "x" * 1001, url(VIP)).stdout
    answer = ask(lab, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n"
                 + b"x" * 1001 + b"\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_timeouts(lab, plan):
    server = Server(lab, "web-1a", 9103, lambda _, sock: sock.recv(1) and sock.recv(65536) and sock.recv(1))
    plan.pool("web", ["web-1a"], port=9103)
    plan.rule("", "/", "web", read_timeout_ms=500, retry_tries=1)
    plan.apply(head_timeout_ms=500, idle_timeout_ms=500)
    assert "504" in lab.curl("-i", url(VIP)).stdout
    assert ask(lab, b"GET / HT").startswith(b"HTTP/1.1 408 ")
    assert ask(lab, b"") == b""
    server.close()


def test_upgrade_is_a_tunnel(lab, plan):
    def behave(server, sock):
        server.seen.append(read_head(sock))
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\n\r\nfirst")
        while data := sock.recv(65536):
            sock.sendall(data[::-1])

    server = Server(lab, "web-1a", 9104, behave)
    plan.pool("web", ["web-1a"], port=9104)
    plan.rule("", "/", "web")
    plan.apply()
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(5)
        sock.connect((VIP, 80))
        sock.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        answer = b""
        while not answer.endswith(b"first"):
            answer += sock.recv(65536)
        assert answer.startswith(b"HTTP/1.1 101 ")
        sock.sendall(b"abc")
        assert sock.recv(65536) == b"cba"
    assert b"\r\nconnection: upgrade\r\n" in server.seen[0].lower()
    server.close()


def test_a_tunnel_that_the_pod_ends_first(lab, plan):
    """What the client says after it, and its end, still reach the pod."""
    heard = []

    def behave(server, sock):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\n\r\nbye")
        sock.shutdown(socket.SHUT_WR)
        said = b""
        while data := sock.recv(65536):
            said += data
        heard.append(said)

    server = Server(lab, "web-1a", 9107, behave)
    plan.pool("web", ["web-1a"], port=9107)
    plan.rule("", "/", "web")
    plan.apply()
    for size in (10, 300000):
        with contextlib.closing(lab.client.socket()) as sock:
            sock.settimeout(5)
            sock.connect((VIP, 80))
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                         b"Upgrade: websocket\r\n\r\n")
            while sock.recv(65536):
                pass
            sock.sendall(b"x" * size)
        wait_until(lambda: heard, "the end of the tunnel")
        assert heard.pop() == b"x" * size
    server.close()


def test_another_try_is_another_pod(lab, plan):
    """With one pod there is one try; where each fails, as many as the rule says, each elsewhere."""
    def behave(server, sock):
        server.seen.append(read_head(sock))

    servers = [Server(lab, pod, 9108, behave) for pod in lab.pods]
    plan.pool("one", ["web-1a"], port=9108)
    plan.pool("all", list(lab.pods), port=9108)
    plan.rule("one.example", "/", "one")
    plan.rule("all.example", "/", "all")
    plan.apply()
    assert "502" in lab.curl("-i", "-H", "Host: one.example", url(VIP)).stdout
    assert [len(server.seen) for server in servers] == [1, 0, 0, 0]
    servers[0].seen.clear()
    assert "502" in lab.curl("-i", "-H", "Host: all.example", url(VIP)).stdout
    assert sorted(len(server.seen) for server in servers) == [0, 1, 1, 1]
    for server in servers:
        server.close()


def test_no_pod_is_left_for_another_try(lab, plan):
    """The status that asks for another try is passed on when there is nobody else."""
    def behave(server, sock):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy")

    server = Server(lab, "web-1a", 9109, behave)
    plan.pool("web", ["web-1a"], port=9109)
    plan.rule("", "/", "web", retry_on=2047)
    plan.apply()
    assert lab.curl("-w", " %{http_code}", url(VIP)).stdout == "busy 503"
    server.close()


def test_a_client_that_names_no_host(lab, plan):
    """nginx refuses HTTP/1.1 without a host."""
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web")
    plan.apply()
    answer = ask(lab, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2


def test_idle_connections_to_a_pod_that_ended_cost_no_request(lab, plan):
    answered = threading.Semaphore(0)

    def behave(server, sock):
        while read_head(sock):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            answered.release()

    servers = [Server(lab, pod, 9105, behave) for pod in ("web-1a", "web-1b")]
    plan.pool("web", ["web-1a", "web-1b"], port=9105)
    plan.rule("", "/", "web")
    plan.apply()
    for _ in range(4):
        assert lab.curl(url(VIP)).stdout == "ok"
    servers[0].close()
    plan.pools["web"]["endpoints"][0]["state"] = 2
    plan.apply()
    for _ in range(20):
        assert lab.curl(url(VIP)).stdout == "ok"
    servers[1].close()


def test_slow_reader_holds_nothing_up(lab, plan):
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web")
    plan.apply()
    (lab.pods["web-1a"].dir / "files" / "huge").write_bytes(b"y" * 20_000_000)
    with contextlib.closing(lab.client.socket()) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.connect((VIP, 80))
        sock.sendall(b"GET /files/huge HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for _ in range(5):
            assert "web-1a" in lab.curl(url(VIP)).stdout
        got = 0
        sock.settimeout(10)
        while more := sock.recv(1 << 20):
            got += len(more)
        assert got > 20_000_000




def test_heads_before_the_answer(lab, plan):
    hints = [b"HTTP/1.1 103 Early Hints\r\nLink: </%d>\r\n\r\n" % i for i in range(2)]
    fails = threading.Event()

    def behave(server, sock):
        while head := read_head(sock):
            server.seen.append(head)
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + b"".join(hints))
            if fails.is_set():
                return
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = Server(lab, "web-1a", 9111, behave)
    other = Server(lab, "web-1b", 9111, behave)
    plan.pool("web", ["web-1a", "web-1b"], port=9111)
    plan.rule("", "/", "web")
    plan.apply()
    one = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = ask(lab, one * 2 + one[:-2] + b"Connection: close\r\n\r\n")
    assert answer.count(b"".join(hints) + b"HTTP/1.1 200 OK\r\n") == 3, answer
    assert answer.count(b"HTTP/1.1 ") == 9 and b" 100 " not in answer
    assert ask(lab, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    # Nobody else is asked once the client has heard something.
    fails.set()
    asked = len(server.seen) + len(other.seen)
    answer = ask(lab, one[:-2] + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"".join(hints) + b"HTTP/1.1 502 "), answer
    assert len(server.seen) + len(other.seen) == asked + 1
    server.close()
    other.close()


def test_what_is_counted(lab, plan):
    plan.pool("web", ["web-1a"])
    plan.rule("counted.example", "/", "web")
    plan.rule("counted.example", "/none", None)
    plan.apply()
    for path in ("/", "/x", "/none"):
        lab.curl("-o", "/dev/null", "-H", "Host: counted.example", url(VIP, path=path))
    ask(lab, b"GET / HTTP/1.1\r\n\r\n")
    with Channel(lab, plan.proto) as channel:
        stats = channel.ask(stats=plan.proto.StatsRequest(rules=True, endpoints=True)).stats
    rules = {row.path: row.counters for row in stats.rules if row.host == "counted.example"}
    assert list(rules["/"].responses) == [0, 2, 0, 0, 0] and sum(rules["/"].latency) == 2
    assert list(rules["/none"].responses) == [0, 0, 0, 0, 1]
    refusals = {row.reason: row.count for row in stats.proxy.refusals}
    assert refusals["no_endpoint"] >= 1 and refusals["host_missing"] >= 1
    endpoint = next(row for row in stats.endpoints if row.pool == "web")
    assert endpoint.http.responses[1] >= 2 and endpoint.http.requests_open == 0
    assert stats.proxy.requests >= 4

    def connections():
        with Channel(lab, plan.proto) as channel:
            return channel.ask(stats=plan.proto.StatsRequest()).stats.proxy.connections
    wait_until(lambda: connections() == 0, "connections gone")


def test_explain(lab, plan):
    plan.pool("web", ["web-1a"])
    plan.rule("e.example", "/a", "web", kind=1)
    plan.rule("e.example", "/", "web")
    plan.rule("e.example", "/none", None)
    plan.apply()

    def explain(path, host="e.example", **more):
        with Channel(lab, plan.proto) as channel:
            return channel.ask(
                explain=plan.proto.ExplainRequest(host=host, path=path, **more)).explained

    told = explain("/a?x=1")
    assert (told.kind, told.path, told.pool, told.endpoint_name) == (1, "/a", "web", "web-1a")
    assert told.object == "lab/default/test" and told.endpoint_port == 8080 and not told.status
    assert explain("/b").kind == 2
    assert explain("/none/x").status == 503
    assert explain("/", host="other").status == 404
    assert explain("/%zz").status == 400
    for length, status in ((8192, 503), (8193, 414)):
        path = "/none/".ljust(length, "x")
        assert explain(path).status == status
        words = ("-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: e.example")
        assert lab.curl(*words, url(VIP, path=path)).stdout == str(status)
    assert [row.what for row in explain("/", port=8443).steps] == ["listener"]


def test_what_a_pod_says_unasked_is_no_answer(lab, plan):
    said = threading.Event()

    def behave(server, sock):
        while read_head(sock):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            time.sleep(0.1)
            sock.sendall(b"HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n")
            said.set()
            time.sleep(1)

    server = Server(lab, "web-1a", 9110, behave)
    plan.pool("web", ["web-1a"], port=9110)
    plan.rule("", "/", "web")
    plan.apply()
    for _ in range(3):
        said.clear()
        assert lab.curl("-d", "x", "-w", "%{http_code}", url(VIP)).stdout == "ok200"
        assert said.wait(5)
        time.sleep(0.1)
    server.close()


def test_who_may_come(lab, plan):
    """The client is whom a trusted proxy has the request from; redirects answer all."""
    def prefix(text, length):
        return {"address": packed(text), "length": length}

    own = prefix(wan(10), 32 if "." in wan(10) else 128)
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web", allowed=[prefix("203.0.113.0", 24), prefix("2001:db8::", 32)],
              refused=[prefix("203.0.113.128", 25)])
    plan.rule("", "/refused", "web", refused=[prefix("203.0.113.7", 32)])
    plan.rule("", "/denied", "web", denied=True)
    plan.rule("", "/moved", "web", allowed=[prefix("203.0.113.0", 24)], rewrite="https://other.example/")
    plan.apply()

    def answer(path, client):
        return lab.curl("-o", "/dev/null", "-w", "%{http_code}", "-H", f"X-Forwarded-For: {client}",
                        url(VIP, path=path)).stdout

    assert answer("/", "203.0.113.7") == "403"  # says whoever it likes
    plan.listener["trusted"] = [own]
    plan.apply()
    for path, client, status in (
            ("/", "203.0.113.7", "200"), ("/", "203.0.113.200", "403"), ("/", "2001:db8::1", "200"),
            ("/", "198.51.100.1", "403"), ("/", "203.0.113.7, 198.51.100.1", "403"),
            ("/refused", "203.0.113.7", "403"), ("/refused", "203.0.113.8", "200"),
            ("/denied", "203.0.113.7", "503"), ("/moved", "198.51.100.1", "302")):
        assert answer(path, client) == status, (path, client)
    with Channel(lab, plan.proto) as channel:
        stats = channel.ask(stats=plan.proto.StatsRequest()).stats
    refusals = {row.reason: row.count for row in stats.proxy.refusals}
    assert refusals["client_denied"] >= 5 and refusals["route_denied"] == 1


def test_sent_away(lab, plan):
    """Ahead of the redirect to https, and to whoever asks."""
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web", redirect_to="$scheme://$http_host/app", redirect_to_code=302, kind=1)
    plan.rule("", "/", "web")
    plan.rule("", "/old", "web", redirect_to="https://new.example$request_uri", redirect_to_code=301,
              force_ssl_redirect=True, allowed=[{"address": packed("203.0.113.7"), "length": 32}])
    plan.rule("", "/named", "web", redirect_to="https://www.$host/x?y=$host_$scheme", redirect_to_code=307)
    plan.rule("", "/named2", "web", redirect_to="https://www.$host/", redirect_to_code=307)
    plan.rule("away.example", "/", "web", redirect_to="https://new.example$request_uri", redirect_to_code=308)
    del plan.hosts[""][3]  # a variable that is none
    plan.apply()

    def sent(path, host="A.example:8080"):
        return lab.curl("-o", "/dev/null", "-w", "%{http_code} %header{location}", "-H", f"Host: {host}",
                        "--path-as-is", url(VIP, path=path)).stdout.strip()

    assert sent("/") == "302 http://A.example:8080/app"
    assert sent("/./") == "302 http://A.example:8080/app"
    assert sent("/page") == "200"
    assert sent("/old/a%20b/?c=d&e") == "301 https://new.example/old/a%20b/?c=d&e"
    assert sent("/old?") == "301 https://new.example/old?"
    assert sent("/named2") == "307 https://www.a.example/"
    answer = ask(lab, b"GET http://away.example?x=1 HTTP/1.1\r\nHost: away.example\r\nConnection: close\r\n\r\n")
    assert b"\r\nLocation: https://new.example/?x=1\r\n" in answer


def test_half_an_answer(lab, plan):
    """What the pod said of it comes to the client, which sees that the rest is missing."""
    answers = {
        b"length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    }

    def behave(_, sock):
        # With its end in the same packet.
        sock.sendall(answers[read_head(sock).split(b"/")[1].split(b" ")[0]], socket.MSG_MORE)

    server = Server(lab, "web-1a", 9112, behave)
    plan.pool("web", ["web-1a"], port=9112)
    plan.rule("", "/", "web")
    plan.apply()
    for name, answer in answers.items():
        got = ask(lab, b"GET /" + name + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert got.split(b"\r\n\r\n", 1)[1:] == answer.split(b"\r\n\r\n", 1)[1:], (name, got)
    # Without its chunks only a reset tells.
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(5)
        sock.connect((VIP, 80))
        sock.sendall(b"GET /chunks HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            while sock.recv(100):
                pass
    server.close()
