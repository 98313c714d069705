# SPDX-License-Identifier: BSD-3-Clause
"""The whole product on a machine with NICs on the PCI bus and no namespaces to help it: its own
addresses answer through the port, and a VIP's datagrams go to the endpoint and come back.
SLUICE_BUILD names the build folder."""

import os
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "images" / "lab"))
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import objects  # noqa: E402
from appliance import default_settings, libconfig  # noqa: E402
from guest import Guest  # noqa: E402
from scapy.all import ARP, ICMP, IP, UDP, Ether, Raw  # noqa: E402

BUILD = Path(os.environ["SLUICE_BUILD"])
CLIENT, CLIENT_MAC = "192.0.2.10", "02:00:00:00:0c:01"
NODE, NODE_MAC, POD = "198.51.100.10", "02:00:00:00:0c:02", "10.244.1.10"
BOX, VIP = "192.0.2.1", "192.0.2.100"


def files(addresses):
    settings = default_settings("/run/sluice")
    settings["dataplane"].update(workers=[1], main_cpu=0, hugepages="required")
    for port, address in zip(settings["ports"], addresses):
        port.update(kind="pci", device=address)
    text = "".join(f"{key} = {libconfig(value)};\n" for key, value in settings.items())
    node = objects.node("node1", (NODE,), ("10.244.1.0/24",))
    service = objects.service("dgram", (("dgram", "UDP", 9000, 9000),), loadBalancerIP=VIP)
    slice_ = objects.endpoint_slice("dgram", "IPv4", (("dgram", "UDP", 9000),),
                                    [objects.endpoint(POD, "pod-1", "node1")])
    return {
        "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
        "etc/group": "root:x:0:\ndaemon:x:1:\n",
        "etc/sluice.conf": text,
        "etc/objects.yaml": objects.as_yaml(node, service, slice_),
    }


@pytest.fixture(scope="module", params=["uio_pci_generic", "vfio-pci"])
def guest(request, tmp_path_factory):
    nic, machine, kernel = "virtio-net-pci,mrg_rxbuf=on", (), ""
    if request.param == "vfio-pci":
        nic += ",disable-legacy=on,iommu_platform=on"
        machine = ["-M", "q35,kernel-irqchip=off", "-device",
                   "intel-iommu,intremap=on,caching-mode=on"]
        kernel = "intel_iommu=on iommu=pt"
    programs = [BUILD / "dataplane/sluice-dataplane", BUILD / "controlplane/sluice-controlplane",
                BUILD / "controlplane/cli/sluice"]
    guest = Guest(tmp_path_factory.mktemp("guest"), [nic, nic], programs,
                  files(["0000:00:03.0", "0000:00:04.0"]), machine, kernel)
    try:
        assert guest.run(
            "mkdir -p /run/sluice/manifests /run/sluice/run /run/sluice/state; "
            "cp /etc/objects.yaml /run/sluice/manifests/; "
            "for name in dataplane controlplane; do "
            "setsid sluice-$name --config /etc/sluice.conf >/run/$name.log 2>&1 & done")[0] == 0
        wait_for_service(guest)
        assert guest.run("basename $(readlink /sys/bus/pci/devices/0000:00:03.0/driver)")[1] \
            == request.param
        yield guest
        print(guest.run("cat /run/dataplane.log /run/controlplane.log")[1])
    finally:
        print(guest.console())
        guest.close()


def wait_for_service(guest):
    """Until the dataplane has its ports and the plan."""
    show = "sluice --socket /run/sluice/run/api.sock show"
    deadline = time.monotonic() + 40
    while True:
        code, said = guest.run(f"{show} ports --json && {show} endpoints --json")
        if code == 0 and '"wan"' in said and POD in said:
            return
        assert time.monotonic() < deadline, (
            said + guest.run(f"cat /run/*.log; {show} problems")[1])


def exchange(out, frame, back, wanted):
    """Sends until what is wanted comes; a first packet may wait for ARP."""
    back.socket.settimeout(1)
    for _ in range(10):
        out.send(frame)
        try:
            while True:
                packet = Ether(back.receive())
                if wanted(packet):
                    return packet
        except TimeoutError:
            pass
    raise AssertionError(f"nothing came of {Ether(bytes(frame)).summary()}")


def answer_arp(wire, packet, address, mac):
    if ARP in packet and packet[ARP].op == 1 and packet[ARP].pdst == address:
        wire.send(Ether(src=mac, dst=packet[ARP].hwsrc) / ARP(
            op=2, hwsrc=mac, psrc=address, hwdst=packet[ARP].hwsrc, pdst=packet[ARP].psrc))


def arp(address):
    return Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        hwsrc=CLIENT_MAC, psrc=CLIENT, pdst=address)


def test_own_address_answers(guest):
    """ARP and ping: the kernel's, by way of the port's twin."""
    wan = guest.wires[0]
    reply = exchange(wan, arp(BOX), wan, lambda p: ARP in p and p[ARP].op == 2 and p[ARP].psrc == BOX)
    assert reply[ARP].hwsrc == guest.mac(0)
    ping = (Ether(src=CLIENT_MAC, dst=guest.mac(0)) / IP(src=CLIENT, dst=BOX)
            / ICMP(id=7, seq=1) / Raw(b"x" * 1000))

    def answer(packet):
        answer_arp(wan, packet, CLIENT, CLIENT_MAC)
        return ICMP in packet and packet[ICMP].type == 0 and packet[ICMP].id == 7

    assert bytes(exchange(wan, ping, wan, answer)[ICMP].payload) == b"x" * 1000


def test_a_datagram_through_a_vip(guest):
    wan, lan = guest.wires
    reply = exchange(wan, arp(VIP), wan, lambda p: ARP in p and p[ARP].op == 2 and p[ARP].psrc == VIP)
    vip_mac = reply[ARP].hwsrc
    request = (Ether(src=CLIENT_MAC, dst=vip_mac) / IP(src=CLIENT, dst=VIP)
               / UDP(sport=5555, dport=9000) / Raw(b"question"))

    def is_forwarded(packet):
        answer_arp(lan, packet, NODE, NODE_MAC)
        return UDP in packet and packet[UDP].dport == 9000

    seen = exchange(wan, request, lan, is_forwarded)
    assert seen[IP].dst == POD and seen[UDP].dport == 9000 and bytes(seen[UDP].payload) == b"question"
    assert seen.dst == NODE_MAC
    good = Ether(bytes(seen))
    del good[IP].chksum, good[UDP].chksum
    assert bytes(good) == bytes(seen), "checksums"
    answer = (Ether(src=NODE_MAC, dst=seen.src) / IP(src=POD, dst=seen[IP].src)
              / UDP(sport=9000, dport=seen[UDP].sport) / Raw(b"answer"))

    def is_answer(packet):
        answer_arp(wan, packet, CLIENT, CLIENT_MAC)
        return UDP in packet and packet[IP].src == VIP and packet[UDP].dport == 5555

    back = exchange(lan, answer, wan, is_answer)
    assert bytes(back[UDP].payload) == b"answer"


def test_nics_are_given_back(guest):
    """The last one: the dataplane ends as it should, and the kernel has its NICs again."""
    assert guest.run("kill $(pidof sluice-dataplane)")[0] == 0
    deadline = time.monotonic() + 20
    drivers = "basename $(readlink /sys/bus/pci/devices/0000:00:0{}.0/driver)"
    while [guest.run(drivers.format(number))[1] for number in (3, 4)] != ["virtio-pci"] * 2:
        assert time.monotonic() < deadline, guest.run("cat /run/dataplane.log")[1]
