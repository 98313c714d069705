# SPDX-License-Identifier: BSD-3-Clause
"""The machines of the HTTP and TLS benchmarks: clients, the balancer, a node, its pods.

    client ---- wan switch ---- box (sluice)             ---- lan switch ---- node ---- pods
                          \\---- peer (haproxy or nginx) ----/

Both balancers have cables of the same kind to the same switches and the same pods behind them; one
runs at a time, alone on one CPU. Everything else has the other CPU: its interfaces' packets are
received there (RPS), those of the balancers' on theirs. What a balancer costs is what its CPU was
busy with meanwhile, kernel and all, by /proc/stat.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "images" / "lab"))

import channel  # noqa: E402
from appliance import Appliance, default_settings  # noqa: E402
from topology import LAN4, POD4, WAN4, LabError, Machine, Topology, destroy, wait_until  # noqa: E402

NAME = f"sl-bench-http{os.environ.get('SLUICE_LAB_PREFIX', '')}"
PEER = 5
PODS = 4
BODIES = {"small": 20, "large": 65536}
BUSY = (0, 1, 2, 5, 6)  # user, nice, system, irq, softirq of /proc/stat

HAPROXY = """\
global
	nbthread 1
	maxconn 8000
	tune.ssl.default-dh-param 2048
defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	option http-keep-alive
	option http-ignore-probes
	option forwardfor
	http-reuse always
frontend f
	bind {vip}:80
	bind {vip}:443 ssl crt {directory}/both.pem alpn http/1.1
	default_backend b
backend b
	balance roundrobin
{servers}
"""

NGINX = """\
daemon off;
worker_processes 1;
error_log {directory}/peer-nginx.log;
pid {directory}/peer-nginx.pid;
events {{ worker_connections 8192; }}
http {{
	access_log off;
	client_body_temp_path {directory}/t1;
	proxy_temp_path {directory}/t2;
	fastcgi_temp_path {directory}/t3;
	uwsgi_temp_path {directory}/t4;
	scgi_temp_path {directory}/t5;
	keepalive_requests 100000000;
	ssl_session_cache shared:s:10m;
	ssl_protocols TLSv1.2 TLSv1.3;
	upstream pods {{
{servers}
		keepalive 320;
		keepalive_requests 100000000;
	}}
	server {{
		listen {vip}:80 backlog=8192;
		listen {vip}:443 ssl backlog=8192;
		ssl_certificate {directory}/both.pem;
		ssl_certificate_key {directory}/both.pem;
		location / {{
			proxy_pass http://pods;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $remote_addr;
			proxy_buffering off;
		}}
	}}
}}
"""


def cpu_times(cpu):
    line = re.search(rf"^cpu{cpu} (.*)$", Path("/proc/stat").read_text(), re.M).group(1)
    fields = [int(word) for word in line.split()]
    return sum(fields[i] for i in BUSY) / os.sysconf("SC_CLK_TCK")


class Peers:
    """Everything of the benchmark but what is measured."""

    def __init__(self, build, idle="adaptive", kind="af_packet"):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            raise LabError("the benchmark needs two CPUs")
        self.other, self.cpu = cpus[0], cpus[-1]
        self.dir = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
        self.dir.chmod(0o755)
        destroy(NAME)
        self.net = Topology(NAME, self.dir, pods=(PODS,))
        self.proto = channel.messages(ROOT, self.dir)
        self.build, self.idle, self.kind = build, idle, kind
        self.port = 8080  # of the pods
        self.tls_client = Path(build) / "tests/bench/sluice-bench-tls"
        self.processes = []
        self.peer = Machine(f"{NAME}-peer")

    def __enter__(self):
        os.sched_setaffinity(0, {self.other})
        self.net.create()
        self.peer.create()
        self.net.plug(self.peer, "eth0", "wan")
        self.net.plug(self.peer, "eth1", "lan")
        self.peer.ip(f"addr add {WAN4.format(PEER)}/24 dev eth0",
                     f"addr add {LAN4.format(PEER)}/24 dev eth1",
                     f"route add {POD4.format(1, 0)}/24 via {self.net.node_address(1)[0]}")
        self.net.serve()
        for pod in self.net.pods.values():
            (pod.dir / "files" / "large").write_bytes(b"x" * BODIES["large"])
        self._spread()
        self._certificate()
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
        destroy(NAME)
        shutil.rmtree(self.dir, ignore_errors=True)
        os.sched_setaffinity(0, {self.other, self.cpu})

    def _spread(self):
        """Who receives where: the balancers' packets on their CPU, all others on the other."""
        for machine, cpu in ((self.net.client, self.other), (self.net.box, self.cpu),
                             (self.peer, self.cpu), (self.net.nodes[0], self.other),
                             (self.net.switch, self.other),
                             *((pod.machine, self.other) for pod in self.net.pods.values())):
            machine.run("sh", "-c", "mount -t sysfs sysfs /sys 2>/dev/null; "
                        f"for q in /sys/class/net/*/queues/rx-*/rps_cpus; do echo {1 << cpu:x} > $q; done")

    def _certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "30", "-subj", "/CN=bench.example",
             "-addext", "subjectAltName=DNS:bench.example",
             "-keyout", self.dir / "key.pem", "-out", self.dir / "cert.pem"],
            check=True, capture_output=True)
        both = (self.dir / "cert.pem").read_bytes() + (self.dir / "key.pem").read_bytes()
        (self.dir / "both.pem").write_bytes(both)

    def addresses(self):
        return [pod.v4 for pod in self.net.pods.values()]

    def start(self, machine, *words, log):
        process = machine.start("taskset", "-c", self.cpu, *words, log=self.dir / log)
        self.processes.append(process)
        return process

    def stop(self, process):
        process.terminate()
        process.wait(timeout=20)
        self.processes.remove(process)

    def wait_http(self, vip, log):
        def said():
            return (self.dir / log).read_text()[-1000:] if (self.dir / log).exists() else ""
        try:
            self._wait_http(vip)
        except LabError as error:
            raise LabError(f"{error}\n{said()}") from None

    def _wait_http(self, vip):
        wait_until(lambda: self.net.client.run(
            "curl", "-s", "-o", "/dev/null", f"http://{vip}/", check=False).returncode == 0,
            f"http://{vip}/", 20)

    def measure(self, *words):
        """Runs a client; what it printed, and the seconds the balancer's CPU was busy."""
        before = cpu_times(self.cpu)
        out = self.net.client.run("taskset", "-c", str(self.other), *words).stdout
        return out, cpu_times(self.cpu) - before


class Haproxy:
    name = "haproxy"

    def __init__(self, peers):
        self.peers, self.vip = peers, WAN4.format(PEER)
        servers = "\n".join(f"\tserver s{i} {address}:{peers.port}" for i, address in enumerate(peers.addresses()))
        config = peers.dir / "haproxy.cfg"
        config.write_text(HAPROXY.format(vip=self.vip, servers=servers, directory=peers.dir))
        self.process = peers.start(peers.peer, "haproxy", "-f", config, log="haproxy.log")
        peers.wait_http(self.vip, "haproxy.log")

    def counters(self):
        return None

    def close(self):
        self.peers.stop(self.process)


class Nginx(Haproxy):
    name = "nginx"

    def __init__(self, peers):
        self.peers, self.vip = peers, WAN4.format(PEER)
        servers = "\n".join(f"\t\tserver {address}:{peers.port};" for address in peers.addresses())
        config = peers.dir / "peer-nginx.conf"
        config.write_text(NGINX.format(vip=self.vip, servers=servers, directory=peers.dir))
        self.process = peers.start(peers.peer, "nginx", "-c", config, log="nginx.log")
        peers.wait_http(self.vip, "nginx.log")


class Sluice:
    name = "sluice"

    def __init__(self, peers):
        self.peers, self.vip = peers, WAN4.format(100)
        wanted = default_settings(peers.net.dir)
        wanted["dataplane"].update(workers=[peers.cpu], main_cpu=peers.other, idle=peers.idle)
        for port in wanted["ports"]:
            port["kind"] = peers.kind
        self.change(wanted)
        self.box = Appliance(peers.net.box, peers.net.dir, wanted, peers.build)
        self.box.start("sluice-dataplane")
        peers.processes.append(self.box.processes["sluice-dataplane"])
        wait_until(lambda: Path(f"{wanted['run_dir']}/dataplane.sock").exists(), "the channel", 20)
        self.channel = channel.Channel(f"{wanted['run_dir']}/dataplane.sock", peers.proto)
        result = self.channel.ask(transaction=self.plan()).result
        if not result.applied:
            raise LabError(result.reason)
        peers.wait_http(self.vip, "sluice-dataplane.log")

    def change(self, wanted):
        """What a benchmark wants else of sluice.conf."""

    def plan(self):
        import ipaddress
        packed = lambda text: ipaddress.ip_address(text).packed  # noqa: E731
        proto, peers = self.peers.proto, self.peers
        listeners = [{"vip": packed(self.vip), "protocol": 6, "port": port, "service": "bench",
                      "http": {"site": "main", "tls": port == 443}} for port in (80, 443)]
        return proto.Transaction(
            generation=1, vips=[{"address": packed(self.vip), "owned": True}],
            sites=[{"name": "main", "head_timeout_ms": 60000, "idle_timeout_ms": 75000,
                    "body_timeout_ms": 60000, "head_bytes": 16384}],
            listeners=listeners,
            certificates=[{"name": "bench", "chain_pem": (peers.dir / "cert.pem").read_bytes(),
                           "key_pem": (peers.dir / "key.pem").read_bytes()}],
            server_names=[{"site": "main", "name": "", "certificates": ["bench"]}],
            pools=[{"name": "pods", "algorithm": 2,
                    "upstream": {"idle_connections": 320, "idle_timeout_ms": 60000},
                    "endpoints": [{"address": packed(address), "port": peers.port, "weight": 1, "state": 1}
                                  for address in peers.addresses()]}],
            hosts=[{"site": "main", "name": "", "rules": [{
                "kind": 2, "path": "/", "object": "bench", "backends": [{"pool": "pods", "weight": 1}],
                "policy": {"redirect_code": 308, "connect_timeout_ms": 5000, "send_timeout_ms": 60000,
                           "read_timeout_ms": 60000, "retry_tries": 3, "retry_on": 3}}]}],
            routes=[{"prefix": {"address": packed(POD4.format(1, 0)), "length": 24},
                     "via": packed(peers.net.node_address(1)[0])}])

    def counters(self):
        stats = self.channel.ask(stats=self.peers.proto.StatsRequest()).stats
        worker = stats.workers[0]
        return {"busy": worker.busy_cycles, "requests": stats.proxy.requests,
                "stages": {row.stage: row.cycles for row in worker.stages},
                "packets": worker.packets,
                "tcp": {row.reason: row.count for row in stats.proxy.tcp}}

    def close(self):
        self.channel.close()
        process = self.box.processes.pop("sluice-dataplane")
        self.peers.stop(process)
