# SPDX-License-Identifier: BSD-3-Clause
"""A virtual machine for tests of what needs a kernel of its own: Debian's cloud kernel under QEMU's
software emulation (KVM is not wanted: where it is nested, guests die in it), and an initramfs of
busybox, a few modules and our programs with their libraries. Up in about ten seconds.

Its NICs are datagram sockets of the host, one frame a datagram. Its second serial line is a shell
without echo: a line is a command, and "#<exit code>" ends what it says."""

import contextlib
import gzip
import io
import os
import re
import select
import shutil
import socket
import stat
import subprocess
import time
from pathlib import Path

CACHE = Path(os.environ.get("SLUICE_CACHE", "/var/cache/sluice"))
MODULES = ("virtio_net", "vmxnet3", "tun", "uio_pci_generic", "vfio-pci", "vfio_iommu_type1")
LIBRARIES = re.compile(r"(/\S+\.so\S*)")
BOOT_SECONDS = 90

INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/hugepages /run /var/run /tmp
mount -t hugetlbfs huge /dev/hugepages
mount -t tmpfs run /run
depmod
for module in virtio_pci virtio_net vmxnet3 tun; do modprobe $module; done
ip link set lo up
exec </dev/ttyS1 >/dev/ttyS1 2>&1
stty -F /dev/ttyS1 raw -echo
echo ready
while read -r line; do
	eval "$line"
	echo "#$?"
done
poweroff -f
"""


class GuestError(Exception):
    pass


def fetch_kernel():
    """(kernel, folder of modules), downloaded once."""
    found = sorted(CACHE.glob("kernel-*/boot/vmlinuz-*"))
    if not found:
        CACHE.mkdir(parents=True, exist_ok=True)
        depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], check=True,
                                 capture_output=True, text=True).stdout
        package = re.search(r"Depends: (linux-image-\S+)", depends).group(1)
        work = CACHE / f"work-{os.getpid()}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        subprocess.run(["apt-get", "-q", "download", package], cwd=work, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deb = next(work.glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", deb, work / "tree"], check=True)
        with contextlib.suppress(OSError):  # another test was faster
            (work / "tree").rename(CACHE / f"kernel-{package}")
        shutil.rmtree(work, ignore_errors=True)
        found = sorted(CACHE.glob("kernel-*/boot/vmlinuz-*"))
    kernel = found[-1]
    return kernel, next((kernel.parents[1] / "lib" / "modules").iterdir())


def module_files(folder):
    """The modules wanted and those they name as theirs, which modinfo keeps as text in the file."""
    by_name = {path.stem.replace("-", "_"): path for path in folder.rglob("*.ko")}
    files, todo = set(), [name.replace("-", "_") for name in (*MODULES, "virtio_pci")]
    while todo:
        path = by_name.get(todo.pop())
        if path is None or path in files:
            continue
        files.add(path)
        depends = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        todo += [name.replace("-", "_") for name in depends.group(1).decode().split(",") if name]
    return files


class Archive:
    """A cpio archive of the kind the kernel unpacks ("newc")."""

    def __init__(self):
        self.stream = io.BytesIO()
        self.names = set()
        self.count = 0

    def entry(self, name, mode, data=b""):
        if name in self.names:
            return
        self.names.add(name)
        self.count += 1
        encoded = name.encode() + b"\0"
        fields = (self.count, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        self.stream.write(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded)
        self.pad()
        self.stream.write(data)
        self.pad()

    def pad(self):
        self.stream.write(bytes(-self.stream.tell() % 4))

    def folder(self, name):
        if name and name != ".":
            self.folder(os.path.dirname(name))
            self.entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o755):
        self.folder(os.path.dirname(name))
        self.entry(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self.entry(name, stat.S_IFLNK | 0o777, target.encode())

    def program(self, source, name):
        """With the libraries it is linked with, at the places it looks for them."""
        self.file(name, Path(source).read_bytes())
        said = subprocess.run(["ldd", source], capture_output=True, text=True, check=False).stdout
        for library in LIBRARIES.findall(said):
            self.file(library.lstrip("/"), Path(library).read_bytes())

    def bytes(self):
        self.entry("TRAILER!!!", 0)
        return self.stream.getvalue()


def make_initramfs(target, modules, programs, files):
    archive = Archive()
    for name in ("proc", "sys", "dev", "run", "var", "etc", "tmp", "root"):
        archive.folder(name)
    archive.link("lib64", "lib/x86_64-linux-gnu")
    archive.file("bin/busybox", Path("/bin/busybox").read_bytes())
    listed = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True)
    for applet in listed.stdout.split():
        archive.link(f"bin/{applet}", "busybox")
    archive.link("sbin", "bin")
    archive.file("init", INIT.encode())
    for path in module_files(modules):
        archive.file(f"lib/modules/{modules.name}/{path.relative_to(modules)}", path.read_bytes(),
                     0o644)
    archive.file("dev/null", b"")
    for source in programs:
        archive.program(source, f"bin/{Path(source).name}")
    for name, text in files.items():
        archive.file(name, text.encode(), 0o644)
    with gzip.open(target, "wb", compresslevel=1) as stream:
        stream.write(archive.bytes())


class Wire:
    """The host's end of one of the guest's NICs."""

    def __init__(self, folder, number):
        self.ours, self.theirs = folder / f"host{number}", folder / f"guest{number}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(str(self.ours))
        self.socket.settimeout(20)

    def netdev(self, name):
        return (f"dgram,id={name},local.type=unix,local.path={self.theirs},"
                f"remote.type=unix,remote.path={self.ours}")

    def send(self, frame):
        self.socket.sendto(bytes(frame), str(self.theirs))

    def receive(self):
        return self.socket.recv(65536)

    def drain(self):
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.recv(65536)
        self.socket.settimeout(20)


class Guest:
    """nics: QEMU devices, as "virtio-net-pci,mrg_rxbuf=on"; the first is 0000:00:03.0, the next
    0000:00:04.0 and so on. machine: further arguments of QEMU. kernel: further ones of the kernel."""

    def __init__(self, folder, nics, programs, files=(), machine=(), kernel=""):
        self.folder = Path(folder)
        self.wires = [Wire(self.folder, number) for number in range(len(nics))]
        self.addresses = [f"0000:00:{3 + number:02x}.0" for number in range(len(nics))]
        image, modules = fetch_kernel()
        initramfs = self.folder / "initramfs.gz"
        make_initramfs(initramfs, modules, programs, dict(files))
        self.log = self.folder / "console.log"
        path = self.folder / "shell"
        words = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
                 "-no-reboot", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
                 *(machine or ["-M", "q35"]), "-kernel", image, "-initrd", initramfs,
                 "-append", f"console=ttyS0 quiet panic=-1 default_hugepagesz=2M hugepagesz=2M "
                 f"hugepages=192 {kernel}",
                 "-serial", f"file:{self.log}", "-serial", f"unix:{path},server=on,wait=off",
                 "-device", "virtio-rng-pci"]
        for number, nic in enumerate(nics):
            words += ["-netdev", self.wires[number].netdev(f"n{number}"), "-device",
                      f"{nic},netdev=n{number},addr={3 + number:x}.0,mac={self.mac(number)}"]
        self.machine = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self.rest = b""
        deadline = time.monotonic() + BOOT_SECONDS
        while not path.exists():
            self.check(deadline)
            time.sleep(0.02)
        self.shell = socket.socket(socket.AF_UNIX)
        self.shell.connect(str(path))
        while self.line(deadline) != "ready":
            pass

    @staticmethod
    def mac(number):
        return f"02:00:00:00:01:{number:02x}"

    def check(self, deadline):
        if self.machine.poll() is not None:
            raise GuestError(f"qemu ended: {self.machine.stderr.read().decode()}\n{self.console()}")
        if time.monotonic() > deadline:
            raise GuestError(f"time is up; said so far: {self.rest!r}; console:\n{self.console()}")

    def console(self):
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def line(self, deadline=None):
        deadline = deadline or time.monotonic() + 60
        while b"\n" not in self.rest:
            self.check(deadline)
            if select.select([self.shell], [], [], 0.5)[0]:
                self.rest += self.shell.recv(65536)
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode(errors="replace").rstrip("\r")

    def say(self, text):
        self.shell.sendall(text.encode() + b"\n")

    def run(self, command):
        """(exit code, what it said)."""
        self.say(command)
        return self.end()

    def end(self):
        said = []
        while True:
            line = self.line()
            if re.fullmatch(r"#\d+", line):
                return int(line[1:]), "\n".join(said)
            said.append(line)

    def close(self):
        with contextlib.suppress(Exception):
            self.say("exec poweroff -f")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.machine.wait(timeout=3)
        self.machine.kill()
        self.machine.wait()
        self.machine.stderr.close()
        self.shell.close()
        for wire in self.wires:
            wire.socket.close()
