# SPDX-License-Identifier: BSD-3-Clause
"""The proxy over real ports: HTTP from the client's curl and sockets to nginx in the pods, with the
plan sent by the test itself."""

import contextlib
import socket
import ssl
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from channel import Channel, packed, proto  # noqa: F401: proto is a fixture
from harness import url, wan


VIP = wan(140)
POLICY = {"redirect_code": 308, "connect_timeout_ms": 2000, "send_timeout_ms": 5000,
          "read_timeout_ms": 5000, "retry_tries": 3, "retry_on": 3}
SITE = {"name": "main", "head_timeout_ms": 3000, "idle_timeout_ms": 5000, "body_timeout_ms": 3000,
        "head_bytes": 16384}


def make_certificate(name, hosts, key="ec"):
    """Signed by itself: (chain, key) as PEM."""
    with tempfile.TemporaryDirectory() as folder:
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else [
            "-newkey", "rsa:2048"]
        names = ",".join(f"DNS:{host}" for host in hosts or ["none.example"])
        subprocess.run(
            ["openssl", "req", "-x509", *kind, "-nodes", "-days", "30", "-subj", f"/CN={name}",
             "-addext", f"subjectAltName={names}", "-keyout", f"{folder}/key", "-out", f"{folder}/crt"],
            check=True, capture_output=True)
        return Path(f"{folder}/crt").read_bytes(), Path(f"{folder}/key").read_bytes()


class Plan:
    """A transaction under way, in words."""

    def __init__(self, lab, proto):  # noqa: F811
        self.lab, self.proto, self.generation = lab, proto, 1000
        self.pools, self.hosts, self.names, self.certificates = {}, {}, {}, {}

    def pool(self, name, pods, port=8080, algorithm=2, **upstream):
        upstream.setdefault("idle_connections", 32)
        upstream.setdefault("idle_timeout_ms", 60000)
        self.pools[name] = {
            "name": name, "algorithm": algorithm, "upstream": upstream,
            "endpoints": [{"address": packed(self.lab.pods[pod].v4 if isinstance(pod, str) else pod[0]),
                           "port": port, "weight": 1, "state": 1, "name": str(pod)}
                          for pod in pods]}

    def rule(self, host, path, pool, kind=2, **policy):
        self.hosts.setdefault(host, []).append({
            "kind": kind, "path": path, "object": "lab/default/test", "policy": {**POLICY, **policy},
            "backends": [{"pool": pool, "weight": 1}] if pool else []})

    def certificate(self, name, *hosts, key="ec", **more):
        """A certificate of its own for the hosts ("" for all); its PEM."""
        chain, private = make_certificate(name, [host for host in hosts if host], key)
        self.certificates[name] = {"name": name, "chain_pem": chain, "key_pem": private, **more}
        for host in hosts:
            self.names.setdefault(host, []).append(name)
        return chain

    def apply(self, **site):
        self.generation += 1
        with Channel(self.lab, self.proto) as channel:
            result = channel.transact(
                generation=self.generation,
                vips=[{"address": packed(VIP), "owned": True}],
                sites=[{**SITE, **site}],
                listeners=[{"vip": packed(VIP), "protocol": 6, "port": port, "service": "ingress",
                            "http": {"site": "main", "tls": port == 443}} for port in (80, 443)],
                certificates=list(self.certificates.values()),
                server_names=[{"site": "main", "name": name, "certificates": certificates}
                              for name, certificates in self.names.items()],
                pools=list(self.pools.values()),
                hosts=[{"site": "main", "name": host, "rules": rules}
                       for host, rules in self.hosts.items()],
                routes=[{"prefix": {"address": packed(route["to"]), "length": route["length"]},
                         "via": packed(route["via"])} for route in self.routes()])
        assert result.applied, result.reason

    def routes(self):
        from topology import POD4
        return [{"to": POD4.format(index, 0), "length": 24, "via": self.lab.net.node_address(index)[0]}
                for index in range(1, len(self.lab.nodes) + 1)]


@pytest.fixture(scope="module")
def lab(make_module_lab):
    lab = make_module_lab()
    lab.box.kill("sluice-controlplane")
    yield lab
    lab.box.check_alive()


@pytest.fixture
def plan(lab, proto):  # noqa: F811
    return Plan(lab, proto)


def ask(lab, data, seconds=5):
    """What comes back for these bytes until the connection ends."""
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(seconds)
        sock.connect((VIP, 80))
        sock.sendall(data)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while more := sock.recv(65536):
                answer += more
        return answer


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


class Server(threading.Thread):
    """A server on a pod's machine that does what the test says, one connection after another."""

    def __init__(self, lab, pod, port, behave):
        super().__init__(daemon=True)
        self.behave, self.seen = behave, []
        with lab.pods[pod].machine.entered():
            self.listener = socket.create_server((lab.pods[pod].v4, port))
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self.one, args=(sock,), daemon=True).start()

    def one(self, sock):
        sock.settimeout(10)
        with contextlib.suppress(OSError), sock:
            self.behave(self, sock)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def read_head(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return data
        data += more
    return data


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
    assert stats.proxy.requests >= 4 and stats.proxy.connections == 0


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
    assert [row.what for row in explain("/", port=8443).steps] == ["listener"]


@contextlib.contextmanager
def tls(lab, name=None, context=None):
    context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if context.verify_mode:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    sock = lab.client.socket()
    sock.settimeout(5)
    sock.connect((VIP, 443))
    with context.wrap_socket(sock, server_hostname=name) as secure:
        yield secure


def shown(lab, name=None, **more):
    """The common name of the certificate that is shown for this name."""
    with tls(lab, name, **more) as secure:
        der = secure.getpeercert(binary_form=True)
    done = subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-subject", "-nameopt", "multiline"],
                          input=der, capture_output=True, check=True)
    return done.stdout.decode().split("commonName")[1].split("=")[1].split()[0]


def test_https(lab, plan):
    plan.pool("web", list(lab.pods))
    plan.rule("", "/", "web")
    chain = plan.certificate("one", "a.example", "")
    plan.apply(hsts_s=1000, hsts_subdomains=True)
    ca = Path(lab.dir) / "ca.pem"
    ca.write_bytes(chain)
    words = ("--cacert", ca, "--resolve", f"a.example:443:{VIP}", "-i", "https://a.example/")
    for version in ("--tlsv1.3", "--tls-max 1.2"):
        out = lab.curl(*version.split(), *words).stdout
        assert "200 OK" in out and "strict-transport-security: max-age=1000; includesubdomains" in out.lower()
    for pod in lab.pods.values():
        (pod.dir / "files" / "sealed").write_bytes(bytes(range(256)) * 40000)
    out = lab.dir + "/sealed"
    lab.curl("-k", "-o", out, f"https://{VIP}/files/sealed")
    assert Path(out).read_bytes() == bytes(range(256)) * 40000
    answer = lab.curl("-k", "-d", "x" * 300000, f"https://{VIP}/", "-i").stdout
    assert "HTTP/1.1 405" in answer or "HTTP/1.1 200" in answer


def test_certificates_by_name_and_kind(lab, plan):
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web")
    plan.certificate("exact", "a.example")
    plan.certificate("wild", "*.example")
    plan.certificate("rsa", "a.example", key="rsa")
    plan.certificate("default", "")
    plan.apply()
    assert shown(lab, "a.example") == "exact"
    assert shown(lab, "B.Example") == "wild"
    assert shown(lab, "x.b.example") == "default"
    assert shown(lab) == "default"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    assert shown(lab, "a.example", context=old) == "rsa"


def test_rotation_leaves_connections_alone(lab, plan):
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web")
    plan.certificate("before", "")
    plan.apply()
    with tls(lab) as secure:
        plan.names.clear()
        plan.certificates.clear()
        plan.certificate("after", "")
        plan.apply()
        assert shown(lab) == "after"
        secure.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200 OK" in secure.recv(65536)


def test_sessions_are_resumed(lab, plan):
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web")
    plan.certificate("one", "")
    plan.apply()
    for version in ("-tls1_3", "-tls1_2"):
        ticket = f"{lab.dir}/ticket"
        for words in (("-sess_out", ticket), ("-sess_in", ticket)):
            out = lab.client.run(
                "sh", "-c", f"(printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n'; sleep 1)"
                f" | openssl s_client {version} -connect {VIP}:443 {' '.join(words)} 2>&1").stdout
        assert "Reused, TLSv1" in out and "200 OK" in out


def test_ssl_redirect(lab, plan):
    plan.pool("web", ["web-1a"])
    plan.rule("a.example", "/", "web", ssl_redirect=True)
    plan.rule("b.example", "/", "web", ssl_redirect=True)
    plan.certificate("one", "a.example")
    plan.apply()
    out = lab.curl("-i", "-H", "Host: a.example:80", url(VIP, path="/x/?q=1")).stdout
    assert "308 Permanent Redirect" in out and "\nLocation: https://a.example/x/?q=1" in out.replace("\r", "")
    assert "200 OK" in lab.curl("-i", "-H", "Host: b.example", url(VIP)).stdout


def test_backend_over_tls(lab, plan):
    chain, key = make_certificate("pod", ["pod.example"])
    folder = Path(lab.dir)
    (folder / "pod.pem").write_bytes(chain + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pod.pem")

    def behave(server, sock):
        with context.wrap_socket(sock, server_side=True) as secure:
            while read_head(secure):
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsealed")

    server = Server(lab, "web-1a", 9106, behave)
    plan.pool("web", ["web-1a"], port=9106, tls=True, tls_name="pod.example", tls_verify=True,
              tls_ca_pem=chain)
    plan.pool("stranger", ["web-1a"], port=9106, tls=True, tls_name="other.example", tls_verify=True,
              tls_ca_pem=chain)
    plan.rule("", "/", "web")
    plan.rule("", "/stranger", "stranger")
    plan.apply()
    for _ in range(3):
        assert lab.curl(url(VIP)).stdout == "sealed"
    assert "502" in lab.curl("-i", url(VIP, path="/stranger")).stdout
    server.close()
