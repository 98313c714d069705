# SPDX-License-Identifier: BSD-3-Clause
"""Plays the nodes of a ControlPlane: registers them, says that they live, and gives the pods that
are bound to them an address of their node's podCIDR and the state Ready. step() does what is due."""

import time

NODES = "/api/v1/nodes"


def ready(true):
    return {"type": "Ready", "status": "True" if true else "False"}


class Agent:
    def __init__(self, cluster):
        self.cluster = cluster
        self.nodes, self.addresses = {}, {}
        self.alive_at = 0

    def add_node(self, name, address):
        self.cluster.create(NODES, {"metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name}}})
        self.nodes[name] = address
        self._say_alive(name)
        self.cluster.wait(lambda: self.pod_network(name), f"{name}'s podCIDR")

    def remove_node(self, name):
        del self.nodes[name]
        self.cluster.delete(f"{NODES}/{name}")

    def pod_network(self, name):
        return self.cluster.get(f"{NODES}/{name}")["spec"].get("podCIDR")

    def _say_alive(self, name):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.cluster.patch(f"{NODES}/{name}/status", {"status": {
            "capacity": {"cpu": "64", "memory": "64Gi", "pods": "250"},
            "allocatable": {"cpu": "64", "memory": "64Gi", "pods": "250"},
            "conditions": [{**ready(True), "lastHeartbeatTime": now, "reason": "tests"}],
            "addresses": [{"type": "InternalIP", "address": self.nodes[name]}]}})

    def _address(self, pod):
        key = pod["metadata"]["uid"]
        if key not in self.addresses:
            base = self.pod_network(pod["spec"]["nodeName"]).rsplit(".", 1)[0]
            taken = {address for address in self.addresses.values() if address.startswith(base + ".")}
            self.addresses[key] = next(
                address for i in range(2, 250) if (address := f"{base}.{i}") not in taken)
        return self.addresses[key]

    def step(self):
        if time.monotonic() > self.alive_at:
            for name in self.nodes:
                self._say_alive(name)
            self.alive_at = time.monotonic() + 1
        for pod in self.cluster.get("/api/v1/pods")["items"]:
            meta, node = pod["metadata"], pod["spec"].get("nodeName")
            path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
            if node not in self.nodes:
                continue
            if "deletionTimestamp" in meta:
                self.cluster.request("DELETE", path, {"gracePeriodSeconds": 0})
                self.addresses.pop(meta["uid"], None)
            elif pod["status"].get("phase") != "Running":
                address = self._address(pod)
                self.cluster.patch(f"{path}/status", {"status": {
                    "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
                    "hostIP": self.nodes[node], "conditions": [ready(True)]}})
