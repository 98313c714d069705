# SPDX-License-Identifier: BSD-3-Clause
"""The last stage: neighbours that are not known yet, frames of the kernel, ports that are full."""

import pytest

from world import *  # noqa: F401,F403


def pod_of(f, number=0):
    return f"fd00:1::{0x100 + number:x}" if f.v6 else f"10.1.0.{100 + number}"


@pytest.fixture
def near(make, family):
    """Pods on the lan itself, whose MACs nobody knows yet: port 90 to the first, 91 to the second ..."""
    box, f = make(), family
    box.say("vip", f.vip)
    for number in range(20):
        box.say("pool", f"near{f}{number}", MAGLEV)
        box.say("endpoint", pod_of(f, number), 8080, READY, 1)
        box.say("listener", f.vip, 17, 90 + number, f"near{f}{number}", FULL_NAT, 0)
    box.say("apply")
    return box


def packet(f, number=0, sport=4000, size=0):
    return from_client(f.ip(f.client, f.vip) / UDP(sport=sport, dport=90 + number) / bytes(size))


def test_held_until_the_neighbour_is_known(near, family):
    f, box = family, near
    for sport in range(4000, 4005):
        assert box.through(packet(f, sport=sport)) == []
        assert box.resolves == ([(pod_of(f), LAN)] if sport == 4000 else [])
    box.say("publish")  # nothing new
    assert box.out() == []
    assert box.workers()[0]["held"] == 5
    box.say("neighbour", pod_of(f), LAN, "02:bb:00:00:00:01")
    box.say("publish")
    frames = box.out()
    assert [frame.packet.dst for frame in frames] == ["02:bb:00:00:00:01"] * 5
    assert all(frame.port == 1 and sound(frame) for frame in frames)
    assert box.drops() == {} and box.workers()[0]["held"] == 0
    assert box.one(packet(f)).packet.dst == "02:bb:00:00:00:01"
    # The neighbour moves.
    box.say("neighbour", pod_of(f), LAN, "02:bb:00:00:00:02")
    box.say("publish")
    assert box.one(packet(f)).packet.dst == "02:bb:00:00:00:02"


def test_known_but_without_mac(near, family):
    """The kernel asks already (incomplete): held all the same."""
    f, box = family, near
    box.say("neighbour", pod_of(f), LAN)
    box.say("publish")
    assert box.through(packet(f)) == []
    assert box.resolves == [(pod_of(f), LAN)]
    box.say("neighbour", pod_of(f), LAN, "02:bb:00:00:00:01")
    box.say("publish")
    assert len(box.out()) == 1


def test_given_up(near, family):
    f, box = family, near
    assert box.through(packet(f)) == []
    box.wait(1500)
    assert box.drops() == {}
    box.wait(1500)
    assert box.drops() == {"no_neighbour": 1}
    # Asked for again with the next packet.
    assert box.through(packet(f)) == [] and box.resolves == [(pod_of(f), LAN)]


def test_limits(near, family):
    """Sixteen a neighbour, 256 in all; others go on."""
    f, box = family, near
    for sport in range(4000, 4020):
        assert box.through(packet(f, sport=sport)) == []
    assert box.drops() == {"neighbour_queue_full": 4}
    for number in range(1, 20):
        for sport in range(4000, 4016):
            assert box.through(packet(f, number, sport)) == []
    assert box.workers()[0]["held"] == 256
    assert box.drops() == {"neighbour_queue_full": 4 + 20 * 16 - 256}
    assert box.one(from_client(f.ip(f.client, f.vip) / UDP(sport=1, dport=80))).port == 1


def test_fragments_are_held_too(near):
    f, box = V4, near
    box.say("pool", "cut", MAGLEV)
    box.say("endpoint", "10.1.0.250", 8080, READY, 1)
    box.say("listener", f.vip, 17, 190, "cut", FULL_NAT, 0)
    box.say("vip", f.vip)
    box.say("apply")
    box.say("mtu", LAN, 1000)
    sent = from_client(IP(src=f.client, dst=f.vip) / UDP(sport=1, dport=190) / bytes(1400))
    assert box.through(sent) == []
    assert box.workers()[0]["held"] == 2
    box.say("neighbour", "10.1.0.250", LAN, "02:bb:00:00:00:09")
    box.say("publish")
    frames = box.out()
    assert [len(frame) <= 1014 and bool(sound(frame)) for frame in frames] == [True, True]


def test_gateway_of_the_link(make):
    """IPv6 gateways mostly have an address of the link, the same on several interfaces."""
    f, box = V6, make(network=False)
    for port in 0, 1:
        box.say("iface", port, 0, 1500)
    box.say("local", f.lan, 1)
    box.say("route", "fe80::/64", 0)
    box.say("route", "fd00:244:1::/64", 1, "fe80::1")
    box.say("publish")
    assert box.through(from_client(f.ip(f.client, f.vip) / UDP(sport=1, dport=80))) == []
    assert box.resolves == [("fe80::1", 1)]
    box.say("neighbour", "fe80::1", 0, "02:bb:00:00:00:01")
    box.say("publish")
    assert box.out() == []
    box.say("neighbour", "fe80::1", 1, "02:bb:00:00:00:02")
    box.say("publish")
    frames = box.out()
    assert [(frame.port, frame.packet.dst) for frame in frames] == [(1, "02:bb:00:00:00:02")]


def test_gateway_of_the_link_for_ipv4(make):
    """RFC 5549: an IPv4 route by a gateway with an IPv6 address."""
    box = make(network=False)
    for port in 0, 1:
        box.say("iface", port, 0, 1500)
    box.say("local", V4.lan, 1)
    box.say("route", "10.244.1.0/24", 1, "fe80::1")
    box.say("publish")
    sent = from_client(IP(src=V4.client, dst=V4.vip) / UDP(sport=1, dport=80))
    assert box.through(sent) == []
    box.say("neighbour", "fe80::1", 1, "02:bb:00:00:00:02")
    box.say("publish")
    frames = box.out()
    assert [(frame.port, frame.packet.dst, frame.packet.type) for frame in frames] == [
        (1, "02:bb:00:00:00:02", 0x0800)]
    assert box.one(sent).packet.dst == "02:bb:00:00:00:02"


def test_held_for_a_vlan(make, family):
    f, box = family, make()
    pod = "fd00:2::99" if f.v6 else "10.2.0.99"
    box.say("vip", f.vip)
    box.say("pool", "tagged", MAGLEV)
    box.say("endpoint", pod, 8080, READY, 1)
    box.say("listener", f.vip, 17, 190, "tagged", FULL_NAT, 0)
    box.say("apply")
    assert box.through(from_client(f.ip(f.client, f.vip) / UDP(sport=1, dport=190) / b"x")) == []
    box.say("neighbour", pod, LAN200, "02:bb:00:00:00:07")
    box.say("publish")
    (frame,) = box.out()
    assert (frame.packet.dst, frame.packet[Dot1Q].vlan) == ("02:bb:00:00:00:07", 200)
    sound(frame)


@pytest.mark.parametrize("iface,port,vlan", [(WAN, 0, None), (LAN, 1, None), (WAN100, 0, 100), (LAN200, 1, 200)])
def test_frames_of_the_kernel(box, family, iface, port, vlan):
    """As they are, with the tag of their interface."""
    f = family
    body = f.ip(f.wan, f.client) / tcp(22, 4000, "SA")
    box.say("kernel", iface, bytes(Ether(src=WAN_MAC, dst=GATEWAY_MAC) / body).hex())
    (frame,) = box.out()
    layers = Dot1Q(vlan=vlan) / body if vlan else body
    same(frame, port, Ether(src=WAN_MAC, dst=GATEWAY_MAC) / layers)


def test_port_full(box, family):
    """What the port does not take is dropped by name, and the buffers come home."""
    f = family
    box.say("room", 1, 10)
    for number in range(40):
        box.put(from_client(f.ip(f.other(number), f.vip) / UDP(sport=1, dport=80)))
    assert len(box.out()) == 10
    assert box.drops() == {"tx_full": 30}
    box.say("room", 1, 0)
    box.nothing(from_client(f.ip(f.client, f.vip) / UDP(sport=1, dport=80)), "tx_full")


def test_route_goes_away_and_comes_back(box, family):
    """A flow follows the routes, at once."""
    f = family
    frame = from_client(f.ip(f.client, f.vip) / UDP(sport=1, dport=80))
    assert box.one(frame).packet.dst == NODE_MAC
    other = "fd00:2::11" if f.v6 else "10.2.0.11"
    box.say("route", f"{f.pods[0]}/{128 if f.v6 else 32}", LAN200, other)
    box.say("publish")
    out = box.one(frame)
    assert (out.packet.dst, out.packet[Dot1Q].vlan) == (NODE200_MAC, 200)


def test_jumbo(make, family):
    """9000 bytes where the interfaces can."""
    f, box = family, make(ports=(20000, 20000))
    box.say("mtu", WAN, 9000)
    box.say("mtu", LAN, 9000)
    size = 9000 - (40 if f.v6 else 20) - 8
    out = box.one(from_client(f.ip(f.client, f.vip) / UDP(sport=1, dport=80) / bytes(size)))
    same(out, 1, to_node(f.ip(f.lan, f.pods[0], ttl=63) / UDP(sport=20000, dport=8080) / bytes(size)))
