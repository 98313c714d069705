# SPDX-License-Identifier: BSD-3-Clause
"""The firmware in a virtual machine: a disk over the image that keeps what is written, the volume
that configures it, two NICs as taps on a lab's switch, and ssh to its third through QEMU.

Software emulation unless SLUICE_ACCEL says otherwise: KVM that is nested need not run a kernel."""

import contextlib
import dataclasses
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path

from topology import LabError, run

TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454CA, 0x2, 0x1000, 0x4000
IFF_MULTI_QUEUE = 0x100
PATIENCE = float(os.environ.get("SLUICE_PATIENCE", "1"))  # of who waits, on a machine with other work
OVMF = Path("/usr/share/OVMF")
MANAGEMENT = "[Match]\nMACAddress=52:54:00:5c:00:00\n\n[Network]\nDHCP=ipv4\n"
NIC_ADDRESSES = ("0000:00:04.0", "0000:00:05.0")


def open_taps(machine, name, queues):
    """The tap as files, one a queue."""
    kind = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (IFF_MULTI_QUEUE if queues > 1 else 0)
    taps = []
    with machine.entered():
        for _ in range(queues):
            taps.append(os.open("/dev/net/tun", os.O_RDWR))
            fcntl.ioctl(taps[-1], TUNSETIFF, struct.pack("16sH22x", name.encode(), kind))
    return taps


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_volume(target, files):
    """A FAT volume labelled CIDATA with these files, {name: text}."""
    target.unlink(missing_ok=True)
    with open(target, "wb") as stream:
        stream.truncate(8 << 20)
    run("mkfs.vfat", "-n", "CIDATA", target)
    run("mmd", "-i", target, "::/manifests")
    for name, text in files.items():
        source = target.with_suffix(".part")
        source.write_text(text)
        run("mcopy", "-i", target, source, f"::/{name}")
        source.unlink()


@dataclasses.dataclass
class Hardware:
    uefi: bool = False
    cpus: int = 2
    memory_mb: int = 2048
    disk_gb: int = 4
    nics: tuple = ("virtio-net-pci", "virtio-net-pci")
    queues: int = 1  # of NICs of virtio
    management: str = "virtio-net-pci"
    disk_bus: str = ""  # a SCSI controller; virtio without
    record: Path | None = None  # what is written to the disk, and when it is flushed, in QEMU's blklogwrites
    iommu: bool = False
    cdrom: Path | None = None
    fresh: bool = False  # each restart of the machine is a new QEMU's: emulated, it is much quicker


class Machine:
    """folder: what it needs is kept there, and the console's log. Without an image its disk is blank."""

    def __init__(self, folder, image, hardware=None):
        self.folder, self.hardware = Path(folder), hardware or Hardware()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.disk, self.log = self.folder / "disk.qcow2", self.folder / "console.log"
        self.key, self.socket = self.folder / "ssh-key", self.folder / "console"
        self.port, self.process = free_port(), None
        if not self.key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        if not self.disk.exists():
            behind = ["-F", "qcow2", "-b", Path(image).resolve()] if image else []
            run("qemu-img", "create", "-q", "-f", "qcow2", *behind, self.disk,
                f"{self.hardware.disk_gb}G")

    def configure(self, configuration, **files):
        make_volume(self.folder / "cidata.img", {
            "sluice.conf": configuration, "management.network": MANAGEMENT,
            "authorized_keys": self.key.with_suffix(".pub").read_text(), **files})

    def command(self):
        """QEMU's, without the NICs that carry packets."""
        hardware = self.hardware
        accel = os.environ.get("SLUICE_ACCEL", "tcg,thread=multi")
        words = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-M", "q35", "-accel",
                 accel, "-cpu", "max", "-smp", hardware.cpus, "-m", hardware.memory_mb,
                 "-chardev", f"socket,id=c,path={self.socket},server=on,wait=off,logfile={self.log},"
                 "logappend=on",
                 "-serial", "chardev:c", "-device", "virtio-rng-pci,addr=7.0",
                 "-device", "i6300esb", "-action", "watchdog=reset",
                 "-netdev", f"user,id=m,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22",
                 "-device", f"{hardware.management},netdev=m,addr=3.0,mac=52:54:00:5c:00:00",
                 "-qmp", f"unix:{self.folder}/monitor,server=on,wait=off", *self.drive()]
        if hardware.fresh:
            words.append("-no-reboot")
        if hardware.iommu:  # before the NICs that are behind it
            words[1:1] = ["-device", "intel-iommu,intremap=on,caching-mode=on"]
        if hardware.cdrom:
            words += ["-drive", f"file={hardware.cdrom},media=cdrom,format=raw,readonly=on",
                      "-boot", "d"]
        volume = self.folder / "cidata.img"
        if volume.exists():
            words += ["-drive", f"file={volume},if=virtio,format=raw,readonly=on"]
        if hardware.uefi:
            variables = self.folder / "vars.fd"
            if not variables.exists():
                variables.write_bytes((OVMF / "OVMF_VARS_4M.fd").read_bytes())
            words += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}/OVMF_CODE_4M.fd",
                      "-drive", f"if=pflash,format=raw,file={variables}"]
        return words

    def drive(self):
        """The disk, and what it is behind."""
        hardware, how = self.hardware, "discard=unmap,detect-zeroes=unmap"
        if hardware.record:
            hardware.record.touch()
            log = f"driver=file,filename={hardware.record},node-name=log"
            return ["-blockdev", f"driver=file,filename={self.disk},node-name=file",
                    "-blockdev", f"driver=qcow2,file=file,node-name=qcow2,{how}", "-blockdev", log,
                    "-blockdev", "driver=blklogwrites,node-name=disk,file=qcow2,log=log,log-append="
                    f"{'on' if hardware.record.stat().st_size else 'off'}",
                    "-device", "virtio-blk-pci,drive=disk,bootindex=0"]
        drive = f"file={self.disk},format=qcow2,{how}"
        if hardware.disk_bus:
            return ["-drive", f"{drive},if=none,id=disk", "-device", hardware.disk_bus, "-device",
                    "scsi-hd,drive=disk,bootindex=0"]
        return ["-drive", f"{drive},if=virtio"]

    def nic(self, number, taps):
        """One that carries packets, at a PCI address known beforehand."""
        hardware, kind = self.hardware, self.hardware.nics[number]
        files = f"fd={taps[0]}" if len(taps) == 1 else "fds=" + ":".join(map(str, taps))
        more = ""
        if kind.startswith("virtio"):
            more = f",mq=on,vectors={2 * len(taps) + 2}" if len(taps) > 1 else ""
            more += ",disable-legacy=on,iommu_platform=on" if hardware.iommu else ""
        return ["-netdev", f"tap,id=n{number},{files},vhost=off", "-device",
                f"{kind},netdev=n{number},addr={4 + number}.0,"
                f"mac=52:54:00:5c:{self.folder.name.encode()[-1]:02x}:{number + 1:02x}{more}"]

    def start(self, switch=None, bridges=("wan", "lan"), more=()):
        self.restart = lambda: self.run_qemu(switch, bridges, more)
        self.log.write_text("")
        self.run_qemu(switch, bridges, more)

    def run_qemu(self, switch, bridges, more):
        words, files = [*self.command(), *more], []
        for number, bridge in enumerate(bridges if switch else ()):
            name = f"{self.folder.name[:8]}-{bridge}"
            virtio = self.hardware.nics[number].startswith("virtio")
            taps = open_taps(switch, name, self.hardware.queues if virtio else 1)
            switch.ip(f"link set {name} master {bridge} up")
            words += self.nic(number, taps)
            files += taps
        ours = ["setpriv", "--pdeathsig", "KILL"]  # does not go on without who started it
        self.process = subprocess.Popen(
            [str(word) for word in (*ours, *words)], stdin=subprocess.DEVNULL, pass_fds=files,
            stdout=subprocess.DEVNULL, stderr=open(self.folder / "qemu.log", "wb"),
            start_new_session=True)
        for file in files:
            os.close(file)
        (self.folder / "qemu.pid").write_text(f"{self.process.pid}\n")

    def type(self, text):
        """On the serial console, which takes a few letters at a time: until it has all."""
        with socket.socket(socket.AF_UNIX) as terminal:
            terminal.connect(str(self.socket))
            terminal.sendall(text.encode())
            while struct.unpack("i", fcntl.ioctl(terminal, termios.TIOCOUTQ, bytes(4)))[0]:
                if select.select([terminal], [], [], 0.02)[0]:
                    terminal.recv(65536)

    def wait_for(self, text, seconds=240):
        """Until the console has said so."""
        self.wait(lambda: text in self.log.read_text(errors="replace"), text, seconds)

    def console(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").split("\n")[-lines:])

    def one_connection(self):
        """For many commands: keys are agreed once, which takes a machine of software seconds."""
        return ["-o", "ControlMaster=auto", "-o", f"ControlPath={self.folder}/ssh", "-o",
                "ControlPersist=120", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=4"]

    def ssh_words(self, *words):
        return ["ssh", "-p", self.port, "-i", self.key, "-o", "StrictHostKeyChecking=no", "-o",
                "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=30",
                "-o", "BatchMode=yes", *self.one_connection(), "admin@127.0.0.1", *words]

    def ssh(self, *words, check=True, timeout=60, **options):
        done = run(*self.ssh_words(*words), check=False, timeout=timeout * PATIENCE, **options)
        if check and done.returncode:
            raise LabError(f"{' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def shell(self, command, check=True, timeout=120):
        """As root, by sh."""
        return self.ssh(f"shell {command}", check=check, timeout=timeout)

    def put(self, file, text):
        self.ssh(f"shell tee {file} >/dev/null", input=text)

    def show(self, noun):
        return json.loads(self.ssh(f"show {noun} --json").stdout)

    def wait(self, condition, what, seconds=240):
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            if self.process.poll() == 0 and self.hardware.fresh:
                self.restart()
            elif self.process.poll() is not None:
                raise LabError(f"the machine ended: {(self.folder / 'qemu.log').read_text()}\n"
                               f"{self.console()}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                if condition():
                    return
            if time.monotonic() > deadline:
                raise LabError(f"not within {seconds} s: {what}; console:\n{self.console()}")
            time.sleep(1)

    def wait_up(self, seconds=240):
        """Until the console answers over ssh. It is not asked before there is a login: a machine
        of software has better things to do."""
        self.wait_for("login:", seconds)
        self.wait(lambda: self.ssh("show status", check=False).returncode == 0,
                  "`show status` over ssh", seconds)

    def wait_end(self, seconds=240):
        """Until it has turned itself off."""
        try:
            self.process.wait(timeout=seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            raise LabError(f"not off within {seconds} s; console:\n{self.console()}") from None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        run("ssh", "-o", f"ControlPath={self.folder}/ssh", "-O", "exit", "box", check=False)
