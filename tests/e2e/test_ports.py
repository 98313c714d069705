# SPDX-License-Identifier: BSD-3-Clause
"""Kinds of ports, memory, VLANs and large frames."""

import contextlib
import json
import random

import pytest

import harness
import test_ingress

from harness import wan
from scapy.all import ARP, IP, UDP, Dot1Q, Ether, raw
from topology import CLIENT_HOST, wait_until

PORTS = [("echo", "TCP", 7000, 9000), ("http", "TCP", 80, 8080), ("dgram", "UDP", 7000, 9000)]


def works(lab, families=(4, 6)):
    vips = lab.apply_service("works", PORTS, families=families)
    for vip in vips:
        assert {lab.ask_once(vip, 7000)[0] for _ in range(harness.ENOUGH)} == set(lab.pods)
        sock, _, _, _ = lab.connect(vip, 7000, timeout=20)
        with contextlib.closing(sock):
            for _ in range(8):
                harness.exchange(sock, harness.payload(65536))
        assert lab.connect_once(vip, 7000)
    out = lab.client.run("ping", "-c", "2", "-i", "0.2", "-W", "2", wan(1))
    assert "2 received" in out.stdout
    return vips


@pytest.mark.parametrize("hugepages", ("off", "auto"))
def test_memory(make_lab, hugepages):
    """With hugepages and without, and it says which."""
    lab = make_lab(settings={"dataplane": {"hugepages": hugepages}})
    works(lab)
    if hugepages == "off":
        assert "4 kB" in lab.box.memory()
    assert lab.box.memory()


def test_idle_poll(make_lab):
    lab = make_lab(settings={"dataplane": {"idle": "poll"}})
    works(lab)


def test_adaptive_is_idle_when_nothing_comes(make_lab):
    """Both processes together take little of a core while the lab is silent."""
    import time
    lab = make_lab()
    works(lab)

    def cpu():
        ticks = 0
        for process in lab.box.processes.values():
            with open(f"/proc/{process.pid}/stat", encoding="ascii") as stream:
                fields = stream.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / 100
    before = cpu()
    time.sleep(3)  # what is measured is the time itself
    assert cpu() - before < 0.6


def test_af_xdp(make_lab):
    def adjust(settings):
        for port in settings["ports"]:
            port["kind"] = "af_xdp"
    lab = make_lab(adjust=adjust)
    works(lab)


@pytest.mark.parametrize("offload", ("off", "on"))
def test_af_xdp_sends_whole_files(make_lab, offload):
    """Through the proxy, whose segments go many at a time; cut by the kernel, or by nobody when the
    other end takes them whole."""
    vips = {4: harness.wan(140), 6: harness.wan(140, 6)}

    def adjust(settings):
        for port in settings["ports"]:
            port["kind"] = "af_xdp"
        settings["ingress"] = {"addresses": list(vips.values())}
    lab = make_lab(adjust=adjust)
    if offload == "on":
        for machine in (lab.net.box, lab.client):
            machine.run("ethtool", "-K", "eth0", "tx", "on", "tso", "on", check=False)
    content = random.Random(7).randbytes(3_000_001)
    (lab.pods["web-1a"].dir / "files" / "big").write_bytes(content)
    lab.apply("web", *test_ingress.web_service(lab, "one", ["web-1a"]),
              test_ingress.ingress("web", {"": [test_ingress.path("/", "one")]}))
    out = lab.net.dir / "out"
    for family, vip in vips.items():
        url = harness.url(vip, path="/files/big")
        wait_until(lambda url=url: lab.client.run(
            "curl", "-sgf", "--max-time", "10", "-o", out, url, check=False).returncode == 0, url, 15)
        assert out.read_bytes() == content, family


def test_tap(make_lab):
    """The other end of a tap port is a device of the kernel: it is moved to the client."""
    def adjust(settings):
        settings["ports"][0].update(kind="tap", device="tap0")
    lab = make_lab(adjust=adjust)
    lab.net.box.ip(f"link set tap0 netns {lab.client.name}")
    lab.client.ip("link set eth0 down", f"addr flush dev eth0", "link set tap0 up",
                  f"addr add {wan(CLIENT_HOST)}/24 dev tap0")
    lab.client.plain_wire("tap0")
    works(lab, (4,))


@pytest.mark.parametrize("mtu", (9000,))
def test_jumbo_frames(make_lab, mtu):
    lab = make_lab(mtu=mtu)
    four, six = works(lab)
    for vip in (four, six):
        with contextlib.closing(lab.udp(vip)) as sock:
            for size in (8900, 8000, 60000):
                lab.ask(sock, vip, 7000, harness.payload(size))
    for family in (4, 6):
        out = lab.client.run("ping", "-M", "do", "-c", "2", "-i", "0.2", "-W", "2",
                             "-s", str(mtu - (28 if family == 4 else 48)), wan(1, family))
        assert "2 received" in out.stdout
    rows = {row["name"]: row for row in lab.rows("ports")}
    assert rows["wan"]["mtu"] == mtu


class TestVlan:
    VLAN, NET = 100, "203.0.113.{}"

    @pytest.fixture(scope="class")
    def tagged(self, make_module_lab):
        def adjust(settings):
            settings["ports"][0]["vlans"] = [
                {"id": self.VLAN, "addresses": [self.NET.format(1) + "/24"]}]
            settings["pools"].append({
                "name": "tagged", "addresses": [f"{self.NET.format(100)}-{self.NET.format(110)}"],
                "interfaces": ["wan.100"]})
        lab = make_module_lab(adjust=adjust)
        lab.vip = lab.apply_service("tagged", PORTS, annotations={
            "metallb.io/address-pool": "tagged"})[0]
        return lab

    def tag(self, lab, inner, to=None):
        return raw(Ether(src=lab.client_mac(), dst=to or lab.box_mac("wan"))
                   / Dot1Q(vlan=self.VLAN) / inner)

    def test_arp_is_answered_with_the_tag(self, tagged):
        for address in (tagged.vip, self.NET.format(1)):
            with tagged.raw("client") as link:
                link.send(self.tag(tagged, ARP(
                    op=1, hwsrc=tagged.client_mac(), psrc=self.NET.format(10), pdst=address),
                    "ff:ff:ff:ff:ff:ff"))
                answer = link.wait(lambda packet: ARP in packet and packet[ARP].op == 2
                                   and packet[ARP].psrc == address)
                assert link.vlan(answer) == self.VLAN
                assert answer[ARP].hwsrc == tagged.box_mac("wan")

    def test_not_answered_without_it(self, tagged):
        with tagged.raw("client") as link:
            link.send(raw(Ether(src=tagged.client_mac(), dst="ff:ff:ff:ff:ff:ff") / ARP(
                op=1, hwsrc=tagged.client_mac(), psrc=wan(CLIENT_HOST), pdst=tagged.vip)))
            assert not link.collect(lambda packet: ARP in packet and packet[ARP].op == 2, 0.5)

    def test_udp_both_ways(self, tagged):
        """A client on the VLAN, by hand: it answers the box's ARP and has its own address."""
        client = self.NET.format(10)
        with tagged.raw("client") as link:
            for port in range(35000, 35020):
                link.send(self.tag(tagged, IP(src=client, dst=tagged.vip)
                                   / UDP(sport=port, dport=7000) / b"hello"))
                answer = link.wait(lambda packet: self.answer(tagged, link, packet, client, port))
                assert link.vlan(answer) == self.VLAN
                assert raw(answer[UDP].payload).split(b"\n")[1].startswith(b"hello")

    def answer(self, lab, link, packet, client, port):
        if ARP in packet and packet[ARP].op == 1 and packet[ARP].pdst == client:
            link.send(self.tag(lab, ARP(op=2, hwsrc=lab.client_mac(), psrc=client,
                                        hwdst=packet[ARP].hwsrc, pdst=packet[ARP].psrc),
                               packet[ARP].hwsrc))
        return UDP in packet and packet[UDP].dport == port and packet[IP].src == lab.vip

    def test_twin_of_its_own(self, tagged):
        rows = json.loads(tagged.net.box.run("ip", "-j", "addr", "show", "dev", "wan.100").stdout)
        assert {item["local"] for item in rows[0]["addr_info"]} >= {self.NET.format(1)}

    def test_untagged_goes_on_beside_it(self, tagged):
        vip = tagged.apply_service("untagged", PORTS)[0]
        assert tagged.connect_once(vip, 7000)


class TestLink:
    def test_state_and_counters(self, lab):
        vip = lab.apply_service("counted", PORTS)[0]
        before = {row["name"]: row for row in lab.rows("ports")}
        for _ in range(20):
            lab.ask_once(vip, 7000)
        after = {row["name"]: row for row in lab.rows("ports")}
        for name in ("wan", "lan"):
            assert after[name]["link_up"] is True
            assert after[name]["rx_packets"] >= before[name]["rx_packets"] + 20
            assert after[name]["tx_packets"] >= before[name]["tx_packets"] + 20
            assert after[name]["rx_bytes"] > before[name]["rx_bytes"]

    def test_a_cable_pulled(self, make_lab):
        lab = make_lab()
        lab.net.switch.ip("link set box-wan down")
        wait_until(lambda: not {row["name"]: row for row in lab.rows("ports")}["wan"]["link_up"],
                   "link down shown", 5)
        lab.net.switch.ip("link set box-wan up")
        wait_until(lambda: {row["name"]: row for row in lab.rows("ports")}["wan"]["link_up"],
                   "link up shown", 5)
        works(lab, (4,))


def test_checksums_left_to_the_wire(make_lab):
    """Senders that leave checksums to their NIC (as every kernel on a veth does by default) are
    understood, and what is sent on has right ones."""
    lab = make_lab()
    lab.client.run("ethtool", "-K", "eth0", "tx", "on")
    works(lab)
