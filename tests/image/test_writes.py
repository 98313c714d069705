# SPDX-License-Identifier: BSD-3-Clause
"""Power cuts by the record of what a machine wrote: a first start, configurations that are committed, an
update, and its first start are recorded once; then the disk is made as a cut at any moment may have left
it (all that was flushed, and of the rest some), and looked at as the start would. By hand: two starts, and
one more for each of SLUICE_STARTS (0) of these disks; SLUICE_POWER_CUTS says how many there are (60), beside
those at which the ESP is written."""

import contextlib
import json
import os
import random
import re
import subprocess
import time

import bundles
import pytest
import vm
from machine import Hardware, Machine
from replay import SECTOR, Disk
from test_power import COMMITS, FILES, beside, serves
from test_update import SIGNING, restart, slot, wait_healthy

CUTS = int(os.environ.get("SLUICE_POWER_CUTS", "60"))
STARTS = int(os.environ.get("SLUICE_STARTS", "0"))


def quiet(*words, check=True):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    assert done.returncode == 0 or not check, f"{words}: {done.stdout}{done.stderr}"
    return done


@contextlib.contextmanager
def device(image, part):
    """One of its partitions as a block device."""
    name = quiet("losetup", "-f", "--show", "-o", part["start"] * SECTOR, "--sizelimit",
                 part["size"] * SECTOR, image).stdout.strip()
    try:
        quiet("blockdev", "--flushbufs", name)  # the kernel may still have what was there before
        yield name
    finally:
        quiet("losetup", "-d", name)


def chosen(env):
    """The slot that grub.cfg starts; when none has a start left all that are good have theirs again."""
    good = [name for name in env["ORDER"].split() if env[f"{name}_OK"] == "1"]
    return next((name for name in good if int(env[f"{name}_TRY"]) < 3), good[0])


def check_slot(image, parts):
    """What GRUB reads is whole, and the slot that it chooses opens: its name."""
    place = f"{image}@@{parts['esp']['start'] * SECTOR}"
    text = quiet("mtype", "-i", place, "::/grub/grubenv").stdout
    assert len(text) == 1024 and text.startswith("# GRUB Environment Block\n"), text[:200]
    env = dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
    name = chosen(env)
    letter = name.lower()
    with device(image, parts[f"boot-{letter}"]) as boot:
        config = quiet("debugfs", "-R", "cat slot.cfg", boot).stdout
    digest, offset = re.search(r"sluice\.hash=(\w+) sluice\.offset=(\d+)", config).groups()
    with device(image, parts[f"root-{letter}"]) as root:
        quiet("veritysetup", "verify", root, root, digest, f"--hash-offset={offset}")
    return name


def read(path):
    return path.read_text() if path.exists() else None


def check_state(folder, texts, keys, least):
    """What is configured is whole, and no older than what was said to be in use."""
    ours = folder / "var/upper/lib/sluice"
    if not (ours / "setup-done").exists():
        assert not least
        return "new"
    conf = read(folder / "etc/upper/sluice/sluice.conf")
    assert conf and conf.strip() in texts, conf
    assert read(folder / "home/upper/admin/.ssh/authorized_keys") == keys
    for kind in ("ed25519", "ecdsa"):
        key = folder / f"etc/upper/ssh/ssh_host_{kind}_key"
        assert quiet("ssh-keygen", "-y", "-f", key).stdout.split()[:2] == \
            key.with_suffix(".pub").read_text().split()[:2]
    assert (folder / "etc/upper/credstore.encrypted/sluice-state-key").stat().st_size > 100
    there = sorted(path for path in (ours / "revisions").glob("*.conf"))
    for path in there:
        assert path.read_text().split("\n", 3)[3].strip() in texts, path
    same = [int(path.stem) for path in there[-2:] if path.read_text().split("\n", 3)[3] == conf]
    assert not there or same and same[-1] >= least, (there, same, least)
    empty = [str(path.relative_to(ours)) for path in ours.rglob("*")
             if path.is_file() and not path.stat().st_size and path.name != "setup-done"]
    return f"revision {same[-1] if same else '-'}" + (f", empty: {empty}" if empty else "")


def partitions(image):
    table = json.loads(quiet("sfdisk", "--json", image).stdout)["partitiontable"]
    return {part["name"]: part for part in table["partitions"]}


def check_disk(image, folder, texts, keys, least):
    parts = partitions(image)
    said = f"slot {check_slot(image, parts)}"
    with device(image, parts["state"]) as state:
        fixed = quiet("e2fsck", "-p", state, check=False)
        assert fixed.returncode < 4, fixed.stdout + fixed.stderr
        folder.mkdir(exist_ok=True)
        quiet("mount", "-t", "ext4", state, folder)
        try:
            return f"{said}, {check_state(folder, texts, keys, least)}"
        finally:
            quiet("umount", folder)


def record(box, log, more, lab):
    """(phases: [(name, where in the log it begins)], [(revision, where in the log it was said)])"""
    phases, told = [("first start", 0)], []

    def begin(name):
        phases.append((name, log.stat().st_size))
        print(f"{time.strftime('%T')} {name}: from {phases[-1][1] >> 20} MiB", flush=True)

    box.start(lab.switch, more=more)
    box.wait_up()
    first = vm.configuration()
    texts = [first.replace("maglev", name) for name in ("maglev", "round-robin")]
    for file, text in zip(FILES, texts, strict=True):
        box.put(file, text)
    begin("commits")
    process = beside(box, f"shell {COMMITS}")
    for line in process.stdout:
        if found := re.search(r"revision (\d+) is in use", line):
            told.append((int(found.group(1)), log.stat().st_size))
            if len(told) >= 12:
                break
    process.kill()
    process.communicate()
    wait_healthy(box, "A")
    begin("update")
    box.shell("mkdir -p /run/bundles && mount -o ro LABEL=bundles /run/bundles")
    done = box.ssh("upgrade install /run/bundles/good.raucb --yes", check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    begin("start of the update")
    restart(box)
    assert slot(box) == "B"
    wait_healthy(box, "B")
    phases.append(("end", log.stat().st_size))
    box.stop()
    return phases, told, [text.strip() for text in texts]


def moments_of(writes, phases, esp, chance):
    """[(before which write, phase)]: some of each, and all at which GRUB's variables change."""
    moments = []
    for (name, begin), (_next, end) in zip(phases, phases[1:]):
        within = [number for number, write in enumerate(writes) if begin < write.at <= end]
        chosen = set(chance.sample(within, min(CUTS // 4, len(within))))
        chosen |= {number + late for number in within for late in (0, 1)
                   if esp["start"] <= writes[number].sector < esp["start"] + esp["size"]
                   and writes[number].count and number + late < len(writes)}
        print(f"{name}: {len(within)} writes, power is lost at {len(chosen)}", flush=True)
        moments += [(number, name) for number in chosen]
    return sorted(moments)


@pytest.mark.by_hand
def test_any_moment(lab, images, tmp_path):
    chance = random.Random(os.environ.get("SLUICE_SEED"))
    image, base, log = next(images.glob("*.qcow2")), tmp_path / "base.raw", tmp_path / "writes"
    volume = bundles.make_volume(next(images.glob("*.raucb")), tmp_path / "bundles", *SIGNING)
    more = ["-drive", f"file={volume},if=virtio,format=raw,readonly=on"]
    files, chain = vm.manifests(tmp_path)
    lab.create()
    lab.serve()
    box = Machine(tmp_path / "box1", image, Hardware(fresh=True, record=log))
    box.configure(vm.configuration(), **files)
    quiet("qemu-img", "convert", "-O", "raw", box.disk, base)
    try:
        phases, told, texts = record(box, log, more, lab)
    finally:
        box.stop()

    disk = Disk(base, log, tmp_path / "disk.raw")
    keys = box.key.with_suffix(".pub").read_text()
    moments = moments_of(disk.writes, phases, partitions(base)["esp"], chance)
    starts = set(chance.sample(range(len(moments)), STARTS))
    bad = []
    for index, (number, name) in enumerate(moments):
        target = tmp_path / "cut.raw"
        loose, kept = disk.cut_at(number, chance, target)
        least = max((revision for revision, at in told if at <= disk.writes[max(number - 1, 0)].at),
                    default=0)
        if index in starts:
            quiet("qemu-img", "convert", "-O", "qcow2", target, tmp_path / f"cut{index}.qcow2")
        what = (f"{index + 1:3}: {name}, write {number}, {kept} of {loose} that were not flushed, "
                f"{least or 'none'} was told")
        try:
            print(f"{what}: {check_disk(target, tmp_path / 'mounted', texts, keys, least)}", flush=True)
        except AssertionError as error:
            bad.append(f"{what}: {error}")
            print(f"{bad[-1]} FAILED", flush=True)
            os.replace(target, tmp_path / f"bad{index}.raw")
    assert not bad, "\n".join(bad)
    for index in sorted(starts):
        again = Machine(tmp_path / f"cut{index}box", tmp_path / f"cut{index}.qcow2", Hardware(fresh=True))
        for name in (again.key, again.key.with_suffix(".pub")):
            name.write_bytes((box.folder / name.name).read_bytes())
        again.configure(vm.configuration(), **files)
        try:
            again.start(lab.switch, more=more)
            again.wait_up()
            serves(lab, again, chain)
            print(f"{index + 1:3}: starts, slot {slot(again)}", flush=True)
        finally:
            again.stop()
