# SPDX-License-Identifier: BSD-3-Clause
"""VIPs announced by BGP to real routers: BIRD, and FRR, on the client's machine."""

import json
import re
import shutil
import signal

import pytest

import boxes
import harness
from router import Bird
from topology import CLIENT_HOST, run, wait_until

PORTS = [("echo", "TCP", 9000, 9000), ("http", "TCP", 8080, 8080), ("dgram", "UDP", 9000, 9000)]
POOL4, POOL6 = "203.0.113.0/28", "2001:db8:99::/124"
PASSWORD = "not a secret, is it?"


def with_bgp(number, wanted, **peer):
    policy = peer.pop("policy", {})
    wanted["pools"] = [{"name": "public", "addresses": [POOL4, POOL6], "interfaces": ["wan"]}]
    wanted["bgp"] = {
        "asn": 65001, "router_id": harness.wan(1 + number), "bfd_interval_ms": 50,
        "peers": [
            {"name": f"router{family}", "address": harness.wan(CLIENT_HOST, family), "asn": 65000, **peer}
            for family in (4, 6)
        ],
        "pools": [{"name": "public", **policy}],
    }


class Frr:
    """The router: FRR's zebra, bfdd and bgpd."""

    def __init__(self, lab, numbers=(1,), bfd=False, password="", graceful=False):
        self.machine, self.dir = lab.client, lab.net.dir / "frr"
        self.dir.mkdir()
        shutil.chown(self.dir, "frr", "frr")
        lines = ["frr defaults datacenter", "no zebra nexthop kernel enable", "router bgp 65000",
                 f" bgp router-id {harness.wan(CLIENT_HOST)}", " no bgp ebgp-requires-policy",
                 " bgp bestpath as-path multipath-relax", " timers bgp 3 9"]
        if graceful:
            lines += [" bgp graceful-restart", " bgp graceful-restart stalepath-time 60"]
        peers = [(number, family) for number in numbers for family in (4, 6)]
        for number, family in peers:
            address = harness.wan(number, family)
            lines += [f" neighbor {address} remote-as 65001", f" neighbor {address} timers connect 1"]
            lines += [f" neighbor {address} password {password}"] if password else []
            lines += [f" neighbor {address} bfd 3 50 50"] if bfd else []
        for family in (4, 6):
            lines.append(f" address-family ipv{family} unicast")
            for number, of in peers:
                lines.append(f"  {'' if of == family else 'no '}neighbor {harness.wan(number, of)} activate")
            lines.append(" exit-address-family")
        (self.dir / "frr.conf").write_text("\n".join(lines) + "\n")
        self.processes = []
        zserv = self.dir / "zserv.api"
        for name in ("zebra", "bfdd", "bgpd"):
            words = [f"/usr/lib/frr/{name}", "-f", self.dir / "frr.conf", "--vty_socket", self.dir, "-i",
                     self.dir / f"{name}.pid", "-z", zserv, "-P", "0"]
            words += ["--bfdctl", self.dir / "bfdd.sock"] if name == "bfdd" else []
            words += ["-p", "179"] if name == "bgpd" else []
            self.processes.append(lab.client.start(*words, log=self.dir / f"{name}.log"))
            wait_until((self.dir / f"{name}.vty").exists, f"{name}; see {self.dir}/{name}.log")

    def ask(self, *words):
        return run("vtysh", "--vty_socket", self.dir, "-c", " ".join(words)).stdout

    def bfd_up(self):
        peers = json.loads(self.ask("show", "bfd", "peers", "json"))
        return sum(peer["status"] == "up" for peer in peers)

    route = Bird.route

    def attributes(self, vip):
        family = "ipv6" if ":" in vip else "ipv4"
        return json.loads(self.ask("show", "bgp", family, "unicast", vip, "json"))

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=10)


ROUTERS = {"bird": lambda lab, *words, **options: Bird(lab.client, lab.net.dir, *words, **options), "frr": Frr}


@pytest.fixture
def make_bgp(make_lab):
    """A lab with one or two boxes and a router."""
    started = []

    def make(router="bird", count=1, **options):
        peer = options.pop("peer", {})
        lab = make_lab(start=False, pods=(1, 1))
        both = boxes.Boxes(lab, lambda number, wanted: with_bgp(number, wanted, **dict(peer)))
        if count == 1:
            both.boxes = both.boxes[:1]
        lab.router = ROUTERS[router](lab, range(1, count + 1), **options)
        both.start()
        lab.both = both
        started.append((lab, both))
        found = lab.apply_service("web", PORTS, families=(4, 6))
        lab.vips = sorted(set(found), key=lambda text: ":" in text)
        for vip in lab.vips:
            try:
                wait_until(lambda vip=vip: len(lab.router.route(vip)) == count, f"routes to {vip}", 20)
            except Exception:
                print(both[0].sluice("show", "bgp").stdout, both[0].sluice("show", "problems").stdout)
                raise
        # BFD comes up beside BGP; only what was up can be seen to go down.
        if options.get("bfd"):
            wait_until(lambda: lab.router.bfd_up() == 2 * count, "BFD", 20)
        return lab
    yield make
    for lab, both in started:
        lab.router.stop()
        both.stop()


def gone_within(lab, seconds=1.0):
    """How long the routes take to go."""
    since = harness.now()
    wait_until(lambda: not any(lab.router.route(vip) for vip in lab.vips), "routes withdrawn", 5, pause=0.005)
    took = harness.now() - since
    print(f"withdrawn after {took * 1000:.0f} ms")
    assert took < seconds


def wait_established(lab):
    rows = []

    def established():
        rows[:] = lab.box.show("bgp")["bgp"]
        return all(row["info"] == "Established" for row in rows)
    try:
        wait_until(established, "sessions", 20)
    finally:
        print(rows)


def works(lab):
    for vip in lab.vips:
        assert lab.connect_once(vip, 9000)


@pytest.mark.parametrize("router", ROUTERS)
class TestRouters:
    def test_routes_policy_and_withdrawal(self, make_bgp, router):
        """MD5, both families, communities, MED; a drain and a dead dataplane withdraw."""
        lab = make_bgp(router, bfd=True, password=PASSWORD.replace(" ", "") if router == "frr" else PASSWORD,
                       peer={"bfd": True, "password": PASSWORD.replace(" ", "") if router == "frr" else PASSWORD,
                             "policy": {"communities": ["65001:7", "65001:1:2"], "med": 42}})
        works(lab)
        if router == "bird":
            seen = lab.router.ask("show", "route", "all", "for", lab.vips[0])
            assert "(65001,7)" in seen and "(65001, 1, 2)" in seen and re.search(r"med: 42\b", seen)
        else:
            path = wait_until(lambda: lab.router.attributes(lab.vips[0]).get("paths"), "a path")[0]
            assert path["community"]["string"] == "65001:7" and path["metric"] == 42
            assert path["largeCommunity"]["string"] == "65001:1:2"
        wait_established(lab)
        assert {row["state"] for row in lab.rows("vips")} == {"owned"}

        lab.box.sluice("drain", "box")
        gone_within(lab)
        assert {row["state"] for row in lab.rows("vips")} == {"withdrawn"}
        lab.box.sluice("undrain", "box")
        wait_until(lambda: all(lab.router.route(vip) for vip in lab.vips), "routes again")

        lab.box.sluice("drain", "vip", lab.vips[0])
        wait_until(lambda: not lab.router.route(lab.vips[0]), "one withdrawn", 1)
        assert lab.router.route(lab.vips[1])
        lab.box.sluice("undrain", "vip", lab.vips[0])
        wait_until(lambda: all(lab.router.route(vip) for vip in lab.vips), "routes again")

        lab.box.kill("sluice-dataplane", signal.SIGKILL)
        gone_within(lab)
        lab.box.start("sluice-dataplane")
        wait_until(lambda: all(lab.router.route(vip) for vip in lab.vips), "routes again", 20)
        works(lab)

    def test_a_killed_bird_is_not_missed(self, make_bgp, router):
        """Graceful restart: the router keeps the routes, traffic goes on, BIRD is started again."""
        lab = make_bgp(router, graceful=True, peer={"graceful_restart": True})
        sock = lab.udp(lab.vips[0], timeout=2)
        before = boxes.processes(lab.box, "bird")
        boxes.send_signal(lab.box, signal.SIGKILL, "bird")
        for _ in range(300):
            lab.ask(sock, lab.vips[0], 9000)
            assert lab.router.route(lab.vips[0])
        sock.close()
        wait_until(lambda: boxes.processes(lab.box, "bird") not in ([], before), "BIRD again")
        wait_established(lab)
        works(lab)


class TestBoxes:
    def test_two_boxes_share_by_ecmp(self, make_bgp):
        lab = make_bgp("bird", count=2, bfd=True, peer={"bfd": True})
        hops = {4: [harness.wan(1), harness.wan(2)], 6: [harness.wan(1, 6), harness.wan(2, 6)]}
        assert lab.router.route(lab.vips[0]) == hops[4]
        assert lab.router.route(lab.vips[1]) == hops[6]
        works(lab)
        since = harness.now()
        lab.box.kill("sluice-dataplane", signal.SIGKILL)
        wait_until(lambda: lab.router.route(lab.vips[0]) == [harness.wan(2)], "the dead one left out", 5,
                   pause=0.005)
        took = harness.now() - since
        print(f"BFD: {took * 1000:.0f} ms")
        assert took < 1
        for _ in range(20):
            works(lab)


class TestControlPlane:
    def test_killed_it_is_not_missed_and_finds_bird_again(self, make_bgp):
        lab = make_bgp("bird", bfd=True, peer={"bfd": True})
        bird = boxes.processes(lab.box, "bird")
        lab.box.kill("sluice-controlplane", signal.SIGKILL)
        works(lab)
        assert boxes.processes(lab.box, "bird") == bird
        lab.box.start("sluice-controlplane")
        lab.box.wait_answers()
        lab.wait_in_force()
        assert boxes.processes(lab.box, "bird") == bird
        second = lab.apply_service("second", PORTS)[0]
        wait_until(lambda: lab.router.route(second), "a route to the second")
        assert all(lab.router.route(vip) for vip in lab.vips)
        # Both are dead: BIRD is told by the carrier, the router by BFD.
        lab.box.kill("sluice-controlplane", signal.SIGKILL)
        lab.box.kill("sluice-dataplane", signal.SIGKILL)
        gone_within(lab)

    def test_the_last_endpoint_gone(self, make_bgp):
        lab = make_bgp("bird", peer={"policy": {"withdraw_unready": True}})
        lab.apply_service("web", PORTS, families=(4, 6), wait=False,
                          conditions={pod.replace("-", "_"): {"ready": False} for pod in lab.pods})
        gone_within(lab)
        assert {row["reason"] for row in lab.rows("vips")} == {"no endpoint is ready"}
