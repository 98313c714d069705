# SPDX-License-Identifier: BSD-3-Clause
"""The root file system: the same from the same, and nothing in it of where it was made."""

import hashlib
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import build


@pytest.fixture(scope="module")
def tree(images, tmp_path_factory):
    target = tmp_path_factory.mktemp("tree") / "root"
    subprocess.run(["unsquashfs", "-q", "-no-progress", "-d", target,
                    next(images.glob("*.squashfs"))], check=True, stdout=subprocess.DEVNULL)
    return target


def files(tree, *folders):
    for folder in folders:
        for path in (tree / folder).rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path


def test_no_trace(tree):
    """Mirrors, keys and names of the machine that made it."""
    mirrors = set()
    for path in Path("/etc/apt").rglob("*"):
        if path.suffix in (".list", ".sources") and path.is_file():
            mirrors |= set(re.findall(r"https?://([^/\s]+)", path.read_text(errors="replace")))
    mirrors -= {"deb.debian.org", "security.debian.org", "snapshot.debian.org"}
    traces = [name.encode() for name in {*mirrors, socket.gethostname(), "/work/", "/root/"}
              if len(name) > 5 and name != "localhost"]
    for path in files(tree, "etc", "var", "root", "home", "usr/lib/sluice"):
        data = path.read_bytes()
        for trace in traces:
            assert trace not in data or trace == b"/root/", f"{path}: {trace}"
    assert (tree / "etc/machine-id").read_bytes() == b""
    assert not list((tree / "etc/ssh").glob("ssh_host_*"))
    assert not list((tree / "etc/apt/sources.list.d").iterdir())
    assert not list((tree / "var/lib/apt/lists").iterdir())
    assert not list((tree / "etc/credstore.encrypted").glob("*"))
    assert not list(files(tree, "root/.ssh", "home/admin/.ssh"))
    for path in files(tree, "etc"):
        assert b"PRIVATE KEY" not in path.read_bytes(), path
    shadow = (tree / "etc/shadow").read_text()
    assert all(line.split(":")[1] in ("*", "!", "!*") for line in shadow.splitlines()), shadow


def test_same_again(images, tmp_path):
    build(tmp_path, "--only", "none")
    first, second = (hashlib.sha256(next(folder.glob("*.squashfs")).read_bytes()).hexdigest()
                     for folder in (images, tmp_path))
    assert first == second


def test_packages_have_licences(images):
    rows = [line.split("\t") for line in
            next(images.glob("*.packages")).read_text().splitlines()]
    assert len(rows) > 150 and all(len(row) == 3 and all(row) for row in rows)
    assert os.path.getsize(images / "SHA256SUMS")
