# SPDX-License-Identifier: BSD-3-Clause
"""tls-handshake: TLS 1.3 handshakes (ECDSA P-256, X25519) a CPU-second, full and resumed, beside HAProxy
and nginx and beside what the primitives alone would take; see peers.py for who runs where."""

import json
import re
import statistics
import subprocess

from peers import Haproxy, Nginx, Peers, Sluice
from topology import LabError

CONNECTIONS = 32
KINDS = ("full", "resumed")


def client(peers, balancer, what, connections, seconds):
    """One run of the client: what it says, the CPU's busy seconds, our worker's busy cycles."""
    before = balancer.counters()
    out, busy = peers.measure(peers.tls_client, balancer.vip, "443", what, connections, seconds)
    after = balancer.counters()
    row = json.loads(out)
    row["busy"] = busy
    row["cycles"] = after["busy"] - before["busy"] if before else 0
    if row["failures"]:
        raise LabError(f"{balancer.name}: {row['failures']} connections failed ({what})")
    return row


def shake(peers, balancer, kind, seconds):
    row = client(peers, balancer, kind, CONNECTIONS, seconds)
    if kind == "resumed" and row["resumed"] < 0.95 * row["handshakes"] - CONNECTIONS:
        raise LabError(f"{balancer.name}: {row['resumed']} of {row['handshakes']} handshakes were resumed")
    if kind == "full" and row["resumed"]:
        raise LabError(f"{balancer.name}: {row['resumed']} handshakes were resumed")
    return {"per_cpu_second": row["handshakes"] / max(row["busy"], 0.01),
            "per_second": row["handshakes"] / row["seconds"],
            "busy_share": row["busy"] / row["seconds"], "p99_ms": row["p99_ms"],
            "cycles": row["cycles"] / max(row["handshakes"], 1)}


def primitives(cpu):
    """Full handshakes a second if only the asymmetric operations cost: one ECDSA signature, one
    X25519 key made and one secret derived, by `openssl speed` on the balancer's CPU."""
    out = subprocess.run(
        ["taskset", "-c", str(cpu), "openssl", "speed", "-mr", "-seconds", "1", "ecdsap256", "ecdhx25519"],
        capture_output=True, text=True, check=True).stdout
    sign = float(re.search(r"^\+F4:\d+:256:([\d.e+-]+):", out, re.M).group(1))
    derive = float(re.search(r"^\+F5:\d+:253:([\d.e+-]+)", out, re.M).group(1))
    # -mr prints either operations a second or seconds an operation, as the version is.
    sign, derive = (1 / value if value < 1 else value for value in (sign, derive))
    return 1 / (1 / sign + 2 / derive)


def middle(rows, key):
    return statistics.median(row[key] for row in rows)


def run(args, say):
    turns, seconds = max(1, min(args.turns, 5)), max(1, round(args.seconds * 4))
    rows = {kind: {} for kind in KINDS}
    limits = []
    with Peers(args.build, args.idle, args.kind) as peers:
        for _turn in range(turns):
            limits.append(primitives(peers.cpu))
            for kind in (Sluice, Haproxy, Nginx):
                balancer = kind(peers)
                try:
                    for what in KINDS:
                        shake(peers, balancer, what, 1)  # warm
                        rows[what].setdefault(kind.name, []).append(shake(peers, balancer, what, seconds))
                finally:
                    balancer.close()
    limit = statistics.median(limits)
    result = {"connections": CONNECTIONS, "primitives_per_cpu_second": limit}
    for what, by_name in rows.items():
        one = {name: {key: middle(found, key) for key in
                      ("per_cpu_second", "per_second", "busy_share", "p99_ms")}
               for name, found in by_name.items()}
        one["sluice"]["cycles_per_handshake"] = middle(by_name["sluice"], "cycles")
        for name in ("haproxy", "nginx"):
            one[f"ratio_{name}"] = one["sluice"]["per_cpu_second"] / one[name]["per_cpu_second"]
        if what == "full":
            one["ratio_primitives"] = one["sluice"]["per_cpu_second"] / limit
        result[what] = one
        say(f"{what:7}: " + ", ".join(
            f"{name} {one[name]['per_cpu_second']:,.0f}/CPU-s ({one[name]['busy_share']:.0%} busy, "
            f"p99 {one[name]['p99_ms']:.1f} ms)" for name in by_name)
            + f"; ratio to haproxy {one['ratio_haproxy']:.2f}, to nginx {one['ratio_nginx']:.2f}"
            + (f", to the primitives {one['ratio_primitives']:.2f}" if what == "full" else ""))
    return result
