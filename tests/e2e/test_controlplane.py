# SPDX-License-Identifier: BSD-3-Clause
"""The control plane by itself, with no dataplane and no network: what it keeps, what it refuses,
what it goes on with."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

import objects
from appliance import libconfig
from topology import ROOT, wait_until

BUILD = os.environ.get("SLUICE_BUILD") or ROOT / "build"
PROGRAM = f"{BUILD}/controlplane/sluice-controlplane"
CONSOLE = f"{BUILD}/controlplane/cli/sluice"
NOBODY = 65534
pytestmark = pytest.mark.sanitized


class Alone:
    def __init__(self, folder):
        self.dir = folder
        folder.chmod(0o755)
        self.manifests = folder / "manifests"
        self.config = folder / "sluice.conf"
        self.log = folder / "log"
        self.socket = folder / "run" / "api.sock"
        self.process = None
        self.settings = {
            "ports": [{"name": "wan", "kind": "af_packet", "device": "eth0",
                       "addresses": ["192.0.2.2/24"]}],
            "pools": [{"name": "first", "addresses": ["192.0.2.100-192.0.2.103"]}],
            "sources": [{"name": "local", "kind": "manifests", "path": str(self.manifests)}],
            "run_dir": f"{folder}/run", "state_dir": f"{folder}/state", "group": "daemon",
        }
        self.manifests.mkdir()
        self.write_settings()

    def write_settings(self):
        new = self.dir / "new.conf"
        new.write_text("".join(f"{key} = {libconfig(value)};\n"
                               for key, value in self.settings.items()))
        new.rename(self.config)

    def start(self):
        with self.log.open("a") as log:
            self.process = subprocess.Popen([PROGRAM, "--config", self.config], stderr=log)
        wait_until(lambda: self.console("show", "version", check=False).returncode == 0,
                   "an answer of the control plane")

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        self.process = None
        return code

    def console(self, *words, check=True, **options):
        return subprocess.run([CONSOLE, "-s", self.socket, *words], check=check, text=True,
                              capture_output=True, timeout=20, **options)

    def show(self, noun):
        return json.loads(self.console("show", noun, "--json").stdout)

    def apply(self, name, count=1):
        things = [objects.service(name, [("http", "TCP", 80, 8080)], None),
                  objects.endpoint_slice(name, "IPv4", [("http", "TCP", 8080)], [
                      objects.endpoint(f"10.244.1.{host + 1}", f"{name}-{host}", "node1")
                      for host in range(count)])]
        half = self.manifests / f".{name}"
        half.write_text(objects.as_yaml(*things))
        half.rename(self.manifests / f"{name}.yaml")

    def addresses(self):
        return {row["service"].split("/")[-1]: row["addresses"][0]
                for row in self.show("services")["services"]}

    def problems(self):
        return [row["text"] for row in self.show("problems")["problems"]
                if row["object"] != "dataplane"]

    def wait_problem(self, part):
        wait_until(lambda: any(part in text for text in self.problems()), f"a problem: {part}")


@pytest.fixture
def alone():
    folder = Path(tempfile.mkdtemp(prefix="sluice-alone-"))  # pytest's own are root's alone
    control = Alone(folder)
    yield control
    print(control.log.read_text() if control.log.exists() else "no log")
    if control.process:
        control.process.kill()
        control.process.wait()
    shutil.rmtree(folder)


def test_addresses_outlive_it(alone):
    alone.apply("b")
    alone.start()
    wait_until(lambda: "b" in alone.addresses(), "an address")
    before = alone.addresses()
    alone.end(signal.SIGKILL)
    alone.apply("a")  # comes first by name, and must not take the address of the other
    alone.start()
    wait_until(lambda: "a" in alone.addresses(), "an address for the new one")
    assert alone.addresses()["b"] == before["b"]
    assert alone.addresses()["a"] != before["b"]
    assert alone.end() == 0
    leases = (alone.dir / "state" / "leases").read_text()
    assert f"local/default/b {before['b']}" in leases
    assert not alone.socket.exists()


def test_damaged_leases_cost_only_themselves(alone):
    (alone.dir / "state").mkdir()
    (alone.dir / "state" / "leases").write_text("local/default/b 192.0.2.103\nrubbish\n")
    alone.apply("a")
    alone.apply("b")
    alone.start()
    wait_until(lambda: len(alone.addresses()) == 2, "both addresses")
    assert alone.addresses()["b"] == "192.0.2.103"


def test_nothing_is_published_before_the_source_was_read(alone):
    """The last good plan stays when the directory of manifests has not been mounted yet."""
    alone.apply("a")
    alone.start()
    wait_until(lambda: alone.addresses(), "an address")
    alone.end()
    plan = (alone.dir / "state" / "plan").read_bytes()
    away = alone.dir / "away"
    alone.manifests.rename(away)
    alone.start()
    assert alone.show("services")["services"] == []
    alone.wait_problem("has not been read")
    alone.end()
    assert (alone.dir / "state" / "plan").read_bytes() == plan
    alone.start()
    away.rename(alone.manifests)
    wait_until(lambda: alone.addresses(), "the address again")
    assert alone.problems() == []


def test_wrong_configuration_changes_nothing(alone):
    alone.apply("a")
    alone.start()
    wait_until(lambda: alone.addresses(), "an address")
    before = alone.addresses()
    good = alone.config.read_text()
    alone.config.write_text(good + 'colour = "red";\nsnat = 3;\n')
    alone.wait_problem("colour")
    alone.wait_problem("snat")  # all mistakes at once
    lines = good.count("\n")
    rows = [row for row in alone.show("problems")["problems"] if row["object"] == "sluice.conf"]
    assert f"sluice.conf:{lines + 1}" in " ".join(row["where"] for row in rows)
    assert alone.addresses() == before
    checked = subprocess.run([PROGRAM, "--config", alone.config, "--check"], text=True,
                             capture_output=True, check=False)
    assert checked.returncode == 1 and f"{alone.config}:{lines + 1}" in checked.stderr
    alone.config.write_text(good)
    wait_until(lambda: alone.problems() == [], "no problem any more")
    assert alone.addresses() == before


def test_right_configuration_is_taken_while_it_runs(alone):
    alone.apply("a")
    alone.start()
    wait_until(lambda: alone.addresses(), "an address")
    alone.settings["pools"] = [{"name": "other", "addresses": ["198.51.100.7"]}]
    alone.write_settings()
    wait_until(lambda: alone.addresses().get("a") == "198.51.100.7", "the other pool's address")
    # On the signal too, when nothing was seen to change.
    alone.process.send_signal(signal.SIGHUP)
    assert alone.addresses() == {"a": "198.51.100.7"}
    # Another source takes the place of the first.
    other = alone.dir / "other"
    alone.manifests.rename(other)
    alone.settings["sources"][0]["path"] = str(other)
    alone.write_settings()
    wait_until(lambda: [row["path"] for row in alone.show("status")["sources"]] == [str(other)],
               "the other source")
    assert alone.addresses() == {"a": "198.51.100.7"}
    alone.settings["group"] = "root"
    alone.write_settings()
    alone.wait_problem("group")
    assert alone.end() == 0


def test_one_instance(alone):
    alone.start()
    second = subprocess.run([PROGRAM, "--config", alone.config], text=True, capture_output=True,
                            check=False, timeout=20)
    assert second.returncode == 1 and "another sluice-controlplane" in second.stderr
    assert alone.console("show", "status").returncode == 0


def test_only_root_and_the_group(alone):
    alone.start()
    stranger = alone.console("show", "vips", check=False, user=NOBODY, group=NOBODY,
                             extra_groups=[])
    assert stranger.returncode == 1 and "may not be opened" in stranger.stderr
    # Not even when the file would let it.
    (alone.dir / "run").chmod(0o755)
    alone.socket.chmod(0o666)
    stranger = alone.console("show", "vips", check=False, user=NOBODY, group=NOBODY,
                             extra_groups=[])
    assert stranger.returncode == 1 and "only root" in stranger.stderr
    # "daemon" is the group of this configuration.
    member = alone.console("show", "vips", check=False, user=NOBODY, group=NOBODY,
                           extra_groups=["daemon"])
    assert member.returncode == 0


def test_a_full_disk_is_told_and_stops_nothing(alone):
    (alone.dir / "state").mkdir()
    (alone.dir / "state" / "leases.new").mkdir()  # what is written first cannot be
    alone.apply("a")
    alone.start()
    wait_until(lambda: alone.addresses(), "an address")
    alone.wait_problem("leases")
    (alone.dir / "state" / "leases.new").rmdir()
    wait_until(lambda: alone.problems() == [], "no problem any more")
    assert "local/default/a" in (alone.dir / "state" / "leases").read_text()


def test_rubbish_on_the_socket(alone):
    alone.start()
    for data in (b"\0" * 100, b"GET /v1/vips HTTP/9.9\r\n\r\n", b"GET " + b"a" * 100000,
                 b"POST /v1/vips HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", b""):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(0.5)
            sock.connect(str(alone.socket))
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                sock.recv(1000)
            except (ConnectionError, TimeoutError):
                pass  # hung up on, or waited for: both are well
        assert alone.console("show", "status").returncode == 0
