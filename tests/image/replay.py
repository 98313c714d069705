# SPDX-License-Identifier: BSD-3-Clause
"""What QEMU's blklogwrites kept of a disk, put on a copy of what was there before: the disk as a power cut
at any moment may leave it."""

import dataclasses
import struct
import subprocess
from pathlib import Path

SECTOR = 512
MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4


@dataclasses.dataclass
class Write:
    at: int  # in the log, of its end
    sector: int
    count: int
    flags: int
    data: int  # where its bytes are in the log


def read_log(path):
    """All that is there whole; the count in its head may be behind."""
    size, writes = path.stat().st_size, []
    with open(path, "rb") as log:
        magic, _version, _entries, sector = struct.unpack("<QQQI", log.read(28))
        assert magic == MAGIC and sector == SECTOR
        at = SECTOR
        while at + SECTOR <= size:
            log.seek(at)
            begin, count, flags, _length = struct.unpack("<QQQQ", log.read(32))
            data = at + SECTOR
            at = data if flags & DISCARD else data + count * SECTOR
            if at > size:
                break
            writes.append(Write(at, begin, count, flags, data))
    return writes


class Disk:
    """A copy of the base, a plain file, to which more and more of the log is done."""

    def __init__(self, base, log, target):
        self.log, self.path, self.done = Path(log), Path(target), 0
        subprocess.run(["cp", "--sparse=always", base, target], check=True)
        self.writes = read_log(self.log)

    def apply(self, numbers, path=None):
        with open(self.log, "rb") as log, open(path or self.path, "r+b") as disk:
            for number in numbers:
                write = self.writes[number]
                disk.seek(write.sector * SECTOR)
                if write.flags & DISCARD:
                    subprocess.run(["fallocate", "-p", "-o", str(write.sector * SECTOR), "-l",
                                    str(write.count * SECTOR), path or self.path], check=True)
                elif write.count:
                    log.seek(write.data)
                    disk.write(log.read(write.count * SECTOR))

    def flushed_before(self, number):
        """The first write that no flush has made last, of those before this one."""
        for at in range(number - 1, self.done - 1, -1):
            if self.writes[at].flags & FLUSH:
                return at + 1
        return self.done

    def cut_at(self, number, chance, target):
        """A file as the power may leave it before this write: what a flush came after, and of the rest some,
        in any order. Later cuts come later: how many were not flushed, and how many of these are there."""
        last = self.flushed_before(number)
        self.apply(range(self.done, last))
        self.done = last
        subprocess.run(["cp", "--sparse=always", self.path, target], check=True)
        loose = list(range(last, number))
        kept = [one for one in loose if self.writes[one].flags & FUA or chance.random() < 0.5]
        self.apply(kept, target)
        return len(loose), len(kept)
