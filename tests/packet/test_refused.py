# SPDX-License-Identifier: BSD-3-Clause
"""What is refused, what its sender is told, and that the others do not notice."""

import pytest

from world import *  # noqa: F401,F403


def reset(f, sent, seq, ack, flags):
    """The reset of RFC 9293 to a segment."""
    return to_client(f.ip(sent.dst, sent.src) / TCP(
        sport=sent[TCP].dport, dport=sent[TCP].sport, seq=seq, ack=ack, flags=flags, window=0))


@pytest.mark.parametrize("port,drop", [(99, "no_listener"), (85, "no_endpoint")])
@pytest.mark.parametrize("segment,payload,seq,ack,flags", [
    (dict(flags="S", seq=1000), 0, 0, 1001, "RA"),
    (dict(flags="S", seq=0xffffffff), 0, 0, 0, "RA"),
    (dict(flags="S", seq=1000), 10, 0, 1011, "RA"),
], ids=["syn", "syn at the end of numbers", "syn with data"])
def test_reset_of_a_syn(box, family, port, drop, segment, payload, seq, ack, flags):
    f = family
    sent = f.ip(f.client, f.vip) / TCP(sport=4000, dport=port, **segment) / bytes(payload)
    expected = reset(f, sent, seq, ack, flags)
    if not f.v6:
        out = box.one(from_client(sent))
        expected.id = out.packet[IP].id
        same(out, 0, expected)
    else:
        same(box.one(from_client(sent)), 0, expected)
    assert box.drops() == {drop: 1}


@pytest.mark.parametrize("port,drop", [(80, "no_flow"), (99, "no_listener")])
@pytest.mark.parametrize("flags", ["A", "PA", "FA", "SA"])
def test_reset_of_a_segment_without_connection(box, family, port, drop, flags):
    f = family
    sent = f.ip(f.client, f.vip) / TCP(sport=4000, dport=port, flags=flags, seq=50, ack=777) / b"abc"
    packet = sound(box.one(from_client(sent)))
    assert (packet[TCP].seq, packet[TCP].ack, str(packet[TCP].flags)) == (777, 0, "R")
    assert box.drops() == {drop: 1}


@pytest.mark.parametrize("flags", ["R", "RA"])
@pytest.mark.parametrize("port,drop", [(80, "no_flow"), (99, "no_listener")])
def test_a_reset_is_not_answered(box, family, port, drop, flags):
    f = family
    box.nothing(from_client(f.ip(f.client, f.vip) / tcp(4000, port, flags)), drop)


@pytest.mark.parametrize("port,drop", [(99, "no_listener"), (85, "no_endpoint")])
@pytest.mark.parametrize("size", [0, 100, 1400])
def test_unreachable(box, family, port, drop, size):
    """The VIP itself says so, as a host whose port is closed."""
    f = family
    sent = f.ip(f.client, f.vip) / UDP(sport=4000, dport=port) / bytes(size)
    packet = sound(box.one(from_client(sent)))
    ip = packet[IPv6 if f.v6 else IP]
    assert (ip.src, ip.dst) == (f.vip, f.client)
    if f.v6:
        assert packet[ICMPv6DestUnreach].code == 4
        assert bytes(packet[ICMPv6DestUnreach])[8:] == bytes(sent)[:1232]
    else:
        assert (packet[ICMP].type, packet[ICMP].code) == (3, 3)
        assert bytes(packet[ICMP])[8:] == bytes(sent)[:548]
    assert box.drops() == {drop: 1}


def test_answers_are_bounded(box):
    """A flood is not answered by a flood: within one moment no more than the bound's burst."""
    f, answers = V4, 0
    frame = from_client(f.ip(f.client, f.vip) / UDP(sport=4000, dport=99))
    for _ in range(3000):
        box.put(frame)
    answers = len(box.out())
    assert 1000 <= answers <= 1500, answers
    assert box.drops() == {"icmp_rate": 3000 - answers, "no_listener": 3000}
    box.wait(1000)
    assert len(box.through(frame)) == 1


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_source_ranges(box, family, protocol):
    f = family

    def open_from(client, port=84):
        layer = UDP(sport=4000, dport=port) if protocol == "udp" else tcp(4000, port, "S")
        return from_client(f.ip(client, f.vip) / layer)
    assert box.one(open_from(f.client)).port == 1
    stranger = "2001:db8:d::1" if f.v6 else "198.51.100.128"
    box.nothing(open_from(stranger), "source_range")
    assert box.one(open_from(stranger, 80)).port == 1


def test_flow_table_full(make, family):
    """The newest is refused; the others go on, and there is room again when one ends."""
    f, box = family, make(flows=64)
    for number in range(64):
        assert box.one(from_client(f.ip(f.other(number), f.vip) / UDP(sport=4000, dport=80))).port == 1
    for number in range(64, 80):
        box.nothing(from_client(f.ip(f.other(number), f.vip) / UDP(sport=4000, dport=80)),
                    "flow_table_full")
    for number in range(64):
        assert box.one(from_client(f.ip(f.other(number), f.vip) / UDP(sport=4000, dport=80))).port == 1
    box.wait(32000, rounds=200)
    assert box.flows() == []
    assert box.one(from_client(f.ip(f.other(90), f.vip) / UDP(sport=4000, dport=80))).port == 1


def test_closed_connections_make_room(make, family):
    """When the table is full the oldest closed connection goes, no other."""
    f, box = family, make(flows=16)
    for number in range(16):
        out = box.one(from_client(f.ip(f.other(number), f.vip) / tcp(4000, 80, "S")))
        if number == 3:
            source = out.packet[TCP].sport
    box.one(from_node(f.ip(f.pods[0], f.lan) / tcp(8080, source, "RA")), port=1)
    assert box.one(from_client(f.ip(f.other(50), f.vip) / tcp(4000, 80, "S"))).port == 1
    box.nothing(from_client(f.ip(f.other(51), f.vip) / tcp(4000, 80, "S")), "flow_table_full")
    clients = {flow["client"] for flow in box.flows()}
    assert clients == {f.other(number) for number in [*range(16), 50] if number != 3}


def test_source_ports_exhausted(make, family):
    f, box = family, make(ports=(30000, 30099))
    sources = set()
    for number in range(100):
        out = box.one(from_client(f.ip(f.other(number), f.vip) / UDP(sport=4000, dport=80)))
        sources.add(out.packet[UDP].sport)
    assert sources == set(range(30000, 30100))
    box.nothing(from_client(f.ip(f.other(200), f.vip) / UDP(sport=4000, dport=80)), "snat_exhausted")
    # TCP to the same endpoint, and other endpoints, have their own.
    assert box.one(from_client(f.ip(f.client, f.vip) / tcp(4000, 80, "S"))).port == 1
    assert box.one(from_client(f.ip(f.client, f.vip) / UDP(sport=4000, dport=87))).port == 1
    # Those that are there go on, both ways.
    assert box.one(from_client(f.ip(f.other(5), f.vip) / UDP(sport=4000, dport=80))).port == 1
    assert box.one(from_node(f.ip(f.pods[0], f.lan) / UDP(sport=8080, dport=30042)), port=1).port == 0


def test_source_ports_behind_a_long_row(make):
    """Connections that last, one beside the other, do not hide the ports behind them."""
    f, box = V4, make(flows=2048, ports=(20000, 20999))
    for number in range(600):
        box.put(from_client(f.ip(f.other(number), f.vip) / tcp(4000, 80, "S")))
        if number % 50 == 49:
            assert len(box.out()) == 50
    row = {flow["source_port"] for flow in box.flows()}
    # The other 400, opened and closed, so that the search comes back to the row.
    for number in range(600, 1000):
        source = box.one(from_client(f.ip(f.other(number), f.vip) / tcp(4000, 80, "S"))).packet[TCP].sport
        box.one(from_node(f.ip(f.pods[0], f.lan) / tcp(8080, source, "RA")), port=1)
    for number in range(1000, 1100):
        out = box.one(from_client(f.ip(f.other(number), f.vip) / tcp(4000, 80, "S")))
        assert out.packet[TCP].sport not in row
    assert box.drops() == {}


def test_no_source_address(make, family):
    """The interface towards the endpoint has none of the family."""
    f, box = family, make(network=False, plan=False)
    box.say("iface", 0, 0, 1500)
    box.say("iface", 1, 0, 1500)
    box.say("route", "::/0" if f.v6 else "0.0.0.0/0", 1, f.node)
    box.say("neighbour", f.node, 1, NODE_MAC)
    box.say("publish")
    box.plan()
    box.nothing(from_client(f.ip(f.client, f.vip) / tcp(4000, 80, "S")), "snat_no_address")
    # Where the client's address is kept none is needed.
    assert box.one(from_client(f.ip(f.client, f.vip) / tcp(4000, 81, "S"))).port == 1


def test_no_route(make, family):
    f, box = family, make(network=False, plan=False)
    box.say("iface", 0, 0, 1500)
    box.say("iface", 1, 0, 1500)
    box.say("publish")
    box.plan()
    for port in 80, 81, 82:
        box.nothing(from_client(f.ip(f.client, f.vip) / tcp(4000, port, "S")), "no_route")


def test_buffers_empty(box, family):
    """Without buffers nothing of our own can be said; what is forwarded goes on."""
    f = family
    out = box.one(from_client(f.ip(f.client, f.vip) / tcp(4000, 80, "S")))
    source = out.packet[TCP].sport
    box.say("starve", 0)
    box.nothing(from_client(f.ip(f.client, f.vip) / tcp(4000, 99, "S")), "no_listener")
    box.nothing(from_client(f.ip(f.client, f.vip) / UDP(sport=4000, dport=99)), "no_listener")
    assert box.drops()["no_buffer"] == 2
    assert box.one(from_client(f.ip(f.client, f.vip) / tcp(4000, 80, "A"))).port == 1
    assert box.one(from_node(f.ip(f.pods[0], f.lan) / tcp(8080, source, "SA")), port=1).port == 0
    assert box.one(from_client(f.ip(f.client, f.vip) / (ICMPv6EchoRequest() if f.v6 else ICMP()))).port == 0
    if not f.v6:
        box.say("mtu", LAN, 600)
        assert box.through(from_client(f.ip(f.client, f.vip) / UDP(sport=4000, dport=80) / bytes(1000))) == []
        assert box.drops()["no_buffer"] == 3


def test_connections_that_go_on_here(box, family):
    """Where the client's address is kept any box chooses alike, so a segment may continue a
    connection that began on another one; with full NAT it can not."""
    f = family
    for port, pod in (81, f.pods[1]), (82, f.pods[2]):
        out = box.one(from_client(f.ip(f.client, f.vip) / tcp(4000, port, "A")))
        assert pod in (out.packet[IPv6 if f.v6 else IP].dst, )
    assert [flow["state"] for flow in box.flows()] == ["established", "established"]
    for port in 81, 82:
        out = box.one(from_client(f.ip(f.client, f.vip) / tcp(4001, port, "SA", ack=3)))
        assert out.packet[TCP].flags == "R"
        box.nothing(from_client(f.ip(f.client, f.vip) / tcp(4001, port, "RA", ack=3)), "no_flow")
