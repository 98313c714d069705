# SPDX-License-Identifier: BSD-3-Clause
"""A box in the middle of connections that it has not seen begin: its peer's, or its own from before
its dataplane began anew. Every box here is one that has just come up."""

import pytest

from test_workers import SHAPES
from world import *  # noqa: F401,F403

# Listeners of pools of their own, three pods each: port, algorithm, mode, affinity.
KINDS = {
    "maglev": (91, MAGLEV, DNAT, 0),
    "source-hash": (92, SOURCE_HASH, DNAT, 0),
    "affinity": (93, MAGLEV, DNAT, 600),
    "round-robin": (94, ROUND_ROBIN, DNAT, 0),
    "least-connections": (95, LEAST_CONNECTIONS, DNAT, 0),
    "round-robin-affinity": (96, ROUND_ROBIN, DNAT, 600),
    "maglev-dsr": (97, MAGLEV, DSR, 0),
    "weighted-dsr": (98, WEIGHTED, DSR, 0),
}
SURE = ("maglev", "source-hash", "affinity", "maglev-dsr")


def pods_of(f, port):
    """Each listener's pods listen on a port of their own."""
    return f.pods[3:6], port if port in (97, 98) else 8000 + port


def dress(box):
    for f in V4, V6:
        for port, algorithm, mode, affinity in KINDS.values():
            pods, pod_port = pods_of(f, port)
            box.say("pool", f"kind{port}{f}", algorithm)
            for pod in pods:
                box.say("endpoint", pod, pod_port, READY, 1)
            box.say("listener", f.vip, 6, port, f"kind{port}{f}", mode, affinity)
    box.say("apply")
    return box


@pytest.fixture
def another(make, runner):
    """another(): a box with the same plan and none of the flows, in place of the one before."""
    def another(**shape):
        assert runner.say("end") == {"lost": 0}
        return dress(make(**shape))
    return another


@pytest.fixture
def box(another):
    return another()


def header(f, packet):
    return packet[IPv6 if f.v6 else IP]


def segment(f, port, number=0, flags="A", src_port=4000, **fields):
    return from_client(f.ip(f.other(number), f.vip) / tcp(src_port, port, flags, **fields))


def answer(f, pod, pod_port, number=0, flags="A", client_port=4000, **fields):
    return from_node(f.ip(pod, f.other(number)) / tcp(pod_port, client_port, flags, **fields))


def chosen(box, f, port, clients=24):
    """Which pod each client's connection is opened to."""
    return {number: header(f, box.one(segment(f, port, number, "S")).packet).dst
            for number in range(clients)}


class TestFromTheClient:
    @pytest.mark.parametrize("kind", SURE)
    def test_it_goes_on_at_the_same_pod(self, another, family, kind):
        f, port = family, KINDS[kind][0]
        before = chosen(another(), f, port)
        assert len(set(before.values())) == 3
        box = another()
        for number in reversed(before):
            assert header(f, box.one(segment(f, port, number, "PA")).packet).dst == before[number]

    def test_affinity_holds_for_later_connections(self, another, family):
        """The client's second connection is at the pod of its first, whichever the peer sees."""
        f, first = family, another()
        before = chosen(first, f, 93)
        for number, pod in before.items():
            again = first.one(segment(f, 93, number, "S", src_port=4001))
            assert header(f, again.packet).dst == pod
        box = another()
        for number, pod in before.items():
            again = box.one(segment(f, 93, number, "A", src_port=4001))
            assert header(f, again.packet).dst == pod

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SURE])
    def test_chance_is_refused(self, box, family, kind):
        """The client is told at once; no pod is bothered with what it knows nothing of."""
        f, port = family, KINDS[kind][0]
        out = box.one(segment(f, port, flags="A", seq=100, ack=777))
        assert out.port == 0
        packet = sound(out)
        assert (packet[TCP].flags, packet[TCP].seq) == ("R", 777)
        assert box.drops() == {"no_flow": 1} and box.flows() == []

    @pytest.mark.parametrize("kind", ["round-robin", "weighted-dsr"])
    def test_one_pod_is_no_matter_of_chance(self, box, family, kind):
        f, (port, algorithm, *_) = family, KINDS[kind]
        pods, pod_port = pods_of(f, port)
        box.say("pool", f"kind{port}{f}", algorithm)
        box.say("endpoint", pods[1], pod_port, READY, 1)
        box.say("apply")
        box.one(segment(f, port))
        assert [flow["endpoint"] for flow in box.flows()] == [pods[1]]

    def test_affinity_known_is_no_matter_of_chance(self, box, family):
        f = family
        pod = header(f, box.one(segment(f, 96, flags="S")).packet).dst
        assert header(f, box.one(segment(f, 96, src_port=4001)).packet).dst == pod

    def test_nobody_ready(self, box, family):
        f = family
        box.say("pool", f"kind91{f}", MAGLEV)
        box.say("apply")
        box.one(segment(f, 91))
        assert box.drops() == {"no_endpoint": 1}


class TestFromThePod:
    @pytest.mark.parametrize("kind", ["maglev", "source-hash", "affinity"])
    @pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
    def test_it_goes_on(self, another, family, kind, shape):
        """The pod sends first, as in a download; then both are heard, at one worker."""
        f, port = family, KINDS[kind][0]
        pod_port = pods_of(f, port)[1]
        before = chosen(another(), f, port)
        box = another(**shape)
        queues = min(shape.get("queues", shape["workers"]), shape["workers"])
        for number, pod in before.items():
            frame = answer(f, pod, pod_port, number, "PA", seq=500, ack=101) / (b"x" * number)
            out = box.one(frame, port=1, queue=number % queues)
            packet = sound(out)
            assert out.port == 0
            assert (header(f, packet).src, header(f, packet).dst) == (f.vip, f.other(number))
            assert (packet[TCP].sport, packet[TCP].dport, packet[TCP].seq) == (port, 4000, 500)
            out = box.one(segment(f, port, number), queue=(number + 1) % queues)
            packet = sound(out)
            assert out.port == 1
            assert (header(f, packet).dst, packet[TCP].dport) == (pod, pod_port)
            assert (header(f, packet).src, packet[TCP].sport) == (f.other(number), 4000)
        flows = box.flows()
        assert len(flows) == len(before) and {flow["state"] for flow in flows} == {"established"}
        assert box.drops() == {}
        assert sum(worker["load"] for worker in box.workers()) == len(before)

    def test_a_whole_burst(self, another, family):
        f = family
        pod = chosen(another(), f, 91, 1)[0]
        box = another()
        for seq in range(20):
            box.put(answer(f, pod, 8091, seq=seq), port=1)
        out = box.out()
        assert [frame.packet[TCP].seq for frame in out] == list(range(20))
        assert {frame.port for frame in out} == {0} and len(box.flows()) == 1

    def test_its_end_too(self, another, family):
        f = family
        pod = chosen(another(), f, 91, 1)[0]
        box = another()
        assert box.one(answer(f, pod, 8091, flags="FA"), port=1).port == 0
        assert box.flows()[0]["state"] == "fin"

    @pytest.mark.parametrize("kind", ["round-robin", "least-connections"])
    def test_chance_is_left_alone(self, box, family, kind):
        f, port = family, KINDS[kind][0]
        pods, pod_port = pods_of(f, port)
        for pod in pods:
            assert box.one(answer(f, pod, pod_port), port=1).host is not None
        assert box.flows() == []

    def test_another_pod_is_left_alone(self, another, family):
        """One that the listener would not have given to this client."""
        f = family
        before = chosen(another(), f, 91)
        box = another()
        for number, chosen_pod in before.items():
            for pod in set(f.pods[3:6]) - {chosen_pod}:
                assert box.one(answer(f, pod, 8091, number), port=1).host is not None
        assert box.flows() == []

    @pytest.mark.parametrize("flags", ["R", "RA", "S", "SA"])
    def test_what_opens_nothing(self, another, family, flags):
        f = family
        pod = chosen(another(), f, 91, 1)[0]
        box = another()
        assert box.one(answer(f, pod, 8091, flags=flags), port=1).host is not None
        assert box.flows() == []

    def test_draining(self, another, family):
        f = family
        before = chosen(another(), f, 91)
        box = another()
        box.say("pool", f"kind91{f}", MAGLEV)
        for pod in f.pods[3:6]:
            box.say("endpoint", pod, 8091, DRAINING if pod == f.pods[3] else READY, 1)
        box.say("apply")
        number = next(number for number, pod in before.items() if pod == f.pods[3])
        assert box.one(answer(f, f.pods[3], 8091, number), port=1).host is not None

    def test_datagrams_wait_for_the_client(self, box, family):
        f = family
        frame = from_node(f.ip(f.pods[1], f.client) / UDP(sport=8080, dport=4000))
        assert box.one(frame, port=1).host is not None
        assert box.flows() == []

    def test_full_nat(self, box, family):
        """Its connections have an address of the box that had them."""
        f = family
        assert box.one(from_node(f.ip(f.pods[0], f.lan) / tcp(8080, 20001, "A")), port=1).host is not None

    def test_not_to_the_box_itself(self, box, family):
        """A check of the pod's health, by the kernel."""
        f = family
        assert box.one(from_node(f.ip(f.pods[1], f.lan) / tcp(8080, 999, "A")), port=1).host is not None
        assert box.flows() == []

    def test_who_is_not_allowed(self, box, family):
        f = family
        box.say("listener", f.vip, 6, 81, f"dnat{f}", DNAT, 0, "203.0.113.0/24", "2001:db8:f::/64")
        box.say("apply")
        assert box.one(answer(f, f.pods[1], 8080), port=1).host is not None

    def test_a_port_that_is_the_proxys_at_the_box(self, another, family):
        """The client has ports of its own."""
        f = family
        box = another(workers=2)
        for port in range(20000, 21000, 7):
            assert box.one(answer(f, f.pods[1], 8080, client_port=port), port=1).port == 0
        for port in range(20000, 21000, 7):
            frame = answer(f, f.pods[1], 8080, number=1, flags="SA", client_port=port)
            assert box.one(frame, port=1).host is not None

    def test_no_room(self, make, family):
        f, box = family, make(flows=64)
        for number in range(2000):
            box.put(answer(f, f.pods[1], 8080, number), port=1)
            box.out()
        drops = box.drops()
        assert set(drops) == {"flow_table_full"}
        assert len(box.flows()) == 2000 - drops["flow_table_full"]


class TestTwoListeners:
    """One pod behind two listeners of mode dnat."""

    @pytest.fixture
    def box(self, make, family):
        box = make()
        box.say("listener", family.vip, 6, 99, f"dnat{family}", DNAT, 0)
        box.say("apply")
        return box

    def test_the_client_decides(self, box, family):
        f, pod = family, family.pods[1]
        box.nothing(answer(f, pod, 8080), "answer_unsure", port=1)
        box.one(segment(f, 99))
        assert box.one(answer(f, pod, 8080), port=1).packet[TCP].sport == 99

    def test_one_goes(self, box, family):
        f = family
        box.say("unlisten", f.vip, 6, 81)
        box.say("apply")
        assert box.one(answer(f, f.pods[1], 8080), port=1).packet[TCP].sport == 99

    def test_more_than_are_kept_track_of(self, box, family):
        f, pod = family, family.pods[1]
        for port in range(100, 108):
            box.say("listener", f.vip, 6, port, f"dnat{f}", DNAT, 0)
        box.say("apply")
        assert box.one(answer(f, pod, 8080), port=1).host is not None
        assert box.one(segment(f, 107)).port == 1


class TestPastTheVip:
    """Connections to the pod's own address, which the kernel forwards."""

    def direct(self, box, f, flags, number=0, **fields):
        assert box.one(answer(f, f.pods[1], 8080, number, flags, **fields), port=1).host is not None

    @pytest.mark.parametrize("flags", ["SA", "S"])
    def test_what_began_so_stays_so(self, box, family, flags):
        f = family
        self.direct(box, f, flags)
        for _ in range(5):
            self.direct(box, f, "PA")
            box.wait(60000, rounds=40)
        assert box.flows() == [] and box.drops() == {}
        # Other connections of the pod's are what they are.
        assert box.one(answer(f, f.pods[1], 8080, client_port=4001), port=1).port == 0

    def test_never_answered(self, box, family):
        """Half a minute, as for any first segment."""
        f = family
        self.direct(box, f, "SA")
        assert box.workers()[0]["flows"] == 1
        box.wait(33000, rounds=40)
        assert box.workers()[0]["flows"] == 0

    def test_the_same_client_by_the_vip(self, box, family):
        """It uses the port again: the connection through the VIP is what it is."""
        f = family
        self.direct(box, f, "SA")
        box.one(segment(f, 81, flags="S"))
        assert box.one(answer(f, f.pods[1], 8080, flags="SA"), port=1).packet[TCP].sport == 81
        assert box.one(answer(f, f.pods[1], 8080), port=1).port == 0

    def test_its_pod_goes(self, box, family):
        f = family
        self.direct(box, f, "SA")
        box.say("pool", f"dnat{f}", MAGLEV)
        box.say("apply")
        box.say("sweep")
        box.out()
        assert box.workers()[0]["flows"] == 0
