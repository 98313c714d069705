# SPDX-License-Identifier: BSD-3-Clause
"""Answers of a large box, which a child makes: they are what they would be otherwise, whatever happens meanwhile."""

import json
import signal
import subprocess

import pytest

import objects
from test_rest import ADDRESS, METRICS, PORT, request
from topology import LAN4, run, wait_until

SERVICES, PORTS = 11, 100


@pytest.fixture(scope="module")
def box(make_module_lab):
    lab = make_module_lab(settings={"api": {
        "https": {"port": PORT}, "metrics": {"address": ADDRESS, "port": METRICS}, "rate": 1000}})
    lab.admin = lab.box.sluice("token", "create", "chief", "role", "admin").stdout.strip()
    things = []
    for number in range(SERVICES):
        ports = [(f"p{port}", "TCP", 1000 + port, 9000) for port in range(PORTS)]
        things += [objects.service(f"many-{number}", ports),
                   objects.endpoint_slice(f"many-{number}", "IPv4", [(name, "TCP", 9000) for name, _, _, _ in ports],
                                          lab.endpoints(pods=["web-1a", "web-2a"]))]
    lab.apply("many", *things)
    wait_until(lambda: len(lab.rows("endpoints")) == 2 * SERVICES * PORTS, "the endpoints", 30)
    lab.wait_in_force()
    return lab


def children(lab):
    """Of the control plane, dead ones too."""
    pid = lab.box.processes["sluice-controlplane"].pid
    return run("ps", "-o", "stat=", "--ppid", pid, check=False).stdout.split()


def all_rows(lab):
    rows = lab.rows("endpoints")
    assert len(rows) == 2 * SERVICES * PORTS
    return rows


@pytest.mark.sanitized
def test_the_answers_are_right(box):
    vip = next(row["address"] for row in box.rows("vips"))
    service = next(row for row in box.rows("services")
                   if any(listener["vip"] == vip for listener in row["listeners"]))
    assert box.connect_once(vip, 1007)[0] in ("web-1a", "web-2a")
    rows = all_rows(box)
    assert {row["state"] for row in rows} == {"ready"} and {row["name"] for row in rows} == {"web-1a", "web-2a"}
    assert sum(row["flows_created"] for row in rows) >= 1
    name = service["service"].split("/")[-1]
    assert len(box.box.show("endpoints", "service", name)["endpoints"]) == 2 * PORTS
    assert len(box.box.show("endpoints", "address", LAN4.format(250))["endpoints"]) == 0
    assert "web-1a" in box.box.sluice("show", "endpoints").stdout
    for noun in ("services", "pools", "vips", "ingresses", "routes", "certificates", "problems"):
        assert noun in box.box.show(noun)
    wait_until(lambda: not children(box), "nobody is left behind")


def test_by_https_and_metrics(box):
    status, head, body = request(box, "/v1/endpoints", token=box.admin)
    assert status == 200 and "content-type: application/json" in head and "no-store" in head
    assert len(json.loads(body)["endpoints"]) == 2 * SERVICES * PORTS
    status, head, body = request(box, "/metrics", port=METRICS, scheme="http")
    assert status == 200 and "text/plain" in head
    assert body.count("\nsluice_pool_endpoints{") >= SERVICES * PORTS
    assert request(box, "/v1/endpoints?address=web", token=box.admin)[0] == 400


def test_many_at_once(box):
    """More than there are children; each has its answer."""
    jobs = [box.box.machine.start(box.box.program("sluice"), "--socket", box.box.api_socket, "show", "endpoints",
                                  "--json", log=box.net.dir / f"many-{number}") for number in range(12)]
    assert all(job.wait(timeout=30) == 0 for job in jobs)
    sizes = {(box.net.dir / f"many-{number}").stat().st_size for number in range(12)}
    assert len(sizes) <= 2 and min(sizes) > 100000
    wait_until(lambda: not children(box), "nobody is left behind")


def test_without_a_dataplane(box):
    box.box.kill("sluice-dataplane", signal.SIGKILL)
    wait_until(lambda: "no counters" in box.box.sluice("show", "endpoints").stderr, "the control plane sees it")
    assert all_rows(box)[0]["flows"] is None
    box.box.start("sluice-dataplane")
    wait_until(lambda: all_rows(box)[0]["flows"] is not None, "counters again")


def test_the_control_plane_ends_meanwhile(box):
    """At once, with zero, and nobody is left."""
    for _ in range(5):
        asking = [subprocess.Popen(
            ["ip", "netns", "exec", box.box.machine.name, box.box.program("sluice"), "--socket", box.box.api_socket,
             "show", "endpoints", "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(3)]
        pid = box.box.processes["sluice-controlplane"].pid
        assert box.box.kill("sluice-controlplane", signal.SIGTERM) == 0
        for job in asking:
            job.wait(timeout=10)
        assert not run("pgrep", "-P", pid, check=False).stdout
        box.box.start("sluice-controlplane")
        box.box.wait_answers()
    assert all_rows(box)
