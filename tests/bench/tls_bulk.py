# SPDX-License-Identifier: BSD-3-Clause
"""tls-bulk: Gbit a CPU-second of answers under AES-128-GCM, beside HAProxy and nginx and beside the cipher
alone (`openssl speed`); see peers.py for who runs where."""

import re
import statistics
import subprocess

from peers import Haproxy, Nginx, Peers, Sluice
from tls_handshake import client, middle

CONNECTIONS = 16
PATH = "/files/large"


def transfer(peers, balancer, seconds):
    row = client(peers, balancer, PATH, CONNECTIONS, seconds)
    gbit = row["bytes"] * 8 / 1e9
    return {"gbit_per_cpu_second": gbit / max(row["busy"], 0.01), "gbit_per_second": gbit / row["seconds"],
            "busy_share": row["busy"] / row["seconds"], "p99_ms": row["p99_ms"],
            "cycles_per_byte": row["cycles"] / max(row["bytes"], 1)}


def cipher(cpu):
    """Gbit a second of AES-128-GCM in records of 16 KB."""
    out = subprocess.run(
        ["taskset", "-c", str(cpu), "openssl", "speed", "-mr", "-seconds", "1", "-bytes", "16384",
         "-evp", "aes-128-gcm"], capture_output=True, text=True, check=True).stdout
    return float(re.search(r"^\+F:\d+:[^:]*:([\d.]+)", out, re.M).group(1)) * 8 / 1e9


def run(args, say):
    turns, seconds = max(1, min(args.turns, 5)), max(1, round(args.seconds * 4))
    rows, limits = {}, []
    with Peers(args.build, args.idle, args.kind) as peers:
        for _turn in range(turns):
            limits.append(cipher(peers.cpu))
            for kind in (Sluice, Haproxy, Nginx):
                balancer = kind(peers)
                try:
                    transfer(peers, balancer, 1)  # warm
                    rows.setdefault(kind.name, []).append(transfer(peers, balancer, seconds))
                finally:
                    balancer.close()
    limit = statistics.median(limits)
    result = {"connections": CONNECTIONS, "openssl_gbit_per_second": limit}
    for name, found in rows.items():
        result[name] = {key: middle(found, key) for key in
                        ("gbit_per_cpu_second", "gbit_per_second", "busy_share", "p99_ms")}
    ours = result["sluice"]
    ours["cycles_per_byte"] = middle(rows["sluice"], "cycles_per_byte")
    for name in ("haproxy", "nginx"):
        result[f"ratio_{name}"] = ours["gbit_per_cpu_second"] / result[name]["gbit_per_cpu_second"]
    result["ratio_openssl"] = ours["gbit_per_cpu_second"] / limit
    say("bulk: " + ", ".join(
        f"{name} {result[name]['gbit_per_cpu_second']:.2f} Gbit/CPU-s ({result[name]['busy_share']:.0%} busy)"
        for name in rows) + f"; ratio to haproxy {result['ratio_haproxy']:.2f}, to nginx "
        f"{result['ratio_nginx']:.2f}, to openssl {result['ratio_openssl']:.2f}; "
        f"{ours['cycles_per_byte']:.1f} cycles a byte")
    return result
