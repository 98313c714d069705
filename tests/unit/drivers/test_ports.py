# SPDX-License-Identifier: BSD-3-Clause
"""Whole ports, on a real kernel: what arrives must be frames of at most the MTU with true checksums,
whatever the other end's offloads. See wire.py. Run by meson, as root."""

import contextlib
import os
import re
import signal
import socket
import struct
import time
from pathlib import Path

import pytest
from scapy.all import (
    ARP, IP, UDP, Dot1AD, Dot1Q, Ether, IPv6, PcapReader, Raw, fragment, wrpcap)
from wire import (
    SO_RCVBUFFORCE, V4, V6, Relay, Wire, check_clean, ether, filled, huge_free, receive, send_and_receive, sweep,
    talk, wait_until)

KINDS = ["af_packet", "af_xdp"]


@pytest.fixture(scope="session", autouse=True)
def clean_machine():
    sweep()


@pytest.fixture
def make_wire():
    wires = []

    def make(mtu=1500):
        wires.append(Wire(f"w{len(wires)}", mtu))
        return wires[-1]

    yield make
    for wire in wires:
        wire.close()


@pytest.mark.parametrize("queues", [1, 3])
@pytest.mark.parametrize("mtu", [1500, 9000])
@pytest.mark.parametrize("kind", KINDS)
def test_tcp_of_real_kernels(make_wire, kind, mtu, queues):
    wire = make_wire(mtu)
    relay = wire.relay(kind, queues=queues)
    talk(wire, socket.AF_INET)
    talk(wire, socket.AF_INET6)
    ports = relay.ports()
    check_clean(ports, mtu)
    for port in ports:
        assert port["longest"] == mtu + 14, "full frames were meant to come"
        assert port["mtu"] == mtu
        assert port["speed"] == 10000


def test_runs_of_segments_fill_no_buffer_twice(make_wire):
    """What waits for a reader takes its own memory: the kernel, which cuts what is sent by one call,
    would account the last frame with the memory of all."""
    size = 2 << 20
    wire = make_wire()
    for end in ("wan", "lan"):
        wire.box.plain_wire(end)  # the kernel does cut
    relay = wire.relay("af_xdp")
    listener = wire.server.socket(socket.AF_INET)
    listener.bind((V4["server"], 0))
    listener.listen()
    with wire.client.socket(socket.AF_INET) as one:
        one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 * size)
        one.connect((V4["server"], listener.getsockname()[1]))
        other, _ = listener.accept()
        with other:
            other.settimeout(60)
            other.sendall(bytes(size))

            def waiting():
                found = re.search(r"ESTAB +(\d+) .*?skmem:\(r(\d+),", wire.client.run(
                    "ss", "-tmn").stdout, re.S)
                return int(found.group(1)), int(found.group(2))

            wait_until(lambda: waiting()[0] == size, "all of it")
            assert waiting()[1] < 1.5 * size
    listener.close()
    check_clean(relay.ports(), 1500)


@pytest.mark.parametrize("kind", KINDS)
def test_udp_checksums_are_completed(make_wire, kind):
    """Both families, lengths odd and even, fragments among them."""
    wire = make_wire()
    relay = wire.relay(kind)
    for family, addresses in ((socket.AF_INET, V4), (socket.AF_INET6, V6)):
        with wire.server.socket(family, socket.SOCK_DGRAM) as here, \
                wire.client.socket(family, socket.SOCK_DGRAM) as there:
            here.bind((addresses["server"], 0))
            here.settimeout(10)
            for length in (0, 1, 2, 19, 1000, 1401, 3000):
                content = os.urandom(length)
                there.sendto(content, (addresses["server"], here.getsockname()[1]))
                assert here.recv(65536) == content
    check_clean(relay.ports(), 1500)


@pytest.mark.parametrize("mtu", [1500, 9000])
@pytest.mark.parametrize("kind", KINDS)
def test_frames_unchanged(make_wire, kind, mtu):
    """Short and long, with one tag and two: each comes out as it went in, once, in order."""
    wire = make_wire(mtu)
    relay = wire.relay(kind)
    udp = IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1, dport=2)
    udp6 = IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=1, dport=2)
    frames = [bytes(frame) for frame in (
        ether() / udp / b"short",
        filled(ether() / udp, mtu + 14),
        filled(ether() / udp6, mtu + 14),
        ether() / Dot1Q(vlan=100) / udp / b"tagged",
        ether() / Dot1Q(vlan=4094, prio=5) / udp6 / b"tagged",
        filled(ether() / Dot1Q(vlan=100) / udp, mtu + 18),
        ether() / Dot1AD(vlan=7) / Dot1Q(vlan=8) / udp / b"two tags",
        ether() / Dot1Q(vlan=7) / Dot1Q(vlan=8) / udp / b"two tags of a kind",
        ether(type=0x88b5) / Raw(bytes(46)),
    )]
    assert send_and_receive(wire, frames) == frames
    assert send_and_receive(wire, frames, "server", "client") == frames
    ports = relay.ports()
    assert all(port["vlan"] >= 3 for port in ports), ports
    assert all(port["longest"] == mtu + 18 for port in ports), ports


@pytest.mark.parametrize("queues", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_fragments_are_left_alone(make_wire, kind, queues):
    """A port that reassembled them would hand us what no one sent."""
    wire = make_wire()
    wire.relay(kind, queues=queues)
    datagram = IP(src="192.0.2.1", dst="192.0.2.2", id=77) / UDP(sport=1, dport=2) / Raw(bytes(4000))
    frames = [bytes(ether() / part) for part in fragment(datagram, 1400)]
    assert len(frames) > 2
    assert send_and_receive(wire, frames) == frames


def test_queues_share_the_work(make_wire):
    """af_packet, four queues: every frame once, more than one queue, a flow in one queue."""
    wire = make_wire()
    relay = wire.relay("af_packet", queues=4)
    frames = [bytes(ether() / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1000 + i % 100, dport=2)
                    / struct.pack("!I", i)) for i in range(400)]
    got = send_and_receive(wire, frames)
    assert sorted(got) == sorted(frames)
    assert relay.ports()[0]["queues"] == 4
    by_queue = relay.ports()[0]["by_queue"]
    assert sum(1 for count in by_queue if count >= 40) >= 3, by_queue
    order = {}
    for data in got:
        source, number = struct.unpack("!H", data[34:36])[0], struct.unpack("!I", data[42:46])[0]
        assert order.get(source, -1) < number, "a flow was taken out of order"
        order[source] = number


@pytest.mark.parametrize("kind", KINDS)
def test_kernel_keeps_off(make_wire, kind):
    """The box has an address that its kernel would gladly answer for on any netdev."""
    wire = make_wire()
    wire.box.ip("addr add 10.77.0.99/32 dev lo")
    one = wire.packet_socket("client")
    question = bytes(Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:bb")
                     / ARP(psrc=V4["client"], pdst="10.77.0.99"))

    def answers():
        one.settimeout(0.5)
        one.send(question)
        with contextlib.suppress(TimeoutError):
            while True:
                packet = Ether(receive(one))
                if ARP in packet and packet[ARP].op == 2 and packet[ARP].psrc == "10.77.0.99":
                    return True
        return False

    wire.box.ip("link set wan up", "link set lan up")
    assert answers(), "without a port the kernel answers"
    gro = wire.box.run("ethtool", "-k", "wan").stdout
    relay = wire.relay(kind)
    assert not answers()
    relay.kill()
    assert not answers(), "a crash must not wake the kernel"
    again = wire.relay(kind)
    assert not answers()
    again.close()
    wire.relays.clear()
    assert answers(), "closed ports are the kernel's again"
    assert wire.box.run("ethtool", "-k", "wan").stdout == gro
    assert "sluice" not in wire.box.run("nft", "list", "ruleset").stdout
    with wire.box.entered():
        assert Path("/proc/sys/net/ipv6/conf/wan/disable_ipv6").read_text() == "0\n"
    assert " xdp" not in wire.box.run("ip", "link", "show", "wan").stdout


@pytest.mark.parametrize("kind", KINDS)
def test_refuses_a_netdev_with_addresses(make_wire, kind):
    wire = make_wire()
    wire.box.ip("addr add 192.0.2.7/24 dev wan", "addr add 2001:db8::7/64 dev wan")
    text = Relay(wire.box, kind, "wan", "", kind, "lan", "", ready=False).refusal()
    assert "port left: device wan: has the kernel's address 192.0.2.7/24, 2001:db8::7/64" in text
    assert "sluice.conf" in text
    assert "sluice" not in wire.box.run("nft", "list", "ruleset").stdout


@pytest.mark.parametrize("arguments, words", [
    (("af_packet", "none", ""), 'device "none": no such netdev'),
    (("af_xdp", "none", ""), 'device "none": no such netdev'),
    (("af_packet", "lo", ""), "device lo: not an Ethernet netdev"),
    (("af_packet", "lo", "color=red"), 'options: unknown "color"; kind af_packet knows: none'),
    (("af_xdp", "lo", "copy=maybe"), "options: copy=maybe: expected yes or no"),
    (("memif", "relative", ""), 'device "relative": expected the absolute path'),
    (("memif", "/tmp/x", "role=king,rsize=99"), "options: role=king: expected client or server"),
    (("memif", "/tmp/x", "role=king,rsize=99"), "options: rsize=99: expected a number from 1 to 14"),
    (("pcap", "", ""), "expected <receive.pcap>,<transmit.pcap>"),
    (("pcap", "/none.pcap", ""), "cannot read /none.pcap: No such file"),
    (("pci", "eth0", ""), 'device "eth0": expected a PCI address'),
    (("pci", "0000:fe:1f.7", ""), "device 0000:fe:1f.7: no such PCI device"),
    (("token_ring", "x", ""), 'unknown kind "token_ring"; expected one of: pci'),
])
def test_refuses_with_a_reason(make_wire, arguments, words):
    text = Relay(make_wire().box, *arguments, ready=False).refusal()
    assert "port left: " in text and words in text


@pytest.mark.parametrize("kind", KINDS)
def test_link_goes_and_comes(make_wire, kind):
    wire = make_wire()
    relay = wire.relay(kind)
    wire.client.ip("link set eth0 down")
    wait_until(lambda: not relay.ports()[0]["up"], "link down")
    assert relay.ports()[1]["up"]
    wire.client.ip("link set eth0 up")
    wait_until(lambda: relay.ports()[0]["up"], "link up")
    wire.client.run("ping", "-c", "1", "-W", "5", V4["server"])


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_counted(make_wire, kind):
    """A relay that is stopped loses what finds no room, and nothing else, and says how many."""
    wire = make_wire()
    relay = wire.relay(kind)
    before = relay.ports()[0]
    out = wire.packet_socket("client")
    frame = bytes(filled(ether() / IP(dst="192.0.2.2") / UDP(), 60))
    sent = 8000
    os.kill(relay_pid(relay), signal.SIGSTOP)
    for _ in range(sent):
        out.send(frame)
    os.kill(relay_pid(relay), signal.SIGCONT)

    def settled():
        port = relay.ports()[0]
        total = port["rx"] - before["rx"] + port["missed"] - before["missed"]
        return port if total >= sent else None

    port = wait_until(settled, "all frames accounted for")
    assert port["missed"] > 1000
    assert port["rx"] - before["rx"] > 1000
    assert port["rx"] - before["rx"] + port["missed"] <= sent + 10
    wire.client.run("ping", "-c", "1", "-W", "5", V4["server"])


def relay_pid(relay):
    """port_relay itself; `ip netns exec` becomes it."""
    return relay.child.pid


def test_send_errors_are_not_fatal(make_wire):
    """A link that is down when we send: counted, and it goes on afterwards."""
    wire = make_wire()
    relay = wire.relay("af_packet")
    wire.box.ip("link set lan down")
    out = wire.packet_socket("client")
    for _ in range(100):
        out.send(bytes(filled(ether() / IP(dst="192.0.2.2") / UDP(), 60)))
    wait_until(lambda: relay.ports()[0]["frames"] >= 100, "frames received")
    assert relay.ports()[1]["tx_errors"] >= 100
    wire.box.ip("link set lan up")
    wait_until(lambda: relay.ports()[1]["up"], "link up")
    wire.client.run("ping", "-c", "1", "-W", "5", V4["server"])


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_tap(make_wire, mtu):
    """The kernel of the box is the server, at the other end of a TAP."""
    wire = make_wire(mtu)
    relay = wire.relay("af_packet", queues=2, right=("tap", "wire0", ""))
    wire.box.ip(f"addr add {V4['server']}/24 dev wire0", f"addr add {V6['server']}/64 dev wire0 nodad")
    wire.server.ip("link set eth0 down")
    mac = wire.box.run("ip", "-br", "link", "show", "wire0").stdout.split()[2]
    assert mac.lower() != relay.ports()[1]["mac"].lower()
    wire.server = wire.box
    talk(wire, socket.AF_INET)
    talk(wire, socket.AF_INET6)
    ports = relay.ports()
    check_clean(ports, mtu)
    assert ports[1]["longest"] == mtu + 14 and ports[1]["queues"] == 2
    wire.box.ip("link set wire0 down")
    wait_until(lambda: not relay.ports()[1]["up"], "link down")
    wire.box.ip("link set wire0 up")
    wait_until(lambda: relay.ports()[1]["up"], "link up")
    wire.box.ip(f"link set wire0 netns {wire.client.name}")
    wait_until(lambda: relay.ports()[1]["up"], "link up where it was moved to")
    relay.close()
    wire.relays.clear()
    assert "wire0" not in wire.client.run("ip", "link").stdout


def test_tap_refuses_what_exists(make_wire):
    wire = make_wire()
    text = Relay(wire.box, "tap", "wan", "", ready=False).refusal()
    assert "port left: device wan: " in text


@pytest.mark.parametrize("mtu", [1500, 9000])
@pytest.mark.parametrize("zero_copy", [False, True])
def test_memif(make_wire, tmp_path, mtu, zero_copy):
    """client -- relay -- memif -- relay -- server; and the two find each other anew."""
    if zero_copy and huge_free() < 64:
        pytest.skip("zero-copy needs hugepages, and there are none")
    wire = make_wire(mtu)
    path = tmp_path / "memif.sock"
    huge = ["-h"] if zero_copy else []
    options = "role=client,zero-copy=yes" if zero_copy else "role=client"

    def start(end, kind_options):
        relay = Relay(wire.box, "-m", mtu, *huge, "af_packet", end, "", "memif", path, kind_options)
        wire.relays.append(relay)
        return relay

    client = start("wan", options)  # there is no server yet
    client.forgets = zero_copy
    assert not client.ports()[1]["up"]
    server = start("lan", "role=server")
    wait_until(lambda: client.ports()[1]["up"] and server.ports()[1]["up"], "memif connected")
    talk(wire, socket.AF_INET)
    talk(wire, socket.AF_INET6)
    check_clean(client.ports(), mtu)
    check_clean(server.ports(), mtu)
    assert client.ports()[1]["mac"] != server.ports()[1]["mac"]
    if zero_copy:
        return
    server.close()
    wire.relays.remove(server)
    wait_until(lambda: not client.ports()[1]["up"], "memif disconnected")
    server = start("lan", "role=server")
    wait_until(lambda: client.ports()[1]["up"] and server.ports()[1]["up"], "memif connected anew")
    talk(wire, socket.AF_INET)


def test_pcap(tmp_path):
    """From file to file, unchanged."""
    udp = IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1, dport=2)
    frames = [ether() / udp / b"one", filled(ether() / Dot1Q(vlan=5) / udp, 1518),
              *(ether() / udp / struct.pack("!I", i) for i in range(500))]
    source, target = tmp_path / "in.pcap", tmp_path / "out.pcap"
    wrpcap(str(source), frames)
    relay = Relay(None, "pcap", source, "", "pcap", f",{target}", "")
    wait_until(lambda: relay.ports()[0]["rx"] == len(frames), "the file read")
    assert relay.ports()[1]["tx"] == len(frames)
    relay.close()
    with PcapReader(str(target)) as reader:
        assert [bytes(packet) for packet in reader] == [bytes(frame) for frame in frames]


def test_one_port_with_hugepages(make_wire):
    """Echo with swapped addresses, in memory as the product has it."""
    if huge_free() < 64:
        pytest.skip("no hugepages")
    wire = make_wire()
    relay = Relay(wire.box, "-h", "af_packet", "wan", "")
    wire.relays.append(relay)
    wait_until(lambda: relay.ports()[0]["up"], "link up")
    one = wire.packet_socket("client")
    frame = bytes(ether() / IP(dst="192.0.2.2") / UDP() / b"echo")
    one.send(frame)
    deadline = time.monotonic() + 10
    while receive(one) != frame[6:12] + frame[:6] + frame[12:]:
        assert time.monotonic() < deadline
