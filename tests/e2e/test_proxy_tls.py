# SPDX-License-Identifier: BSD-3-Clause
"""TLS at the proxy: versions, the choice of certificates, rotation, resumption, redirects, backends."""

import contextlib
import socket
import ssl
import subprocess
from pathlib import Path

from channel import Channel, packed
from harness import url, wan
from proxied import VIP, Server, lab, make_certificate, plan, proto, read_head  # noqa: F401: fixtures


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
    for version in ("--tlsv1.3", "--tls-max 1.2", "--http1.1", "--http1.0", "--no-alpn"):
        out = lab.curl(*version.split(), *words).stdout
        assert "200 OK" in out and "strict-transport-security: max-age=1000; includesubdomains" in out.lower()
    for pod in lab.pods.values():
        (pod.dir / "files" / "sealed").write_bytes(bytes(range(256)) * 40000)
    out = lab.dir + "/sealed"
    lab.curl("-k", "-o", out, f"https://{VIP}/files/sealed")
    assert Path(out).read_bytes() == bytes(range(256)) * 40000
    body = Path(lab.dir) / "body"
    body.write_bytes(b"x" * 300000)
    answer = lab.curl("-k", "--data-binary", f"@{body}", f"https://{VIP}/", "-i").stdout
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


def test_a_client_that_ends_with_its_request(lab, plan):
    """Its last handshake message, the request and its FIN come at once."""
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web")
    plan.certificate("one", "")
    plan.apply()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for _ in range(10):
            assert half_closed(lab, version).startswith(b"HTTP/1.1 200 OK"), version


def half_closed(lab, version):
    """The answer to a request whose sender sends no more: no close_notify, but a FIN."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = context.wrap_bio(incoming, outgoing)
    with lab.client.socket() as sock:
        sock.settimeout(5)
        sock.connect((VIP, 443))
        while True:
            try:
                secure.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
        secure.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        sock.sendall(outgoing.read())
        sock.shutdown(socket.SHUT_WR)
        while data := sock.recv(65536):
            incoming.write(data)
        incoming.write_eof()
        with contextlib.suppress(ssl.SSLError):
            return secure.read(65536)
    return b""


def test_a_handshake_that_is_cut_off(lab, plan):
    """By its name; one that says nothing at all is not counted."""
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web")
    plan.certificate("one", "")
    plan.apply()

    def count():
        with Channel(lab, plan.proto) as channel:
            counts = channel.ask(stats=plan.proto.StatsRequest()).stats.proxy.refusals
        return sum(row.count for row in counts if row.reason == "truncated")

    for data, more in ((b"", 0), (b"\x16\x03\x01\x02\x00\x01\x00", 1)):
        before = count()
        with lab.client.socket() as sock:
            sock.settimeout(5)
            sock.connect((VIP, 443))
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(100) == b""
        assert count() == before + more


def test_ssl_redirect(lab, plan):
    plan.pool("web", ["web-1a"])
    plan.rule("a.example", "/", "web", ssl_redirect=True)
    plan.rule("b.example", "/", "web", ssl_redirect=True)
    plan.certificate("one", "a.example")
    plan.apply()
    out = lab.curl("-i", "-H", "Host: a.example:80", url(VIP, path="/x/?q=1")).stdout
    assert "308 Permanent Redirect" in out and "\nLocation: https://a.example/x/?q=1" in out.replace("\r", "")
    assert "200 OK" in lab.curl("-i", "-H", "Host: b.example", url(VIP)).stdout


def test_what_goes_ahead_of_a_redirect(lab, plan):
    """A body that is too large; and a proxy of ours in front that had it by https."""
    plan.pool("web", ["web-1a"])
    plan.rule("a.example", "/", "web", ssl_redirect=True, body_bytes=10)
    plan.certificate("one", "a.example")
    plan.apply()
    words = ("-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: a.example", url(VIP))
    https = ("-H", "X-Forwarded-Proto: https", *words)
    assert lab.curl("-d", "x" * 11, *words).stdout == "413"
    assert lab.curl(*https).stdout == "308"
    plan.listener["trusted"] = [{"address": packed(wan(10)), "length": 32}]
    plan.apply()
    assert lab.curl(*https).stdout == "200"
    assert lab.curl(*words).stdout == "308"


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


def test_kept_connections_are_of_the_names_asked_for(lab, plan):
    """No more than are allowed, the newest of them."""
    chain, key = make_certificate("pod", ["pod.example"])
    (Path(lab.dir) / "pod.pem").write_bytes(chain + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(lab.dir) / "pod.pem")
    asked = []
    context.sni_callback = lambda secure, name, _: asked.append(name)

    def behave(server, sock):
        with context.wrap_socket(sock, server_side=True) as secure:
            while read_head(secure):
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsealed")

    server = Server(lab, "web-1a", 9108, behave)
    plan.pool("web", ["web-1a"], port=9108, tls=True, idle_connections=2)
    plan.rule("", "/", "web")
    plan.apply()
    for name in "ababcccab":
        assert lab.curl("-H", f"Host: {name}", url(VIP)).stdout == "sealed"
    assert "".join(asked) == "abcab"
    server.close()


def test_passthrough_by_name(lab, plan):
    folder = Path(lab.dir)
    (folder / "inner.pem").write_bytes(b"".join(make_certificate("inner", ["p.example"])))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "inner.pem")

    def behave(server, sock):
        with context.wrap_socket(sock, server_side=True) as secure:
            while data := secure.recv(65536):
                secure.sendall(data[::-1])

    server = Server(lab, "web-1b", 9107, behave)
    plan.pool("web", ["web-1a"])
    plan.pool("inner", ["web-1b"], port=9107)
    plan.rule("", "/", "web")
    plan.certificate("ours", "")
    plan.passed["p.example"] = "inner"
    plan.apply()
    assert shown(lab, "p.example") == "inner"
    assert shown(lab, "q.example") == "ours"
    with tls(lab, "p.example") as secure:
        secure.sendall(b"abc" * 20000)
        got = b""
        while len(got) < 60000:
            got += secure.recv(65536)
        assert got.count(b"cba") > 19900
    assert "200 OK" in lab.curl("-k", "-i", f"https://{VIP}/").stdout
    assert "200 OK" in lab.curl("-i", url(VIP)).stdout
    server.close()
