# SPDX-License-Identifier: BSD-3-Clause
"""images/lab/up and down, as a user runs them."""

import os
import re
import time

import pytest

from topology import ROOT, run

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
    up = run(ROOT / "images/lab/up")
    started = time.monotonic()
    up = run(ROOT / "images/lab/up")
    assert time.monotonic() - started < 15
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
