# SPDX-License-Identifier: BSD-3-Clause
"""Which certificate a ClientHello gets, whatever it asks for; and tickets on a box of four workers."""

import re

import pytest

import harness  # noqa: F401  (the lab fixture's)
from test_ingress import SETTINGS, VIP, certificate, curl, ingress, path, secret, settle, web_service
from test_workers import four_workers
from topology import wait_until

OURS = "sluice.invalid"
LONG = ".".join(["a" * 63] * 3) + ".example"


@pytest.fixture(scope="module")
def lab(make_module_lab):
    made = make_module_lab(settings=SETTINGS, adjust=four_workers)
    made.apply("services", *web_service(made, "one", ["web-1a"]), *web_service(made, "two", ["web-1b"]))
    return made


@pytest.fixture(scope="module")
def names(lab, tmp_path_factory):
    """Ingresses for some names, each certificate called after its Secret."""
    folder = tmp_path_factory.mktemp("names")

    def make(name, hosts, kind="ec", namespace="default"):
        chain, key, _ = certificate(folder, name, hosts, kind)
        made = secret(name, chain, key)
        made["metadata"]["namespace"] = namespace
        return made

    def named(name, hosts, tls, created, namespace="default"):
        made = ingress(name, {host: [path("/", "one")] for host in hosts}, tls=tls, created=created)
        made["metadata"]["namespace"] = namespace
        return made

    lab.apply(
        "names", make("exact", ["a.sni.example"]), make("wild", ["*.sni.example"]),
        make("exact-rsa", ["a.sni.example"], "rsa"), make("long", [LONG]),
        make("covers", ["covered.example", "*.also.example"]), make("old", ["twice.example"]),
        make("young", ["twice.example"], namespace="other"),
        make("young-rsa", ["twice.example"], "rsa", namespace="other"), make("case", ["Case.Example"]),
        named("first", ["a.sni.example", "b.sni.example", LONG], [
            {"hosts": ["a.sni.example"], "secretName": "exact"},
            {"hosts": ["a.sni.example"], "secretName": "exact-rsa"},
            {"hosts": ["*.sni.example"], "secretName": "wild"},
            {"hosts": [LONG], "secretName": "long"},
            {"hosts": ["CASE.example"], "secretName": "case"}], "2024-01-01T00:00:00Z"),
        named("covered", ["covered.example", "x.also.example", "y.x.also.example", "none.example"],
              [{"secretName": "covers"}], "2024-01-02T00:00:00Z"),
        named("old", ["twice.example"], [{"hosts": ["twice.example"], "secretName": "old"}],
              "2024-01-03T00:00:00Z"),
        named("young", ["twice.example"], [
            {"hosts": ["twice.example"], "secretName": "young"},
            {"hosts": ["twice.example"], "secretName": "young-rsa"}], "2024-01-04T00:00:00Z", "other"))
    settle(lab, 4)
    return lab


def client(lab, *words):
    return lab.client.run("sh", "-c", f"openssl s_client -connect {VIP}:443 {' '.join(words)} 2>&1 </dev/null",
                          check=False).stdout


def shown(lab, name, *words):
    """The name in the certificate's subject, or the alert."""
    out = client(lab, *(["-servername", name] if name else ["-noservername"]), *words)
    found = re.search(r"subject=CN = (\S+)", out)
    return found.group(1) if found else re.search(r"SSL alert number (\d+)|unexpected eof", out).group(0)


@pytest.mark.parametrize("name, certificate", [
    ("a.sni.example", "exact"), ("A.SNI.EXAMPLE", "exact"), ("a.sni.example.", "exact"),
    ("b.sni.example", "wild"), ("B.sni.Example.", "wild"), ("c.sni.example", "wild"),
    ("x.b.sni.example", OURS), ("sni.example", OURS), ("*.sni.example", None),
    (LONG, "long"), ("case.example", "case"), ("unknown.example", OURS), ("", OURS),
    (VIP, OURS), ("covered.example", "covers"), ("x.also.example", "covers"),
    ("y.x.also.example", OURS), ("none.example", OURS), ("twice.example", "old"),
    ("a_b.sni.example", "wild"), ("localhost", OURS), ("xn--bcher-kva.sni.example", "wild"),
])
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_who_is_shown(names, name, certificate, version):
    got = shown(names, f"'{name}'" if name else "", version)
    assert got == certificate if certificate else "alert" in got, got


@pytest.mark.parametrize("words, name, certificate", [
    ("-tls1_3 -sigalgs ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256", "a.sni.example", "exact"),
    ("-tls1_3 -sigalgs rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256", "a.sni.example", "exact"),
    ("-tls1_3 -sigalgs rsa_pss_rsae_sha256", "a.sni.example", "exact-rsa"),
    ("-tls1_2 -sigalgs RSA+SHA256", "a.sni.example", "exact-rsa"),
    ("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", "a.sni.example", "exact-rsa"),
    ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", "a.sni.example", "exact"),
    ("-tls1_3 -sigalgs rsa_pss_rsae_sha256", "twice.example", "young-rsa"),
    ("-tls1_3 -sigalgs rsa_pss_rsae_sha256", "b.sni.example", "SSL alert number 40"),
    ("-tls1_3 -sigalgs ecdsa_secp384r1_sha384", "a.sni.example", "SSL alert number 40"),
])
def test_which_kind_of_key(names, words, name, certificate):
    assert shown(names, name, *words.split()) == certificate


def test_the_younger_is_told(names):
    texts = [row["text"] for row in names.rows("problems") if row["object"] == "Ingress lab/other/young"]
    assert any('host "twice.example" has its certificate of this kind of key by Ingress lab/default/old' in text
               for text in texts), texts


def test_the_host_need_not_be_the_name(names):
    words = ("-k", "-H", "Host: b.sni.example")
    assert curl(names, "https://a.sni.example/", *words)[0] == 200
    assert curl(names, "https://unknown.example/", *words)[0] == 200
    assert curl(names, "https://a.sni.example/", "-k", "-H", "Host: elsewhere.example")[0] == 404


def resumed(lab, ticket, version):
    """Whether one more connection resumes; each takes the ticket and leaves a new one where it is given one."""
    out = lab.client.run("sh", "-c", "printf 'GET / HTTP/1.1\\r\\nHost: b.sni.example\\r\\nConnection: close\\r\\n\\r\\n' "
                         f"| openssl s_client -ign_eof {version} -servername b.sni.example -connect {VIP}:443 "
                         f"{'-sess_in' if ticket.exists() else ''} {ticket if ticket.exists() else ''} "
                         f"-sess_out {ticket} 2>&1").stdout
    assert "200 OK" in out
    return "Reused, TLSv1" in out


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_ticket_is_good_at_every_worker_until_a_restart(names, tmp_path, version):
    ticket = tmp_path / "ticket"
    assert not resumed(names, ticket, version)
    for _ in range(12):
        assert resumed(names, ticket, version)
    names.box.kill("sluice-dataplane")
    names.box.start("sluice-dataplane")
    wait_until(lambda: curl(names, "http://b.sni.example/")[0] in (200, 308), "served again", 10)
    assert not resumed(names, ticket, version)
    assert resumed(names, ticket, version)
