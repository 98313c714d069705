# SPDX-License-Identifier: BSD-3-Clause
"""A state partition without a byte left: what needs room is refused and changes nothing, what needs none
goes on, and the machine starts. By hand: two starts."""

import bundles
import pytest
import vm
from test_boot import check_serves
from test_life import MOUNTED, SERVED
from test_update import SIGNING, restart, slot, upgrade, wait_healthy, what_counts

# Root may have what is kept for it, too.
FULL = ("dd if=/dev/zero of=/state/full bs=1M 2>/dev/null; sync; "
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

    # To be fetched; to be kept: a configuration, by file and by hand; to be put back.
    before, kept = what_counts(box), box.shell(REVISIONS).stdout
    refused(box, "upgrade install http://127.0.0.1:8099/good.raucb --yes", why="room for 0 MB")
    assert what_counts(box) == before
    refused(box, "commit --file /run/next.conf", why="No space left on device")
    box.ssh("configure set defaults.algorithm round-robin")
    refused(box, "configure commit", why="No space left on device")
    box.ssh("configure discard")
    assert box.shell(REVISIONS).stdout == kept
    assert "maglev" in box.ssh("show config").stdout
    assert len(box.show("history")["revisions"]) == 1
    check_serves(lab, box, chain)

    # A file of the box goes into the other slot as it is read, which takes no room.
    done = upgrade(box, "good")
    assert done.returncode == 0, done.stdout + done.stderr
    restart(box)
    assert slot(box) == "B"
    check_serves(lab, box, chain)
    wait_healthy(box, "B")

    # With room again all is as ever.
    box.shell("rm /state/full /state/full-too")
    box.put("/run/next.conf", vm.configuration().replace("maglev", "round-robin"))
    box.ssh("commit --file /run/next.conf")
    assert "round-robin" in box.shell("cat /etc/sluice/sluice.conf").stdout
    check_serves(lab, box, chain)
