# SPDX-License-Identifier: BSD-3-Clause
"""Endpoints that speak TLS, as Ingresses ask for them: whom we say we want, whom we take, what we show."""

import base64
import contextlib
import json
import ssl
import subprocess
from pathlib import Path

import pytest

import harness
import objects
from proxied import Server, read_head
from test_ingress import SETTINGS, curl, ingress, path, settle, web_service
from topology import run, wait_until

pytestmark = pytest.mark.sanitized
PORT = 9443
PREFIX = "nginx.ingress.kubernetes.io/"


class Authority:
    """An issuer, and certificates of it."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "9", "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key", "-out", self.file)

    @property
    def file(self):
        return self.folder / f"{self.name}.pem"

    def pair(self, name, days=9):
        """(certificate, key) for a name, as text."""
        key, request = self.folder / f"{name}.key", self.folder / "csr"
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", request)
        out = run("openssl", "x509", "-req", "-in", request, "-CA", self.file, "-CAkey",
                  self.folder / f"{self.name}.key", "-days", str(days), "-copy_extensions", "copy").stdout
        return out[out.index("-----BEGIN"):], key.read_text()


def secret(name, kind="Opaque", **data):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"},
            "type": kind, "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}}


def trust(text):
    return secret("trust", **{"ca.crt": text})


class Pod(Server):
    """Over TLS, whose names and certificates it notes; it answers with what it saw."""

    def __init__(self, lab, authority, clients=None, pair=None):
        chain, key = pair or authority.pair("pod.example")
        (authority.folder / "served.pem").write_text(chain + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.folder / "served.pem")
        context.sni_callback = lambda secure, name, _: setattr(secure, "asked", name)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients.file)
        self.context, self.connections = context, 0
        super().__init__(lab, "web-1a", PORT, type(self).serve)

    def serve(self, sock):
        with self.context.wrap_socket(sock, server_side=True) as secure:
            self.connections += 1
            shown = secure.getpeercert()
            serial = shown.get("serialNumber", "") if shown else ""
            while read_head(secure):
                body = f"{getattr(secure, 'asked', None)} {serial}".encode()
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@pytest.fixture(scope="module")
def lab(make_module_lab):
    def logged(settings):
        settings["access_log"] = {"path": f"{settings['run_dir']}/access.log"}

    made = make_module_lab(settings=SETTINGS, adjust=logged)
    made.apply("services", *web_service(made, "one", ["web-1b"]),
               objects.service("secure", [("https", "TCP", 443, PORT)], type="ClusterIP"),
               objects.endpoint_slice("secure", "IPv4", [("https", "TCP", PORT)],
                                      made.endpoints(pods=["web-1a"])))
    return made


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "issuer")


@pytest.fixture
def reached(lab):
    """reached(host, ..., annotation=value): an Ingress for the Service behind TLS."""
    def apply(*hosts, **annotations):
        words = {f"{PREFIX}{key.replace('_', '-')}": value for key, value in annotations.items()}
        lab.apply("ingress", ingress("secure", {host: [path("/", "secure", port=443)] for host in hosts},
                                     {f"{PREFIX}backend-protocol": "HTTPS", **words}))
        settle(lab, 1)

    yield apply
    for file in ("ingress", "trust", "shown"):
        with contextlib.suppress(FileNotFoundError):
            lab.remove(file)
    settle(lab, 0)


def problems(lab, text):
    return [row for row in lab.rows("problems") if text in row["text"]]


def serial(pair):
    out = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=pair[0], capture_output=True,
                         check=True, text=True).stdout
    return out.strip().split("=")[1]


def test_the_requests_host_is_asked_for_and_checked(lab, authority, reached):
    """Without proxy-ssl-name; a connection that was made for one name is not for another."""
    lab.apply("trust", trust(authority.file.read_text()))
    reached("pod.example", "other.example", proxy_ssl_secret="default/trust", proxy_ssl_verify="on")
    with contextlib.closing(Pod(lab, authority)):
        for _ in range(2):
            assert curl(lab, "http://pod.example/")[:2] == (200, "pod.example")
            assert curl(lab, "http://other.example/")[0] == 502


def test_a_name_of_its_own(lab, authority, reached):
    lab.apply("trust", trust(authority.file.read_text()))
    reached("a.example", proxy_ssl_secret="default/trust", proxy_ssl_verify="on", proxy_ssl_name="pod.example")
    with contextlib.closing(Pod(lab, authority)) as pod:
        for _ in range(3):
            assert curl(lab, "http://a.example/")[:2] == (200, "pod.example")
        assert pod.connections == 1


def test_without_verification(lab, authority, reached):
    """The name is told all the same; one for each of the names that are asked for."""
    reached("a.example", "b.example")
    with contextlib.closing(Pod(lab, authority)) as pod:
        for host in ("a.example", "b.example", "a.example", "b.example"):
            assert curl(lab, f"http://{host}/")[:2] == (200, host)
        assert pod.connections == 2


@pytest.mark.parametrize("what", ["no Secret named", "Secret not there", "Secret without ca.crt"])
def test_what_cannot_be_verified_is_not_reached(lab, authority, reached, what):
    words = {} if what == "no Secret named" else {"proxy_ssl_secret": "default/trust"}
    if what == "Secret without ca.crt":
        lab.apply("trust", secret("trust", other="x"))
    reached("pod.example", proxy_ssl_verify="on", **words)
    with contextlib.closing(Pod(lab, authority)):
        assert curl(lab, "http://pod.example/")[0] == 503
        assert problems(lab, "proxy-ssl-verify")
        if words:
            lab.apply("trust", trust(authority.file.read_text()))
            wait_until(lambda: curl(lab, "http://pod.example/")[0] == 200, "verified", 3)


def test_a_secret_of_another_namespace_is_not_used(lab, authority, reached):
    other = trust(authority.file.read_text())
    other["metadata"]["namespace"] = "other"
    lab.apply("trust", other)
    reached("pod.example", proxy_ssl_secret="other/trust", proxy_ssl_verify="on")
    with contextlib.closing(Pod(lab, authority)):
        assert curl(lab, "http://pod.example/")[0] == 503
        assert problems(lab, "another namespace")


@pytest.mark.parametrize("text", ["junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_bad_ca_is_its_secrets_matter_alone(lab, authority, reached, text):
    lab.apply("trust", trust(authority.file.read_text()))
    reached("pod.example", proxy_ssl_secret="default/trust", proxy_ssl_verify="on")
    with contextlib.closing(Pod(lab, authority)):
        assert curl(lab, "http://pod.example/")[0] == 200
        lab.apply("trust", trust(text))
        row = wait_until(lambda: problems(lab, "ca.crt"), "told", 3)[0]
        assert "trust.yaml:" in row["where"] and "Secret lab/default/trust" in row["object"]
        lab.apply("more", ingress("more", {"more.example": [path("/", "one")]}))
        settle(lab, 2)
        assert curl(lab, "http://more.example/")[0] == 200
        assert curl(lab, "http://pod.example/")[0] == 200
        other = Authority(authority.folder, "other")
        lab.apply("trust", trust(other.file.read_text()))
        wait_until(lambda: curl(lab, "http://pod.example/")[0] == 502, "the new issuer in force", 3)
        lab.apply("trust", trust("# ours\n" + other.file.read_text() + authority.file.read_text()))
        wait_until(lambda: curl(lab, "http://pod.example/")[0] == 200, "both issuers in force", 3)
        lab.remove("more")


def test_our_certificate_is_rotated(lab, authority, reached):
    """The endpoint asks for one: a changed Secret is shown to it at once."""
    clients = Authority(authority.folder, "clients")
    first, second = clients.pair("us"), clients.pair("us")
    lab.apply("shown", secret("shown", "kubernetes.io/tls", **{"tls.crt": first[0], "tls.key": first[1]}))
    reached("a.example", proxy_ssl_secret="default/shown")
    with contextlib.closing(Pod(lab, authority, clients=clients)):
        assert curl(lab, "http://a.example/")[1] == f"a.example {serial(first)}"
        lab.apply("shown", secret("shown", "kubernetes.io/tls", **{"tls.crt": second[0], "tls.key": second[1]}))
        wait_until(lambda: curl(lab, "http://a.example/")[1] == f"a.example {serial(second)}", "the second", 3)


def expired(authority):
    """A certificate of 2020, and its key."""
    folder = authority.folder
    (folder / "ca.conf").write_text(f"[ca]\ndefault_ca=one\n[one]\ndatabase={folder}/index\nrand_serial=yes\n"
                                    f"new_certs_dir={folder}\ndefault_md=sha256\ncopy_extensions=copy\n"
                                    "policy=any\n[any]\ncommonName=supplied\n")
    (folder / "index").write_text("")
    _, key = authority.pair("pod.example")
    chain = run("openssl", "ca", "-batch", "-notext", "-config", folder / "ca.conf", "-keyfile",
                folder / f"{authority.name}.key", "-cert", authority.file, "-startdate", "20200101000000Z",
                "-enddate", "20200201000000Z", "-in", folder / "csr").stdout
    return chain, key


def cut(server, sock):
    sock.recv(65536)


def reset(server, sock):
    sock.recv(65536)
    harness.Lab.abort(sock)


def plain(server, sock):
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("what, why", [
    ("name", "peer_name"), ("issuer", "peer_untrusted"), ("expired", "peer_expired"),
    ("wants ours", "alert_certificate"), ("plain", "bad_record"), ("cut", "truncated"),
    ("reset", "truncated"), ("refused", None),
])
def test_why_it_failed(lab, authority, reached, tmp_path, what, why):
    """In the access log by name, and counted."""
    lab.apply("trust", trust(authority.file.read_text()))
    reached("pod.example", "other.example", proxy_ssl_secret="default/trust", proxy_ssl_verify="on")
    host = "other.example" if what == "name" else "pod.example"
    behave = {"cut": cut, "reset": reset, "plain": plain}.get(what)
    if behave:
        server = Server(lab, "web-1a", PORT, behave)
    elif what == "refused":
        server = contextlib.nullcontext()
        server.close = lambda: None
    else:
        issuer = Authority(tmp_path, "stranger") if what == "issuer" else authority
        server = Pod(lab, issuer, clients=authority if what == "wants ours" else None,
                     pair=expired(authority) if what == "expired" else None)
    log = Path(lab.box.settings["access_log"]["path"])
    with contextlib.closing(server):
        before = log.read_text() if log.exists() else ""
        status = curl(lab, f"http://{host}/")[0]
        line = json.loads(wait_until(lambda: log.read_text()[len(before):].strip(), "logged", 3))
    assert status == 502
    # With TLS 1.3 the endpoint says what it thinks of us when the handshake is over for us.
    refusal = {"wants ours": "upstream_broke", "refused": "connect_failed"}.get(what, "upstream_tls")
    assert (line["refusal"], line.get("upstream_tls")) == (refusal, why)
    counts = {row["reason"]: row["count"] for row in lab.box.show("requests")["requests"]["refused"]}
    assert counts[line["refusal"]] and (not why or counts[why])
