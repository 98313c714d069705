# SPDX-License-Identifier: BSD-3-Clause
"""The first start: its questions on the serial line, with the same on a screen; and without questions, by
cloud-init's volumes. By hand: three starts. SLUICE_SCREEN=FILE.png keeps what the screen showed."""

import json
import os
import socket
import subprocess
import textwrap

import pytest
import vm
from machine import MANAGEMENT, Hardware, Machine
from test_boot import check_serves

PASSWORD = "correct horse battery"
ANSWERS = (  # the end of what is asked, what is answered
    ("stays with the kernel [1]: ", ""), ("its address [dhcp]: ", ""),
    ("Data ports: which NICs, in this order [2,3]: ", ""),
    ("wan (0000:00:04.0): its addresses [none]: ", "192.0.2.1/24"),
    ("wan: the way out [none]: ", "192.0.2.10"),
    ("lan (0000:00:05.0): its addresses [none]: ", "198.51.100.1/24"),
    ("Workers: how many CPUs forward packets [1]: ", ""), ("connections, MB [512]: ", ""),
    ("Services and Ingresses [none]: ", "192.0.2.100-192.0.2.120"),
    ("Pair: the other box's address on the first port [none]: ", ""), ("Is this right [yes]: ", ""),
    ("Password of admin: ", PASSWORD), ("The same again: ", PASSWORD),
)


def screen(path, target):
    """What the screen shows, as a picture, by QEMU's monitor."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(str(path))
        lines = monitor.makefile("r")
        lines.readline()
        for command in ({"execute": "qmp_capabilities"},
                        {"execute": "screendump", "arguments": {"filename": str(target), "format": "png"}}):
            monitor.sendall(json.dumps(command).encode() + b"\n")
            assert "return" in json.loads(lines.readline())
    assert target.stat().st_size > 1000


@pytest.fixture
def blank(images, tmp_path):
    """A machine that nobody configured."""
    box = Machine(tmp_path / "box1", next(images.glob("*.qcow2")), Hardware(fresh=True))
    yield box
    box.stop()


@pytest.mark.by_hand
def test_questions(lab, blank, tmp_path):
    lab.create()
    monitor = blank.folder / "monitor"
    blank.start(lab.switch, more=["-device", "VGA"])
    blank.wait_for("Press Enter to answer the questions of its first start")
    blank.type("\r")
    for question, answer in ANSWERS:
        blank.wait_for(question)
        blank.type(f"{answer}\r")
    blank.wait_for("SSH key of admin [none]: ")
    blank.type(blank.key.with_suffix(".pub").read_text().strip() + "\r")
    blank.wait_for("Enter leads to the login.")
    said = blank.log.read_text(errors="replace")
    print(said, flush=True)
    assert PASSWORD not in said
    blank.type("\r")
    blank.wait_for("sluice login:")
    blank.type("admin\r")
    blank.wait_for("Password:")
    blank.type(f"{PASSWORD}\r")
    blank.wait_for("sluice> ")
    assert "dataplane" in blank.ssh("show status").stdout
    lab.client.run("ping", "-c", "3", "192.0.2.1")
    target = tmp_path / "screen.png"
    screen(monitor, target)
    if os.environ.get("SLUICE_SCREEN"):
        os.replace(target, os.environ["SLUICE_SCREEN"])

    # At its next start there are no questions, and the screen has a login, too.
    blank.stop()
    blank.start(lab.switch, more=["-device", "VGA"])
    blank.wait_up()
    screen(monitor, tmp_path / "login.png")
    assert "questions" not in blank.log.read_text(errors="replace")


def user_data(box, files):
    """#cloud-config with all that the lab wants."""
    parts = {"/etc/sluice/sluice.conf": vm.configuration(),
             "/etc/systemd/network/10-management.network": MANAGEMENT,
             **{f"/etc/sluice/{name}": text for name, text in files.items()}}
    text = f"#cloud-config\nssh_authorized_keys:\n- {box.key.with_suffix('.pub').read_text()}write_files:\n"
    for path, content in parts.items():
        text += f"- path: {path}\n  content: |\n{textwrap.indent(content, '    ')}\n"
    return text


def make_iso(target, label, files):
    folder = target.with_suffix("")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-J", "-R", "-V", label, "-o", target, folder],
                   check=True, stdin=subprocess.DEVNULL, capture_output=True)


@pytest.mark.by_hand
@pytest.mark.parametrize("kind", ["nocloud", "config-drive"])
def test_without_questions(lab, blank, tmp_path, kind):
    files, chain = vm.manifests(tmp_path)
    text = user_data(blank, files)
    if kind == "nocloud":
        make_iso(tmp_path / "seed.iso", "cidata", {
            "user-data": text, "meta-data": "instance-id: i-1\nlocal-hostname: lb7\n"})
    else:
        make_iso(tmp_path / "seed.iso", "config-2", {
            "openstack/latest/user_data": text,
            "openstack/latest/meta_data.json": json.dumps({"hostname": "lb7.novalocal", "uuid": "1"})})
    lab.create()
    lab.serve()
    blank.start(lab.switch, more=[
        "-drive", f"file={tmp_path}/seed.iso,media=cdrom,format=raw,readonly=on"])
    blank.wait_up()
    assert "questions" not in blank.log.read_text(errors="replace")
    assert blank.shell("hostname").stdout.strip() == "lb7"
    check_serves(lab, blank, chain)
    print(blank.shell("journalctl -b -u sluice-provision --no-pager").stdout, flush=True)
