# SPDX-License-Identifier: BSD-3-Clause
"""Nodes in the place of pods, on a real cluster with kube-proxy's part played on its nodes; and what
`cluster check` says of nodes that are not as they should be."""

import contextlib
import json

import pytest
from node_ports import NodePorts
from test_life import serve, wait_pods
from test_truth import endpoints, row_of
from topology import BOX_HOST, LAN4, POD4, cable, wait_until

BOTH = {"node-1", "node-2"}


@pytest.fixture
def proxy(world):
    """kube-proxy on the nodes of cluster a."""
    with NodePorts(world.a.agent) as proxy:
        # Connections that go on are to be seen to go on.
        world.a.agent.grace_s = 5
        yield proxy
        world.a.agent.grace_s = 1.0


def wait_mode(world, mode):
    wait_until(lambda: row_of(world, "a")["endpoints"] == mode, f"endpoint mode {mode}", 60)


@pytest.fixture
def by_node(world, proxy):
    """proxy; and sluice.conf says that cluster a is reached by it. Probes are quick."""
    settings = world.lab.box.settings
    mode, health = {"name": "a", "endpoints": "nodeport"}, settings.get("health")
    settings["clusters"].append(mode)
    settings["health"] = {"interval_ms": 500, "timeout_ms": 400}
    world.lab.box.write_settings()
    wait_mode(world, "nodeport")
    yield proxy
    settings["clusters"].remove(mode)
    del settings["health"]
    if health:
        settings["health"] = health
    world.lab.box.write_settings()
    wait_mode(world, "pod")


@pytest.fixture
def a(world):
    """The cluster; what the test deploys is gone after it."""
    yield world.a
    for name in ("ported", "near"):
        world.a.forget(name)
        with contextlib.suppress(Exception):
            world.a.api.delete(f"{world.a.path('deployments', 'apps/v1')}/{name}")


def settled(world, a, name, address, nodes):
    """Rolled out, those nodes and no others in use, and all pods behind them."""
    wait_until(lambda: a.rolled(name), f"{name} rolled out", 60)
    wait_until(lambda: endpoints(world, "a", name) == dict.fromkeys(nodes, "ready"), f"{nodes}", 60)
    wait_pods(world, a, name, address)


def test_every_node_answers_for_every_pod(world, by_node, a):
    address = serve(world, a, "ported", 2)
    settled(world, a, "ported", address, BOTH)
    with world.traffic(address) as traffic:
        a.scale("ported", 5)
        settled(world, a, "ported", address, BOTH)
        before = a.pods("ported")
        a.roll("ported")
        wait_until(lambda: not before & a.pods("ported"), "all replaced", 60)
        settled(world, a, "ported", address, BOTH)
        a.scale("ported", 1)
        settled(world, a, "ported", address, BOTH)
        traffic.wait_more()
    assert not traffic.failed, f"{len(traffic.failed)} of {traffic.count}: {traffic.failed[:3]}"


def place(a, name, **spec):
    """Its pods go where that says."""
    empty = {"nodeSelector": None, "topologySpreadConstraints": None}
    a.api.patch(f"{a.path('deployments', 'apps/v1')}/{name}",
                {"spec": {"template": {"spec": {**empty, **spec}}}})


def on(node):
    return {"nodeSelector": {"kubernetes.io/hostname": node}}


def evenly(name):
    return {"topologySpreadConstraints": [{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": name}}}]}


def taken_while(world, proxy, traffic, number, requests=60):
    """node -> how many connections came to that NodePort of it meanwhile."""
    proxy.wait_round()
    before = {node: proxy.taken(node, number) for node in BOTH}
    traffic.wait_more(requests)
    return {node: proxy.taken(node, number) - before[node] for node in BOTH}


def test_a_node_without_a_pod_of_its_own_gets_nothing(world, by_node, a):
    """externalTrafficPolicy Local: pods move from node to node under traffic, and none is lost."""
    a.deploy("near", 0, kind="ClusterIP")
    a.forget("near")
    place(a, "near", **evenly("near"))
    a.scale("near", 4)
    a.service("near", externalTrafficPolicy="Local")
    spec = a.api.get(f"{a.path('services')}/near")["spec"]
    number = spec["ports"][0]["nodePort"]
    assert spec["healthCheckNodePort"]
    address = a.wait_address("services", "near")
    world.wait_served(address, "near")
    settled(world, a, "near", address, BOTH)
    with world.traffic(address) as traffic:
        taken = taken_while(world, by_node, traffic, number)
        assert min(taken.values()) > 0, taken
        for node, other in (("node-1", "node-2"), ("node-2", "node-1")):
            place(a, "near", **on(node))
            settled(world, a, "near", address, {node})
            taken = taken_while(world, by_node, traffic, number)
            assert taken[other] == 0 and taken[node] >= 60, taken
        place(a, "near", **evenly("near"))
        wait_until(lambda: a.rolled("near"), "rolled out", 60)
        wait_pods(world, a, "near", address)
    assert not traffic.failed, f"{len(traffic.failed)} of {traffic.count}: {traffic.failed[:3]}"


def test_a_node_that_says_no_at_its_health_port(world, by_node, a):
    """It goes on answering for a while, as kube-proxy does that is about to end, and gets nothing
    new."""
    a.deploy("near", 0, kind="ClusterIP")
    a.forget("near")
    place(a, "near", **evenly("near"))
    a.scale("near", 2)
    a.service("near", externalTrafficPolicy="Local")
    number = a.api.get(f"{a.path('services')}/near")["spec"]["ports"][0]["nodePort"]
    address = a.wait_address("services", "near")
    settled(world, a, "near", address, BOTH)
    with world.traffic(address) as traffic:
        by_node.sick.add("node-1")
        wait_until(lambda: endpoints(world, "a", "near")
                   == {"node-1": "draining", "node-2": "ready"}, "node-1 left out", 60)
        wait_until(world.lab.box.in_force, "in force", 60)
        taken = taken_while(world, by_node, traffic, number)
        assert taken["node-1"] == 0 and taken["node-2"] >= 60, taken
        by_node.sick.clear()
        settled(world, a, "near", address, BOTH)
        wait_until(world.lab.box.in_force, "in force", 60)
        taken = taken_while(world, by_node, traffic, number)
        assert min(taken.values()) > 0, taken
    assert not traffic.failed, f"{len(traffic.failed)} of {traffic.count}: {traffic.failed[:3]}"


# What `cluster check` says.

def checks(world, name):
    rows = json.loads(world.lab.box.sluice("cluster", "check", name, "--json").stdout)["checks"]
    return {row["what"]: row for row in rows}


@contextlib.contextmanager
def dropping(node, what):
    """The node drops it before anybody sees it."""
    node.run("nft", "add table inet closed; add chain inet closed way { type filter hook prerouting "
             f"priority -300; }}; add rule inet closed way {what} drop")
    try:
        yield
    finally:
        node.run("nft", "delete", "table", "inet", "closed")


def test_a_node_whose_node_ports_are_closed_is_told(world, by_node, a):
    address = serve(world, a, "ported", 2)
    settled(world, a, "ported", address, BOTH)
    by_node.wait_round()
    rows = checks(world, "a")
    assert rows["endpoint mode"]["found"] == "nodeport: sluice.conf says so"
    for node in BOTH:
        row = rows[f"node {node} NodePort"]
        assert row["result"] == "ok" and row["found"].endswith("answers"), rows
    by_node.off.add("node-2")
    by_node.wait_round()
    rows = checks(world, "a")
    row = rows["node node-2 NodePort"]
    assert row["result"] == "failed" and "refuses: it is closed" in row["found"], row
    assert "kube-proxy" in row["mend"]
    assert rows["node node-1 NodePort"]["result"] == "ok"
    by_node.off.clear()
    with dropping(world.lab.nodes[0], "tcp dport 30000-32767"):
        by_node.wait_round()
        rows = checks(world, "a")
    row = rows["node node-1 NodePort"]
    assert row["result"] == "failed" and "no answer" in row["found"], row
    assert "firewall" in row["mend"]
    assert rows["node node-2 NodePort"]["result"] == "ok"
    assert not [what for what in rows if what.endswith(" pods")], rows


@contextlib.contextmanager
def management_port(world, address):
    """Another cable from the box, that the kernel has, and by which it goes to that address."""
    net = world.lab.net
    cable(net.switch, "box-mgmt", net.box, "mgmt0")
    net.switch.ip("link set box-mgmt master lan up")
    own = LAN4.format(200)
    net.box.ip("link set mgmt0 up", f"addr add {own}/32 dev mgmt0",
               f"route add {address}/32 dev mgmt0 src {own}")
    try:
        yield own
    finally:
        net.switch.ip("link delete box-mgmt")


def test_a_node_that_only_the_management_reaches_is_told(world, by_node, a):
    """It answers, but not to the dataplane."""
    address = serve(world, a, "ported", 2)
    settled(world, a, "ported", address, BOTH)
    by_node.wait_round()
    node = world.lab.net.node_address(2)[0]
    with management_port(world, node) as own:
        rows = checks(world, "a")
    row = rows["node node-2 NodePort"]
    assert row["result"] == "failed" and f"answers, asked from {own}" in row["found"], row
    assert "give a port of the dataplane an address" in row["mend"]
    assert rows["node node-1 NodePort"]["result"] == "ok"
    settled(world, a, "ported", address, BOTH)


def test_a_node_whose_pods_are_not_reached_is_told(world, proxy, a):
    address = serve(world, a, "ported", 1)
    for node in sorted(BOTH):  # one on each, whatever else there is
        place(a, "ported", **on(node))
        wait_until(lambda: a.rolled("ported"), "rolled out", 60)
        wait_pods(world, a, "ported", address)
        rows = checks(world, "a")
        assert rows[f"node {node} pods"]["result"] == "ok", rows
    # kube-proxy's way to them, from its own node or the other, is another.
    way = f"ip saddr {LAN4.format(BOX_HOST)} ip daddr {POD4.format(2, 0)}/24"
    with dropping(world.lab.nodes[1], way):
        proxy.wait_round()
        rows = checks(world, "a")
    row = rows["node node-2 pods"]
    assert row["result"] == "failed" and "no answer in 2 s" in row["found"], row
    assert "firewall" in row["mend"]
    assert 'endpoints = "nodeport"' in rows.get("the other mode", {"mend": rows})["mend"]


def test_what_auto_chose_and_why(world, proxy, a):
    """A node without spec.podCIDRs: all of its cluster are asked at NodePorts, the other is not."""
    address = serve(world, a, "ported", 2)
    assert checks(world, "a")["endpoint mode"]["found"] == \
        "auto chose pod: no node of 2 is without spec.podCIDRs"
    bare = "/api/v1/nodes/bare"
    a.api.create("/api/v1/nodes", {"metadata": {"name": "bare"}, "spec": {"unschedulable": True}})
    try:
        a.api.patch(f"{bare}/status", {"status": {
            "conditions": [{"type": "Ready", "status": "True", "reason": "tests"}],
            "addresses": [{"type": "InternalIP", "address": LAN4.format(250)}]}})
        wait_mode(world, "nodeport")
        rows = checks(world, "a")
        assert rows["endpoint mode"]["found"] == \
            "auto chose nodeport: 1 of 3 nodes without spec.podCIDRs, the first is bare"
        assert "spec.podCIDRs" in rows["endpoint mode"]["mend"]
        row = rows["node bare NodePort"]  # nobody is there
        assert row["result"] == "failed" and ("no route" in row["found"] or "no answer" in row["found"])
        assert rows["node node-1 NodePort"]["result"] == rows["node node-2 NodePort"]["result"] == "ok"
        assert checks(world, "b")["endpoint mode"]["found"] == \
            "auto chose pod: no node of 1 is without spec.podCIDRs"
        world.wait_served(address, "ported")
    finally:
        a.api.delete(bare)
    wait_mode(world, "pod")
    wait_pods(world, a, "ported", address)
