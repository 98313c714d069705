# SPDX-License-Identifier: BSD-3-Clause
"""console: what it takes to look at a large box, and what traffic and changes feel of it.

10,000 Ingresses, each to a Service of its own with 10 endpoints, 100,000 in all, and every hundredth
Service also one of type LoadBalancer, over two directories of manifests (sync.py).

    show_ms      the longest of `sluice show ingresses` and `sluice show endpoints`, as a process
                 from its start to its end, median of several; each of them and more beside it
    metrics_ms   a scrape of /metrics over the socket
    quiet_p99_us, busy_p99_us   a ping of a VIP, answered by the dataplane's worker, while nobody
                 asks, and while all of the above is asked without a pause
    change_*_ms  as sync's, while all of the above is asked

The worker and the ping have one CPU, everything else the other.
"""

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles

import channel
import sync
from machines import NAME, ROOT
from topology import LabError, Machine, destroy

TARGET = {"show_ms": 300, "metrics_ms": 500}
SIZE = 10000
TURNS = 7
SHOWS = ("ingresses", "endpoints", "services", "routes", "vips", "status")
TIMED = ("ingresses", "endpoints")
PINGS, PING_S = 1500, 0.002


class Box(sync.Clusters):
    """What sync measures, with a client beside it, and the main thread's CPU not the worker's."""

    MAIN = -1
    LISTENERS = SIZE // 100

    def manifest(self, number):
        text = super().manifest(number)
        return text if number % 100 == 0 else text.replace('"type":"LoadBalancer",', "")

    def __init__(self, directory, proto, build):
        self.cpus = sorted(os.sched_getaffinity(0))[:2]
        super().__init__(directory, proto, SIZE, build)
        self.client = Machine(f"{NAME}-client").create()
        self.machine.ip(f"link set sync0 netns {self.client.name}")
        self.client.ip("link set sync0 up", "addr add 192.0.2.9/24 dev sync0",
                       "route add 10.128.0.0/15 dev sync0")

    def ask(self, *words):
        return ["taskset", "-c", str(self.cpus[-1]), *map(str, words)]

    def show(self, noun, *more):
        return self.ask(self.appliance.program("sluice"), "--socket", self.dir / "run/api.sock",
                        "show", noun, *more)

    def scrape(self):
        return self.ask("curl", "-sS", "-o", "/dev/null", "--fail", "--unix-socket",
                        self.dir / "run/api.sock", "http://sluice/metrics")

    def ping_p99_us(self):
        vip = self.vip
        done = self.client.run("taskset", "-c", self.cpus[0], "ping", "-n", "-i", PING_S, "-c", PINGS,
                               vip)
        times = [1000 * float(ms) for ms in re.findall(r"time=([0-9.]+) ms", done.stdout)]
        if len(times) < PINGS * 0.99:
            raise LabError(f"{len(times)} of {PINGS} pings to {vip} were answered")
        return round(quantiles(times, n=100)[98])

    def find_vip(self):
        request = self.channel.proto.StatsRequest(endpoints=True)
        key = self.channel.ask(stats=request).stats.listeners[0].key
        self.vip = ".".join(map(str, key.vip))


def timed(command):
    started = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    took = 1000 * (time.monotonic() - started)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.decode()}")
    return took, len(done.stdout)


class Asking:
    """Everything is asked in turn, without a pause, for as long as the block lasts."""

    def __init__(self, box):
        self.box, self.stop, self.error = box, threading.Event(), None
        self.thread = threading.Thread(target=self.ask)

    def ask(self):
        try:
            while not self.stop.is_set():
                for noun in TIMED:
                    timed(self.box.show(noun))
                timed(self.box.scrape())
        except LabError as error:
            self.error = error

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        if self.error:
            raise self.error


def measure(box, say):
    result = {"by_noun_ms": {}, "by_noun_json_ms": {}}
    for noun in SHOWS:
        for more, into in (((), "by_noun_ms"), (("--json",), "by_noun_json_ms")):
            took = [timed(box.show(noun, *more)) for _ in range(TURNS)]
            result[into][noun] = round(median(ms for ms, _ in took), 1)
        say(f"show {noun}: {result['by_noun_ms'][noun]} ms, as JSON {result['by_noun_json_ms'][noun]} ms, "
            f"{took[0][1] / 1e6:.1f} MB")
    result["show_ms"] = max(result["by_noun_ms"][noun] for noun in TIMED)
    result["metrics_ms"] = round(median(timed(box.scrape())[0] for _ in range(TURNS)), 1)
    say(f"/metrics: {result['metrics_ms']} ms")
    result["quiet_p99_us"] = box.ping_p99_us()
    with Asking(box):
        result["busy_p99_us"] = box.ping_p99_us()
        took = sync.single_changes(box)
    result["change_p50_ms"] = round(median(took), 1)
    result["change_p99_ms"] = round(quantiles(took, n=100)[98], 1)
    say(f"ping p99 {result['quiet_p99_us']} us, while asked {result['busy_p99_us']} us; a change while "
        f"asked {result['change_p50_ms']} ms, p99 {result['change_p99_ms']} ms")
    return result


def run(args, say):
    directory = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
    destroy(NAME)
    box = Box(directory, channel.messages(ROOT, directory), args.build)
    try:
        sync.cold(box)
        box.settle()
        box.find_vip()
        result = {"ingresses": SIZE, "endpoints": SIZE * sync.ENDPOINTS, **measure(box, say)}
    finally:
        box.close()
        shutil.rmtree(directory)
    result["target"] = TARGET
    result["met"] = all(result[key] < limit for key, limit in TARGET.items())
    return result
