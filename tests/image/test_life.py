# SPDX-License-Identifier: BSD-3-Clause
"""What a machine lives through: an update by URL and back, and a hang. By hand: four starts."""

import bundles
import pytest
from test_boot import check_serves
from test_update import SIGNING, boot_id, restart, slot, wait_healthy

MOUNTED = "mkdir -p /run/bundles && mount -o ro LABEL=bundles /run/bundles"
SERVED = "busybox httpd -p 127.0.0.1:8099 -h /run/bundles"


@pytest.mark.by_hand
def test_life(lab, started, images, tmp_path):
    volume = bundles.make_volume(next(images.glob("*.raucb")), tmp_path / "bundles", *SIGNING)
    box, chain = started(more=["-drive", f"file={volume},if=virtio,format=raw,readonly=on"])
    box.wait_up()
    wait_healthy(box, "A")

    box.shell(f"{MOUNTED} && {SERVED}")
    # By URL; and back again.
    done = box.ssh("upgrade install http://127.0.0.1:8099/good.raucb --yes", check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "upgrade.raucb" not in box.shell("ls /var/lib/sluice").stdout
    restart(box)
    assert slot(box) == "B"
    wait_healthy(box, "B")
    box.ssh("upgrade rollback --yes", check=False)
    box.wait(lambda: box.shell("cat /proc/cmdline", check=False).stdout.find("rauc.slot=A") > 0,
             "slot A again")
    check_serves(lab, box, chain)
    wait_healthy(box, "A")

    # PID 1 stands still (it does so when it is told of a crash): nobody calms the watchdog.
    began = boot_id(box)
    box.shell("kill -ABRT 1", check=False)
    box.wait(lambda: boot_id(box) not in ("", began), "a start after the watchdog's", seconds=400)
    assert slot(box) == "A"
    check_serves(lab, box, chain)
