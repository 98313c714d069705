# SPDX-License-Identifier: BSD-3-Clause
"""The firmware is installed, starts, configured from a volume, and serves, on another machine than those
of test_update.py (BIOS; NICs by uio_pci_generic)."""

import vm
from machine import NIC_ADDRESSES, Hardware, Machine


def check_serves(lab, box, chain):
    for command, answer in vm.serves(lab, box, chain):
        assert "nobody" not in answer, f"{command}: {answer}"


def drivers(box):
    links = box.shell("readlink " + " ".join(
        f"/sys/bus/pci/devices/{address}/driver" for address in NIC_ADDRESSES)).stdout
    return {link.rsplit("/", 1)[-1] for link in links.split()}


def test_installed_then_uefi_and_vfio(images, lab, started, tmp_path):
    """The CD, started by BIOS, asks for the disk and writes it, which is blank. What it wrote starts by
    UEFI; behind an IOMMU, its NICs are driven by vfio-pci with a queue for each of two workers."""
    iso = next(images.glob("*.iso"))
    installer = Machine(tmp_path / "box1", None, Hardware(cdrom=iso))
    try:
        installer.start(more=["-no-reboot"])
        installer.wait_for("Install Sluice (asks for the disk)")
        installer.type("\r")
        installer.wait_for("On which disk?")
        installer.type("\r")
        installer.wait_end()
    finally:
        installer.stop()
    assert "Sluice is installed on /dev/vda" in installer.log.read_text(errors="replace")

    box, chain = started(uefi=True, iommu=True, cpus=3, queues=2)
    box.wait_up()
    assert box.shell("ls -d /sys/firmware/efi").stdout.strip() == "/sys/firmware/efi"
    assert drivers(box) == {"vfio-pci"}
    check_serves(lab, box, chain)
    assert all(row["queues"] == 2 for row in box.show("ports")["ports"])
