# SPDX-License-Identifier: BSD-3-Clause
"""Several workers: whichever queue a packet comes by, one worker alone sees its flow, both ways."""

import random

import pytest

from test_fragments import cut, datagram, join
from test_icmp import error
from world import *  # noqa: F401,F403

# workers, queues a port, ports with RSS
SHAPES = {
    "4, no rss": dict(workers=4),
    "4, one queue": dict(workers=4, queues=1),
    "3, no rss": dict(workers=3),
    "4, rss": dict(workers=4, rss=1),
    "4, rss, two queues": dict(workers=4, queues=2, rss=1),
}


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def shape(request):
    return request.param


@pytest.fixture
def box(make, shape):
    box = make(**shape)
    box.queues = min(shape.get("queues", shape["workers"]), shape["workers"])
    box.dice = random.Random(3)
    box.any_queue = lambda: box.dice.randrange(box.queues)
    return box


def one(box, frame, port):
    """By some queue; out by the right port, by a queue that is there."""
    out = box.one(frame, port, box.any_queue())
    assert out.port == 1 - port and out.queue < box.queues
    sound(out)
    return out


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("port,pods", [(80, 1), (81, 1), (83, 3), (86, 3)],
                         ids=["full-nat", "dnat", "affinity", "three pods"])
def test_both_directions(box, shape, family, port, pods, protocol):
    f = family
    conversations = []
    for number in range(24):
        client = f.other(number)

        def sent(flags="A", client=client, number=number):
            layer = UDP(sport=5000 + 37 * number, dport=port) if protocol == "udp" else \
                tcp(5000 + 37 * number, port, flags)
            return from_client(f.ip(client, f.vip) / layer)
        first = one(box, sent("S"), 0).packet
        layer = UDP if protocol == "udp" else TCP
        ip = first[IPv6 if f.v6 else IP]

        def back(flags="A", ip=ip, source=first[layer].sport):
            layers = UDP(sport=8080, dport=source) if protocol == "udp" else tcp(8080, source, flags)
            return from_node(f.ip(ip.dst, ip.src) / layers)
        conversations.append((sent, back, bytes(first[layer])[:4], client, 5000 + 37 * number))
    for sent, back, ports, client, client_port in conversations:
        packet = one(box, back("SA"), 1).packet
        ip = packet[IPv6 if f.v6 else IP]
        assert (ip.src, ip.dst) == (f.vip, client)
        assert (packet[layer].sport, packet[layer].dport) == (port, client_port)
        assert bytes(one(box, sent(), 0).packet[layer])[:4] == ports
    flows = box.flows()
    assert len(flows) == 24  # one worker each
    assert len({flow["worker"] for flow in flows}) >= 3
    assert box.drops() == {}
    records = sum(worker["flows"] for worker in box.workers())
    assert records == 24 + (24 if port == 83 else 0)


def test_all_at_once(box, shape, family):
    """The same in whole bursts, by all queues."""
    f = family
    frames = [from_client(f.ip(f.other(number), f.vip) / UDP(sport=6000, dport=port))
              for number in range(30) for port in (80, 81, 82, 86)]
    for _ in range(4):
        box.dice.shuffle(frames)
        for frame in frames:
            box.put(frame, 0, box.any_queue())
        assert len(box.out()) == 120
    assert len(box.flows()) == 120 and box.drops() == {}


def test_nic_and_workers_agree(make, family):
    """With RSS nothing of full NAT is handed over on the client's side."""
    f, box = family, make(workers=4, rss=1)
    for number in range(200):
        box.put(from_client(f.ip(f.other(number), f.vip) / UDP(sport=6000 + number, dport=80)))
    assert len(box.out()) == 200
    workers = box.workers()
    assert sum(worker["handed_over"] for worker in workers) == 0
    assert min(worker["flows"] for worker in workers) > 20


@pytest.mark.parametrize("port", [80, 81, 83])
def test_fragments(box, family, port):
    """All of a datagram by different queues, any order, both directions."""
    f = family
    for number in range(6):
        whole = f.ip(f.other(number), f.vip) / UDP(sport=4000, dport=port) / bytes(2500)
        pieces = cut(whole, [1000, 1000, 0], ident=number)
        box.dice.shuffle(pieces)
        frames = []
        for piece in pieces:
            box.put(from_client(piece), 0, box.any_queue())
            if box.dice.random() < 0.5:
                frames += box.out()
        frames += box.out()
        _whole, body, _ident = join(frames, f)
        ip = frames[0].packet[IPv6 if f.v6 else IP]
        source = int.from_bytes(body[:2], "big")
        answer = f.ip(ip.dst, ip.src) / UDP(sport=8080, dport=source) / bytes(2500)
        pieces = cut(answer, [1000, 1000, 0], ident=number)
        box.dice.shuffle(pieces)
        frames = []
        for piece in pieces:
            frames += box.through(from_node(piece), 1, box.any_queue())
        _whole, body, _ident = join(frames, f)
        assert body[:4] == port.to_bytes(2, "big") + (4000).to_bytes(2, "big")
        ip = frames[0].packet[IPv6 if f.v6 else IP]
        assert (ip.src, ip.dst) == (f.vip, f.other(number))
    assert len(box.flows()) == 6 and box.drops() == {}


@pytest.mark.parametrize("port", [80, 81, 82, 83])
def test_icmp_errors(box, family, port):
    """From either side, by any queue, to whom they concern."""
    f = family
    for number in range(8):
        client = f.other(number)
        sent = f.ip(client, f.vip) / UDP(sport=4000, dport=port) / (b"x" * 40)
        out = one(box, from_client(sent), 0)
        inner = bytes(out)[14:]
        own = out.packet[IPv6 if f.v6 else IP].src
        back = one(box, from_node(f.ip(f.node, own) / error(f, "too_big", inner)), 1).packet
        ip = back[IPv6 if f.v6 else IP]
        assert (ip.src, ip.dst) == (f.vip, client)
        seen = f.ip(f.vip, client) / UDP(sport=port, dport=4000) / (b"y" * 40)
        there = one(box, from_client(f.ip(f.other(99), f.vip) / error(f, "too_big", seen)), 0)
        assert there.packet[IPv6 if f.v6 else IP].dst == out.packet[IPv6 if f.v6 else IP].dst
    assert box.drops() == {}


def test_endpoint_gone(box, shape, family):
    """Each worker tells its own clients, out of the right queue."""
    f = family
    for number in range(12):
        one(box, from_client(f.ip(f.other(number), f.vip) / tcp(4000, 80, "S")), 0)
    for flow in box.flows():
        one(box, from_node(f.ip(f.pods[0], f.lan) / tcp(8080, flow["source_port"], "SA")), 1)
        one(box, from_client(f.ip(flow["client"], f.vip) / tcp(4000, 80, "A", ack=500)), 0)
    box.say("pool", f"one{f}", MAGLEV)
    box.say("apply")
    box.say("sweep")
    frames = box.out()
    assert {frame.packet[IPv6 if f.v6 else IP].dst for frame in frames} == {
        f.other(number) for number in range(12)}
    assert all(frame.port == 0 and frame.packet[TCP].flags == "R" and frame.packet[TCP].seq == 500
               and frame.queue < box.queues for frame in frames)


def test_the_kernels_packets(box, family):
    """What is not ours reaches the kernel by any queue, once, also when its port looks like ours."""
    f = family
    for port in range(20000, 20012):
        frame = from_node(f.ip(f.node, f.lan) / UDP(sport=53, dport=port))
        out = box.one(frame, 1, box.any_queue())
        assert (out.host, bytes(out)) == (LAN, bytes(frame))
    for number in range(6):
        assert box.one(from_client(f.ip(f.client, f.wan) / tcp(4000 + number, 22, "S")), 0,
                       box.any_queue()).host == WAN
    assert box.drops() == {}


def test_frames_of_the_kernel(box, family):
    """Sent by whoever has them, through a worker that has a queue of the port."""
    f = family
    frame = Ether(src=WAN_MAC, dst=GATEWAY_MAC) / f.ip(f.wan, f.client) / tcp(22, 4000, "SA")
    box.say("kernel", WAN100, bytes(frame).hex())
    (out,) = box.out()
    assert out.port == 0 and out.queue < box.queues
    assert out.packet[Dot1Q].vlan == 100


def test_tagged(box, family):
    """VLANs on both sides, handed over and relayed."""
    f = family
    for number in range(8):
        out = box.one(from_client(f.ip(f.other(number), f.vip) / UDP(sport=4000, dport=87), vlan=100), 0,
                      box.any_queue())
        packet = sound(out)
        assert (packet[Dot1Q].vlan, packet.dst) == (200, NODE200_MAC)
        answer = Ether(src=NODE200_MAC, dst=LAN_MAC) / Dot1Q(vlan=200) / f.ip(
            f.pods200[0], f.lan200) / UDP(sport=8080, dport=packet[UDP].sport)
        out = box.one(answer, 1, box.any_queue())
        assert sound(out)[UDP].dport == 4000 and Dot1Q not in out.packet


def test_malformed_by_every_queue(make, family):
    """The samples of test_malformed, bits turned, through four workers."""
    from test_malformed import samples
    f, box = family, make(workers=4, queues=2)
    dice = random.Random(9)
    frames = [bytes(Ether(src=GATEWAY_MAC, dst=WAN_MAC) / packet) for _name, packet in samples(f)]
    for round_ in range(4000):
        changed = bytearray(dice.choice(frames))
        for _ in range(dice.randrange(0, 4)):
            changed[dice.randrange(14, len(changed))] = dice.randrange(256)
        box.put(changed, dice.randrange(2), dice.randrange(2))
        if dice.random() < 0.05:
            box.out()
    box.out()
    assert "handoff_loop" not in box.drops()
