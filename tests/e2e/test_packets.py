# SPDX-License-Identifier: BSD-3-Clause
"""What IP asks of a box in the middle: errors, path MTU, TTL, echo, fragments, neighbours."""

import contextlib
import errno
import socket

import pytest

import harness
import wire
from harness import wan
from topology import wait_until

FAMILIES = (4, 6)
MODES = ("full-nat", "dnat")
PORTS = [("echo", "TCP", 7000, 9000), ("dgram", "UDP", 7000, 9000), ("closed", "UDP", 7001, 9999)]
IP_RECVERR, IPV6_RECVERR, MSG_ERRQUEUE = 11, 25, 0x2000
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU = 10, 2, 14
IPV6_MTU_DISCOVER, IPV6_MTU = 23, 24


@pytest.fixture(scope="module")
def vips(lab):
    lab.deafen(33100, 33999)
    found = {}
    for mode in MODES:
        four, six = lab.apply_service(
            mode, PORTS, families=FAMILIES, annotations={"sluice.dev/mode": mode})
        found.update({(mode, 4): four, (mode, 6): six})
    return found


@pytest.fixture
def narrow_pods(lab):
    """Between the nodes and their pods only 1400 bytes pass; the pods do not know it."""
    for node in lab.nodes:
        node.ip("link set pods mtu 1400")
    yield 1400
    for node in lab.nodes:
        node.ip("link set pods mtu 1500")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mode", MODES)
class TestErrors:
    def test_port_unreachable_reaches_the_client(self, lab, vips, mode, family):
        """The pod's ICMP error, its inner header turned back: the client's socket knows it."""
        sock = lab.udp(vips[mode, family])
        with contextlib.closing(sock):
            sock.connect((vips[mode, family], 7001))
            sock.send(b"anybody?")
            with pytest.raises(ConnectionRefusedError):
                sock.recv(100)

    def test_path_mtu_towards_the_pod(self, lab, vips, mode, family, narrow_pods):
        """The node's "too big" finds its way to the client, whose next packets are smaller."""
        vip = vips[mode, family]
        sock = lab.udp(vip)
        level = socket.IPPROTO_IP if family == 4 else socket.IPPROTO_IPV6
        with contextlib.closing(sock):
            sock.setsockopt(level, IP_MTU_DISCOVER if family == 4 else IPV6_MTU_DISCOVER,
                            IP_PMTUDISC_DO)
            sock.connect((vip, 7000))
            sock.send(bytes(1440))
            with pytest.raises(OSError) as refused:
                sock.recv(2000)
            assert refused.value.errno == errno.EMSGSIZE
            mtu = sock.getsockopt(level, IP_MTU if family == 4 else IPV6_MTU)
            assert mtu == narrow_pods
            sock.send(bytes(1200))
            assert len(sock.recv(2000)) > 1200

    def test_tcp_through_a_narrow_path(self, lab, vips, mode, family, narrow_pods):
        """Path MTU discovery of both ends' TCP works: a megabyte each way."""
        lab.client.run("ip", "route", "flush", "cache", check=False)
        sock, _, _, _ = lab.connect(vips[mode, family], 7000, timeout=20)
        with contextlib.closing(sock):
            for _ in range(16):
                harness.exchange(sock, harness.payload(65536))

    def test_path_mtu_towards_the_client(self, lab, vips, mode, family):
        """The client's own link is narrow; the pod hears of it and sends less."""
        vip = vips[mode, family]
        with lab.raw("client") as link:
            flow = wire.UdpFlow(lab, vip, 7000, 5000 + family)
            link.send(flow.packet(b"x" * 1400))
            answer = link.wait(flow.is_answer)
            link.send(flow.too_big(answer, 1300))
            wait_until(lambda: lab.pod_path_mtu(flow.pod, flow.seen) == 1300,
                       "the pod's route with the new MTU")


@pytest.mark.parametrize("family", FAMILIES)
class TestTtl:
    def test_is_one_less_on_the_other_side(self, lab, vips, family):
        with lab.raw("client") as link:
            flow = wire.UdpFlow(lab, vips["dnat", family], 7000, 5100 + family)
            with lab.raw("box-lan") as inside:
                link.send(flow.packet(b"hello", ttl=9))
                seen = inside.wait(lambda packet: flow.is_question_inside(packet))
                assert wire.hop_limit(seen) == 8

    def test_expired_is_told(self, lab, vips, family):
        with lab.raw("client") as link:
            flow = wire.UdpFlow(lab, vips["full-nat", family], 7000, 5200 + family)
            link.send(flow.packet(b"hello", ttl=1))
            error = link.wait(flow.is_time_exceeded)
            assert wire.source_of(error) in (wan(1, family), vips["full-nat", family])
        assert lab.drops()["ttl_expired"] >= 1


class TestEcho:
    def test_ping_a_vip(self, lab, vips):
        for family in FAMILIES:
            out = lab.client.run("ping", "-c", "3", "-i", "0.2", "-W", "2", vips["full-nat", family])
            assert "3 received" in out.stdout

    @pytest.mark.parametrize("size", (0, 1, 1400))
    def test_of_any_size(self, lab, vips, size):
        out = lab.client.run("ping", "-c", "1", "-W", "2", "-s", str(size), vips["full-nat", 4])
        assert "1 received" in out.stdout

    def test_an_address_nobody_has_is_silent(self, lab, vips):
        out = lab.client.run("ping", "-c", "1", "-W", "1", wan(149), check=False)
        assert out.returncode != 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mode", MODES)
class TestFragments:
    @pytest.mark.parametrize("size", (1473, 3000, 20000, 60000))
    def test_large_datagrams_reach_one_endpoint(self, lab, vips, mode, family, size):
        with contextlib.closing(lab.udp(vips[mode, family])) as sock:
            pods = {lab.ask(sock, vips[mode, family], 7000, harness.payload(size, n))[0]
                    for n in range(3)}
        assert len(pods) == 1

    def test_fragments_and_whole_packets_go_to_the_same(self, lab, vips, mode, family):
        for _ in range(8):
            with contextlib.closing(lab.udp(vips[mode, family])) as sock:
                first = lab.ask(sock, vips[mode, family], 7000, b"small")[0]
                assert lab.ask(sock, vips[mode, family], 7000, bytes(5000))[0] == first

    def test_out_of_order(self, lab, vips, mode, family):
        """The first fragment, with the ports, comes last."""
        with lab.raw("client") as link:
            flow = wire.UdpFlow(lab, vips[mode, family], 7000, 5300 + family)
            for piece in reversed(flow.fragments(harness.payload(2500))):
                link.send(piece)
            assert link.wait(flow.is_answer_fragment)


class TestNeighbours:
    def test_arp_for_a_vip(self, lab, vips):
        out = lab.client.run("arping", "-c", "2", "-w", "2", "-I", "eth0", vips["full-nat", 4])
        assert lab.box_mac("wan") in out.stdout.lower()

    def test_arp_only_for_our_own(self, lab, vips):
        done = lab.client.run("arping", "-c", "1", "-w", "1", "-I", "eth0", wan(149), check=False)
        assert done.returncode != 0

    def test_not_on_the_other_side(self, lab, vips):
        """The pool is announced on wan alone."""
        done = lab.nodes[0].run("arping", "-c", "1", "-w", "1", "-I", "eth0", "-S", "198.51.100.11",
                                vips["full-nat", 4], check=False)
        assert done.returncode != 0

    def test_neighbour_solicitation_for_a_vip(self, lab, vips):
        with lab.raw("client") as link:
            link.send(wire.solicitation(lab, vips["full-nat", 6]))
            answer = link.wait(lambda packet: wire.is_advertisement(packet, vips["full-nat", 6]))
            assert wire.advertised_mac(answer) == lab.box_mac("wan")

    @pytest.mark.parametrize("family", FAMILIES)
    def test_taking_up_a_vip_is_announced(self, lab, family):
        """Gratuitous ARP, or an unsolicited advertisement, as soon as the VIP is ours, and twice more: the first may
        be lost."""
        with lab.raw("client") as link:
            vip = lab.apply_service(f"announced{family}", PORTS, families=(family,))[0]
            times = []
            for _ in range(3):
                assert link.wait(lambda packet: wire.is_announcement(packet, vip), 5)
                times.append(harness.now())
            assert times[2] - times[0] > 1.5  # a second apart

    def test_a_removed_vip_is_answered_no_more(self, lab):
        vip = lab.apply_service("shortlived", PORTS)[0]
        assert lab.client.run("ping", "-c", "1", "-W", "2", vip).returncode == 0
        lab.remove("shortlived")
        wait_until(lambda: not any(row["address"] == vip for row in lab.rows("vips")), "VIP gone")
        assert lab.client.run(
            "arping", "-c", "1", "-w", "1", "-I", "eth0", vip, check=False).returncode != 0


class TestPortReuse:
    def test_a_new_connection_from_the_same_port(self, lab, vips):
        """Closed on both sides and opened again from the same port, many times."""
        vip = vips["full-nat", 4]
        for _ in range(20):
            sock, _, _, _ = lab.connect(vip, 7000, source_port=33000)
            harness.exchange(sock, b"one")
            lab.abort(sock)

    def test_a_syn_in_place_of_an_established_flow(self, lab, vips):
        """The client forgot its connection (it rebooted) and comes again from the same port."""
        vip = vips["full-nat", 4]
        with lab.raw("client") as link:
            flow = wire.TcpFlow(lab, vip, 7000, 33100)
            flow.open(link, 1000)
            assert flow.greeting(link)
            flow.open(link, 900_000_000)
            assert flow.greeting(link)

    def test_closed_flows_free_their_entry(self, lab):
        vip = lab.apply_service("closing", PORTS)[0]
        for _ in range(30):
            sock, _, _, _ = lab.connect(vip, 7000)
            harness.exchange(sock, b"one")
            sock.close()
        lab.wait_flows(0, vip=vip, seconds=15)


class TestStates:
    def test_as_they_pass(self, lab, vips):
        vip = lab.apply_service("states", PORTS)[0]
        sock, _, _, _ = lab.connect(vip, 7000)
        harness.exchange(sock, b"one")
        lab.wait_flows(1, vip, ("established",))
        established = lab.flows(vip)[0]["expires_ms"]
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(10) == b""
        sock.close()
        wait_until(lambda: all(row["state"] in ("closed", "fin") for row in lab.flows(vip)), "closed")
        for row in lab.flows(vip):
            assert row["expires_ms"] < established
        with lab.raw("client") as link:
            flow = wire.TcpFlow(lab, vip, 7000, 33200)
            link.send(flow.syn(5000))
            link.wait(flow.is_syn_ack)
            lab.wait_flows(1, vip, ("syn",))
            assert lab.flows(vip, ("syn",))[0]["expires_ms"] < established

    def test_a_segment_of_no_flow_is_refused(self, lab, vips):
        with lab.raw("client") as link:
            before = lab.drops().get("no_flow", 0)
            flow = wire.TcpFlow(lab, vips["full-nat", 4], 7000, 33300)
            link.send(flow.segment("A", 1, 1, b"out of nowhere"))
            wait_until(lambda: lab.drops().get("no_flow", 0) > before, "counted as no_flow")
