# SPDX-License-Identifier: BSD-3-Clause
"""A state partition without a byte left: updates and configurations are refused and nothing changes, what
runs goes on, and the machine starts. By hand: two starts."""

import bundles
import pytest
import vm
from test_boot import check_serves
from test_life import MOUNTED, SERVED
from test_update import SIGNING, restart, slot, wait_healthy, what_counts

# To the last block, as root may have what is kept for it, too.
FULL = ("fallocate -l 64G /state/full 2>/dev/null; sync; "
        "dd if=/dev/zero of=/state/full-too bs=4k 2>/dev/null; sync; df --output=avail /state | tail -n 1")
REVISIONS = "cat /etc/sluice/sluice.conf /var/lib/sluice/revisions/* | sha256sum"


def refused(box, *words, why):
    done = box.ssh(" ".join(words), check=False, timeout=120)
    said = done.stdout + done.stderr
    assert done.returncode and why in said, f"{words}: {done.returncode}: {said}"
    print(f"$ {' '.join(words)}\n{said}", flush=True)


@pytest.mark.by_hand
def test_full_disk(lab, started, images, tmp_path):
    volume = bundles.make_volume(next(images.glob("*.raucb")), tmp_path / "bundles", *SIGNING)
    box, chain = started(more=["-drive", f"file={volume},if=virtio,format=raw,readonly=on"])
    box.wait_up()
    wait_healthy(box, "A")
    assert box.shell(f"{MOUNTED} && {SERVED}; {FULL}", timeout=300).stdout.split() == ["0"]
    box.put("/run/next.conf", vm.configuration().replace("maglev", "round-robin"))

    # An update, by URL and by file; a configuration, by file and by hand.
    before, kept = what_counts(box), box.shell(REVISIONS).stdout
    refused(box, "upgrade install http://127.0.0.1:8099/good.raucb --yes", why="room for 0 MB")
    refused(box, "upgrade install /run/bundles/good.raucb --yes", why="the state partition is full")
    refused(box, "commit --file /run/next.conf", why="No space left on device")
    box.ssh("configure set defaults.algorithm round-robin")
    refused(box, "configure commit", why="No space left on device")
    box.ssh("configure discard")
    assert "maglev" in box.ssh("show config").stdout
    check_serves(lab, box, chain)

    assert what_counts(box) == before and box.shell(REVISIONS).stdout == kept
    restart(box)
    assert slot(box) == "A"
    check_serves(lab, box, chain)
    box.wait(lambda: "A_TRY=0" in box.shell("cat /efi/grub/grubenv").stdout, "a start that counts as good")

    # With room again all is as ever.
    box.shell("rm /state/full /state/full-too")
    box.put("/run/next.conf", vm.configuration().replace("maglev", "round-robin"))
    box.ssh("commit --file /run/next.conf")
    assert "round-robin" in box.shell("cat /etc/sluice/sluice.conf").stdout
    check_serves(lab, box, chain)
