# SPDX-License-Identifier: BSD-3-Clause
"""A capture sees what is dropped late or silently: fragments whose rest never comes, and clients that
the proxy is not to serve."""

import pytest
from scapy.all import IP, Ether, Raw, raw

import pcapng
from channel import proto  # noqa: F401: a fixture
from harness import wan
from proxied import VIP, Plan
from test_trace import ended, following, tcpdump
from topology import CLIENT_HOST, wait_until

CLIENT = wan(CLIENT_HOST)


@pytest.fixture(scope="module")
def lab(make_module_lab, proto):  # noqa: F811
    """With a plan that the test sends, over that of the control plane, which has none of its own."""
    lab = make_module_lab()
    lab.wait_in_force()
    plan = Plan(lab, proto)
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web")
    plan.sources = [{"address": bytes([203, 0, 113, 0]), "length": 24}]
    plan.apply()
    return lab


def captured(lab, name, *words):
    """What is captured while the `with` block runs."""
    return following(lab, "capture", *words, "--write", lab.net.dir / name)


def drops(lab, name):
    return [packet.comment.removeprefix("dropped: ") for packet in pcapng.read(lab.net.dir / name)]


def test_a_fragment_whose_rest_never_comes(lab):
    before = lab.drops().get("fragment_timeout", 0)
    piece = raw(Ether(src=lab.client_mac(), dst=lab.box_mac("wan")) /
                IP(src=CLIENT, dst=VIP, id=4321, proto=17, flags="MF", frag=4) / Raw(b"z" * 16))
    with captured(lab, "fragment", "stage", "drop") as job:
        with lab.raw("client") as link:
            link.send(piece)
        wait_until(lambda: lab.drops().get("fragment_timeout", 0) == before + 1, "it is given up")
        ended(job)
    assert drops(lab, "fragment") == ["fragment_timeout"]
    line = tcpdump(lab, lab.net.dir / "fragment", "-v")
    assert "id 4321, offset 32, flags [+]" in line[0]


def test_who_is_outside_of_the_source_ranges(lab):
    before = lab.drops().get("source_range", 0)
    with captured(lab, "range", "stage", "drop") as job:
        lab.client.run("curl", "-s", "--max-time", "1", f"http://{VIP}/", check=False)
        wait_until(lambda: lab.drops().get("source_range", 0) > before, "it is dropped")
        ended(job)
    seen = drops(lab, "range")
    assert seen and set(seen) == {"source_range"}
    assert len(seen) == lab.drops()["source_range"] - before
    assert all(f"{CLIENT}." in line and "Flags [S]" in line for line in tcpdump(lab, lab.net.dir / "range")
               if line.startswith(tuple("0123456789")))
