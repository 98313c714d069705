# SPDX-License-Identifier: BSD-3-Clause
"""VIPs on layer 2, on two ports and two VLANs: each is announced and answered for on the interfaces of its pool, and
nowhere else."""

import contextlib
import socket
import time

import pytest
import wire
from scapy.all import (
    ARP, Dot1Q, Ether, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6, in6_getnsma, in6_getnsmac, raw)
from topology import LabError

PORTS = [("echo", "TCP", 7000, 9000)]
# Pool: its interfaces, as (port, VLAN), and its network.
POOLS = {
    "red": ([("wan", 100)], "203.0.113.{}", "2001:db8:a::{}"),
    "blue": ([("wan", 200)], "203.0.112.{}", "2001:db8:b::{}"),
    "inner": ([("lan", 100)], "203.0.111.{}", "2001:db8:c::{}"),
    "both": ([("wan", 100), ("lan", 100)], "203.0.110.{}", "2001:db8:d::{}"),
}
PLACES = [("wan", None), ("wan", 100), ("wan", 200), ("lan", None), ("lan", 100)]
SOURCE_MAC = "02:00:00:00:77:77"


def name(port, vlan):
    return f"{port}.{vlan}" if vlan else port


@pytest.fixture(scope="module")
def box(make_module_lab):
    def adjust(settings):
        for port in settings["ports"]:
            vlans = sorted({vlan for interfaces, _, _ in POOLS.values() for at, vlan in interfaces
                            if at == port["name"]})
            port["vlans"] = [{"id": vlan, "addresses": [f"100.64.{vlan + (port['name'] == 'lan')}.1/24"]}
                             for vlan in vlans]
        settings["pools"] = [
            {"name": pool, "addresses": [f"{v4.format(100)}-{v4.format(103)}", f"{v6.format(100)}-{v6.format(103)}"],
             "interfaces": [name(*interface) for interface in interfaces]}
            for pool, (interfaces, v4, v6) in POOLS.items()]
    return make_module_lab(adjust=adjust)


@contextlib.contextmanager
def links(lab):
    with lab.raw("client") as wan, lab.raw_node(0) as lan:
        yield {"wan": wan, "lan": lan}


def apply(lab, service, pool):
    return lab.apply_service(service, PORTS, families=(4, 6), annotations={"metallb.io/address-pool": pool})


def from_box(lab):
    return {port: lab.box_mac(port) for port in ("wan", "lan")}


def test_announced_where_the_pool_is(box):
    macs, seen = from_box(box), set()
    wanted = set()
    with links(box) as wires:
        vips = {pool: apply(box, f"announced-{pool}", pool) for pool in POOLS}
        for pool, (interfaces, _, _) in POOLS.items():
            wanted |= {(vip, *interface) for vip in vips[pool] for interface in interfaces}
        every = [vip for pool in vips.values() for vip in pool]
        end = time.monotonic() + 20
        while not wanted <= seen and time.monotonic() < end:
            for port, link in wires.items():
                for packet in link.received(0.2):
                    if packet.src == macs[port]:
                        seen |= {(vip, port, link.vlan(packet)) for vip in every if wire.is_announcement(packet, vip)}
    assert seen == wanted


def question(vip, vlan):
    if wire.is_six(vip):
        target = socket.inet_pton(socket.AF_INET6, vip)
        group = socket.inet_ntop(socket.AF_INET6, in6_getnsma(target))
        head = Ether(src=SOURCE_MAC, dst=in6_getnsmac(socket.inet_pton(socket.AF_INET6, group)))
        body = (IPv6(src="fe80::77", dst=group, hlim=255) / ICMPv6ND_NS(tgt=vip)
                / ICMPv6NDOptSrcLLAddr(lladdr=SOURCE_MAC))
    else:
        head = Ether(src=SOURCE_MAC, dst="ff:ff:ff:ff:ff:ff")
        body = ARP(op=1, hwsrc=SOURCE_MAC, psrc="100.64.99.9", pdst=vip)
    return raw(head / Dot1Q(vlan=vlan) / body if vlan else head / body)


def answered(packet, vips):
    """For which of them this is the answer to us."""
    if packet.dst != SOURCE_MAC:
        return set()
    if ARP in packet and packet[ARP].op == 2:
        return {packet[ARP].psrc} & vips
    return {vip for vip in vips if wire.is_six(vip) and wire.is_advertisement(packet, vip)}


@pytest.mark.parametrize("port, vlan", PLACES)
def test_answered_for_where_the_pool_is(box, port, vlan):
    vips = {pool: apply(box, f"asked-{pool}", pool) for pool in POOLS}
    here = {vip for pool, (interfaces, _, _) in POOLS.items() if (port, vlan) in interfaces for vip in vips[pool]}
    every = {vip for pool in vips.values() for vip in pool}
    own = f"{'192.0.2' if port == 'wan' else '198.51.100'}.1"  # of the port: answered for after all that was asked before
    seen, tags = set(), set()
    with links(box) as wires:
        link = wires[port]
        for vip in sorted(every - here) + sorted(here):
            link.send(question(vip, vlan))
        link.send(question(own, None))

        def is_last(packet):
            found = answered(packet, every)
            seen.update(found)
            if found:
                tags.add(link.vlan(packet))
            return (ARP in packet and packet[ARP].op == 2 and packet[ARP].psrc == own and seen >= here)
        with contextlib.suppress(LabError):  # told by what is missing
            link.wait(is_last, 10)
        for packet in link.received(0.3):
            seen |= answered(packet, every)
    assert seen == here
    assert tags <= {vlan}
