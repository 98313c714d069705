# SPDX-License-Identifier: BSD-3-Clause
"""Direct server return: tunnelled to the pod, which answers the client itself, past the box."""

import collections
import contextlib

import pytest

import harness
from topology import CLIENT_HOST, ROOT, wait_until

PORTS = [("echo", "TCP", 9000, 9000), ("http", "TCP", 8080, 8080), ("dgram", "UDP", 9000, 9000)]


@pytest.fixture(scope="module")
def dsr(make_module_lab):
    """A lab whose nodes reach the client without the box, its pods at the end of tunnels, and the
    VIPs of its Service."""
    lab = make_module_lab(node_on_wan=True)
    vips = lab.apply_service("dsr", PORTS, families=(4, 6), annotations={"sluice.dev/mode": "dsr"})
    for pod in lab.pods.values():
        pod.machine.start("/usr/bin/python3", ROOT / "tests/e2e/decap.py", pod.dir / "decap", *vips,
                          log=pod.dir / "decap.log")
    for pod in lab.pods.values():
        wait_until((pod.dir / "decap").exists, "the tunnel's other end")
    lab.vips = dict(zip((4, 6), vips))
    return lab


@pytest.mark.sanitized
@pytest.mark.parametrize("family", (4, 6))
class TestDsr:
    def test_udp(self, dsr, family):
        pods = collections.Counter()
        for _ in range(harness.ENOUGH):
            pod, seen, _ = dsr.ask_once(dsr.vips[family], 9000)
            assert seen == harness.wan(CLIENT_HOST, family)
            pods[pod] += 1
        assert set(pods) == set(dsr.pods)

    def test_tcp(self, dsr, family):
        pods = set()
        for _ in range(harness.ENOUGH):
            sock, pod, seen, _ = dsr.connect(dsr.vips[family], 9000)
            with contextlib.closing(sock):
                assert seen == harness.wan(CLIENT_HOST, family)
                harness.exchange(sock, b"hello")
            pods.add(pod)
        assert pods == set(dsr.pods)

    def test_full_segments_fit_the_tunnel(self, dsr, family):
        """Upload with the client's full MTU: the box tells it that the tunnel takes less."""
        sock, _, _, _ = dsr.connect(dsr.vips[family], 9000, timeout=20)
        with contextlib.closing(sock):
            for _ in range(16):
                harness.exchange(sock, harness.payload(65536))

    def test_download(self, dsr, family):
        data = harness.payload(4 << 20)
        for pod in dsr.pods.values():
            (pod.dir / "files" / "four").write_bytes(data)
        out = dsr.net.dir / f"four-{family}"
        dsr.curl("-o", out, harness.url(dsr.vips[family], 8080, "/files/four"))
        assert out.read_bytes() == data

    def test_answers_go_past_the_box(self, dsr, family):
        """Nothing comes back through it: only packets from clients are counted."""
        before = self.counted(dsr, family)
        for _ in range(10):
            dsr.ask_once(dsr.vips[family], 9000)
        wait_until(lambda: self.counted(dsr, family)[0] >= before[0] + 10, "packets counted")
        assert self.counted(dsr, family)[1] == before[1]

    @staticmethod
    def counted(dsr, family):
        rows = [row for row in dsr.endpoint_rows("dsr") if (":" in row["address"]) == (family == 6)]
        return (sum(row["packets_in"] for row in rows), sum(row["packets_out"] for row in rows))
