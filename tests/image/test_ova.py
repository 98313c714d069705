# SPDX-License-Identifier: BSD-3-Clause
"""The .ova, as who imports it goes about it: the archive's order, the sums, the descriptor's references; then
a machine with the hardware that it asks for, started from its disk. By hand: one start."""

import hashlib
import subprocess
import tarfile
import xml.etree.ElementTree as xml

import pytest
import vm
from machine import Hardware, Machine
from test_boot import check_serves
from test_update import slot

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"


@pytest.fixture
def unpacked(images, tmp_path):
    folder = tmp_path / "ova"
    with tarfile.open(next(images.glob("*.ova"))) as archive:
        names = archive.getnames()
        archive.extractall(folder)
    assert [name.rsplit(".", 1)[1] for name in names] == ["ovf", "mf", "vmdk"]
    return [folder / name for name in names]


def rows(item):
    return {child.tag.removeprefix(RASD): child.text for child in item}


@pytest.mark.by_hand
def test_as_imported(lab, unpacked, tmp_path):
    descriptor, sums, disk = unpacked
    for line in sums.read_text().splitlines():
        name, digest = line.removeprefix("SHA256(").split(")= ")
        assert hashlib.sha256((sums.parent / name).read_bytes()).hexdigest() == digest

    tree = xml.parse(descriptor).getroot()
    file = tree.find(f"{OVF}References/{OVF}File")
    assert file.get(f"{OVF}href") == disk.name and int(file.get(f"{OVF}size")) == disk.stat().st_size
    of = tree.find(f"{OVF}DiskSection/{OVF}Disk")
    assert of.get(f"{OVF}fileRef") == file.get(f"{OVF}id")
    info = subprocess.run(["qemu-img", "info", disk], capture_output=True, text=True, check=True).stdout
    assert f"({of.get(f'{OVF}capacity')} bytes)" in info and "streamOptimized" in info
    networks = {one.get(f"{OVF}name") for one in tree.iter(f"{OVF}Network")}
    items = [rows(item) for item in tree.iter(f"{OVF}Item")]
    # The schema wants the fields of an item in the order of the alphabet, and each number once.
    assert all(list(item) == sorted(item) for item in items)
    numbers = [item["InstanceID"] for item in items]
    assert len(set(numbers)) == len(numbers)
    by_kind = {kind: [item for item in items if item["ResourceType"] == kind]
               for kind in ("3", "4", "6", "10", "17")}
    assert {item["Connection"] for item in by_kind["10"]} == networks
    drive, scsi = by_kind["17"][0], by_kind["6"][0]
    assert drive["Parent"] == scsi["InstanceID"] and scsi["ResourceSubType"] == "VirtualSCSI"
    assert drive["HostResource"] == f"ovf:/disk/{of.get(f'{OVF}diskId')}"
    assert {item["ResourceSubType"] for item in by_kind["10"]} == {"VmxNet3"}

    # Importing makes a disk of one's own of it. The CPUs are fewer here: it is emulated.
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", disk, tmp_path / "imported.qcow2"], check=True)
    files, chain = vm.manifests(tmp_path)
    lab.create()
    lab.serve()
    box = Machine(tmp_path / "box1", tmp_path / "imported.qcow2", Hardware(
        fresh=True, nics=("vmxnet3", "vmxnet3"), memory_mb=int(by_kind["4"][0]["VirtualQuantity"]),
        disk_bus="pvscsi", management="vmxnet3"))
    box.configure(vm.configuration(), **files)
    try:
        box.start(lab.switch)
        box.wait_up()
        assert slot(box) == "A"
        check_serves(lab, box, chain)
        print(box.shell("lspci; lsblk -o NAME,SIZE,TRAN,MODEL").stdout, flush=True)
    finally:
        box.stop()
