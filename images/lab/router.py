# SPDX-License-Identifier: BSD-3-Clause
"""A router that hears of VIPs by BGP: BIRD, on the client's machine."""

import re

from topology import CLIENT_HOST, WAN4, WAN6, run, wait_until

WAN = {4: WAN4, 6: WAN6}


class Bird:
    """The router: BIRD on a client's machine, which puts what it learns into the kernel."""

    def __init__(self, machine, folder, numbers=(1,), bfd=False, password="", graceful=False,
                 asn=65001):
        self.machine, self.dir = machine, folder
        self.ctl = self.dir / "router.ctl"
        conf = self.dir / "router.conf"
        text = f"""log stderr all; router id {WAN4.format(CLIENT_HOST)};
        protocol device {{ }}
        protocol bfd {{ interface "*" {{ interval 50 ms; multiplier 3; }}; }}
        protocol kernel k4 {{ ipv4 {{ export all; }}; merge paths yes; }}
        protocol kernel k6 {{ ipv6 {{ export all; }}; merge paths yes; }}
        """
        for number in numbers:
            for family in (4, 6):
                text += f"""protocol bgp box{number}_{family} {{
                local as 65000; neighbor {WAN[family].format(number)} as {asn}; direct;
                connect retry time 1; connect delay time 1; error wait time 1, 2;
                {f'password "{password}";' if password else ''} {'bfd yes;' if bfd else ''}
                graceful restart {'yes' if graceful else 'aware'}; graceful restart time 30;
                ipv{family} {{ import all; export none; }};
                }}
                """
        conf.write_text(text)
        self.process = machine.start("bird", "-f", "-c", conf, "-s", self.ctl,
                                        log=self.dir / "router.log")
        wait_until(self.ctl.exists, "the router")

    def ask(self, *words):
        return run("birdc", "-s", self.ctl, *words).stdout

    def route(self, vip):
        """The kernel's route: its next hops."""
        words = ["ip", "-6"] if ":" in vip else ["ip"]
        out = self.machine.run(*words, "route", "show", vip).stdout
        return sorted(re.findall(r"via (\S+)", out))

    def bfd_up(self):
        """How many BFD sessions are."""
        return len(re.findall(r"\bUp\b", self.ask("show", "bfd", "sessions")))

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)
