# SPDX-License-Identifier: BSD-3-Clause
"""Power is lost at moments nobody chose: while it starts, while configurations are committed, while an
update is installed and first started. It comes up each time, with one of the configurations that were
committed, whole. By hand: SLUICE_POWER_CUTS says how many (10); each costs a start."""

import os
import random
import subprocess

import bundles
import pytest
import vm
from test_boot import check_serves
from test_update import SIGNING, slot

CUTS = int(os.environ.get("SLUICE_POWER_CUTS", "10"))
FILES = ("/etc/sluice/one.conf", "/etc/sluice/two.conf")
COMMITS = (f"while sluice commit --file {FILES[0]} && sluice commit --file {FILES[1]}; "
           "do echo committed; done")


def beside(box, command):
    """A command over ssh that goes on until the machine does not."""
    return subprocess.Popen([str(word) for word in box.ssh_words(command)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def cut(box, lab, moment, chance):
    """Does what the moment is about, and takes the power away somewhere within it."""
    if moment == "start":
        box.stop()
        box.start(lab.switch, more=box.more)
        command, seconds = None, chance.uniform(0.5, 60)
    elif moment == "commit":
        command, seconds = f"shell {COMMITS}", chance.uniform(1, 15)
    else:
        box.shell("mkdir -p /run/bundles; mountpoint -q /run/bundles || "
                  "mount -o ro LABEL=bundles /run/bundles")
        command, seconds = "upgrade install /run/bundles/good.raucb --yes", chance.uniform(0.5, 40)
    process = beside(box, command) if command else box.process
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        pass
    ended = process.poll() is not None
    box.stop()
    if command:
        process.kill()
        ended = f"{ended} {process.communicate()[0][-300:]!r}"
    return f"{moment} cut after {seconds:.1f} s; over before: {ended}"


@pytest.mark.by_hand
def test_power_is_lost(lab, started, images, tmp_path):
    chance = random.Random(os.environ.get("SLUICE_SEED"))
    volume = bundles.make_volume(next(images.glob("*.raucb")), tmp_path / "bundles", *SIGNING)
    more = ["-drive", f"file={volume},if=virtio,format=raw,readonly=on"]
    box, chain = started(more=more)
    box.more = more
    box.wait_up()
    first = vm.configuration()
    texts = [first.replace("maglev", name) for name in ("maglev", "round-robin")]
    for file, text in zip(FILES, texts, strict=True):
        box.put(file, text)
    done = []
    for number in range(CUTS):
        moment = ("commit", "upgrade", "start")[number % 3]
        said = cut(box, lab, moment, chance)
        box.start(lab.switch, more=more)
        box.wait_up()
        now = box.shell("cat /etc/sluice/sluice.conf").stdout
        assert now.strip() in [text.strip() for text in texts], f"{said}:\n{now}"
        check_serves(lab, box, chain)
        done.append(f"{said}; then slot {slot(box)}, "
                    f"{'first' if 'maglev' in now else 'second'} configuration")
        print(done[-1], flush=True)
    print(f"{len(done)} times the power was lost")
