# SPDX-License-Identifier: BSD-3-Clause
"""Machines and cables of a lab, made of network namespaces and veth pairs.

    client ---- wan switch ---- box ---- lan switch ---- node1, node2 ---- their pods

Used by images/lab/lab.py, which stays up for people, and by tests/e2e, where each test has a lab of
its own under a name of its own. Nothing is left in the host's namespace. Whoever made a lab
destroys it; destroy() also removes what a crashed run left behind.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000

# The lab's address plan. Every v6 address ends as its v4 twin does.
WAN4, WAN6 = "192.0.2.{}", "2001:db8:1::{}"
LAN4, LAN6 = "198.51.100.{}", "2001:db8:2::{}"
POD4, POD6 = "10.244.{}.{}", "fd00:10:244:{}::{}"
BOX_HOST, CLIENT_HOST, NODE_HOST = 1, 10, 10


class LabError(Exception):
    pass


def wait_until(condition, what, seconds=10.0, pause=0.02):
    """Calls condition() until it is true; what it gave. LabError when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise LabError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)


def run(*words, check=True, **options):
    done = subprocess.run(
        [str(word) for word in words], text=True, stdin=options.pop("stdin", subprocess.DEVNULL),
        capture_output=True, **options,
    ) if "input" not in options else subprocess.run(
        [str(word) for word in words], text=True, capture_output=True, **options)
    if check and done.returncode:
        raise LabError(f"{' '.join(map(str, words))}: {(done.stderr or done.stdout).strip()}")
    return done


class Machine:
    """One network namespace."""

    def __init__(self, name):
        self.name = name
        self.path = f"/run/netns/{name}"

    def create(self, forwards=False):
        run("ip", "netns", "add", self.name)
        self.ip("link set lo up")
        for family in ("all", "default"):
            self.sysctl(f"ipv6/conf/{family}/accept_dad", 0)
            self.sysctl(f"ipv6/conf/{family}/accept_ra", 0)
            self.sysctl(f"ipv6/conf/{family}/router_solicitations", 0)
            self.sysctl(f"ipv4/conf/{family}/rp_filter", 0)
            self.sysctl(f"ipv4/conf/{family}/send_redirects", 0)
            if forwards:
                self.sysctl(f"ipv6/conf/{family}/forwarding", 1)
        if forwards:
            self.sysctl("ipv4/ip_forward", 1)
        # Each error is told. Of many within a second to one address Linux keeps most to itself.
        self.sysctl("ipv4/icmp_ratemask", 0)
        self.sysctl("ipv6/icmp/ratelimit", 0)
        # A bridge is a cable here. With br_netfilter it would look into packets and drop some.
        for family in ("iptables", "ip6tables", "arptables"):
            with contextlib.suppress(FileNotFoundError):
                self.sysctl(f"bridge/bridge-nf-call-{family}", 0)
        return self

    def exists(self):
        return os.path.exists(self.path)

    def ip(self, *lines):
        """ip(8) commands, one a line, all in one process."""
        run("ip", "-n", self.name, "-batch", "-", input="\n".join(lines) + "\n")

    @contextlib.contextmanager
    def entered(self):
        """This thread is on the machine for as long as the block lasts; a socket stays there."""
        with open("/proc/thread-self/ns/net") as before, open(self.path) as here:
            if LIBC.setns(here.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {self.name}")
            try:
                yield
            finally:
                LIBC.setns(before.fileno(), CLONE_NEWNET)

    def sysctl(self, key, value):
        with self.entered(), open(f"/proc/sys/net/{key}", "w") as stream:
            stream.write(str(value))

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        with self.entered():
            return socket.socket(family, kind, protocol)

    def run(self, *words, **options):
        return run("ip", "netns", "exec", self.name, *words, **options)

    def start(self, *words, log, **options):
        """A process on this machine, its output in the file log."""
        with open(log, "ab") as stream:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.name, *map(str, words)],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True,
                **options,
            )

    def plain_wire(self, device):
        """Whole packets and true checksums, as on a cable between two machines."""
        run("ip", "netns", "exec", self.name, "ethtool", "-K", device,
            "tx", "off", "tso", "off", "gso", "off", "gro", "off")

    def pids(self):
        listed = run("ip", "netns", "pids", self.name, check=False).stdout.split()
        return [int(pid) for pid in listed if int(pid) != os.getpid()]


def cable(left, left_device, right, right_device, mtu=1500):
    left.ip(
        f"link add {left_device} mtu {mtu} type veth peer name {right_device} mtu {mtu} "
        f"netns {right.name}",
    )
    for machine, device in ((left, left_device), (right, right_device)):
        machine.plain_wire(device)


def kill(pids, signal_number=signal.SIGTERM):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)


def destroy(prefix):
    """Ends every process of the lab and removes its namespaces, as far as there are any."""
    listed = run("ip", "netns", "list").stdout.split("\n")
    machines = [Machine(line.split()[0]) for line in listed if line.startswith(prefix + "-")]

    def alive():
        return [pid for machine in machines for pid in machine.pids()]

    for signal_number, seconds in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
        kill(alive(), signal_number)
        with contextlib.suppress(LabError):
            wait_until(lambda: not alive(), "end of the lab's processes", seconds)
            break
    for machine in machines:
        run("ip", "netns", "delete", machine.name, check=False)
    return len(machines)


class Pod:
    def __init__(self, lab, name, node_index, host):
        self.lab, self.name, self.node_index = lab, name, node_index
        self.machine = Machine(f"{lab.name}-pod-{name}")
        self.v4, self.v6 = POD4.format(node_index, host), POD6.format(node_index, host)
        self.dir = lab.dir / "pods" / name

    def create(self):
        node = self.lab.nodes[self.node_index - 1]
        self.machine.create()
        cable(node, f"to-{self.name}"[:15], self.machine, "eth0", self.lab.mtu)
        node.ip(f"link set {f'to-{self.name}'[:15]} master pods up")
        self.machine.ip(
            "link set eth0 up",
            f"addr add {self.v4}/24 dev eth0",
            f"addr add {self.v6}/64 dev eth0 nodad",
            f"route add default via {POD4.format(self.node_index, 1)}",
            f"route add ::/0 via {POD6.format(self.node_index, 1)}",
        )
        self.dir.mkdir(parents=True, exist_ok=True)
        return self

    def serve(self):
        """HTTP by nginx on 8080, UDP and TCP echo by pod.py on 9000."""
        conf = self.dir / "nginx.conf"
        files = self.dir / "files"
        files.mkdir(exist_ok=True)
        (self.dir).chmod(0o755)
        conf.write_text(NGINX.format(name=self.name, dir=self.dir))
        self.machine.run("nginx", "-c", conf, "-p", self.dir)
        self.machine.start("/usr/bin/python3", HERE / "pod.py", self.name, self.dir / "ready",
                           log=self.dir / "pod.log")

    def wait(self):
        wait_until((self.dir / "ready").exists, f"pod {self.name} listening")

    def stop(self):
        """Its servers end; the machine stays."""
        kill(self.machine.pids(), signal.SIGKILL)
        wait_until(lambda: not self.machine.pids(), f"end of pod {self.name}")
        (self.dir / "ready").unlink(missing_ok=True)


NGINX = """\
user root;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log;
events {{ worker_connections 4096; }}
http {{
	access_log off;
	default_type text/plain;
	client_body_temp_path {dir}/tmp-body;
	proxy_temp_path {dir}/tmp-proxy;
	fastcgi_temp_path {dir}/tmp-fastcgi;
	uwsgi_temp_path {dir}/tmp-uwsgi;
	scgi_temp_path {dir}/tmp-scgi;
	keepalive_timeout 300;
	keepalive_requests 1000000;
	server {{
		listen 8080 backlog=4096;
		listen [::]:8080 backlog=4096;
		add_header X-Asked $request_uri;
		location / {{ return 200 "{name} $remote_addr\\n"; }}
		location /files/ {{ root {dir}; }}
	}}
}}
"""


class Topology:
    """The machines of a lab. `pods` says how many pods each node has."""

    def __init__(self, name, directory, pods=(2, 2), mtu=1500, node_on_wan=False):
        self.name, self.dir, self.mtu, self.node_on_wan = name, Path(directory), mtu, node_on_wan
        self.switch = Machine(f"{name}-switch")
        self.client = Machine(f"{name}-client")
        self.box = Machine(f"{name}-box")
        self.nodes = [Machine(f"{name}-node{index + 1}") for index in range(len(pods))]
        self.pods = {}
        for index, count in enumerate(pods, start=1):
            for number in range(1, count + 1):
                pod = f"web-{index}{'abcdefghijklmnopqrstuvwxyz'[number - 1]}"
                self.pods[pod] = Pod(self, pod, index, 10 + number)

    def plug(self, machine, device, switch_bridge):
        """A cable from the machine's device to a switch."""
        port = f"{machine.name.removeprefix(self.name + '-')}-{switch_bridge}"[:15]
        cable(self.switch, port, machine, device, self.mtu)
        self.switch.ip(f"link set {port} master {switch_bridge} up")
        machine.ip(f"link set {device} up")

    def create(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        self.switch.create()
        self.switch.sysctl("ipv6/conf/default/disable_ipv6", 1)
        self.switch.ip(*(
            f"link add {bridge} mtu {self.mtu} up type bridge forward_delay 0 mcast_snooping 0"
            for bridge in ("wan", "lan")
        ))
        self._create_client()
        self._create_box()
        for index, node in enumerate(self.nodes, start=1):
            self._create_node(index, node)
        for pod in self.pods.values():
            pod.create()
        return self

    def _create_client(self):
        self.client.create()
        self.plug(self.client, "eth0", "wan")
        self.client.ip(
            f"addr add {WAN4.format(CLIENT_HOST)}/24 dev eth0",
            f"addr add {WAN6.format(CLIENT_HOST)}/64 dev eth0 nodad",
            f"route add default via {WAN4.format(BOX_HOST)}",
            f"route add ::/0 via {WAN6.format(BOX_HOST)}",
        )

    def _create_box(self):
        # eth0 and eth1 are the dataplane's. The kernel has its addresses on their twins.
        self.box.create(forwards=True)
        self.box.sysctl("ipv6/conf/default/disable_ipv6", 1)
        self.plug(self.box, "eth0", "wan")
        self.plug(self.box, "eth1", "lan")
        self.box.sysctl("ipv6/conf/default/disable_ipv6", 0)

    def _create_node(self, index, node):
        node.create(forwards=True)
        self.plug(node, "eth0", "lan")
        host = NODE_HOST + index
        others = [other for other in range(1, len(self.nodes) + 1) if other != index]
        node.ip(
            f"addr add {LAN4.format(host)}/24 dev eth0",
            f"addr add {LAN6.format(host)}/64 dev eth0 nodad",
            f"route add default via {LAN4.format(BOX_HOST)}",
            f"route add ::/0 via {LAN6.format(BOX_HOST)}",
            f"link add pods mtu {self.mtu} type bridge forward_delay 0 mcast_snooping 0",
            "link set pods up",
            f"addr add {POD4.format(index, 1)}/24 dev pods",
            f"addr add {POD6.format(index, 1)}/64 dev pods nodad",
            *(line for other in others for line in (
                f"route add {POD4.format(other, 0)}/24 via {LAN4.format(NODE_HOST + other)}",
                f"route add {POD6.format(other, 0)}/64 via {LAN6.format(NODE_HOST + other)}",
            )),
        )
        if self.node_on_wan:  # answers clients itself, past the box
            self.plug(node, "eth1", "wan")
            node.ip(
                f"addr add {WAN4.format(20 + index)}/24 dev eth1",
                f"addr add {WAN6.format(20 + index)}/64 dev eth1 nodad",
            )

    def serve(self):
        for pod in self.pods.values():
            pod.serve()
        for pod in self.pods.values():
            pod.wait()

    def node_address(self, index):
        return LAN4.format(NODE_HOST + index), LAN6.format(NODE_HOST + index)

    def destroy(self):
        destroy(self.name)
