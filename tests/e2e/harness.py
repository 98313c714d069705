# SPDX-License-Identifier: BSD-3-Clause
"""A lab for one test: machines, the two real processes, and short words for what tests do with them.

Every lab has a name of its own and lives in a folder of its own; tests run side by side."""

import contextlib
import itertools
import os
import random
import re
import shutil
import socket
import struct
import tempfile
import time

import objects
import wire
from appliance import Appliance, default_settings
from topology import POD4, POD6, WAN4, WAN6, LabError, Topology, destroy, wait_until

SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
_numbers = itertools.count()
TCP_PORTS = (("echo", "TCP", 9000), ("http", "TCP", 8080))
UDP_PORTS = (("dgram", "UDP", 9000),)
ALL_PORTS = (*TCP_PORTS, *UDP_PORTS)
ENOUGH = 80  # flows that reach each of four pods: one is missed once in 2,500 million times


def lab_name():
    prefix = os.environ.get("SLUICE_LAB_PREFIX", "e2e")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"{prefix}-{worker}x{next(_numbers)}"


def merge(into, changes):
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        elif value is None:
            into.pop(key, None)
        else:
            into[key] = value


class Lab:
    """topology: pods, mtu, node_on_wan. settings: what differs from a lab's sluice.conf."""

    def __init__(self, settings=None, start=True, adjust=None, **topology):
        self.name = lab_name()
        self.dir = tempfile.mkdtemp(prefix=f"sluice-{self.name}-")
        os.chmod(self.dir, 0o755)
        destroy(self.name)
        self.net = Topology(self.name, self.dir, **topology)
        self.client, self.pods, self.nodes = self.net.client, self.net.pods, self.net.nodes
        self.net.create()
        wanted = default_settings(self.dir, self.net.mtu)
        merge(wanted, settings or {})
        if adjust:
            adjust(wanted)
        self.box = Appliance(self.net.box, self.net.dir, wanted)
        self.manifests = self.net.dir / "manifests"
        self.apply("nodes", *self.node_objects())
        self.net.serve()
        if start:
            self.box.start_all()

    def close(self):
        try:
            self.box.stop()
        finally:
            destroy(self.name)
            shutil.rmtree(self.dir, ignore_errors=True)

    def report(self):
        """What to look at when a test failed."""
        parts = [f"lab {self.name}"]
        for name in ("sluice-dataplane", "sluice-controlplane"):
            parts.append(f"--- {name}\n{self.box.tail(name, 40)}")
        for noun in ("problems", "drops", "endpoints"):
            with contextlib.suppress(Exception):
                parts.append(f"--- show {noun}\n{self.box.sluice('show', noun).stdout[-3000:]}")
        return "\n".join(parts)

    # Manifests

    def node_objects(self):
        return [
            objects.node(f"node{index}", self.net.node_address(index),
                         (f"{POD4.format(index, 0)}/24", f"{POD6.format(index, '')}/64"))
            for index in range(1, len(self.nodes) + 1)
        ]

    def write(self, file, text):
        """The text as a file of the watched directory, appearing whole."""
        half = self.manifests / f".{file}.half"
        half.write_text(text)
        half.rename(self.manifests / f"{file}.yaml")

    def apply(self, file, *things):
        self.write(file, objects.as_yaml(*things))

    def remove(self, file):
        (self.manifests / f"{file}.yaml").unlink()

    def endpoints(self, family=4, pods=None, **conditions):
        """Endpoints for the pods (names; all by default); conditions: pod=dict(ready=...)."""
        chosen = self.pods if pods is None else pods
        return [
            objects.endpoint(self.pods[name].v4 if family == 4 else self.pods[name].v6, name,
                             f"node{self.pods[name].node_index}",
                             **conditions.get(name.replace("-", "_"), {}))
            for name in chosen
        ]

    def apply_service(self, name, ports, pods=None, families=(4,), conditions=None,
                      annotations=None, wait=True, **spec):
        """A Service and its EndpointSlices, in a file of their own. Its VIPs, one a family.
        ports: (name, protocol, port, target number)."""
        families_spec = [f"IPv{family}" for family in families]
        spec.setdefault("ipFamilies", families_spec)
        if len(families) > 1:
            spec.setdefault("ipFamilyPolicy", "RequireDualStack")
        things = [objects.service(name, ports, annotations, **spec)]
        expected = set()
        for family in families:
            rows = self.endpoints(family, pods, **(conditions or {}))
            expected |= states_of(rows)
            things.append(objects.endpoint_slice(
                name, f"IPv{family}", [(port, protocol, target) for port, protocol, _, target in ports],
                rows))
        self.apply(name, *things)
        return self.wait_service(name, len(families), expected) if wait else None

    def addresses(self, name):
        for row in self.rows("services"):
            if row["service"].endswith(f"/default/{name}"):
                return row.get("addresses", [])
        return []

    def wait_service(self, name, count=1, expected=None):
        """Until the Service has its addresses and these endpoints, in the plan and in force."""
        def there():
            found = self.addresses(name)
            known = {(row["address"], row["state"]) for row in self.endpoint_rows(name)}
            return len(found) >= count and expected in (None, known) and found
        addresses = wait_until(there, f"Service {name} with {expected}")
        self.wait_in_force()
        return sorted(addresses, key=lambda text: ":" in text)

    def wait_in_force(self):
        """Until the dataplane has the plan that the control plane shows."""
        wait_until(self.box.in_force, "the plan in force")

    # Talking to VIPs

    def connect(self, vip, port, timeout=5, source_port=0, source=None):
        """A TCP connection to an echo: (socket, pod, client as the pod sees it, its port)."""
        family = socket.AF_INET6 if ":" in vip else socket.AF_INET
        sock = self.client.socket(family, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        if source or source_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((source or ("::" if ":" in vip else "0.0.0.0"), source_port))
        try:
            sock.connect((vip, port))
            pod, seen, seen_port = read_line(sock).split()
        except BaseException:
            sock.close()
            raise
        return sock, pod, seen, int(seen_port)

    def udp(self, vip, source=None, source_port=0, timeout=3):
        """A UDP socket of the client."""
        family = socket.AF_INET6 if ":" in vip else socket.AF_INET
        sock = self.client.socket(family, socket.SOCK_DGRAM)
        sock.settimeout(timeout)
        for buffer in (SO_RCVBUFFORCE, SO_SNDBUFFORCE):
            sock.setsockopt(socket.SOL_SOCKET, buffer, 8 << 20)
        sock.bind((source or ("::" if ":" in vip else "0.0.0.0"), source_port))
        return sock

    def ask(self, sock, vip, port, data=b"hello"):
        """One datagram and its answer: (pod, client as the pod sees it, its port)."""
        sock.sendto(data, (vip, port))
        answer = sock.recv(65535)
        head, _, body = answer.partition(b"\n")
        assert body == data[:len(body)] and len(body) >= min(len(data), 65400)
        pod, seen, seen_port = head.decode().split()
        return pod, seen, int(seen_port)

    def ask_once(self, vip, port, data=b"hello", **options):
        with contextlib.closing(self.udp(vip, **options)) as sock:
            return self.ask(sock, vip, port, data)

    def connect_once(self, vip, port, **options):
        sock, *rest = self.connect(vip, port, **options)
        sock.close()
        return tuple(rest)

    def curl(self, *words, check=True):
        return self.client.run("curl", "-gsS", "--max-time", "10", *words, check=check)

    # On the wire

    def raw(self, where="client"):
        """A packet socket at the client ("client"), or at the switch where a port of the box is
        plugged in ("box-wan", "box-lan"): what it receives is what the box sends."""
        return wire.Link(*{"client": (self.client, "eth0")}.get(where, (self.net.switch, where)))

    def raw_node(self, index):
        """A packet socket at a node's port towards the box."""
        return wire.Link(self.nodes[index], "eth0")

    @property
    def box_machine(self):
        return self.net.box

    def client_mac(self):
        return mac_of(self.client, "eth0")

    def box_mac(self, port):
        return next(row["mac"] for row in self.rows("ports") if row["name"] == port)

    def deafen(self, port_first, port_last):
        """The client's kernel says nothing about TCP on these ports of its own: a test does it."""
        rules = f"""table inet deaf {{
            chain output {{
                type filter hook output priority 0
                tcp flags & rst == rst tcp sport {port_first}-{port_last} drop
            }}
        }}
        """
        self.client.run("nft", "-f", "-", input=rules)

    def pod_path_mtu(self, pod, towards):
        """What the pod's kernel has learnt of the path."""
        out = self.pods[pod].machine.run("ip", "route", "get", towards).stdout
        found = re.search(r"\bmtu (\d+)", out)
        return int(found.group(1)) if found else None

    # Looking inside

    def rows(self, noun):
        return self.box.show(noun)[noun]

    def drops(self):
        return {row["reason"]: row["packets"] for row in self.rows("drops")}

    def flows(self, vip=None, states=None):
        """Flows in the table, as `show flows` tells."""
        words = ("vip", vip) if vip else ()
        rows = self.box.show("flows", *words, "limit", "1000000")["flows"]
        return [row for row in rows if states is None or row["state"] in states]

    def wait_flows(self, count, vip=None, states=None, seconds=10):
        wait_until(lambda: len(self.flows(vip, states)) == count,
                   f"{count} flows of {vip} {states or ''}", seconds)

    def endpoint_rows(self, name):
        """Of one Service, as `show endpoints` tells."""
        return [row for row in self.rows("endpoints") if row["service"].endswith(f"/default/{name}")]

    def endpoint_state(self, vip, pod):
        """"ready", "draining", or None when the pod is not behind the VIP; what is in force."""
        names = {row["service"] for row in self.rows("services") if vip in row["addresses"]}
        found = [row for row in self.rows("endpoints") if row["service"] in names
                 and row["name"] == pod and (":" in row["address"]) == (":" in vip)]
        self.wait_in_force()
        return found[0]["state"] if found else None

    @staticmethod
    def abort(sock):
        """Ends the connection with a reset."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


def states_of(endpoints):
    """What becomes of EndpointSlice endpoints: {(address, state)}. With nobody ready, those that
    serve while they end take new flows."""
    conditions = [(row["addresses"][0], row["conditions"]) for row in endpoints]
    nobody = not any(is_["ready"] for _, is_ in conditions)
    return {(address, "ready" if is_["ready"] or nobody else "draining")
            for address, is_ in conditions if is_["ready"] or is_["serving"]}


def mac_of(machine, device):
    out = machine.run("ip", "-o", "link", "show", device).stdout
    return re.search(r"link/ether (\S+)", out).group(1).lower()


def read_line(sock):
    data = b""
    while not data.endswith(b"\n"):
        more = sock.recv(1)
        if not more:
            raise LabError("the connection ended before the greeting")
        data += more
    return data.decode()


def exchange(sock, data):
    """Sends the data and reads it back from an echo."""
    sock.sendall(data)
    back = bytearray()
    while len(back) < len(data):
        more = sock.recv(65536)
        if not more:
            raise LabError("the connection ended in the middle")
        back += more
    assert bytes(back) == data


def payload(size, seed=1):
    return random.Random(seed).randbytes(size)


def url(vip, port=80, path="/"):
    return f"http://[{vip}]:{port}{path}" if ":" in vip else f"http://{vip}:{port}{path}"


def wan(host, family=4):
    return (WAN4 if family == 4 else WAN6).format(host)


def now():
    return time.monotonic()
