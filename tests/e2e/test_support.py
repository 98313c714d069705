# SPDX-License-Identifier: BSD-3-Clause
"""support-bundle: everything that helps, and none of the secrets that were planted everywhere."""

import base64
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from topology import run, wait_until

PORTS = [("echo", "TCP", 7000, 9000)]
PORT = 8443
BGP_PASSWORD = "bgp pa$$w0rd of tor1"
KUBE_TOKEN = "kube-" + "4f9d1c" * 6
FILE_TOKEN = "file-" + "a77b02" * 6
PASSPHRASE = "tomato-ladder-42"
ADMIN_HASH = "$6$r0undsalt$" + "Zx9/kQ" * 12
JWT = ("eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJrdWJlcm5ldGVzIiwic3ViIjoic2EifQ."
       "c2lnbmF0dXJlLW9mLXRoZS10b2tlbg")
LOG = "an ordinary line of the log"


def make_key(directory, name):
    key, chain = directory / f"{name}.key", directory / f"{name}.crt"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", key, "-out", chain, "-subj", f"/CN={name}.example", "-days", "30",
        "-addext", f"subjectAltName=DNS:{name}.example")
    return key.read_text(), chain.read_text()


def lines_of(pem):
    return [line for line in pem.split("\n") if line and "-----" not in line and len(line) > 8]


def secret(name, key, chain):
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": "default"},
            "data": {"tls.crt": base64.b64encode(chain.encode()).decode(),
                     "tls.key": base64.b64encode(key.encode()).decode()}}


def kubeconfig(path, **user):
    """Of a cluster that is not there."""
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.250:6443"}}],
        "users": [{"name": "u", "user": user}]}))
    return str(path)


@pytest.fixture(scope="module")
def lab(make_module_lab):
    lab = make_module_lab(settings={"api": {"https": {"port": PORT}}})
    folder = Path(lab.dir)
    lab.keys = {name: make_key(folder, name) for name in ("secret", "kube", "journal")}
    lab.vip = lab.apply_service("web", PORTS)[0]
    lab.apply("secret", secret("web-tls", *lab.keys["secret"]))
    lab.token = lab.box.sluice("token", "create", "chief", "role", "admin").stdout.strip()
    lab.own_key = own_key(lab)
    (folder / "kube.token").write_text(FILE_TOKEN)
    for path, value in (
        ("bgp.asn", "65001"), ("bgp.router_id", "192.0.2.1"),
        ("bgp.peers.tor1.address", "192.0.2.9"), ("bgp.peers.tor1.asn", "65000"),
        ("bgp.peers.tor1.password", BGP_PASSWORD),
        ("sources.prod.kind", "kube"),
        ("sources.prod.path", kubeconfig(folder / "prod.kubeconfig", **{
            "token": KUBE_TOKEN,
            "client-certificate-data": base64.b64encode(lab.keys["kube"][1].encode()).decode(),
            "client-key-data": base64.b64encode(lab.keys["kube"][0].encode()).decode()})),
        ("sources.dr.kind", "kube"),
        ("sources.dr.path", kubeconfig(folder / "dr.kubeconfig", tokenFile="kube.token")),
    ):
        lab.box.sluice("configure", "set", path, value)
    lab.box.sluice("configure", "commit", "comment", "with secrets")
    # Into the control plane's own log, as a mistake of who types would.
    for text in (lab.token, KUBE_TOKEN, BGP_PASSWORD, lines_of(lab.keys["secret"][0])[0]):
        lab.box.sluice("drain", "vip", text, check=False)
    fake_programs(lab, folder)
    return lab


def own_key(lab):
    """Of the API's certificate: the box has it sealed alone; the backup has it in the clear."""
    bytes_ = subprocess.run(
        ["curl", "-sS", "-XPOST", "--unix-socket", lab.box.api_socket, "http://sluice/v1/backup"],
        capture_output=True, check=True).stdout
    return re.search(rb"-----BEGIN PRIVATE KEY-----.*?-----END", bytes_, re.S).group(0).decode()


def fake_programs(lab, folder):
    """A journal in which somebody has written everything down."""
    journal = "\n".join([
        LOG, f"password={PASSPHRASE} for all", f"the passphrase is: {PASSPHRASE}",
        f"Authorization: Bearer {JWT}", JWT, f"token {lab.token}", f"{KUBE_TOKEN} {FILE_TOKEN}",
        f"peer tor1 with {BGP_PASSWORD}", f"admin:{ADMIN_HASH}:19000", *lab.keys["secret"][0].split("\n"),
        f"one line of a key: {lines_of(lab.keys['kube'][0])[1]}", lab.keys["journal"][0], lab.own_key,
        "https://admin:" + PASSPHRASE + "@registry/", json.dumps({"key": lab.keys["journal"][0]}),
        base64.b64encode(lab.keys["journal"][0].encode()).decode(), LOG])
    lab.programs = folder / "programs"
    lab.programs.mkdir()
    (folder / "journal.txt").write_text(journal)
    program = lab.programs / "journalctl"
    program.write_text(f"#!/bin/sh\nset -eu\ncat {folder}/journal.txt\n")
    program.chmod(0o755)


def planted(lab, journal_only=False):
    secrets = [PASSPHRASE, JWT, JWT.split(".")[1], lab.token.split("_")[1], ADMIN_HASH,
               *lines_of(lab.keys["journal"][0])[:1]]
    if not journal_only:
        secrets += [BGP_PASSWORD, KUBE_TOKEN, FILE_TOKEN]
        for pem in (*(key for key, _ in lab.keys.values()), lab.own_key):
            secrets += lines_of(pem)
    return secrets + [base64.b64encode(lab.keys["journal"][0].encode()).decode()[:60]]


def bundle(lab, *words):
    path = Path(lab.dir, "bundle.tar.gz")
    path.unlink(missing_ok=True)
    env = dict(os.environ, PATH=f"{lab.programs}:{os.environ['PATH']}")
    done = subprocess.run(
        [lab.box.program("sluice"), "--socket", lab.box.api_socket, "support-bundle", path, *words],
        capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as tar:
        files = {member.name.split("/", 1)[1]: tar.extractfile(member).read() for member in tar}
    return files, done


def test_everything_is_in_it_but_secrets(lab):
    files, done = bundle(lab)
    assert f"{len(files)} files are in " in done.stdout and done.stderr == ""
    # What is planted is there to be found, so that its absence means something.
    assert BGP_PASSWORD in lab.box.config.read_text()
    assert lab.token.encode() in Path(lab.dir, "journal.txt").read_bytes()
    for name, content in files.items():
        for text in planted(lab):
            assert text.encode() not in content, f"{name} has {text}"
            assert json.dumps(text)[1:-1].encode() not in content, f"{name} has {text}"
        assert b"BEGIN PRIVATE KEY" not in content, name
    for name in ("vips", "services", "endpoints", "flows", "workers", "ports", "drops", "problems",
                 "routes", "certificates", "status", "version", "log", "config", "history", "bgp"):
        assert json.loads(files[f"show/{name}.json"]), name
    assert json.loads(files["show/vips.json"])["vips"][0]["address"] == lab.vip
    assert b"password = \"(redacted)\";" in files["sluice.conf"]
    assert b"sluice_dataplane_up 1" in files["metrics"]
    assert files["journal/sluice"].decode().count(LOG) == 2
    assert b"processor" in files["system/proc/cpuinfo"]
    assert b"HugePages_Total" in files["system/proc/meminfo"]
    assert "(redacted)" in files["show/log.json"].decode()
    for name in ("system/lspci", "system/addresses", "system/etc/os-release", "README"):
        assert files[name], name
    assert b"those that the box knows" in files["README"]
    for name in files:  # long ones, too, are as they are on the box
        if name.startswith(("system/sys/", "system/proc/", "system/etc/")):
            assert Path("/", name.removeprefix("system/")).exists(), name


def test_who_asked_is_in_the_log(lab):
    bundle(lab)
    wait_until(lambda: "root from unix: /v1/support: 200 done" in
               lab.box.tail("sluice-controlplane", 50), "the line of the log")


def test_into_the_working_folder(lab, tmp_path):
    """Without a name: one that says which box, and when."""
    run(lab.box.program("sluice"), "--socket", lab.box.api_socket, "support-bundle", cwd=tmp_path)
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 1 and re.fullmatch(
        rf"sluice-support-{os.uname().nodename}-\d{{8}}T\d{{6}}Z\.tar\.gz", names[0]), names


def test_without_a_control_plane(lab):
    """When it is needed most: what looks like a secret goes, and that this is all is told."""
    lab.box.kill("sluice-controlplane")
    try:
        files, done = bundle(lab)
        assert "does not answer" in done.stderr and b"did not answer" in files["README"]
        assert b"not running" in files["show/vips.failed"]
        assert LOG.encode() in files["journal/sluice"]
        for name, content in files.items():
            for text in planted(lab, journal_only=True):
                assert text.encode() not in content, f"{name} has {text}"
    finally:
        lab.box.start("sluice-controlplane")
        lab.box.wait_answers()
