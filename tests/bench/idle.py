# SPDX-License-Identifier: BSD-3-Clause
"""idle: what 100,000 connections of HTTP that say nothing cost one worker: memory, the CPU while nothing
happens, and the cycles of requests of others beside them. Once as they come, once after a request each.
"""

import os
import re
import subprocess
import time

from http_bench import wrk
from peers import Peers, Sluice
from topology import WAN4, LabError, wait_until

COUNT, EACH = 100_000, 10_000
SOURCES = [WAN4.format(host) for host in (10, 11, 12, 13)]
PROGRAM = os.path.join(os.path.dirname(__file__), "idle_client.py")
HOUR_MS = 3_600_000
KB_MB = 1 / 1024


class Patient(Sluice):
    """Idle connections stay, whatever a turn takes."""

    def change(self, wanted):
        if self.peers.connections:
            wanted["http"] = {"connections": self.peers.connections}

    def plan(self):
        made = super().plan()
        made.sites[0].head_timeout_ms = made.sites[0].idle_timeout_ms = HOUR_MS
        return made

    def task(self):
        return f"/proc/{self.box.processes['sluice-dataplane'].pid}"

    def memory(self):
        with open(f"{self.task()}/smaps_rollup") as stream:
            rows = dict(line.split(":", 1) for line in stream if ":" in line)
        return sum(int(rows[key].split()[0]) for key in ("Rss", "Private_Hugetlb", "Shared_Hugetlb")) * KB_MB

    def worker(self):
        """The worker's thread: it has its CPU to itself."""
        return next(int(thread) for thread in os.listdir(f"{self.task()}/task")
                    if os.sched_getaffinity(int(thread)) == {self.peers.cpu})

    def worker_seconds(self):
        with open(f"{self.task()}/task/{self.worker()}/stat") as stream:
            fields = stream.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_all(peers, balancer, asks):
    """Of many processes: each has its limit of open files."""
    clients = [subprocess.Popen(
        ["ip", "netns", "exec", peers.net.client.name, "taskset", "-c", str(peers.other), "/usr/bin/python3",
         PROGRAM, balancer.vip, "80", str(EACH), str(int(asks)), *SOURCES],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(COUNT // EACH)]
    for client in clients:
        if client.stdout.readline() != "there\n":
            for other in clients:
                other.kill()
            raise LabError("the connections did not come")
    return clients


def close_all(clients):
    ended = 0
    for client in clients:
        client.stdin.write("\n")
        client.stdin.flush()
        ended += int(re.search(r"\d+", client.stdout.readline()).group())
        client.wait()
    return ended


def cost(peers, balancer, seconds):
    """While nothing happens, and of requests."""
    wrk(peers, balancer, "small", 1)
    time.sleep(1)
    memory = balancer.memory()
    before, spent, started = balancer.counters(), balancer.worker_seconds(), time.monotonic()
    time.sleep(2 * seconds)
    after, took = balancer.counters(), time.monotonic() - started
    row = {"memory_mb": memory, "cpu_percent": 100 * (balancer.worker_seconds() - spent) / took,
           "busy_cycles_per_second": (after["busy"] - before["busy"]) / took}
    busy = wrk(peers, balancer, "small", seconds)
    return {**row, **{key: busy[key] for key in ("cycles_per_request", "per_cpu_second", "p99_ms")}}


def start(peers, connections=0):
    peers.connections = connections
    balancer = Patient(peers)
    # Its cycles are its own then, and not those of what else the machine does.
    os.sched_setscheduler(balancer.worker(), os.SCHED_FIFO, os.sched_param(20))
    wrk(peers, balancer, "small", 1)  # what is touched by any request
    return balancer


def one(peers, asks, seconds):
    balancer = start(peers)
    try:
        before = cost(peers, balancer, seconds)
        clients = open_all(peers, balancer, asks)
        during = cost(peers, balancer, seconds)
        stats = balancer.channel.ask(stats=peers.proto.StatsRequest()).stats.proxy
        if stats.connections < COUNT:
            raise LabError(f"{stats.connections} connections are there")
        ended = close_all(clients)
        wait_until(lambda: balancer.channel.ask(stats=peers.proto.StatsRequest()).stats.proxy.connections
                   < 200, "the end of all connections", 60)
        return {"without": before, "with": during, "ended": ended}
    finally:
        balancer.close()


def run(args, say):
    seconds = max(2, round(args.seconds * 6))
    result = {"connections": COUNT}
    with Peers(args.build, args.idle, args.kind) as peers:
        for address in SOURCES[1:]:
            peers.net.client.ip(f"addr add {address}/24 dev eth0")
        peers.net.client.sysctl("ipv4/ip_local_port_range", "1024 65535")
        balancer = start(peers, 1024)
        least = balancer.memory()
        balancer.close()
        for name, asks in (("silent", False), ("asked", True)):
            found = result[name] = one(peers, asks, seconds)
            without, with_all = found["without"], found["with"]
            found["tables_mb"] = without["memory_mb"] - least
            found["memory_mb"] = with_all["memory_mb"] - least
            found["cycles_ratio"] = with_all["cycles_per_request"] / without["cycles_per_request"]
            say(f"{name:6}: {found['memory_mb']:.0f} MB, {found['tables_mb']:.0f} of them at the start; "
                f"CPU while nothing happens {without['cpu_percent']:.1f} % without, {with_all['cpu_percent']:.1f} % with, "
                f"busy cycles a second {without['busy_cycles_per_second']:,.0f}, {with_all['busy_cycles_per_second']:,.0f}; "
                f"cycles a request {without['cycles_per_request']:,.0f}, {with_all['cycles_per_request']:,.0f} "
                f"({found['cycles_ratio']:.2f}); ended {found['ended']}")
    return result
