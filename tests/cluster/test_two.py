# SPDX-License-Identifier: BSD-3-Clause
"""One host that two real clusters have: the older Ingress wins and the other is told, or they share it
as sluice.conf says."""

import http.client
import time

import pytest
from topology import wait_until

INGRESSES = "networking.k8s.io/v1"


def claim(world, cluster, name, replicas=1):
    cluster.deploy(name, replicas)
    cluster.ingress(name, [(f"{name}.test", "/", "Prefix", name)])
    wait_until(lambda: cluster.rolled(name), f"{cluster.name}'s pods", 60)
    return cluster.wait_address("ingresses", name)


def give_up(cluster, name):
    cluster.api.delete(f"{cluster.path('ingresses', INGRESSES)}/{name}")


def answering(world, address, name, asks=40):
    """How often each cluster's pods answered; None: somebody did not."""
    counts = {"a": 0, "b": 0}
    for _ in range(asks):
        try:
            status, said = world.ask(address, f"{name}.test")
        except (OSError, http.client.HTTPException):
            return None
        if status != 200:
            return None
        counts["a" if said["pod"] in world.a.pods(name) else "b"] += 1
    return counts


def events(cluster, name):
    uid = cluster.api.get(f"{cluster.path('ingresses', INGRESSES)}/{name}")["metadata"]["uid"]
    return [row["message"] for row in cluster.api.get(
        f"{cluster.path('events')}?fieldSelector=involvedObject.uid%3D{uid}")["items"]]


def test_a_host_that_both_claim(world):
    address = claim(world, world.a, "claimed")
    time.sleep(1.1)  # Kubernetes tells ages in seconds
    assert claim(world, world.b, "claimed") == address
    told = "is that of Ingress a/default/claimed, which is older"
    wait_until(lambda: [row for row in world.lab.rows("problems")
                        if row["object"] == "Ingress b/default/claimed" and told in row["text"]],
               "the problem", 60)
    wait_until(lambda: [text for text in events(world.b, "claimed") if told in text], "its Event", 60)
    assert not [text for text in events(world.a, "claimed") if "older" in text]
    assert answering(world, address, "claimed") == {"a": 40, "b": 0}
    give_up(world.a, "claimed")
    wait_until(lambda: answering(world, address, "claimed") == {"a": 0, "b": 40}, "b's turn", 60)
    give_up(world.b, "claimed")


@pytest.fixture
def pool_of_b(world):
    pools = world.lab.box.settings["pools"]
    pools.insert(0, {"name": "of-b", "addresses": ["192.0.2.242-192.0.2.243"], "clusters": ["b"]})
    world.set()
    yield ["192.0.2.242", "192.0.2.243"]
    for one in world.clusters:
        for name in ("pooled-1", "pooled-2"):
            one.forget(name)
    pools.pop(0)
    world.set()


def test_a_pool_of_one_cluster(world, pool_of_b):
    """The other has addresses elsewhere, also when it asks for one of these."""
    for name in ("pooled-1", "pooled-2"):
        for one in world.clusters:
            one.service(name)
    given = {one.name: sorted(one.wait_address("services", name) for name in ("pooled-1", "pooled-2"))
             for one in world.clusters}
    assert given["b"] == pool_of_b and not set(given["a"]) & set(pool_of_b), given
    world.b.forget("pooled-2")
    world.a.service("asks", loadBalancerIP=pool_of_b[1])
    uid = world.a.api.get(f"{world.a.path('services')}/asks")["metadata"]["uid"]
    wait_until(lambda: [row for row in world.a.api.get(
        f"{world.a.path('events')}?fieldSelector=involvedObject.uid%3D{uid}")["items"]
        if pool_of_b[1] in row["message"]], "its Event", 60)
    assert not world.a.addresses("services", "asks")
    world.a.forget("asks")


@pytest.fixture
def together(world):
    """Its name, which both serve: a three times as much as b."""
    settings = world.lab.box.settings
    settings["shares"] = [{"service": "default/together", "clusters": [
        {"name": "a", "weight": 3}, {"name": "b", "weight": 1}]}]
    world.set()
    yield "together"
    for one in world.clusters:
        give_up(one, "together")
        one.forget("together")
    del settings["shares"]
    world.set()


def test_a_host_that_both_share(world, together):
    address = claim(world, world.a, together, 1)
    assert claim(world, world.b, together, 2) == address
    wait_until(lambda: all((answering(world, address, together) or {"": 0}).values()), "both", 60)
    counts = answering(world, address, together, 300)
    assert 188 <= counts["a"] <= 262, counts  # by the cluster, however many pods it has
    with world.traffic(address, f"{together}.test") as traffic:
        world.a.agent.say_unready(sorted(world.a.pods(together))[0])
        wait_until(lambda: answering(world, address, together, 20) == {"a": 0, "b": 20}, "b alone", 60)
        traffic.wait_more()
    assert not traffic.failed, traffic.failed[:3]
    world.a.roll(together)
    wait_until(lambda: all((answering(world, address, together) or {"": 0}).values()), "both again", 60)
    assert not [row for row in world.lab.rows("problems") if row["object"].startswith("Ingress ")
                and together in row["object"] and row["level"] == "error"]
