# SPDX-License-Identifier: BSD-3-Clause
"""A box of a pair restarts: the other has its VIPs before, clients hardly see it, and it comes back."""

import os
import signal
from pathlib import Path

import boxes
import harness
import pytest
from firmware import Firmware
from test_pair import GAP, Asking, pair  # noqa: F401: the fixture
from topology import wait_until

REBOOT = "systemctl --no-block reboot"


@pytest.fixture
def firmware(tmp_path, monkeypatch):
    made = Firmware(tmp_path / "programs")
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    return made


@pytest.fixture
def both(firmware, pair):  # noqa: F811
    return pair


def test_an_upgrade_of_a_pair(both, firmware, tmp_path):
    bundle = tmp_path / "sluice-0.2.0.raucb"
    bundle.write_text("an image")
    first, second = both.first, 1 - both.first
    box, lab = both[first], both.lab
    mark = Path(box.settings["state_dir"], "returning")
    asking = Asking(lab, lab.vip)
    try:
        wait_until(lambda: asking.answered_after(0), "answers")
        began = harness.now()
        wait_install = box.machine.start(
            box.program("sluice"), "--socket", box.api_socket, "upgrade", "install", bundle,
            "reboot", "--yes", log=tmp_path / "install.log")
        firmware.go()
        assert wait_install.wait(timeout=30) == 0, (tmp_path / "install.log").read_text()
        # Handed over first, and only then the machine restarts.
        wait_until(lambda: both.owner(lab.vip) == second, "the other box")
        assert REBOOT not in firmware.calls()
        assert mark.exists() and both.state(first, lab.vip) == "withdrawn"
        wait_until(lambda: REBOOT in firmware.calls(), "the restart")

        # The machine restarts: everything of the box ends, and begins again.
        boxes.send_signal(box, signal.SIGKILL, "keepalived")
        box.kill("sluice-controlplane", signal.SIGKILL)
        box.kill("sluice-dataplane", signal.SIGKILL)
        box.start("sluice-dataplane")
        box.start("sluice-controlplane")
        box.wait_answers()
        wait_until(lambda: both.state(first, lab.vip) == "standby", "its return")
        assert not mark.exists()
        assert both.owner(lab.vip) == second  # without preempt it does not take them back
        gap = boxes.longest_gap(asking.times, began)
        print(f"longest without an answer: {gap:.2f} s")
        assert gap < GAP
    finally:
        asking.stop()


def test_a_box_that_was_drained_by_hand_stays_so(both, firmware):
    first = both.first
    box, lab = both[first], both.lab
    box.sluice("drain", "box")
    wait_until(lambda: both.owner(lab.vip) == 1 - first, "the other box")
    box.sluice("reboot", "--yes")
    wait_until(lambda: REBOOT in firmware.calls(), "the restart")
    box.kill("sluice-controlplane", signal.SIGKILL)
    box.start("sluice-controlplane")
    box.wait_answers()
    assert not Path(box.settings["state_dir"], "returning").exists()
    assert both.state(first, lab.vip) == "withdrawn"


def test_a_restart_that_fails_gives_nothing_away(both, firmware):
    (firmware.folder / "refuse").write_text("")
    first = both.first
    box, lab = both[first], both.lab
    box.sluice("reboot", "--yes")
    wait_until(lambda: both.state(first, lab.vip) == "withdrawn", "the hand-over")
    wait_until(lambda: both.state(first, lab.vip) == "standby", "its return")
    assert not Path(box.settings["state_dir"], "returning").exists()
