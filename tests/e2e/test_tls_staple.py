# SPDX-License-Identifier: BSD-3-Clause
"""The OCSP response of a Secret is stapled for those who ask for it, and left out when it is stale."""

import base64
import datetime
import re

import pytest

import harness  # noqa: F401  (the lab fixture's)
from test_ingress import SETTINGS, VIP, curl, ingress, path, web_service
from topology import run, wait_until

HOST = "staple.example"


@pytest.fixture(scope="module")
def lab(make_module_lab):
    made = make_module_lab(settings=SETTINGS)
    made.apply("services", *web_service(made, "one", ["web-1a"]))
    made.apply("ingress", ingress("staple", {HOST: [path("/", "one")]},
                                  tls=[{"hosts": [HOST], "secretName": "staple"}]))
    return made


class Authority:
    """An issuer, a certificate of it, and what it says of that."""

    def __init__(self, folder, name="issuer", key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), serial="1234"):
        self.folder, self.serial = folder, serial
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "9", "-subj", f"/CN={name}", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
        run("openssl", "req", "-newkey", *key, "-nodes",
            "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}",
            "-keyout", folder / "key", "-out", folder / "csr")
        run("openssl", "x509", "-req", "-in", folder / "csr", "-CA", folder / "ca.pem", "-CAkey",
            folder / "ca.key", "-set_serial", f"0x{serial}", "-days", "9", "-copy_extensions", "copy",
            "-out", folder / "pem")

    def response(self, state):
        """DER of what it says: V is valid, R revoked."""
        end = (datetime.datetime.utcnow() + datetime.timedelta(days=9)).strftime("%y%m%d%H%M%SZ")
        revoked = "250101000000Z" if state == "R" else ""
        (self.folder / "index").write_text(f"{state}\t{end}\t{revoked}\t{self.serial}\tunknown\t/CN={HOST}\n")
        run("openssl", "ocsp", "-index", self.folder / "index", "-CA", self.folder / "ca.pem", "-rsigner",
            self.folder / "ca.pem", "-rkey", self.folder / "ca.key", "-issuer", self.folder / "ca.pem",
            "-cert", self.folder / "pem", "-ndays", "2", "-respout", self.folder / "der", "-noverify")
        return (self.folder / "der").read_bytes()

    def secret(self, staple, name="staple"):
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
                "type": "kubernetes.io/tls",
                "data": {"tls.crt": base64.b64encode((self.folder / "pem").read_bytes()
                                                     + (self.folder / "ca.pem").read_bytes()).decode(),
                         "tls.key": base64.b64encode((self.folder / "key").read_bytes()).decode(),
                         **({"tls.ocsp-staple": base64.b64encode(staple).decode()} if staple else {})}}


def asked(lab, *words):
    return lab.client.run("sh", "-c", f"openssl s_client -connect {VIP}:443 -servername {HOST} "
                          f"{' '.join(words)} 2>&1 </dev/null", check=False).stdout


def test_stapled(lab, tmp_path):
    authority = Authority(tmp_path)
    lab.apply("secret", authority.secret(authority.response("V")))
    for version in ("-tls1_2", "-tls1_3"):
        out = wait_until(lambda v=version: (text := asked(lab, v, "-status"))
                         and "OCSP Response Status: successful" in text and text, "a staple", 5)
        assert re.search(r"Cert Status: good", out) and "Serial Number: 1234" in out
        assert "OCSP Response Status" not in asked(lab, version)  # nobody asked
    assert curl(lab, f"https://{HOST}/", "--cacert", str(tmp_path / "ca.pem"), "--cert-status")[0] == 200


def expired(response):
    """It is signed for other times, which is not the server's to check."""
    return re.sub(rb"\x18\x0f20\d\d", b"\x18\x0f2020", response)


@pytest.mark.parametrize("make, text", [
    (lambda own, other: own.response("R"), "says that the certificate is not good"),
    (lambda own, other: expired(own.response("V")), "is out of date"),
    (lambda own, other: other.response("V"), "is about another certificate"),
    (lambda own, other: b"none", "is no successful OCSP response"),
], ids=["revoked", "expired", "another's", "garbage"])
def test_what_is_not_shown(lab, tmp_path, make, text):
    """It is told; the certificate serves on without, as the newest."""
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
    own, other = Authority(tmp_path / "own"), Authority(tmp_path / "other", "another issuer")
    lab.apply("secret", own.secret(own.response("V")))
    wait_until(lambda: "Cert Status: good" in asked(lab, "-status"), "a staple", 5)
    lab.apply("secret", own.secret(make(own, other)))
    wait_until(lambda: "no response sent" in asked(lab, "-status"), "no staple", 5)
    assert curl(lab, f"https://{HOST}/", "--cacert", str(tmp_path / "own/ca.pem"))[0] == 200
    row = next(row for row in lab.rows("problems") if row["object"] == "Secret lab/default/staple")
    assert f"tls.ocsp-staple {text}" in row["text"] and row["level"] == "warning"
    assert "secret.yaml:" in row["where"]
    assert not next(row["stapled"] for row in lab.rows("certificates")
                    if row["certificate"] == "lab/default/staple")


def test_each_kind_of_key_has_its_own(lab, tmp_path):
    """RSA and ECDSA for one host: each with what is about it, or without."""
    for name in ("ecdsa", "rsa"):
        (tmp_path / name).mkdir()
    ecdsa, rsa = Authority(tmp_path / "ecdsa"), Authority(tmp_path / "rsa", key=("rsa:2048",), serial="5678")
    lab.apply("ingress", ingress("staple", {HOST: [path("/", "one")]}, tls=[
        {"hosts": [HOST], "secretName": name} for name in ("staple", "rsa")]))
    lab.apply("secret", ecdsa.secret(None), rsa.secret(rsa.response("V"), "rsa"))
    ciphers = {"1234": "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256",
               "5678": "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256"}
    wait_until(lambda: "Serial Number: 5678" in asked(lab, ciphers["5678"], "-status"), "a staple", 5)
    assert "no response sent" in asked(lab, ciphers["1234"], "-status")
    lab.apply("secret", ecdsa.secret(ecdsa.response("V")), rsa.secret(rsa.response("V"), "rsa"))
    wait_until(lambda: "Serial Number: 1234" in asked(lab, ciphers["1234"], "-status"), "both", 5)
    assert "Serial Number: 5678" in asked(lab, ciphers["5678"], "-status")
    for signatures, serial in (("rsa_pss_rsae_sha256", "5678"), ("ecdsa_secp256r1_sha256", "1234")):
        assert f"Serial Number: {serial}" in asked(lab, "-tls1_3", "-sigalgs", signatures, "-status")
