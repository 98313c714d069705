# SPDX-License-Identifier: BSD-3-Clause
"""l4-beside-tls: latency of layer-4 datagrams through a worker that does TLS at the same time.

Paced UDP through the third port, timed by the generator, one pass through the box: while nothing else
happens; while clients make full handshakes with HAProxy on the generator's CPU, which is what their
noise costs the generator; beside as many full handshakes of ours as they make; the same with the
handshakes on the generator's CPU (crypto_cpus); and beside transfers over TLS. The generator naps between datagrams, so that the
clients have CPU; worker and generator have real-time priority, so what else the machine does is not measured.
"""

import json
import os
import statistics
import time

from peers import Haproxy
from third_port import ThirdPort, machines
from topology import LabError

RATE, FLOWS, NAP_US = 20000, 64, 10
CLIENTS = {"quiet": None, "handshakes-haproxy": ("full", 32), "handshakes": ("full", 32), "handshakes-elsewhere": ("full", 32),
           "transfers": ("/files/large", 16)}


def haproxy(peers):
    """Where it takes nothing from the worker."""
    peers.peer.run("sh", "-c", "mount -t sysfs sysfs /sys 2>/dev/null; for q in "
                   f"/sys/class/net/*/queues/rx-*/rps_cpus; do echo {1 << peers.other:x} > $q; done")
    worker, peers.cpu = peers.cpu, peers.other
    try:
        made = Haproxy(peers)
        os.sched_setscheduler(made.process.pid, os.SCHED_RR, os.sched_param(5))  # as the clients
        return made
    finally:
        peers.cpu = worker


def measure(peers, balancer, name, seconds):
    client, before = None, balancer.counters()
    log = peers.dir / "beside.log"
    log.unlink(missing_ok=True)
    if CLIENTS[name]:
        what, count = CLIENTS[name]
        vip = peers.haproxy.vip if name.endswith("haproxy") else balancer.vip
        client = peers.net.client.start(
            "chrt", "-r", "5", "taskset", "-c", peers.other, peers.tls_client, vip, "443", what, count, seconds + 0.6,
            log=log)
        time.sleep(0.3)
    found = peers.generator.do("udp", "box", 4, mode="paced", flows=FLOWS, seconds=seconds, rate=RATE,
                               warm=0.1, nap=NAP_US)
    row = {"p50_us": found["latency"]["p50_us"], "p99_us": found["latency"]["p99_us"],
           "p999_us": found["latency"]["p999_us"], "lost": found["lost"], "wrong": found["wrong"],
           "sent": found["sent"], "tls_per_second": 0, "failures": 0}
    if client:
        if client.wait(timeout=60):
            raise LabError(log.read_text())
        did = json.loads(log.read_text().strip().split("\n")[-1])
        row["tls_per_second"] = (did["answers"] or did["handshakes"]) / did["seconds"]
        row["failures"] = did["failures"]
    row["busy_cycles_per_second"] = (balancer.counters()["busy"] - before["busy"]) / seconds
    return row


def run(args, say):
    seconds, turns = max(1, round(args.seconds * 6)), max(1, min(args.turns, 5))
    rows = {name: [] for name in CLIENTS}
    with machines(args) as peers:
        peers.haproxy = haproxy(peers)
        for elsewhere in (False, True):
            peers.crypto = elsewhere
            balancer = ThirdPort(peers)
            try:
                balancer.udp()
                balancer.real_time()
                for turn in range(turns + 1):
                    for name in CLIENTS:
                        if name.endswith("elsewhere") == elsewhere:
                            row = measure(peers, balancer, name, seconds if turn else 1)
                            rows[name] += [row] if turn else []  # the first is to warm up
            finally:
                balancer.close()
        peers.haproxy.close()
    result = {"rate": RATE}
    for name, found in rows.items():
        row = result[name] = {key: statistics.median(one[key] for one in found) for key in found[0]}
        say(f"{name:20}: {RATE:,} datagrams/s p50 {row['p50_us']:.0f} us p99 {row['p99_us']:.0f} us "
            f"p99.9 {row['p999_us']:.0f} us, lost {row['lost']:,.0f}; TLS {row['tls_per_second']:,.0f}/s, "
            f"failures {row['failures']}")
    return result
