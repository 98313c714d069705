#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""generator_test.py GENERATOR: the generator against a box that is known to be right.

The box is the kernel's own full NAT in a network namespace, behind a veth cable. What the generator
calls right must be right there, in both families and protocols; and when the box does what it should
not, the generator must say so.
"""

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "images" / "lab")]

import plan  # noqa: E402
from topology import Machine, destroy, run  # noqa: E402

NAME = f"sluice-generator-{os.getpid()}"
CABLE = "slgen0"
GENERATOR = ""
FLOWS = 2000
SKIPPED = 77  # meson's number for it

NAT = """\
table {table} nat {{
	chain prerouting {{
		type nat hook prerouting priority -100;
		{ip} daddr {vip} udp dport {udp} dnat to {first}-{last}:{udp_pod};
		{ip} daddr {vip} tcp dport {tcp} dnat to {first}-{last}:{tcp_pod};
	}}
	chain postrouting {{
		type nat hook postrouting priority 100;
		{ip} daddr {pod_cidr} meta l4proto {{ tcp, udp }} snat to {snat}:10000-59999;
	}}
}}
"""


def bracketed(address, family):
    return address if family == 4 else f"[{address}]"


def nat_rules(family, snat=None):
    names = plan.FAMILIES[family]
    first, last = snat or (names["snat"], plan.at(names["snat"], plan.SNATS - 1))
    return NAT.format(
        table="ip" if family == 4 else "ip6", ip="ip" if family == 4 else "ip6",
        vip=names["vip"], pod_cidr=names["pod_cidr"], udp=plan.UDP_PORT, tcp=plan.TCP_PORT,
        udp_pod=plan.UDP_POD_PORT, tcp_pod=plan.TCP_POD_PORT,
        first=bracketed(names["pod"], family),
        last=bracketed(plan.at(names["pod"], plan.PODS - 1), family),
        snat=f"{bracketed(first, family)}-{bracketed(last, family)}")


class Generator(unittest.TestCase):
    def setUp(self):
        destroy(NAME)
        self.box = Machine(f"{NAME}-box").create(forwards=True)
        self.addCleanup(destroy, NAME)
        run("ip", "link", "delete", CABLE, check=False)
        run("ip", "link", "add", CABLE, "type", "veth", "peer", "name", "eth0",
            "netns", self.box.name)
        run("ip", "link", "set", CABLE, "up")
        run("ethtool", "-K", CABLE, "tx", "off")
        self.box.plain_wire("eth0")
        self.box.ip("link set eth0 up", *(
            line for family, names in plan.FAMILIES.items() for line in (
                f"addr add {names['box']} dev eth0" + (" nodad" if family == 6 else ""),
                f"addr add {names['vip']} dev eth0" + (" nodad" if family == 6 else ""),
                f"route add {names['default']} via {names['peer']}",
                f"route add {names['pod_cidr']} via {names['node']}")))
        self.process = subprocess.Popen(
            [GENERATOR, "-l", str(min(os.sched_getaffinity(0))), "--no-huge", "-m", "256",
             "--file-prefix", NAME, "--no-pci", "--no-telemetry", "--log-level", "error",
             "--vdev", f"net_af_packet0,iface={CABLE}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end)
        self.assertEqual(json.loads(self.process.stdout.readline()), {"links": 1})

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def rules(self, text):
        self.box.run("nft", "flush", "ruleset")
        run("ip", "netns", "exec", self.box.name, "nft", "-f", "-", input=text)

    def world(self, family, protocol):
        self.assertEqual(self.order(plan.net_order(0, family, protocol)), {"ok": True})
        self.assertIn("mac", self.order(f"resolve family={family} seconds=5"))

    def test_datagrams(self):
        for family in plan.FAMILIES:
            self.rules(nat_rules(family))
            self.world(family, "udp")
            for _ in range(2):
                result = self.order(f"udp family={family} mode=sweep flows={FLOWS} window=16")
                self.assertEqual((result["missing"], result["wrong"]), (0, 0), result)
                self.assertEqual(result["forwarded"], 2 * FLOWS)
                self.assertEqual(result["pods_seen"], plan.PODS)
            result = self.order(
                f"udp family={family} mode=steady flows={FLOWS} window=16 seconds=0.2 warm=0.05")
            self.assertEqual((result["lost"], result["wrong"]), (0, 0), result)
            self.assertGreater(result["checked"], 0)
            # A machine that others use may keep the generator from its turns for longer than one
            # stretch; not for five.
            for _ in range(5):
                result = self.order(
                    f"udp family={family} mode=paced flows={FLOWS} rate=5000 seconds=0.3 warm=0")
                if abs(result["pps"] - 10000) <= 500:
                    break
            self.assertAlmostEqual(result["pps"], 10000, delta=500)
            self.assertGreater(result["latency"]["p99_us"], result["latency"]["p50_us"] / 2)

    def test_connections(self):
        for family in plan.FAMILIES:
            self.rules(nat_rules(family))
            self.world(family, "tcp")
            result = self.order(f"tcp family={family} window=16 seconds=0.3 warm=0.05")
            self.assertEqual((result["lost"], result["wrong"]), (0, 0), result)
            self.assertGreater(result["completed"], 100)
            self.assertGreater(result["checked"], result["completed"] / 2)
            again = self.order(
                f"tcp family={family} window=16 first={result['next']} seconds=0.1 warm=0")
            self.assertEqual((again["lost"], again["wrong"]), (0, 0), again)
            self.assertGreater(again["next"], result["next"])

    def test_wrong_source_is_told(self):
        for family, other in ((4, ("198.18.5.0", "198.18.5.9")), (6, ("2001:2:0:5::", "2001:2:0:5::9"))):
            self.rules(nat_rules(family, other))
            self.world(family, "udp")
            result = self.order(f"udp family={family} mode=sweep flows=100 window=16")
            self.assertGreaterEqual(result["wrong"], 100)
            self.assertIn("source address of what the pod got", result["wrong_what"])

    def test_loss_is_told(self):
        # One packet in ten of those to the pods is lost on the way.
        self.rules(nat_rules(4) + "table ip lossy { chain forward { type filter hook forward "
                   "priority 0; udp dport 5353 numgen inc mod 10 0 drop; }\n}\n")
        self.world(4, "udp")
        for _ in range(5):  # a busy machine loses packets of its own
            result = self.order("udp family=4 mode=paced flows=10000 rate=5000 seconds=0.4 warm=0")
            if abs(result["lost"] / result["sent"] - 0.1) <= 0.02:
                break
        self.assertAlmostEqual(result["lost"] / result["sent"], 0.1, delta=0.02)
        # Connections that get no answer are given up and not counted.
        self.rules("table ip deaf { chain prerouting { type filter hook prerouting priority -300; "
                   "tcp dport 80 drop; }\n}\n")
        self.world(4, "tcp")
        result = self.order("tcp family=4 window=16 seconds=0.5 warm=0")
        self.assertEqual(result["completed"], 0)
        self.assertEqual(result["lost"], result["begun"])

    def test_bad_orders(self):
        self.assertIn("error", self.order("dance"))
        self.assertIn("error", self.order("udp link=7"))
        self.assertIn("error", self.order("tcp window=100"))
        self.assertIn("error", self.order("net family=4 client=2001:db8::1"))
        self.assertIn("error", self.order("resolve family=4 seconds=0.1"))


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit(SKIPPED)
    GENERATOR = sys.argv.pop(1)
    unittest.main(verbosity=2)
