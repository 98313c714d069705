# SPDX-License-Identifier: BSD-3-Clause
"""One process is killed with the other under load."""

import contextlib
import signal
import socket
import threading
import time

import pytest

import harness
from topology import wait_until

PORTS = [("echo", "TCP", 7000, 9000), ("http", "TCP", 80, 8080), ("dgram", "UDP", 7000, 9000)]


class Paced:
    """Numbered datagrams at a steady pace, each answered; in a thread of its own."""

    def __init__(self, lab, vip, port=7000, per_second=500):
        self.sock = lab.udp(vip)
        self.sock.connect((vip, port))
        self.sock.settimeout(0.3)
        self.pause = 1 / per_second
        self.sent, self.answered = 0, set()
        self.running = True
        self.threads = [threading.Thread(target=work) for work in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        next_at = time.monotonic()
        while self.running:
            with contextlib.suppress(OSError):  # an ICMP error in passing
                self.sock.send(b"%d" % self.sent)
            self.sent += 1
            next_at += self.pause
            time.sleep(max(0, next_at - time.monotonic()))

    def _receive(self):
        while True:
            try:
                number = self.sock.recv(2000).split(b"\n")[1]
                self.answered.add(int(number))
            except TimeoutError:
                if not self.running:
                    return
            except OSError:
                continue

    def wait_answered(self, more=200):
        wanted = len(self.answered) + more
        wait_until(lambda: len(self.answered) >= wanted, f"{more} more answers", 10)

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join()
        self.sock.close()
        return sorted(set(range(self.sent)) - self.answered)


def download(lab, vip, megabytes, pace):
    """curl, under way, where it writes to, and what is to be there in the end."""
    data = harness.payload(1 << 20) * megabytes
    for pod in lab.pods.values():
        (pod.dir / "files" / "big").write_bytes(data)
    out = lab.net.dir / "big"
    curl = lab.client.start("curl", "-gsS", "--limit-rate", pace, "-o", out,
                            harness.url(vip, 80, "/files/big"), log=lab.net.dir / "curl.log")
    wait_until(lambda: out.exists() and out.stat().st_size > 1 << 20, "the download under way")
    return curl, out, data


@pytest.mark.sanitized
class TestControlPlaneKilled:
    def test_not_one_packet_is_lost(self, make_lab):
        lab = make_lab()
        vip = lab.apply_service("steady", PORTS)[0]
        tcp, _, _, _ = lab.connect(vip, 7000, timeout=10)
        paced = Paced(lab, vip)
        try:
            paced.wait_answered()
            for _ in range(3):
                lab.box.kill("sluice-controlplane", signal.SIGKILL)
                paced.wait_answered()
                harness.exchange(tcp, harness.payload(200_000))
                assert lab.connect_once(vip, 7000)  # new connections, too
                lab.box.start("sluice-controlplane")
                lab.box.wait_answers()
                lab.wait_in_force()
                paced.wait_answered()
        finally:
            lost = paced.stop()
        assert not lost
        harness.exchange(tcp, b"the same connection")
        tcp.close()
        assert lab.addresses("steady") == [vip]

    def test_a_download_goes_on(self, make_lab):
        lab = make_lab()
        vip = lab.apply_service("files", PORTS)[0]
        curl, out, data = download(lab, vip, 40, "20M")
        lab.box.kill("sluice-controlplane", signal.SIGKILL)
        assert curl.wait(timeout=60) == 0
        assert out.read_bytes() == data

    def test_changes_made_meanwhile_are_found(self, make_lab):
        lab = make_lab()
        first = lab.apply_service("first", PORTS)[0]
        lab.box.kill("sluice-controlplane", signal.SIGKILL)
        lab.apply_service("second", PORTS, wait=False)
        lab.box.start("sluice-controlplane")
        lab.box.wait_answers()
        second = lab.wait_service("second")[0]
        assert lab.addresses("first") == [first] and second != first
        assert lab.connect_once(second, 7000) and lab.connect_once(first, 7000)


class TestDataplaneKilled:
    @pytest.mark.parametrize("control_plane", (True, False))
    def test_is_filled_again_within_a_second(self, make_lab, control_plane):
        """From the last plan, without cluster or control plane if need be."""
        lab = make_lab()
        vip = lab.apply_service("again", PORTS)[0]
        assert lab.ask_once(vip, 7000)
        if not control_plane:
            wait_until(lab.box.kept, "the plan on the disk")  # it is written beside, a moment later
            lab.box.kill("sluice-controlplane", signal.SIGKILL)
        lab.box.kill("sluice-dataplane", signal.SIGKILL)
        with contextlib.closing(lab.udp(vip, timeout=0.02)) as sock:
            started = time.monotonic()
            lab.box.start("sluice-dataplane")

            def answered():
                lab.box.check_alive()
                with contextlib.suppress(OSError):
                    return lab.ask(sock, vip, 7000)
                return None
            wait_until(answered, "an answer through the VIP", 5, pause=0)
            took = time.monotonic() - started
        assert took < 1.0, f"took {took:.2f} s"
        assert lab.connect_once(vip, 7000)

    @pytest.mark.parametrize("family", (4, 6))
    def test_what_keeps_the_client_goes_on(self, make_lab, family):
        """A connection of mode dnat needs nothing but the plan: whoever sends first opens it anew."""
        lab = make_lab()
        vip = lab.apply_service("kept", [("http", "TCP", 80, 8080), ("echo", "TCP", 7000, 9000)],
                                annotations={"sluice.dev/mode": "dnat"}, families=(family,))[0]
        quiet = lab.connect(vip, 7000)[0]
        curl, out, data = download(lab, vip, 24, "8M")
        lab.box.kill("sluice-dataplane", signal.SIGKILL)
        lab.box.start("sluice-dataplane")
        assert curl.wait(timeout=60) == 0
        assert out.read_bytes() == data
        harness.exchange(quiet, b"still there?")
        quiet.close()

    def test_the_control_plane_finds_it_again(self, make_lab):
        lab = make_lab()
        lab.apply_service("before", PORTS)
        lab.box.kill("sluice-dataplane", signal.SIGKILL)
        lab.apply_service("meanwhile", PORTS, wait=False)
        lab.box.start("sluice-dataplane")
        lab.box.wait_answers()
        vip = lab.wait_service("meanwhile")[0]
        assert lab.connect_once(vip, 7000)

    def test_own_address_meanwhile_and_after(self, make_lab):
        lab = make_lab()
        lab.box.kill("sluice-dataplane", signal.SIGKILL)
        lab.box.start("sluice-dataplane")
        lab.box.wait_answers()
        out = lab.client.run("ping", "-c", "3", "-i", "0.2", "-W", "2", harness.wan(1))
        assert "3 received" in out.stdout

    def test_a_damaged_plan_file_is_not_used(self, make_lab):
        """The dataplane starts empty and says so; the control plane fills it."""
        lab = make_lab()
        vip = lab.apply_service("damaged", PORTS)[0]
        lab.box.kill("sluice-controlplane", signal.SIGTERM)
        lab.box.kill("sluice-dataplane", signal.SIGTERM)
        damaged = 0
        for path in (lab.net.dir / "state").rglob("*"):
            if path.is_file() and path.read_bytes()[:8] == b"SLUICES1":
                data = bytearray(path.read_bytes())
                data[-1] ^= 1
                path.write_bytes(data)
                damaged += 1
        assert damaged
        lab.box.start_all()
        lab.wait_in_force()
        assert lab.addresses("damaged") == [vip]
        assert lab.connect_once(vip, 7000)


class TestOrderlyEnd:
    def test_both_end_on_sigterm_with_zero(self, make_lab):
        lab = make_lab()
        lab.apply_service("one", PORTS)
        assert lab.box.kill("sluice-controlplane", signal.SIGTERM) == 0
        assert lab.box.kill("sluice-dataplane", signal.SIGTERM) == 0


class TestServiceManager:
    @pytest.mark.parametrize("name", ["sluice-dataplane", "sluice-controlplane"])
    def test_hears_that_it_is_ready_and_alive(self, make_lab, monkeypatch, name):
        lab = make_lab()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(lab.net.dir / "notify"))
            manager.settimeout(10)
            monkeypatch.setenv("NOTIFY_SOCKET", str(lab.net.dir / "notify"))
            monkeypatch.setenv("WATCHDOG_USEC", "2000000")
            lab.box.kill(name, signal.SIGTERM)
            lab.box.start(name)
            assert manager.recv(100) == b"READY=1"
            for _ in range(3):
                assert manager.recv(100) == b"WATCHDOG=1"
