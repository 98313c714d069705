# SPDX-License-Identifier: BSD-3-Clause
"""backup and restore: a box that lost everything, or another box, becomes what it was."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from terminal import Terminal
from topology import run, wait_until

PORT = 8443
ADDRESS = "192.0.2.1"
PASSPHRASE = "correct horse battery"
PORTS = [("echo", "TCP", 7000, 9000)]


@pytest.fixture
def lab(make_lab):
    lab = make_lab(settings={"api": {"https": {"port": PORT}, "rate": 1000}})
    lab.secret = Path(lab.dir, "passphrase")
    lab.secret.write_text(PASSPHRASE + "\n")
    lab.file = Path(lab.dir, "box.backup")
    return lab


def sluice(lab, *words, **options):
    """As a script on the box: without a terminal to be asked at."""
    return subprocess.run(
        ["setsid", lab.box.program("sluice"), "--socket", lab.box.api_socket, *map(str, words)],
        capture_output=True, timeout=60, **options)


def backup(lab, file=None):
    return sluice(lab, "backup", file or lab.file, "--passphrase-file", lab.secret)


def restore(lab, *words, file=None):
    return sluice(lab, "restore", file or lab.file, "--passphrase-file", lab.secret, "--yes", *words)


def asked_with(lab, token):
    """The status that a token gets over HTTPS, and the certificate's fingerprint."""
    status = lab.client.run(
        "curl", "-sS", "-k", "-o", "/dev/null", "-w", "%{http_code}", "-H",
        f"Authorization: Bearer {token}", f"https://{ADDRESS}:{PORT}/v1/version").stdout
    return int(status), fingerprint(lab)


def fingerprint(lab):
    return run("openssl", "x509", "-noout", "-fingerprint", "-in",
               f"{lab.box.settings['state_dir']}/api-certificate.pem").stdout


def what_it_is(lab):
    """Everything that a backup is to bring back, as the console tells it."""
    shown = lab.box.show
    return {
        "addresses": {row["service"]: row["addresses"] for row in shown("services")["services"]},
        "history": [(row["revision"], row["who"], row["comment"], row["time"])
                    for row in shown("history")["history"]],
        "tokens": json.loads(lab.box.sluice("token", "list", "--json").stdout),
        "drained": [Path(lab.box.settings["state_dir"], name).read_text()
                    for name in ("drained", "drained-endpoints")],
        "conf": lab.box.config.read_text(),
        "certificate": fingerprint(lab),
    }


def fill(lab):
    """A box that has lived: the second Service has the second address, and only the leases say so."""
    lab.apply_service("first", PORTS)
    lab.vip = lab.apply_service("web", PORTS)[0]
    lab.remove("first")
    wait_until(lambda: not lab.addresses("first"), "the end of a Service")
    lab.token = lab.box.sluice("token", "create", "chief", "role", "admin").stdout.strip()
    lab.box.sluice("drain", "vip", lab.vip)
    lab.box.sluice("drain", "endpoint", lab.endpoint_rows("web")[0]["address"])
    lab.box.sluice("configure", "set", "pools.public.priority", "50")
    lab.box.sluice("configure", "commit", "comment", "as it was")
    return what_it_is(lab)


def lose_everything(lab):
    """The disk is new: another state key, no manifests, a configuration that is not this box's."""
    lab.box.kill("sluice-controlplane")
    state = Path(lab.box.settings["state_dir"])
    shutil.rmtree(state)
    state.mkdir()
    (lab.manifests / "web.yaml").unlink()
    conf = lab.box.config.read_text().replace('"public"', '"other"').replace("priority = 50;", "")
    lab.box.config.write_text(conf)
    lab.box.start("sluice-controlplane")
    lab.box.wait_answers()


def test_a_lost_box_comes_back(lab):
    before = fill(lab)
    key = Path(lab.box.settings["state_dir"], "state.key").read_bytes()
    done = backup(lab)
    assert done.returncode == 0, done.stderr
    assert b"files are in the backup" in done.stdout
    assert lab.file.stat().st_mode & 0o777 == 0o600
    kept = lab.file.read_bytes()
    for plain in (b"PRIVATE KEY", b"as it was", b"chief", lab.vip.encode(), key):
        assert plain not in kept
    lose_everything(lab)
    assert Path(lab.box.settings["state_dir"], "state.key").read_bytes() != key
    assert asked_with(lab, lab.token)[0] == 401

    done = restore(lab)
    assert done.returncode == 0, done.stderr
    assert b"files are back" in done.stdout
    # At once and without a hand's turn: what was asked next is asked of the box that it was.
    wait_until(lambda: lab.addresses("web"), "the Service")
    assert what_it_is(lab) == before
    assert asked_with(lab, lab.token)[0] == 200
    assert lab.addresses("web") == [lab.vip]
    lab.box.sluice("undrain", "vip", lab.vip)
    lab.wait_service("web")
    wait_until(lambda: lab.connect_once(lab.vip, 7000), "traffic")
    # What came back is sealed with the new key, and outlives the next start.
    lab.box.kill("sluice-controlplane")
    lab.box.start("sluice-controlplane")
    lab.box.wait_answers()
    assert fingerprint(lab) == before["certificate"]
    assert lab.addresses("web") == [lab.vip]
    log = lab.box.tail("sluice-controlplane", 2000)
    assert "root from unix: /v1/backup: 200 done" in log
    assert "root from unix: /v1/restore: 200 done" in log
    assert PASSPHRASE not in log


def test_what_is_refused_changes_nothing(lab):
    before = fill(lab)
    backup(lab)
    good = lab.file.read_bytes()
    start = lab.box.show("version")["start"]

    def refused(why, code=1):
        done = restore(lab)
        assert done.returncode == code and done.stdout == b"", done
        assert len(done.stderr.splitlines()) == 1 and why in done.stderr, done.stderr
        assert what_it_is(lab) == before
        assert lab.box.show("version")["start"] == start
        assert not list(Path(lab.dir).rglob("*.restored"))

    lab.secret.write_text("correct horse batterz\n")
    refused(b"the passphrase is not this backup's")
    lab.secret.write_text(PASSPHRASE)
    for cut in (0, 5, 70, len(good) // 2, len(good) - 1):
        lab.file.write_bytes(good[:cut])
        refused(b"no backup" if cut < 9 else b"cut")
    lab.file.write_bytes(good[:8] + b"\x07" + good[9:])
    refused(b"version 7: this program reads version 1")
    lab.file.write_bytes(good[:200] + bytes([good[200] ^ 1]) + good[201:])
    refused(b"damaged")
    lab.file.write_bytes(b"\x7fELF" + b"\0" * 5000)
    refused(b"no backup")
    lab.file.unlink()
    refused(b"No such file")

    # A script that did not say --yes, and one without a passphrase.
    lab.file.write_bytes(good)
    done = sluice(lab, "restore", lab.file, "--passphrase-file", lab.secret)
    assert done.returncode == 1 and b"--yes" in done.stderr
    done = sluice(lab, "restore", lab.file, "--yes")
    assert done.returncode == 1 and b"--passphrase-file" in done.stderr
    lab.secret.write_text("short")
    assert b"at least 8" in sluice(lab, "backup", "/dev/null", "--passphrase-file", lab.secret).stderr
    assert what_it_is(lab) == before


def test_a_configuration_that_commit_would_refuse(lab):
    """The archive as an attacker or another version would make it: over the socket, in the clear."""
    before = fill(lab)
    curl = ("curl", "-sS", "--unix-socket", lab.box.api_socket, "http://sluice/v1/restore", "-XPOST",
            "--data-binary", f"@{lab.dir}/archive")

    def entry(name, data):
        return len(name).to_bytes(2, "big") + len(data).to_bytes(4, "big") + name + data

    for files, why in (
        ([(b"sluice.conf", b"pools = 7;\n")], "the backup's sluice.conf:1"),
        ([(b"sluice.conf", lab.box.config.read_bytes().replace(
            lab.box.settings["state_dir"].encode(), b"/elsewhere"))], "state_dir"),
        ([(b"conf/../../etc/shadow", b"x")], "damaged"),
        ([(b"sluice.conf", lab.box.config.read_bytes()), (b"state/state.key", b"x" * 32)],
         "state/state.key"),
        ([(b"about", b"version 9\n")], "no configuration"),
    ):
        Path(lab.dir, "archive").write_bytes(b"SLUICEA1" + b"".join(entry(*file) for file in files))
        error = json.loads(run(*curl).stdout)["error"]
        assert why in error, error
        assert what_it_is(lab) == before


def test_only_on_the_box_itself(lab):
    token = lab.box.sluice("token", "create", "chief", "role", "admin").stdout.strip()
    for path in ("backup", "restore"):
        done = lab.client.run(
            "curl", "-sS", "-k", "-XPOST", "-H", f"Authorization: Bearer {token}",
            f"https://{ADDRESS}:{PORT}/v1/{path}")
        assert "on the box itself" in json.loads(done.stdout)["error"]


def test_through_pipes(lab):
    """As ssh does it: what comes out is the backup; what goes in is the passphrase, then the backup."""
    fill(lab)
    done = sluice(lab, "backup", "-", "--passphrase-file", "-", input=PASSPHRASE.encode() + b"\n")
    assert done.returncode == 0 and done.stdout.startswith(b"SLUICEBK")
    lose_everything(lab)
    back = sluice(lab, "restore", "-", "--passphrase-file", "-", "--yes",
                  input=PASSPHRASE.encode() + b"\n" + done.stdout)
    assert back.returncode == 0, back.stderr
    wait_until(lambda: lab.addresses("web") == [lab.vip], "the Service with its address")


def test_at_a_terminal(lab, tmp_path):
    """The passphrase is asked for, twice when it is new, and never shown."""
    fill(lab)
    with Terminal(lab.box.program("sluice"), "--socket", lab.box.api_socket, home=tmp_path) as opened:
        def passphrase(command, text=PASSPHRASE + "\r"):
            opened.type(command + "\r")
            opened.shows("Passphrase:")
            opened.type(text)

        passphrase(f"backup {lab.file}")
        opened.shows("The same again:")
        opened.type(PASSPHRASE + "\r")
        opened.sees("files are in the backup")
        passphrase(f"restore {lab.file}")
        opened.until(lambda: opened.line().endswith("Go on [no]:"), "question")
        opened.type("\r")
        opened.sees("nothing is changed")
        passphrase(f"restore {lab.file}", "\x03")
        opened.sees("no passphrase was given")
        passphrase(f"restore {lab.file}")
        opened.until(lambda: opened.line().endswith("Go on [no]:"), "question")
        opened.type("yes\r")
        opened.sees("files are back")
        opened.prompt("sluice>")
        assert PASSPHRASE not in opened.text()
