# SPDX-License-Identifier: BSD-3-Clause
"""The second appliance of a lab, beside the first: the same switches, addresses of its own."""

import time

from appliance import Appliance, port
from topology import LAN4, LAN6, WAN4, WAN6, Machine, wait_until

HOST = 2
FOLDER = "second"
GATEWAYS = [LAN4.format(3), LAN6.format(3)]  # of neither box: of who is master


def settled(owner, what, seconds=20, still=1.0):
    """Who owns it, by owner(), once the election is over: nobody else for ten of its intervals. Both
    boxes may be masters at first, until they have found each other's address."""
    last, since = None, time.monotonic()

    def same():
        nonlocal last, since
        now = owner()
        if now != last:
            last, since = now, time.monotonic()
        return now is not None and time.monotonic() - since >= still
    wait_until(same, what, seconds)
    return last


def route_by_gateways(net):
    for node in net.nodes:
        node.ip(f"route replace default via {GATEWAYS[0]}", f"route replace ::/0 via {GATEWAYS[1]}")


def add(net, settings):
    """Makes its machine. `settings`: as the first one's, but for ports and folders, which it changes."""
    machine = Machine(f"{net.name}-box2").create(forwards=True)
    machine.sysctl("ipv6/conf/default/disable_ipv6", 1)
    net.plug(machine, "eth0", "wan")
    net.plug(machine, "eth1", "lan")
    machine.sysctl("ipv6/conf/default/disable_ipv6", 0)
    folder = net.dir / FOLDER
    settings["ports"] = [
        port("wan", "eth0", WAN4.format(HOST), WAN6.format(HOST), net.mtu),
        port("lan", "eth1", LAN4.format(HOST), LAN6.format(HOST), net.mtu),
    ]
    settings["run_dir"], settings["state_dir"] = f"{folder}/run", f"{folder}/state"
    return Appliance(machine, folder, settings)
