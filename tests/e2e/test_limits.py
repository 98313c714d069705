# SPDX-License-Identifier: BSD-3-Clause
"""At each limit the newest is refused and counted; what is established goes on."""

import contextlib

import harness
import wire
from topology import wait_until

PORTS = [("echo", "TCP", 7000, 9000), ("dgram", "UDP", 7000, 9000)]


def refused(lab, reason):
    return lab.drops().get(reason, 0)


def flood(lab, vip, ports):
    """One datagram from each source port, by hand: far more flows than sockets would give."""
    with lab.raw("client") as link:
        flow = wire.UdpFlow(lab, vip, 7000, 0)
        frame = bytearray(wire.raw(flow.packet(b"x")))
        for port in ports:
            frame[34:36] = port.to_bytes(2, "big")
            frame[40:42] = bytes(2)  # no checksum: IPv4 allows it
            link.send(bytes(frame))


def test_flow_table_full(make_lab):
    lab = make_lab(settings={"dataplane": {"flows": 256}})
    vip = lab.apply_service("full", PORTS)[0]
    capacity = lab.rows("workers")[0]["flows_capacity"]
    tcp, _, _, _ = lab.connect(vip, 7000)
    with contextlib.closing(tcp), contextlib.closing(lab.udp(vip)) as udp:
        pod = lab.ask(udp, vip, 7000)[0]
        flood(lab, vip, range(10000, 10000 + 3 * capacity))
        wait_until(lambda: refused(lab, "flow_table_full") > 0, "refusals counted")
        for _ in range(10):
            harness.exchange(tcp, harness.payload(2000))
            assert lab.ask(udp, vip, 7000)[0] == pod
        assert lab.rows("workers")[0]["flows"] <= capacity


def test_snat_exhausted(make_lab):
    """Few source ports: once all are taken towards an endpoint, the newest flow is refused."""
    lab = make_lab(settings={"snat": {"ports": "40000-40063"}}, pods=(1, 0))
    vip = lab.apply_service("ports", PORTS)[0]
    tcp, _, _, _ = lab.connect(vip, 7000)
    with contextlib.closing(tcp), contextlib.closing(lab.udp(vip)) as udp:
        assert lab.ask(udp, vip, 7000)
        flood(lab, vip, range(10000, 10200))
        wait_until(lambda: refused(lab, "snat_exhausted") > 0, "refusals counted")
        for _ in range(10):
            harness.exchange(tcp, harness.payload(2000))
            assert lab.ask(udp, vip, 7000)
        for row in lab.flows(vip):
            assert 40000 <= row["source_port"] <= 40063


def test_snat_ports_come_back(make_lab):
    """Connections one after another, many more than there are ports: each takes the place of one
    that has ended."""
    lab = make_lab(settings={"snat": {"ports": "40000-40063"}}, pods=(1, 0))
    vip = lab.apply_service("reuse", PORTS)[0]
    for number in range(300):
        sock, _, _, _ = lab.connect(vip, 7000)
        harness.exchange(sock, b"hello")
        if number % 2:
            lab.abort(sock)
        else:
            sock.close()
    assert not refused(lab, "snat_exhausted")


def test_buffer_pool_empty(make_lab):
    """More packets are held than there are buffers: those too many are counted, and afterwards all
    goes on as before. Held are packets whose next hop has yet to answer."""
    lab = make_lab(settings={"dataplane": {"buffers": 1024}})
    vip = lab.apply_service("buffers", PORTS)[0]
    tcp, _, _, _ = lab.connect(vip, 7000)
    with contextlib.closing(tcp):
        flood(lab, vip, range(10000, 14000))
        harness.exchange(tcp, harness.payload(100_000))
        with lab.raw("client") as link:  # last fragments, whose first one never comes, wait for it
            flow = wire.UdpFlow(lab, vip, 7000, 20000)
            frame = bytearray(wire.raw(flow.fragments(harness.payload(2000))[-1]))
            for number in range(5000):
                frame[18:20] = number.to_bytes(2, "big")
                frame[24:26] = bytes(2)
                frame[24:26] = wire.checksum(bytes(frame[14:34])).to_bytes(2, "big")
                link.send(bytes(frame))
        harness.exchange(tcp, harness.payload(100_000))
    assert lab.connect_once(vip, 7000)
    stats = lab.box.show("workers")
    assert stats["buffers_free"] > 0


def test_timeouts_are_as_configured(make_lab):
    lab = make_lab(settings={"timeouts": {"udp": 2, "udp_unreplied": 1, "tcp_closed": 1}})
    vip = lab.apply_service("short", PORTS)[0]
    assert lab.ask_once(vip, 7000)
    assert lab.flows(vip)[0]["expires_ms"] <= 2000
    lab.wait_flows(0, vip=vip, seconds=5)
    lab.connect_once(vip, 7000)
    lab.wait_flows(0, vip=vip, seconds=5)
