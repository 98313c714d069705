# SPDX-License-Identifier: BSD-3-Clause
"""Plays kube-proxy's part for what comes from outside: NodePorts by nftables on the nodes of an Agent,
and the answers at healthCheckNodePort, as Kubernetes has it since 1.26 (pods that are ending serve
where none else is ready). v4 alone.

    with NodePorts(agent) as proxy:
        proxy.off.add("node-2")  # as a node on which it does not run
"""

import contextlib
import json
import subprocess
import threading

import http_server
from control import ApiError
from topology import wait_until

SLICES = "/apis/discovery.k8s.io/v1beta1/endpointslices"
PAUSE_S = 0.05
HEAD = """
add table ip kube
add chain ip kube way {{ type nat hook prerouting priority dstnat; }}
add chain ip kube back {{ type nat hook postrouting priority srcnat; }}
add chain ip kube in {{ type filter hook input priority filter; }}
flush table ip kube
add rule ip kube back ct mark 1 masquerade
{}
"""


class HealthOfNode(http_server.Handler):
    def do_GET(self):
        count = self.server.count()
        body = json.dumps({"localEndpoints": count}).encode()
        self.send_response(200 if count and self.path == "/healthz" else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Port:
    """One NodePort: where it goes from each node."""

    def __init__(self, service, port, slices):
        self.number, self.protocol = port["nodePort"], port.get("protocol", "TCP").lower()
        self.local = service["spec"].get("externalTrafficPolicy") == "Local"
        self.ready, self.ending = [], []  # (node, address, port)
        for piece in slices:
            target = next((row["port"] for row in piece.get("ports") or ()
                           if row["name"] == port.get("name", "")), None)
            for row in piece.get("endpoints") or () if target else ():
                conditions = row.get("conditions", {})
                place = row.get("topology", {}).get("kubernetes.io/hostname"), row["addresses"][0], target
                if conditions.get("ready"):
                    self.ready.append(place)
                elif conditions.get("terminating") and conditions.get("serving"):
                    self.ending.append(place)

    def of(self, node):
        ready, ending = ([row for row in rows if not self.local or row[0] == node]
                         for rows in (self.ready, self.ending))
        return ready or ending

    def rules(self, node):
        its, match = self.of(node), f"fib daddr type local {self.protocol} dport {self.number}"
        if its:
            places = ", ".join(f"{i} : {address} . {port}" for i, (_, address, port) in enumerate(its))
            mark = "" if self.local else "ct mark set 1"
            yield (f"add rule ip kube way {match} counter {mark} "
                   f"dnat ip to numgen inc mod {len(its)} map {{ {places} }}")
        elif self.local:
            yield f"add rule ip kube in {match} counter drop"


class NodePorts:
    def __init__(self, agent):
        self.agent, self.api = agent, agent.cluster
        self.off, self.sick = set(), set()  # does not run there; says no at the health port alone
        self.told, self.ports = {}, {}  # node -> rules; Service -> [Port]
        self.health, self.rounds = {}, 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.wait_round()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(30)
        for server in self.health.values():
            server.end()
        for node in self.told:
            self._machine(node).run("nft", "delete", "table", "ip", "kube", check=False)

    def wait_round(self):
        """Until what is so now was taken in everywhere."""
        until = self.rounds + 2
        wait_until(lambda: self.rounds >= until, "a round of NodePorts", 30)

    def _machine(self, node):
        return self.agent.machine(self.agent.nodes[node])

    def _run(self):
        while not self.stopping.wait(PAUSE_S):
            with contextlib.suppress(OSError, ApiError):
                self._step()
                self.rounds += 1

    def _step(self):
        services = self.api.get("/api/v1/services")["items"]
        slices = {}
        for piece in self.api.get(SLICES)["items"]:
            if piece["addressType"] == "IPv4":
                meta = piece["metadata"]
                key = meta["namespace"], meta.get("labels", {}).get("kubernetes.io/service-name")
                slices.setdefault(key, []).append(piece)
        ports = {}
        for service in services:
            meta = service["metadata"]
            key = meta["namespace"], meta["name"]
            ports[key] = [Port(service, port, slices.get(key, ()))
                          for port in service["spec"].get("ports", ()) if port.get("nodePort")]
        self.ports = ports
        for node in list(self.agent.nodes):
            self._rule(node)
            for service in services:
                if service["spec"].get("healthCheckNodePort"):
                    self._answer(node, service)

    def _rule(self, node):
        rules = [] if node in self.off else [
            rule for ports in self.ports.values() for port in ports for rule in port.rules(node)]
        text = HEAD.format("\n".join(rules))
        if self.told.get(node) != text:
            self._nft(node, "-f", "-", input=text)
            self.told[node] = text

    def _nft(self, node, *words, **options):
        return subprocess.run(["ip", "netns", "exec", self._machine(node).name, "nft", *words],
                              check=True, text=True, capture_output=True, **options).stdout

    def _answer(self, node, service):
        number = service["spec"]["healthCheckNodePort"]
        if (node, number) in self.health:
            return
        key = service["metadata"]["namespace"], service["metadata"]["name"]

        def count():
            return 0 if node in self.off | self.sick else len(
                {address for port in self.ports.get(key, ()) for where, address, _ in port.ready
                 if where == node})
        server = http_server.serve_on(self._machine(node).socket(), ("0.0.0.0", number), HealthOfNode)
        server.count = count
        self.health[node, number] = server

    def taken(self, node, number):
        """New connections to that NodePort of that node since its rules are as they are."""
        rules = json.loads(self._nft(node, "-j", "list", "table", "ip", "kube"))["nftables"]
        found = 0
        for rule in (row["rule"]["expr"] for row in rules if "rule" in row):
            if any(part.get("match", {}).get("right") == number for part in rule):
                found += sum(part["counter"]["packets"] for part in rule if "counter" in part)
        return found
