# SPDX-License-Identifier: BSD-3-Clause
"""Started by BIOS, served, updated; what is not ours is refused; what does not come up gives way."""

import re
import subprocess

from conftest import CACHE
from test_boot import check_serves

BOOT_SECONDS = 240


def slot(box):
    return re.search(r"rauc\.slot=([AB])", box.shell("cat /proc/cmdline").stdout).group(1)


def boot_id(box):
    return box.shell("cat /proc/sys/kernel/random/boot_id", check=False).stdout.strip()


def copy(box, bundle):
    with open(bundle, "rb") as stream:
        done = subprocess.run(
            ["ssh", "-p", str(box.port), "-i", box.key, "-o", "StrictHostKeyChecking=no", "-o",
             "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "admin@127.0.0.1",
             "shell dd of=/state/update.raucb bs=1M status=none"],
            stdin=stream, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr


def install(box):
    return box.ssh("upgrade install /state/update.raucb", check=False, timeout=300)


def restart(box):
    before = boot_id(box)
    box.ssh("reboot", check=False)
    box.wait(lambda: boot_id(box) not in ("", before), "another start", BOOT_SECONDS)


def other_key(bundle, folder):
    """The same contents, signed by somebody else."""
    contents = unpack(bundle, folder)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
                    "/CN=Somebody", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    made = folder / "other.raucb"
    sign(contents, made, folder / "key.pem", folder / "cert.pem")
    return made


def unpack(bundle, folder):
    subprocess.run(["unsquashfs", "-q", "-no-progress", "-f", "-d", folder / "bundle", bundle],
                   check=True, capture_output=True)
    return folder / "bundle"


def sign(contents, target, key, cert):
    target.unlink(missing_ok=True)
    subprocess.run(["rauc", f"--cert={cert}", f"--key={key}", "bundle", contents, target], check=True,
                   capture_output=True)


def never_opens(bundle, folder, signing):
    """Signed as it should be, but its root file system is not the one that its boot slot names."""
    contents = unpack(bundle, folder)
    slot_cfg = folder / "slot.cfg"
    slot_cfg.write_text(f'set verity="sluice.hash={"0" * 64} sluice.offset=4096"\n')
    for command in ("rm slot.cfg", f"write {slot_cfg} slot.cfg"):
        subprocess.run(["debugfs", "-w", "-R", command, contents / "boot.img"], check=True,
                       capture_output=True)
    made = folder / "bad.raucb"
    sign(contents, made, signing / "key.pem", signing / "cert.pem")
    return made


def test_updates(lab, started, images, tmp_path):
    bundle = next(images.glob("*.raucb"))
    box, chain = started()
    box.wait_up()
    assert slot(box) == "A"
    check_serves(lab, chain)
    box.wait(lambda: box.shell("test -e /state/good-A-*", check=False).returncode == 0,
             "an image that says it is healthy")
    assert int(box.shell("df --output=size -m /state | tail -n 1").stdout) > 1500

    (tmp_path / "other").mkdir()
    copy(box, other_key(bundle, tmp_path / "other"))
    refused = install(box)
    assert refused.returncode != 0 and "signature" in (refused.stdout + refused.stderr).lower()
    assert "A_OK=1" in box.shell("cat /efi/grub/grubenv").stdout

    copy(box, bundle)
    done = install(box)
    assert done.returncode == 0, done.stdout + done.stderr
    machine_id = box.shell("cat /etc/machine-id").stdout
    restart(box)
    assert slot(box) == "B"
    assert box.shell("cat /etc/machine-id").stdout == machine_id
    check_serves(lab, chain)
    box.wait(lambda: box.shell("test -e /state/good-B-*", check=False).returncode == 0,
             "an image that says it is healthy")

    (tmp_path / "bad").mkdir()
    copy(box, never_opens(bundle, tmp_path / "bad", CACHE / "signing"))
    done = install(box)
    assert done.returncode == 0, done.stdout + done.stderr
    restart(box)
    assert slot(box) == "B"
    check_serves(lab, chain)
