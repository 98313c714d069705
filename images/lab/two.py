# SPDX-License-Identifier: BSD-3-Clause
"""What two appliances need in a lab: a pair by VRRP, or both announced to a router by BGP."""

import copy

import second
from router import Bird
from topology import BOX_HOST, CLIENT_HOST, WAN4, WAN6, wait_until

KINDS = ("pair", "bgp")
HOSTS = (BOX_HOST, second.HOST)


def configure(settings, kind, number):
    """settings: of the first or the second box (number 0, 1)."""
    if kind == "pair":
        settings["pair"] = {"interface": "wan", "peer": WAN4.format(HOSTS[1 - number]), "interval_ms": 100,
                            "gateways": second.GATEWAYS}
        return
    settings["bgp"] = {
        "asn": 65001, "router_id": WAN4.format(HOSTS[number]), "bfd_interval_ms": 50,
        "peers": [{"name": f"router{family}", "address": net.format(CLIENT_HOST), "asn": 65000, "bfd": True}
                  for family, net in ((4, WAN4), (6, WAN6))],
        "pools": [{"name": settings["pools"][0]["name"]}],
    }


def add(net, kind, settings):
    """The second appliance, not started, and the router when there is one. `settings`: the first's, which
    are changed as well."""
    own = copy.deepcopy(settings)
    configure(settings, kind, 0)
    box = second.add(net, own)
    configure(box.settings, kind, 1)
    box.write_settings()
    if kind == "pair":
        second.route_by_gateways(net)
    if kind == "bgp":
        net.client.sysctl("ipv4/fib_multipath_hash_policy", 1)  # by ports as well
        net.client.sysctl("ipv6/fib_multipath_hash_policy", 1)
        return box, Bird(net.client, net.dir, HOSTS, bfd=True)
    return box, None


def state(box, vip):
    return next((row["state"] for row in box.show("vips")["vips"] if row["address"] == vip), None)


def wait(kind, boxes, router, vip):
    """Until the network finds the VIP; what there is to say of it."""
    if kind == "bgp":
        wait_until(lambda: len(router.route(vip)) == len(HOSTS), f"both boxes as ways to {vip}", 20)
        return [f"The router's ways to {vip}: {', '.join(router.route(vip))}"]
    states = []

    def owner():
        states[:] = [state(box, vip) for box in boxes]
        return states.index("owned") if sorted(map(str, states)) == ["owned", "standby"] else None
    second.settled(owner, f"one box owning {vip} and the other standing by")
    return [f"{box.machine.name}: {vip} is {what}" for box, what in zip(boxes, states)]


def to_try(kind, boxes, router):
    consoles = [f"{box.program('sluice')} --socket {box.api_socket}" for box in boxes]
    if kind == "pair":
        return [f"{consoles[0]} show vrrp", f"{consoles[1]} show vrrp",
                f"{consoles[0]} drain box      the other has the VIPs; `undrain box` takes part again"]
    return [f"{consoles[0]} show bgp", f"birdc -s {router.ctl} show route",
            f"{consoles[0]} drain box      the router sends all to the other; `undrain box` comes back"]
