# SPDX-License-Identifier: BSD-3-Clause
"""A box that begins as new becomes what a backup says that it was: both processes start anew with it. By
hand: two starts."""

import subprocess

import pytest
from test_boot import check_serves
from test_update import boot_id, wait_healthy

SECRET = "a passphrase of this test"


def began(box):
    """When each process did; the control plane begins anew without another pid, and says so."""
    said = box.shell("systemctl show -P ExecMainStartTimestampMonotonic sluice-dataplane; "
                     "journalctl -u sluice-controlplane -o cat | grep -c 'runs with'", check=False)
    return said.stdout.split()


def what_is_restored(box):
    return box.shell("cat /etc/sluice/sluice.conf").stdout, box.ssh("token list --json").stdout


def capacity(box):
    return sum(row["flows_capacity"] for row in box.show("workers")["workers"])


@pytest.mark.by_hand
def test_put_back(lab, started, tmp_path):
    box, chain = started()
    box.wait_up()

    # What is to be had back: a setting of the dataplane's and one of the control plane's, and a token.
    box.ssh("configure set defaults.algorithm round-robin")
    box.ssh("configure set dataplane.flows 32768")
    box.ssh("configure commit")
    box.ssh("token create of-before role view")
    backup = tmp_path / "box.backup"
    with open(backup, "wb") as stream:
        subprocess.run([str(word) for word in box.ssh_words("backup - --passphrase-file -")],
                       input=f"{SECRET}\n".encode(), stdout=stream, check=True, timeout=300)
    before = what_is_restored(box)

    # As new: what was configured by hand is gone, what the volume says is there again.
    box.shell("touch /var/lib/sluice/of-before /etc/sluice/of-before")
    start = boot_id(box)
    box.ssh("factory-reset --yes", check=False)
    box.wait(lambda: boot_id(box) not in ("", start), "a start as new", seconds=400)
    left = box.shell("ls /var/lib/sluice /etc/sluice").stdout
    assert "of-before" not in left + box.ssh("token list").stdout
    assert what_is_restored(box) != before
    check_serves(lab, box, chain)

    # And as it was: both processes start anew with what was in the backup.
    wait_healthy(box, "A")
    ran, many = began(box), capacity(box)
    done = subprocess.run(
        [str(word) for word in box.ssh_words("restore - --passphrase-file - --yes")],
        input=f"{SECRET}\n".encode() + backup.read_bytes(), capture_output=True, timeout=300)
    print((done.stdout + done.stderr).decode(), flush=True)
    assert done.returncode == 0
    box.wait(lambda: sum(a != b for a, b in zip(ran, began(box))) == 2, "both processes anew")
    box.wait(lambda: box.ssh("show workers", check=False).returncode == 0, "both processes")
    assert what_is_restored(box) == before
    assert capacity(box) == many // 2
    check_serves(lab, box, chain)
