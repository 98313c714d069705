# SPDX-License-Identifier: BSD-3-Clause
"""Packets by hand: made with scapy, sent and received on a machine of the lab."""

import logging
import select
import socket
import struct
import time

logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.all import (  # noqa: E402
    ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6DestUnreach, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr,
    ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6, IPv6ExtHdrFragment, Raw,
    checksum, fragment, fragment6, in6_getnsma, in6_getnsmac, in6_ptop, raw,
)

import harness  # noqa: E402
from topology import CLIENT_HOST, LabError  # noqa: E402

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 1 << 4
__all__ = ["Link", "UdpFlow", "TcpFlow", "ICMPv6DestUnreach", "checksum"]


class Link:
    """A device of a machine, as a packet socket."""

    def __init__(self, machine, device):
        with machine.entered():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
            self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.sock.bind((device, ETH_P_ALL))

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @staticmethod
    def vlan(packet):
        """The VLAN the frame came with, or None."""
        return packet[Dot1Q].vlan if Dot1Q in packet else None

    def send(self, packet):
        self.sock.send(packet if isinstance(packet, bytes) else raw(packet))

    def received(self, seconds):
        """Frames, one after another, until time is up; what this socket sent is not among them."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.sock], [], [], left)[0]:
                return
            data, ancillary, _, address = self.sock.recvmsg(65535, 64)
            if address[2] != socket.PACKET_OUTGOING:
                yield Ether(with_tag(data, ancillary))

    def wait(self, wanted, seconds=10):
        for packet in self.received(seconds):
            if wanted(packet):
                return packet
        raise LabError(f"no such packet within {seconds} s")

    def collect(self, wanted, seconds):
        return [packet for packet in self.received(seconds) if wanted(packet)]


def with_tag(data, ancillary):
    """The frame with its VLAN tag, which the kernel takes out and tells beside it."""
    for level, kind, value in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", value[:20])
            if status & TP_STATUS_VLAN_VALID:
                return data[:12] + struct.pack("!HH", tpid or 0x8100, tci) + data[12:]
    return data


def is_six(address):
    return ":" in address


def network(packet):
    return packet.getlayer(IP) or packet.getlayer(IPv6)


def source_of(packet):
    return network(packet).src


def hop_limit(packet):
    layer = network(packet)
    return layer.ttl if isinstance(layer, IP) else layer.hlim


class Flow:
    def __init__(self, lab, vip, port, source_port, host=CLIENT_HOST):
        self.lab, self.vip, self.port, self.source_port = lab, vip, port, source_port
        self.six = is_six(vip)
        self.client = harness.wan(host, 6 if self.six else 4)
        self.pod = self.seen = None

    def ether(self):
        return Ether(src=self.lab.client_mac(), dst=self.lab.box_mac("wan"))

    def ip(self, ttl=64, **more):
        if self.six:
            return IPv6(src=self.client, dst=self.vip, hlim=ttl)
        return IP(src=self.client, dst=self.vip, ttl=ttl, **more)

    def is_ours(self, packet, layer):
        return (layer in packet and packet[layer].sport == self.port
                and packet[layer].dport == self.source_port and source_of(packet) == self.vip)

    def quoted(self, packet):
        """Does the ICMP error quote our question?"""
        text = raw(packet)
        ports = self.source_port.to_bytes(2, "big") + self.port.to_bytes(2, "big")
        family = socket.AF_INET6 if self.six else socket.AF_INET
        vip = socket.inet_pton(family, self.vip)
        return ports in text and vip in text


class UdpFlow(Flow):
    def packet(self, data, ttl=64):
        return self.ether() / self.ip(ttl) / UDP(sport=self.source_port, dport=self.port) / data

    def is_answer(self, packet):
        if not self.is_ours(packet, UDP):
            return False
        head = raw(packet[UDP].payload).split(b"\n")[0].decode().split()
        self.pod, self.seen = head[0], head[1]
        return True

    def is_answer_fragment(self, packet):
        layer = network(packet)
        return bool(layer) and layer.src == self.vip and layer.dst == self.client

    def is_question_inside(self, packet):
        """The question as it leaves towards a pod, the client's address kept."""
        return (UDP in packet and source_of(packet) == self.client
                and packet[UDP].sport == self.source_port and packet[UDP].dport == 9000)

    def is_time_exceeded(self, packet):
        kind = (ICMP in packet and packet[ICMP].type == 11) or ICMPv6TimeExceeded in packet
        return bool(kind) and self.quoted(packet)

    def too_big(self, answer, mtu):
        """What a narrow router in front of the client would say to this answer."""
        quoted = raw(network(answer))
        if self.six:
            return self.ether() / self.ip() / ICMPv6PacketTooBig(mtu=mtu) / quoted[:1200]
        return self.ether() / self.ip() / ICMP(type=3, code=4, nexthopmtu=mtu) / quoted[:64]

    def fragments(self, data):
        datagram = UDP(sport=self.source_port, dport=self.port) / data
        if self.six:
            whole = self.ip() / IPv6ExtHdrFragment(id=self.source_port) / datagram
            return [self.ether() / piece for piece in fragment6(whole, 1280)]
        whole = self.ip(id=self.source_port) / datagram
        return [self.ether() / piece for piece in fragment(whole, 1200)]


class TcpFlow(Flow):
    """A client's TCP without a kernel behind it."""

    def segment(self, flags, seq, ack=0, data=b"", **options):
        return self.ether() / self.ip() / TCP(
            sport=self.source_port, dport=self.port, flags=flags, seq=seq, ack=ack, window=65535,
            **options) / data

    def syn(self, seq):
        return self.segment("S", seq, options=[("MSS", 1460)])

    def is_syn_ack(self, packet):
        return self.is_ours(packet, TCP) and packet[TCP].flags == "SA"

    def open(self, link, seq):
        """The handshake; the kernel of the client must not know of it (see Lab.deafen). A peer that
        still knows an older connection of this port acknowledges that one (RFC 9293 section
        3.10.7.4) and is told to forget it."""
        for _ in range(5):
            link.send(self.syn(seq))
            answer = link.wait(lambda packet: self.is_ours(packet, TCP))
            while not self.is_syn_ack(answer) and "A" in answer[TCP].flags:
                if answer[TCP].ack != seq + 1:
                    link.send(self.segment("R", answer[TCP].ack))
                    break
                answer = link.wait(lambda packet: self.is_ours(packet, TCP))
            if self.is_syn_ack(answer) and answer[TCP].ack == seq + 1:
                self.seq, self.ack = seq + 1, answer[TCP].seq + 1
                link.send(self.segment("A", self.seq, self.ack))
                return
        raise LabError("no handshake")

    def greeting(self, link):
        answer = link.wait(lambda packet: self.is_ours(packet, TCP) and bool(packet[TCP].payload)
                           and packet[TCP].ack == self.seq)
        self.ack += len(answer[TCP].payload)
        link.send(self.segment("A", self.seq, self.ack))
        return raw(answer[TCP].payload)


# Neighbours


def solicitation(lab, target):
    mac, client = lab.client_mac(), harness.wan(CLIENT_HOST, 6)
    group = socket.inet_ntop(socket.AF_INET6, in6_getnsma(socket.inet_pton(socket.AF_INET6, target)))
    return (Ether(src=mac, dst=in6_getnsmac(socket.inet_pton(socket.AF_INET6, group)))
            / IPv6(src=client, dst=group, hlim=255) / ICMPv6ND_NS(tgt=target)
            / ICMPv6NDOptSrcLLAddr(lladdr=mac))


def is_advertisement(packet, target):
    return ICMPv6ND_NA in packet and in6_ptop(packet[ICMPv6ND_NA].tgt) == in6_ptop(target)


def advertised_mac(packet):
    return packet[ICMPv6NDOptDstLLAddr].lladdr.lower()


def is_announcement(packet, vip):
    """Gratuitous ARP, or an unsolicited advertisement to all nodes."""
    if is_six(vip):
        return (is_advertisement(packet, vip) and packet[IPv6].dst == "ff02::1"
                and not packet[ICMPv6ND_NA].S)
    return ARP in packet and packet[ARP].psrc == vip and packet[ARP].pdst == vip
