# SPDX-License-Identifier: BSD-3-Clause
"""tcp-loss: one connection's throughput at 1 % loss, us and Linux at the balancer's place.

line: the client's cable is 2.5 ms long, takes 200 Mbit/s and loses packets of TCP at random, of either
side, acknowledgements too; so what counts is how TCP goes on, not whose round trip over this machine's
cables is shorter, nor who has how much of its CPUs. far: the same over 20 ms. slow: the first, as fast
as it can. near: the same loss where the switch takes in what either side sends, and no delay but this
machine's. get: the balancer's place sends; put: it receives. linux is the peer's machine with the pods'
program on it, by its own TCP (tests/e2e/transfer.py, which checks each byte), and --congestion on all
machines, if it is not to be what the machine has. haproxy is that machine's TCP with a proxy upon it,
which has to hand everything to the same pods as we do. tcp is our TCP as linux is: a server at a port of
ours (end.c), without a proxy and pods. clean: no loss, no delay.
"""

import json
import os
import statistics
import sys
from pathlib import Path

from peers import NAME, PEER, ROOT, Haproxy, Peers, Sluice
from topology import WAN4, Machine, wait_until

sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import transfer  # noqa: E402

PROGRAM = Path(transfer.__file__)
PORT = 8099
END = 6
DELAY_MS = 2.5  # each way
FAR_MS = 20
LINE = 200_000_000  # bits a second
LOSS = """table netdev loss {{ {} }}"""
CHAIN = """chain c{} {{
    type filter hook ingress device "{}" priority 0
    meta l4proto tcp numgen random mod 1000000 < {} drop
}}
"""


class Own(Sluice):
    """With a congestion control of one's choice."""

    def __init__(self, peers, congestion):
        self.congestion = congestion
        super().__init__(peers)

    def change(self, wanted):
        wanted["http"] = {"congestion": self.congestion}


class Cable:
    """The client's cable to the switch, slow and lossy (late.c) until it is mended."""

    def __init__(self, peers, milliseconds, percent, bits=0):
        self.switch, self.peers = peers.net.switch, peers
        self.switch.ip("link add late0 type veth peer name late1", "link set late1 master wan up",
                       "link set late0 up", "link set client-wan nomaster")
        self.switch.plain_wire("late0")
        self.switch.plain_wire("late1")
        self.process = self.switch.start(
            "taskset", "-c", peers.other, peers.build / "tests" / "bench" / "sluice-bench-late",
            "client-wan", "late0", round(milliseconds * 1000), round(percent * 10000), bits,
            log=peers.dir / "late.log")
        peers.processes.append(self.process)
        wait_until(lambda: peers.net.client.run("ping", "-c1", "-W1", WAN4.format(PEER), check=False)
                   .returncode == 0, "the slow cable")

    def mend(self):
        self.process.kill()
        self.process.wait()
        self.peers.processes.remove(self.process)
        self.switch.ip("link del late0", "link set client-wan master wan")


class Whole:
    """Nothing is lost."""

    def __init__(self, *_):
        pass

    def mend(self):
        pass


class Lossy:
    """The switch's ends of all cables concerned, which lose what comes in there."""

    def __init__(self, peers, percent):
        self.switch = peers.net.switch
        self.switch.run("nft", "-f", "-", input=LOSS.format("".join(
            CHAIN.format(i, device, round(percent * 10000))
            for i, device in enumerate(("client-wan", "box-wan", "peer-wan", "end-wan")))))

    def mend(self):
        self.switch.run("nft", "delete", "table", "netdev", "loss")


def serve(peers, machine, name, cpu):
    ready = peers.dir / f"ready-{name}"
    peers.processes.append(machine.start(
        "taskset", "-c", cpu, "/usr/bin/python3", PROGRAM, "serve", PORT, ready,
        log=peers.dir / f"transfer-{name}.log"))
    wait_until(ready.exists, f"the server of {name}")


def serve_end(peers, congestion):
    machine = Machine(f"{NAME}-end").create()
    peers.net.plug(machine, "eth0", "wan")
    (peers.dir / "pattern").write_bytes(transfer.TWICE)
    peers.start(machine, peers.build / "tests" / "bench" / "sluice-bench-end", peers.kind, "eth0",
                WAN4.format(END), peers.dir / "pattern", peers.cpu, congestion, log="end.log")
    wait_until(lambda: "ready" in (peers.dir / "end.log").read_text(), "the server on our TCP", 20)


def one(peers, address, port, how, size):
    out = peers.net.client.run("taskset", "-c", peers.other, "/usr/bin/python3", PROGRAM,
                               how, address, port, size)
    return json.loads(out.stdout)["mbit_per_second"]


def counters(balancer, before=None):
    tcp = balancer.counters()["tcp"]
    return {name: value - before.get(name, 0) for name, value in tcp.items()
            if value != before.get(name, 0)} if before is not None else tcp


def compare(peers, balancer, places, how, size, turns):
    rows, before = {name: [] for name in places}, counters(balancer)
    for _turn in range(turns):
        for name, (address, port) in places.items():
            rows[name].append(one(peers, address, port, how, size))
    found = {name: statistics.median(values) for name, values in rows.items()}
    return {**found, "ratio": found["sluice"] / found["linux"],
            "ratio_haproxy": found["sluice"] / found["haproxy"],
            "ratio_tcp": found["tcp"] / found["linux"],
            "turns": {name: [round(value, 1) for value in values] for name, values in rows.items()},
            "counters": counters(balancer, before)}


def run(args, say):
    turns = max(3, args.turns)
    own = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    result = {"congestion": args.congestion or own, "ours": args.ours, "loss_percent": args.loss,
              "delay_ms": DELAY_MS, "bytes": args.bytes}
    cables = {"line": lambda peers: Cable(peers, DELAY_MS, args.loss, LINE),
              "far": lambda peers: Cable(peers, FAR_MS, args.loss, LINE),
              "slow": lambda peers: Cable(peers, DELAY_MS, args.loss),
              "near": lambda peers: Lossy(peers, args.loss), "clean": Whole}
    if args.cables:
        cables = {name: cables[name] for name in args.cables.split(",")}
    with Peers(args.build, args.idle, args.kind) as peers:
        peers.port = PORT
        os.environ["TRANSFER_CONGESTION"] = result["congestion"]
        serve(peers, peers.peer, "linux", peers.cpu)
        for name, pod in peers.net.pods.items():
            serve(peers, pod.machine, name, peers.other)
        serve_end(peers, args.ours)
        balancer = Own(peers, args.ours)
        proxy = Haproxy(peers)
        places = {"sluice": (balancer.vip, 80), "linux": (WAN4.format(PEER), PORT),
                  "haproxy": (proxy.vip, 80), "tcp": (WAN4.format(END), 80)}
        for where, make in cables.items():
            cable = make(peers)
            for how in ("get", "put"):
                found = result.setdefault(where, {})[how] = compare(peers, balancer, places, how, args.bytes, turns)
                say(f"{where} {how}: sluice ({args.ours}) {found['sluice']:,.1f} Mbit/s, "
                    f"Linux ({result['congestion']}) {found['linux']:,.1f}, ratio {found['ratio']:.2f}; "
                    f"HAProxy on it {found['haproxy']:,.1f}, ratio {found['ratio_haproxy']:.2f}; "
                    f"our TCP alone {found['tcp']:,.1f}, {found['ratio_tcp']:.2f} of Linux")
            cable.mend()
        proxy.close()
        balancer.close()
    for where in cables:
        result[where]["ratio"] = min(result[where][how]["ratio"] for how in ("get", "put"))
    result["ratio"] = result[next(iter(cables))]["ratio"]
    return result
