# SPDX-License-Identifier: BSD-3-Clause
"""Both directions of full NAT, DNAT and DSR, byte for byte."""

import pytest

from world import *  # noqa: F401,F403


@pytest.fixture
def box(make):
    """One source port: full NAT has no choice."""
    return make(ports=(20000, 20000))


PAYLOADS = [b"", b"x", b"hello", bytes(range(256)), b"\xff" * 1000]


def segments(protocol, sport, dport, payload, back=False):
    if protocol == "udp":
        return UDP(sport=sport, dport=dport) / Raw(payload)
    return tcp(sport, dport, "SA" if back else "S", ack=7 if back else 0) / Raw(payload)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda p: f"{len(p)}b")
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_full_nat(box, family, protocol, payload):
    f = family
    out = box.one(from_client(f.ip(f.client, f.vip, ttl=50) / segments(protocol, 4000, 80, payload)))
    same(out, 1, to_node(f.ip(f.lan, f.pods[0], ttl=49) / segments(protocol, 20000, 8080, payload)))
    out = box.one(from_node(
        f.ip(f.pods[0], f.lan, ttl=33) / segments(protocol, 8080, 20000, payload, True)), port=1)
    same(out, 0, to_client(
        f.ip(f.vip, f.client, ttl=32) / segments(protocol, 80, 4000, payload, True)))


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda p: f"{len(p)}b")
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_dnat(box, family, protocol, payload):
    f = family
    out = box.one(from_client(f.ip(f.client, f.vip) / segments(protocol, 4000, 81, payload)))
    same(out, 1, to_node(f.ip(f.client, f.pods[1], ttl=63) / segments(protocol, 4000, 8080, payload)))
    out = box.one(from_node(
        f.ip(f.pods[1], f.client) / segments(protocol, 8080, 4000, payload, True)), port=1)
    same(out, 0, to_client(f.ip(f.vip, f.client, ttl=63) / segments(protocol, 81, 4000, payload, True)))


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_dsr(box, family, protocol):
    f = family
    inner = segments(protocol, 4000, 82, b"hello")
    out = box.one(from_client(f.ip(f.client, f.vip, ttl=50) / inner))
    packet = sound(out)
    assert (out.port, packet.src, packet.dst) == (1, "02:00:00:00:00:02", "02:aa:00:00:00:02")
    outer = packet[IPv6 if f.v6 else IP]
    assert (outer.src, outer.dst) == (f.lan, f.pods[2])
    assert (outer.nh if f.v6 else outer.proto) == (41 if f.v6 else 4)
    assert (outer.hlim if f.v6 else outer.ttl) == 64
    assert bytes(outer.payload) == bytes(f.ip(f.client, f.vip, ttl=49) / inner)


def test_dsr_keeps_dont_fragment_and_tos(box):
    for flags, tos in (("DF", 0x10), (0, 0xb8)):
        out = box.one(from_client(IP(src=V4.client, dst=V4.vip, flags=flags, tos=tos, id=77)
                                  / UDP(sport=1, dport=82) / b"x"))
        outer = sound(out)[IP]
        assert (outer.flags, outer.tos) == (flags, tos)
        assert outer.payload.id == 77


def test_dsr_keeps_traffic_class(box):
    out = box.one(from_client(IPv6(src=V6.client, dst=V6.vip, tc=0xb8, fl=0x12345)
                              / UDP(sport=1, dport=82) / b"x"))
    assert (out.packet[IPv6].tc, out.packet[IPv6].fl) == (0xb8, 0x12345)


def test_udp_without_checksum(box):
    """None was made, none is made (RFC 768)."""
    out = box.one(from_client(IP(src=V4.client, dst=V4.vip) / UDP(sport=5, dport=80, chksum=0) / b"abc"))
    same(out, 1, to_node(IP(src=V4.lan, dst=V4.pods[0], ttl=63)
                         / UDP(sport=20000, dport=8080, chksum=0) / b"abc"))
    out = box.one(from_node(IP(src=V4.pods[0], dst=V4.lan)
                            / UDP(sport=8080, dport=20000, chksum=0) / b"abc"), port=1)
    assert out.packet[UDP].chksum == 0


@pytest.mark.parametrize("port", [80, 81])
def test_udp_checksum_that_comes_to_zero(box, family, port):
    """A sum of 0 is sent as 0xffff (RFC 768); both ways."""
    f, pod = family, 0 if port == 80 else 1
    src, src_port = (f.lan, 20000) if port == 80 else (f.client, 5)
    there = f.ip(src, f.pods[pod], ttl=63) / UDP(sport=src_port, dport=8080)
    back = f.ip(f.vip, f.client, ttl=63) / UDP(sport=port, dport=5)
    for expected in (there, back):
        # The two bytes of payload that make its checksum 0xffff.
        fresh = Ether(bytes(to_node(expected / b"\0\0")))
        tail = fresh[UDP].chksum.to_bytes(2, "big")
        expected.add_payload(Raw(tail))
        assert Ether(bytes(to_node(expected)))[UDP].chksum == 0xffff
    out = box.one(from_client(f.ip(f.client, f.vip) / UDP(sport=5, dport=port) / there[Raw].load))
    same(out, 1, to_node(there))
    out = box.one(from_node(
        f.ip(f.pods[pod], src) / UDP(sport=8080, dport=src_port) / back[Raw].load), port=1)
    same(out, 0, to_client(back))


def test_every_checksum(box, family):
    """Incremental changes of checksums go wrong for few values only: look at many."""
    f = family
    for number in range(1500):
        payload = number.to_bytes(2, "big") + bytes([number % 251])
        out = box.one(from_client(f.ip(f.client, f.vip, ttl=2 + number % 250)
                                  / UDP(sport=4000, dport=80) / payload))
        same(out, 1, to_node(f.ip(f.lan, f.pods[0], ttl=1 + number % 250)
                             / UDP(sport=20000, dport=8080) / payload))


def test_ip_identification_and_flags_stay(box):
    out = box.one(from_client(IP(src=V4.client, dst=V4.vip, id=0xfffe, flags="DF", tos=0x2e)
                              / UDP(sport=4000, dport=80) / b"q"))
    same(out, 1, to_node(IP(src=V4.lan, dst=V4.pods[0], id=0xfffe, flags="DF", tos=0x2e, ttl=63)
                         / UDP(sport=20000, dport=8080) / b"q"))


def test_ip_options_stay(box):
    options = [b"\x01", b"\x44\x0c\x05\x00" + bytes(8)]  # no-op, timestamp
    raw = b"".join(options) + b"\0\0\0"
    from scapy.all import IPOption
    packet = IP(src=V4.client, dst=V4.vip, options=[IPOption(raw)]) / tcp(4000, 80, "S")
    out = box.one(from_client(packet))
    same(out, 1, to_node(IP(src=V4.lan, dst=V4.pods[0], ttl=63, options=[IPOption(raw)])
                         / tcp(20000, 8080, "S")))


@pytest.mark.parametrize("headers", [
    [IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))])],
    [IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))])],
    [IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(segleft=0), IPv6ExtHdrDestOpt()],
], ids=["hop-by-hop", "destination", "four"])
def test_extension_headers_stay(box, headers):
    def chain():
        layers = headers[0].copy()
        for header in headers[1:]:
            layers = layers / header.copy()
        return layers
    out = box.one(from_client(IPv6(src=V6.client, dst=V6.vip) / chain() / UDP(sport=4000, dport=80) / b"x"))
    packet = out.packet
    assert (packet[IPv6].src, packet[IPv6].dst, packet[IPv6].hlim) == (V6.lan, V6.pods[0], 63)
    assert packet[UDP].dport == 8080
    sound(out)


def test_vlan_in_and_out(box, family):
    """In by VLAN 100 of one port, out by VLAN 200 of the other."""
    f = family
    out = box.one(from_client(f.ip(f.client, f.vip) / UDP(sport=4000, dport=87) / b"x", vlan=100))
    expected = (Ether(src="02:00:00:00:00:02", dst="02:aa:00:00:00:04") / Dot1Q(vlan=200)
                / f.ip(f.lan200, f.pods200[0], ttl=63) / UDP(sport=20000, dport=8080) / b"x")
    same(out, 1, expected)
    out = box.one(Ether(src="02:aa:00:00:00:04", dst="02:00:00:00:00:02") / Dot1Q(vlan=200)
                  / f.ip(f.pods200[0], f.lan200) / UDP(sport=8080, dport=20000) / b"y", port=1)
    same(out, 0, to_client(f.ip(f.vip, f.client, ttl=63) / UDP(sport=87, dport=4000) / b"y"))


def test_priority_tag(box):
    """VLAN 0 only carries a priority."""
    out = box.one(Ether(src="02:aa:00:00:00:01", dst="02:00:00:00:00:01") / Dot1Q(vlan=0, prio=5)
                  / IP(src=V4.client, dst=V4.vip) / UDP(sport=4000, dport=80) / b"x")
    same(out, 1, to_node(IP(src=V4.lan, dst=V4.pods[0], ttl=63) / UDP(sport=20000, dport=8080) / b"x"))


def test_padding_is_cut_off(box, family):
    f = family
    frame = bytes(from_client(f.ip(f.client, f.vip) / UDP(sport=4000, dport=80) / b"x"))
    out = box.one(frame + b"\xaa" * 18)
    same(out, 1, to_node(f.ip(f.lan, f.pods[0], ttl=63) / UDP(sport=20000, dport=8080) / b"x"))


def test_snat_addresses(make, family):
    """Addresses of snat.addresses are used, not those of the interface, until none is left."""
    f, box = family, make(ports=(20000, 20001))
    addresses = ["fd00:9::1", "fd00:9::2"] if f.v6 else ["10.9.0.1", "10.9.0.2"]
    for address in addresses:
        box.say("snat", address)
    seen = {}
    for number in range(4000, 4004):
        out = box.one(from_client(f.ip(f.client, f.vip) / UDP(sport=number, dport=80)))
        packet = out.packet[IPv6 if f.v6 else IP]
        seen[packet.src, packet[UDP].sport] = number
    assert set(seen) == {(address, port) for address in addresses for port in (20000, 20001)}
    out = box.one(from_node(f.ip(f.pods[0], addresses[1]) / UDP(sport=8080, dport=20001)), port=1)
    assert out.packet[UDP].dport == seen[addresses[1], 20001]


def test_transmit_checksum_left_to_the_port(make):
    """A port that can is given the IPv4 checksum of packets we make; packet_run plays the port."""
    box = make(tx_checksum=1)
    out = box.one(from_client(IP(src=V4.client, dst=V4.vip) / ICMP(id=1, seq=2) / b"x"))
    sound(out)
    out = box.one(from_client(IP(src=V4.client, dst=V4.vip) / tcp(4000, 82, "S")))
    sound(out)
    out = box.one(from_client(IP(src=V4.client, dst=V4.vip) / tcp(4000, 99, "S")))
    sound(out)
