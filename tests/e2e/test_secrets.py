# SPDX-License-Identifier: BSD-3-Clause
"""What stands in Secrets for TLS: all that serves, and what of the rest is told while the last good one serves on."""

import base64
import ssl

import pytest

import harness  # noqa: F401  (the lab fixture's)
from test_ingress import SETTINGS, VIP, ingress, path, settle, web_service
from test_kube import use_cluster
from topology import run, wait_until

pytestmark = pytest.mark.sanitized
HOST = "secret.example"
EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
CA = """[ca]
default_ca = one
[one]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
copy_extensions = copy
unique_subject = no
policy = any
[any]
commonName = optional
"""


class Maker:
    """Keys, certificates of an issuer of its own, and what else can be made of them."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0
        self.issuer = self.self_signed(*EC)[0]
        (folder / "ca.pem").write_text(self.issuer)
        (folder / "key1").rename(folder / "ca.key")
        (folder / "index").write_text("")
        (folder / "serial").write_text("1000\n")
        (folder / "ca.conf").write_text(CA.format(folder=folder))

    def key_file(self):
        self.count += 1
        return self.folder / f"key{self.count}"

    def self_signed(self, *kind, name=HOST):
        key = self.key_file()
        chain = run("openssl", "req", "-x509", "-newkey", *(kind or EC), "-nodes", "-days", "9", "-subj",
                    f"/CN={name}", "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", key).stdout
        return chain, key.read_text()

    def issued(self, begin="20260101000000Z", end="20360101000000Z", subject=f"/CN={HOST}"):
        key, request = self.key_file(), self.folder / "csr"
        run("openssl", "req", "-newkey", *EC, "-nodes", "-subj", subject, "-addext",
            f"subjectAltName=DNS:{HOST}", "-keyout", key, "-out", request)
        chain = run("openssl", "ca", "-batch", "-notext", "-config", self.folder / "ca.conf", "-keyfile",
                    self.folder / "ca.key", "-cert", self.folder / "ca.pem", "-startdate", begin, "-enddate",
                    end, "-in", request).stdout
        return chain, key.read_text()

    def converted(self, key, *words):
        file = self.key_file()
        file.write_text(key)
        return run("openssl", *words, "-in", file).stdout


def secret(data):
    encoded = {key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
               for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one"}, "type": "kubernetes.io/tls",
            "data": encoded}


def pair(chain, key):
    return {"tls.crt": chain, "tls.key": key}


def der(chain):
    begin = chain.index("-----BEGIN")
    return ssl.PEM_cert_to_DER_cert(chain[begin:chain.index("-----END", begin)] + "-----END CERTIFICATE-----")


def shown(lab):
    """What the server shows, in DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with lab.client.socket() as sock:
        sock.settimeout(5)
        sock.connect((VIP, 443))
        with context.wrap_socket(sock, server_hostname=HOST) as secure:
            return secure.getpeercert(binary_form=True)


def told(lab, cluster="lab"):
    return [row for row in lab.rows("problems") if row["object"] == f"Secret {cluster}/default/one"]


@pytest.fixture(scope="module")
def lab(make_module_lab):
    made = make_module_lab(settings=SETTINGS)
    made.apply("services", *web_service(made, "one", ["web-1a"]))
    made.apply("ingress", ingress("one", {HOST: [path("/", "one")]},
                                  tls=[{"hosts": [HOST], "secretName": "one"}]))
    settle(made, 1)
    return made


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    return Maker(tmp_path_factory.mktemp("secrets"))


@pytest.fixture
def good(lab, maker):
    """The Secret that serves before; afterwards it does again, whatever was there meanwhile."""
    chain, key = maker.issued()
    lab.apply("secret", secret(pair(chain, key)))
    wait_until(lambda: shown(lab) == der(chain), "the first in use", 3)
    assert not told(lab)
    yield chain, key
    lab.apply("secret", secret(pair(chain, key)))
    wait_until(lambda: shown(lab) == der(chain), "mended", 3)
    assert not told(lab)


def garbage(text):
    lines = text.splitlines()
    lines[2] = "!" * 64
    return "\n".join(lines) + "\n"


BAD = {
    "of another certificate": (lambda m, c, k: pair(c, m.issued()[1]), ["does not belong"]),
    "no PEM": (lambda m, c, k: pair("none", "none"), ["tls.crt: no certificate", "tls.key: no private key"]),
    "damaged certificate": (lambda m, c, k: pair(garbage(c), k), ["tls.crt: certificate 1 cannot be read"]),
    "damaged issuer": (lambda m, c, k: pair(c + garbage(m.issuer), k), ["tls.crt: certificate 2 cannot be read"]),
    "damaged key": (lambda m, c, k: pair(c, garbage(k)), ["tls.key: no private key"]),
    "cut off": (lambda m, c, k: pair(c[:-30], k), ["tls.crt: certificate 1 cannot be read"]),
    "no key": (lambda m, c, k: {"tls.crt": c}, ["tls.crt and tls.key"]),
    "empty key": (lambda m, c, k: pair(c, ""), ["tls.crt and tls.key"]),
    "nothing": (lambda m, c, k: {}, ["tls.crt and tls.key"]),
    "issuer first": (lambda m, c, k: pair(m.issuer + c, k), ["belongs to certificate 2", "to be the first"]),
    "with a password": (lambda m, c, k: pair(c, m.converted(k, "pkcs8", "-topk8", "-passout", "pass:x")),
                        ["tls.key: found a key with a password"]),
    "with an old password": (lambda m, c, k: pair(c, m.converted(k, "ec", "-aes128", "-passout", "pass:x")),
                             ["tls.key: found a key with a password"]),
    "weak": (lambda m, c, k: pair(*m.self_signed("rsa:1024")), ["RSA key of 1024 bits"]),
    "curve": (lambda m, c, k: pair(*m.self_signed("ec", "-pkeyopt", "ec_paramgen_curve:secp256k1")),
              ["another curve"]),
    "many": (lambda m, c, k: pair(c + m.issuer * 10, k), ["11 certificates"]),
    "DER": (lambda m, c, k: pair(der(c), k), ["tls.crt: no certificate"]),
    "exchanged": (lambda m, c, k: pair(k, c), ["tls.crt: no certificate", "tls.key: no private key"]),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_one_is_told_and_the_last_good_one_serves(lab, maker, good, what):
    make, words = BAD[what]
    lab.apply("secret", secret(make(maker, *good)))
    row = wait_until(lambda: told(lab), "told", 3)[0]
    texts = "\n".join(row["text"] for row in told(lab))
    assert row["level"] == "error" and "secret.yaml:" in row["where"]
    assert all(word in texts for word in words), texts
    assert shown(lab) == der(good[0])


def test_no_base64(lab, good):
    lab.apply("secret", secret({}) | {"data": pair("a!b=", "YQ")})
    row = wait_until(lambda: told(lab), "told", 3)[0]
    assert "data.tls.crt: expected base64" in row["text"] and "secret.yaml:" in row["where"]
    assert shown(lab) == der(good[0])


def sec1(maker, key):
    return maker.converted(key, "ec")


GOOD = {
    "SEC1": lambda m, c, k: pair(c, sec1(m, k)),
    "EC PARAMETERS ahead": lambda m, c, k: pair(
        c, run("openssl", "ecparam", "-name", "prime256v1").stdout + sec1(m, k)),
    "CRLF": lambda m, c, k: pair(c.replace("\n", "\r\n"), k.replace("\n", "\r\n")),
    "text ahead": lambda m, c, k: pair("subject=CN = x\n\n" + c + "and behind\n" + m.issuer, "# ours\n" + k),
    "no line end": lambda m, c, k: pair(c.rstrip(), k.rstrip()),
    "both in both": lambda m, c, k: pair(c + k, c + k),
    "PKCS#1": lambda m, c, k: (lambda one: pair(one[0], m.converted(one[1], "rsa", "-traditional")))(
        m.self_signed("rsa:2048")),
    "RSA 4096": lambda m, c, k: pair(*m.self_signed("rsa:4096")),
    "Ed25519": lambda m, c, k: pair(*m.self_signed("ed25519")),
    "P-384": lambda m, c, k: pair(*m.self_signed("ec", "-pkeyopt", "ec_paramgen_curve:P-384")),
    "P-521": lambda m, c, k: pair(*m.self_signed("ec", "-pkeyopt", "ec_paramgen_curve:P-521")),
    "no subject": lambda m, c, k: pair(*m.issued(subject="/")),
    "ten": lambda m, c, k: pair(c + m.issuer * 9, k),
}


@pytest.mark.parametrize("what", GOOD)
def test_what_serves(lab, maker, good, what):
    made = GOOD[what](maker, *maker.issued())
    lab.apply("secret", secret(made))
    wait_until(lambda: shown(lab) == der(made["tls.crt"]), "in use", 3)
    assert not told(lab)


@pytest.mark.parametrize("begin, end, text", [
    ("20200101000000Z", "20200201000000Z", "tls.crt expired"),
    ("20400101000000Z", "20400201000000Z", "tls.crt is not valid before"),
])
def test_out_of_its_time(lab, maker, good, begin, end, text):
    """It is the newest, so it is served; and it is told."""
    made = maker.issued(begin, end)
    lab.apply("secret", secret(pair(*made)))
    wait_until(lambda: shown(lab) == der(made[0]), "in use", 3)
    row = wait_until(lambda: told(lab), "told", 3)[0]
    assert text in row["text"] and row["level"] == "warning" and "secret.yaml:" in row["where"]


def test_over_restarts(lab, maker, good):
    """What was good before either process ended is in use when both have begun again with a bad one."""
    wait_until(lab.box.kept, "the first on the disk", 10)
    lab.apply("secret", secret(pair(good[0], maker.issued()[1])))
    wait_until(lambda: told(lab), "told", 3)
    for name in ("sluice-controlplane", "sluice-controlplane", "sluice-dataplane"):
        lab.box.kill(name)
        lab.box.start(name)
        wait_until(lambda: lab.box.sluice("show", "status", check=False).returncode == 0, "running", 10)
        lab.wait_in_force()
        assert "does not belong" in told(lab)[0]["text"] and len(told(lab)) == 1
        assert shown(lab) == der(good[0])


def test_issuers_out_of_order(lab, maker, good):
    """Sent as they are, for some clients find their way; and told."""
    chain, key = maker.issued()
    lab.apply("secret", secret(pair(chain + maker.self_signed(name="stranger")[0] + maker.issuer, key)))
    wait_until(lambda: shown(lab) == der(chain), "in use", 3)
    row = wait_until(lambda: told(lab), "told", 3)[0]
    assert "certificate 2 is not the issuer of the one before" in row["text"] and row["level"] == "warning"


def test_of_a_live_cluster_over_restarts(make_lab, maker):
    """The same, where what the cluster said last is on the disk, too."""
    lab = make_lab(settings=SETTINGS, start=False)
    api = use_cluster(lab)
    chain, key = maker.issued()
    made = {**secret(pair(chain, key)), "metadata": {"name": "one", "namespace": "default"}}
    api.apply(*web_service(lab, "one", ["web-1a"]), made, ingress(
        "one", {HOST: [path("/", "one")]}, tls=[{"hosts": [HOST], "secretName": "one"}]))
    lab.box.start_all()
    try:
        lab.box.wait_answers()
        wait_until(lambda: shown(lab) == der(chain), "the first in use", 10)
        wait_until(lab.box.kept, "the first on the disk", 10)
        api.apply({**made, **secret(pair(chain, maker.issued()[1])), "metadata": made["metadata"]})
        wait_until(lambda: told(lab, "prod"), "told", 5)
        assert shown(lab) == der(chain)
        for _ in range(2):
            lab.box.kill("sluice-controlplane")
            lab.box.start("sluice-controlplane")
            lab.box.wait_answers()
            wait_until(lambda: told(lab, "prod"), "told", 10)
            lab.wait_in_force()
            assert shown(lab) == der(chain)
        made = {**secret(pair(*maker.issued())), "metadata": made["metadata"]}
        api.apply(made)
        wait_until(lambda: not told(lab, "prod"), "mended", 5)
        lab.wait_in_force()
        assert shown(lab) != der(chain)
    finally:
        api.down()
