# SPDX-License-Identifier: BSD-3-Clause
"""What a Service may ask for, asked of a real cluster: which address it has, who may come, where one
client goes; and a pool that is used up."""

import pytest
from test_life import restart, serve, wait_pods
from topology import wait_until

POOL = "metallb.io/address-pool"


@pytest.fixture
def tiny(world):
    """A pool of two addresses, for those who ask for it."""
    pools = world.lab.box.settings["pools"]
    pools.append({"name": "tiny", "addresses": ["192.0.2.240-192.0.2.241"], "auto_assign": False})
    world.set()
    yield "192.0.2.240", "192.0.2.241"
    for name in ("asking", "first", "second", "third"):
        world.a.forget(name)
    pools.pop()
    world.set()


def events(cluster, name):
    uid = cluster.api.get(f"{cluster.path('services')}/{name}")["metadata"]["uid"]
    return [row["message"] for row in cluster.api.get(
        f"{cluster.path('events')}?fieldSelector=involvedObject.uid%3D{uid}")["items"]]


def test_a_pool_that_is_used_up(world, tiny):
    """By Event; what is given stays, over a restart, and who waits gets what becomes free."""
    a = world.a
    for name in ("first", "second", "third"):
        a.service(name, annotations={POOL: "tiny"})
        if name != "third":
            a.wait_address("services", name, 60)
    given = {name: a.addresses("services", name) for name in ("first", "second")}
    assert sorted(sum(given.values(), [])) == list(tiny)
    wait_until(lambda: [text for text in events(a, "third") if "pool tiny" in text], "its Event", 60)
    restart(world)
    assert {name: a.addresses("services", name) for name in given} == given
    assert not a.addresses("services", "third")
    a.forget("first")
    assert a.wait_address("services", "third", 60) == given["first"][0]
    assert a.addresses("services", "second") == given["second"]


@pytest.mark.parametrize("asked", [
    {"loadBalancerIP": "192.0.2.241"},
    {"annotations": {"metallb.io/loadBalancerIPs": "192.0.2.241"}},
])
def test_an_address_that_is_asked_for(world, tiny, asked):
    world.a.service("asking", **asked)
    assert world.a.wait_address("services", "asking", 60) == tiny[1]


def test_two_that_share_an_address(world, tiny):
    a = world.a
    key = {"metallb.io/allow-shared-ip": "one", POOL: "tiny"}
    a.service("first", annotations=key)
    a.service("second", annotations=key,
              ports=[{"name": "http", "port": 8080, "targetPort": 8080}])
    assert a.wait_address("services", "first", 60) == a.wait_address("services", "second", 60)


def test_who_may_come(world):
    a = world.a
    address = serve(world, a, "ranges", 1)
    service = f"{a.path('services')}/ranges"
    a.api.patch(service, {"spec": {"loadBalancerSourceRanges": ["203.0.113.0/24"]}})

    def refused():
        try:
            world.ask(address, timeout=1)
        except OSError:
            return True
        return False
    wait_until(refused, "the client refused", 60)
    a.api.patch(service, {"spec": {"loadBalancerSourceRanges": ["203.0.113.0/24", "192.0.2.0/24"]}})
    world.wait_served(address, "ranges")


def test_one_client_goes_to_one_pod(world):
    a = world.a
    address = serve(world, a, "sticky", 3)
    a.api.patch(f"{a.path('services')}/sticky", {"spec": {"sessionAffinity": "ClientIP"}})

    def one():
        return len(world.in_use(address, asks=20)) == 1
    wait_until(one, "one pod", 60)
    assert one()


def test_pods_that_are_not_ready_and_published(world):
    a = world.a
    address = serve(world, a, "published", 2)
    a.api.patch(f"{a.path('services')}/published", {"spec": {"publishNotReadyAddresses": True}})
    one = sorted(a.pods("published"))[0]
    a.agent.say_unready(one)
    wait_until(lambda: not a.rolled("published"), "one not ready", 60)
    wait_pods(world, a, "published", address)
    a.api.patch(f"{a.path('services')}/published", {"spec": {"publishNotReadyAddresses": False}})
    wait_until(lambda: one not in world.in_use(address), "in use no more", 60)
