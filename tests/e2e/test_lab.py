# SPDX-License-Identifier: BSD-3-Clause
"""images/lab/up and down, as a user runs them."""

import json
import os
import re
import time

import pytest

from topology import ROOT, run, wait_until

NAMESPACES = ("sl-client", "sl-box", "sl-node1", "sl-node2")


def namespaces():
    return {line.split()[0] for line in run("ip", "netns", "list").stdout.split("\n") if line}


@pytest.fixture
def no_lab():
    if namespaces() & set(NAMESPACES):
        pytest.skip("someone's lab is up: images/lab/down first")
    yield
    run(ROOT / "images/lab/down", check=False)


def test_up_twice_and_down_twice(no_lab):
    run(ROOT / "images/lab/up")
    started = time.monotonic()
    up = run(ROOT / "images/lab/up")
    assert time.monotonic() - started < 40  # 2 s on a machine that has nothing else to do
    assert set(NAMESPACES) <= namespaces()
    spreads = re.findall(r"answered by (.*)", up.stdout)
    assert len(spreads) == 2
    for spread in spreads:
        assert len(spread.split(",")) >= 2  # different pods
    served = re.findall(r"served by (.*)", up.stdout)  # each Ingress
    assert len(served) == 6 and all("web-" in spread for spread in served), up.stdout
    assert "page" in up.stdout  # which memory it uses
    url = re.search(r"curl (http://[^/\s]+/)", up.stdout).group(1)
    assert run("ip", "netns", "exec", "sl-client", "curl", "-sS", url).stdout.startswith("web-")
    console = re.search(r"(\S*/sluice --socket \S+) show vips", up.stdout).group(1).split()
    for noun in ("vips", "services", "endpoints", "flows", "workers", "ports", "drops", "problems",
                 "ingresses", "routes", "certificates", "requests"):
        assert run(*console, "show", noun).stdout
        assert run(*console, "show", noun, "--json").stdout.startswith("{")
    run(ROOT / "images/lab/down")
    assert not {name for name in namespaces() if name.startswith("sl-")}
    assert not os.path.exists("/run/sluice-lab") and not os.path.exists("/var/lib/sluice-lab")
    run(ROOT / "images/lab/down")


CONSOLES = ("/run/sluice-lab/api.sock", "/run/sluice-lab/second/run/api.sock")


def up(kind):
    """What the script said; the VIP; the console's program."""
    said = run(ROOT / "images/lab/up", f"--{kind}").stdout
    assert len(re.findall(r"served by (.*)", said)) == 6, said
    vip = re.search(r"curl http://([^/\s]+)/", said).group(1)
    return said, vip, re.search(r"(\S*/sluice) --socket", said).group(1)


def states(program, vip):
    listed = [run(program, "--socket", path, "show", "vips", "--json").stdout for path in CONSOLES]
    return [next(row["state"] for row in json.loads(text)["vips"] if row["address"] == vip) for text in listed]


def gone():
    run(ROOT / "images/lab/down")
    assert not {name for name in namespaces() if name.startswith("sl-")}
    assert not os.path.exists("/run/sluice-lab") and not os.path.exists("/var/lib/sluice-lab")


def test_a_pair(no_lab):
    said, vip, program = up("pair")
    before = states(program, vip)
    assert sorted(before) == ["owned", "standby"] and "show vrrp" in said
    run(program, "--socket", CONSOLES[before.index("owned")], "drain", "box")
    wait_until(lambda: states(program, vip)[before.index("standby")] == "owned", "the other owning it")
    client = ("ip", "netns", "exec", "sl-client", "curl", "-sS", "--max-time", "3", f"http://{vip}/")
    wait_until(lambda: run(*client, check=False).stdout.startswith("web-"), "an answer of the other")
    gone()


def test_a_router_with_two_ways(no_lab):
    said, vip, program = up("bgp")
    show = ("ip", "netns", "exec", "sl-client", "ip", "route", "show", vip)

    def ways():
        return set(re.findall(r"via (\S+)", run(*show).stdout))
    assert ways() == {"192.0.2.1", "192.0.2.2"} and "birdc" in said
    assert states(program, vip) == ["owned", "owned"]
    run(program, "--socket", CONSOLES[0], "drain", "box")
    wait_until(lambda: ways() == {"192.0.2.2"}, "one way less")
    gone()


def test_what_is_no_option(no_lab):
    wrong = run("/usr/bin/python3", ROOT / "images/lab/lab.py", "up", "--trio", check=False)
    assert wrong.returncode == 2 and "--pair" in wrong.stderr
    assert not namespaces() & set(NAMESPACES)
