# SPDX-License-Identifier: BSD-3-Clause
"""The box of the HTTP benchmarks with a third port, a memif, and the packet generator behind it: layer 4
beside the proxy on one worker. UDP to a VIP of its own goes back through the same cable to pods that
are the generator, too."""

import contextlib
import ipaddress
import os

import hugepages
import plan
from machines import RING_LOG2, Generator, favour
from peers import Peers, Sluice

NAMES = plan.FAMILIES[4]
BOX = NAMES["box"].split("/")[0]


def packed(text):
    return ipaddress.ip_address(text).packed


class ThirdPort(Sluice):
    def change(self, wanted):
        wanted["ports"].append({
            "name": "third", "kind": "memif", "device": str(self.peers.generator.sockets["box"]),
            "mtu": 1500, "options": f"role=client,rsize={RING_LOG2}", "addresses": [NAMES["box"]]})
        wanted["routes"] = [{"to": "198.19.0.0/16", "via": NAMES["peer"]}]
        if self.peers.crypto:
            wanted["dataplane"]["crypto_cpus"] = [self.peers.other]

    def plan(self):
        made, proto = super().plan(), self.peers.proto
        made.MergeFrom(proto.Transaction(
            vips=[{"address": packed(NAMES["vip"]), "owned": True}],
            listeners=[{"vip": packed(NAMES["vip"]), "protocol": 17, "port": plan.UDP_PORT,
                        "service": "bench-udp", "pool": "udp", "mode": 1}],
            pools=[{"name": "udp", "algorithm": 1,
                    "endpoints": [{"address": packed(plan.at(NAMES["pod"], i)), "port": plan.UDP_POD_PORT,
                                   "weight": 1, "state": 1} for i in range(plan.PODS)]}],
            routes=[{"prefix": {"address": packed("198.18.2.0"), "length": 24},
                     "via": packed(NAMES["node"])}]))
        return made

    def pid(self):
        return self.box.processes["sluice-dataplane"].pid

    def memory(self):
        """Kilobytes of the dataplane, with its hugepages."""
        with open(f"/proc/{self.pid()}/smaps_rollup") as stream:
            rows = dict(line.split(":", 1) for line in stream if ":" in line)
        return sum(int(rows[key].split()[0]) for key in ("Rss", "Private_Hugetlb", "Shared_Hugetlb"))

    def favour(self, nice=-20):
        """Both sides of the third port ahead of whatever else there is."""
        for pid in (self.pid(), self.peers.generator.process.pid):
            favour(pid, nice)

    def real_time(self):
        """The worker and the generator run whenever they want to: times are theirs then, and not those
        of what else the machine does."""
        for pid, cpu in ((self.pid(), self.peers.cpu), (self.peers.generator.process.pid, self.peers.other)):
            for thread in map(int, os.listdir(f"/proc/{pid}/task")):
                with open(f"/proc/{pid}/task/{thread}/comm") as name:
                    crypto = "crypto" in name.read()
                if crypto or os.sched_getaffinity(thread) == {cpu}:
                    os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(5 if crypto else 20))

    def udp(self):
        """The generator is told of the layer-4 VIP, and finds it."""
        generator = self.peers.generator
        generator.order(plan.net_order(generator.LINKS["box"], 4, "udp")
                        .replace(f"snat={NAMES['snat']} snats={plan.SNATS}", f"snat={BOX} snats=1"))
        generator.do("resolve", "box", 4, seconds=10)

    def syn(self):
        """The same of the proxy's VIP and port 443."""
        generator = self.peers.generator
        generator.order(plan.net_order(generator.LINKS["box"], 4, "tcp")
                        .replace(f"vip={NAMES['vip']}", f"vip={self.vip}")
                        .replace(f"vip_port={plan.TCP_PORT}", "vip_port=443"))
        generator.do("resolve", "box", 4, seconds=10)

    def close(self):
        self.peers.generator.do("ignore", "box", 4)
        super().close()


@contextlib.contextmanager
def machines(args):
    hugepages.reserve(384)
    try:
        with Peers(args.build, args.idle, args.kind) as peers:
            peers.generator = Generator(peers.build, peers.dir, peers.other, eager=False)
            peers.crypto = False
            try:
                yield peers
            finally:
                peers.generator.close()
    finally:
        hugepages.give_back()
