# SPDX-License-Identifier: BSD-3-Clause
"""Pools, neighbours and the box's own routes, as the console shows them."""

import json

import harness
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
