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

    def __init__(self, folder):
        self.folder = folder
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "9", "-subj", "/CN=issuer", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}",
            "-keyout", folder / "key", "-out", folder / "csr")
        run("openssl", "x509", "-req", "-in", folder / "csr", "-CA", folder / "ca.pem", "-CAkey",
            folder / "ca.key", "-set_serial", "0x1234", "-days", "9", "-copy_extensions", "copy",
            "-out", folder / "pem")

    def response(self, state):
        """DER of what it says: V is valid, R revoked."""
        end = (datetime.datetime.utcnow() + datetime.timedelta(days=9)).strftime("%y%m%d%H%M%SZ")
        revoked = "250101000000Z" if state == "R" else ""
        (self.folder / "index").write_text(f"{state}\t{end}\t{revoked}\t1234\tunknown\t/CN={HOST}\n")
        run("openssl", "ocsp", "-index", self.folder / "index", "-CA", self.folder / "ca.pem", "-rsigner",
            self.folder / "ca.pem", "-rkey", self.folder / "ca.key", "-issuer", self.folder / "ca.pem",
            "-cert", self.folder / "pem", "-ndays", "2", "-respout", self.folder / "der", "-noverify")
        return (self.folder / "der").read_bytes()

    def secret(self, staple):
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "staple"},
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
    # One that says "revoked" is not shown, and that is told; the certificate serves on.
    lab.apply("secret", authority.secret(authority.response("R")))
    wait_until(lambda: "no response sent" in asked(lab, "-status"), "no staple", 5)
    assert curl(lab, f"https://{HOST}/", "--cacert", str(tmp_path / "ca.pem"))[0] == 200
    # Nor one of another certificate.
    other = Authority(tmp_path / "other") if (tmp_path / "other").mkdir() is None else None
    lab.apply("secret", other.secret(authority.response("V")))
    wait_until(lambda: curl(lab, f"https://{HOST}/", "--cacert", str(tmp_path / "other/ca.pem"))[0] == 200,
               "the other certificate", 5)
