# SPDX-License-Identifier: BSD-3-Clause
"""Two machines that are a pair, as images/vm/run --pair starts them: the one that answers for the VIPs
loses its power, the other one serves; it comes back and stands by. And both are updated, one after the
other, with somebody asking all the time. By hand: three starts, and four."""

import threading
import time
import types

import bundles
import ingresses
import pytest
import vm
from test_boot import check_serves
from test_update import SIGNING, boot_id, slot, wait_healthy


@pytest.fixture
def pair(lab, images, tmp_path):
    """Starts both: (the machines, the chain of the lab's certificate)."""
    machines = []

    def start(**how):
        options = types.SimpleNamespace(pair=True, uefi=False, image=next(images.glob("*.qcow2")))
        chain = vm.bring_up(options, lab, tmp_path, machines, **how)
        for box in machines:
            box.wait_up()
        check_serves(lab, machines[0], chain)
        return machines, chain

    yield start
    for box in machines:
        box.stop()


@pytest.mark.by_hand
def test_fails_over(lab, pair):
    machines, chain = pair()
    other, seconds = vm.fail_over(lab, machines, chain)
    assert seconds < 15 * vm.PATIENCE
    check_serves(lab, other, chain)

    gone = next(box for box in machines if box is not other)
    gone.start(lab.switch)
    gone.wait_up()
    assert vm.owner_of(machines, ingresses.ADDRESSES[0]) is other
    check_serves(lab, other, chain)


class Asking:
    """Somebody who asks, one request after the other, until told to stop."""

    def __init__(self, client, command):
        self.client, self.command, self.ended = client, command, threading.Event()
        self.answers, self.failures, self.longest = 0, [], 0.0
        self.thread = threading.Thread(target=self.ask)
        self.thread.start()

    def ask(self):
        last = time.monotonic()
        while not self.ended.is_set():
            done = self.client.run(*self.command, "-sS", "--fail", "--max-time", "5", check=False)
            now = time.monotonic()
            if done.returncode:
                self.failures.append(done.stderr.strip())
            else:
                self.answers, self.longest, last = self.answers + 1, max(self.longest, now - last), now

    def end(self):
        self.ended.set()
        self.thread.join()
        return (f"{self.answers} answers, {len(self.failures)} failures {sorted(set(self.failures))}, "
                f"at most {self.longest:.1f} s from one answer to the next")


@pytest.mark.by_hand
def test_upgrades(lab, pair, images, tmp_path):
    volume = bundles.make_volume(next(images.glob("*.raucb")), tmp_path / "bundles", *SIGNING)
    machines, chain = pair(fresh=True, more=[
        "-drive", f"file={volume},if=virtio,format=raw,readonly=on"])
    first = vm.owner_of(machines, ingresses.ADDRESSES[0])
    for box in machines:
        wait_healthy(box, "A")
    askers = [Asking(lab.client, ["curl", f"http://{vm.service_address(first, 'web')}/"]),
              Asking(lab.client, ingresses.commands(chain)[-1])]
    try:
        for box in (first, machines[1 - machines.index(first)]):
            began, before = time.monotonic(), boot_id(box)
            box.shell("mkdir -p /run/bundles && mount -o ro LABEL=bundles /run/bundles")
            done = box.ssh("upgrade install /run/bundles/good.raucb reboot --yes", check=False,
                           timeout=600)
            print(f"$ ssh admin@{box.folder.name} upgrade install ... reboot --yes\n{done.stdout}"
                  f"{done.stderr}", flush=True)
            box.wait(lambda box=box, before=before: boot_id(box) not in ("", before), "another start",
                     seconds=400)
            assert slot(box) == "B"
            wait_healthy(box, "B")
            owner = vm.owner_of(machines, ingresses.ADDRESSES[0], seconds=120)
            print(f"{box.folder.name} has the update after {time.monotonic() - began:.0f} s; "
                  f"{owner.folder.name} answers for the VIPs\n{box.ssh('show upgrade').stdout}",
                  flush=True)
    finally:
        said = [asker.end() for asker in askers]
        print("\n".join(said), flush=True)
    assert all(asker.answers > 50 and asker.longest < 15 * vm.PATIENCE for asker in askers), said
    check_serves(lab, machines[0], chain)
