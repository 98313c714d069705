# SPDX-License-Identifier: BSD-3-Clause
"""Malformed packets of every kind: each is counted by name and the box goes on."""

import struct

import pytest

import harness
import wire
from harness import wan
from scapy.all import (
    ICMP, IP, TCP, UDP, Ether, ICMPv6DestUnreach, ICMPv6EchoRequest, IPOption_RR, IPv6,
    IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN, Raw, raw,
)
from topology import CLIENT_HOST, wait_until

PORTS = [("echo", "TCP", 7000, 9000), ("dgram", "UDP", 7000, 9000)]


@pytest.fixture(scope="module")
def target(lab):
    lab.vips = dict(zip((4, 6), lab.apply_service("target", PORTS, families=(4, 6))))
    return lab


class Bench:
    """Frames from the client to a VIP, and what the box counts."""

    def __init__(self, lab, family):
        self.lab, self.family, self.vip = lab, family, lab.vips[family]
        self.ether = Ether(src=lab.client_mac(), dst=lab.box_mac("wan"))
        client = wan(CLIENT_HOST, family)
        self.ip = IP(src=client, dst=self.vip) if family == 4 else IPv6(src=client, dst=self.vip)

    def frame(self, inner):
        return raw(self.ether / self.ip / inner)

    def send(self, *frames):
        with self.lab.raw("client") as link:
            for frame in frames:
                link.send(frame if isinstance(frame, bytes) else raw(frame))

    def expect(self, reason, *frames):
        before = self.lab.drops().get(reason, 0)
        self.send(*frames)
        wait_until(lambda: self.lab.drops().get(reason, 0) >= before + len(frames),
                   f"{len(frames)} packets counted as {reason}: {self.lab.drops()}", 3)
        self.alive()

    def alive(self):
        assert self.lab.ask_once(self.vip, 7000)


@pytest.fixture(params=(4, 6))
def bench(request, target):
    return Bench(target, request.param)


def total(lab):
    return sum(lab.drops().values())


@pytest.mark.sanitized
class TestTruncated:
    """Cut at each byte. A frame shorter than 14 bytes cannot be sent on Ethernet."""

    @pytest.mark.parametrize("kind", ("udp", "tcp", "icmp", "fragment", "options"))
    def test_at_each_byte(self, bench, kind):
        four = bench.family == 4
        inner = {
            "udp": UDP(sport=5, dport=7000) / Raw(b"hello"),
            "tcp": TCP(sport=5, dport=7000, flags="S", options=[("MSS", 1460), ("WScale", 7)]),
            "icmp": (ICMP(type=3, code=1) if four else ICMPv6DestUnreach(code=4))
            / Raw(raw(IP(src=bench.vip, dst=wan(CLIENT_HOST)) if four
                      else IPv6(src=bench.vip, dst=wan(CLIENT_HOST, 6)))
                  + raw(UDP(sport=7000, dport=5) / b"hello")),
            "fragment": UDP(sport=5, dport=7000) / Raw(b"hello123"),
            "options": UDP(sport=5, dport=7000) / Raw(b"hello"),
        }[kind]
        if kind == "fragment" and not four:
            inner = IPv6ExtHdrFragment(m=1, id=7) / inner
        if kind == "options" and not four:
            inner = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"123")]) / IPv6ExtHdrDestOpt(
                options=[PadN(optdata=b"12345")]) / inner
        packet = bench.ether / bench.ip / inner
        if four and kind == "fragment":
            packet[IP].flags = "MF"
        if four and kind == "options":
            packet[IP].options = [IPOption_RR(length=7, routers=["0.0.0.0"])]
        frame = raw(packet)
        before = total(bench.lab)
        bench.send(*(frame[:length] for length in range(14, len(frame))))
        bench.alive()
        # Those that are cut within the IP header are surely wrong whatever they carry.
        wait_until(lambda: total(bench.lab) >= before + (19 if four else 39), "drops counted", 3)


@pytest.mark.sanitized
class TestLengths:
    def test_ip_total_length(self, bench):
        frames = []
        whole = bench.frame(UDP(sport=5, dport=7000) / b"hello")
        at = 14 + (2 if bench.family == 4 else 4)
        for length in (1, 7, 0xFFFF, 1000):
            frames.append(whole[:at] + struct.pack("!H", length) + whole[at + 2:])
        if bench.family == 4:  # with a right header checksum, so that the length is what is wrong
            frames = []
            for length in (1, 19, 0xFFFF, 1000):
                packet = bench.ether / bench.ip / UDP(sport=5, dport=7000) / b"hello"
                packet[IP].len = length
                frames.append(raw(packet))
        before = total(bench.lab)
        bench.send(*frames)
        bench.alive()
        wait_until(lambda: total(bench.lab) >= before + len(frames), "drops counted", 3)

    def test_udp_length(self, bench):
        bench.expect("l4_length", *(
            bench.frame(UDP(sport=5, dport=7000, len=length) / b"hello")
            for length in (1, 7, 14, 0xFFFF)))

    def test_tcp_offset(self, bench):
        bench.expect("tcp_offset", *(
            bench.frame(TCP(sport=5, dport=7000, flags="S", dataofs=words)) for words in (1, 4, 15)))

    def test_port_zero(self, bench):
        bench.expect("l4_port_zero", bench.frame(UDP(sport=0, dport=7000) / b"x"),
                     bench.frame(TCP(sport=0, dport=7000, flags="S")))


@pytest.mark.sanitized
class TestHeaders:
    def test_ip_version(self, target):
        bench = Bench(target, 4)
        frame = bytearray(bench.frame(UDP(sport=5, dport=7000) / b"hello"))
        frames = []
        for version in (0, 5, 6, 15):
            frame[14] = version << 4 | 5
            frames.append(bytes(frame))
        bench.expect("ip_version", *frames)

    def test_ip_header_length(self, target):
        bench = Bench(target, 4)
        frame = bytearray(bench.frame(UDP(sport=5, dport=7000) / b"hello"))
        frames = []
        for words in (0, 1, 4, 15):
            frame[14] = 4 << 4 | words
            frames.append(bytes(frame))
        before = total(target)
        bench.send(*frames)
        bench.alive()
        wait_until(lambda: total(target) >= before + len(frames), "drops counted", 3)

    def test_ip_checksum(self, target):
        bench = Bench(target, 4)
        packet = bench.ether / bench.ip / UDP(sport=5, dport=7000) / b"hello"
        packet[IP].chksum = 0x1234
        bench.expect("ip_checksum", raw(packet))

    def test_source_address(self, bench):
        """Nobody may claim to be everybody."""
        wrong = ("255.255.255.255", "224.0.0.1", "127.0.0.1") if bench.family == 4 else (
            "ff02::1", "::1")
        frames = []
        for source in wrong:
            layer = (IP if bench.family == 4 else IPv6)(src=source, dst=bench.vip)
            frames.append(raw(bench.ether / layer / UDP(sport=5, dport=7000) / b"x"))
        bench.expect("ip_source", *frames)

    def test_land(self, bench):
        """From the VIP to the VIP, from its port to its port."""
        layer = (IP if bench.family == 4 else IPv6)(src=bench.vip, dst=bench.vip)
        bench.expect(
            "ip_land", raw(bench.ether / layer / TCP(sport=7000, dport=7000, flags="S")),
            raw(bench.ether / layer / UDP(sport=7000, dport=7000) / b"x"))

    @pytest.mark.parametrize("flags", ("", "SF", "SR", "FSRPAU"))
    def test_tcp_flags(self, bench, flags):
        bench.expect("tcp_flags", bench.frame(TCP(sport=5, dport=7000, flags=flags)))

    def test_extension_headers_without_end(self, target):
        bench = Bench(target, 6)
        inner = bench.ip
        for _ in range(40):
            inner = inner / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"1234")])
        bench.expect("ip_extension", raw(bench.ether / inner / UDP(sport=5, dport=7000) / b"x"))

    def test_extension_headers_that_are_right(self, target):
        """Hop-by-hop and destination options in front of UDP are passed over."""
        bench = Bench(target, 6)
        with target.raw("client") as link:
            flow = wire.UdpFlow(target, bench.vip, 7000, 34000)
            link.send(flow.ether() / flow.ip() / IPv6ExtHdrHopByHop(
                options=[PadN(optdata=bytes(4))]) / IPv6ExtHdrDestOpt(
                options=[PadN(optdata=bytes(4))]) / UDP(sport=34000, dport=7000) / b"hello")
            assert link.wait(flow.is_answer)

    def test_routing_header(self, target):
        """Type 0 source routing is long forbidden (RFC 5095)."""
        bench = Bench(target, 6)
        before = total(target)
        bench.send(raw(bench.ether / bench.ip / IPv6ExtHdrRouting(
            type=0, addresses=[wan(1, 6), wan(2, 6)], segleft=2) / UDP(sport=5, dport=7000) / b"x"))
        bench.alive()
        wait_until(lambda: total(target) > before, "drops counted", 3)

    def test_unknown_vlan(self, target):
        bench = Bench(target, 4)
        frame = bench.frame(UDP(sport=5, dport=7000) / b"hello")
        bench.expect("l2_vlan_unknown", frame[:12] + b"\x81\x00\x0f\xa0" + frame[12:])


@pytest.mark.sanitized
class TestIcmp:
    def test_checksum(self, target):
        bench = Bench(target, 4)
        packet = bench.ether / bench.ip / ICMP(type=8) / b"hello"
        packet[ICMP].chksum = 0x1234
        bench.expect("icmp_checksum", raw(packet))
        bench = Bench(target, 6)
        packet = bench.ether / bench.ip / ICMPv6EchoRequest(data=b"hello")
        packet[ICMPv6EchoRequest].cksum = 0x1234
        bench.expect("icmp_checksum", raw(packet))

    def test_error_about_no_flow_of_ours(self, bench):
        four = bench.family == 4
        quoted = (IP if four else IPv6)(src=bench.vip, dst=wan(CLIENT_HOST, bench.family)) / UDP(
            sport=7000, dport=1234) / b"never sent"
        error = ICMP(type=3, code=3) if four else ICMPv6DestUnreach(code=4)
        bench.expect("icmp_no_flow", bench.frame(error / Raw(raw(quoted))))

    def test_error_with_rubbish_inside(self, bench):
        error = ICMP(type=3, code=3) if bench.family == 4 else ICMPv6DestUnreach(code=4)
        bench.expect("icmp_inner", bench.frame(error / Raw(b"\xff" * 40)))

    def test_error_in_an_error(self, bench):
        """No answer to it, no loop."""
        error = ICMP(type=3, code=3) if bench.family == 4 else ICMPv6DestUnreach(code=4)
        nested = raw(bench.ip / error / Raw(raw(bench.ip / UDP(sport=7000, dport=5) / b"x")))
        before = total(bench.lab)
        bench.send(bench.frame(error / Raw(nested)))
        wait_until(lambda: total(bench.lab) > before, "drops counted", 3)
        bench.alive()


@pytest.mark.sanitized
class TestFragments:
    def pieces(self, bench, first, second, ident=77, size=16):
        """Two fragments at the given offsets (bytes): the second is the last."""
        data = raw(UDP(sport=5, dport=7000, len=64, chksum=0) / (b"x" * 56))
        out = []
        for offset, more in ((first, 1), (second, 0)):
            piece = data[:size] if offset == 0 else b"y" * size
            if bench.family == 4:
                layer = IP(src=wan(CLIENT_HOST), dst=bench.vip, id=ident, proto=17,
                           flags="MF" if more else 0, frag=offset // 8)
                out.append(raw(bench.ether / layer / Raw(piece)))
            else:
                out.append(raw(bench.ether / bench.ip / IPv6ExtHdrFragment(
                    nh=17, id=ident, m=more, offset=offset // 8) / Raw(piece)))
        return out

    def test_overlapping(self, bench):
        before = bench.lab.drops().get("fragment_overlap", 0)
        bench.send(*self.pieces(bench, 0, 8))
        wait_until(lambda: bench.lab.drops().get("fragment_overlap", 0) > before, "overlap counted", 3)
        bench.alive()

    def test_first_too_small_for_its_ports(self, bench):
        before = total(bench.lab)
        bench.send(self.pieces(bench, 0, 8, ident=78, size=4)[0])
        wait_until(lambda: total(bench.lab) > before, "drops counted", 3)
        bench.alive()

    def test_beyond_64_kilobytes(self, bench):
        bench.expect("fragment_invalid", self.pieces(bench, 0, 65528, ident=79)[1])

    def test_rest_without_a_first(self, bench):
        """Waits for it, and not for ever."""
        before = bench.lab.drops()
        bench.send(*(self.pieces(bench, 0, 800, ident=1000 + n)[1] for n in range(50)))
        wait_until(lambda: bench.lab.drops().get("fragment_timeout", 0)
                   + bench.lab.drops().get("fragment_table_full", 0)
                   >= before.get("fragment_timeout", 0) + before.get("fragment_table_full", 0) + 50,
                   "fragments given up", 60)
        bench.alive()


@pytest.mark.sanitized
def test_random_bytes(bench):
    """Right Ethernet and addresses, anything behind them."""
    frames = []
    for seed in range(300):
        noise = harness.payload(20 + seed % 100, seed)
        frames.append(bench.frame(Raw(noise)) if seed % 2 else raw(bench.ether) + noise)
    bench.send(*frames)
    bench.alive()
    bench.lab.box.check_alive()
