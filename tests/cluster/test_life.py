# SPDX-License-Identifier: BSD-3-Clause
"""Deployments and nodes come, change and go; the API server dies and freezes; traffic goes on."""

import http.client
import json
import signal
import time

from topology import wait_until

INGRESSES = "networking.k8s.io/v1"


def serve(world, cluster, name, replicas):
    """A Service of type LoadBalancer with that many pods, in use: its address."""
    cluster.deploy(name, replicas, kind="LoadBalancer")
    address = cluster.wait_address("services", name)
    wait_until(lambda: cluster.rolled(name), f"{name}'s pods", 60)
    world.wait_served(address, name)
    wait_pods(world, cluster, name, address)
    return address


def wait_pods(world, cluster, name, address, seconds=60):
    """The pods that answer are the cluster's, all of them."""
    def in_use():
        try:
            return world.in_use(address)
        except (OSError, http.client.HTTPException):  # one that goes may refuse
            return None
    wait_until(lambda: in_use() == cluster.pods(name), f"the pods of {name}", seconds)


def test_the_registered_cluster_is_as_it_should_be(world):
    serve(world, world.a, "checked", 2)
    rows = json.loads(world.lab.box.sluice("cluster", "check", "a", "--json").stdout)["checks"]
    assert rows and not [row for row in rows if row["result"] == "failed"], rows
    found = {row["what"]: row["found"] for row in rows}
    assert found["rights"] == "15 of 15 needed" and "sluice/sluice" in found["token"]
    assert any("answers" in text for what, text in found.items() if what.endswith(" pods"))
    # Nothing that we are not to do.
    a = world.a.api
    may = {what: a.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {
        "spec": {"user": "system:serviceaccount:sluice:sluice",
                 "resourceAttributes": dict(zip(("verb", "group", "resource"), what, strict=True))}
    })["status"]["allowed"] for what in (
        ("patch", "", "services"), ("delete", "", "services"), ("list", "", "pods"),
        ("create", "", "secrets"), ("update", "networking.k8s.io", "ingresses"),
        ("create", "rbac.authorization.k8s.io", "clusterroles"), ("patch", "", "events"),
            ("get", "", "secrets"), ("create", "", "serviceaccounts"))}
    assert not any(may.values()), may
    world.a.api.delete(f"{world.a.path('services')}/checked")
    world.a.api.delete(f"{world.a.path('deployments', 'apps/v1')}/checked")


def test_a_refusal_is_an_event_on_the_object(world):
    a = world.a
    a.service("refused", selector="none", loadBalancerIP="203.0.113.250")
    uid = a.api.get(f"{a.path('services')}/refused")["metadata"]["uid"]
    rows = wait_until(lambda: a.api.get(
        f"{a.path('events')}?fieldSelector=involvedObject.uid%3D{uid}")["items"], "its Event", 60)
    assert any("203.0.113.250" in row["message"] and row["source"]["component"] == "sluice"
               for row in rows), rows
    a.api.delete(f"{a.path('services')}/refused")


def seconds_to_status(cluster, plural, group, name, create):
    """From before it is created until a watch of its kind has told its address."""
    changes = cluster.api.changes(cluster.path(plural, group))
    started = time.monotonic()
    create()
    for thing in changes:
        if thing["metadata"]["name"] == name and thing["status"]["loadBalancer"].get("ingress"):
            return time.monotonic() - started
    raise AssertionError(f"{name} has no address")


def test_address_in_status_within_two_seconds(world):
    for cluster in world.clusters:
        cluster.service("quick-backend", "ClusterIP")
        took = {"services": [], "ingresses": []}
        for i in range(5):
            name = f"quick-{i}"
            took["services"].append(seconds_to_status(
                cluster, "services", "v1", name, lambda c=cluster, name=name: c.service(name)))
            took["ingresses"].append(seconds_to_status(
                cluster, "ingresses", INGRESSES, name, lambda c=cluster, name=name: c.ingress(
                    name, [(f"{name}.{c.name}.test", "/", "Prefix", "quick-backend")])))
        for i in range(5):
            cluster.forget(f"quick-{i}")
            cluster.api.delete(f"{cluster.path('ingresses', INGRESSES)}/quick-{i}")
        print(cluster.name, {plural: [round(s, 3) for s in rows] for plural, rows in took.items()})
        assert max(took["services"]) < 2 and max(took["ingresses"]) < 2, took


def test_a_deployment_scales_rolls_and_fails(world):
    a = world.a
    address = serve(world, a, "shop", 2)
    a.scale("shop", 6)
    wait_until(lambda: a.rolled("shop"), "six pods", 60)
    wait_pods(world, a, "shop", address)
    before = a.pods("shop")
    with world.traffic(address) as traffic:
        a.roll("shop")
        wait_until(lambda: a.rolled("shop") and not before & a.pods("shop"), "all replaced", 60)
        wait_pods(world, a, "shop", address)
        a.scale("shop", 3)
        wait_until(lambda: a.rolled("shop") and len(a.pods("shop")) == 3, "three pods", 60)
        wait_pods(world, a, "shop", address)
    assert not traffic.failed, f"{len(traffic.failed)} of {traffic.count}: {traffic.failed[:3]}"
    broken = sorted(a.pods("shop"))[0]
    a.agent.break_pod(broken)
    wait_until(lambda: broken not in world_pods(world, address), "the broken pod out of use", 60)
    a.scale("shop", 0)
    wait_until(lambda: not a.pods("shop"), "no pod", 60)


def world_pods(world, address):
    try:
        return world.in_use(address, asks=20)
    except (OSError, http.client.HTTPException):  # it is still among them
        return world.a.pods("shop")


def test_nodes_come_and_go(world):
    a = world.a
    address = serve(world, a, "moved", 4)
    a.agent.remove_node("node-2")
    wait_until(lambda: a.rolled("moved") and {pod.node for pod in a.agent.pods.values()} == {1},
               "all pods on the other node", 60)
    wait_pods(world, a, "moved", address)
    a.agent.add_node("node-2", 2)
    a.scale("moved", 8)
    wait_until(lambda: a.rolled("moved"), "eight pods", 60)
    wait_pods(world, a, "moved", address)
    assert {pod.node for pod in a.agent.pods.values()} == {1, 2}


def test_two_clusters_side_by_side(world):
    """The same names in both: each has an address and pods of its own."""
    at_a, at_b = serve(world, world.a, "twin", 2), serve(world, world.b, "twin", 2)
    assert at_a != at_b
    assert world.in_use(at_a) == world.a.pods("twin")
    assert world.in_use(at_b) == world.b.pods("twin")
    world.a.api.delete(f"{world.a.path('services')}/twin")
    wait_until(lambda: len(world.lab.rows("services")) and not any(
        row["service"] == "a/default/twin" for row in world.lab.rows("services")), "a's gone", 60)
    assert world.in_use(at_b) == world.b.pods("twin")


def problems(world, cluster="b"):
    return [row for row in world.lab.rows("problems") if row["object"] == f"cluster {cluster}"]


def test_the_api_server_is_killed_and_comes_back(world):
    b = world.b
    address = serve(world, b, "steady", 2)
    with world.traffic(address) as traffic:
        b.api.kill("kube-apiserver", signal.SIGKILL)
        wait_until(lambda: problems(world), "the alarm", 60)
        traffic.wait_more()
        b.api.start("kube-apiserver")
        b.api.wait_ready()
        wait_until(lambda: not problems(world), "the alarm gone", 60)
        traffic.wait_more()
    assert not traffic.failed, traffic.failed[:3]
    assert b.addresses("services", "steady") == [address]
    b.scale("steady", 3)
    wait_until(lambda: b.rolled("steady"), "three pods", 60)
    wait_pods(world, b, "steady", address)


def test_the_api_server_freezes_under_traffic(world):
    b = world.b
    address = serve(world, b, "frozen", 2)
    with world.traffic(address) as traffic:
        b.api.freeze("kube-apiserver")
        time.sleep(3)  # shorter than anybody's patience: nothing may come of it
        traffic.wait_more()
        b.api.thaw("kube-apiserver")
        b.api.wait_ready()
        traffic.wait_more()
    assert not traffic.failed, traffic.failed[:3]
    b.scale("frozen", 4)
    wait_until(lambda: b.rolled("frozen"), "four pods", 60)
    wait_pods(world, b, "frozen", address)


def restart(world):
    """The control plane."""
    world.lab.box.kill("sluice-controlplane", signal.SIGTERM)
    world.lab.box.start("sluice-controlplane")
    world.lab.box.wait_answers()
    wait_until(world.lab.box.in_force, "the plan in force", 60)


def test_the_control_plane_comes_back_to_what_was(world):
    address = serve(world, world.a, "lasting", 2)
    with world.traffic(address) as traffic:
        restart(world)
        traffic.wait_more()
    assert not traffic.failed, traffic.failed[:3]
    assert world.a.addresses("services", "lasting") == [address]


def test_ingresses_without_a_class(world):
    """Ours when the default IngressClass is ours, else left alone."""
    a = world.a
    a.deploy("plain")
    a.ingress("plain", [("plain.test", "/", "Prefix", "plain")], class_name=None)

    def row():
        return next((row for row in world.lab.rows("ingresses")
                     if row["ingress"] == "a/default/plain"), None)
    wait_until(row, "the Ingress shown", 60)
    assert "no class" in f"{row()}"
    assert not a.addresses("ingresses", "plain")
    one = "/apis/networking.k8s.io/v1/ingressclasses/sluice"
    default = "ingressclass.kubernetes.io/is-default-class"
    a.api.patch(one, {"metadata": {"annotations": {default: "true"}}})
    address = a.wait_address("ingresses", "plain", 60)
    world.wait_served(address, "plain", "plain.test")
    a.api.patch(one, {"metadata": {"annotations": {default: None}}})
    wait_until(lambda: not a.addresses("ingresses", "plain"), "left alone again", 60)
