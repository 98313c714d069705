# SPDX-License-Identifier: BSD-3-Clause
"""The appliance's own addresses through the DPDK port: ping, ssh, iperf3, routing."""

import contextlib
import json
import os
import socket

import pytest

import harness
from harness import wan
from topology import BOX_HOST, CLIENT_HOST, LAN4, LAN6, POD4, kill, wait_until

FAMILIES = (4, 6)


def listening(machine, port):
    return f":{port} " in machine.run("ss", "-Hltn").stdout


@pytest.mark.parametrize("family", FAMILIES)
class TestOwnAddress:
    @pytest.mark.parametrize("count,size", ((5, 56), (2, 1400), (2, 8000)))
    def test_ping(self, lab, family, count, size):
        out = lab.client.run("ping", "-c", str(count), "-i", "0.2", "-W", "2", "-s", str(size),
                             wan(BOX_HOST, family))
        assert f"{count} received" in out.stdout

    def test_ping_from_the_box(self, lab, family):
        out = lab.box_machine.run("ping", "-c", "3", "-i", "0.2", "-W", "2", wan(CLIENT_HOST, family))
        assert "3 received" in out.stdout

    def test_no_duplicates(self, lab, family):
        """The kernel sees each packet once: on the twin, not on the port's own device as well."""
        out = lab.client.run("ping", "-c", "3", "-i", "0.2", "-W", "2", wan(BOX_HOST, family))
        assert "DUP" not in out.stdout

    def test_routed_through(self, lab, family):
        """What is not for a VIP is the kernel's, which routes: the client reaches a node."""
        address = (LAN4 if family == 4 else LAN6).format(11)
        out = lab.client.run("ping", "-c", "3", "-i", "0.2", "-W", "2", address)
        assert "3 received" in out.stdout


def test_ports_of_its_own_are_not_those_of_full_nat(lab):
    """Thousands of them: a cluster's API server alone may have as many connections as it has Secrets."""
    with contextlib.ExitStack() as stack:
        ports = set()
        for _ in range(3000):
            sock = stack.enter_context(lab.net.box.socket(kind=socket.SOCK_DGRAM))
            sock.bind(("127.0.0.1", 0))
            ports.add(sock.getsockname()[1])
    assert len(ports) == 3000
    assert not ports & set(range(10000, 60000))


def test_the_twin_keeps_the_mac_of_its_port(lab):
    """udev gives new devices a MAC of its own now and then, after we have: nobody would answer us."""
    def mac():
        return json.loads(lab.box_machine.run("ip", "-j", "link", "show", "lan").stdout)[0]["address"]
    own = mac()
    lab.box_machine.ip("link set lan address 02:00:00:00:00:77", "neigh flush dev lan")
    wait_until(lambda: mac() == own, "the port's MAC")
    out = lab.box_machine.run("ping", "-c", "3", "-i", "0.2", "-W", "2", LAN4.format(11))
    assert "3 received" in out.stdout
    assert "has that of the port again" in lab.box.tail("sluice-dataplane", 50)


def test_the_twin_has_the_link_of_its_port(lab):
    """Who looks at the twin, keepalived or BIRD, sees the cable; a route over it is none meanwhile."""
    def running():
        return "LOWER_UP" in flags() and state() != "DORMANT"

    def flags():
        return json.loads(lab.box_machine.run("ip", "-j", "link", "show", "lan").stdout)[0]["flags"]

    def state():
        return json.loads(lab.box_machine.run("ip", "-j", "link", "show", "lan").stdout)[0]["operstate"]
    assert running()
    for _ in range(2):
        lab.net.switch.ip("link set box-lan down")
        wait_until(lambda: not running() and state() in ("DORMANT", "DOWN"), "the twin without link", 1)
        lab.net.switch.ip("link set box-lan up")
        wait_until(lambda: running() and state() in ("UP", "UNKNOWN"), "the twin with link")
        for network in LAN4, LAN6:
            out = lab.box_machine.run("ping", "-c", "3", "-i", "0.2", "-W", "2", network.format(11))
            assert "3 received" in out.stdout


class TestServers:
    def test_ssh(self, lab):
        """A real sshd on the appliance's own address."""
        home = lab.net.dir / "ssh"
        home.mkdir()
        os.makedirs("/run/sshd", exist_ok=True)
        for name in ("host", "client"):
            lab.client.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name)
        (home / "authorized").write_text((home / "client.pub").read_text())
        lab.box_machine.start(
            "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", home / "host", "-o", "Port=2222",
            "-o", f"AuthorizedKeysFile={home}/authorized", "-o", "StrictModes=no",
            "-o", "PermitRootLogin=yes", "-o", f"PidFile={home}/pid", "-o", "UsePAM=no",
            log=home / "sshd.log")
        wait_until(lambda: listening(lab.box_machine, 2222), "sshd listening")
        out = lab.client.run(
            "ssh", "-n", "-p", "2222", "-i", home / "client", "-F", "/dev/null",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "ConnectTimeout=5", f"root@{wan(BOX_HOST)}", "echo", "$SSH_CONNECTION")
        assert out.stdout.split()[0] == wan(CLIENT_HOST)
        assert out.stdout.split()[2] == wan(BOX_HOST)

    @pytest.mark.slow
    @pytest.mark.parametrize("reverse", (False, True))
    def test_iperf3(self, lab, reverse):
        server = lab.box_machine.start("iperf3", "-s", "-1", "-B", wan(BOX_HOST),
                                       log=lab.net.dir / "iperf3.log")
        try:
            wait_until(lambda: listening(lab.box_machine, 5201), "iperf3 listening")
            out = lab.client.run("iperf3", "-J", "-t", "3", "-c", wan(BOX_HOST),
                                 *(["-R"] if reverse else []))
        finally:
            kill([server.pid])
            server.wait(timeout=10)
        assert json.loads(out.stdout)["end"]["sum_received"]["bytes"] > 1 << 20


class TestNothingIsLost:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_a_paced_flood_of_pings(self, lab, family):
        """No packet that is not ours is lost."""
        before = lab.drops()
        out = lab.client.run("ping", "-c", "500", "-i", "0.002", "-W", "2", wan(BOX_HOST, family))
        assert "500 received" in out.stdout
        after = lab.drops()
        assert after.get("host_full", 0) == before.get("host_full", 0)

    def test_foreign_protocols_reach_the_kernel(self, lab):
        """IGMP, GRE, OSPF, SCTP and what has no name: all of it is the kernel's."""
        import wire
        with lab.box_machine.entered():
            taps = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            taps.bind(("wan", 3))
            taps.settimeout(3)
        with contextlib.closing(taps), lab.raw("client") as link:
            for protocol in (2, 47, 89, 132, 253):
                mark = bytes([protocol]) * 40
                link.send(wire.Ether(src=lab.client_mac(), dst=lab.box_mac("wan"))
                          / wire.IP(src=wan(CLIENT_HOST), dst=wan(BOX_HOST), proto=protocol) / mark)
                while mark not in taps.recv(2000):
                    pass

    def test_a_route_of_the_operator_is_followed(self, lab):
        """A route added to the kernel by hand is used by the packet path, and its end too."""
        pod = lab.pods["web-2a"]
        lab.box_machine.ip(f"route replace {pod.v4}/32 via {LAN4.format(11)}")
        try:
            vip = lab.apply_service("detour", [("dgram", "UDP", 7000, 9000)], pods=["web-2a"])[0]
            with lab.raw_node(0) as link:
                lab.ask_once(vip, 7000)
                assert link.collect(lambda packet: packet.haslayer("UDP")
                                    and packet["IP"].dst == pod.v4, 1)
        finally:
            lab.box_machine.ip(f"route del {pod.v4}/32 via {LAN4.format(11)}")
        assert POD4.format(2, 11) == pod.v4


class TestTwins:
    def test_carry_addresses_mac_and_mtu(self, lab):
        rows = json.loads(lab.box_machine.run("ip", "-j", "addr", "show", "dev", "wan").stdout)
        addresses = {item["local"] for item in rows[0]["addr_info"]}
        assert {wan(BOX_HOST), wan(BOX_HOST, 6)} <= addresses
        assert rows[0]["address"] == lab.box_mac("wan") == harness.mac_of(lab.box_machine, "eth0")
        assert rows[0]["mtu"] == 1500
