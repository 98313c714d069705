# SPDX-License-Identifier: BSD-3-Clause
"""Ports of kind pci on NICs of a virtual machine: taken from the kernel and given back by our own
code, frames through them in both directions. PORT_RELAY names the program that opens the ports."""

import json
import os
import socket
import struct
import time

import pytest

from guest import Guest

RELAY = os.environ["PORT_RELAY"]
IOMMU = ["-M", "q35,kernel-irqchip=off", "-device", "intel-iommu,intremap=on,caching-mode=on"]
VIRTIO = "virtio-net-pci,mrg_rxbuf=on"
VIRTIO_IOMMU = "virtio-net-pci,mrg_rxbuf=on,disable-legacy=on,iommu_platform=on"


@pytest.fixture
def boot(tmp_path):
    guests = []

    def start(nics, **options):
        guests.append(Guest(tmp_path, nics, [RELAY], **options))
        return guests[-1]

    yield start
    for guest in guests:
        guest.close()


def driver(guest, number):
    return guest.run(f"basename $(readlink /sys/bus/pci/devices/{guest.addresses[number]}/driver)")[1]


class Relay:
    """port_relay in the guest, between two of its NICs."""

    def __init__(self, guest, left, right, mtu=1500, options="", queues=1):
        self.guest, self.wires = guest, (guest.wires[left], guest.wires[right])
        guest.say(f"port_relay -h -m {mtu} -q {queues} pci {guest.addresses[left]} '{options}' "
                  f"pci {guest.addresses[right]} '{options}'")
        self.first = self.answer()

    def answer(self):
        said = []
        while True:
            line = self.guest.line()
            if line.startswith("{"):
                return json.loads(line)
            said.append(line)
            assert not line.startswith("#"), "\n".join(said)

    def ports(self):
        self.guest.say("?")
        return self.answer()["ports"]

    def close(self):
        self.guest.say("q")
        assert self.answer() == {"in_use": 0}
        assert self.guest.end()[0] == 0

    def check(self, mtu):
        """Frames of many lengths come out as they went in; with a tag, too."""
        deadline = time.monotonic() + 20
        while not all(port["up"] for port in self.ports()):
            assert time.monotonic() < deadline, "no link"
        for wire in self.wires:
            wire.drain()
        sent = [frame(length, tag) for length in (60, 61, 128, 590, 1024, mtu + 14)
                for tag in (False, True) if length <= mtu + 14]
        for out, back in (self.wires, self.wires[::-1]):
            for one in sent:
                out.send(one)
                while True:
                    got = back.receive()
                    if got[12:] == one[12:]:
                        break
                assert got == one
        for port in self.ports():
            assert port["frames"] >= len(sent) and port["bad_sums"] == 0, port
            assert port["many_segments"] == 0, port
            assert port["longest"] == mtu + 18, port
            assert port["rx"] == port["frames"] and port["rx_errors"] == 0, port


def frame(length, tag):
    """UDP over IPv4 in a frame of this length before the tag. Checksums are true."""
    udp_length = length - 34
    data = bytes(i * 7 & 255 for i in range(udp_length - 8))
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length - 14, 1, 0, 64, 17, 0,
                         socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2"))
    pseudo = struct.pack("!4s4sHH", header[12:16], header[16:20], 17, udp_length)
    udp = struct.pack("!HHHH", 1, 2, udp_length, 0)
    udp = udp[:6] + struct.pack("!H", ones_sum(pseudo + udp + data) or 0xffff)
    header = header[:10] + struct.pack("!H", ones_sum(header)) + header[12:]
    tag_bytes = struct.pack("!HH", 0x8100, 42) if tag else b""
    return (bytes.fromhex("020000000aaa 020000000bbb") + tag_bytes + b"\x08\x00" + header + udp
            + data)


def ones_sum(data):
    total = sum(struct.unpack(f"!{len(data + b'0') // 2}H", data + bytes(len(data) & 1)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def test_uio_with_virtio(boot):
    """No IOMMU: uio_pci_generic. A NIC in use is refused; what was taken is given back."""
    guest = boot([VIRTIO, VIRTIO])
    assert driver(guest, 0) == "virtio-pci"
    assert guest.run("ip addr add 198.51.100.7/24 dev eth0; ip link set eth0 up; "
                     "ip route add default via 198.51.100.1")[0] == 0
    code, said = guest.run(f"port_relay -h pci {guest.addresses[0]} ''")
    assert code == 1
    assert "eth0 is up, it has 198.51.100.7/24, the default route goes there" in said
    assert driver(guest, 0) == "virtio-pci"
    code, said = guest.run("ip addr flush dev eth0; ip link set eth0 down; "
                           f"port_relay pci {guest.addresses[0]} ''")
    assert code == 1 and "hugepages are needed for physical addresses" in said
    assert driver(guest, 0) == "virtio-pci"
    for mtu in (1500, 9000):
        relay = Relay(guest, 0, 1, mtu)
        assert relay.first["ports"][0]["mac"] == guest.mac(0)
        relay.check(mtu)
        relay.close()
        assert driver(guest, 0) == driver(guest, 1) == "virtio-pci"
    assert guest.run("ip link set eth0 up")[0] == 0


def test_vfio_with_virtio(boot):
    """An IOMMU: vfio-pci, DMA through it, memory by virtual address."""
    guest = boot([VIRTIO_IOMMU, VIRTIO_IOMMU], machine=IOMMU, kernel="intel_iommu=on iommu=pt")
    assert guest.run("ls /sys/kernel/iommu_groups")[1]
    relay = Relay(guest, 0, 1, 1500)
    relay.check(1500)
    relay.close()
    assert driver(guest, 0) == "virtio-pci"
    # Taken over by force while the kernel uses it, and the kernel has it back afterwards.
    assert guest.run("ip addr add 198.51.100.7/24 dev eth0; ip link set eth0 up")[0] == 0
    relay = Relay(guest, 0, 1, 9000, "force=yes")
    relay.check(9000)
    relay.close()
    assert driver(guest, 0) == "virtio-pci"


def test_vfio_with_other_nics(boot):
    """e1000e, as bare metal has, and vmxnet3, as VMware has."""
    guest = boot(["e1000e", "vmxnet3"], machine=IOMMU, kernel="intel_iommu=on iommu=pt")
    for mtu in (1500, 9000):
        relay = Relay(guest, 0, 1, mtu)
        relay.check(mtu)
        relay.close()
    assert driver(guest, 1) == "vmxnet3"


def test_uio_with_other_nics(boot):
    guest = boot(["e1000e", "vmxnet3"])
    relay = Relay(guest, 0, 1, 1500)
    relay.check(1500)
    relay.close()
    assert driver(guest, 1) == "vmxnet3"
