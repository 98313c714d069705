# SPDX-License-Identifier: BSD-3-Clause
"""Modes, families, protocols and algorithms, with real sockets on both sides."""

import collections
import contextlib
import socket
import time

import pytest

import harness
from topology import CLIENT_HOST, LAN4, LAN6

FAMILIES = (4, 6)
PORTS = [("echo", "TCP", 7000, 9000), ("http", "TCP", 80, 8080), ("dgram", "UDP", 7000, 9000)]


def chi_square(counts, expected):
    return sum((counts.get(name, 0) - want) ** 2 / want for name, want in expected.items())


@pytest.fixture(scope="module")
def vips(lab):
    """VIPs of a Service a mode: {(mode, family): address}."""
    found = {}
    for mode in ("full-nat", "dnat"):
        four, six = lab.apply_service(
            mode, PORTS, families=FAMILIES, annotations={"sluice.dev/mode": mode})
        found.update({(mode, 4): four, (mode, 6): six})
    return found


@pytest.mark.sanitized
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mode", ("full-nat", "dnat"))
class TestModes:
    def seen_by_pods(self, mode, family):
        if mode == "dnat":
            return harness.wan(CLIENT_HOST, family)
        return (LAN4 if family == 4 else LAN6).format(1)

    def test_tcp_reaches_every_pod(self, lab, vips, mode, family):
        pods = collections.Counter()
        for _ in range(harness.ENOUGH):
            pod, seen, _ = lab.connect_once(vips[mode, family], 7000)
            assert seen == self.seen_by_pods(mode, family)
            pods[pod] += 1
        assert set(pods) == set(lab.pods)

    def test_udp_reaches_every_pod(self, lab, vips, mode, family):
        pods = collections.Counter()
        for _ in range(harness.ENOUGH):
            pod, seen, _ = lab.ask_once(vips[mode, family], 7000)
            assert seen == self.seen_by_pods(mode, family)
            pods[pod] += 1
        assert set(pods) == set(lab.pods)

    def test_a_flow_stays_with_its_pod(self, lab, vips, mode, family):
        with contextlib.closing(lab.udp(vips[mode, family])) as sock:
            pods = {lab.ask(sock, vips[mode, family], 7000, bytes([n]))[0] for n in range(50)}
        assert len(pods) == 1

    def test_a_megabyte_both_ways(self, lab, vips, mode, family):
        sock, _, _, _ = lab.connect(vips[mode, family], 7000, timeout=20)
        with contextlib.closing(sock):
            for _ in range(16):
                harness.exchange(sock, harness.payload(65536))

    def test_download_by_curl_from_nginx(self, lab, vips, mode, family):
        data = harness.payload(8 << 20)
        for pod in lab.pods.values():
            (pod.dir / "files").mkdir(exist_ok=True)
            (pod.dir / "files" / "eight").write_bytes(data)
        out = lab.net.dir / f"eight-{mode}-{family}"
        lab.curl("-o", out, harness.url(vips[mode, family], 80, "/files/eight"))
        assert out.read_bytes() == data

    def test_both_sides_close(self, lab, vips, mode, family):
        """A half-closed connection still carries the other half."""
        sock, _, _, _ = lab.connect(vips[mode, family], 7000)
        with contextlib.closing(sock):
            sock.sendall(b"last words")
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            while more := sock.recv(100):
                answer += more
            assert answer == b"last words"


def test_port_that_is_not_listened_on(lab, vips):
    """A VIP refuses what no Service has, at once and with a reason."""
    before = lab.drops().get("no_listener", 0)
    sock = lab.client.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(0.5)
    with contextlib.closing(sock), pytest.raises((ConnectionRefusedError, TimeoutError)):
        sock.connect((vips["full-nat", 4], 4321))
    assert lab.drops()["no_listener"] > before


class TestAlgorithms:
    """Real connections; the counts per pod are compared with what the algorithm promises."""

    CONNECTIONS = 400

    def spread(self, lab, name, count=None, **spec):
        annotations = {"sluice.dev/algorithm": name, **spec.pop("annotations", {})}
        vip = lab.apply_service(name, [("dgram", "UDP", 7000, 9000)], annotations=annotations,
                                **spec)[0]
        # Ports of our own choosing: the kernel's might be those of a flow that is still known.
        return vip, collections.Counter(
            lab.ask_once(vip, 7000, source_port=21000 + n)[0]
            for n in range(count or self.CONNECTIONS))

    def test_maglev(self, lab):
        _, counts = self.spread(lab, "maglev")
        even = {pod: self.CONNECTIONS / len(lab.pods) for pod in lab.pods}
        assert chi_square(counts, even) < 16.3  # 3 degrees of freedom, p = 0.001

    def test_round_robin(self, lab):
        _, counts = self.spread(lab, "round-robin")
        assert set(counts.values()) == {self.CONNECTIONS // len(lab.pods)}

    def test_weighted_with_equal_weights(self, lab):
        _, counts = self.spread(lab, "weighted")
        assert set(counts.values()) == {self.CONNECTIONS // len(lab.pods)}

    def test_source_hash(self, lab):
        vip, counts = self.spread(lab, "source-hash", 40)
        assert len(counts) == 1
        others = {lab.ask_once(vip, 7000, source=self.add_address(lab, host))[0]
                  for host in range(30, 70)}
        assert len(others) == len(lab.pods)

    def add_address(self, lab, host):
        address = harness.wan(host)
        lab.client.ip(f"addr replace {address}/24 dev eth0")
        return address

    def test_least_connections(self, lab):
        """With connections held open, each pod has as many as the others."""
        vip = lab.apply_service(
            "least", [("echo", "TCP", 7000, 9000)],
            annotations={"sluice.dev/algorithm": "least-connections"})[0]
        with contextlib.ExitStack() as held:
            counts = collections.Counter()
            first = {}
            for _ in range(40):
                sock, pod, _, _ = lab.connect(vip, 7000)
                held.enter_context(contextlib.closing(sock))
                counts[pod] += 1
                first.setdefault(pod, []).append(sock)
            assert set(counts.values()) == {10}
            # One pod's connections end; the next ones all go there until it has as many again.
            chosen, socks = next(iter(first.items()))
            for sock in socks:
                lab.abort(sock)
            lab.wait_flows(30, vip=vip, states=("established",))
            for _ in range(10):
                sock, pod, _, _ = lab.connect(vip, 7000)
                held.enter_context(contextlib.closing(sock))
                assert pod == chosen


class TestMaglevDisruption:
    def test_few_choices_move_when_an_endpoint_leaves(self, lab):
        """At most 1/n + 5% of the new-flow choices move; a flow's choice depends on its 4-tuple
        alone, so the same source port asks twice."""
        ports = range(20000, 20400)

        def choices(vip):
            return {port: lab.ask_once(vip, 7000, source_port=port)[0] for port in ports}

        def publish(pods):
            return lab.apply_service("disrupt", [("dgram", "UDP", 7000, 9000)], pods=pods,
                                     annotations={"sluice.dev/algorithm": "maglev"})[0]

        vip = publish(list(lab.pods))
        before = choices(vip)
        gone, *rest = lab.pods
        lab.remove("disrupt")
        lab.wait_flows(0, vip=vip)  # what was chosen is forgotten, so that it is chosen anew
        assert publish(rest) == vip
        after = choices(vip)
        moved = sum(before[port] != after[port] for port in ports)
        assert gone not in after.values()
        assert moved <= len(ports) * (1 / len(lab.pods) + 0.05)


class TestAffinity:
    def test_a_client_keeps_its_pod(self, lab):
        vip = lab.apply_service("affine", PORTS, sessionAffinity="ClientIP")[0]
        pods = {lab.connect_once(vip, 7000)[0] for _ in range(20)}
        assert len(pods) == 1

    def test_until_its_time_is_up(self, lab):
        vip = lab.apply_service(
            "affine-short", [("dgram", "UDP", 7000, 9000)],
            annotations={"sluice.dev/algorithm": "round-robin"}, sessionAffinity="ClientIP",
            sessionAffinityConfig={"clientIP": {"timeoutSeconds": 2}})[0]
        first = lab.ask_once(vip, 7000)[0]
        assert {lab.ask_once(vip, 7000)[0] for _ in range(10)} == {first}
        time.sleep(3)  # idle for longer than the timeout: round robin moves on
        assert lab.ask_once(vip, 7000)[0] != first

    def test_clients_are_spread(self, lab):
        vip = lab.apply_service("affine-many", [("dgram", "UDP", 7000, 9000)],
                                sessionAffinity="ClientIP")[0]
        pods = set()
        for host in range(30, 60):
            lab.client.ip(f"addr replace {harness.wan(host)}/24 dev eth0")
            pods.add(lab.ask_once(vip, 7000, source=harness.wan(host))[0])
        assert pods == set(lab.pods)


class TestSourceRanges:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_only_those_may_come(self, lab, family):
        inside, outside = harness.wan(70, family), harness.wan(71, family)
        bits = 24 if family == 4 else 64
        lab.client.ip(*(f"addr replace {address}/{bits} dev eth0{' nodad' if family == 6 else ''}"
                        for address in (inside, outside)))
        vip = lab.apply_service(
            f"ranged{family}", PORTS, families=(family,),
            loadBalancerSourceRanges=[f"{inside}/{32 if family == 4 else 128}"])[0]
        assert lab.ask_once(vip, 7000, source=inside)
        assert lab.connect_once(vip, 7000, source=inside)
        before = lab.drops().get("source_range", 0)
        with pytest.raises(TimeoutError):
            lab.ask_once(vip, 7000, source=outside, timeout=0.5)
        with pytest.raises(OSError):
            lab.connect_once(vip, 7000, source=outside, timeout=0.5)
        assert lab.drops()["source_range"] >= before + 2
