# SPDX-License-Identifier: BSD-3-Clause
"""The firmware starts by UEFI, configured from a volume, and serves. By BIOS it does in
test_update.py, which goes on from there."""

import pytest
import vm


def check_serves(lab, chain):
    for command, answer in vm.serves(lab, chain):
        assert "nobody" not in answer, f"{command}: {answer}"


def test_uefi(lab, started):
    box, chain = started(uefi=True)
    box.wait_up()
    assert box.shell("ls -d /sys/firmware/efi").stdout.strip() == "/sys/firmware/efi"
    check_serves(lab, chain)


@pytest.mark.by_hand
@pytest.mark.parametrize("nic", ["e1000e", "vmxnet3"])
def test_other_nics(lab, started, nic):
    box, chain = started(nic=nic)
    box.wait_up()
    check_serves(lab, chain)
