# SPDX-License-Identifier: BSD-3-Clause
"""Endpoints come, drain and go, while their clients are talking."""

import contextlib

import pytest

import harness
from topology import wait_until

PORTS = [("echo", "TCP", 7000, 9000), ("dgram", "UDP", 7000, 9000)]
MODES = ("full-nat", "dnat")


class Service:
    """One Service of the lab whose endpoints change."""

    def __init__(self, lab, name, mode, families=(4,)):
        self.lab, self.name, self.mode, self.families = lab, name, mode, families
        self.vips = self.publish(list(lab.pods))

    def publish(self, pods, **conditions):
        return self.lab.apply_service(
            self.name, PORTS, pods=pods, conditions=conditions, families=self.families,
            annotations={"sluice.dev/mode": self.mode})


def draining(*pods):
    return {pod.replace("-", "_"): {"ready": False, "serving": True, "terminating": True}
            for pod in pods}


@pytest.mark.parametrize("mode", MODES)
class TestDraining:
    def test_keeps_flows_and_gets_no_new_ones(self, lab, mode):
        service = Service(lab, f"drain-{mode}", mode)
        vip = service.vips[0]
        tcp, pod, _, _ = lab.connect(vip, 7000)
        with contextlib.closing(tcp):
            udp = next(sock for sock in (lab.udp(vip) for _ in range(100))
                       if lab.ask(sock, vip, 7000)[0] == pod)
            with contextlib.closing(udp):
                service.publish(list(lab.pods), **draining(pod))
                wait_until(lambda: lab.endpoint_state(vip, pod) == "draining", "draining")
                for _ in range(50):
                    assert lab.connect_once(vip, 7000)[0] != pod
                    assert lab.ask_once(vip, 7000)[0] != pod
                harness.exchange(tcp, b"still here")
                assert lab.ask(udp, vip, 7000)[0] == pod

    def test_all_draining_still_serve(self, lab, mode):
        """Kubernetes' rule: with nobody ready, those that serve while they end get new flows."""
        service = Service(lab, f"drain-all-{mode}", mode)
        vip = service.vips[0]
        service.publish(list(lab.pods), **draining(*lab.pods))
        wait_until(lambda: all(lab.endpoint_state(vip, pod) for pod in lab.pods), "published")
        assert lab.connect_once(vip, 7000)[0] in lab.pods


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", (4, 6))
class TestRemoval:
    def test_udp_is_rebound_at_once(self, lab, mode, family):
        service = Service(lab, f"gone-udp-{mode}{family}", mode, (family,))
        vip = service.vips[0]
        with contextlib.closing(lab.udp(vip, timeout=1)) as sock:
            pod, _, _ = lab.ask(sock, vip, 7000)
            service.publish([name for name in lab.pods if name != pod])
            wait_until(lambda: not lab.endpoint_state(vip, pod), f"{pod} gone")
            assert lab.ask(sock, vip, 7000)[0] != pod

    def test_tcp_is_reset_towards_the_client(self, lab, mode, family):
        service = Service(lab, f"gone-tcp-{mode}{family}", mode, (family,))
        vip = service.vips[0]
        tcp, pod, _, _ = lab.connect(vip, 7000)
        other, kept = tcp, pod
        while kept == pod:
            other, kept, _, _ = lab.connect(vip, 7000)
        with contextlib.closing(tcp), contextlib.closing(other):
            service.publish([name for name in lab.pods if name != pod])
            wait_until(lambda: not lab.endpoint_state(vip, pod), f"{pod} gone")
            with pytest.raises(ConnectionResetError):
                tcp.sendall(b"anybody there?")
                tcp.recv(100)
            harness.exchange(other, b"flows of the others never move")

    def test_an_idle_connection_is_told_without_asking(self, lab, mode, family):
        """The client learns of it although it says nothing."""
        service = Service(lab, f"gone-idle-{mode}{family}", mode, (family,))
        vip = service.vips[0]
        tcp, pod, _, _ = lab.connect(vip, 7000, timeout=3)
        with contextlib.closing(tcp):
            harness.exchange(tcp, b"so that both sides know each other's numbers")
            service.publish([name for name in lab.pods if name != pod])
            with pytest.raises(ConnectionResetError):
                tcp.recv(100)


def test_established_flows_never_move(lab):
    """Whatever comes and goes around them."""
    service = Service(lab, "steady", "full-nat")
    vip = service.vips[0]
    names = list(lab.pods)
    with contextlib.ExitStack() as held:
        socks = []
        for _ in range(20):
            sock, pod, _, _ = lab.connect(vip, 7000)
            held.enter_context(contextlib.closing(sock))
            socks.append((sock, pod))
        for gone in (names[1:], names, names[:-1], names):
            service.publish(gone)
            missing = set(names) - set(gone)
            wait_until(lambda: {name for name in names if lab.endpoint_state(vip, name)}
                       == set(gone), "endpoints as published")
            socks = [(sock, pod) for sock, pod in socks if pod not in missing]
            for sock, _ in socks:
                harness.exchange(sock, b"here")
        assert socks


def test_no_endpoint_at_all(lab):
    service = Service(lab, "empty", "full-nat")
    vip = service.vips[0]
    service.publish([])
    wait_until(lambda: not any(lab.endpoint_state(vip, pod) for pod in lab.pods), "no endpoint")
    before = lab.drops().get("no_endpoint", 0)
    with pytest.raises(OSError):
        lab.connect_once(vip, 7000, timeout=0.5)
    assert lab.drops()["no_endpoint"] > before
    service.publish(list(lab.pods))
    wait_until(lambda: lab.endpoint_state(vip, "web-1a"), "endpoints back")
    assert lab.connect_once(vip, 7000)


def test_a_weight_of_many_flows_is_shared_anew(lab):
    """An endpoint that comes gets its share of new flows."""
    service = Service(lab, "grow", "full-nat")
    vip = service.vips[0]
    names = list(lab.pods)
    service.publish(names[:1])
    wait_until(lambda: not lab.endpoint_state(vip, names[-1]), "one endpoint")
    assert {lab.connect_once(vip, 7000)[0] for _ in range(10)} == {names[0]}
    service.publish(names)
    wait_until(lambda: lab.endpoint_state(vip, names[-1]), "four endpoints")
    assert {lab.connect_once(vip, 7000)[0] for _ in range(harness.ENOUGH)} == set(names)
