# SPDX-License-Identifier: BSD-3-Clause
"""upgrade, reboot and factory-reset, with a rauc that writes nothing and a systemctl that stops nothing."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import http_server
import pytest
from firmware import Firmware
from topology import wait_until

PORT = 8443
ADDRESS = "192.0.2.1"
REBOOT = "systemctl --no-block reboot"


@pytest.fixture(scope="module")
def firmware(tmp_path_factory):
    made = Firmware(tmp_path_factory.mktemp("firmware") / "programs")
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{made.folder}:{before}"
    yield made
    os.environ["PATH"] = before


@pytest.fixture(scope="module")
def lab(firmware, make_module_lab):
    lab = make_module_lab(settings={"api": {"https": {"port": PORT}, "rate": 1000}})
    lab.tokens = {role: lab.box.sluice("token", "create", role, "role", role).stdout.strip()
                  for role in ("view", "admin")}
    return lab


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "sluice-0.2.0.raucb"
    path.write_text("an image")
    return path


@pytest.fixture(autouse=True)
def anew(firmware, lab):
    firmware.clear()
    yield
    # What is about to restart is over with a start.
    lab.box.kill("sluice-controlplane")
    lab.box.start("sluice-controlplane")
    lab.box.wait_answers()


def sluice(lab, *words):
    """As a script: without a terminal."""
    return subprocess.run(
        ["setsid", lab.box.program("sluice"), "--socket", lab.box.api_socket, *map(str, words)],
        capture_output=True, text=True, timeout=60)


def install(lab, *words):
    return subprocess.Popen(
        ["setsid", lab.box.program("sluice"), "--socket", lab.box.api_socket, "upgrade", "install",
         *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def slots(lab):
    return {row["slot"]: row for row in lab.box.show("upgrade")["slots"]}


def log(lab):
    return lab.box.tail("sluice-controlplane", 2000)


def post(lab, path, token):
    done = lab.client.run(
        "curl", "-sS", "-k", "-o", "/dev/null", "-w", "%{http_code}", "-XPOST", "-H",
        f"Authorization: Bearer {lab.tokens[token]}", f"https://{ADDRESS}:{PORT}/v1/{path}")
    return int(done.stdout)


def test_an_image_goes_into_the_other_slot(lab, firmware, bundle):
    shown = slots(lab)
    assert set(shown) == {"A", "B"}
    assert shown["A"]["running"] and shown["A"]["next"] and shown["A"]["image"] == "0.1.0"
    assert not shown["B"]["good"] and not shown["B"]["next"]
    child = install(lab, bundle, "--yes")
    assert child.stdout.readline() == " 20% Checking bundle\n"
    assert lab.box.show("upgrade")["install"]["percent"] == 20
    second = sluice(lab, "upgrade", "install", bundle, "--yes")
    assert second.returncode and "is being installed" in second.stderr
    refused = sluice(lab, "reboot", "--yes")
    assert refused.returncode and "is being installed" in refused.stderr
    firmware.go()
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0 and err == ""
    assert out.splitlines()[-1] == "the other slot has it: `reboot` starts it"
    shown = slots(lab)
    assert shown["A"]["running"] and shown["B"]["next"] and shown["B"]["image"] == "0.2.0"
    assert firmware.calls().count(f"rauc install {bundle}") == 1
    assert REBOOT not in firmware.calls()
    assert f"root from unix: /v1/upgrade/install bundle={bundle}: 200 done" in log(lab)
    assert f"upgrade: {bundle} is in the other slot" in log(lab)
    assert "next" in sluice(lab, "show", "upgrade").stdout


def test_and_the_machine_restarts_with_it(lab, firmware, bundle):
    child = install(lab, bundle, "reboot", "--yes")
    firmware.go()
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0 and err == "" and "the machine restarts" in out
    wait_until(lambda: REBOOT in firmware.calls(), "the restart")


def test_a_foreign_image_changes_nothing(lab, firmware, bundle):
    bundle.write_text("foreign")
    before = slots(lab)
    done = sluice(lab, "upgrade", "install", bundle, "reboot", "--yes")
    assert done.returncode == 1
    assert done.stderr == ("sluice: not installed, and what runs stays: signature verification failed: "
                           "self-signed certificate\n")
    assert slots(lab) == before and REBOOT not in firmware.calls()
    assert "signature verification failed" in sluice(lab, "show", "upgrade").stdout
    assert "is not installed: signature verification failed" in log(lab)


class Shop(http_server.Handler):
    """Where images are fetched from; some of it is not as it should be."""

    FILES = {"/good": b"an image", "/foreign": b"foreign", "/torn": b"a part", "/huge": b""}
    LENGTH = {"/torn": 1000, "/huge": 1 << 50}

    def do_GET(self):
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.FILES.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(self.LENGTH.get(self.path, len(body))))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


@pytest.fixture(scope="module")
def shop(lab):
    server = http_server.serve_on(lab.box.machine.socket(), ("127.0.0.1", 8088), Shop)
    yield "http://127.0.0.1:8088"
    server.end()


@pytest.mark.parametrize("path", ("/good", "/moved"))
def test_from_the_network(lab, firmware, shop, path):
    fetched = Path(lab.box.settings["state_dir"], "upgrade.raucb")
    child = install(lab, f"{shop}{path}", "--yes")
    wait_until(lambda: f"rauc install {fetched}" in firmware.calls(), "the install")
    assert fetched.read_text() == "an image"
    firmware.go()
    assert child.wait(timeout=30) == 0
    assert f"upgrade: {shop}{path} is in the other slot" in log(lab)
    assert not fetched.exists()


@pytest.mark.parametrize("path, why", (
    ("/none", "404"), ("/torn", "bytes remaining"), ("/huge", "room for"),
    ("/foreign", "signature verification failed")))
def test_what_cannot_be_fetched_changes_nothing(lab, firmware, shop, path, why):
    before = slots(lab)
    done = sluice(lab, "upgrade", "install", f"{shop}{path}", "--yes")
    assert done.returncode == 1 and why in done.stderr, done.stderr
    assert slots(lab) == before and not list(Path(lab.box.settings["state_dir"]).glob("upgrade.raucb*"))
    installs = [call for call in firmware.calls() if call.startswith("rauc install")]
    assert len(installs) == (path == "/foreign")


def test_what_had_no_end_is_gone_at_the_next_start(lab, firmware):
    left = [Path(lab.box.settings["state_dir"], f"upgrade.raucb{end}") for end in ("", ".part")]
    for file in left:
        file.write_text("a part")
    lab.box.kill("sluice-controlplane")
    lab.box.start("sluice-controlplane")
    lab.box.wait_answers()
    assert not [file for file in left if file.exists()]


def test_a_full_disk_changes_nothing(lab, firmware, bundle):
    folder, pid = lab.box.settings["state_dir"], lab.box.processes["sluice-controlplane"].pid
    there = ["nsenter", "--mount", "--target", str(pid)]
    subprocess.run([*there, "mount", "-t", "tmpfs", "-o", "size=512k", "full", folder], check=True)
    done = sluice(lab, "upgrade", "install", bundle, "--yes")  # its mounts end with it
    assert done.returncode == 2 and "the state partition is full" in done.stderr, done.stderr
    assert not [call for call in firmware.calls() if call.startswith("rauc install")]


def test_nobody_serves_it(lab, firmware):
    done = sluice(lab, "upgrade", "install", "http://127.0.0.1:9/x.raucb", "--yes")
    assert done.returncode == 1 and "connect" in done.stderr
    assert sluice(lab, "upgrade", "install", "ftp://127.0.0.1/x", "--yes").returncode == 2


def test_what_is_no_bundle(lab, firmware, tmp_path):
    done = sluice(lab, "upgrade", "install", tmp_path / "nothing.raucb", "--yes")
    assert done.returncode == 1 and "No such file" in done.stderr
    assert post(lab, "upgrade/install?bundle=update.raucb", "admin") == 400
    assert post(lab, "upgrade/install", "admin") == 400
    assert not [call for call in firmware.calls() if call.startswith("rauc install")]


def test_back_to_the_other_slot(lab, firmware):
    done = sluice(lab, "upgrade", "rollback", "--yes")
    assert done.returncode and "the other slot has nothing that starts" in done.stderr
    firmware.set_slots("good")
    done = sluice(lab, "upgrade", "rollback", "--yes")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: REBOOT in firmware.calls(), "the restart")
    calls = firmware.calls()
    assert calls.index("rauc status mark-active other") < calls.index(REBOOT)
    # Alone, there is nobody to hand over to.
    assert not Path(lab.box.settings["state_dir"], "returning").exists()


def test_restarts(lab, firmware):
    assert sluice(lab, "reboot", "--yes").returncode == 0
    wait_until(lambda: firmware.calls()[-1:] == [REBOOT], "the restart")
    again = sluice(lab, "reboot", "--yes")
    assert again.returncode and "about to restart" in again.stderr


def test_as_new(lab, firmware):
    assert sluice(lab, "factory-reset", "--yes").returncode == 0
    wait_until(lambda: firmware.calls()[-1:] ==
               ["systemctl --no-block start sluice-factory-reset.service"], "the reset")


@pytest.mark.parametrize("words", (("reboot",), ("factory-reset",), ("upgrade", "rollback"),
                                   ("upgrade", "install", "/etc/hostname")))
def test_scripts_say_yes(lab, firmware, words):
    done = sluice(lab, *words)
    assert done.returncode == 1 and "--yes" in done.stderr
    assert firmware.calls() == []


def test_a_restart_that_fails(lab, firmware):
    (firmware.folder / "refuse").write_text("")
    assert sluice(lab, "reboot", "--yes").returncode == 0
    wait_until(lambda: "the machine does not restart: Access denied" in log(lab), "what went wrong")
    (firmware.folder / "refuse").unlink()
    assert sluice(lab, "reboot", "--yes").returncode == 0
    wait_until(lambda: REBOOT in firmware.calls(), "the restart")


def test_over_the_network_it_is_for_admins(lab, firmware):
    for path in ("upgrade/install?bundle=/x.raucb", "upgrade/rollback", "reboot", "factory-reset"):
        assert post(lab, path, "view") == 403
        assert f"view from 192.0.2.10: /v1/{path.split('?')[0]}" in log(lab)
    assert firmware.calls() == []
    assert post(lab, "reboot", "admin") == 200
    wait_until(lambda: REBOOT in firmware.calls(), "the restart")
    assert "admin from 192.0.2.10: /v1/reboot: 200 done" in log(lab)


def test_no_appliance(lab, tmp_path, monkeypatch):
    lab.box.kill("sluice-controlplane")
    (tmp_path / "ip").symlink_to(shutil.which("ip"))
    with monkeypatch.context() as here:
        here.setenv("PATH", str(tmp_path))
        lab.box.start("sluice-controlplane")
    lab.box.wait_answers()
    for words in (("show", "upgrade"), ("upgrade", "rollback", "--yes"), ("reboot", "--yes"),
                  ("factory-reset", "--yes"), ("upgrade", "install", "/etc/hostname", "--yes")):
        done = sluice(lab, *words)
        assert done.returncode and done.stdout == ""
        assert done.stderr == "sluice: this box is no appliance: there is no rauc\n"
    assert json.loads(sluice(lab, "show", "version", "--json").stdout)["image"] is None
