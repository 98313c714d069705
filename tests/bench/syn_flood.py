# SPDX-License-Identifier: BSD-3-Clause
"""syn-flood: what established connections of a worker feel of a flood of SYNs to their VIP and port.

The box has a third port, a memif, with the generator behind it: SYNs of ever new clients to VIP:443,
as many as the worker takes. Meanwhile TLS connections that were there before go on over the other
ports, transfers and small requests; and new ones are made, by the cookies. Beside it: without any
flood, and with the same frames to a MAC that is not the box's, which is what the generator costs the
clients, with whom it shares a CPU.
"""

import json
import statistics
import time

from third_port import ThirdPort, machines
from topology import LabError

TRANSFERS, REQUESTS, NEW = 4, 32, 2
LEAD = 1.0  # seconds that the connections are there before
PHASES = ("quiet", "away", "flood")


def clients(peers, vip, seconds):
    """The connections that are there, and those that come: name -> process."""
    def client(what, count, how_long):
        return peers.net.client.start(
            "taskset", "-c", peers.other, peers.tls_client, vip, "443", what, count, how_long,
            log=peers.dir / f"client-{what.strip('/').replace('/', '-')}.log")
    for old in peers.dir.glob("client-*.log"):
        old.unlink()
    started = {"transfers": client("/files/large", TRANSFERS, seconds),
               "requests": client("/", REQUESTS, seconds)}
    time.sleep(LEAD)
    started["new"] = client("full", NEW, seconds - LEAD - 0.5)
    return started


def results(peers, started):
    logs = {"transfers": "client-files-large.log", "requests": "client-.log", "new": "client-full.log"}
    found = {}
    for name, process in started.items():
        code = process.wait(timeout=60)
        text = (peers.dir / logs[name]).read_text()
        if code:
            raise LabError(f"{name}: {text}")
        found[name] = json.loads(text.strip().split("\n")[-1])
    return found


def phase(peers, balancer, name, seconds):
    memory, before = balancer.memory(), balancer.counters()
    started = clients(peers, balancer.vip, seconds)
    sent = None
    if name != "quiet":
        sent = peers.generator.do("syn", "box", 4, seconds=seconds - LEAD - 0.3, away=int(name == "away"),
                            first=peers.first)
        peers.first = sent["next"]
    rows = results(peers, started)
    after = balancer.counters()
    tcp = {key: after["tcp"][key] - before["tcp"].get(key, 0) for key in after["tcp"]}
    row = {"failures": sum(one["failures"] for one in rows.values()),
           "transfers_mbit": rows["transfers"]["bytes"] * 8e-6 / rows["transfers"]["seconds"],
           "requests_per_second": rows["requests"]["answers"] / rows["requests"]["seconds"],
           "requests_p99_ms": rows["requests"]["p99_ms"], "transfers_p99_ms": rows["transfers"]["p99_ms"],
           "new_per_second": rows["new"]["handshakes"] / rows["new"]["seconds"],
           "new_p99_ms": rows["new"]["p99_ms"],
           "retransmitted": tcp["retransmitted"], "timeouts": tcp["timeouts"],
           "cookies_sent": tcp["cookies_sent"], "cookies_accepted": tcp["cookies_accepted"],
           "memory_grew_kb": balancer.memory() - memory}
    if sent:
        row.update(syns_per_second=sent["pps"], answered=sent["answered"] / max(sent["sent"], 1))
    return row


def alone(peers, balancer, seconds):
    """The flood by itself, both sides ahead of all: what the worker takes, what a SYN costs."""
    balancer.favour()
    before = balancer.counters()
    sent = peers.generator.do("syn", "box", 4, seconds=seconds, first=peers.first)
    after = balancer.counters()
    balancer.favour(0)
    peers.first = sent["next"]
    return {"syns_per_second": sent["pps"], "answered": sent["answered"] / max(sent["sent"], 1),
            "cycles_per_syn": (after["busy"] - before["busy"]) / max(sent["sent"], 1),
            "stages": {name: (cycles - before["stages"][name]) / max(sent["sent"], 1)
                       for name, cycles in after["stages"].items()}}


def run(args, say):
    seconds, turns = max(4, round(args.seconds * 12)), max(1, min(args.turns, 3))
    rows = {name: [] for name in PHASES}
    with machines(args) as peers:
        peers.first = 0
        balancer = ThirdPort(peers)
        try:
            balancer.syn()
            alone(peers, balancer, 0.2)
            by_itself = alone(peers, balancer, 2)
            for turn in range(turns + 1):
                for name in PHASES:
                    row = phase(peers, balancer, name, seconds if turn else 4)
                    rows[name] += [row] if turn else []  # the first is to warm up
        finally:
            balancer.close()
    result = {name: {key: statistics.median(row[key] for row in found) for key in found[0]}
              for name, found in rows.items()}
    result["alone"] = by_itself
    result["failures"] = sum(row["failures"] for found in rows.values() for row in found)
    for name, row in result.items():
        if name in PHASES:
            say(f"{name:5}: requests {row['requests_per_second']:,.0f}/s p99 {row['requests_p99_ms']:.1f} ms, "
                f"transfers {row['transfers_mbit']:,.0f} Mbit/s p99 {row['transfers_p99_ms']:.1f} ms, "
                f"new {row['new_per_second']:,.0f}/s p99 {row['new_p99_ms']:.1f} ms, failures {row['failures']}"
                + (f"; {row['syns_per_second']:,.0f} SYNs/s, {row['answered']:.0%} answered" if "answered" in row else "")
                + f"; memory {row['memory_grew_kb']:+,} kB")
    say(f"alone: {by_itself['syns_per_second']:,.0f} SYNs/s, {by_itself['answered']:.0%} answered, "
        f"{by_itself['cycles_per_syn']:,.0f} cycles each: "
        + " ".join(f"{name} {value:,.0f}" for name, value in by_itself["stages"].items()))
    return result
