# SPDX-License-Identifier: BSD-3-Clause
"""Pools, neighbours and the box's own routes, as the console shows them."""

import json
import re

import harness
import pytest
from test_ingress import SETTINGS, ingress, path, web_service
from topology import LAN4, LAN6, NODE_HOST, wait_until


def rows(lab, noun, *words):
    return json.loads(lab.box.sluice("show", noun, *words, "--json").stdout)[noun.replace("-", "_")]


class TestPools:
    def test_who_is_ready_and_what_came(self, make_lab):
        lab = make_lab(pods=(1, 1))
        vip = lab.apply_service("web", [("http", "TCP", 80, 8080)])[0]
        wait_until(lambda: lab.curl(harness.url(vip), check=False).returncode == 0, "an answer")
        pools = rows(lab, "pools", "service", "default/web")
        pool = next(row for row in pools if row["pool"].endswith(":tcp:80"))
        assert (pool["layer"], pool["algorithm"], pool["health"]) == (4, "maglev", "off")
        assert (pool["ready"], pool["draining"], pool["failing"]) == (2, 0, 0)
        assert pool["packets_in"] > 0
        assert rows(lab, "pools", "service", "nobody") == []
        assert "maglev" in lab.box.sluice("show", "pools").stdout
        # The table is asked for in brief, which has all that it shows.
        row = next(row for row in rows(lab, "endpoints") if row["bytes_in"])
        line = next(line for line in lab.box.sluice("show", "endpoints").stdout.splitlines()
                    if f" {row['address']}:8080 " in line)
        assert [row["name"], "1", "ready", "-", "0", str(row["flows_created"]), "0"] == line.split()[-11:-4]


class TestKernel:
    def test_neighbours_and_routes(self, make_lab):
        lab = make_lab(pods=(1, 1))
        for family, net in ((4, LAN4), (6, LAN6)):
            node = net.format(NODE_HOST + 1)
            lab.box.machine.run("ping", "-c1", "-W3", node)
            row = next(row for row in rows(lab, "neighbours", "interface", "lan") if row["address"] == node)
            mac = json.loads(lab.nodes[0].run("ip", "-j", "link", "show", "eth0").stdout)[0]["address"]
            assert row["mac"] == mac and row["interface"] == "lan"
            assert row["state"] in ("reachable", "stale", "delay", "probe")
            length = {4: 24, 6: 64}[family]
            link = f"{net.format('' if family == 6 else 0)}/{length}"
            routes = {row["prefix"]: row for row in rows(lab, "host-routes")}
            assert routes[link]["interface"] == "lan" and routes[link]["via"] is None
            assert routes[link]["origin"] == "kernel"
            assert node in {row["via"] for row in routes.values() if row["origin"] == "pods"}
        assert {row["interface"] for row in rows(lab, "neighbours", "interface", "wan")} <= {"wan"}
        lab.box.machine.ip(f"route add 203.0.113.0/24 metric 7 nexthop via {LAN4.format(NODE_HOST + 1)} "
                           f"nexthop via {LAN4.format(NODE_HOST + 2)}", "route add blackhole 203.0.112.0/24")
        many = [row for row in rows(lab, "host-routes") if row["prefix"] == "203.0.113.0/24"]
        assert {row["via"] for row in many} == {LAN4.format(NODE_HOST + 1), LAN4.format(NODE_HOST + 2)}
        assert {row["metric"] for row in many} == {7}
        hole = next(row for row in rows(lab, "host-routes") if row["prefix"] == "203.0.112.0/24")
        assert hole["origin"] == "rejected"
        shown = lab.box.sluice("show", "host-routes")
        assert "203.0.113.0/24" in shown.stdout and shown.stderr == ""


@pytest.fixture(scope="module")
def full(make_module_lab):
    """A bit of everything."""
    lab = make_module_lab(pods=(1, 1), settings=SETTINGS)
    vip = lab.apply_service("web", [("http", "TCP", 80, 8080), ("echo", "TCP", 7000, 9000)])[0]
    lab.apply("shop", *web_service(lab, "shop", ["web-1a"]), ingress("shop", {"shop.example": [path("/", "shop")]}))
    wait_until(lambda: lab.rows("routes"), "the route")
    lab.wait_in_force()
    lab.connect_once(vip, 7000)
    return lab


def test_every_noun_is_shown_as_a_table_and_as_json(full):
    """All that `help` has, so that none is forgotten here; rows have what the table has columns for."""
    nouns = re.findall(r"^  show (\S+) ", full.box.sluice("help").stdout, re.MULTILINE)
    assert len(nouns) >= 24 and {"status", "log", "host-routes", "vrrp", "history"} <= set(nouns)
    for noun in nouns:
        if noun == "upgrade":  # of an appliance's image
            continue
        assert full.box.sluice("show", noun).stdout.strip(), noun
        answer = json.loads(full.box.sluice("show", noun, "--json").stdout)
        rows = answer.get(noun.replace("-", "_"))
        if noun == "requests":
            assert rows["connections_accepted"] == 0
        elif noun in ("status", "version", "config"):
            assert len(answer) > 1, noun
        else:
            assert isinstance(rows, list), noun
            assert rows or noun in ("drops", "problems", "bgp", "vrrp"), noun


def test_status_counts_what_the_nouns_show(full):
    plan = full.box.show("status")["plan"]
    assert plan == {"vips": len(full.rows("vips")), "pools": len(full.rows("pools")), "routes": len(full.rows("routes")),
                    "endpoints": len(full.rows("endpoints")), "listeners": sum(len(row["ports"]) for row in full.rows("vips"))}


def test_what_a_directory_holds_is_counted(full):
    def counts():
        row, = rows(full, "clusters")
        return row["services"], row["ingresses"], row["nodes"], row["nodes_ready"]
    assert counts() == (2, 1, 2, 2)
    full.apply("more", harness.objects.service("more", [("echo", "TCP", 7001, 9000)]))
    wait_until(lambda: counts()[0] == 3, "one more")
    full.write("more", "metadata: [\n")  # spoilt: what it said before stays
    wait_until(lambda: full.rows("problems"), "the mistake")
    assert counts()[0] == 3
    full.remove("more")
    wait_until(lambda: counts()[0] == 2, "one less")
