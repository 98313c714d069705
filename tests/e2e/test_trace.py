# SPDX-License-Identifier: BSD-3-Clause
"""What is seen from inside: frames captured, packets followed."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

import harness
import pcapng
from harness import wan
from terminal import Terminal
from test_ingress import SETTINGS, VIP, curl, ingress, path, web_service, who
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


def tcpdump(lab, file, *words):
    """What tcpdump reads in the file, a line a packet."""
    return lab.box.machine.run("tcpdump", "-nn", "-r", file, *words).stdout.splitlines()


def talk(lab, vip, times=3):
    sock, _, _, _ = lab.connect(vip, 7000)
    with contextlib.closing(sock):
        for _ in range(times):
            harness.exchange(sock, b"hello")


@pytest.mark.sanitized
class TestCapture:
    def test_a_connection_on_both_sides(self, lab, vip):
        """In and out, at both ports, with the time, the port's name and the whole frame."""
        file = lab.net.dir / "both.pcapng"
        with following(lab, "capture", "proto", "tcp", "--write", file) as job:
            talk(lab, vip)
            _, err = ended(job)
        assert f"written to {file}" in err and "lost" not in err
        client = tcpdump(lab, file, "-S", f"host {CLIENT} and host {vip}")
        assert any("Flags [S]," in line for line in client)
        assert any("Flags [S.]," in line for line in client)
        assert len(tcpdump(lab, file, "port 9000")) >= len(client) - 2
        packets = list(pcapng.read(file))
        assert {packet.port for packet in packets} == {"wan", "lan"}
        assert {packet.way for packet in packets} == {"in", "out"}
        times = [packet.time for packet in packets]
        assert times == sorted(times) and abs(times[-1] - time.time()) < 60
        assert file.stat().st_mode & 0o777 == 0o600

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
        file = lab.net.dir / "drops.pcapng"
        with following(lab, "capture", "stage", "drop", "host", vip, "--write", file) as job:
            for _ in range(3):
                with pytest.raises(ConnectionRefusedError):
                    lab.connect(vip, 7999)
            ended(job)
        packets = list(pcapng.read(file))
        assert packets and {packet.comment for packet in packets} == {"dropped: no_listener"}
        assert all("7999" in line for line in tcpdump(lab, file))

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


def steps(row):
    return {step["stage"]: step["text"] for step in row["steps"]}


def traces(job, interrupt=True):
    return [steps(row) for row in map(json.loads, ended(job, interrupt)[0]) if "steps" in row]


def test_on_a_terminal(lab, vip, tmp_path):
    """Seen as it comes; Ctrl-C ends it, and not the console. Filtered it is shown at its end."""
    with Terminal(lab.box.program("sluice"), "--socket", lab.box.api_socket, home=tmp_path) as terminal:
        terminal.type(f"capture host {vip} proto udp\r")
        terminal.sees("capturing: Ctrl-C ends it")
        lab.ask_once(vip, 7000)
        terminal.sees(rf"in   wan +udp {CLIENT}:\d+ > {vip}:7000")
        terminal.type("\x03")
        terminal.sees(r"\d packets")
        terminal.prompt("sluice>")
        terminal.clear()
        terminal.type(f"trace vip {vip} seconds 2 count 1 | include rewritten\r")
        terminal.sees("tracing: Ctrl-C ends it")
        lab.ask_once(vip, 7000)
        terminal.sees("rewritten +udp ")
        assert "classified" not in terminal.text()
        terminal.prompt("sluice>")
        terminal.type("capture st\t")
        terminal.shows("sluice> capture stage")
        terminal.type("d\t")
        terminal.shows("sluice> capture stage drop")


@pytest.mark.sanitized
class TestTrace:
    def test_a_connection_through_the_stages(self, lab, vip):
        """Both directions: the VIP's flow is known on its other side, too."""
        with following(lab, "trace", "vip", vip, "proto", "tcp", "count", "100", "--json") as job:
            sock, pod, _, _ = lab.connect(vip, 7000)
            with contextlib.closing(sock):
                harness.exchange(sock, b"hello")
            rows = traces(job)
        syn = next(row for row in rows if row["packet"].endswith(" S"))
        assert syn["received"].startswith("on wan, by worker 0, ")
        assert f"> {vip}:7000 S" in syn["packet"] and syn["packet"].startswith(f"tcp {CLIENT}:")
        assert syn["listener"] == f"{vip} tcp/7000, lab/default/seen"
        assert syn["flow"].startswith("opened: full-nat, syn, to endpoint ")
        assert syn["flow"].endswith(f":9000 {pod}")
        assert ":9000 S, TTL 63" in syn["rewritten"]
        # The pod that was chosen may be one that nobody has talked to yet.
        assert syn["sent"].startswith("out of lan to ") if "sent" in syn else " of lan " in syn["held"]
        back = next(row for row in rows if row["packet"].endswith(" SA"))
        assert back["received"].startswith("on lan") and back["flow"].startswith("found: full-nat")
        assert f"from endpoint {back['packet'].split()[1]} {pod}" in back["flow"]
        assert f"tcp {vip}:7000 > {CLIENT}:" in back["rewritten"]
        assert back["sent"].startswith(f"out of wan to {CLIENT}, {lab.client_mac()}")

    def test_why_it_was_dropped(self, lab, vip):
        with following(lab, "trace", "host", CLIENT, "port-number", "7999", "count", "1") as job:
            with pytest.raises(ConnectionRefusedError):
                lab.connect(vip, 7999)
            lines, err = ended(job, interrupt=False)
        text = "\n".join(lines)
        assert "flow        none" in text and "dropped     no_listener: " in text
        assert f"answered    tcp {vip}:7999 > {CLIENT}:" in text and err.startswith("1 packets")

    def test_what_is_not_for_a_flow(self, lab, vip):
        with following(lab, "trace", "proto", "icmp", "host", CLIENT, "--json") as job:
            lab.client.run("ping", "-c1", "-W3", vip)
            lab.client.run("ping", "-c1", "-W3", wan(1))
            rows = traces(job)
        assert rows[0]["classified"] == "an echo request" and "answered" in rows[0]
        assert rows[1]["host"] == "given to the kernel"

    def test_time_ends_it(self, lab, vip):
        begun = time.monotonic()
        with following(lab, "trace", "host", "203.0.113.1", "seconds", "1") as job:
            _, err = ended(job, interrupt=False)
        assert err.startswith("0 packets") and time.monotonic() - begun < 8


def test_handed_to_the_worker_whose_flow_it_is(make_lab):
    def two_workers(settings):
        cpus = sorted(os.sched_getaffinity(0))
        settings["dataplane"]["workers"] = [cpus[n % len(cpus)] for n in range(2)]
        for port in settings["ports"]:
            port["queues"] = 1

    lab = make_lab(adjust=two_workers)
    vip = lab.apply_service("handed", PORTS)[0]
    with following(lab, "trace", "vip", vip, "proto", "tcp", "count", "1000", "--json") as job:
        for _ in range(12):
            lab.connect_once(vip, 7000)
        rows = traces(job)
    assert any(row.get("handed") == "to worker 1, whose flow it is" for row in rows)
    taken = [row for row in rows if row["received"] == "from another worker, by worker 1"]
    assert taken and any("opened" in row["flow"] and "sent" in row for row in taken)


def test_requests(make_lab):
    def adjust(settings):
        settings["access_log"] = {"path": f"{settings['run_dir']}/access.log", "rate": 200}

    lab = make_lab(adjust=adjust, settings=SETTINGS)
    lab.apply("shop", *web_service(lab, "shop", ["web-1a"]),
              ingress("shop", {"shop.example": [path("/", "shop")], "other.example": [path("/", "shop")]}))
    wait_until(lambda: who(lab, "http://shop.example/") == "web-1a", "an answer")
    log = lab.net.dir / "run" / "access.log"
    wait_until(lambda: log.read_text(), "the line of the request before")
    before = log.read_text().splitlines()[0] + "\n"
    with following(lab, "trace", "host", "shop.example", "count", "2") as job:
        with log.open("a") as late:  # as a line comes that took its time to be written
            late.write(before)
        for url in ("http://other.example/no", "http://shop.example/one", "http://shop.example/two"):
            curl(lab, url)
        lines, err = ended(job, interrupt=False)
    text = "\n".join(lines)
    assert "GET http://shop.example/one" in text and "GET http://shop.example/two" in text
    assert "other.example" not in text and "Ingress lab/default/shop" in text
    assert "answered    200 in " in text and "endpoint    " in text and err.startswith("0 packets, 2 requests")
    with following(lab, "trace", "vip", VIP, "count", "50", "seconds", "20", "--json") as job:
        curl(lab, "http://shop.example/three")
        wait_until(lambda: "/three" in log.read_text(), "its line")
        rows = [json.loads(line) for line in ended(job)[0]]
    packets = [steps(row) for row in rows if "steps" in row]
    assert all(row["listener"] == f"{VIP} tcp/80, for the proxy" for row in packets)
    assert any(row.get("proxy") == "takes it: TCP ends here" for row in packets)
    assert [row["path"] for row in rows if "path" in row] == ["/three"]
