# SPDX-License-Identifier: BSD-3-Clause
"""http: requests a CPU-second beside HAProxy and nginx; see peers.py for who runs where."""

import re
import statistics

from peers import BODIES, Haproxy, Nginx, Peers, Sluice
from topology import LabError

CONNECTIONS = 64
PATHS = {"small": "/", "large": "/files/large"}
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def wrk(peers, balancer, size, seconds):
    before = balancer.counters()
    out, busy = peers.measure("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency",
                              f"http://{balancer.vip}{PATHS[size]}")
    after = balancer.counters()
    found = re.search(r"(\d+) requests in ([\d.]+)s", out)
    if not found or "Socket errors" in out or "Non-2xx" in out:
        raise LabError(f"{balancer.name}: wrk said:\n{out}")
    p99, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", out).groups()
    requests = int(found.group(1))
    row = {"per_cpu_second": requests / max(busy, 0.01), "per_second": requests / float(found.group(2)),
           "busy_share": busy / float(found.group(2)), "p99_ms": float(p99) * UNITS[unit]}
    if before:
        count = after["requests"] - before["requests"]
        row["cycles_per_request"] = (after["busy"] - before["busy"]) / count
        row["packets_per_request"] = (after["packets"] - before["packets"]) / count
        row["stages"] = {name: (cycles - before["stages"][name]) / count
                         for name, cycles in after["stages"].items()}
        row["segments"] = {name: (value - before["tcp"][name]) / count for name, value in after["tcp"].items()
                           if value != before["tcp"][name]}
        row["retransmitted"] = (after["tcp"]["retransmitted"] - before["tcp"]["retransmitted"])
    return row


def middle(rows, key):
    return statistics.median(row[key] for row in rows)


def run(args, say):
    turns, seconds = max(1, min(args.turns, 5)), max(1, round(args.seconds * 4))
    result = {"connections": CONNECTIONS}
    with Peers(args.build, args.idle, args.kind) as peers:
        rows = {size: {} for size in BODIES}
        for _turn in range(turns):
            for kind in (Sluice, Haproxy, Nginx):
                balancer = kind(peers)
                try:
                    for size in BODIES:
                        wrk(peers, balancer, size, 1)  # warm
                        rows[size].setdefault(kind.name, []).append(wrk(peers, balancer, size, seconds))
                finally:
                    balancer.close()
    for size, by_name in rows.items():
        one = {name: {key: middle(found, key) for key in
                      ("per_cpu_second", "per_second", "busy_share", "p99_ms")}
               for name, found in by_name.items()}
        ours = by_name["sluice"]
        for key in ("cycles_per_request", "packets_per_request", "retransmitted"):
            one[key] = middle(ours, key)
        one["cycles_by_stage"] = {stage: statistics.median(row["stages"][stage] for row in ours)
                                   for stage in ours[0]["stages"]}
        for name in ("haproxy", "nginx"):
            one[f"ratio_{name}"] = one["sluice"]["per_cpu_second"] / one[name]["per_cpu_second"]
        result[size] = one
        say(f"{size:5} ({BODIES[size]} bytes): " + ", ".join(
            f"{name} {one[name]['per_cpu_second']:,.0f}/CPU-s ({one[name]['busy_share']:.0%} busy, "
            f"p99 {one[name]['p99_ms']:.1f} ms)" for name in by_name)
            + f"; ratio to haproxy {one['ratio_haproxy']:.2f}, to nginx {one['ratio_nginx']:.2f}")
        say("      segments a request: " + " ".join(f"{k} {v:.3f}" for k, v in ours[0]["segments"].items()))
        say("      sluice: " + f"{one['cycles_per_request']:,.0f} cycles a request, "
            + " ".join(f"{name} {value:,.0f}" for name, value in one["cycles_by_stage"].items()))
    return result
