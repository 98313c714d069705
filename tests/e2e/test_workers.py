# SPDX-License-Identifier: BSD-3-Clause
"""Several workers on a port without RSS: each flow, both directions of it, is one worker's alone."""

import collections
import contextlib
import os

import pytest

import harness
from topology import CLIENT_HOST, wait_until

PORTS = [("echo", "TCP", 7000, 9000), ("http", "TCP", 80, 8080), ("dgram", "UDP", 7000, 9000)]
FAMILIES = (4, 6)


def four_workers(settings):
    cpus = sorted(os.sched_getaffinity(0))
    settings["dataplane"]["workers"] = [cpus[n % len(cpus)] for n in range(4)]
    for port in settings["ports"]:
        port["queues"] = 1  # all packets come to one worker first


@pytest.fixture(scope="module")
def four(make_module_lab):
    lab = make_module_lab(adjust=four_workers)
    lab.vips = {}
    for mode in ("full-nat", "dnat"):
        four, six = lab.apply_service(mode, PORTS, families=FAMILIES,
                                      annotations={"sluice.dev/mode": mode})
        lab.vips.update({(mode, 4): four, (mode, 6): six})
    affine = lab.apply_service("affine", PORTS, sessionAffinity="ClientIP",
                               annotations={"sluice.dev/mode": "full-nat"})
    lab.vips["affine", 4] = affine[0]
    return lab


@pytest.mark.sanitized
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mode", ("full-nat", "dnat"))
class TestOwnership:
    def test_both_directions_belong_to_one_worker(self, four, mode, family):
        vip = four.vips[mode, family]
        with contextlib.ExitStack() as held:
            tcp = {}
            for _ in range(harness.ENOUGH):
                sock, pod, _, _ = four.connect(vip, 7000)
                held.enter_context(contextlib.closing(sock))
                tcp[sock.getsockname()[1]] = sock
            udp = {}
            for _ in range(harness.ENOUGH):
                sock = held.enter_context(contextlib.closing(four.udp(vip)))
                four.ask(sock, vip, 7000)
                udp[sock.getsockname()[1]] = sock
            for _ in range(3):
                for sock in tcp.values():
                    harness.exchange(sock, harness.payload(3000))
                for sock in udp.values():
                    four.ask(sock, vip, 7000)
            self.check(four, vip, "tcp", tcp)
            self.check(four, vip, "udp", udp)

    @staticmethod
    def check(four, vip, protocol, socks):
        client = harness.wan(CLIENT_HOST, 6 if ":" in vip else 4)
        owners = collections.defaultdict(list)
        for row in four.flows(vip):
            if row["protocol"] == protocol and row["client"] == client:
                owners[row["client_port"]].append(row)
        for port in socks:
            assert len(owners[port]) == 1, f"{protocol} port {port}: {owners[port]}"
        assert len({owners[port][0]["worker"] for port in socks}) == 4  # all take part

    def test_downloads_side_by_side(self, four, mode, family):
        data = harness.payload(2 << 20)
        for pod in four.pods.values():
            (pod.dir / "files" / "two").write_bytes(data)
        curls = [four.client.start(
            "curl", "-gsS", "--max-time", "60", "-o", four.net.dir / f"{mode}-{family}-{n}",
            harness.url(four.vips[mode, family], 80, "/files/two"),
            log=four.net.dir / "curl.log") for n in range(8)]
        for curl in curls:
            assert curl.wait(timeout=60) == 0
        for n in range(8):
            assert (four.net.dir / f"{mode}-{family}-{n}").read_bytes() == data


class TestHandOff:
    def test_is_counted(self, four):
        assert sum(row["handed_over"] for row in four.rows("workers")) > 0
        assert len(four.rows("workers")) == 4

    def test_loses_nothing(self, four):
        drops = four.drops()
        assert not drops.get("handoff_full") and not drops.get("handoff_loop")

    def test_affinity_over_workers(self, four):
        """A client's connections come from many ports, yet one worker remembers its endpoint."""
        assert len({four.connect_once(four.vips["affine", 4], 7000)[0] for _ in range(30)}) == 1
        assert len({four.ask_once(four.vips["affine", 4], 7000)[0] for _ in range(30)}) == 1

    @pytest.mark.parametrize("family", FAMILIES)
    def test_fragments(self, four, family):
        vip = four.vips["full-nat", family]
        for _ in range(10):
            with contextlib.closing(four.udp(vip)) as sock:
                pod = four.ask(sock, vip, 7000)[0]
                assert four.ask(sock, vip, 7000, harness.payload(20000))[0] == pod

    def test_icmp_errors_find_the_owner(self, four):
        vip = four.apply_service("closed", [("none", "UDP", 7001, 9999)])[0]
        for _ in range(12):
            with contextlib.closing(four.udp(vip)) as sock:
                sock.connect((vip, 7001))
                sock.send(b"anybody?")
                with pytest.raises(ConnectionRefusedError):
                    sock.recv(100)

    def test_removal_reaches_every_worker(self, four):
        vip = four.apply_service("shrinks", [("dgram", "UDP", 7000, 9000)])[0]
        with contextlib.ExitStack() as held:
            socks = [held.enter_context(contextlib.closing(four.udp(vip))) for _ in range(24)]
            for sock in socks:
                four.ask(sock, vip, 7000)
            four.apply_service("shrinks", [("dgram", "UDP", 7000, 9000)], pods=["web-2b"])
            wait_until(lambda: not four.endpoint_state(vip, "web-1a"), "the others gone")
            assert {four.ask(sock, vip, 7000)[0] for sock in socks} == {"web-2b"}
