# SPDX-License-Identifier: BSD-3-Clause
"""A new machine's volume as clouds and hypervisors make it: NoCloud and config drives, unpacked to what
the firmware takes at its first start."""

import base64
import json
import os
import subprocess

import pytest

from topology import ROOT

BUILD = os.environ.get("SLUICE_BUILD") or ROOT / "build"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample admin@desk"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIanother admin@home"
HASH = "$6$salt$" + "x" * 86
CONFIG = 'ports = ( { name = "wan"; kind = "pci"; device = "0000:00:04.0"; } );'
USER_DATA = f"""#cloud-config
hostname: lb1.example.com
password: {HASH}
ssh_authorized_keys:
  - {KEY}
chpasswd: {{ expire: false }}
users:
  - default
  - name: admin
    ssh_authorized_keys: [ '{OTHER}' ]
write_files:
  - path: /etc/sluice/sluice.conf
    permissions: '0640'
    content: |
      {CONFIG}
  - path: /etc/sluice/manifests/web.yaml
    encoding: b64
    content: {base64.b64encode(b"kind: Service").decode()}
  - path: /etc/systemd/network/10-eth0.network
    content: "[Match]"
"""


@pytest.fixture
def volume(tmp_path):
    (tmp_path / "from").mkdir()
    (tmp_path / "into").mkdir()
    return tmp_path / "from"


def unpack(volume):
    into = volume.parent / "into"
    done = subprocess.run([f"{BUILD}/controlplane/setup/sluice-setup", "--volume", volume, "--into", into],
                          capture_output=True, text=True, timeout=20)
    return done, {str(path.relative_to(into)): path.read_text().strip()
                  for path in into.rglob("*") if path.is_file()}


def put(volume, name, text):
    path = volume / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


EXPECTED = {"sluice.conf": CONFIG, "manifests/web.yaml": "kind: Service", "hostname": "lb1",
            "management.network": "[Match]", "password-hash": HASH, "authorized_keys": f"{KEY}\n{OTHER}"}


def test_nocloud(volume):
    put(volume, "user-data", USER_DATA)
    put(volume, "meta-data", "instance-id: i-1\nlocal-hostname: other\n")
    done, files = unpack(volume)
    assert done.returncode == 0, done.stderr
    assert files == EXPECTED
    assert done.stderr == "user-data:6: chpasswd: is not done here\n"


def test_config_drive(volume):
    put(volume, "openstack/latest/user_data", USER_DATA.replace("hostname: lb1.example.com\n", ""))
    put(volume, "openstack/latest/meta_data.json",
        json.dumps({"hostname": "lb2.novalocal", "public_keys": {"mine": f"{KEY}\n"}}))
    done, files = unpack(volume)
    assert done.returncode == 0, done.stderr
    assert files == {**EXPECTED, "hostname": "lb2", "authorized_keys": f"{KEY}\n{OTHER}\n{KEY}"}


def test_of_others_a_user_is_not_taken(volume):
    put(volume, "user-data", f"#cloud-config\nusers:\n- name: eve\n  ssh_authorized_keys: ['{KEY}']\n")
    done, files = unpack(volume)
    assert done.returncode == 0 and files == {}


@pytest.mark.parametrize("text, why", [
    ("", "expected #cloud-config"),
    ("#!/bin/sh\nreboot\n", "expected #cloud-config"),
    ("#cloud-config\na: [\n", "user-data:3: "),
    ("#cloud-config\nhostname: a b\n", "user-data:2: expected the name of a host"),
    ("#cloud-config\npassword: secret\n", "user-data:2: expected the hash"),
    ("#cloud-config\nssh_authorized_keys: [word]\n", "user-data:2: expected a public key"),
    ("#cloud-config\nusers: yes\n", "user-data:2: expected a list"),
    ("#cloud-config\nwrite_files:\n- {path: /etc/passwd, content: x}\n", "user-data:3: expected a path"),
    ("#cloud-config\nwrite_files:\n- {path: /etc/sluice/manifests/../x, content: x}\n", "expected a path"),
    ("#cloud-config\nwrite_files:\n- {path: /etc/sluice/sluice.conf, encoding: gz+b64}\n", "encoding"),
    ("#cloud-config\nwrite_files:\n- {path: /etc/sluice/sluice.conf, encoding: b64, content: '*'}\n",
     "no base64"),
])
def test_what_is_refused(volume, text, why):
    put(volume, "user-data", text)
    done, files = unpack(volume)
    assert done.returncode == 1 and why in done.stderr, done.stderr
    assert "secret" not in done.stderr and files == {}


def test_nothing_there(volume):
    done, _files = unpack(volume)
    assert done.returncode == 1 and "no user-data" in done.stderr
