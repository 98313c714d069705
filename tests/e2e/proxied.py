# SPDX-License-Identifier: BSD-3-Clause
"""The proxy with a plan that the test itself sends, and servers in pods that do as the test says."""

import contextlib
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from channel import Channel, packed, proto  # noqa: F401: proto is a fixture
from harness import wan
from topology import POD4

VIP = wan(140)
POLICY = {"redirect_code": 308, "connect_timeout_ms": 2000, "send_timeout_ms": 5000,
          "read_timeout_ms": 5000, "retry_tries": 3, "retry_on": 3}
SITE = {"name": "main", "head_timeout_ms": 3000, "idle_timeout_ms": 5000, "body_timeout_ms": 3000,
        "head_bytes": 16384}


def make_certificate(name, hosts, key="ec"):
    """Signed by itself: (chain, key) as PEM."""
    with tempfile.TemporaryDirectory() as folder:
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else [
            "-newkey", "rsa:2048"]
        names = ",".join(f"DNS:{host}" for host in hosts or ["none.example"])
        subprocess.run(
            ["openssl", "req", "-x509", *kind, "-nodes", "-days", "30", "-subj", f"/CN={name}",
             "-addext", f"subjectAltName={names}", "-keyout", f"{folder}/key", "-out", f"{folder}/crt"],
            check=True, capture_output=True)
        return Path(f"{folder}/crt").read_bytes(), Path(f"{folder}/key").read_bytes()


class Plan:
    """A transaction under way, in words."""

    def __init__(self, lab, proto):  # noqa: F811
        self.lab, self.proto, self.generation = lab, proto, 1000
        self.pools, self.hosts, self.names, self.certificates = {}, {}, {}, {}
        self.listener = {}  # what its `http` has beside the site
        self.passed = {}  # server name: pool
        self.sources = []  # who may come; none: everybody

    def pool(self, name, pods, port=8080, algorithm=2, **upstream):
        upstream.setdefault("idle_connections", 32)
        upstream.setdefault("idle_timeout_ms", 60000)
        self.pools[name] = {
            "name": name, "algorithm": algorithm, "upstream": upstream,
            "endpoints": [{"address": packed(self.lab.pods[pod].v4 if isinstance(pod, str) else pod[0]),
                           "port": port, "weight": 1, "state": 1, "name": str(pod)}
                          for pod in pods]}

    def rule(self, host, path, pool, kind=2, **policy):
        self.hosts.setdefault(host, []).append({
            "kind": kind, "path": path, "object": "lab/default/test", "policy": {**POLICY, **policy},
            "backends": [{"pool": pool, "weight": 1}] if pool else []})

    def certificate(self, name, *hosts, key="ec", **more):
        """A certificate of its own for the hosts ("" for all); its PEM."""
        chain, private = make_certificate(name, [host for host in hosts if host], key)
        self.certificates[name] = {"name": name, "chain_pem": chain, "key_pem": private, **more}
        for host in hosts:
            self.names.setdefault(host, []).append(name)
        return chain

    def apply(self, **site):
        self.generation += 1
        with Channel(self.lab, self.proto) as channel:
            result = channel.transact(
                generation=self.generation,
                vips=[{"address": packed(VIP), "owned": True}],
                sites=[{**SITE, **site}],
                listeners=[{"vip": packed(VIP), "protocol": 6, "port": port, "service": "ingress",
                            "sources": self.sources,
                            "http": {"site": "main", "tls": port == 443, **self.listener}} for port in (80, 443)],
                certificates=list(self.certificates.values()),
                server_names=[
                    *({"site": "main", "name": name, "certificates": certificates}
                      for name, certificates in self.names.items()),
                    *({"site": "main", "name": name, "object": "lab/default/pass",
                       "passthrough": [{"pool": pool, "weight": 1}]}
                      for name, pool in self.passed.items())],
                pools=list(self.pools.values()),
                hosts=[{"site": "main", "name": host, "rules": rules}
                       for host, rules in self.hosts.items()],
                routes=[{"prefix": {"address": packed(route["to"]), "length": route["length"]},
                         "via": packed(route["via"])} for route in self.routes()])
        assert result.applied, result.reason

    def routes(self):
        return [{"to": POD4.format(index, 0), "length": 24, "via": self.lab.net.node_address(index)[0]}
                for index in range(1, len(self.lab.nodes) + 1)]


@pytest.fixture(scope="module")
def lab(make_module_lab):
    lab = make_module_lab()
    lab.box.kill("sluice-controlplane")
    yield lab
    lab.box.check_alive()


@pytest.fixture
def plan(lab, proto):  # noqa: F811
    return Plan(lab, proto)


def ask(lab, data, seconds=5):
    """What comes back for these bytes until the connection ends."""
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(seconds)
        sock.connect((VIP, 80))
        sock.sendall(data)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while more := sock.recv(65536):
                answer += more
        return answer


class Server(threading.Thread):
    """A server on a pod's machine that does what the test says, one connection after another."""

    def __init__(self, lab, pod, port, behave):
        super().__init__(daemon=True)
        self.behave, self.seen = behave, []
        with lab.pods[pod].machine.entered():
            self.listener = socket.create_server((lab.pods[pod].v4, port))
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self.one, args=(sock,), daemon=True).start()

    def one(self, sock):
        sock.settimeout(10)
        with contextlib.suppress(OSError), sock:
            self.behave(self, sock)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def read_head(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return data
        data += more
    return data
