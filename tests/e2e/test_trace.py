# SPDX-License-Identifier: BSD-3-Clause
"""What is seen from inside: frames captured, packets followed."""

import contextlib
import json
import signal
import subprocess
import time

import pytest

import harness
import pcapng
from harness import wan
from topology import CLIENT_HOST, wait_until

PORTS = [("echo", "TCP", 7000, 9000), ("dgram", "UDP", 7000, 9000)]
CLIENT = wan(CLIENT_HOST)


@pytest.fixture(scope="module")
def vip(lab):
    return lab.apply_service("seen", PORTS)[0]


@contextlib.contextmanager
def following(lab, *words):
    """The console at work, once it has begun; `read(job)` is what it said."""
    job = subprocess.Popen(
        ["ip", "netns", "exec", lab.box.machine.name, lab.box.program("sluice"), "--socket",
         lab.box.api_socket, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert "Ctrl-C ends it" in job.stderr.readline()
        yield job
    finally:
        job.kill()
        job.communicate()


def ended(job, interrupt=True):
    """Its lines, after Ctrl-C or by itself."""
    if interrupt:
        job.send_signal(signal.SIGINT)
    out, err = job.communicate(timeout=30)
    assert job.returncode == 0, err
    return out.splitlines(), err


def tcpdump(lab, path, *words):
    """What tcpdump reads in the file, a line a packet."""
    return lab.box.machine.run("tcpdump", "-nn", "-r", path, *words).stdout.splitlines()


def talk(lab, vip, times=3):
    sock, _, _, _ = lab.connect(vip, 7000)
    with contextlib.closing(sock):
        for _ in range(times):
            harness.exchange(sock, b"hello")


class TestCapture:
    def test_a_connection_on_both_sides(self, lab, vip):
        """In and out, at both ports, with the time, the port's name and the whole frame."""
        path = lab.net.dir / "both.pcapng"
        with following(lab, "capture", "proto", "tcp", "--write", path) as job:
            talk(lab, vip)
            _, err = ended(job)
        assert f"written to {path}" in err and "lost" not in err
        client = tcpdump(lab, path, "-S", f"host {CLIENT} and host {vip}")
        assert any("Flags [S]," in line for line in client)
        assert any("Flags [S.]," in line for line in client)
        assert len(tcpdump(lab, path, "port 9000")) >= len(client) - 2
        packets = list(pcapng.read(path))
        assert {packet.port for packet in packets} == {"wan", "lan"}
        assert {packet.way for packet in packets} == {"in", "out"}
        times = [packet.time for packet in packets]
        assert times == sorted(times) and abs(times[-1] - time.time()) < 60
        assert path.stat().st_mode & 0o777 == 0o600

    def test_lines_by_stage_and_port(self, lab, vip):
        with following(lab, "capture", "port", "wan", "host", CLIENT, "stage", "in", "port-number",
                       "7000", "protocol", "udp", "count", "2") as job:
            talk(lab, vip)
            for _ in range(4):
                lab.ask_once(vip, 7000)
            lines, err = ended(job, interrupt=False)
        assert len(lines) == 2 and err.startswith("2 packets")
        for line in lines:
            assert f"> {vip}:7000" in line and " in   wan " in line and " udp " in line

    def test_a_drop_has_its_name(self, lab, vip):
        path = lab.net.dir / "drops.pcapng"
        with following(lab, "capture", "stage", "drop", "host", vip, "--write", path) as job:
            for _ in range(3):
                with pytest.raises(ConnectionRefusedError):
                    lab.connect(vip, 7999)
            ended(job)
        packets = list(pcapng.read(path))
        assert packets and {packet.comment for packet in packets} == {"dropped: no_listener"}
        assert all("7999" in line for line in tcpdump(lab, path))

    def test_json_and_time(self, lab, vip):
        with following(lab, "capture", "host", vip, "seconds", "2", "--json") as job:
            lab.ask_once(vip, 7000)
            lines, _ = ended(job, interrupt=False)
        rows = [json.loads(line) for line in lines]
        assert {"in", "out"} == {row["stage"] for row in rows}
        assert all(len(row["frame"]) == 2 * row["length"] for row in rows)

    def test_one_at_a_time(self, lab, vip):
        with following(lab, "capture") as job:
            other = lab.box.sluice("capture", check=False)
            assert other.returncode == 2 and "another capture" in other.stderr
            ended(job)
        with following(lab, "capture", "count", "1") as job:
            lab.ask_once(vip, 7000)
            ended(job)

    def test_one_whose_console_is_killed_ends(self, lab, vip):
        with following(lab, "capture"):
            pass
        def free():
            return lab.box.sluice("capture", "seconds", "1", check=False).returncode == 0
        wait_until(free, "another capture may run", 15)

    def test_wrong_words(self, lab):
        for words, what in ((("port", "nowhere"), "no such port"), (("host", "web"), "an IPv4 or IPv6"),
                            (("proto", "sctp"), "tcp, udp or icmp"), (("stage", "all"), "in, out or drop"),
                            (("seconds", "0"), "at least 1")):
            answer = lab.box.sluice("capture", *words, check=False)
            assert answer.returncode == 2 and what in answer.stderr, (words, answer.stderr)
        answer = lab.box.sluice("capture", "--write", "/nowhere/file", check=False)
        assert answer.returncode == 1 and "/nowhere/file: cannot be written" in answer.stderr
