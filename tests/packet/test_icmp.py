# SPDX-License-Identifier: BSD-3-Clause
"""ICMP and ICMPv6: errors translated to the other side, errors of our own, echo."""

import pytest

from world import *  # noqa: F401,F403


@pytest.fixture
def box(make):
    return make(ports=(20000, 20000))


def error(f, kind, quoted, mtu=1280):
    """An ICMP error of this family quoting a packet."""
    quoted = bytes(quoted)
    if f.v6:
        layer = {"too_big": ICMPv6PacketTooBig(mtu=mtu), "port": ICMPv6DestUnreach(code=4),
                 "time": ICMPv6TimeExceeded()}[kind]
    else:
        layer = {"too_big": ICMP(type=3, code=4, nexthopmtu=mtu), "port": ICMP(type=3, code=3),
                 "time": ICMP(type=11)}[kind]
    return layer / Raw(quoted)


def segment(protocol, sport, dport, **fields):
    return UDP(sport=sport, dport=dport) if protocol == "udp" else tcp(sport, dport, **fields)


def flow(box, f, protocol, port, src_port=4000):
    """Opens a flow: what goes to the pod and what goes to the client, as layers above Ethernet."""
    pod = {80: f.pods[0], 81: f.pods[1]}[port]
    source = (f.lan, 20000) if port == 80 else (f.client, src_port)
    sent = f.ip(f.client, f.vip) / segment(protocol, src_port, port, flags="S")
    got = f.ip(source[0], pod, ttl=63) / segment(protocol, source[1], 8080, flags="S")
    same(box.one(from_client(sent)), 1, to_node(got))
    answered = f.ip(pod, source[0]) / segment(protocol, 8080, source[1], flags="SA", ack=5)
    seen = f.ip(f.vip, f.client, ttl=63) / segment(protocol, port, src_port, flags="SA", ack=5)
    same(box.one(from_node(answered), port=1), 0, to_client(seen))
    return sent, got, answered, seen, source[0], pod


@pytest.mark.parametrize("cut", [None, 8], ids=["whole", "8b"])
@pytest.mark.parametrize("kind", ["too_big", "port", "time"])
@pytest.mark.parametrize("port", [80, 81], ids=["full-nat", "dnat"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_error_about_what_went_to_the_pod(box, family, protocol, port, kind, cut):
    """From a router behind us (or the pod): the client sees his own packet quoted, from the VIP."""
    f = family
    sent, got, _answered, _seen, source, pod = flow(box, f, protocol, port)
    header = 40 if f.v6 else 20
    end = header + cut if cut else None
    router = f.pods[6]
    out = box.one(from_node(f.ip(router, source) / error(f, kind, bytes(got)[:end])), port=1)
    quoted = sent.copy()
    setattr(quoted, "hlim" if f.v6 else "ttl", 63)  # as it was when it left us
    same(out, 0, to_client(f.ip(f.vip, f.client, ttl=63) / error(f, kind, bytes(quoted)[:end])))


@pytest.mark.parametrize("cut", [None, 8], ids=["whole", "8b"])
@pytest.mark.parametrize("kind", ["too_big", "port", "time"])
@pytest.mark.parametrize("port", [80, 81], ids=["full-nat", "dnat"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_error_about_what_went_to_the_client(box, family, protocol, port, kind, cut):
    """From a router before us: the pod sees its own packet quoted, from whom it knows."""
    f = family
    _sent, _got, answered, seen, source, pod = flow(box, f, protocol, port)
    end = (40 if f.v6 else 20) + cut if cut else None
    router = f.other(1)
    out = box.one(from_client(f.ip(router, f.vip) / error(f, kind, bytes(seen)[:end])))
    quoted = answered.copy()
    setattr(quoted, "hlim" if f.v6 else "ttl", 63)
    same(out, 1, to_node(f.ip(source, pod, ttl=63) / error(f, kind, bytes(quoted)[:end])))


def test_error_quoting_udp_without_checksum(box):
    f = V4
    box.one(from_client(f.ip(f.client, f.vip) / UDP(sport=4000, dport=80)))
    quoted = IP(src=f.lan, dst=f.pods[0], ttl=63) / UDP(sport=20000, dport=8080, chksum=0) / b"ab"
    out = box.one(from_node(f.ip(f.pods[0], f.lan) / error(f, "port", quoted)), port=1)
    back = IP(src=f.client, dst=f.vip, ttl=63) / UDP(sport=4000, dport=80, chksum=0) / b"ab"
    same(out, 0, to_client(f.ip(f.vip, f.client, ttl=63) / error(f, "port", back)))


def test_error_quoting_options(box):
    from scapy.all import IPOption
    f, options = V4, [IPOption(b"\x01\x01\x01\x01")]
    box.one(from_client(f.ip(f.client, f.vip) / tcp(4000, 80, "S")))
    quoted = IP(src=f.lan, dst=f.pods[0], options=options) / tcp(20000, 8080, "S")
    out = box.one(from_node(f.ip(f.pods[0], f.lan) / error(f, "port", quoted)), port=1)
    back = IP(src=f.client, dst=f.vip, options=options) / tcp(4000, 80, "S")
    same(out, 0, to_client(f.ip(f.vip, f.client, ttl=63) / error(f, "port", back)))


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_error_about_the_tunnel(box, family, protocol):
    """About our IPIP to a pod: the client hears of his own packet, with room for the outer header."""
    f = family
    sent = f.ip(f.client, f.vip) / segment(protocol, 4000, 82, flags="S") / (b"x" * 100)
    out = box.one(from_client(sent))
    tunneled = bytes(out)[14:]
    out = box.one(from_node(f.ip(f.node, f.lan) / error(f, "too_big", tunneled, mtu=1420)), port=1)
    quoted = sent.copy()
    setattr(quoted, "hlim" if f.v6 else "ttl", 63)
    same(out, 0, to_client(f.ip(f.vip, f.client, ttl=63)
                           / error(f, "too_big", quoted, mtu=1420 - (40 if f.v6 else 20))))


def test_error_about_a_direct_answer(box, family):
    """With DSR the pod answers by itself; errors about that come to us, as the VIP is ours: they
    follow the flow, in the tunnel."""
    f = family
    box.one(from_client(f.ip(f.client, f.vip) / tcp(4000, 82, "S")))
    about = error(f, "too_big", f.ip(f.vip, f.client, ttl=50) / tcp(82, 4000, "A") / (b"x" * 40))
    out = box.one(from_client(f.ip(f.other(3), f.vip) / about))
    outer = sound(out)[IPv6 if f.v6 else IP]
    assert (out.port, outer.src, outer.dst) == (1, f.lan, f.pods[2])
    assert bytes(outer.payload) == bytes(f.ip(f.other(3), f.vip, ttl=63) / about)


def test_error_without_flow(box, family):
    f = family
    quoted = f.ip(f.vip, f.client) / UDP(sport=80, dport=4000)
    box.nothing(from_client(f.ip(f.other(1), f.vip) / error(f, "port", quoted)), "icmp_no_flow")
    # About something of the kernel's own.
    quoted = f.ip(f.wan, f.client) / UDP(sport=80, dport=4000)
    frame = from_client(f.ip(f.other(1), f.wan) / error(f, "port", quoted))
    out = box.one(frame)
    assert (out.host, bytes(out)) == (WAN, bytes(frame))


def test_error_to_another_than_it_is_about(box, family):
    """Who quotes our packet to somebody else has not got it from a router (RFC 5927)."""
    f = family
    _sent, _got, _answered, seen, _source, _pod = flow(box, f, "tcp", 80)
    box.nothing(from_client(f.ip(f.other(1), f.wan) / error(f, "port", bytes(seen))), "icmp_inner")


def test_error_with_wrong_checksum(box, family):
    f = family
    _sent, got, *_ = flow(box, f, "tcp", 80)
    frame = bytearray(bytes(from_node(f.ip(f.pods[0], f.lan) / error(f, "port", got))))
    frame[-1] ^= 1
    box.nothing(bytes(frame), "icmp_checksum", port=1)


def test_error_at_the_end_of_its_way(box, family):
    """An error is not answered by an error (RFC 1122, RFC 4443)."""
    f = family
    _sent, got, *_ = flow(box, f, "tcp", 80)
    for ttl in (1, 0):
        box.nothing(from_node(f.ip(f.pods[0], f.lan, ttl=ttl) / error(f, "port", got)),
                    "ttl_expired", port=1)


@pytest.mark.parametrize("ttl", [0, 1])
@pytest.mark.parametrize("port", [80, 81, 82])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_time_exceeded(box, family, protocol, port, ttl):
    f = family
    sent = f.ip(f.client, f.vip, ttl=ttl) / segment(protocol, 4000, port, flags="S") / (b"y" * 1000)
    out = box.one(from_client(sent))
    packet = sound(out)
    ip = packet[IPv6 if f.v6 else IP]
    assert (out.port, ip.src, ip.dst) == (0, f.wan, f.client)
    if f.v6:
        assert ICMPv6TimeExceeded in packet
        assert bytes(packet[ICMPv6TimeExceeded])[8:] == bytes(sent)
    else:
        assert (packet[ICMP].type, packet[ICMP].code) == (11, 0)
        assert bytes(packet[ICMP])[8:] == bytes(sent)[:548]
        assert len(bytes(ip)) <= 576
    assert box.drops() == {"ttl_expired": 1}
    assert box.through(from_client(f.ip(f.client, f.vip, ttl=2)
                                   / segment(protocol, 4000, port, flags="S")))[0].port == 1


def test_time_exceeded_of_an_answer(box, family):
    f = family
    _sent, _got, answered, *_ = flow(box, f, "tcp", 80)
    expiring = f.ip(f.pods[0], f.lan, ttl=1) / answered.payload
    out = box.one(from_node(expiring), port=1)
    packet = sound(out)
    ip = packet[IPv6 if f.v6 else IP]
    assert (out.port, ip.src, ip.dst) == (1, f.lan, f.pods[0])
    assert bytes(expiring) in bytes(packet)


@pytest.mark.parametrize("port", [80, 81, 82])
def test_too_big(box, family, port):
    """DF, or IPv6: the sender is told the MTU; with a tunnel, what is left of it."""
    f = family
    mtu = 1400
    box.say("mtu", LAN, mtu)
    room = mtu - ((40 if f.v6 else 20) if port == 82 else 0)
    header = (40 if f.v6 else 20) + 8

    def datagram(size):
        ip = f.ip(f.client, f.vip) if f.v6 else f.ip(f.client, f.vip, flags="DF")
        return ip / UDP(sport=4000, dport=port) / bytes(size - header)
    out = box.one(from_client(datagram(room)))
    assert (out.port, len(out)) == (1, 14 + mtu)
    sent = datagram(room + 1)
    out = box.one(from_client(sent))
    packet = sound(out)
    ip = packet[IPv6 if f.v6 else IP]
    assert (out.port, ip.src, ip.dst) == (0, f.wan, f.client)
    if f.v6:
        assert packet[ICMPv6PacketTooBig].mtu == room
        assert bytes(packet[ICMPv6PacketTooBig])[8:] == bytes(sent)[:1280 - 48]
    else:
        assert (packet[ICMP].type, packet[ICMP].code, packet[ICMP].nexthopmtu) == (3, 4, room)
        assert bytes(packet[ICMP])[8:] == bytes(sent)[:548]
    assert box.drops() == {"too_big": 1}


def test_too_big_of_an_answer(box, family):
    f = family
    _sent, _got, answered, *_ = flow(box, f, "tcp", 80)
    box.say("mtu", WAN, 1300)
    ip = f.ip(f.pods[0], f.lan) if f.v6 else f.ip(f.pods[0], f.lan, flags="DF")
    sent = ip / tcp(8080, 20000, "A") / bytes(1350)
    out = box.one(from_node(sent), port=1)
    packet = sound(out)
    assert out.port == 1 and packet[IPv6 if f.v6 else IP].dst == f.pods[0]
    assert (packet[ICMPv6PacketTooBig].mtu if f.v6 else packet[ICMP].nexthopmtu) == 1300


def reassembled(frames):
    """The payload of IPv4 fragments, which must not overlap and leave no hole."""
    parts = {}
    for frame in frames:
        ip = sound(frame)[IP]
        parts[ip.frag * 8] = (bytes(ip.payload)[:ip.len - ip.ihl * 4], ip.flags.MF)
    data = b""
    for offset in sorted(parts):
        assert offset == len(data)
        data += parts[offset][0]
    assert [parts[offset][1] for offset in sorted(parts)] == [True] * (len(parts) - 1) + [False]
    return data


@pytest.mark.parametrize("port", [80, 82], ids=["nat", "tunnel"])
@pytest.mark.parametrize("mtu", [576, 1000, 1301])
def test_too_big_is_cut_where_that_is_allowed(box, port, mtu):
    f = V4
    box.say("mtu", LAN, mtu)
    payload = bytes(range(256)) * 5
    frames = box.through(from_client(IP(src=f.client, dst=f.vip, id=9) / UDP(sport=4000, dport=port) / payload))
    assert len(frames) > 1 and all(len(frame) <= 14 + mtu for frame in frames)
    assert all((frame.packet.src, frame.packet.dst) == ("02:00:00:00:00:02", "02:aa:00:00:00:02")
               for frame in frames)
    assert len({frame.packet[IP].id for frame in frames}) == 1
    if port == 80:
        expected = IP(src=f.lan, dst=f.pods[0], ttl=63, id=9) / UDP(sport=20000, dport=8080) / payload
    else:
        expected = (IP(src=f.lan, dst=f.pods[2], proto=4)
                    / IP(src=f.client, dst=f.vip, ttl=63, id=9) / UDP(sport=4000, dport=82) / payload)
    assert reassembled(frames) == bytes(expected)[20:]


def test_cut_into_a_vlan(box):
    payload = bytes(1380)
    frames = box.through(from_client(IP(src=V4.client, dst=V4.vip) / UDP(sport=4000, dport=87) / payload))
    assert len(frames) == 2 and all(frame.packet[Dot1Q].vlan == 200 for frame in frames)
    assert reassembled(frames)[8:] == payload


@pytest.mark.parametrize("size", [0, 1, 56, 1400])
def test_echo(box, family, size):
    f = family
    payload = bytes(i % 256 for i in range(size))
    request = ICMPv6EchoRequest(id=7, seq=9, data=payload) if f.v6 else ICMP(id=7, seq=9) / payload
    reply = ICMPv6EchoReply(id=7, seq=9, data=payload) if f.v6 else ICMP(type=0, id=7, seq=9) / payload
    out = box.one(from_client(f.ip(f.client, f.vip, ttl=1) / request))
    same(out, 0, to_client(f.ip(f.vip, f.client, ttl=64) / reply))
    # Every value of the checksum's word once round.
    for seq in range(0, 65536, 997):
        request = ICMPv6EchoRequest(id=7, seq=seq) if f.v6 else ICMP(id=7, seq=seq)
        reply = ICMPv6EchoReply(id=7, seq=seq) if f.v6 else ICMP(type=0, id=7, seq=seq)
        out = box.one(from_client(f.ip(f.client, f.vip) / request))
        assert sound(out)[IPv6 if f.v6 else IP].dst == f.client


def test_echo_to_the_appliance_is_the_kernels(box, family):
    f = family
    frame = from_client(f.ip(f.client, f.wan) / (ICMPv6EchoRequest() if f.v6 else ICMP()))
    out = box.one(frame)
    assert (out.host, bytes(out)) == (WAN, bytes(frame))


@pytest.mark.parametrize("f,source", [
    (V4, "224.0.0.1"), (V4, "127.0.0.1"), (V4, "0.0.0.0"), (V4, "255.255.255.255"), (V4, "240.0.0.1"),
    (V6, "ff02::1"), (V6, "::1"), (V6, "::"), (V6, "::ffff:10.0.0.1")], ids=str)
def test_echo_from_nobody(box, f, source):
    """Else one packet of a liar is answered to a whole network."""
    request = ICMPv6EchoRequest() if f.v6 else ICMP()
    box.nothing(from_client(f.ip(source, f.vip) / request), "ip_source")


def test_other_icmp_to_a_vip(box, family):
    f = family
    from scapy.all import ICMPv6ND_RS
    other = ICMPv6ND_RS() if f.v6 else ICMP(type=13)
    box.nothing(from_client(f.ip(f.client, f.vip, ttl=255) / other), "icmp_unsupported")
