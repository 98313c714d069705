# SPDX-License-Identifier: BSD-3-Clause
"""A live cluster over HTTP/2: all over one connection, and what happens when that one, or a stream
of it, ends or hangs."""

import contextlib

import kube_api
import objects
import pytest
from h2_proxy import H2Proxy
from topology import wait_until

PORTS = [("echo", "TCP", 7000, 9000)]
FRONT = 6444


@pytest.fixture(scope="module")
def hlab(make_module_lab):
    lab = make_module_lab(start=False)
    lab.api = kube_api.FakeApi(lab.net.box.socket, lab.net.dir)
    lab.api.apply(*lab.node_objects())
    for name in ("one", "two"):
        lab.api.apply({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"tls": [{"hosts": [f"{name}.test"], "secretName": f"{name}-tls"}],
                     "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}})
    config = lab.api.kubeconfig(cluster={"server": f"https://127.0.0.1:{FRONT}",
                                         "certificate-authority": str(lab.api.ca)})
    lab.box.settings["sources"] = [{
        "name": "prod", "kind": "kube", "path": str(config), "watch_s": 5}]
    lab.box.write_settings()
    lab.fronts = [H2Proxy(lab.net.box, lab.api, FRONT)]
    lab.box.start_all()
    yield lab
    for front in lab.fronts:
        front.end()
    lab.api.down()


def another_front(lab, port=FRONT):
    lab.fronts.append(H2Proxy(lab.net.box, lab.api, port))
    return lab.fronts[-1]


def cluster(lab):
    return next(row for row in lab.rows("clusters") if row["name"] == "prod")


def problems(lab):
    return [row for row in lab.rows("problems") if "cluster prod" in f"{row}"]


def wait_well(lab, seconds=40):
    wait_until(lambda: cluster(lab)["health"] == "live" and not problems(lab), "live", seconds)


def serve(lab, name, seconds=10):
    rows = lab.endpoints(4)
    lab.api.apply(objects.service(name, PORTS),
                  objects.endpoint_slice(name, "IPv4", [("echo", "TCP", 9000)], rows))
    vip = wait_until(lambda: lab.addresses(name), f"{name}'s address", seconds)[0]

    def served():
        with contextlib.suppress(OSError):
            return lab.connect_once(vip, 7000)
        return None  # its endpoints come by another watch
    wait_until(served, f"{name} served", seconds)
    return vip


def pings(front):
    return [row for row in front.said() if row[3] == "/version"]


def test_all_over_one_connection(hlab):
    wait_well(hlab)
    serve(hlab, "first")
    row = cluster(hlab)
    # Services, slices, Ingresses, classes, nodes, and two Secrets.
    assert (row["protocol"], row["connections"]) == ("HTTP/2", 1) and row["requests"] >= 7, row
    wait_until(lambda: len(pings(hlab.fronts[0])) >= 3, "some requests more", 30)
    said = hlab.fronts[0].said()
    assert {protocol for _, protocol, _, _ in said} == {"h2"}
    assert len(hlab.fronts[0].connections()) == 1, said
    assert any("watch=1" in path for *_, path in said)
    assert "HTTP/2, " in hlab.box.sluice("cluster", "show", "prod").stdout


def test_a_server_that_says_goaway(hlab):
    wait_well(hlab)
    vip = serve(hlab, "before")
    lists = len(hlab.api.asked("services", watch=False))
    old = hlab.fronts[-1]
    old.say_goaway()
    wait_until(lambda: not old.listens(), "the old one listens no more", 10)
    new = another_front(hlab)
    old.process.wait(timeout=60)  # what was under way ended in order
    wait_until(new.connections, "asked over another connection", 30)
    serve(hlab, "after")
    assert hlab.connect_once(vip, 7000)
    wait_well(hlab)
    # Watches went on where they were, unless nobody was there for a moment.
    assert len(hlab.api.asked("services", watch=False)) <= lists + 1


def test_streams_that_are_reset(hlab):
    wait_well(hlab)
    lists = len(hlab.api.asked("services", watch=False))
    watches = len(hlab.api.asked("services", watch=True))
    hlab.api.break_off()
    wait_until(lambda: len(hlab.api.asked("services", watch=True)) > watches, "watched again", 10)
    serve(hlab, "reset")
    assert len(hlab.api.asked("services", watch=False)) == lists
    wait_well(hlab)


def test_streams_that_stall(hlab):
    """What is asked beside them is answered; they are given up."""
    wait_well(hlab)
    front = hlab.fronts[-1]
    watches = len(hlab.api.asked("services", watch=True))
    hlab.api.stall = True
    hlab.api.break_off()
    wait_until(lambda: len(hlab.api.asked("services", watch=True)) > watches, "a watch that stalls", 20)
    before = len(pings(front))
    wait_until(lambda: len(pings(front)) > before + 1, "answered meanwhile", 30)
    stalled = len(hlab.api.asked("services", watch=True))
    wait_until(lambda: len(hlab.api.asked("services", watch=True)) > stalled, "given up", 40)
    hlab.api.stall = False
    serve(hlab, "stalled", 60)
    wait_well(hlab)


def test_a_connection_that_hangs(hlab):
    """Whoever has it is there and says nothing; another one would."""
    wait_well(hlab)
    vip = serve(hlab, "hangs")
    hung = hlab.fronts[-1]
    new = another_front(hlab, FRONT + 1)
    hung.freeze()
    hlab.net.box.run(
        "nft", "add table ip away; add chain ip away out { type nat hook output priority -100; }; "
        f"add rule ip away out ip daddr 127.0.0.1 tcp dport {FRONT} "
        f"tcp flags & (syn | ack) == syn redirect to :{FRONT + 1}")
    try:
        serve(hlab, "by-another", 60)
        assert new.connections() and hlab.connect_once(vip, 7000)
        wait_well(hlab)
        assert cluster(hlab)["connections"] == 1
    finally:
        hlab.net.box.run("nft", "delete table ip away")
