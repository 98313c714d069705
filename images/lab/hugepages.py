# SPDX-License-Identifier: BSD-3-Clause
"""Reserves hugepages for a lab or a test run where the machine allows it, and gives them back.

Nothing depends on them: without any the dataplane takes ordinary pages."""

import os
from pathlib import Path

from topology import run

POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
MOUNT = Path("/dev/hugepages")
WANTED = 512  # 1 GB
_before = {}


def _number(name):
    try:
        return int((POOL / name).read_text())
    except (OSError, ValueError):
        return 0


def _set(count):
    try:
        (POOL / "nr_hugepages").write_text(str(count))
    except OSError:
        pass


def free():
    return _number("free_hugepages")


def reserve(wanted=WANTED):
    """What it did, in words."""
    total = _number("nr_hugepages")
    if not POOL.is_dir():
        return "this kernel has no hugepages; using ordinary pages"
    if free() < wanted:
        # At most a quarter of what memory there is: a small machine goes on without.
        available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (2 << 20)
        _before.setdefault("total", total)
        _set(total - free() + min(wanted, free() + available // 4))
    if not os.path.ismount(MOUNT):
        MOUNT.mkdir(exist_ok=True)
        if run("mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "nodev", MOUNT, check=False).returncode == 0:
            _before["mounted"] = True
    if free() == 0:
        return "no hugepages could be reserved; using ordinary pages"
    return f"{free()} free hugepages of 2 MB"


def changed():
    """What give_back() would undo, to be kept by who ends before that: {} or {"total": N, ...}."""
    return dict(_before)


def give_back(before=None):
    before = _before if before is None else before
    if before.get("mounted"):
        run("umount", MOUNT, check=False)
    if "total" in before:
        _set(before["total"])
    before.clear()
