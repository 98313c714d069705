# SPDX-License-Identifier: BSD-3-Clause
"""A connection's life: states and their times, tuples used again, resets, endpoints that go."""

import pytest

from world import *  # noqa: F401,F403


class Connection:
    """TCP through full NAT, DNAT or DSR; `client` and `pod` send a segment each and want it out on the
    other side."""

    def __init__(self, box, f, port=80, src_port=4000, client=None):
        self.box, self.f, self.port, self.src_port = box, f, port, src_port
        self.address = client or f.client
        self.source = None

    def client(self, flags, **fields):
        f = self.f
        out = self.box.one(from_client(f.ip(self.address, f.vip) / tcp(self.src_port, self.port, flags, **fields)))
        if out.port == 1:
            packet = out.packet
            self.source = packet[TCP].sport
            self.pod_address = packet[IPv6 if f.v6 else IP].dst
            self.own = packet[IPv6 if f.v6 else IP].src
        return out

    def pod(self, flags, **fields):
        f = self.f
        out = self.box.one(from_node(
            f.ip(self.pod_address, self.own) / tcp(8080, self.source, flags, **fields)), port=1)
        assert out.port == 0
        return out

    def open(self):
        self.client("S", seq=100)
        self.pod("SA", seq=500, ack=101)
        self.client("A", seq=101, ack=501)
        return self

    @property
    def state(self):
        states = [flow["state"] for flow in self.box.flows() if flow["client_port"] == self.src_port
                  and flow["client"] == self.address]
        assert len(states) <= 1
        return states[0] if states else None


@pytest.mark.parametrize("port", [80, 81])
def test_life(box, family, port):
    c = Connection(box, family, port)
    c.client("S", seq=100)
    assert c.state == "syn"
    c.client("S", seq=100)
    assert c.state == "syn"
    c.pod("SA", seq=500, ack=101)
    assert c.state == "syn"
    c.client("A", seq=101, ack=501)
    assert c.state == "established"
    c.client("PA", seq=101, ack=501)
    c.pod("PA", seq=501, ack=101)
    assert c.state == "established"
    assert box.workers()[0]["load"] == 1
    c.client("FA", seq=101, ack=501)
    assert c.state == "fin"
    c.pod("A", seq=501, ack=102)
    assert c.state == "fin"
    c.pod("FA", seq=501, ack=102)
    assert c.state == "fin"
    assert box.workers()[0]["load"] == 1
    c.client("A", seq=102, ack=502)
    assert c.state == "closed"
    assert box.workers()[0]["load"] == 0
    c.pod("FA", seq=501, ack=102)  # repeated: it still passes
    box.wait(1500)
    assert c.state == "closed"
    box.wait(2000)
    assert c.state is None
    assert box.workers()[0] | {"packets": 0} == {
        "flows": 0, "load": 0, "packets": 0, "handed_over": 0, "held": 0}


def test_pod_closes_first(box, family):
    c = Connection(box, family).open()
    c.pod("FA", seq=501, ack=101)
    c.client("FA", seq=101, ack=502)
    assert c.state == "fin"
    c.pod("A", seq=502, ack=102)
    assert c.state == "closed"


def test_half_closed_goes_on(box, family):
    c = Connection(box, family).open()
    c.client("FA", seq=101, ack=501)
    for _ in range(4):
        box.wait(40000, rounds=40)
        c.pod("PA", seq=501, ack=102)
        c.client("A", seq=102, ack=502)
    assert c.state == "fin"


@pytest.mark.parametrize("steps,state,seconds", [
    (["client S"], "syn", 30),
    (["client S", "pod SA"], "syn", 30),
    (["open", "client FA"], "fin", 60),
    (["open", "client FA", "pod FA", "client A"], "closed", 2),
    (["open", "client RA"], "closed", 60),
    (["client S", "pod RA"], "closed", 60),
], ids=lambda value: value if isinstance(value, str) else "")
def test_times(box, family, steps, state, seconds):
    c = Connection(box, family)
    for step in steps:
        who, _, flags = step.partition(" ")
        if who == "open":
            c.open()
        else:
            getattr(c, who)(flags)
    assert c.state == state
    box.wait((seconds - 1) * 1000, rounds=40)
    assert c.state == state
    box.wait(3000)
    assert c.state is None


def test_established_lasts(box, family):
    """7800 s, more than the two hours of keepalive (RFC 5382)."""
    c = Connection(box, family).open()
    for _ in range(39):
        box.say("pass", 199000)
        box.out(1700)
    assert c.state == "established"
    box.say("pass", 60000)
    box.out(1700)
    assert c.state is None


def test_udp_times(box, family):
    f = family
    frame = from_client(f.ip(f.client, f.vip) / UDP(sport=4000, dport=80))
    source = box.one(frame).packet[UDP].sport
    assert box.flows()[0]["state"] == "udp-new"
    box.wait(29000, rounds=40)
    assert len(box.flows()) == 1
    box.one(from_node(f.ip(f.pods[0], f.lan) / UDP(sport=8080, dport=source)), port=1)
    assert box.flows()[0]["state"] == "udp"
    box.wait(58000, rounds=40)
    assert len(box.flows()) == 1
    box.one(frame)
    box.wait(58000, rounds=40)
    assert len(box.flows()) == 1
    box.wait(5000)
    assert box.flows() == []
    box.one(frame)
    box.wait(33000, rounds=40)
    assert box.flows() == []


def test_dsr_life(box, family):
    """Only one side is seen."""
    c = Connection(box, family, 82)
    f = family

    def send(flags):
        box.one(from_client(f.ip(f.client, f.vip) / tcp(4000, 82, flags)))
    send("S")
    assert c.state == "syn"
    send("A")
    assert c.state == "established"
    send("FA")
    send("A")
    assert c.state == "fin"
    box.wait(63000, rounds=40)
    assert c.state is None


@pytest.mark.parametrize("end", [["client FA", "pod FA", "client A"], ["client RA"], ["pod RA"]],
                         ids=["fin", "reset by client", "reset by pod"])
def test_tuple_used_again(box, family, end):
    """A SYN on a closed connection's tuple begins another one, with another source port."""
    c = Connection(box, family).open()
    first = c.source
    for step in end:
        who, flags = step.split(" ")
        getattr(c, who)(flags)
    assert c.state == "closed"
    c.client("S", seq=9000)
    assert c.state == "syn"
    assert c.source != first
    assert len(box.flows()) == 1
    c.pod("SA", seq=1, ack=9001)
    c.client("A", seq=9001, ack=2)
    assert c.state == "established"


def test_tuple_used_again_in_one_burst(box, family):
    """The end of one connection, the whole next one, all in a burst."""
    f = family
    c = Connection(box, family).open()
    c.pod("FA", seq=501, ack=101)
    first = c.source
    for flags, seq, ack in ("FA", 101, 502), ("RA", 102, 502), ("S", 9000, 0), ("S", 9000, 0):
        box.put(from_client(f.ip(f.client, f.vip) / tcp(4000, 80, flags, seq=seq, ack=ack)))
    sources = [frame.packet[TCP].sport for frame in box.out()]
    assert sources[:2] == [first, first] and len(set(sources[2:])) == 1 and sources[2] != first
    assert c.state == "syn" and box.drops() == {}


def test_source_port_used_again(make, family):
    """With one source port: the next connection takes over that of a closed one, and what is late of
    the old one goes to nobody else's connection of the client."""
    f, box = family, make(ports=(20000, 20000))
    a = Connection(box, f).open()
    a.client("RA")
    b = Connection(box, f, src_port=4001, client=f.other(1)).open()
    assert b.source == a.source == 20000
    assert a.state is None
    assert len(box.flows()) == 1


def test_syn_into_an_established_connection(box, family):
    """It may be a stranger's: the endpoint answers with a challenge (RFC 5961), nothing is lost."""
    c = Connection(box, family).open()
    source = c.source
    c.client("S", seq=777777)
    assert (c.source, c.state) == (source, "established")
    c.pod("A", seq=501, ack=101)
    c.client("A", seq=101, ack=501)
    assert (c.source, c.state) == (source, "established")


@pytest.mark.parametrize("after", [0, 30000], ids=["at once", "quiet"])
@pytest.mark.parametrize("flags", ["R", "RA"])
@pytest.mark.parametrize("side", ["client", "pod"])
def test_blind_reset(box, family, side, flags, after):
    """A reset that its receiver does not believe does not end the connection here either, even when
    it is quiet for a while."""
    c = Connection(box, family).open()
    source = c.source
    getattr(c, side)(flags, seq=31337, ack=1)
    if after:
        box.wait(after, rounds=40)
    getattr(c, side)("PA", seq=101 if side == "client" else 501, ack=501 if side == "client" else 101)
    assert c.state == "established"
    c.pod("PA", seq=501, ack=101)
    c.client("PA", seq=101, ack=502)
    assert (c.source, c.state) == (source, "established")
    assert box.workers()[0]["load"] == 1


def test_late_segments_after_a_reset(box, family):
    """The other side's segments that are still on their way pass, and change nothing."""
    c = Connection(box, family).open()
    c.client("RA", seq=101, ack=501)
    c.pod("PA", seq=501, ack=101)
    c.pod("A", seq=601, ack=101)
    assert c.state == "closed"


def gone(box, f, name, *pods):
    """The pool loses its endpoints but `pods`."""
    box.say("pool", name, MAGLEV)
    for pod in pods:
        box.say("endpoint", pod, 8080, READY, 1)
    box.say("apply")


@pytest.mark.parametrize("port,pool", [(80, "one"), (81, "dnat")])
def test_endpoint_gone_tcp(box, family, port, pool):
    """The client is reset with the number it waits for, and again when it goes on."""
    f = family
    c = Connection(box, f, port).open()
    c.pod("PA", seq=501, ack=101)
    c.client("A", seq=101, ack=0xfffffffe)
    gone(box, f, f"{pool}{f}")
    box.say("sweep")
    out = box.out()
    assert len(out) == 1 and out[0].port == 0
    packet = sound(out[0])
    ip = packet[IPv6 if f.v6 else IP]
    assert (ip.src, ip.dst, packet[TCP].sport, packet[TCP].dport) == (f.vip, f.client, port, 4000)
    assert (packet[TCP].seq, str(packet[TCP].flags)) == (0xfffffffe, "R")
    assert c.state == "reset" and box.workers()[0]["load"] == 0
    again = sound(c.client("PA", seq=101, ack=1234))
    assert (again[TCP].seq, str(again[TCP].flags)) == (1234, "R")
    # What the dead pod still sends goes nowhere.
    box.nothing(from_node(f.ip(c.pod_address, c.own) / tcp(8080, c.source, "A")), "no_flow", port=1)
    # The client opens anew: there is nobody, or another pod.
    assert c.client("S").packet[TCP].flags == "RA"
    gone(box, f, f"{pool}{f}", f.pods[6])
    c.client("S")
    assert (c.pod_address, c.state) == (f.pods[6], "syn")


def test_endpoint_gone_before_it_answered(box, family):
    """The client is not told: its next SYN goes to another."""
    f = family
    c = Connection(box, f)
    c.client("S", seq=100)
    gone(box, f, f"one{f}", f.pods[6])
    box.say("sweep")
    assert box.out() == []
    c.client("S", seq=100)
    assert c.pod_address == f.pods[6]


@pytest.mark.parametrize("port,pool", [(80, "one"), (81, "dnat")])
def test_endpoint_gone_udp(box, family, port, pool):
    """Bound to another at once, with no word to anyone."""
    f = family
    frame = from_client(f.ip(f.client, f.vip) / UDP(sport=4000, dport=port))
    box.one(frame)
    gone(box, f, f"{pool}{f}", f.pods[6])
    box.say("sweep")
    assert box.out() == [] and box.flows() == []
    assert box.one(frame).packet[IPv6 if f.v6 else IP].dst == f.pods[6]


def test_others_do_not_notice(box, family):
    """One of three pods goes: the flows of the two others stay where they are."""
    f = family
    before = {}
    for number in range(60):
        out = box.one(from_client(f.ip(f.other(number), f.vip) / UDP(sport=4000, dport=86)))
        before[number] = out.packet[IPv6 if f.v6 else IP].dst
    assert set(before.values()) == set(f.pods[3:6])
    gone(box, f, f"three{f}", f.pods[3], f.pods[5])
    box.say("sweep")
    for number in range(60):
        out = box.one(from_client(f.ip(f.other(number), f.vip) / UDP(sport=4000, dport=86)))
        now = out.packet[IPv6 if f.v6 else IP].dst
        assert now == before[number] or before[number] == f.pods[4] and now in (f.pods[3], f.pods[5])


def test_draining(box, family):
    """Keeps its flows, gets no new ones."""
    f = family
    c = Connection(box, f).open()
    box.say("pool", f"one{f}", MAGLEV)
    box.say("endpoint", f.pods[0], 8080, DRAINING, 1)
    box.say("endpoint", f.pods[6], 8080, READY, 1)
    box.say("apply")
    box.say("sweep")
    assert box.out() == []
    c.client("PA", seq=101, ack=501)
    c.pod("A", seq=501, ack=102)
    assert c.pod_address == f.pods[0]
    other = Connection(box, f, src_port=4001)
    other.client("S")
    assert other.pod_address == f.pods[6]


def test_affinity(box, family):
    """One client, one pod, whatever the port; for 600 s since the last connection."""
    f = family

    def pod(client, port):
        out = box.one(from_client(f.ip(client, f.vip) / UDP(sport=port, dport=83)))
        return out.packet[IPv6 if f.v6 else IP].dst
    clients = [f.other(number) for number in range(40)]
    chosen = {client: pod(client, 4000) for client in clients}
    assert set(chosen.values()) == set(f.pods[3:6])
    for port in range(4001, 4010):
        assert {client: pod(client, port) for client in clients} == chosen
    # A pod comes: Maglev would move some, affinity does not.
    gone(box, f, f"three{f}", *f.pods[3:7])
    for _ in range(3):
        box.say("pass", 190000)
        box.out(1500)
        assert {client: pod(client, 4100) for client in clients} == chosen
    # A pod goes: only its clients move.
    gone(box, f, f"three{f}", *f.pods[4:7])
    box.say("sweep")
    box.out()
    moved = {client: pod(client, 4200) for client in clients}
    assert all(moved[client] == chosen[client] for client in clients if chosen[client] != f.pods[3])
    assert f.pods[3] not in moved.values()


def test_affinity_ends(box, family):
    f = family
    seen = set()
    box.say("pool", f"three{f}", ROUND_ROBIN)  # a hash would choose the same pod again
    for pod in f.pods[3:6]:
        box.say("endpoint", pod, 8080, READY, 1)
    box.say("apply")
    for number in range(12):
        for _ in range(4):
            box.say("pass", 151000)
            box.out(1500)
        seen.add(box.one(from_client(f.ip(f.client, f.vip) / UDP(sport=4000 + number, dport=83)))
                 .packet[IPv6 if f.v6 else IP].dst)
        assert box.workers()[0]["flows"] == 2
    assert len(seen) > 1


def test_two_listeners_of_one_endpoint(make, family):
    """DNAT: a client with one port by two VIP ports at one pod: the second gets another port."""
    f, box = family, make()
    box.say("listener", f.vip, 6, 91, f"dnat{f}", DNAT, 0)
    box.say("apply")
    first = Connection(box, f, 81).open()
    out = box.one(from_client(f.ip(f.client, f.vip) / tcp(4000, 91, "S")))
    packet = out.packet
    assert packet[IPv6 if f.v6 else IP].src == f.client and packet[TCP].sport != 4000
    back = box.one(from_node(f.ip(f.pods[1], f.client) / tcp(8080, packet[TCP].sport, "SA")), port=1)
    assert (back.packet[TCP].sport, back.packet[TCP].dport) == (91, 4000)
    assert first.pod("A").packet[TCP].sport == 81
