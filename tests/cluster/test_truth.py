# SPDX-License-Identifier: BSD-3-Clause
"""What a cluster says is what is served: over which connection, in which version, and after its
state went back, its rights were taken or its answers are slow."""

import http.client
import json
import time

from slices_v1 import SlicesV1
from test_life import problems, serve, wait_pods
from topology import wait_until
from world import Held


def row_of(world, name):
    return next(row for row in world.lab.rows("clusters") if row["name"] == name)


def test_all_lists_and_watches_share_one_connection(world):
    for one in world.clusters:
        row = wait_until(lambda name=one.name: row_of(world, name)["health"] == "live"
                         and row_of(world, name), "live", 30)
        assert (row["protocol"], row["connections"]) == ("HTTP/2", 1) and row["requests"] >= 5, row
        # What the kernel of the box says.
        open_ = world.lab.net.box.run("ss", "-Htn", "state", "established", "dst",
                                      f"{one.api.address}:6443").stdout.splitlines()
        assert len(open_) == 1, open_


def endpoints(world, cluster, name):
    return {row["name"]: row["state"] for row in world.lab.rows("endpoints")
            if row["pool"] == f"{cluster}/default/{name}:tcp:80"}


def test_slices_of_v1_come_and_go(world):
    """1.20 has v1beta1 alone. With an aggregated v1 beside it pods that end are seen to end."""
    b = world.b
    address = serve(world, b, "sliced", 2)
    assert set(endpoints(world, "b", "sliced").values()) == {"ready"}
    with world.traffic(address) as traffic, SlicesV1(b.api) as v1:
        wait_until(v1.asked, "v1 watched", 40)
        assert {user for user, _ in v1.asked()} == {"admin"}
        wait_pods(world, b, "sliced", address)
        check_drains(world, b, address)
        v1.compact()  # 410
        lists = len(v1.asked(watch=False))
        wait_until(lambda: len(v1.asked(watch=False)) > lists, "listed anew", 40)
        # Who serves it is gone, and so is the version for a while: v1beta1 is there.
        v1.down()
        v1.wait_available(False)
        b.scale("sliced", 3)
        wait_until(lambda: b.rolled("sliced"), "three pods", 40)
        wait_pods(world, b, "sliced", address, 60)
        watches = len(v1.asked())
        v1.up()
        v1.wait_available(True)
        wait_until(lambda: len(v1.asked()) > watches, "v1 again", 40)
        b.scale("sliced", 2)
        wait_pods(world, b, "sliced", address)
    # Gone for good.
    b.scale("sliced", 4)
    wait_until(lambda: b.rolled("sliced"), "four pods", 40)
    wait_pods(world, b, "sliced", address, 60)
    assert not traffic.failed, traffic.failed[:3]
    wait_until(lambda: not problems(world), "no problem left", 40)


def check_drains(world, b, address):
    """A pod that ends: what goes on there goes on, and nothing new comes, unless none else serves."""
    b.agent.grace_s = 600
    try:
        with Held(world, address) as held:
            leaving = held.ask()["pod"]
            b.api.delete(f"{b.path('pods')}/{leaving}")
            wait_until(lambda: endpoints(world, "b", "sliced").get(leaving) == "draining",
                       f"{leaving} draining", 20)
            wait_until(lambda: b.rolled("sliced"), "another in its place", 40)
            wait_pods(world, b, "sliced", address)
            assert leaving not in world.in_use(address)
            assert held.ask()["pod"] == leaving
            # Where all are ending, they are in use as long as they serve.
            last = b.pods("sliced")
            b.scale("sliced", 0)
            wait_until(lambda: not b.pods("sliced"), "all ending", 20)
            wait_until(lambda: world.in_use(address) == {leaving, *last}, "they serve", 20)
            assert held.ask()["pod"] == leaving
            b.scale("sliced", 2)
            wait_until(lambda: b.rolled("sliced"), "two pods", 40)
            wait_pods(world, b, "sliced", address)
    finally:
        b.agent.grace_s = 1.0
    wait_until(lambda: set(endpoints(world, "b", "sliced")) == b.pods("sliced"), "those gone", 30)
