# SPDX-License-Identifier: BSD-3-Clause
"""What a machine lives through: a full disk, an update and back, a hang, a new beginning. By hand:
six starts."""

import bundles
import pytest
from test_boot import check_serves
from test_update import SIGNING, boot_id, restart, slot, upgrade, wait_healthy, what_counts

MOUNTED = "mkdir -p /run/bundles && mount -o ro LABEL=bundles /run/bundles"
SERVED = "busybox httpd -p 127.0.0.1:8099 -h /run/bundles"
FULL = "fallocate -l $(($(df --output=avail -B1 /state | tail -n 1) - 4194304)) /state/full"


@pytest.mark.by_hand
def test_life(lab, started, images, tmp_path):
    volume = bundles.make_volume(next(images.glob("*.raucb")), tmp_path / "bundles", *SIGNING)
    box, chain = started(more=["-drive", f"file={volume},if=virtio,format=raw,readonly=on"])
    box.wait_up()
    wait_healthy(box, "A")

    # A full disk: what is to be fetched is refused, the rest goes on.
    box.shell(f"{MOUNTED} && {SERVED} && {FULL}")
    before = what_counts(box)
    refused = box.ssh("upgrade install http://127.0.0.1:8099/good.raucb --yes", check=False,
                      timeout=120)
    assert refused.returncode and "room for 0 MB" in refused.stdout + refused.stderr
    assert what_counts(box) == before
    check_serves(lab, box, chain)

    # With room, by URL; and back again.
    box.shell("rm /state/full")
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

    # As new: what was configured by hand is gone, what the volume says is there again.
    box.shell("touch /var/lib/sluice/of-before /etc/sluice/of-before")
    box.ssh("token create of-before role view")
    began = boot_id(box)
    box.ssh("factory-reset --yes", check=False)
    box.wait(lambda: boot_id(box) not in ("", began), "a start as new", seconds=400)
    left = box.shell("ls /var/lib/sluice /etc/sluice").stdout
    assert "of-before" not in left + box.ssh("token list").stdout
    check_serves(lab, box, chain)
