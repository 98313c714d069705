# SPDX-License-Identifier: BSD-3-Clause
"""The firmware, made once for a session, and the lab around a machine that runs it."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "images" / "vm"), str(ROOT / "images" / "lab")]
import topology  # noqa: E402
import vm  # noqa: E402
from machine import Hardware, Machine  # noqa: E402

BUILD = os.environ.get("SLUICE_BUILD", str(ROOT / "build"))
CACHE = Path(os.environ.get("SLUICE_CACHE", "/var/cache/sluice"))


def pytest_configure(config):
    config.addinivalue_line("markers", "by_hand: takes minutes more, not in CI")


def build(out, *words):
    done = subprocess.run([ROOT / "images" / "build", "--build", BUILD, "--out", out, *words],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """The folder with what images/build made of this build: as new as its programs."""
    given = os.environ.get("SLUICE_IMAGES")
    if given:
        return Path(given)
    out = CACHE / "test-images"
    out.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "test-images.lock", "w") as lock:  # the others of the suite wait for it
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_images(out)
    return out


def make_images(out):
    newest = max(path.stat().st_mtime for path in (
        *Path(BUILD).glob("*/sluice-*"), *(ROOT / "images").glob("*"),
        *(ROOT / "images/firmware").rglob("*")) if path.is_file())
    sums = out / "SHA256SUMS"
    if not sums.exists() or sums.stat().st_mtime < newest:
        for old in out.iterdir():
            old.unlink()
        build(out, "--only", "qcow2,raucb,iso")


@pytest.fixture
def lab(tmp_path, request):
    prefix = os.environ.get("SLUICE_LAB_PREFIX", f"t{os.getpid()}")
    made = topology.Topology(f"{prefix}-{request.module.__name__.removeprefix('test_')[:2]}", tmp_path)
    topology.destroy(made.name)
    yield made
    topology.destroy(made.name)


@pytest.fixture
def started(images, lab, tmp_path):
    """Starts a configured machine; (machine, chain of the lab's certificate). Its disk may be there
    already, in tmp_path/box1."""
    machines = []

    def start(more=(), **hardware):
        files, chain = vm.manifests(tmp_path)
        lab.create()
        lab.serve()
        box = Machine(tmp_path / "box1", next(images.glob("*.qcow2")), Hardware(fresh=True, **hardware))
        workers = list(range(1, box.hardware.cpus))
        box.configure(vm.configuration(workers=workers), **files)
        machines.append(box)
        box.start(lab.switch, more=more)
        return box, chain

    yield start
    for box in machines:
        box.stop()
