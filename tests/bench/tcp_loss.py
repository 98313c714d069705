# SPDX-License-Identifier: BSD-3-Clause
"""tcp-loss: one connection's throughput at 1 % loss, us and Linux at the balancer's place.

The switch that the client is plugged in loses every hundredth packet at random, of either side and
acknowledgements too. get: the balancer's place sends; put: it receives. linux is the peer's machine
with the pods' program on it, by its own TCP (tests/e2e/transfer.py, which checks each byte);
haproxy is Linux's TCP at the balancer's place, with the same pods behind it.
"""

import json
import statistics

from peers import PEER, ROOT, Haproxy, Peers, Sluice
from topology import WAN4, wait_until

PROGRAM = ROOT / "tests" / "e2e" / "transfer.py"
PORT = 8099
LOSS = """\
table netdev loss {{
	chain client {{ type filter hook ingress device "client-wan" priority 0; {drop}; }}
	chain box {{ type filter hook ingress device "box-wan" priority 0; {drop}; }}
	chain peer {{ type filter hook ingress device "peer-wan" priority 0; {drop}; }}
}}
"""
DROP = "ip protocol tcp numgen random mod 1000 < {permille} counter drop"


def impair(peers, percent):
    rules = "add table netdev loss\ndelete table netdev loss\n"
    if percent:
        rules += LOSS.format(drop=DROP.format(permille=round(percent * 10)))
    peers.net.switch.run("nft", "-f", "-", input=rules)


def serve(peers, machine, name, cpu):
    ready = peers.dir / f"ready-{name}"
    peers.processes.append(machine.start(
        "taskset", "-c", cpu, "/usr/bin/python3", PROGRAM, "serve", PORT, ready,
        log=peers.dir / f"transfer-{name}.log"))
    wait_until(ready.exists, f"the server of {name}")


def one(peers, address, port, how, size):
    out = peers.net.client.run("taskset", "-c", peers.other, "/usr/bin/python3", PROGRAM,
                               how, address, port, size)
    return json.loads(out.stdout)["mbit_per_second"]


def counters(balancer, before=None):
    tcp = balancer.counters()["tcp"]
    return {name: value - before.get(name, 0) for name, value in tcp.items()
            if value != before.get(name, 0)} if before is not None else tcp


def run(args, say):
    turns, sizes = max(3, args.turns), {0: 200_000_000, args.loss: args.bytes}
    result = {"loss_percent": args.loss, "bytes": args.bytes}
    with Peers(args.build, args.idle, args.kind) as peers:
        peers.port = PORT
        serve(peers, peers.peer, "linux", peers.cpu)
        for name, pod in peers.net.pods.items():
            serve(peers, pod.machine, name, peers.other)
        balancer, haproxy = Sluice(peers), Haproxy(peers)
        places = {"haproxy": (haproxy.vip, 80), "sluice": (balancer.vip, 80), "linux": (WAN4.format(PEER), PORT)}
        for loss, size in sizes.items():
            impair(peers, loss)
            for how in ("get", "put"):
                rows = {name: [] for name in places}
                before = counters(balancer)
                for _turn in range(turns if loss else 3):
                    for name, (address, port) in places.items():
                        rows[name].append(one(peers, address, port, how, size))
                found = {name: statistics.median(values) for name, values in rows.items()}
                found["ratio"] = found["sluice"] / found["linux"]
                found["ratio_haproxy"] = found["sluice"] / found["haproxy"]
                found["turns"] = {name: [round(v, 1) for v in values] for name, values in rows.items()}
                found["tcp"] = counters(balancer, before)
                result[f"{how}_{'lossless' if not loss else 'loss'}"] = found
                say(f"{how} at {loss} % loss: sluice {found['sluice']:,.0f} Mbit/s, Linux "
                    f"{found['linux']:,.0f}, HAProxy {found['haproxy']:,.0f}, ratio "
                    f"{found['ratio']:.2f}, to HAProxy {found['ratio_haproxy']:.2f}")
        haproxy.close()
        balancer.close()
    result["ratio"] = min(result["get_loss"]["ratio"], result["put_loss"]["ratio"])
    return result
