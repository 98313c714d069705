# SPDX-License-Identifier: BSD-3-Clause
"""The first start, on made-up machines: what is found, proposed, asked, refused and written."""

import os
import pty
import select
import subprocess

import pytest

from topology import ROOT

BUILD = os.environ.get("SLUICE_BUILD") or ROOT / "build"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample admin@desk"


class Machine:
    """A tree as /sys and /proc show one."""

    def __init__(self, root, cpus="0-3", memory_kb=8_000_000, iommu=False):
        self.root = root
        self.write("sys/devices/system/cpu/online", cpus)
        self.write("proc/meminfo", f"MemTotal:  {memory_kb} kB\nMemFree: 1 kB")
        self.write("proc/net/route", "Iface Destination Gateway")
        (root / "sys/kernel/iommu_groups").mkdir(parents=True)
        (root / "sys/bus/pci/devices").mkdir(parents=True)
        if iommu:
            (root / "sys/kernel/iommu_groups/0").mkdir()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")

    def nic(self, pci, netdev="", linked=True, speed="10000", virtio=False, route=False):
        device = f"sys/bus/pci/devices/{pci}"
        self.write(f"{device}/class", "0x020000")
        self.write(f"{device}/vendor", "0x8086")
        self.write(f"{device}/device", "0x1572")
        (self.root / device / "driver").symlink_to("../../../bus/pci/drivers/i40e")
        if netdev:
            inner = "virtio0/net" if virtio else "net"
            (self.root / device / inner / netdev).mkdir(parents=True)
            self.write(f"sys/class/net/{netdev}/address", f"52:54:00:00:00:{pci[5:7]}")
            self.write(f"sys/class/net/{netdev}/carrier", "1" if linked else "0")
            self.write(f"sys/class/net/{netdev}/speed", speed if linked else "-1")
        if route:
            with open(self.root / "proc/net/route", "a") as table:
                table.write(f"{netdev} 00000000 0100A8C0\n")

    def setup(self, *answers, words=()):
        done = subprocess.run(
            [f"{BUILD}/controlplane/setup/sluice-setup", "--root", self.root, *words],
            input="".join(line + "\n" for line in answers), capture_output=True, text=True,
            timeout=20)
        return done

    @property
    def conf(self):
        return self.root / "etc/sluice/sluice.conf"


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    machine.nic("0000:01:00.0", "eno1", route=True, speed="1000")
    machine.nic("0000:03:00.0", "enp3s0")
    machine.nic("0000:04:00.0", "enp4s0", virtio=True)
    machine.nic("0000:05:00.0", "enp5s0", linked=False)
    machine.write("sys/bus/pci/devices/0000:00:02.0/class", "0x030000")
    return machine


def correct(conf):
    done = subprocess.run([f"{BUILD}/controlplane/sluice-controlplane", "--config", conf, "--check"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return True


SECRETS = ("yes", "correct horse", "correct horse", KEY)


def test_what_is_proposed_will_do(machine):
    done = machine.setup("", "", "", "", "", "", "", "", "", "", *SECRETS)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.split("\n") if "0000:0" in line and "8086:1572" in line]
    assert [row[-1] for row in rows] == ["out)", "wan", "lan", "-"]
    assert "1000 Mbit/s" in done.stdout and "uio_pci_generic" in done.stdout
    text = machine.conf.read_text()
    assert 'device = "0000:03:00.0"' in text and 'device = "0000:04:00.0"' in text
    assert "0000:01:00.0" not in text and "0000:05:00.0" not in text
    assert "workers = [ 1, 2, 3 ]" in text and "memory_mb = 1952" in text
    assert correct(machine.conf)
    network = (machine.root / "etc/systemd/network/10-management.network").read_text()
    assert "MACAddress=52:54:00:00:00:01" in network and "DHCP=yes" in network
    keys = machine.root / "home/admin/.ssh/authorized_keys"
    assert keys.read_text() == KEY + "\n" and keys.stat().st_mode & 0o777 == 0o600
    assert "correct horse" not in done.stdout
    again = machine.setup()
    assert again.returncode == 0 and "is over" in again.stdout


def test_what_is_wrong_is_asked_again(machine):
    done = machine.setup(
        "9", "2",                                    # the management NIC
        "192.0.2.10", "192.0.2.10/24", "nowhere", "192.0.2.1",
        "1,1", "4,1",                                # ports, in this order
        "198.51.100.2", "198.51.100.2/24, 2001:db8::2/64", "198.51.100.1",
        "203.0.113.2/24",
        "0", "2", "1000000", "512",
        "198.51.100.300", "198.51.100.100-198.51.100.120, 2001:db8::100/120",
        "198.51.100.3",
        "maybe", "yes", "short", "long enough", "different one", "long enough", "long enough",
        "no key", KEY)
    assert done.returncode == 0, done.stdout + done.stderr
    for text in ("the number of a row above", "dhcp, or an address such as", "each number once",
                 "addresses such as 192.0.2.2/24", "from 1 to the number of CPUs",
                 "three quarters of the memory", "192.0.2.100-192.0.2.120", "yes or no",
                 "at least 8 characters", "not the same", "a public key such as"):
        assert text in done.stdout, text
    text = machine.conf.read_text()
    assert correct(machine.conf)
    assert text.index("0000:05:00.0") < text.index("0000:01:00.0")
    assert 'peer = "198.51.100.3"' in text and "workers = [ 2, 3 ]" in text
    assert 'via = "198.51.100.1"' in text
    network = (machine.root / "etc/systemd/network/10-management.network").read_text()
    assert "Address=192.0.2.10/24\nGateway=192.0.2.1" in network


def test_a_no_goes_round_with_the_answers_kept(machine):
    first = ("", "", "", "192.0.2.2/24", "", "", "", "", "", "", "no")
    done = machine.setup(*first, "", "", "", "", "", "", "", "", "192.0.2.96/28", "", *SECRETS)
    assert done.returncode == 0, done.stdout + done.stderr
    text = machine.conf.read_text()
    assert '"192.0.2.2/24"' in text and '"192.0.2.96/28"' in text


def test_what_the_configuration_refuses_is_told(machine):
    """The address of a port twice: each answer is one, together they are not."""
    wrong = ("", "", "", "192.0.2.2/24", "", "192.0.2.2/24", "", "", "", "", *SECRETS)
    done = machine.setup(*wrong)
    assert done.returncode != 0 and not machine.conf.exists()
    assert "192.0.2.2" in done.stdout.split("SSH key of admin")[1]


def test_without_answers_nothing_is_written(machine):
    done = machine.setup("", "")
    assert done.returncode == 1 and "Nothing is written" in done.stdout
    assert not machine.conf.exists()


def test_a_small_machine(tmp_path):
    machine = Machine(tmp_path, cpus="0", memory_kb=1_000_000, iommu=True)
    machine.nic("0000:01:00.0", "eth0")
    done = machine.setup("", "none", "", "", "", "", "", "", "", *SECRETS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "vfio-pci" in done.stdout and "at least one" in done.stdout
    text = machine.conf.read_text()
    assert "workers = [ 0 ]" in text and "memory_mb = 512" in text
    assert correct(machine.conf)


def test_the_password_is_not_shown(machine):
    """On a terminal, whose echo is off meanwhile."""
    master, slave = pty.openpty()
    program = subprocess.Popen(
        [f"{BUILD}/controlplane/setup/sluice-setup", "--root", machine.root],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    seen = b""

    def until(text):
        nonlocal seen
        while text not in seen:
            assert select.select([master], [], [], 10)[0], (text, seen)
            seen += os.read(master, 4096)
        seen = seen.split(text, 1)[1]

    try:
        for question in (b"stays with the kernel", b"its address [dhcp]", b"Data ports",
                         b"wan (0000:03:00.0)", b"wan: the way out", b"lan (0000:04:00.0)",
                         b"how many CPUs", b"Huge pages", b"VIPs", b"Pair", b"Is this right"):
            until(question)
            os.write(master, b"\n")
        whole = b""
        for question in (b"Password of admin: ", b"The same again: "):
            until(question)
            os.write(master, b"correct horse\n")
        until(b"SSH key")
        whole = seen
        os.write(master, b"\n")
        assert program.wait(timeout=10) == 0
        assert b"correct" not in whole
        assert correct(machine.conf)
    finally:
        program.kill()
        program.wait()
        os.close(master)
