# SPDX-License-Identifier: BSD-3-Clause
"""Updates that start and are no good: one whose dataplane never runs, one that ends in emergency
mode, one that hangs before systemd is there. Each gives way to the slot before, which serves."""

import bundles
import pytest
from test_boot import check_serves
from test_update import SIGNING, boot_id, upgrade, wait_healthy

BAD = {
    "hangs": "sluice.patience=45 rootdelay=100000",
    "never-healthy": "systemd.mask=sluice-dataplane.service sluice.patience=60",
    "emergency": "systemd.unit=emergency.target",
}


def is_back(box, before):
    """Another start than that one, of slot A."""
    said = box.shell("cat /proc/sys/kernel/random/boot_id /proc/cmdline", check=False).stdout
    return "rauc.slot=A" in said and before not in said


@pytest.mark.by_hand
def test_gives_way(lab, started, images, tmp_path):
    volume = bundles.make_bad_volume(next(images.glob("*.raucb")), tmp_path / "bundles", *SIGNING, BAD)
    box, chain = started(more=["-drive", f"file={volume},if=virtio,format=raw,readonly=on"])
    box.wait_up()
    wait_healthy(box, "A")
    # The deadline of the start is over with it.
    assert box.shell("ls /run/sluice-deadline; pgrep -f '^/bin/sh /scripts/init-top'",
                     check=False).stdout == ""
    for name in BAD:
        box.shell("mkdir -p /run/bundles && mount -o ro LABEL=bundles /run/bundles")
        done = upgrade(box, name)
        assert done.returncode == 0, done.stdout + done.stderr
        starts = box.console(5000).count("Sluice, slot B")
        before = boot_id(box)
        box.ssh("reboot --yes", check=False)
        box.wait(lambda before=before: is_back(box, before), f"{name}: slot A again")
        assert box.console(5000).count("Sluice, slot B") == starts + 1, name
        check_serves(lab, box, chain)
        wait_healthy(box, "A")
        print(f"{name}: gave way", flush=True)
