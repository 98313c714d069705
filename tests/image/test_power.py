# SPDX-License-Identifier: BSD-3-Clause
"""Power is lost at moments nobody chose: while it starts, while configurations are committed, while an
update is installed and first started. It comes up each time with one of the configurations that were
committed, whole, and none older than the last that it said was in use. By hand: SLUICE_POWER_CUTS says
how many (10), SLUICE_SEED which. One of three of them is followed by another within the start after it, and one
by two: these are cheap, for it comes up only once."""

import os
import random
import re
import subprocess
import time

import bundles
import ingresses
import pytest
import vm
from test_update import SIGNING, slot
from topology import wait_until

CUTS = int(os.environ.get("SLUICE_POWER_CUTS", "10"))
FILES = ("/etc/sluice/one.conf", "/etc/sluice/two.conf")
COMMITS = (f"while sluice commit --file {FILES[0]} && sluice commit --file {FILES[1]}; "
           "do echo committed; done")
KEPT = "/var/lib/sluice/revisions"


def beside(box, command):
    """A command over ssh that goes on until the machine does not."""
    return subprocess.Popen([str(word) for word in box.ssh_words(command)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def cut(box, moment, chance):
    """Does what the moment is about, and takes the power away somewhere within it: what was said."""
    if moment == "commit":
        command, seconds = f"shell {COMMITS}", chance.uniform(0.5, 12)
    else:
        box.shell("mkdir -p /run/bundles; mountpoint -q /run/bundles || "
                  "mount -o ro LABEL=bundles /run/bundles")
        command, seconds = "upgrade install /run/bundles/good.raucb --yes", chance.uniform(0.5, 40)
    process = beside(box, command)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        pass
    over = process.poll() is not None
    box.stop()
    process.kill()
    said = process.communicate()[0]
    assert moment != "commit" or not over, said
    return f"{moment}, {seconds:.1f} s{', over before' if over else ''}", said


def last_in_use(said):
    """The highest revision that the box said was in use, or 0."""
    return max(map(int, re.findall(r"revision (\d+) is in use", said)), default=0)


def check_configuration(box, texts, least):
    """The file is one of the texts, whole, that of the newest revision or of the one before it."""
    now = box.shell("cat /etc/sluice/sluice.conf").stdout.strip()
    assert now in texts, now
    there = sorted(int(name[:8]) for name in box.shell(f"ls {KEPT}").stdout.split()
                   if name.endswith(".conf"))
    same = [number for number in there[-2:]
            if box.shell(f"tail -n +4 {KEPT}/{number:08}.conf").stdout.strip() == now]
    assert same and same[-1] >= least, f"{there} of which {same}; {least} was in use"
    runs = box.ssh("show config").stdout
    assert ("maglev" in now) == ("maglev" in runs), runs
    return f"revision {same[-1]} ({least or 'none'} was told)"


def serves(lab, box, chain):
    command = ingresses.commands(chain)[-1]
    begin = time.monotonic()
    try:
        wait_until(lambda: lab.client.run(*command, "-sS", "--fail", "--max-time", "5",
                                          check=False).returncode == 0,
                   "an answer by HTTPS", 120 * vm.PATIENCE, 0.5)
    except vm.LabError as error:
        raise vm.LabError(f"{error}\n{vm.what_is_wrong(lab, box, command)}") from None
    return time.monotonic() - begin


@pytest.mark.by_hand
def test_power_is_lost(lab, started, images, tmp_path):
    chance = random.Random(os.environ.get("SLUICE_SEED"))
    volume = bundles.make_volume(next(images.glob("*.raucb")), tmp_path / "bundles", *SIGNING)
    more = ["-drive", f"file={volume},if=virtio,format=raw,readonly=on"]
    box, chain = started(more=more)
    box.wait_up()
    first = vm.configuration()
    texts = [first.replace("maglev", name) for name in ("maglev", "round-robin")]
    for file, text in zip(FILES, texts, strict=True):
        box.put(file, text)
    box.shell("sync")  # what is committed again and again is there after each cut
    texts = [text.strip() for text in texts]
    cuts, took, least = 0, 60.0, 0
    for number in range(CUTS):
        if cuts >= CUTS:
            break
        what, said = cut(box, ("commit", "upgrade")[number % 2], chance)
        least, cuts = max(least, last_in_use(said)), cuts + 1
        for _ in range(number % 3):
            begin, seconds = time.monotonic(), chance.uniform(0.5, took)
            box.start(lab.switch, more=more)
            while time.monotonic() - begin < seconds and box.process.poll() is None:
                time.sleep(0.1)
            what += f"; start, {seconds:.1f} s"
            box.stop()
            cuts += 1
        begin = time.monotonic()
        box.start(lab.switch, more=more)
        box.wait_up()
        took = time.monotonic() - begin
        answered = serves(lab, box, chain)
        kept = check_configuration(box, texts, least)
        print(f"{time.strftime('%T')} {cuts:3}: {what}; up after {took:.0f} s, HTTPS {answered:.1f} s after "
              f"that; slot {slot(box)}, {kept}", flush=True)
    print(f"{cuts} times the power was lost")
