# SPDX-License-Identifier: BSD-3-Clause
"""Two boxes share VIPs by VRRP: one answers, the other takes over when it is gone."""

import contextlib
import re
import signal
import socket
import threading

import pytest

import boxes
import harness
import second
from topology import ROOT, wait_until

PORTS = [("echo", "TCP", 9000, 9000), ("http", "TCP", 8080, 8080), ("dgram", "UDP", 9000, 9000)]
GAP = 1.0


def pair_settings(number, wanted):
    wanted["pair"] = {"interface": "wan", "peer": harness.wan(2 - number), "interval_ms": 100}


class Asking:
    """Datagrams to the VIP every 10 ms, and when each answer came."""

    def __init__(self, lab, vip):
        self.sock = lab.udp(vip, timeout=0.3)
        self.vip, self.times, self.running = vip, [], True
        self.threads = [threading.Thread(target=work) for work in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        pause = threading.Event()
        while self.running:
            with contextlib.suppress(OSError):
                self.sock.sendto(b"?", (self.vip, 9000))
            pause.wait(0.01)

    def _receive(self):
        while self.running:
            with contextlib.suppress(OSError):
                self.sock.recv(2000)
                self.times.append(harness.now())

    def answered_after(self, moment):
        return any(time > moment for time in self.times[-50:])

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join()
        self.sock.close()


@pytest.fixture
def pair(make_lab, request):
    def settings(number, wanted):
        pair_settings(number, wanted)
        wanted["pair"]["interval_ms"] = getattr(request, "param", 100)
    lab = make_lab(start=False, node_on_wan=True, pods=(1, 1))
    both = boxes.Boxes(lab, settings)
    both.start()
    lab.vip = lab.apply_service("pair", PORTS, annotations={"sluice.dev/mode": "dsr"})[0]
    for pod in lab.pods.values():
        pod.machine.start("/usr/bin/python3", ROOT / "tests/e2e/decap.py", pod.dir / "decap", lab.vip,
                          log=pod.dir / "decap.log")
    for pod in lab.pods.values():
        wait_until((pod.dir / "decap").exists, "the tunnel's other end")
    both.first = second.settled(lambda: both.owner(lab.vip), "one owner")
    yield both
    for box in both:  # shown with what failed
        print(box.tail("sluice-controlplane", 40))
    both.stop()


def kill_keepalived(box):
    boxes.send_signal(box, signal.SIGKILL, "keepalived")


def kill_dataplane(box):
    box.kill("sluice-dataplane", signal.SIGKILL)


def times_master(both):
    return [box.log("sluice-controlplane").read_text().count("router 51 is master") for box in both]


def link_down(box, network="wan"):
    name = f"{box.machine.name.rsplit('-', 1)[1]}-{network}"
    switch = type(box.machine)(box.machine.name.rsplit("-", 1)[0] + "-switch")
    switch.ip(f"link set {name} down")


class TestFailover:
    @pytest.mark.parametrize("blow", (kill_keepalived, kill_dataplane, link_down))
    def test_the_peer_answers_within_a_second(self, pair, blow):
        lab, first = pair.lab, pair.first
        asking = Asking(lab, lab.vip)
        try:
            wait_until(lambda: len(asking.times) > 20, "answers")
            since = harness.now()
            blow(pair[first])
            wait_until(lambda: pair.state(1 - first, lab.vip) == "owned", "the peer owning the VIP")
            wait_until(lambda: asking.answered_after(harness.now() - 0.1), "answers again")
        finally:
            asking.stop()
        gap = boxes.longest_gap(asking.times, since)
        print(f"{blow.__name__}: {gap * 1000:.0f} ms")
        assert gap < GAP

    def test_frozen(self, pair):
        lab, first = pair.lab, pair.first
        asking = Asking(lab, lab.vip)
        try:
            wait_until(lambda: len(asking.times) > 20, "answers")
            since = harness.now()
            with boxes.frozen(pair[first]):
                wait_until(lambda: pair.state(1 - first, lab.vip) == "owned", "the peer owning it")
                wait_until(lambda: asking.answered_after(harness.now() - 0.1), "answers again")
        finally:
            asking.stop()
        gap = boxes.longest_gap(asking.times, since)
        print(f"frozen: {gap * 1000:.0f} ms")
        assert gap < GAP

    @pytest.mark.parametrize("pair", [1000], indirect=True)  # no busy machine looks like a dead one
    def test_who_thaws_stays_away(self, pair):
        """It thinks it is master still, whether its address is the higher or the lower one."""
        for box in (pair.first, 1 - pair.first):
            elected = times_master(pair)
            with boxes.frozen(pair[box]):
                wait_until(lambda box=box: pair.state(1 - box, pair.lab.vip) == "owned", "the peer owning it", 20)
            wait_until(lambda box=box: pair.state(box, pair.lab.vip) == "standby", "it stands by", 20)
            asking = Asking(pair.lab, pair.lab.vip)
            try:  # for longer than an election takes
                wait_until(lambda asking=asking: len(asking.times) > 400, "answers", 30)
            finally:
                asking.stop()
            assert pair.owner(pair.lab.vip) == 1 - box
            elected[1 - box] += 1
            assert times_master(pair) == elected

    def test_no_flapping_back(self, pair):
        lab, first = pair.lab, pair.first
        kill_dataplane(pair[first])
        wait_until(lambda: pair.state(1 - first, lab.vip) == "owned", "the peer owning the VIP")
        pair[first].start("sluice-dataplane")
        pair[first].wait_answers()
        wait_until(lambda: pair.state(first, lab.vip) == "standby", "the first standing by")
        asking = Asking(lab, lab.vip)
        try:  # ten times as long as an election takes
            wait_until(lambda: len(asking.times) > 300, "answers", 20)
        finally:
            asking.stop()
        assert pair.owner(lab.vip) == 1 - first
        assert max(b - a for a, b in zip(asking.times, asking.times[1:])) < 0.3


class TestPeerGone:
    def test_the_master_says_that_nobody_could_take_over(self, pair):
        master, other = pair[pair.first], pair[1 - pair.first]
        peer = harness.wan(2 - pair.first)

        def told():
            """As show vrrp has it, both ways, and show problems."""
            return (master.show("vrrp")["vrrp"][0]["peer_silent"], f"{peer} (silent)" in master.sluice("show", "vrrp").stdout,
                    "".join(row["text"] for row in master.show("problems")["problems"] if row["object"] == "pair"))
        wait_until(lambda: told() == (False, False, ""), "a peer that answers")
        assert re.search(rf"^51 +wan +100 +master +{peer} +all$", master.sluice("show", "vrrp").stdout, re.MULTILINE)
        kill_dataplane(other)
        # What the kernel knows of it is good for a minute; so long nobody wants to wait.
        master.sluice("clear", "neighbours", "interface", "wan", "address", peer)
        wait_until(lambda: told() == (True, True, f"the peer {peer} does not answer on wan: nobody is there to take over"),
                   "the problem")
        assert not any(row["peer_silent"] for row in other.show("vrrp")["vrrp"])
        other.start("sluice-dataplane")
        other.wait_answers()
        wait_until(lambda: told() == (False, False, ""), "a peer that answers again")


class Download(threading.Thread):
    """A file over HTTP at 8 MB/s, and when each piece of it came."""

    RATE, PIECE = 8 << 20, 32 << 10

    def __init__(self, lab, vip, path):
        super().__init__()
        self.sock = lab.client.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 << 10)
        self.sock.settimeout(20)
        self.sock.connect((vip, 8080))
        self.sock.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        self.data, self.times, self.failure = bytearray(), [], None
        self.start()

    def run(self):
        pause, begun = threading.Event(), harness.now()
        try:
            while more := self.sock.recv(self.PIECE):
                self.times.append(harness.now())
                self.data += more
                pause.wait(max(0, begun + len(self.data) / self.RATE - harness.now()))
                # What was missed meanwhile is not made up for.
                begun = max(begun, harness.now() - len(self.data) / self.RATE)
        except OSError as error:
            self.failure = error
        self.sock.close()

    def body(self):
        self.join(60)
        assert self.failure is None
        return bytes(self.data).partition(b"\r\n\r\n")[2]

    def gap(self):
        return max(b - a for a, b in zip(self.times, self.times[1:]))


@pytest.fixture
def kept(make_lab):
    """A pair whose pods see the client's address, and answer by an address of the pair's."""
    def settings(number, wanted):
        pair_settings(number, wanted)
        wanted["pair"]["gateways"] = second.GATEWAYS
    lab = make_lab(start=False, pods=(1, 1))
    second.route_by_gateways(lab.net)
    both = boxes.Boxes(lab, settings)
    both.start()
    lab.vips = lab.apply_service("kept", PORTS, annotations={"sluice.dev/mode": "dnat"}, families=(4, 6))
    both.first = second.settled(lambda: both.owner(lab.vips[0]), "one owner")
    yield both
    print(both[1 - both.first].tail("sluice-controlplane", 40))
    both.stop()


@contextlib.contextmanager
def killed(box):
    """As when the power goes: nobody says goodbye."""
    boxes.send_signal(box, signal.SIGKILL, *boxes.ALL)
    for process in box.processes.values():
        process.wait()
    box.processes.clear()
    yield


@contextlib.contextmanager
def without(network, box):
    link_down(box, network)
    yield


class TestClientAddressKept:
    BLOWS = {"killed": killed, "frozen": boxes.frozen,
             "wan down": lambda box: without("wan", box), "lan down": lambda box: without("lan", box)}

    @pytest.mark.parametrize("blow", BLOWS.values(), ids=BLOWS.keys())
    def test_a_download_lives_on(self, kept, blow):
        lab, first = kept.lab, kept.first
        data = harness.payload(1 << 20) * 32
        for pod in lab.pods.values():
            (pod.dir / "files" / "big").write_bytes(data)
        for vip in lab.vips:
            assert lab.curl(harness.url(vip, 8080)).stdout.split()[1] == harness.wan(10, 6 if ":" in vip else 4)
        downloads = [Download(lab, vip, "/files/big") for vip in lab.vips for _ in range(4)]
        wait_until(lambda: all(len(it.data) > 4 << 20 for it in downloads), "the downloads under way")
        with blow(kept[first]):
            for it in downloads:
                assert it.body() == data
        gaps = sorted(round(it.gap() * 1000) for it in downloads)
        print(f"stalled: {gaps} ms")
        assert kept.owner(lab.vips[0]) in (1 - first, None)  # None: thawed just now
        assert gaps[-1] < 2500

    def test_the_gateway_goes_with_the_vips(self, kept):
        """It is no VIP of a Service's, is answered for by the master alone, and answers pings."""
        lab, first = kept.lab, kept.first
        assert f"{second.GATEWAYS[0]}     (gateway)" in kept[first].sluice("show", "vips").stdout
        assert kept[first].show("status")["plan"]["vips"] == 2
        for address in second.GATEWAYS:
            assert kept.owner(address) == first
            lab.nodes[0].run("ping", "-c", "1", "-W", "2", address)
        kept[first].sluice("drain", "box")
        wait_until(lambda: all(kept.owner(address) == 1 - first for address in (*second.GATEWAYS, *lab.vips)),
                   "the peer owning all")
        for address in second.GATEWAYS:
            lab.nodes[0].run("ping", "-c", "1", "-W", "2", address)

    def test_there_and_back(self, kept):
        """Twice while one file comes: the flows of the first time are still there."""
        lab, first = kept.lab, kept.first
        data = harness.payload(1 << 20) * 64
        for pod in lab.pods.values():
            (pod.dir / "files" / "big").write_bytes(data)
        downloads = [Download(lab, vip, "/files/big") for vip in lab.vips for _ in range(4)]
        for box in (first, 1 - first):
            had = [len(it.data) for it in downloads]
            wait_until(lambda had=had: all(len(it.data) > was + (4 << 20) for it, was in zip(downloads, had)),
                       "the downloads under way")
            kept[box].sluice("drain", "box")
            wait_until(lambda box=box: kept.owner(lab.vips[0]) == 1 - box, "the other owning them")
            kept[box].sluice("undrain", "box")
        for it in downloads:
            assert it.body() == data
        print(f"stalled: {sorted(round(it.gap() * 1000) for it in downloads)} ms")


class TestConnections:
    def test_a_download_lives_on(self, pair):
        lab, first = pair.lab, pair.first
        data = harness.payload(1 << 20) * 24
        for pod in lab.pods.values():
            (pod.dir / "files" / "big").write_bytes(data)
        out = lab.net.dir / "big"
        curl = lab.client.start("curl", "-gsS", "--limit-rate", "8M", "-o", out,
                                harness.url(lab.vip, 8080, "/files/big"), log=lab.net.dir / "curl.log")
        wait_until(lambda: out.exists() and out.stat().st_size > 1 << 20, "the download under way")
        with boxes.frozen(pair[first]):
            assert curl.wait(timeout=30) == 0
        assert out.read_bytes() == data

    def test_a_drained_box_gives_its_vips_up(self, pair):
        lab, first = pair.lab, pair.first
        asking = Asking(lab, lab.vip)
        try:
            wait_until(lambda: len(asking.times) > 20, "answers")
            since = harness.now()
            pair[first].sluice("drain", "box")
            wait_until(lambda: pair.state(1 - first, lab.vip) == "owned", "the peer owning the VIP")
            assert pair.state(first, lab.vip) == "withdrawn"
            wait_until(lambda: asking.answered_after(harness.now() - 0.1), "answers again")
            # Of this box alone, over restarts too; the other one knows nothing of it.
            pair[first].kill("sluice-controlplane", signal.SIGTERM)
            pair[first].start("sluice-controlplane")
            pair[first].wait_answers()
            assert [box.show("status")["traffic"]["state"] == "drained" for box in pair] == [
                number == first for number in range(2)]
            pair[first].sluice("undrain", "box")
            wait_until(lambda: pair.state(first, lab.vip) == "standby", "it stands by again")
        finally:
            asking.stop()
        assert boxes.longest_gap(asking.times, since) < GAP
