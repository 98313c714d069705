# SPDX-License-Identifier: BSD-3-Clause
"""The program packet_run, and the small network the tests are played in:

    client --- wan (port 0, vlans 100) --- box --- lan (port 1, vlan 200) --- node --- pods
"""

import json
import os
import subprocess
from pathlib import Path

from scapy.all import (  # noqa: F401  (the tests take them from here)
    ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,
    ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN, Raw, conf)

conf.verb = 0
ROOT = Path(__file__).resolve().parents[2]

WAN, LAN, WAN100, LAN200 = range(4)
WAN_MAC, LAN_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
GATEWAY_MAC, NODE_MAC, CLIENT100_MAC, NODE200_MAC = (
    "02:aa:00:00:00:01", "02:aa:00:00:00:02", "02:aa:00:00:00:03", "02:aa:00:00:00:04")

FULL_NAT, DNAT, DSR = 1, 2, 3
MAGLEV, ROUND_ROBIN, WEIGHTED, LEAST_CONNECTIONS, SOURCE_HASH = range(1, 6)
READY, DRAINING = 1, 2


class Family:
    """One family's addresses; `ip` makes its header."""

    def __init__(self, version):
        self.version = version
        self.v6 = version == 6
        four, six = ("198.51.100.7 192.0.2.10 192.0.2.2 192.0.2.1 10.1.0.1 10.1.0.11 10.2.0.1",
                     "2001:db8:c::7 2001:db8:1::10 2001:db8:1::2 2001:db8:1::1 fd00:1::1 "
                     "fd00:1::11 fd00:2::1")
        (self.client, self.vip, self.wan, self.gateway, self.lan, self.node,
         self.lan200) = (six if self.v6 else four).split()
        self.pods = [f"fd00:244:1::{i}" if self.v6 else f"10.244.1.{i}" for i in range(1, 10)]
        self.pods200 = [f"fd00:244:2::{i}" if self.v6 else f"10.244.2.{i}" for i in range(1, 10)]
        self.icmp = 58 if self.v6 else 1

    def other(self, number):
        """Another client."""
        return f"2001:db8:c:1::{number + 1:x}" if self.v6 else f"198.51.{101 + number // 250}.{1 + number % 250}"

    def ip(self, src, dst, ttl=64, **fields):
        if self.v6:
            return IPv6(src=src, dst=dst, hlim=ttl, **fields)
        return IP(src=src, dst=dst, ttl=ttl, **fields)

    def __repr__(self):
        return f"v{self.version}"


V4, V6 = Family(4), Family(6)


class Frame(bytes):
    """A frame that came out: its bytes, and where."""
    port = host = queue = None

    @property
    def packet(self):
        return Ether(self)

    def __repr__(self):
        return f"{'host' if self.host is not None else self.port}: {Ether(self)!r}"


class World:
    """One box; made and ended by the fixture `make`."""

    def __init__(self, runner, workers=1, queues=0, flows=1024, ports=(20000, 20999), rss=0,
                 tx_checksum=0, plan=True, network=True):
        self.runner = runner
        self.say("world", workers, queues, flows, *ports, rss, tx_checksum)
        if network:
            self.network()
        if plan:
            self.plan()

    def say(self, *words):
        return self.runner.say(*words)

    def network(self):
        for port, vlan, mtu in (0, 0, 1500), (1, 0, 1500), (0, 100, 1500), (1, 200, 1400):
            self.say("iface", port, vlan, mtu)
        for family in V4, V6:
            wan, lan, every, pods, lan200 = (
                ("2001:db8:1::/64", "fd00:1::/64", "::/0", "fd00:244:1::/64", "fd00:2::/64")
                if family.v6 else
                ("192.0.2.0/24", "10.1.0.0/24", "0.0.0.0/0", "10.244.1.0/24", "10.2.0.0/24"))
            self.say("local", family.wan, WAN)
            self.say("local", family.lan, LAN)
            self.say("local", family.lan200, LAN200)
            self.say("route", wan, WAN)
            self.say("route", lan, LAN)
            self.say("route", lan200, LAN200)
            self.say("route", every, WAN, family.gateway)
            self.say("route", pods, LAN, family.node)
            self.say("route", "fd00:244:2::/64" if family.v6 else "10.244.2.0/24", LAN200,
                     "fd00:2::11" if family.v6 else "10.2.0.11")
            self.say("neighbour", family.gateway, WAN, GATEWAY_MAC)
            self.say("neighbour", family.node, LAN, NODE_MAC)
            self.say("neighbour", "fd00:2::11" if family.v6 else "10.2.0.11", LAN200, NODE200_MAC)
        self.say("publish")

    def plan(self):
        """Ports: 80 full NAT, 81 DNAT, 82 DSR; 83 to three pods with affinity, 84 for some clients
        only, 85 without endpoints, 86 to three pods, 87 behind a VLAN."""
        for f in V4, V6:
            self.say("vip", f.vip)
            for name, pods, port in (
                    ("one", f.pods[:1], 8080), ("dnat", f.pods[1:2], 8080), ("dsr", f.pods[2:3], 82),
                    ("three", f.pods[3:6], 8080), ("none", [], 0), ("vlan", f.pods200[:1], 8080)):
                self.say("pool", f"{name}{f}", MAGLEV)
                for pod in pods:
                    self.say("endpoint", pod, port, READY, 1)
            for protocol in 6, 17:
                for port, pool, mode, affinity, sources in (
                        (80, "one", FULL_NAT, 0, ()), (81, "dnat", DNAT, 0, ()),
                        (82, "dsr", DSR, 0, ()), (83, "three", FULL_NAT, 600, ()),
                        (84, "one", FULL_NAT, 0, ("198.51.100.0/25", "2001:db8:c::/64")),
                        (85, "none", FULL_NAT, 0, ()), (86, "three", FULL_NAT, 0, ()),
                        (87, "vlan", FULL_NAT, 0, ())):
                    self.say("listener", f.vip, protocol, port, f"{pool}{f}", mode, affinity, *sources)
        self.say("apply")

    def put(self, frame, port=0, queue=0):
        self.say("in", port, queue, bytes(frame).hex() or "-")

    def out(self, rounds=1):
        frames = []
        self.resolves = []
        for row in self.say("rounds", rounds):
            if "resolve" in row:
                self.resolves.append((row["resolve"], row["iface"]))
                continue
            frame = Frame(bytes.fromhex(row["frame"]))
            frame.port, frame.host, frame.queue = row.get("port"), row.get("host"), row["queue"]
            frames.append(frame)
        return frames

    def through(self, frame, port=0, queue=0):
        """One frame in, what came out."""
        self.put(frame, port, queue)
        return self.out()

    def one(self, frame, port=0, queue=0):
        out = self.through(frame, port, queue)
        assert len(out) == 1, (out, self.drops())
        return out[0]

    def nothing(self, frame, drop, port=0, queue=0):
        before = self.drops().get(drop, 0)
        out = self.through(frame, port, queue)
        assert out == [], out
        assert self.drops().get(drop, 0) == before + 1, self.drops()

    def wait(self, milliseconds, rounds=None):
        """Time passes, in steps that leave housekeeping the time it has in life."""
        frames = []
        while milliseconds > 0:
            step = min(milliseconds, 2000)
            self.say("pass", step)
            frames += self.out(rounds or 160)
            milliseconds -= step
        return frames

    def drops(self):
        return self.say("drops")

    def flows(self):
        return self.say("flows")

    def workers(self):
        return self.say("workers")


class Runner:
    def __init__(self):
        build = Path(os.environ.get("SLUICE_BUILD", ROOT / "build"))
        self.process = subprocess.Popen(
            [build / "tests" / "packet" / "packet_run"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)

    def say(self, *words):
        line = " ".join(str(word) for word in words)
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline().strip()
        if answer == "ok":
            return None
        assert answer[:1] in ("[", "{"), f"packet_run: {line[:200]}: {answer or 'it ended'}"
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0


# Frames as they arrive.

def from_client(layers, vlan=None):
    frame = Ether(src=CLIENT100_MAC if vlan else GATEWAY_MAC, dst=WAN_MAC)
    return frame / Dot1Q(vlan=vlan) / layers if vlan else frame / layers


def from_node(layers):
    return Ether(src=NODE_MAC, dst=LAN_MAC) / layers


# Frames as they are to leave.

def to_client(layers):
    return Ether(src=WAN_MAC, dst=GATEWAY_MAC) / layers


def to_node(layers):
    return Ether(src=LAN_MAC, dst=NODE_MAC) / layers


def same(frame, port, expected):
    """The frame left through `port` and is, byte for byte, what scapy builds."""
    assert frame.port == port, (frame, expected)
    assert bytes(frame) == bytes(expected), \
        f"\n{Ether(frame).show2(dump=True)}\n--- expected ---\n{expected.__class__(bytes(expected)).show2(dump=True)}"


def sound(frame):
    """Every checksum is right: as scapy makes them anew, but for a UDP checksum of zero."""
    packet = Ether(bytes(frame))
    fresh = packet.copy()
    layer = fresh
    while layer:
        if isinstance(layer, UDP) and layer.chksum == 0:
            pass
        elif "chksum" in layer.fields:
            del layer.chksum
        elif "cksum" in layer.fields:
            del layer.cksum
        fragment = isinstance(layer, IPv6ExtHdrFragment) or (
            isinstance(layer, IP) and (layer.frag or layer.flags.MF))
        if fragment or "ICMP" in layer.__class__.__name__:  # what is behind is no whole packet
            break
        layer = layer.payload
    assert bytes(fresh) == bytes(packet), packet.show2(dump=True)
    return packet


def tcp(src_port, dst_port, flags, seq=1000, ack=0, **fields):
    return TCP(sport=src_port, dport=dst_port, flags=flags, seq=seq, ack=ack, **fields)
