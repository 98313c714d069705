# SPDX-License-Identifier: BSD-3-Clause
"""Plays the nodes of a ControlPlane: registers them, says that they live, and gives each pod that is
bound to one of them a machine of its own there, with real servers on port 8080 (HTTP, and UDP, which
says who answers), and the state Ready. A pod that is deleted serves on for a little while, as one does that ends in order."""

import contextlib
import http.server
import json
import socket
import threading
import time

from control import ApiError
from topology import POD4, POD6, Machine, cable, run

NODES = "/api/v1/nodes"
PORT = 8080
FIRST_HOST = 20
GRACE_S = 1.0  # a deleted pod serves on
PAUSE_S = 0.1


def condition(kind, true):
    return {"type": kind, "status": "True" if true else "False"}


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked and who it is."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps({
            "pod": self.server.pod, "service": self.server.service, "method": self.command,
            "path": self.path, "host": self.headers.get("Host"),
            "headers": {name.lower(): value for name, value in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listening, pod, service):
        super().__init__(listening.getsockname(), Echo, bind_and_activate=False)
        self.socket.close()
        self.socket, self.pod, self.service = listening, pod, service
        self.socket.listen(256)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_):
        pass  # a client that went away


class Datagrams(threading.Thread):
    """Answers each with who it is."""

    def __init__(self, sock, pod):
        super().__init__(daemon=True)
        self.sock, self.pod = sock, pod
        self.start()

    def run(self):
        with contextlib.suppress(OSError), self.sock:
            while True:
                data, sender = self.sock.recvfrom(2048)
                if not data:
                    return
                self.sock.sendto(self.pod.encode(), sender)


class Pod:
    """A machine on its node's bridge."""

    def __init__(self, agent, node, host, meta):
        self.agent, self.node, self.host = agent, node, host
        self.addresses = [POD4.format(node, host)]
        if agent.cluster.dual:
            self.addresses.append(POD6.format(node, host))
        self.machine = Machine(f"{agent.lab.name}-{agent.name}pod-{node}-{host}")
        self.deleted_at = 0
        here, device = agent.machine(node), f"{agent.name}{node}-{host}"
        self.cable_end = here, device
        self.machine.create()
        cable(here, device, self.machine, "eth0")
        here.ip(f"link set {device} master pods up")
        self.machine.ip("link set eth0 up", f"addr add {self.addresses[0]}/24 dev eth0",
                        f"route add default via {POD4.format(node, 1)}")
        if agent.cluster.dual:
            self.machine.ip(f"addr add {self.addresses[1]}/64 dev eth0 nodad",
                            f"route add ::/0 via {POD6.format(node, 1)}")
        self.server = Server(self._bound(socket.SOCK_STREAM), meta["name"],
                             meta.get("labels", {}).get("app", ""))
        self.datagrams = self._bound(socket.SOCK_DGRAM)
        Datagrams(self.datagrams, meta["name"])

    def _bound(self, kind):
        """At both families' address."""
        sock = self.machine.socket(socket.AF_INET6, kind)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("::", PORT))
        return sock

    def end(self):
        self.server.shutdown()
        self.server.server_close()
        with contextlib.suppress(OSError):
            self.datagrams.shutdown(socket.SHUT_RDWR)
        # A connection that is still open keeps the machine, and its address, for a while.
        here, device = self.cable_end
        here.ip(f"link delete {device}")
        run("ip", "netns", "delete", self.machine.name, check=False)


class Agent:
    """nodes: name -> which of the lab's nodes it is, counted from 1."""

    def __init__(self, cluster, lab, name):
        self.cluster, self.lab, self.name = cluster, lab, name
        self.nodes, self.pods, self.hosts = {}, {}, {}
        self.alive_at = 0.0
        self.grace_s = GRACE_S
        self.lock, self.stopping = threading.RLock(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join(30)
        for pod in self.pods.values():
            pod.end()
        self.pods.clear()

    def machine(self, index):
        return self.lab.nodes[index - 1]

    def add_node(self, name, index):
        pods = [POD4.format(index, 0) + "/24", POD6.format(index, "") + "/64"]
        self.cluster.create(NODES, {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": {"podCIDR": pods[0], "podCIDRs": pods[:1 + self.cluster.dual]}})
        with self.lock:
            self.nodes[name] = index
            self._say_alive(name)

    def remove_node(self, name):
        """As a machine that is switched off and taken out of the cluster: its pods are gone."""
        with self.lock:
            index = self.nodes.pop(name)
            for uid in [uid for uid, pod in self.pods.items() if pod.node == index]:
                self.pods.pop(uid).end()
        self.cluster.delete(f"{NODES}/{name}")
        # Kubernetes itself takes its time to find out that they are nobody's.
        for pod in self.cluster.get("/api/v1/pods")["items"]:
            if pod["spec"].get("nodeName") == name:
                meta = pod["metadata"]
                self.cluster.request(
                    "DELETE", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}",
                    {"gracePeriodSeconds": 0})

    def _say_alive(self, name):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.cluster.patch(f"{NODES}/{name}/status", {"status": {
            "capacity": {"cpu": "64", "memory": "64Gi", "pods": "200"},
            "allocatable": {"cpu": "64", "memory": "64Gi", "pods": "200"},
            "conditions": [{**condition("Ready", True), "lastHeartbeatTime": now, "reason": "tests"}],
            "addresses": [{"type": "InternalIP", "address": address} for address in
                          self.lab.net.node_address(self.nodes[name])[:1 + self.cluster.dual]]}})

    def _run(self):
        while not self.stopping.wait(PAUSE_S):
            # An API server that is down is part of the tests; the nodes try again.
            with self.lock, contextlib.suppress(OSError, ApiError):
                self._step()

    def _step(self):
        if time.monotonic() > self.alive_at:
            for name in self.nodes:
                self._say_alive(name)
            self.alive_at = time.monotonic() + 1
        for pod in self.cluster.get("/api/v1/pods")["items"]:
            if pod["spec"].get("nodeName") in self.nodes:
                self._follow(pod)

    def _follow(self, pod):
        meta, here = pod["metadata"], self.pods.get(pod["metadata"]["uid"])
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        if "deletionTimestamp" in meta:
            self._end(meta, path, here)
        elif here is None:
            here = self.pods[meta["uid"]] = self._make(pod)
            self.cluster.patch(f"{path}/status", self._status(pod, here))
        elif pod["status"].get("phase") != "Running":
            self.cluster.patch(f"{path}/status", self._status(pod, here))

    def _make(self, pod):
        node = self.nodes[pod["spec"]["nodeName"]]
        # As in a cluster, an address that was given back is not given again at once.
        host = self.hosts[node] = self.hosts.get(node, FIRST_HOST - 1) + 1
        return Pod(self, node, host, pod["metadata"])

    def _status(self, pod, here):
        return {"status": {
            "phase": "Running", "podIP": here.addresses[0],
            "podIPs": [{"ip": address} for address in here.addresses],
            "hostIP": self.lab.net.node_address(here.node)[0],
            "conditions": [condition(kind, True)
                           for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")],
            "containerStatuses": [{"name": "web", "ready": True, "image": "web", "imageID": "web",
                                   "restartCount": 0, "state": {"running": {}}}]}}

    def _end(self, meta, path, here):
        if here and not here.deleted_at:
            here.deleted_at = time.monotonic()
        if here and time.monotonic() - here.deleted_at < self.grace_s:
            return
        self.cluster.request("DELETE", path, {"gracePeriodSeconds": 0})
        if here:
            self.pods.pop(meta["uid"]).end()

    def say_unready(self, name):
        """As a kubelet whose probe fails; the server goes on."""
        with self.lock:
            for item in self.cluster.get("/api/v1/pods")["items"]:
                if item["metadata"]["name"] == name:
                    namespace = item["metadata"]["namespace"]
                    self.cluster.patch(f"/api/v1/namespaces/{namespace}/pods/{name}/status", {
                        "status": {"conditions": [condition("Ready", False),
                                                  condition("ContainersReady", False)]}})
                    return self.pods[item["metadata"]["uid"]]
        raise KeyError(name)

    def break_pod(self, name):
        """Its server is gone; who asks there is refused. The kubelet says so."""
        here = self.say_unready(name)
        here.server.shutdown()
        here.server.server_close()
