# SPDX-License-Identifier: BSD-3-Clause
"""IP fragments take the flow of their datagram, in any order, and never show two versions of it."""

import random

import pytest

from world import *  # noqa: F401,F403


def cut(datagram, sizes, ident=77):
    """An IP datagram in fragments with these payload sizes (all but the last a multiple of 8)."""
    v6 = isinstance(datagram, IPv6)
    body = bytes(datagram)[40 if v6 else 20:]
    protocol = datagram.payload.overload_fields[IPv6 if v6 else IP]["nh" if v6 else "proto"]
    pieces, at = [], 0
    for index, size in enumerate(sizes):
        last = index == len(sizes) - 1
        part = body[at:] if last else body[at:at + size]
        if v6:
            header = IPv6(src=datagram.src, dst=datagram.dst, hlim=datagram.hlim) / \
                IPv6ExtHdrFragment(nh=protocol, offset=at // 8, m=0 if last else 1, id=ident)
        else:
            header = IP(src=datagram.src, dst=datagram.dst, ttl=datagram.ttl, proto=protocol, id=ident,
                        frag=at // 8, flags=0 if last else "MF")
        pieces.append(header / Raw(part))
        at += size
    return pieces


def join(frames, f):
    """The datagram that fragments make together; each byte must come once."""
    parts, idents, last = {}, set(), None
    for frame in frames:
        packet = sound(frame)
        ip = packet[IPv6 if f.v6 else IP]
        if f.v6:
            header = packet[IPv6ExtHdrFragment]
            offset, more, ident = header.offset * 8, header.m, header.id
            data = bytes(header.payload)
        else:
            offset, more, ident = ip.frag * 8, ip.flags.MF, ip.id
            data = bytes(ip.payload)[:ip.len - 20]
        assert offset not in parts
        parts[offset] = data
        idents.add(ident)
        if not more:
            last = offset + len(data)
        addresses = (ip.src, ip.dst)
    assert len(idents) == 1
    body = b"".join(parts[offset] for offset in sorted(parts))
    assert len(body) == last and all(
        offset == sum(len(parts[o]) for o in parts if o < offset) for offset in parts)
    ip = f.ip(*addresses)
    return (ip / Raw(body)), body, idents.pop()


def datagram(f, size=3000, port=80, sport=4000):
    return f.ip(f.client, f.vip) / UDP(sport=sport, dport=port) / bytes(i % 251 for i in range(size))


def checksum_right(f, src, dst, body):
    header = bytearray(body[:8])
    given = bytes(header[6:8])
    header[6:8] = b"\0\0"
    fresh = f.ip(src, dst) / UDP(bytes(header) + body[8:])
    del fresh[UDP].chksum
    return bytes(fresh[UDP])[6:8] == given


ORDERS = {"in order": [0, 1, 2], "reversed": [2, 1, 0], "first last": [1, 2, 0], "mixed": [1, 0, 2]}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("port", [80, 81])
def test_balanced_in_any_order(box, family, port, order):
    f = family
    pieces = cut(datagram(f, port=port), [1400, 1400, 0])
    frames = []
    for index in order:
        frames += box.through(from_client(pieces[index]))
    assert len(frames) == 3 and all(frame.port == 1 for frame in frames)
    _whole, body, ident = join(frames, f)
    ip = frames[0].packet[IPv6 if f.v6 else IP]
    assert (ip.dst, ip.src) == ((f.pods[0], f.lan) if port == 80 else (f.pods[1], f.client))
    assert body[8:] == bytes(datagram(f)[UDP].payload)
    assert body[2:4] == (8080).to_bytes(2, "big")
    assert checksum_right(f, ip.src, ip.dst, body)
    assert len(box.flows()) == 1


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_all_in_one_burst(box, family, order):
    f = family
    pieces = cut(datagram(f), [1400, 1400, 0])
    for index in order:
        box.put(from_client(pieces[index]))
    frames = box.out()
    _whole, body, _ident = join(frames, f)
    assert body[8:] == bytes(datagram(f)[UDP].payload)


def test_answers_in_fragments(box, family):
    f = family
    out = box.one(from_client(datagram(f, 10)))
    source = out.packet[UDP].sport
    answer = f.ip(f.pods[0], f.lan) / UDP(sport=8080, dport=source) / bytes(3000)
    for order in (0, 1, 2), (2, 1, 0):
        frames = []
        for index in order:
            frames += box.through(from_node(cut(answer, [1400, 1400, 0], ident=order[0])[index]), port=1)
        _whole, body, _ident = join(frames, f)
        ip = frames[0].packet[IPv6 if f.v6 else IP]
        assert (ip.src, ip.dst) == (f.vip, f.client)
        assert body[:4] == (80).to_bytes(2, "big") + (4000).to_bytes(2, "big")
        assert checksum_right(f, ip.src, ip.dst, body)


def test_fragments_in_a_tunnel(box, family):
    """DSR: each fragment goes into an outer header of its own, as it is."""
    f = family
    pieces = cut(datagram(f, port=82), [1400, 1400, 0])
    for index in (1, 2, 0):
        box.put(from_client(pieces[index]))
    frames = box.out()
    assert len(frames) == 3
    seen = set()
    for frame in frames:
        outer = sound(frame)[IPv6 if f.v6 else IP]
        assert (outer.src, outer.dst) == (f.lan, f.pods[2])
        if not f.v6:
            assert (outer.frag, int(outer.flags)) == (0, 0)
        seen.add(bytes(outer.payload))
    expected = set()
    for piece in pieces:
        piece = piece.copy()
        setattr(piece, "hlim" if f.v6 else "ttl", 63)
        expected.add(bytes(piece))
    assert seen == expected


def test_datagrams_get_identifications_of_their_own(box, family):
    """Two clients with one identification, one address behind full NAT."""
    f = family
    idents = set()
    for client in (f.client, f.other(1), f.other(2)):
        big = f.ip(client, f.vip) / UDP(sport=4000, dport=80) / bytes(2000)
        frames = []
        for piece in cut(big, [1000, 0], ident=5):
            frames += box.through(from_client(piece))
        idents.add(join(frames, f)[2])
    assert len(idents) == 3


def test_first_lost(box, family):
    f = family
    pieces = cut(datagram(f), [1400, 1400, 0])
    assert box.through(from_client(pieces[1])) == []
    assert box.through(from_client(pieces[2])) == []
    assert box.wait(1000) == [] and box.drops() == {}
    assert box.wait(3000) == []
    assert box.drops() == {"fragment_timeout": 2}
    # Its identification may be used again.
    frames = []
    for piece in pieces:
        frames += box.through(from_client(piece))
    assert len(frames) == 3


def test_last_lost(box, family):
    """What came was sent; nothing is kept of it."""
    f = family
    pieces = cut(datagram(f), [1400, 1400, 0])
    assert len(box.through(from_client(pieces[0])) + box.through(from_client(pieces[1]))) == 2
    box.wait(12000)
    assert box.drops() == {}


def overlapping(f, kind):
    """The first piece is 1000 bytes, then one that says something else about the same bytes."""
    whole = datagram(f, 1992)
    first, last = cut(whole, [1000, 0])
    evil = last.copy()
    layer = evil[IPv6ExtHdrFragment] if f.v6 else evil
    field = "offset" if f.v6 else "frag"
    if kind == "inside":
        setattr(layer, field, 10)
        evil[Raw].load = b"E" * 80
        if f.v6:
            layer.m = 1
        else:
            evil.flags = "MF"
    elif kind == "tail":
        setattr(layer, field, 1000 // 8 - 1)
    elif kind == "beyond the end":
        setattr(layer, field, 300)
    elif kind == "first again":
        evil = first.copy()
        evil[Raw].load = bytes(first[Raw].load[:8]) + b"E" * 992
    return first, last, evil


@pytest.mark.parametrize("kind", ["inside", "tail", "first again"])
def test_overlap_after(box, family, kind):
    f = family
    first, last, evil = overlapping(f, kind)
    frames = box.through(from_client(first))
    box.nothing(from_client(evil), "fragment_overlap")
    frames += box.through(from_client(last))
    assert join(frames, f)[1][8:] == bytes(datagram(f, 1992)[UDP].payload)


def test_beyond_the_end(box, family):
    f = family
    first, last, evil = overlapping(f, "beyond the end")
    assert box.through(from_client(last)) == []
    box.nothing(from_client(evil), "fragment_overlap")
    assert len(box.through(from_client(first))) == 2


def test_end_before_what_came(box, family):
    f = family
    pieces = cut(datagram(f, 2992), [1000, 1000, 0])
    early = pieces[1].copy()  # says that it is the last
    if f.v6:
        early[IPv6ExtHdrFragment].m = 0
    else:
        early.flags = 0
    middle = pieces[2].copy()  # behind it, and not the last
    if f.v6:
        middle[IPv6ExtHdrFragment].m = 1
    else:
        middle.flags = "MF"
    assert box.through(from_client(middle)) == []
    box.nothing(from_client(early), "fragment_invalid")
    box.wait(4000)
    assert box.drops() == {"fragment_invalid": 1, "fragment_timeout": 1}


@pytest.mark.parametrize("protocol,size,drop", [
    ("udp", 8, None), ("tcp", 16, "l4_truncated"), ("tcp", 8, "l4_truncated")])
def test_tiny(box, family, protocol, size, drop):
    """A first fragment must have the whole header (RFC 1858)."""
    f = family
    layer = UDP(sport=4000, dport=80) if protocol == "udp" else tcp(4000, 80, "S")
    first, last = cut(f.ip(f.client, f.vip) / layer / bytes(100), [size, 0])
    if drop:
        box.nothing(from_client(first), drop)
    else:
        frames = box.through(from_client(first)) + box.through(from_client(last))
        assert len(join(frames, f)[1]) == 108


@pytest.mark.parametrize("change", ["not eight", "nothing", "too far"])
def test_impossible(box, family, change):
    f = family
    piece = cut(datagram(f), [1400, 1400, 0])[1]
    if change == "not eight":
        piece[Raw].load = piece[Raw].load[:1399]
    elif change == "nothing":
        piece.remove_payload() if not f.v6 else piece[IPv6ExtHdrFragment].remove_payload()
        if not f.v6:
            piece.proto = 17
    elif f.v6:
        piece[IPv6ExtHdrFragment].offset = 8191
    else:
        piece.frag = 8191
    box.nothing(from_client(piece), "fragment_invalid")


def test_atomic_fragment(box):
    """An IPv6 packet with a fragment header that is whole (RFC 6946)."""
    f = V6
    out = box.one(from_client(IPv6(src=f.client, dst=f.vip) / IPv6ExtHdrFragment(nh=17, id=3)
                              / UDP(sport=4000, dport=80) / b"x"))
    packet = sound(out)
    assert (packet[IPv6].dst, packet[UDP].dport, packet[IPv6ExtHdrFragment].m) == (f.pods[0], 8080, 0)


def test_tcp_in_fragments(box, family):
    f = family
    whole = f.ip(f.client, f.vip) / tcp(4000, 80, "S") / bytes(500)
    frames = []
    for piece in reversed(cut(whole, [256, 0])):
        frames += box.through(from_client(piece))
    assert len(frames) == 2 and len(join(frames, f)[1]) == 520


def test_fragments_for_no_listener(box, family):
    f = family
    first, last = cut(datagram(f, 1000, port=99), [504, 0])
    out = box.one(from_client(first))
    assert out.packet[ICMPv6DestUnreach if f.v6 else ICMP].code == (4 if f.v6 else 3)
    box.nothing(from_client(last), "no_listener")


def test_echo_in_fragments(box, family):
    f = family
    payload = bytes(i % 256 for i in range(2992))
    request = ICMPv6EchoRequest(id=1, seq=2, data=payload) if f.v6 else ICMP(id=1, seq=2) / payload
    reply = ICMPv6EchoReply(id=1, seq=2, data=payload) if f.v6 else ICMP(type=0, id=1, seq=2) / payload
    frames = []
    for index in (2, 0, 1):
        frames += box.through(from_client(cut(f.ip(f.client, f.vip) / request, [1000, 1000, 0])[index]))
    _whole, body, ident = join(frames, f)
    assert ident == 77
    assert body == bytes(f.ip(f.vip, f.client) / reply)[40 if f.v6 else 20:]


def test_fragments_for_the_kernel(box, family):
    """They are the kernel's as they came, identification and all."""
    f = family
    pieces = cut(f.ip(f.client, f.wan) / UDP(sport=1, dport=2) / bytes(2000), [1000, 0])
    frames = []
    for piece in reversed(pieces):
        frames += box.through(from_client(piece))
    assert {bytes(frame) for frame in frames} == {bytes(from_client(piece)) for piece in pieces}
    assert all(frame.host == WAN for frame in frames)


def test_many_held_for_one(box, family):
    f = family
    pieces = cut(datagram(f, 8000), [104] * 77)
    for piece in pieces[1:]:
        box.put(from_client(piece))
    assert box.out() == []
    assert box.drops() == {"fragment_table_full": 76 - 48}
    assert len(box.through(from_client(pieces[0]))) == 49


def test_many_datagrams(box):
    """A flood of datagrams that never begin is bounded, and what flows goes on."""
    f = V4
    box.one(from_client(datagram(f, 10)))
    for number in range(3000):
        piece = cut(datagram(f, 100), [48, 0], ident=number)[1]
        box.put(from_client(piece))
        if number % 50 == 49:
            assert box.out() == []
    # No more than 512 are held at a time, however long the flood takes.
    assert sum(box.drops().values()) >= 3000 - 512
    assert box.drops()["fragment_table_full"] > 0
    assert box.workers()[0]["flows"] == 1
    assert len(box.through(from_client(datagram(f, 10)))) == 1
    box.wait(4000)
    assert sum(box.drops().values()) == 3000
    frames = []
    for piece in reversed(cut(datagram(f), [1400, 1400, 0])):
        frames += box.through(from_client(piece))
    assert len(frames) == 3


def test_random_orders(box, family):
    f = family
    dice = random.Random(11)
    for ident in range(60):
        sizes = [8 * dice.randrange(8, 60) for _ in range(dice.randrange(1, 12))] + [0]
        whole = datagram(f, sum(sizes) + dice.randrange(1, 900), sport=5000 + ident)
        pieces = cut(whole, sizes, ident)
        dice.shuffle(pieces)
        frames = []
        for piece in pieces:
            box.put(from_client(piece))
            if dice.random() < 0.4:
                frames += box.out()
        frames += box.out()
        _whole, body, _ident = join(frames, f)
        assert body[8:] == bytes(whole[UDP].payload)
        ip = frames[0].packet[IPv6 if f.v6 else IP]
        assert checksum_right(f, ip.src, ip.dst, body)
