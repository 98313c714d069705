# SPDX-License-Identifier: BSD-3-Clause
"""What 1.20 has behind gates and every later Kubernetes has: Services of both families, without node
ports, of two protocols, and pods that are told to be ending while they serve."""

import pytest
from test_fields import events
from test_life import serve, wait_pods
from test_truth import check_drains, endpoints, problems
from topology import wait_until

BOTH = ["IPv4", "IPv6"]


@pytest.fixture(scope="module")
def pods(world):
    world.a.deploy("pods", 3)
    wait_until(lambda: world.a.rolled("pods"), "three pods", 60)
    yield
    world.a.scale("pods", 0)
    world.a.forget("pods")


@pytest.fixture
def a(world, pods):
    """The cluster, where a Service of ours comes before those pods."""
    yield world.a
    world.a.forget("gated")


def spec_of(a, name):
    return a.api.get(f"{a.path('services')}/{name}")["spec"]


def serves(world, address):
    """The pods behind the address, all of them and no others."""
    world.wait_served(address, "pods")
    wait_pods(world, world.a, "pods", address)
    return True


def refused(world, address):
    try:
        world.ask(address, timeout=1)
    except OSError:
        return True
    return False


def addresses(a, name, count):
    """v4 first."""
    found = wait_until(lambda: len(a.addresses("services", name)) == count
                       and a.addresses("services", name), f"{count} addresses", 60)
    return sorted(found, key=lambda address: ":" in address)


def test_a_service_of_both_families(world, a):
    a.service("gated", selector="pods", ipFamilyPolicy="RequireDualStack")
    spec = spec_of(a, "gated")
    assert spec["ipFamilies"] == BOTH and len(spec["clusterIPs"]) == 2
    v4, v6 = addresses(a, "gated", 2)
    assert v4.startswith("192.0.2.") and v6.startswith("2001:db8:1:")
    assert serves(world, v4) and serves(world, v6)
    a.scale("pods", 4)
    wait_until(lambda: a.rolled("pods"), "four pods", 60)
    assert serves(world, v4) and serves(world, v6)
    # Of one family again: the other's address goes, and the first stays.
    a.api.patch(f"{a.path('services')}/gated", {"spec": {
        "ipFamilyPolicy": "SingleStack", "ipFamilies": BOTH[:1], "clusterIPs": spec["clusterIPs"][:1]}})
    assert addresses(a, "gated", 1) == [v4]
    wait_until(lambda: refused(world, v6), "the other family's address gone", 60)
    assert serves(world, v4)
    a.api.patch(f"{a.path('services')}/gated", {"spec": {
        "ipFamilyPolicy": "PreferDualStack", "ipFamilies": BOTH}})
    v4_now, v6 = addresses(a, "gated", 2)
    assert v4_now == v4 and serves(world, v6)


def test_a_service_of_the_other_family(world, a):
    a.service("gated", selector="pods", ipFamilyPolicy="SingleStack", ipFamilies=BOTH[1:])
    address, = addresses(a, "gated", 1)
    assert ":" in address and serves(world, address)


def test_a_service_without_node_ports(world, a):
    a.service("gated", selector="pods", allocateLoadBalancerNodePorts=False)
    assert not [port for port in spec_of(a, "gated")["ports"] if port.get("nodePort")]
    address, = addresses(a, "gated", 1)
    assert serves(world, address)
    # Where nodes are asked instead of pods, it cannot be served, and is told so.
    clusters = world.lab.box.settings["clusters"]
    clusters.append({"name": "a", "endpoints": "nodeport"})
    world.lab.box.write_settings()
    try:
        wait_until(lambda: [text for text in events(a, "gated")
                            if "allocateLoadBalancerNodePorts is false" in text], "its Event", 60)
    finally:
        clusters.pop()
        world.lab.box.write_settings()
    assert serves(world, address)
    assert a.addresses("services", "gated") == [address]


def test_a_service_of_two_protocols(world, a):
    a.service("gated", selector="pods", ports=[
        {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080},
        {"name": "dgram", "protocol": "UDP", "port": 80, "targetPort": 8080}])
    address, = addresses(a, "gated", 1)
    assert serves(world, address)

    def answering():
        found = set()
        for _ in range(60):
            with world.lab.udp(address) as sock:
                sock.sendto(b"who?", (address, 80))
                found.add(sock.recv(2048).decode())
        return found
    assert answering() == a.pods("pods")
    # One of them alone goes.
    a.api.patch(f"{a.path('services')}/gated", {"spec": {"ports": [
        {"name": "dgram", "protocol": "UDP", "port": 80, "targetPort": 8080}]}})
    wait_until(lambda: refused(world, address), "TCP gone", 60)
    assert answering() == a.pods("pods")


def test_a_pod_that_ends_is_drained(world):
    """As v1beta1 says it: serving, and terminating."""
    address = serve(world, world.a, "ending", 2)
    assert set(endpoints(world, "a", "ending").values()) == {"ready"}
    with world.traffic(address) as traffic:
        check_drains(world, world.a, "ending", address)
    assert not traffic.failed, traffic.failed[:3]
    assert not problems(world, "a")
