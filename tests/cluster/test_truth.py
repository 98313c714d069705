# SPDX-License-Identifier: BSD-3-Clause
"""What a cluster says is what is served: over which connection, in which version, and after its
state went back, its rights were taken or its answers are slow."""

import contextlib
import json
import signal
import threading

import pytest
from slices_v1 import SlicesV1
from test_conformance import secret
from test_life import problems, restart, serve, wait_pods
from topology import wait_until
from world import Held


def row_of(world, name):
    return next(row for row in world.lab.rows("clusters") if row["name"] == name)


def test_all_lists_and_watches_share_one_connection(world):
    for one in world.clusters:
        row = wait_until(lambda name=one.name: row_of(world, name)["health"] == "live"
                         and row_of(world, name), "live", 60)
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
        wait_until(v1.asked, "v1 watched", 100)
        assert {user for user, _ in v1.asked()} == {"admin"}
        wait_pods(world, b, "sliced", address)
        check_drains(world, b, "sliced", address)
        with v1.then_asked(watch=False):
            v1.compact()  # 410
        # Who serves it is gone, and so is the version for a while: v1beta1 is there.
        v1.down()
        v1.wait_available(False)
        b.scale("sliced", 3)
        wait_until(lambda: b.rolled("sliced"), "three pods", 60)
        wait_pods(world, b, "sliced", address, 60)
        with v1.then_asked():
            v1.up()
            v1.wait_available(True)
        b.scale("sliced", 2)
        wait_pods(world, b, "sliced", address)
    # Gone for good.
    b.scale("sliced", 4)
    wait_until(lambda: b.rolled("sliced"), "four pods", 60)
    wait_pods(world, b, "sliced", address, 60)
    assert not traffic.failed, traffic.failed[:3]
    wait_until(lambda: not problems(world), "no problem left", 60)


@pytest.mark.parametrize("answer", [404, 503])
def test_a_start_while_v1_is_not_there(world, answer):
    """v1beta1 is taken then, and v1 again as soon as it answers."""
    b, name = world.b, f"late-{answer}"
    address = serve(world, b, name, 2)
    with world.traffic(address) as traffic, SlicesV1(b.api) as v1:
        wait_until(v1.asked, "v1 watched", 100)
        if answer == 404:
            v1.unregister()
        else:
            v1.down()
            v1.wait_available(False)
        wait_until(lambda: v1.status() == answer, f"{answer}", 60)
        restart(world)
        b.scale(name, 3)
        wait_until(lambda: b.rolled(name), "three pods", 60)
        wait_pods(world, b, name, address)
        with v1.then_asked():
            if answer == 404:
                v1.register()
            else:
                v1.up()
                v1.wait_available(True)
        check_drains(world, b, name, address)
    assert not traffic.failed, traffic.failed[:3]
    wait_until(lambda: not problems(world), "no problem left", 60)


def check_drains(world, cluster, name, address):
    """A pod that ends: what goes on there goes on, and nothing new comes, unless none else serves.
    Before, none is ending."""
    cluster.agent.grace_s = 600
    try:
        with Held(world, address) as held:
            leaving = held.ask()["pod"]
            cluster.api.delete(f"{cluster.path('pods')}/{leaving}")
            wait_until(lambda: endpoints(world, cluster.name, name).get(leaving) == "draining",
                       f"{leaving} draining", 60)
            wait_until(lambda: cluster.rolled(name), "another in its place", 60)
            wait_pods(world, cluster, name, address)
            assert leaving not in world.in_use(address)
            assert held.ask()["pod"] == leaving
            # Where all are ending, they are in use as long as they serve.
            last = cluster.pods(name)
            cluster.scale(name, 0)
            wait_until(lambda: not cluster.pods(name), "all ending", 60)
            wait_until(lambda: world.in_use(address) == {leaving, *last}, "they serve", 60)
            assert held.ask()["pod"] == leaving
            cluster.scale(name, 2)
            wait_until(lambda: cluster.rolled(name), "two pods", 60)
            wait_pods(world, cluster, name, address)
    finally:
        cluster.agent.grace_s = 1.0
    wait_until(lambda: set(endpoints(world, cluster.name, name)) == cluster.pods(name), "those gone", 60)


@contextlib.contextmanager
def slow(api):
    """It runs a fifth of the time."""
    ending = threading.Event()

    def run():
        while not ending.is_set():
            api.freeze("kube-apiserver")
            ending.wait(0.4)
            api.thaw("kube-apiserver")
            ending.wait(0.1)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(10)


def test_an_api_server_that_is_slow(world):
    b = world.b
    address = serve(world, b, "slowly", 2)
    wait_until(lambda: not problems(world), "no problem", 60)
    with world.traffic(address) as traffic, slow(b.api):
        for number in range(3):
            b.service(f"slow-{number}", selector="slowly")
            assert b.wait_address("services", f"slow-{number}", 40)
        b.scale("slowly", 3)
        wait_until(lambda: b.rolled("slowly"), "three pods", 60)
        wait_pods(world, b, "slowly", address, 60)
        wait_until(lambda: not problems(world), "slow is not away", 60)
    assert not traffic.failed, traffic.failed[:3]


def version_of(b):
    return int(b.api.get(b.path("services"))["metadata"]["resourceVersion"])


def test_a_cluster_restored_from_a_backup(world):
    """What the backup does not have goes, what it has stays as it was, and nothing flaps."""
    b = world.b
    address = serve(world, b, "restored", 2)
    pods = b.pods("restored")
    backup = b.api.take_backup()
    serve(world, b, "too-new", 1)
    for number in range(20):  # far enough for versions to go back
        b.service(f"passing-{number}")
        b.api.delete(f"{b.path('services')}/passing-{number}")
    version = version_of(b)
    with world.traffic(address) as traffic:
        b.api.restore(backup)
        assert version_of(b) < version
        wait_until(lambda: not any(row["service"] == "b/default/too-new"
                                   for row in world.lab.rows("services")), "the newer one gone", 60)
        traffic.wait_more()
        wait_until(lambda: not problems(world), "no problem left", 60)
        assert b.addresses("services", "restored") == [address]
        assert b.pods("restored") == pods
        wait_pods(world, b, "restored", address)
        serve(world, b, "after-restore", 1)
    assert not traffic.failed, traffic.failed[:3]


def test_a_cold_boot_while_every_cluster_is_away(world):
    """The last plan, from the disk; and what comes back as it was changes nothing."""
    at = {one: serve(world, one, "cold", 2) for one in world.clusters}
    wait_until(world.lab.box.kept, "the plan on the disk", 60)
    pods = {one: one.pods("cold") for one in at}
    for one in at:
        one.api.kill("kube-apiserver", signal.SIGKILL)
    world.lab.box.stop()
    world.lab.box.start_all()
    for one, address in at.items():
        world.wait_served(address, "cold")
        assert world.in_use(address) == pods[one]
        wait_until(lambda one=one: problems(world, one.name), "the alarm", 60)
        assert world.in_use(address) == pods[one]
    with world.traffic(at[world.a]) as first, world.traffic(at[world.b]) as second:
        for one in at:
            one.api.start("kube-apiserver")
        for one in at:
            one.api.wait_ready()
        for one in at:
            wait_until(lambda one=one: not problems(world, one.name), "the alarm gone", 60)
        first.wait_more()
        second.wait_more()
    assert not first.failed and not second.failed, (first.failed[:3], second.failed[:3])
    for one, address in at.items():
        assert one.addresses("services", "cold") == [address]
        one.scale("cold", 3)
        wait_until(lambda one=one: one.rolled("cold"), "three pods", 60)
        wait_pods(world, one, "cold", address)


@pytest.fixture
def walled(world):
    """b's namespace of that name, registered as a cluster whose account may read there alone."""
    there = world.b.in_namespace("walled")
    there.name = "walled"
    world.lab.box.sluice("cluster", "register", "walled", "--kubeconfig",
                         str(world.b.api.dir / "kubeconfig"), "--namespaces", "walled")
    yield there
    world.lab.box.sluice("cluster", "unregister", "walled")


def may(cluster, verb, resource, namespace=""):
    return cluster.api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": {
        "user": "system:serviceaccount:sluice:sluice", "resourceAttributes": {
            "verb": verb, "resource": resource, "namespace": namespace}}})["status"]["allowed"]


def test_an_account_of_one_namespace(world, walled, tmp_path):
    serve(world, walled, "inside", 2)
    secret(walled, tmp_path, "inside-tls", "inside.test")
    walled.ingress("inside", [("inside.test", "/", "Prefix", "inside")],
                   tls=[{"hosts": ["inside.test"], "secretName": "inside-tls"}])
    assert walled.wait_address("ingresses", "inside", 60)
    wait_until(lambda: [row for row in world.lab.rows("certificates") if "inside.test" in f"{row}"],
               "its certificate", 60)
    found = [(verb, resource, namespace) for verb, resource, namespace in (
        ("list", "secrets", "walled"), ("list", "services", "walled"), ("list", "nodes", ""),
        ("list", "secrets", "default"), ("list", "services", "default"), ("list", "secrets", ""),
        ("watch", "services", ""), ("get", "secrets", "walled"))
        if may(walled, verb, resource, namespace)]
    assert found == [("list", "secrets", "walled"), ("list", "services", "walled"), ("list", "nodes", "")]
    rows = json.loads(world.lab.box.sluice("cluster", "check", "walled", "--json").stdout)["checks"]
    assert not [row for row in rows if row["result"] == "failed"], rows
    assert not problems(world, "walled")


def test_rights_that_are_revoked(world, walled):
    address = serve(world, walled, "revoked", 2)
    binding = f"{walled.path('rolebindings', 'rbac.authorization.k8s.io/v1')}/sluice-objects"
    with world.traffic(address) as traffic:
        walled.api.delete(binding)
        # What is watched goes on being told until the watch ends.
        walled.api.kill("kube-apiserver", signal.SIGKILL)
        walled.api.start("kube-apiserver")
        walled.api.wait_ready()
        row = wait_until(lambda: [row for row in problems(world, "walled") if "(403)" in row["text"]],
                         "the alarm", 60)[0]
        assert "cluster check" in row["text"] and row["level"] == "error"
        rows = json.loads(world.lab.box.sluice("cluster", "check", "walled", "--json").stdout)["checks"]
        missing = [row for row in rows if row["what"] == "right list services in walled"]
        assert missing and missing[0]["mend"].endswith("--dry-run --namespaces walled"), rows
        traffic.wait_more()
        world.lab.box.sluice("cluster", "register", "walled", "--kubeconfig",
                             str(walled.api.dir / "kubeconfig"), "--namespaces", "walled")
        wait_until(lambda: not problems(world, "walled"), "the alarm gone", 60)
        traffic.wait_more()
    assert not traffic.failed, traffic.failed[:3]
    assert walled.addresses("services", "revoked") == [address]
