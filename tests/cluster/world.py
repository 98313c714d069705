# SPDX-License-Identifier: BSD-3-Clause
"""A lab whose sources are real clusters, and short words for what their users do.

Cluster a has the lab's first two nodes, both families and what 1.20 keeps switched off; cluster b has
the third node and is as 1.20 comes. Their API servers are machines on the
LAN, which the box reaches through its own ports."""

import contextlib
import copy
import http.client
import json
import socket
import threading
import time
from pathlib import Path

import harness
from agent import Agent
from control import ApiError, ControlPlane
from topology import BOX_HOST, LAN4, Machine, wait_until

SERVER_HOST = 5
CLASS = "sluice"
CONTROLLER = "sluice.dev/ingress"
NAMES = ("a", "b")


class Cluster:
    """One of them: the API server, the agent that plays its nodes, and its users' words."""

    def __init__(self, lab, name, index):
        self.lab, self.name, self.namespace = lab, name, "default"
        machine = Machine(f"{lab.name}-kube-{name}").create()
        lab.net.plug(machine, "eth0", "lan")
        address = LAN4.format(SERVER_HOST + index)
        machine.ip(f"addr add {address}/24 dev eth0",
                   f"route add default via {LAN4.format(BOX_HOST)}")
        self.api = ControlPlane(machine, Path(lab.dir) / f"kube-{name}", address, dual=name == "a")
        self.agent = Agent(self.api, lab, name)

    def in_namespace(self, name):
        """The same words, said there."""
        with contextlib.suppress(ApiError):
            self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        there = copy.copy(self)
        there.namespace = name
        return there

    def path(self, plural, group="v1", namespace=None):
        namespace = namespace or self.namespace
        base = "/api/v1" if group == "v1" else f"/apis/{group}"
        return f"{base}/namespaces/{namespace}/{plural}"

    def deploy(self, name, replicas=1, **spec):
        """A Deployment and the Service of its name, of type LoadBalancer when `kind` says so."""
        kind, labels = spec.pop("kind", "ClusterIP"), {"app": name}
        self.api.create(self.path("deployments", "apps/v1"), {
            "metadata": {"name": name}, "spec": {
                "replicas": replicas, "selector": {"matchLabels": labels},
                "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": {"metadata": {"labels": labels}, "spec": {
                    "tolerations": [{"operator": "Exists", "effect": "NoExecute",
                                     "tolerationSeconds": 1}],
                    "containers": [{"name": "web", "image": "web"}]}}, **spec}})
        self.service(name, kind)

    def service(self, name, kind="LoadBalancer", selector=None, annotations=None, **spec):
        meta = {"name": name, "annotations": annotations or {}}
        self.api.create(self.path("services"), {"metadata": meta, "spec": {
            "type": kind, "selector": {"app": selector or name},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec}})

    def forget(self, name):
        with contextlib.suppress(ApiError):
            self.api.delete(f"{self.path('services')}/{name}")

    def scale(self, name, replicas):
        self.api.patch(f"{self.path('deployments', 'apps/v1')}/{name}",
                       {"spec": {"replicas": replicas}})

    def roll(self, name):
        """Another template: every pod is replaced."""
        self.api.patch(f"{self.path('deployments', 'apps/v1')}/{name}", {"spec": {"template": {
            "metadata": {"annotations": {"rolled": str(time.time())}}}}})

    def rolled(self, name):
        item = self.api.get(f"{self.path('deployments', 'apps/v1')}/{name}")
        status, wanted = item.get("status", {}), item["spec"]["replicas"]
        return status.get("observedGeneration") == item["metadata"]["generation"] and (
            status.get("updatedReplicas") == status.get("availableReplicas")
            == status.get("replicas") == wanted)

    def pods(self, name):
        items = self.api.get(self.path("pods") + f"?labelSelector=app%3D{name}")["items"]
        return {item["metadata"]["name"] for item in items
                if "deletionTimestamp" not in item["metadata"]}

    def ingress(self, name, rules=(), default=None, class_name=CLASS, tls=()):
        """rules: (host, path, kind, Service)."""
        spec = {"rules": [
            {**({"host": host} if host else {}), "http": {"paths": [{
                "path": path, "pathType": kind, "backend": backend(service)}]}}
            for host, path, kind, service in rules]}
        if class_name:
            spec["ingressClassName"] = class_name
        if default:
            spec["defaultBackend"] = backend(default)
        if tls:
            spec["tls"] = list(tls)
        self.api.create(self.path("ingresses", "networking.k8s.io/v1"),
                        {"metadata": {"name": name}, "spec": spec})

    def addresses(self, plural, name):
        group = "v1" if plural == "services" else "networking.k8s.io/v1"
        item = self.api.get(f"{self.path(plural, group)}/{name}")
        return [row["ip"] for row in item["status"]["loadBalancer"].get("ingress") or ()]

    def wait_address(self, plural, name, seconds=60):
        return wait_until(lambda: self.addresses(plural, name), f"{name}'s address", seconds)[0]


def backend(service):
    return {"service": {"name": service, "port": {"number": 80}}}


class World:
    def __init__(self):
        self.lab = harness.Lab(start=False, pods=(0, 0, 0))
        self.clusters = []
        self.stack = contextlib.ExitStack()

    def start(self):
        for index, node in enumerate(self.lab.nodes, start=1):
            # Else it is the least of its ports', and changes under the pods as others come and go.
            node.ip(f"link set pods address 02:00:00:00:00:{index:02x}")
        for index, name in enumerate(NAMES):
            self.clusters.append(Cluster(self.lab, name, index))
        starts = [threading.Thread(target=self._enter, args=(one,)) for one in self.clusters]
        for thread in starts:
            thread.start()
        for thread in starts:
            thread.join()
        for one in self.clusters:
            assert one.api.processes, f"cluster {one.name} did not start"
        self.a, self.b = self.clusters
        self.a.agent.add_node("node-1", 1)
        self.a.agent.add_node("node-2", 2)
        self.b.agent.add_node("node-3", 3)
        self.a.agent.start()
        self.b.agent.start()
        # b by its administrator's kubeconfig; a registered, so with the least rights.
        self.b.api.create("/apis/networking.k8s.io/v1/ingressclasses", {
            "metadata": {"name": CLASS}, "spec": {"controller": CONTROLLER}})
        settings = self.lab.box.settings
        settings["sources"] = [{"name": "b", "kind": "kube",
                                "path": str(self.b.api.dir / "kubeconfig"), "watch_s": 30}]
        # Others of b's are for accounts that may read there alone.
        settings["clusters"] = [{"name": "b", "namespaces": ["default", "kube-system"]}]
        settings["ingress"] = {"class": CLASS, "controller": CONTROLLER, "classless": False}
        self.lab.box.write_settings()
        self.lab.box.start_all()
        self.lab.box.sluice("cluster", "register", "a", "--kubeconfig",
                            str(self.a.api.dir / "kubeconfig"))
        return self

    def set(self):
        """Writes sluice.conf anew, until it is what runs."""
        before = self.lab.rows("history")[0]["revision"]
        self.lab.box.write_settings()
        harness.wait_until(lambda: self.lab.rows("history")[0]["revision"] > before, "the settings", 60)

    def _enter(self, one):
        one.api.__enter__()
        self.stack.callback(one.api.__exit__)

    def close(self):
        try:
            for one in self.clusters:
                one.agent.stop()
        finally:
            with contextlib.suppress(Exception):
                self.stack.close()
            self.lab.close()

    # The client

    def ask(self, address, host="any.test", path="/", method="GET", tls=None, timeout=20):
        """One request on a connection of its own: (status, what the pod says or None)."""
        raw = self.lab.client.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        raw.settimeout(timeout)
        connection = http.client.HTTPConnection(host, timeout=timeout)
        try:
            raw.connect((address, 443 if tls else 80))
            connection.sock = tls.wrap_socket(raw, server_hostname=host) if tls else raw
            connection.request(method, path, b"body" if method in ("POST", "PUT") else None)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
            raw.close()
        is_json = answer.headers.get("Content-Type") == "application/json"
        return answer.status, json.loads(text) if is_json else None

    def wait_served(self, address, service, host="any.test", path="/", seconds=60, **more):
        def served():
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, said = self.ask(address, host, path, **more)
                return status == 200 and said["service"] == service
            return False
        wait_until(served, f"{host}{path} served by {service}", seconds)

    def in_use(self, address, host="any.test", asks=40):
        """Which pods answer."""
        return {self.ask(address, host)[1]["pod"] for _ in range(asks)}

    def traffic(self, address, host="any.test"):
        return Traffic(self, address, host)


class Held:
    """One connection, kept, over which requests go."""

    def __init__(self, world, address):
        self.connection = http.client.HTTPConnection("any.test", timeout=20)
        self.connection.sock = world.lab.client.socket()
        self.connection.sock.settimeout(20)
        self.connection.sock.connect((address, 80))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self):
        self.connection.request("GET", "/")
        return json.loads(self.connection.getresponse().read())


class Traffic:
    """One request after the other while the block lasts; what failed."""

    def __init__(self, world, address, host):
        self.world, self.address, self.host = world, address, host
        self.count, self.failed, self.ending = 0, [], threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.ending.wait(0.01):
            self.count += 1
            try:
                status, _ = self.world.ask(self.address, self.host)
                if status != 200:
                    self.failed.append(status)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join(20)

    def wait_more(self, count=20):
        """That many requests more, answered."""
        until = self.count + count
        wait_until(lambda: self.count >= until, "requests under way", 60)
