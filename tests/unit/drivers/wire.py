# SPDX-License-Identifier: BSD-3-Clause
"""For tests of whole ports: client ---- port_relay ---- server, each in a network namespace.

The veths are as the kernel makes them, with every offload on. PORT_RELAY names the program."""

import contextlib
import hashlib
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "images" / "lab"))

from scapy.all import Ether, Raw  # noqa: E402
from topology import Machine, destroy, wait_until  # noqa: E402

RELAY = os.environ["PORT_RELAY"]
PREFIX = f"ports{os.getpid()}"
V4 = {"client": "10.77.0.1", "server": "10.77.0.2"}
V6 = {"client": "fd77::1", "server": "fd77::2"}
ETH_P_ALL, SO_RCVBUFFORCE = 3, 33


def sweep():
    """Ends what a run that was killed has left."""
    for path in Path("/run/netns").glob("ports*-w*"):
        number = path.name.split("-")[0].removeprefix("ports")
        if number.isdigit() and not Path(f"/proc/{number}").exists():
            destroy("-".join(path.name.split("-")[:2]))


def huge_free():
    text = Path("/proc/meminfo").read_text()
    return int(text.split("HugePages_Free:")[1].split()[0])


class Relay:
    """port_relay, talked to."""

    count = 0

    def __init__(self, machine, *arguments, ready=True):
        Relay.count += 1
        words = [RELAY, "-s", f"{PREFIX}r{Relay.count}", *map(str, arguments)]
        if machine:
            words = ["ip", "netns", "exec", machine.name, *words]
        self.child = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.forgets = False  # buffers, when closed: memif's zero-copy
        if ready:
            self.first = self.answer()

    def answer(self, seconds=60):
        ready, _, _ = select.select([self.child.stdout], [], [], seconds)
        line = self.child.stdout.readline() if ready else ""
        if not line.startswith("{"):
            self.child.kill()
            raise AssertionError(f"port_relay: {line or self.child.stderr.read()}")
        return json.loads(line)

    def ports(self):
        self.child.stdin.write("?\n")
        self.child.stdin.flush()
        return self.answer()["ports"]

    def refusal(self):
        """What it said when it did not start."""
        _, text = self.child.communicate(timeout=60)
        assert self.child.returncode == 1, text
        return text

    def close(self):
        """Every buffer must be back when the ports are closed."""
        if self.child.poll() is None:
            self.child.stdin.close()
            last = self.answer()
            self.child.wait(timeout=60)
            assert last == {"in_use": 0} or self.forgets
            assert self.child.returncode == 0
        for stream in (self.child.stdin, self.child.stdout, self.child.stderr):
            stream.close()

    def kill(self):
        self.child.kill()
        self.child.wait(timeout=60)


class Wire:
    """Client and server with the box between them; its ends are called wan and lan."""

    def __init__(self, name, mtu):
        self.mtu = mtu
        self.relays = []
        self.sockets = []
        self.machines = {who: Machine(f"{PREFIX}-{name}-{who}").create()
                         for who in ("client", "box", "server")}
        self.box, self.client, self.server = (
            self.machines[who] for who in ("box", "client", "server"))
        for who, end in (("client", "wan"), ("server", "lan")):
            machine = self.machines[who]
            machine.ip(f"link add eth0 mtu {mtu} type veth peer name {end} mtu {mtu} "
                       f"netns {self.box.name}",
                       f"addr add {V4[who]}/24 dev eth0", f"addr add {V6[who]}/64 dev eth0 nodad",
                       "link set eth0 up")
        assert "tx-checksum-ip-generic: on" in self.client.run("ethtool", "-k", "eth0").stdout
        assert "tcp-segmentation-offload: on" in self.client.run("ethtool", "-k", "eth0").stdout

    def relay(self, kind, *more, queues=1, right=None, options=""):
        left = (kind, "wan", options)
        right = (kind, "lan", options) if right is None else right
        relay = Relay(self.box, "-m", self.mtu, "-q", queues, *more, *left, *right)
        self.relays.append(relay)
        wait_until(lambda: all(port["up"] for port in relay.ports()), "links up")
        return relay

    def packet_socket(self, who, device="eth0"):
        one = self.machines[who].socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        one.setsockopt(263, 8, 1)  # PACKET_AUXDATA of SOL_PACKET: the tag the kernel took out
        one.bind((device, 0))
        one.settimeout(10)
        self.sockets.append(one)
        return one

    def close(self):
        for one in self.sockets:
            one.close()
        errors = []
        for relay in self.relays:
            try:
                relay.close()
            except Exception as error:
                relay.kill()
                errors.append(error)
        destroy("-".join(self.box.name.split("-")[:2]))
        if errors:
            raise errors[0]


def receive(one):
    """One frame as it was on the wire, with the tag the kernel put aside."""
    data, control, _, _ = one.recvmsg(65536, 256)
    for level, kind, value in control:
        if level == 263 and kind == 8:
            status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", value[:20])
            if status & 0x10:  # TP_STATUS_VLAN_VALID
                tpid = tpid if status & 0x40 else 0x8100
                data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


def send_and_receive(wire, frames, sender="client", receiver="server"):
    """What of these frames comes out at the other side, in order, and nothing else of ours."""
    out, back = wire.packet_socket(sender), wire.packet_socket(receiver)
    mark = bytes(Ether(dst="02:00:00:00:00:aa"))[:6]
    got = []
    for frame in frames:
        out.send(bytes(frame))
    while len(got) < len(frames):
        data = receive(back)
        if data[:6] == mark:
            got.append(data)
    back.settimeout(0.3)
    with contextlib.suppress(TimeoutError):
        while True:
            data = receive(back)
            if data[:6] == mark:
                got.append(data)
    return got


def ether(**fields):
    return Ether(src="02:00:00:00:00:bb", dst="02:00:00:00:00:aa", **fields)


def filled(packet, length):
    """The packet with a payload that makes the frame that long."""
    return packet / Raw(bytes(i & 255 for i in range(length - len(packet))))


def talk(wire, family, total=8 << 20):
    """Bytes both ways by TCP between two kernels at once; both must get what was sent."""
    addresses = V4 if family == socket.AF_INET else V6
    listener = wire.server.socket(family)
    listener.bind((addresses["server"], 0))
    listener.listen()
    content = os.urandom(1 << 16) * (total >> 16)
    wanted = hashlib.sha256(content).digest()
    seen = {}

    def pump(one, who):
        sender = threading.Thread(target=one.sendall, args=(content,))
        sender.start()
        digest, left = hashlib.sha256(), total
        while left:
            data = one.recv(1 << 18)
            assert data, f"{who}: {left} bytes missing"
            digest.update(data)
            left -= len(data)
        sender.join()
        seen[who] = digest.digest()

    def serve():
        one, _ = listener.accept()
        with one:
            one.settimeout(60)
            pump(one, "server")

    thread = threading.Thread(target=serve)
    thread.start()
    with wire.client.socket(family) as one:
        one.settimeout(60)
        one.connect((addresses["server"], listener.getsockname()[1]))
        pump(one, "client")
    thread.join()
    listener.close()
    assert seen == {"client": wanted, "server": wanted}


def check_clean(ports, mtu):
    for port in ports:
        assert port["bad_sums"] == 0, port
        assert port["longest"] <= mtu + 14, port
        assert port["many_segments"] == 0, port
        assert port["rx_errors"] == 0 and port["tx_errors"] == 0, port
        assert port["counters"] == 0 and port["rx"] == port["frames"], port
