# SPDX-License-Identifier: BSD-3-Clause
"""Endpoints drained by hand, flows, neighbours and counters cleared, and who is to be reached."""

import contextlib
import json
import re

import pytest

import harness
from harness import wan
from test_ingress import SETTINGS, ingress, path, web_service, who
from topology import CLIENT_HOST, LAN4, NODE_HOST, wait_until

PORTS = [("echo", "TCP", 7000, 9000), ("dgram", "UDP", 7000, 9000)]
CLIENT = wan(CLIENT_HOST)


@pytest.fixture(scope="module")
def vip(lab):
    return lab.apply_service("drained", PORTS, pods=["web-1a", "web-2a"])[0]


def pods(lab, vip, times=24):
    return {lab.connect_once(vip, 7000)[0] for _ in range(times)}


def address(lab, pod):
    return lab.pods[pod].v4


def states(lab):
    return {(row["name"], row["port"], row["pool"].split(":")[1]): row["state"]
            for row in lab.endpoint_rows("drained")}


def open_to(lab, vip, wanted):
    """A connection to this pod."""
    for _ in range(100):
        sock, pod, _, _ = lab.connect(vip, 7000)
        if pod == wanted:
            return sock
        sock.close()
    raise AssertionError(f"no connection reaches {wanted}")


@pytest.mark.sanitized
class TestDrain:
    def test_no_new_connections_and_the_old_live(self, lab, vip):
        with contextlib.closing(open_to(lab, vip, "web-1a")) as held:
            out = lab.box.sluice("drain", "endpoint", address(lab, "web-1a")).stdout
            assert out == f"{address(lab, 'web-1a')} is drained\n"
            lab.wait_in_force()
            assert pods(lab, vip) == {"web-2a"}
            harness.exchange(held, b"still here")
            assert set(states(lab).values()) == {"ready", "drained"}
            problems = lab.box.sluice("show", "problems").stdout
            assert f"endpoint {address(lab, 'web-1a')} gets no new connections" in problems
            self.restart(lab)
            assert pods(lab, vip) == {"web-2a"}
            harness.exchange(held, b"still here")
        lab.box.sluice("undrain", "endpoint", address(lab, "web-1a"))
        lab.wait_in_force()
        assert pods(lab, vip) == {"web-1a", "web-2a"}
        assert "gets no new" not in lab.box.sluice("show", "problems").stdout

    @staticmethod
    def restart(lab):
        """Drains outlive the control plane."""
        lab.box.kill("sluice-controlplane")
        lab.box.start("sluice-controlplane")
        lab.box.wait_answers()
        wait_until(lambda: "drained" in states(lab).values(), "the plan")
        lab.wait_in_force()

    def test_by_port_and_all_of_them(self, lab, vip):
        both = [f"{address(lab, pod)}:9000" for pod in ("web-1a", "web-2a")]
        for endpoint in both:
            lab.box.sluice("drain", "endpoint", endpoint)
        lab.wait_in_force()
        assert set(states(lab).values()) == {"drained"}
        with pytest.raises(ConnectionRefusedError):
            lab.connect(vip, 7000)
        assert "are drained by `drain endpoint`" in lab.box.sluice("show", "problems").stdout
        for endpoint in both:
            lab.box.sluice("undrain", "endpoint", endpoint)
        lab.wait_in_force()
        assert set(states(lab).values()) == {"ready"}
        assert pods(lab, vip) == {"web-1a", "web-2a"}

    def test_wrong_words(self, lab, vip):
        for words, what in ((("drain", "endpoint", "192.0.2.77"), "expected one of `show endpoints`"),
                            (("drain", "endpoint", f"{address(lab, 'web-1a')}:1"), "expected one of"),
                            (("drain", "endpoint", "web-1a"), "an address, or an address and port"),
                            (("drain", "endpoint"), "needs its ADDRESS[:PORT]")):
            answer = lab.box.sluice(*words, check=False)
            assert answer.returncode == 2 and what in answer.stderr, (words, answer.stderr)


def test_requests_go_to_others(make_lab):
    lab = make_lab(settings=SETTINGS)
    lab.apply("shop", *web_service(lab, "shop", ["web-1a", "web-2a"]),
              ingress("shop", {"shop.example": [path("/", "shop")]}))
    url = "http://shop.example/"
    wait_until(lambda: {who(lab, url) for _ in range(8)} == {"web-1a", "web-2a"}, "both pods")
    lab.box.sluice("drain", "endpoint", address(lab, "web-2a"))
    lab.wait_in_force()
    assert {who(lab, url) for _ in range(12)} == {"web-1a"}
    lab.box.sluice("drain", "endpoint", address(lab, "web-1a"))
    lab.wait_in_force()
    assert {who(lab, url) for _ in range(4)} == {503}
    for pod in ("web-1a", "web-2a"):
        lab.box.sluice("undrain", "endpoint", address(lab, pod))
    lab.wait_in_force()
    assert {who(lab, url) for _ in range(12)} == {"web-1a", "web-2a"}


def found(lab, vip):
    """Does somebody answer for the address on the wire?"""
    return lab.client.run("arping", "-c", "1", "-w", "1", "-I", "eth0", vip, check=False).returncode == 0


def traffic(lab):
    return lab.box.show("status")["traffic"]


def test_a_box_alone(lab, vip):
    """Nobody finds it any more, what is established lives on, also over a restart, and back again."""
    with contextlib.closing(open_to(lab, vip, "web-1a")) as held:
        assert found(lab, vip)
        assert lab.box.sluice("drain", "box").stdout == "box is drained\n"
        lab.wait_in_force()
        assert not found(lab, vip)
        harness.exchange(held, b"still here")
        assert traffic(lab)["state"] == "drained" and traffic(lab)["next"] == ["show flows", "undrain box"]
        out = lab.box.sluice("show", "status").stdout
        assert "traffic        is drained: this box answers for no VIP; " in out
        assert "this box is drained" in lab.box.sluice("show", "problems").stdout
        assert "sluice_box_drained 1\n" in metrics(lab)
        lab.box.kill("sluice-controlplane")
        lab.box.start("sluice-controlplane")
        lab.box.wait_answers()
        lab.wait_in_force()
        assert traffic(lab)["state"] == "drained" and not found(lab, vip)
        harness.exchange(held, b"still here")
        lab.box.sluice("undrain", "box")
        lab.wait_in_force()
        assert found(lab, vip) and traffic(lab)["state"] != "drained"
        assert "sluice_box_drained 0\n" in metrics(lab)
        harness.exchange(held, b"still here")
    lab.box.sluice("drain", "vip", vip)
    problems = lab.box.sluice("show", "problems").stdout
    assert f"VIP {vip} is drained here: `undrain vip {vip}` ends that" in problems
    lab.box.sluice("undrain", "vip", vip)
    lab.wait_in_force()
    assert found(lab, vip)


def metrics(lab):
    return lab.box.machine.run(
        "curl", "-sS", "--unix-socket", lab.box.api_socket, "http://box/metrics").stdout


@pytest.mark.sanitized
class TestClear:
    def test_flows(self, lab, vip):
        one, _, _, _ = lab.connect(vip, 7000)
        with contextlib.closing(one):
            lab.ask_once(vip, 7000)
            assert len(lab.flows(vip, ("established", "udp"))) >= 2
            out = lab.box.sluice("clear", "flows", "vip", vip, "protocol", "tcp").stdout
            assert int(out.split()[0]) >= 1
            with pytest.raises(ConnectionResetError):
                while one.recv(100):
                    pass
        assert not lab.flows(vip, ("established", "syn"))
        assert lab.flows(vip, ("udp",))
        lab.box.sluice("clear", "flows", "all")
        assert not lab.flows(vip, ("udp", "established"))
        assert lab.connect_once(vip, 7000)[0]
        answer = lab.box.sluice("clear", "flows", check=False)
        assert answer.returncode == 2 and "A filter, or all" in answer.stderr

    def test_neighbours(self, lab, vip):
        node = LAN4.format(NODE_HOST + 1)
        lab.box.machine.run("ping", "-c1", "-W3", node)

        def known():
            rows = json.loads(lab.box.sluice("show", "neighbours", "interface", "lan", "--json").stdout)
            return {row["address"] for row in rows["neighbours"] if row["mac"]}
        assert node in known()
        out = lab.box.sluice("clear", "neighbours", "address", node).stdout
        assert out == "1 neighbours forgotten\n"
        lab.box.sluice("clear", "neighbours", "interface", "lan")
        assert pods(lab, vip) == {"web-1a", "web-2a"}  # who is needed is asked for anew
        answer = lab.box.sluice("clear", "neighbours", "interface", "nowhere", check=False)
        assert answer.returncode == 2 and "there is no nowhere" in answer.stderr

    def test_counters(self, lab, vip):
        with pytest.raises(ConnectionRefusedError):
            lab.connect(vip, 7999)
        assert lab.drops()["no_listener"] >= 1
        metrics = lab.box.sluice("show", "drops").stdout
        assert "counted since" not in metrics
        said = lab.box.sluice("clear", "counters").stdout
        since = re.search(r"are counted from (\S+Z) on", said).group(1)
        assert "no_listener" not in lab.drops()
        assert f"counted since {since}" in lab.box.sluice("show", "drops").stdout
        assert all(row["rx_packets"] < 1000 for row in lab.rows("ports"))
        with pytest.raises(ConnectionRefusedError):
            lab.connect(vip, 7999)
        assert lab.drops()["no_listener"] == 1
        lab.box.kill("sluice-dataplane")  # its counters begin at nothing: none are taken off
        lab.box.start("sluice-dataplane")
        lab.box.wait_answers()
        assert "counted since" not in lab.box.sluice("show", "drops").stdout


def on_the_box(lab, *words):
    """The console where the box's own network is."""
    return lab.box.machine.run(lab.box.program("sluice"), *words, check=False, timeout=30)


class TestReach:
    def test_ping(self, lab):
        assert "2 packets transmitted, 2 received" in on_the_box(lab, "ping", CLIENT, "count", "2").stdout
        answer = json.loads(on_the_box(lab, "ping", CLIENT, "count", "1", "--json").stdout)
        assert answer["reached"] and answer["host"] == CLIENT

    def test_nobody_is_there(self, lab):
        answer = on_the_box(lab, "ping", wan(250), "count", "1")
        assert answer.returncode == 1 and " 0 received" in answer.stdout

    def test_traceroute(self, lab):
        # From outside the box's network namespace, too, it is the box that asks.
        assert " 0% packet loss" in lab.box.sluice("ping", CLIENT, "count", "1").stdout
        answer = on_the_box(lab, "traceroute", CLIENT)
        assert answer.returncode == 0 and f" 1  {CLIENT} " in answer.stdout

    def test_wrong_words(self, lab):
        for words in (("ping", "--", "-f"), ("ping", "a;b"), ("ping", CLIENT, "count", "x"), ("ping",)):
            assert on_the_box(lab, *words).returncode == 2, words
