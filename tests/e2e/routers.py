# SPDX-License-Identifier: BSD-3-Clause
"""Routers that hear of VIPs by BGP, on a client's machine, each a program of its own: BIRD, and FRR."""

import json
import re
import shutil

import router
from router import WAN
from topology import CLIENT_HOST, run, wait_until


class Bird(router.Bird):
    def policy(self, prefix):
        """(communities, large ones, MED) of the route, as they have come; None: there is none."""
        seen = self.ask("show", "route", "all", prefix)
        if "BGP.as_path" not in seen:
            return None

        def communities(name):
            text = re.search(rf"{name}: (.*)", seen)
            return " ".join(":".join(re.findall(r"\d+", one))
                            for one in re.findall(r"\(.*?\)", text.group(1))) if text else ""
        med = re.search(r"BGP.med: (\d+)", seen)
        return communities("BGP.community"), communities("BGP.large_community"), int(med.group(1)) if med else None

    def local_pref(self, prefix):
        return int(re.search(r"BGP.local_pref: (\d+)", self.ask("show", "route", "all", prefix)).group(1))


class Frr:
    """The router: FRR's zebra, bfdd and bgpd."""

    def __init__(self, machine, folder, numbers=(1,), bfd=False, password="", graceful=False,
                 asn=65001):
        self.machine, self.dir = machine, folder / "frr"
        self.dir.mkdir()
        shutil.chown(self.dir, "frr", "frr")
        lines = ["frr defaults datacenter", "no zebra nexthop kernel enable", "router bgp 65000",
                 f" bgp router-id {WAN[4].format(CLIENT_HOST)}", " no bgp ebgp-requires-policy",
                 " bgp bestpath as-path multipath-relax", " timers bgp 3 9"]
        if graceful:
            lines += [" bgp graceful-restart", " bgp graceful-restart stalepath-time 60"]
        peers = [(number, family) for number in numbers for family in (4, 6)]
        for number, family in peers:
            address = WAN[family].format(number)
            lines += [f" neighbor {address} remote-as {asn}", f" neighbor {address} timers connect 1"]
            lines += [f" neighbor {address} password {password}"] if password else []
            lines += [f" neighbor {address} bfd 3 50 50"] if bfd else []
        for family in (4, 6):
            lines.append(f" address-family ipv{family} unicast")
            for number, of in peers:
                lines.append(f"  {'' if of == family else 'no '}neighbor {WAN[of].format(number)} activate")
            lines.append(" exit-address-family")
        (self.dir / "frr.conf").write_text("\n".join(lines) + "\n")
        self.processes = []
        zserv = self.dir / "zserv.api"
        for name in ("zebra", "bfdd", "bgpd"):
            words = [f"/usr/lib/frr/{name}", "-f", self.dir / "frr.conf", "--vty_socket", self.dir, "-i",
                     self.dir / f"{name}.pid", "-z", zserv, "-P", "0"]
            words += ["--bfdctl", self.dir / "bfdd.sock"] if name == "bfdd" else []
            words += ["-p", "179"] if name == "bgpd" else []
            self.processes.append(machine.start(*words, log=self.dir / f"{name}.log"))
            wait_until((self.dir / f"{name}.vty").exists, f"{name}; see {self.dir}/{name}.log")

    def ask(self, *words):
        return run("vtysh", "--vty_socket", self.dir, "-c", " ".join(words)).stdout

    def bfd_up(self):
        peers = json.loads(self.ask("show", "bfd", "peers", "json"))
        return sum(peer["status"] == "up" for peer in peers)

    route = router.Bird.route

    def policy(self, prefix):
        path = self.path(prefix)
        return path and (path.get("community", {}).get("string", ""), path.get("largeCommunity", {}).get("string", ""),
                path["metric"] if "metric" in path else path.get("med"))

    def local_pref(self, prefix):
        return self.path(prefix)["locPrf"]

    def path(self, prefix):
        family = "ipv6" if ":" in prefix else "ipv4"
        paths = json.loads(self.ask("show", "bgp", family, "unicast", prefix, "json")).get("paths")
        return paths[0] if paths else None

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=10)


ROUTERS = {"bird": Bird, "frr": Frr}
