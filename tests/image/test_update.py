# SPDX-License-Identifier: BSD-3-Clause
"""Started by BIOS, served, updated; what is not ours is refused; what does not come up gives way. The NICs
are virtio's at first, and others with the update: one start is less."""

import re

import bundles
import pytest
from conftest import CACHE
from machine import NIC_ADDRESSES
from test_boot import check_serves, drivers

SIGNING = (CACHE / "signing/key.pem", CACHE / "signing/cert.pem")
SLOTS = "/dev/disk/by-partlabel"


def slot(box):
    return re.search(r"rauc\.slot=([AB])", box.shell("cat /proc/cmdline").stdout).group(1)


def boot_id(box):
    return box.shell("cat /proc/sys/kernel/random/boot_id", check=False).stdout.strip()


def upgrade(box, name):
    return box.ssh(f"upgrade install /run/bundles/{name}.raucb --yes", check=False, timeout=400)


def restart(box):
    before = boot_id(box)
    box.ssh("reboot --yes", check=False)
    box.wait(lambda: boot_id(box) not in ("", before), "another start")


def wait_healthy(box, letter):
    box.wait(lambda: box.shell(f"test -e /state/good-{letter}-*", check=False).returncode == 0,
             "an image that says it is healthy")


def check_sandbox(box):
    """No core dumps of what holds keys, no new privileges, system calls by list, a root to read."""
    for name in ("sluice-dataplane", "sluice-controlplane"):
        of = f"/proc/$(systemctl show -P MainPID {name})"
        said = box.shell(f"cat {of}/status {of}/limits; grep ' / / ' {of}/mountinfo").stdout
        for fact in (r"NoNewPrivs:\s+1", r"Seccomp:\s+2", r"Max core file size\s+0\s+0", r" / / ro"):
            assert re.search(fact, said), f"{name}: {fact}\n{said}"


def what_counts(box):
    """What a refused update must not change: which slot starts, and the beginning of the other one."""
    return box.shell("cat /efi/grub/grubenv; head -c 4M "
                     f"{SLOTS}/root-b {SLOTS}/boot-b | sha256sum").stdout


@pytest.fixture
def volume(images, tmp_path):
    return bundles.make_volume(next(images.glob("*.raucb")), tmp_path / "bundles", *SIGNING)


def test_updates(lab, started, volume):
    box, chain = started(more=["-drive", f"file={volume},if=virtio,format=raw,readonly=on"])
    box.wait_up()
    assert slot(box) == "A" and drivers(box) == {"uio_pci_generic"}
    check_serves(lab, box, chain)
    wait_healthy(box, "A")
    check_sandbox(box)
    assert int(box.shell("df --output=size -m /state | tail -n 1").stdout) > 1500
    box.shell("mkdir /run/bundles && mount -o ro LABEL=bundles /run/bundles")

    before = what_counts(box)
    for name, why in (("other-key", "signature"), ("other-product", "compatible"),
                      ("tampered", "corrupt")):
        refused = upgrade(box, name)
        assert refused.returncode != 0 and why in (refused.stdout + refused.stderr).lower(), name
    assert what_counts(box) == before

    done = upgrade(box, "good")
    assert done.returncode == 0, done.stdout + done.stderr
    machine_id = box.shell("cat /etc/machine-id").stdout
    # Where these were, it finds Intel's and VMware's.
    box.hardware.nics = ("e1000e", "vmxnet3")
    restart(box)
    assert slot(box) == "B"
    assert box.shell("cat /etc/machine-id").stdout == machine_id
    assert drivers(box) == {"uio_pci_generic"}
    models = box.shell("cat " + " ".join(f"/sys/bus/pci/devices/{one}/vendor" for one in NIC_ADDRESSES))
    assert models.stdout.split() == ["0x8086", "0x15ad"]
    check_serves(lab, box, chain)
    wait_healthy(box, "B")

    box.shell("mkdir /run/bundles && mount -o ro LABEL=bundles /run/bundles")
    done = upgrade(box, "never-opens")
    assert done.returncode == 0, done.stdout + done.stderr
    restart(box)
    assert slot(box) == "B" and "slot A" in box.console(400)
    check_serves(lab, box, chain)
