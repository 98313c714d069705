# SPDX-License-Identifier: BSD-3-Clause
"""Whatever comes: never a crash, every packet ends once (the fixture counts the buffers), and what
is wrong with it has a name."""

import random
import struct

import pytest

from world import *  # noqa: F401,F403


def patch(packet, offset, value):
    data = bytearray(bytes(packet))
    data[offset:offset + len(value)] = value
    return bytes(data)


def ip_checksum(data):
    """Mends the IPv4 header checksum of a frame after a patch."""
    data = bytearray(data)
    header = (data[14] & 15) * 4
    data[24:26] = b"\0\0"
    words = struct.unpack(f">{header // 2}H", data[14:14 + header])
    total = sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    data[24:26] = struct.pack(">H", ~total & 0xffff)
    return bytes(data)


def samples(f):
    """One of each kind of packet there is for us."""
    udp = f.ip(f.client, f.vip) / UDP(sport=4000, dport=80) / bytes(20)
    error = ICMPv6PacketTooBig(mtu=1300) if f.v6 else ICMP(type=3, code=4, nexthopmtu=1300)
    about = f.ip(f.vip, f.client) / UDP(sport=80, dport=4000) / bytes(20)
    yield "udp", udp
    for port in 80, 81, 82:
        yield f"tcp{port}", f.ip(f.client, f.vip) / tcp(4000, port, "S", options=[
            ("MSS", 1460), ("WScale", 7)]) / bytes(8)
    yield "echo", f.ip(f.client, f.vip) / (ICMPv6EchoRequest(data=b"x" * 8) if f.v6 else ICMP() / bytes(8))
    yield "error", f.ip(f.client, f.vip) / error / about
    tunnel = f.ip(f.lan, f.pods[2]) / (f.ip(f.client, f.vip) / UDP(sport=4000, dport=82) / bytes(8))
    yield "tunnel", f.ip(f.node, f.lan) / error.copy() / tunnel
    if f.v6:
        from scapy.all import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr
        yield "fragment", IPv6(src=f.client, dst=f.vip) / IPv6ExtHdrFragment(nh=17, m=1, id=1) / \
            UDP(sport=4000, dport=80, len=1000, chksum=1) / bytes(40)
        yield "extensions", IPv6(src=f.client, dst=f.vip) / IPv6ExtHdrHopByHop(
            options=[PadN(optdata=bytes(4))]) / IPv6ExtHdrRouting(segleft=0) / \
            IPv6ExtHdrDestOpt() / UDP(sport=4000, dport=80) / b"x"
        yield "solicitation", IPv6(src=f.gateway, dst=f.vip, hlim=255) / ICMPv6ND_NS(tgt=f.vip) / \
            ICMPv6NDOptSrcLLAddr(lladdr=GATEWAY_MAC)
    else:
        from scapy.all import IPOption
        yield "fragment", IP(src=f.client, dst=f.vip, flags="MF", id=1) / \
            UDP(sport=4000, dport=80, len=1000, chksum=1) / bytes(40)
        yield "options", IP(src=f.client, dst=f.vip, options=[IPOption(b"\x44\x08\x05\x00\0\0\0\0")]) / \
            UDP(sport=4000, dport=80)


def arp(f):
    from scapy.all import ARP
    return Ether(src=GATEWAY_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        hwsrc=GATEWAY_MAC, psrc=f.gateway, pdst=f.vip)


@pytest.mark.parametrize("tagged", [False, True], ids=["plain", "tagged"])
def test_truncated_at_each_byte(make, family, tagged):
    """Each sample cut at every length, alone in a burst and all in one."""
    f, box = family, make()
    frames = [Ether(src=GATEWAY_MAC, dst=WAN_MAC) / (Dot1Q(vlan=100) / packet if tagged else packet)
              for _name, packet in samples(f)]
    if not f.v6:
        frames.append(arp(f))
    for frame in frames:
        data = bytes(frame)
        box.through(data)  # whole: there is a flow that cut ones may hit
        for length in range(len(data)):
            box.put(data[:length])
            if length % 7 == 0:
                box.out()
        box.out()
    drops = box.drops()
    assert drops["l2_truncated"] > 0 and drops["ip_truncated"] > 0
    assert drops["ip_total_length"] > 0
    # And it works as before.
    assert len(box.through(from_client(f.ip(f.client, f.vip) / UDP(sport=4001, dport=80)))) == 1


def test_cut_with_lengths_that_agree(make, family):
    """The same with the IP length made to fit, so that the cut reaches what is behind."""
    f, box = family, make()
    for name, packet in samples(f):
        data = bytes(Ether(src=GATEWAY_MAC, dst=WAN_MAC) / packet)
        box.through(data)
        for length in range(14 + (40 if f.v6 else 20), len(data)):
            if f.v6:
                cut = patch(data[:length], 18, struct.pack(">H", length - 54))
            else:
                cut = patch(data[:length], 16, struct.pack(">H", length - 14))
                if length >= 14 + (data[14] & 15) * 4:
                    cut = ip_checksum(cut)
            for frame in box.through(cut):
                if frame.host is None:
                    assert frame.packet.src in (WAN_MAC, LAN_MAC)
    drops = box.drops()
    assert {"l4_truncated", "icmp_inner"} <= set(drops), drops
    assert {"ip_extension"} <= set(drops) or not f.v6, drops


IPV4 = [
    ("version", lambda d: patch(d, 14, b"\x65"), "ip_version"),
    ("version 0", lambda d: patch(d, 14, b"\x05"), "ip_version"),
    ("header of 16 bytes", lambda d: patch(d, 14, b"\x44"), "ip_header_length"),
    ("header beyond the frame", lambda d: patch(d, 14, b"\x4f"), "ip_header_length"),
    ("length below header", lambda d: ip_checksum(patch(d, 16, b"\0\x13")), "ip_total_length"),
    ("length 0", lambda d: ip_checksum(patch(d, 16, b"\0\0")), "ip_total_length"),
    ("length beyond frame", lambda d: ip_checksum(patch(d, 16, b"\x05\xdc")), "ip_total_length"),
    ("checksum", lambda d: patch(d, 24, b"\x12\x34"), "ip_checksum"),
    ("land", lambda d: ip_checksum(patch(d, 26, d[30:34])), "ip_land"),
    ("source loopback", lambda d: ip_checksum(patch(d, 26, b"\x7f\0\0\1")), "ip_source"),
    ("source zero", lambda d: ip_checksum(patch(d, 26, b"\0\0\0\0")), "ip_source"),
    ("source multicast", lambda d: ip_checksum(patch(d, 26, b"\xe0\0\0\1")), "ip_source"),
    ("source broadcast", lambda d: ip_checksum(patch(d, 26, b"\xff\xff\xff\xff")), "ip_source"),
]


@pytest.mark.parametrize("port", [80, 99], ids=["listener", "none"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("name,change,drop", IPV4, ids=[row[0] for row in IPV4])
def test_ipv4(box, name, change, drop, protocol, port):
    layer = UDP(sport=4000, dport=port) if protocol == "udp" else tcp(4000, port, "S")
    box.nothing(change(bytes(from_client(IP(src=V4.client, dst=V4.vip) / layer))), drop)
    assert box.flows() == []


IPV6 = [
    ("version", lambda d: patch(d, 14, b"\x40"), "ip_version"),
    ("length beyond frame", lambda d: patch(d, 18, b"\x05\xdc"), "ip_total_length"),
    ("length 0", lambda d: patch(d, 18, b"\0\0"), "ip_total_length"),
    ("land", lambda d: patch(d, 22, d[38:54]), "ip_land"),
    ("source loopback", lambda d: patch(d, 22, bytes(15) + b"\1"), "ip_source"),
    ("source zero", lambda d: patch(d, 22, bytes(16)), "ip_source"),
    ("source multicast", lambda d: patch(d, 22, b"\xff\x02" + bytes(13) + b"\1"), "ip_source"),
    ("source of the link", lambda d: patch(d, 22, b"\xfe\x80" + bytes(13) + b"\1"), "ip_source"),
    ("source mapped", lambda d: patch(d, 22, bytes(10) + b"\xff\xff\xc6\x33\x64\x07"), "ip_source"),
    ("destination mapped", lambda d: patch(d, 38, bytes(10) + b"\xff\xff\xc0\0\x02\x0a"), "ip_source"),
    ("destination loopback", lambda d: patch(d, 38, bytes(15) + b"\1"), "ip_source"),
]


@pytest.mark.parametrize("port", [80, 99], ids=["listener", "none"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("name,change,drop", IPV6, ids=[row[0] for row in IPV6])
def test_ipv6(box, name, change, drop, protocol, port):
    layer = UDP(sport=4000, dport=port) if protocol == "udp" else tcp(4000, port, "S")
    box.nothing(change(bytes(from_client(IPv6(src=V6.client, dst=V6.vip) / layer))), drop)
    assert box.flows() == []


def chain(*headers):
    return b"".join(headers)


def extension(next_header, length=0, body=b""):
    return bytes([next_header, length]) + body.ljust(6 + 8 * length, b"\0")


UDP_BYTES = struct.pack(">HHHH", 4000, 80, 8, 1)
CHAINS = [
    ("hop-by-hop not first", 60, chain(extension(0), extension(17), UDP_BYTES), "ip_extension"),
    ("longer than the packet", 0, chain(extension(17, 200)[:8], UDP_BYTES), "ip_extension"),
    ("cut", 0, b"\x11\0\0", "ip_extension"),
    ("too many", 60, chain(*[extension(60)] * 9, extension(17), UDP_BYTES), "ip_extension"),
    ("source routing", 43, chain(extension(17, 2, b"\0\1" + bytes(20)), UDP_BYTES), "ip_extension"),
    ("routing, none left", 43, chain(extension(17, 2, b"\0\0" + bytes(20)), UDP_BYTES), None),
    ("fragment cut", 44, b"\x11\0\0\1", "ip_extension"),
    ("eight", 0, chain(extension(60), *[extension(60)] * 5, extension(17), UDP_BYTES), None),
]


@pytest.mark.parametrize("name,first,body,drop", CHAINS, ids=[row[0] for row in CHAINS])
def test_extension_headers(box, name, first, body, drop):
    frame = from_client(IPv6(src=V6.client, dst=V6.vip, nh=first) / Raw(body))
    if drop:
        box.nothing(frame, drop)
    else:
        assert box.one(frame).packet[IPv6].dst == V6.pods[0]


@pytest.mark.parametrize("name,options,drop", [
    ("loose source routing", b"\x83\x07\x04\x01\x02\x03\x04\x00", "ip_options"),
    ("strict source routing", b"\x89\x07\x04\x01\x02\x03\x04\x00", "ip_options"),
    ("length 0", b"\x44\x00\x00\x00", "ip_options"),
    ("length 1", b"\x44\x01\x00\x00", "ip_options"),
    ("length beyond the header", b"\x44\x09\x05\x00", "ip_options"),
    ("type without length", b"\x01\x01\x01\x44", "ip_options"),
    ("no-ops", b"\x01\x01\x01\x01", None),
    ("end", b"\x00\xff\xff\xff", None),
], ids=lambda value: value if isinstance(value, str) else "")
def test_ipv4_options(box, name, options, drop):
    from scapy.all import IPOption
    packet = IP(src=V4.client, dst=V4.vip, ihl=5 + len(options) // 4, options=[IPOption(options)])
    frame = from_client(packet / UDP(sport=4000, dport=80))
    if drop:
        box.nothing(frame, drop)
    else:
        assert box.one(frame).packet[IP].dst == V4.pods[0]


L4 = [
    ("udp length 0", UDP(sport=4000, dport=80, len=0), "l4_length"),
    ("udp length 7", UDP(sport=4000, dport=80, len=7), "l4_length"),
    ("udp length beyond", UDP(sport=4000, dport=80, len=9), "l4_length"),
    ("udp source port 0", UDP(sport=0, dport=80), "l4_port_zero"),
    ("udp port 0", UDP(sport=4000, dport=0), "l4_port_zero"),
    ("tcp source port 0", tcp(0, 80, "S"), "l4_port_zero"),
    ("tcp port 0", tcp(4000, 0, "S"), "l4_port_zero"),
    ("tcp header of 16 bytes", tcp(4000, 80, "S", dataofs=4), "tcp_offset"),
    ("tcp header of 0 bytes", tcp(4000, 80, "S", dataofs=0), "tcp_offset"),
    ("tcp header beyond", tcp(4000, 80, "S", dataofs=15), "tcp_offset"),
    ("no flags", tcp(4000, 80, 0), "tcp_flags"),
    ("only PSH URG", tcp(4000, 80, "PU"), "tcp_flags"),
    ("SYN FIN", tcp(4000, 80, "SF"), "tcp_flags"),
    ("SYN RST", tcp(4000, 80, "SR"), "tcp_flags"),
    ("FIN alone", tcp(4000, 80, "F"), "tcp_flags"),
    ("FIN PSH URG", tcp(4000, 80, "FPU"), "tcp_flags"),
    ("everything", tcp(4000, 80, "FSRPAUEC"), "tcp_flags"),
]


@pytest.mark.parametrize("name,layer,drop", L4, ids=[row[0] for row in L4])
def test_l4(box, family, name, layer, drop):
    box.nothing(from_client(family.ip(family.client, family.vip) / layer), drop)
    assert box.flows() == []


def test_ethernet(box, family):
    f = family
    packet = f.ip(f.client, f.vip) / UDP(sport=4000, dport=80)
    box.nothing(Ether(src=GATEWAY_MAC, dst="02:99:00:00:00:01") / packet, "l2_address")
    box.nothing(Ether(src=GATEWAY_MAC, dst=WAN_MAC) / Dot1Q(vlan=7) / packet, "l2_vlan_unknown")
    # A unicast packet for everybody is not balanced (RFC 1122), and the kernel has no VIP.
    box.nothing(Ether(src=GATEWAY_MAC, dst="ff:ff:ff:ff:ff:ff") / packet, "icmp_unsupported")
    # The wrong type for what it is.
    box.nothing(Ether(src=GATEWAY_MAC, dst=WAN_MAC, type=0x0800 if f.v6 else 0x86dd) / Raw(bytes(packet)),
                "ip_version" if f.v6 else "ip_truncated")


def test_not_ours_is_the_kernels(box, family):
    """To the byte, whatever it is: no packet that is not ours is lost."""
    f = family
    everyone = "33:33:00:00:00:01" if f.v6 else "01:00:5e:00:00:05"
    group = "ff02::5" if f.v6 else "224.0.0.5"
    from scapy.all import LLC
    for frame in (
            from_client(f.ip(f.client, f.wan) / tcp(4000, 22, "S")),
            from_client(f.ip(f.client, f.wan) / tcp(22, 4000, "A")),
            from_client(f.ip(f.client, f.wan) / UDP(sport=67, dport=68) / bytes(300)),
            Ether(src=GATEWAY_MAC, dst=everyone) / f.ip(f.gateway, group, ttl=1) / Raw(bytes(30)),
            from_client(f.ip(f.client, f.wan, **({"nh": 47} if f.v6 else {"proto": 47})) / bytes(40)),
            Ether(src=GATEWAY_MAC, dst="ff:ff:ff:ff:ff:ff", type=0x88cc) / bytes(50),
            Ether(src=GATEWAY_MAC, dst="01:80:c2:00:00:00", type=50) / LLC() / bytes(47),
            from_client(f.ip(f.client, f.other(9)) / UDP(sport=1, dport=2))):
        out = box.one(frame)
        assert (out.host, bytes(out)) == (WAN, bytes(frame))
    tagged = Ether(src=CLIENT100_MAC, dst=WAN_MAC) / Dot1Q(vlan=100) / f.ip(f.client, f.wan) / tcp(1, 22, "S")
    out = box.one(tagged)
    assert out.host == WAN100
    assert bytes(out) == bytes(Ether(src=CLIENT100_MAC, dst=WAN_MAC) / f.ip(f.client, f.wan) / tcp(1, 22, "S"))


def test_duplicate_address_detection_is_the_kernels(box):
    from scapy.all import ICMPv6ND_NS
    frame = Ether(src=GATEWAY_MAC, dst="33:33:ff:00:00:99") / IPv6(
        src="::", dst="ff02::1:ff00:99", hlim=255) / ICMPv6ND_NS(tgt="2001:db8:1::99")
    assert box.one(frame).host == WAN


def test_bits_flipped(make, family):
    """Each sample with each of its bits turned, and many with several."""
    f, box = family, make()
    dice = random.Random(5)
    frames = [bytes(Ether(src=GATEWAY_MAC, dst=WAN_MAC) / packet) for _name, packet in samples(f)]
    for data in frames:
        for bit in range(14 * 8, len(data) * 8):
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            if not f.v6 and changed[14] & 15 >= 5 and len(changed) >= 14 + (changed[14] & 15) * 4:
                changed = ip_checksum(changed)
            box.put(changed)
            if bit % 64 == 63:
                box.out()
        box.out()
    for _ in range(3000):
        changed = bytearray(dice.choice(frames))
        for _ in range(dice.randrange(1, 6)):
            changed[dice.randrange(14, len(changed))] = dice.randrange(256)
        if not f.v6 and len(changed) >= 34 and 5 <= changed[14] & 15 and len(changed) >= 14 + (changed[14] & 15) * 4:
            changed = ip_checksum(changed)
        box.put(changed)
        if dice.random() < 0.05:
            box.out()
    box.out()
    assert len(box.through(from_client(f.ip(f.other(77), f.vip) / UDP(sport=4001, dport=80)))) == 1
