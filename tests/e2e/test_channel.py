# SPDX-License-Identifier: BSD-3-Clause
"""The channel as a stranger uses it: a wrong message is refused with a reason and changes nothing."""

import socket
import struct

import pytest

from channel import Channel, proto  # noqa: F401: proto is a fixture
from harness import wan
from topology import wait_until

PORTS = [("echo", "TCP", 7000, 9000), ("dgram", "UDP", 7000, 9000)]


@pytest.fixture
def served(make_lab):
    """A lab whose control plane has done its work and left."""
    lab = make_lab()
    lab.vip = lab.apply_service("served", PORTS)[0]
    lab.box.kill("sluice-controlplane")
    yield lab
    lab.box.check_alive()
    assert lab.ask_once(lab.vip, 7000) and lab.connect_once(lab.vip, 7000)


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def test_it_says_hello(served, proto):
    with Channel(served, proto) as channel:
        assert channel.hello.id == 0 and channel.hello.hello.version == proto.VERSION_CURRENT
        assert channel.hello.hello.generation > 0


def test_a_difference_from_another_generation(served, proto):
    with Channel(served, proto) as channel:
        now = channel.hello.hello.generation
        result = channel.transact(since=now + 5, generation=now + 6, vips_removed=[packed(served.vip)])
        assert not result.applied and result.reason and result.generation == now


@pytest.mark.parametrize("wrong", (
    {"vips": [{"address": b"123"}]},
    {"listeners": [{"vip": packed(wan(100)), "protocol": 6, "port": 0, "service": "a/b/c",
                    "pool": "none", "mode": 1}]},
    {"listeners": [{"vip": packed(wan(100)), "protocol": 99, "port": 80, "service": "a/b/c",
                    "pool": "none", "mode": 1}]},
    {"pools": [{"name": "p", "algorithm": 77}]},
    {"pools": [{"name": "p", "algorithm": 1, "endpoints": [
        {"address": packed("10.244.1.11"), "port": 70000, "weight": 1, "state": 1}]}]},
    {"pools": [{"name": "p", "algorithm": 1, "endpoints": [
        {"address": packed("10.244.1.11"), "port": 80, "weight": 100000, "state": 1}]}]},
    {"routes": [{"prefix": {"address": packed("10.0.0.0"), "length": 99}, "via": packed(wan(9))}]},
    {"listeners_removed": [{"vip": packed("203.0.113.1"), "protocol": 6, "port": 80}],
     "pools_removed": ["nobody's"]},
), ids=lambda wrong: "+".join(wrong))
def test_a_wrong_object(served, proto, wrong):
    """Refused with a reason, and neither it nor what came with it takes place."""
    with Channel(served, proto) as channel:
        now = channel.hello.hello.generation
        good = {"vips": [{"address": packed(wan(140)), "owned": True}]}
        fields = {**wrong}
        fields["vips"] = fields.get("vips", []) + good["vips"]
        result = channel.transact(since=now, generation=now + 1, **fields)
        if "listeners_removed" in wrong and result.applied:
            pytest.fail("removed what is not there")
        assert not result.applied and result.reason
        assert result.generation == now
    assert served.client.run("arping", "-c", "1", "-w", "1", "-I", "eth0", wan(140),
                             check=False).returncode != 0


def test_whole_transaction_replaces_all(served, proto):
    with Channel(served, proto) as channel:
        now = channel.hello.hello.generation
        result = channel.transact(since=0, generation=now + 1,
                                  vips=[{"address": packed(wan(141)), "owned": True}])
        assert result.applied and result.generation == now + 1
    wait_until(lambda: served.client.run(
        "arping", "-c", "1", "-w", "1", "-I", "eth0", wan(141), check=False).returncode == 0,
        "the new VIP answered")
    with pytest.raises(OSError):
        served.connect_once(served.vip, 7000, timeout=0.5)
    served.box.start("sluice-controlplane")  # finds another plan than its own, and puts it right
    served.box.wait_answers()
    served.wait_in_force()


@pytest.mark.parametrize("data", (
    b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", struct.pack("!I", 20) + b"rubbish that is not",
    struct.pack("!I", 300 << 20), b"\x00\x00",
), ids=("huge", "empty", "rubbish", "too-long", "cut"))
def test_rubbish(served, proto, data):
    with Channel(served, proto) as channel:
        channel.sock.sendall(data)
        channel.sock.shutdown(socket.SHUT_WR)
        try:
            reply = channel.receive()
            assert not reply.result.applied and reply.result.reason
        except (EOFError, ConnectionError):
            pass  # hung up on is an answer, too
    with Channel(served, proto) as channel:
        assert channel.hello.hello.generation > 0


def test_many_at_a_time(served, proto):
    """More than it takes: the last ones are turned away, the first ones are served."""
    channels = []
    try:
        for _ in range(8):
            channels.append(Channel(served, proto))
        for channel in channels[:4]:
            request = proto.Request(id=7, stats=proto.StatsRequest())
            channel.send(request.SerializeToString())
            assert channel.receive().stats.workers
    finally:
        for channel in channels:
            channel.sock.close()
