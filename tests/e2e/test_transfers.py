# SPDX-License-Identifier: BSD-3-Clause
"""The proxy's TCP against Linux's on both sides, over ports that lose packets, with the options of
TCP on and off: every byte arrives. SLUICE_TRANSFERS=whole is up to 1 GB with each of them, by hand."""

import contextlib
import itertools
import os
import time

import pytest

import transfer
from proxied import VIP, Plan, proto  # noqa: F401: a fixture
from topology import wait_until

PORT = 9501
WHOLE = os.environ.get("SLUICE_TRANSFERS") == "whole"
SIZES = (1, 1448, 65536, 1_000_000, *((10_000_000, 100_000_000, 1_000_000_000) if WHOLE else ()))
GIGABYTE = 1_000_000_000
OPTIONS = ("tcp_sack", "tcp_timestamps", "tcp_window_scaling")
# Packets of either side, and acknowledgements too: one in a hundred, at every cable of the box.
LOSS = "table netdev loss {{ {} }}"
CHAIN = """chain c{} {{
    type filter hook ingress device "{}" priority 0
    meta l4proto tcp numgen random mod 100 < 1 counter drop
}}
"""
CABLES = ("client-wan", "box-wan", "box-lan", "node1-lan")


def lose(lab):
    lab.net.switch.run("nft", "-f", "-", input=LOSS.format(
        "".join(CHAIN.format(i, device) for i, device in enumerate(CABLES))))


@pytest.fixture(scope="module")
def lab(make_module_lab):
    lab = make_module_lab(pods=(1,))
    lab.box.kill("sluice-controlplane")
    (pod,) = lab.pods.values()
    ready = lab.net.dir / "transfer-ready"
    pod.machine.start("/usr/bin/python3", transfer.__file__, "serve", PORT, ready,
                      log=lab.net.dir / "transfer.log")
    wait_until(ready.exists, "the pod's server")
    lose(lab)
    yield lab
    lab.box.check_alive()


@pytest.fixture(scope="module")
def served(lab, proto):  # noqa: F811
    plan = Plan(lab, proto)
    plan.pool("transfer", list(lab.pods), port=PORT, idle_connections=0)
    plan.rule("", "/", "transfer", send_timeout_ms=60000, read_timeout_ms=60000)
    plan.apply(head_timeout_ms=60000, body_timeout_ms=60000)


@pytest.mark.parametrize("values", itertools.product((1, 0), repeat=len(OPTIONS)),
                         ids=lambda values: "-".join(
                             name.removeprefix("tcp_") for name, on in zip(OPTIONS, values) if on)
                         or "none")
@pytest.mark.parametrize("how", (transfer.get, transfer.put), ids=("get", "put"))
def test_every_byte(lab, served, how, values):
    for machine in (lab.client, *(pod.machine for pod in lab.pods.values())):
        for name, value in zip(OPTIONS, values):
            machine.sysctl(f"ipv4/{name}", value)
    for size in SIZES:
        started = time.monotonic()
        with contextlib.closing(lab.client.socket()) as sock:
            sock.settimeout(60)
            sock.connect((VIP, 80))
            how(sock, VIP, size)
        seconds = time.monotonic() - started
        print(f"{size} bytes in {seconds:.3f} s: {size * 8e-6 / seconds:.1f} Mbit/s")


def test_packets_were_lost(lab, served):
    counted = lab.net.switch.run("nft", "-j", "list", "table", "netdev", "loss").stdout
    assert counted.count('"packets"') == len(CABLES)
    assert '"packets": 0' not in counted


@pytest.mark.parametrize("cables", ("lossy", "clean"))
@pytest.mark.parametrize("how", (transfer.get, transfer.put), ids=("get", "put"))
def test_a_gigabyte(lab, served, how, cables):
    """The whole by sequence numbers a quarter of the way round."""
    lab.net.switch.run("nft", "delete", "table", "netdev", "loss", check=False)
    if cables == "lossy":
        lose(lab)
    for machine in (lab.client, *(pod.machine for pod in lab.pods.values())):
        for name in OPTIONS:
            machine.sysctl(f"ipv4/{name}", 1)
    started = time.monotonic()
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(60)
        sock.connect((VIP, 80))
        how(sock, VIP, GIGABYTE)
    seconds = time.monotonic() - started
    print(f"{GIGABYTE} bytes in {seconds:.3f} s: {GIGABYTE * 8e-6 / seconds:.1f} Mbit/s")
