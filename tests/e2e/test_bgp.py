# SPDX-License-Identifier: BSD-3-Clause
"""VIPs announced by BGP to real routers: BIRD, and FRR, on the client's machine."""

import os
import re
import shutil
import signal

import pytest

import boxes
import harness
from routers import ROUTERS
from test_metrics import fetch, samples
from topology import CLIENT_HOST, wait_until

PORTS = [("echo", "TCP", 9000, 9000), ("http", "TCP", 8080, 8080), ("dgram", "UDP", 9000, 9000)]
POOL4, POOL6 = "203.0.113.0/28", "2001:db8:99::/124"
PASSWORD = "not a secret, is it?"
PEERS = {4: "router", 6: "bgp"}  # words of BIRD's own language


def with_bgp(number, wanted, change=None, **peer):
    policy = peer.pop("policy", {})
    wanted["pools"] = [{"name": "public", "addresses": [POOL4, POOL6], "interfaces": ["wan"]}]
    wanted["bgp"] = {
        "asn": 65001, "router_id": harness.wan(1 + number), "bfd_interval_ms": 100,
        "peers": [
            {"name": PEERS[family], "address": harness.wan(CLIENT_HOST, family), "asn": 65000, **peer}
            for family in (4, 6)
        ],
        "pools": [{"name": "public", **policy}],
    }
    if change:
        change(wanted)


@pytest.fixture
def make_bgp(make_lab):
    """A lab with one or two boxes and a router."""
    started = []

    def make(router="bird", count=1, **options):
        peer, change = options.pop("peer", {}), options.pop("change", None)
        families = options.pop("families", (4, 6))  # that the router is to hear of
        lab = make_lab(start=False, pods=(1, 1))
        both = boxes.Boxes(lab, lambda number, wanted: with_bgp(number, wanted, change, **dict(peer)))
        if count == 1:
            both.boxes = both.boxes[:1]
        lab.router = ROUTERS[router](lab.client, lab.net.dir, range(1, count + 1), **options)
        both.start()
        lab.both = both
        started.append((lab, both))
        found = lab.apply_service("web", PORTS, families=(4, 6))
        lab.vips = sorted(set(found), key=lambda text: ":" in text)
        for vip in (vip for vip in lab.vips if (6 if ":" in vip else 4) in families):
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


@pytest.fixture
def fussy_bird(tmp_path, monkeypatch):
    """A `bird` on the PATH whose `bird -p` refuses what it is asked while the file given here is there."""
    refuse, program = tmp_path / "refuse", tmp_path / "programs" / "bird"
    program.parent.mkdir()
    program.write_text(f"""#!/bin/bash
if [ "$1" = -p ] && [ -e {refuse} ]; then
	echo "bird: bird.conf:7:1 no"
	exit 1
fi
exec -a bird {shutil.which("bird")} "$@"
""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return refuse


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


def found(lab, vip):
    """Does somebody answer for the address on the wire?"""
    return lab.client.run("arping", "-c", "1", "-w", "1", "-I", "eth0", vip, check=False).returncode == 0


def addresses_of(box):
    """Of its port to the router."""
    return re.findall(r"inet6? ([^/ ]+)/", box.machine.run("ip", "addr", "show", "wan").stdout)


def since_s(lab):
    """{peer: second of the day since which its session is as it is}; BIRD's milliseconds vary."""
    return {row["peer"]: sum(60 ** (2 - i) * float(part) for i, part in enumerate(row["since"].split(":")))
            for row in lab.rows("bgp")}


def traffic(lab):
    return lab.box.show("status")["traffic"]


def told(lab):
    """{peer: is its session up, by /metrics}"""
    rows = samples(fetch(lab))
    return {dict(pairs)["peer"]: number for (name, pairs), number in rows.items() if name == "sluice_bgp_peer_up"}


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
        assert wait_until(lambda: lab.router.policy(f"{lab.vips[0]}/32"), "attributes") == ("65001:7", "65001:1:2", 42)
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

    def test_each_pool_has_its_policy(self, make_bgp, router):
        """Attributes, which peers are told, one route for a whole pool, and the wire beside BGP; a pool that BGP does
        not know is the wire's alone."""
        def change(wanted):
            for name, net in (("gold", 112), ("whole", 111), ("near", 110)):
                wanted["pools"].append({"name": name, "addresses": [f"203.0.{net}.0/29", f"2001:db8:{net}::/125"],
                                        "interfaces": ["wan"], "auto_assign": False})
            wanted["bgp"]["pools"] = [
                {"name": "public", "communities": ["65001:1"], "med": 10},
                {"name": "gold", "communities": ["65001:2", "65001:3"], "med": 20, "l2": True, "peers": [PEERS[4]]},
                {"name": "whole", "aggregate": True},
            ]
        lab = make_bgp(router, change=change)
        wait_established(lab)
        since = since_s(lab)
        vips = {pool: lab.apply_service(pool, PORTS, families=(4, 6), annotations={"metallb.io/address-pool": pool})
                for pool in ("gold", "whole", "near")}
        for prefix in ("203.0.111.0/29", "2001:db8:111::/125", f"{vips['gold'][0]}/32"):
            wait_until(lambda prefix=prefix: lab.router.route(prefix), f"a route to {prefix}")
        assert [lab.router.policy(f"{vip}/{length}") for vip, length in zip(lab.vips, (32, 128))] == [
            ("65001:1", "", 10)] * 2
        assert lab.router.policy(f"{vips['gold'][0]}/32") == ("65001:2 65001:3", "", 20)
        assert lab.router.policy("203.0.111.0/29")[0] == ""
        for absent in (vips["gold"][1], *vips["whole"], *vips["near"]):
            assert not lab.router.route(absent), absent
        on_wire = {pool: found(lab, vips[pool][0]) for pool in vips}
        assert on_wire == {"gold": True, "whole": False, "near": True} and not found(lab, lab.vips[0])
        rows = {row["address"]: row for row in lab.rows("vips")}
        assert rows[vips["gold"][0]]["reason"] == "answered on wan, BGP: 1 of 1 peers up"
        assert rows[vips["near"][0]]["reason"] == "answered on wan"

        def told():
            return {row["peer"]: row["routes"] for row in lab.rows("bgp")}
        wait_until(lambda: told() == {PEERS[4]: 3, PEERS[6]: 2}, "the numbers of routes")
        assert since_s(lab) == pytest.approx(since, abs=0.1)  # no session was lost for it

    def test_a_router_of_the_same_system(self, make_bgp, router):
        """iBGP, which may come from further away: it is told of the local preference."""
        def change(wanted):
            wanted["bgp"]["asn"] = 65000
        lab = make_bgp(router, asn=65000, change=change, peer={"multihop": 2, "policy": {"local_pref": 170, "med": 5}})
        works(lab)
        for vip, length in zip(lab.vips, (32, 128)):
            assert lab.router.local_pref(f"{vip}/{length}") == 170
            assert lab.router.policy(f"{vip}/{length}") == ("", "", 5)

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
    @pytest.mark.parametrize("router", ROUTERS)
    def test_two_boxes_share_by_ecmp(self, make_bgp, router):
        lab = make_bgp(router, count=2, bfd=True, peer={"bfd": True})
        addresses = [addresses_of(box) for box in lab.both]

        def ways(vip):
            """Which box each next hop is; FRR goes by link-local addresses."""
            return sorted(number for hop in lab.router.route(vip) for number, own in enumerate(addresses) if hop in own)
        wait_until(lambda: all(ways(vip) == [0, 1] for vip in lab.vips), "both boxes as ways")
        works(lab)
        since = harness.now()
        lab.box.kill("sluice-dataplane", signal.SIGKILL)
        wait_until(lambda: all(len(lab.router.route(vip)) == 1 for vip in lab.vips), "the dead one left out", 5,
                   pause=0.005)
        took = harness.now() - since
        print(f"BFD: {took * 1000:.0f} ms")
        assert took < 1
        wait_until(lambda: all(ways(vip) == [1] for vip in lab.vips), "the other one alone")
        for _ in range(20):
            works(lab)


class TestNobodyHears:
    def test_sessions_that_are_down_are_told_of(self, make_bgp):
        """Nobody finds a VIP that no router knows: that is what `show status` says first."""
        lab = make_bgp("bird", bfd=True, peer={"bfd": True})
        wait_established(lab)
        wait_until(lambda: all(row["bfd_up"] for row in lab.rows("bgp")), "BFD as the box sees it")
        wait_until(lambda: traffic(lab)["state"] == "flows" and not lab.rows("problems"), "all is well")
        text = lab.box.sluice("show", "bgp").stdout
        assert re.search(r"^router .* up +1 +up .*Established$", text, re.MULTILINE), text
        assert traffic(lab)["state"] == "flows" and not lab.rows("problems")
        assert told(lab) == {peer: 1 for peer in PEERS.values()}

        lab.router.ask("disable", "box1_4")
        wait_until(lambda: told(lab) == {PEERS[4]: 0, PEERS[6]: 1}, "the one that is down")
        assert traffic(lab)["state"] == "partly" and traffic(lab)["next"] == ["show bgp"]
        assert traffic(lab)["text"] == "no router is told of 1 of 2 VIPs: BGP: 0 of 1 peers up"
        problem, = lab.rows("problems")
        assert problem["object"] == f"BGP peer {PEERS[4]}" and "the session with 192.0.2.10 is not up" in problem["text"]

        lab.router.ask("disable", "box1_6")
        wait_until(lambda: traffic(lab)["state"] == "none", "nobody is told")
        assert "traffic        DOES NOT FLOW: no router is told of 2 of 2 VIPs" in lab.box.sluice("show", "status").stdout
        assert len(lab.rows("problems")) == 2
        lab.router.ask("enable", "all")
        wait_until(lambda: not lab.rows("problems") and traffic(lab)["state"] == "flows", "all is well", 20)

    def test_no_peer_of_that_family_and_no_bfd_there(self, make_bgp):
        def change(wanted):
            wanted["bgp"]["peers"] = [peer for peer in wanted["bgp"]["peers"] if peer["name"] == PEERS[4]]
        lab = make_bgp("bird", families=(4,), change=change, peer={"bfd": True})
        rows = {row["address"]: row["reason"] for row in lab.rows("vips")}
        assert rows[lab.vips[1]] == "BGP: none of its peers has an IPv6 address"
        wait_until(lambda: traffic(lab)["state"] == "partly", "the other family flows")
        assert [row["text"] for row in lab.rows("problems")] == [
            "no BFD with 192.0.2.10: a box that dies is found by the hold time alone"]


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

    def test_what_bird_refuses_is_not_used(self, make_bgp, fussy_bird):
        """`bird -p` is asked first: the sessions, the routes and the file stay as they were, and it is told."""
        lab = make_bgp("bird")
        wait_established(lab)
        since, peers = since_s(lab), lab.box.settings["bgp"]["peers"]
        conf = lab.net.dir / "run" / "bird.conf"
        before = conf.read_text()
        fussy_bird.touch()
        lab.box.settings["bgp"]["peers"] = [*peers, {"name": "near", "address": harness.wan(99), "asn": 65000}]
        lab.box.write_settings()
        wait_until(lambda: "`bird -p` refuses the configuration, the old one stays: bird: bird.conf:7:1 no"
                   in str(lab.rows("problems")), "the problem")
        third = lab.apply_service("third", PORTS)[0]
        assert conf.read_text() == before
        assert all(lab.router.route(vip) for vip in lab.vips) and not lab.router.route(third)
        fussy_bird.unlink()
        lab.box.settings["bgp"]["peers"] = peers
        lab.box.write_settings()
        wait_until(lambda: lab.router.route(third), "a route to the third")
        wait_until(lambda: not lab.rows("problems"), "no problem")
        assert since_s(lab) == pytest.approx(since, abs=0.1)

    def test_a_peer_that_bird_would_refuse_is_refused_before(self, make_bgp):
        """Of a link-local address BIRD would have to know the link: the file is told of as with any mistake."""
        lab = make_bgp("bird")
        conf = lab.net.dir / "run" / "bird.conf"
        before, peers = conf.read_text(), lab.box.settings["bgp"]["peers"]
        lab.box.settings["bgp"]["peers"] = [*peers, {"name": "near", "address": "fe80::1", "asn": 65000}]
        lab.box.write_settings()
        wait_until(lambda: "bgp.peers[2].address: found fe80::1" in str(lab.rows("problems")), "the problem")
        assert "bird -p" not in str(lab.rows("problems")) and conf.read_text() == before
        lab.box.settings["bgp"]["peers"] = peers
        lab.box.write_settings()
        wait_until(lambda: not lab.rows("problems"), "no problem")

    def test_the_last_endpoint_gone(self, make_bgp):
        lab = make_bgp("bird", peer={"policy": {"withdraw_unready": True}})
        lab.apply_service("web", PORTS, families=(4, 6), wait=False,
                          conditions={pod.replace("-", "_"): {"ready": False} for pod in lab.pods})
        gone_within(lab)
        assert {row["reason"] for row in lab.rows("vips")} == {"no endpoint is ready"}
