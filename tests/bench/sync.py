# SPDX-License-Identifier: BSD-3-Clause
"""sync: the object's way, from an event to the dataplane's new table.

Services, Ingresses and endpoints over two clusters, which here are directories of manifests, with
a file of its own for each EndpointSlice, or with --source kube scripted API servers (sync_kube.py). The control
plane has one CPU of its own kind: the other programs keep off.

    cold_s, cold_mb   from the start of the control plane until the dataplane has everything, and
                      the most memory it ever had
    change_*_ms       from the event (a file takes the place of another) until the dataplane has the
                      endpoint's new state, one at a time
    changes           the same for a Service that is added and one that goes, an Ingress of which a
                      path changes, a Secret of which the certificate is another one for the same
                      name, and again a Service while another one asks for what it cannot have
    burst             BURST Services go at once
    sustained         changes at a fixed rate: how far behind the last was, and what memory grew by

The changes are measured at several sizes, to show that their cost does not grow with the number of
objects.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import channel
from machines import NAME, ROOT
from appliance import Appliance
from topology import LabError, Machine, destroy, wait_until

TARGET = {"cold_s": 10, "cold_mb": 600, "change_p50_ms": 10, "change_p99_ms": 50}
CPUS = sorted(os.sched_getaffinity(0))[:2]
ENDPOINTS = 10      # of a Service
SIZES = (100, 1000, 10000)
CLUSTERS = ("one", "two")
TLS_EVERY = 10      # Ingresses: one of them has TLS
RATE, SECONDS = 1000, 5
CHANGES = 300
OTHERS = 60         # of each other kind
BURST = 1000        # Services that go at once
SPLIT = 200         # Services up to this one: each object has a file of its own


def settings(directory, cpus, main_cpu, sources):
    return {
        "dataplane": {"workers": [cpus[0]], "main_cpu": main_cpu, "idle": "adaptive",
                      "hugepages": "off", "flows": 4096, "buffers": 4096},
        "ports": [{"name": "wan", "kind": "tap", "device": "sync0", "mtu": 1500,
                   "addresses": ["192.0.2.2/24"]}],
        "pools": [{"name": "public", "addresses": ["10.128.0.0/15"]}],
        "sources": sources,
        "run_dir": f"{directory}/run", "state_dir": f"{directory}/state", "group": "daemon",
    }


def slices(number, ready):
    """The EndpointSlice of a Service; `ready`: of its first endpoint."""
    name = f"service-{number}"
    conditions = '{"ready": true}', '{"ready": false}'
    endpoints = ",".join(
        f'{{"addresses":["10.{number // 2500 % 100}.{number // 10 % 250}.{number % 10 * 20 + i}"],'
        f'"nodeName":"node-{i}","targetRef":{{"kind":"Pod","name":"{name}-{i}"}},'
        f'"conditions":{conditions[i == 0 and not ready]}}}' for i in range(ENDPOINTS))
    return (
        f'{{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{{"name":"{name}-1",'
        f'"labels":{{"kubernetes.io/service-name":"{name}"}}}},"addressType":"IPv4","ports":'
        f'[{{"name":"http","port":8080}}],"endpoints":[{endpoints}]}}\n')


def certificate(directory):
    """One for all: (chain, key). That each is another's would only cost the making of it."""
    key, chain = directory / "key", directory / "chain"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=bench",
                    "-keyout", key, "-out", chain], check=True, capture_output=True)
    return chain.read_text(), key.read_text()


def secret(name, pair):
    chain, key = (json.dumps(text) for text in pair)
    return (f'{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"{name}"}},'
            f'"type":"kubernetes.io/tls","stringData":{{"tls.crt":{chain},"tls.key":{key}}}}}\n---\n')


def manifest(number, pair):
    """A Service and an Ingress that names it; each TLS_EVERY-th has a certificate of its own."""
    name = f"service-{number}"
    tls = number % TLS_EVERY == 0
    spec_tls = f'"tls":[{{"hosts":["{name}.example"],"secretName":"{name}"}}],' if tls else ""
    return (secret(name, pair) if tls else "") + (
        f'{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}"}},"spec":'
        f'{{"type":"LoadBalancer","ports":[{{"name":"http","port":80,"targetPort":8080}}]}}}}\n---\n'
        f'{{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{{"name":"{name}"}},"spec":'
        f'{{{spec_tls}"rules":[{{"host":"{name}.example","http":{{"paths":[{{"path":"/","pathType":"Prefix",'
        f'"backend":{{"service":{{"name":"{name}","port":{{"number":80}}}}}}}}]}}}}]}}}}\n')


class Clusters:
    """The directories, and the box that reads them."""

    MAIN = 0  # which CPU is that of the dataplane's main thread
    LISTENERS = None  # of the Services, if not one each

    def __init__(self, directory, proto, size, build):
        cpus = CPUS
        self.size, self.dir = size, directory / str(size)
        for name in CLUSTERS:
            (self.dir / name).mkdir(parents=True)
        self.ready = [True] * size
        self.pair = certificate(self.dir)
        self.pairs = self.pair, certificate(self.dir)
        for number in range(size):
            self.put_objects(number)
            self.put(number)
        for number in range(OTHERS):
            self.replace(number, f"new-{number}.yaml", "# nothing yet\n")
        self.replace(0, "in-want.yaml", "# nothing yet\n")
        self.machine = Machine(f"{NAME}-sync").create(forwards=True)
        self.appliance = Appliance(
            self.machine, self.dir, settings(self.dir, cpus, cpus[self.MAIN], self.sources()), build)
        self.appliance.start("sluice-dataplane")
        socket = self.dir / "run" / "dataplane.sock"
        self.wait(socket.is_socket, "the dataplane's channel")
        self.channel = channel.Channel(socket, proto)
        self.started = time.monotonic()
        self.control = self.appliance.start("sluice-controlplane")
        os.sched_setaffinity(self.control.pid, {cpus[-1]})

    def sources(self):
        return [{"name": name, "kind": "manifests", "path": f"{self.dir}/{name}"} for name in CLUSTERS]

    def manifest(self, number):
        return manifest(number, self.pair)

    def put_objects(self, number):
        """The Service, its Ingress and Secret: in one file, or from the last on in one each."""
        text = self.manifest(number)
        objects = text.split("---\n")[::-1] if number < SPLIT else [text]
        for i, one in enumerate(objects):
            self.replace(number, f"{number}-{i}.yaml" if i else f"{number}.yaml", one)

    @staticmethod
    def cluster(number):
        """Both have as many Secrets."""
        return (number + number // TLS_EVERY) % 2

    def replace(self, number, name, text):
        directory = self.dir / CLUSTERS[self.cluster(number)]
        half = directory / f".{name}"
        half.write_text(text)
        half.chmod(0o600)  # there are keys in some
        self.event = time.monotonic()
        half.rename(directory / name)

    def put(self, number):
        self.replace(number, f"{number}-endpoints.yaml", slices(number, self.ready[number]))

    def change(self, number):
        self.ready[number] = not self.ready[number]
        self.put(number)

    def add_service(self, i):
        self.replace(i, f"new-{i}.yaml",
                     f'{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"new-{i}"}},"spec":'
                     '{"type":"LoadBalancer","ports":[{"name":"http","port":80}]}}\n')

    def remove_service(self, i):
        self.replace(i, f"new-{i}.yaml", "# nothing any more\n")

    def put_in_want(self):
        self.replace(0, "in-want.yaml",
                     '{"apiVersion":"v1","kind":"Service","metadata":{"name":"in-want"},"spec":'
                     '{"type":"LoadBalancer","loadBalancerIP":"203.0.113.9",'
                     '"ports":[{"name":"http","port":80}]}}\n')

    def change_ingress(self, i):
        number = i * 7919 % min(self.size, SPLIT)
        ingress = self.manifest(number).split("---\n")[-1]
        self.replace(number, f"{number}.yaml", ingress.replace('"path":"/"', f'"path":"/{i}"'))

    def rotate_secret(self, i):
        there = min(self.size, SPLIT) // TLS_EVERY
        number = i % there * TLS_EVERY
        text = secret(f"service-{number}", self.pairs[(i // there + 1) % 2])
        self.replace(number, f"{number}-2.yaml", text)

    def wait(self, condition, what, seconds=60):
        def checked():
            self.appliance.check_alive()
            return condition()
        wait_until(checked, what, seconds)

    def generation(self):
        return self.channel.stats().hello.generation

    def listeners(self):
        request = self.channel.proto.StatsRequest(endpoints=True)
        return len(self.channel.ask(stats=request).stats.listeners)

    def rules(self):
        return len(self.channel.ask(stats=self.channel.proto.StatsRequest(rules=True)).stats.rules)

    def memory_mb(self, what):
        for line in open(f"/proc/{self.control.pid}/status"):
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024
        raise LabError(f"no {what} in /proc/{self.control.pid}/status")

    def settle(self):
        """Until nothing moves any more."""
        before = -1
        while before != (now := self.generation()):
            before = now
            time.sleep(0.3)  # longer than any change is held back
        return now

    def close(self):
        self.channel.close()
        try:
            self.appliance.stop()
        finally:
            destroy(NAME)
            shutil.rmtree(self.dir)


def cold(clusters):
    """Asked of the control plane, which costs little; that it is so, of the dataplane."""
    listeners = clusters.LISTENERS or clusters.size

    def complete():
        with contextlib.suppress(LabError):
            status = clusters.appliance.show("status")
            return (all(row["synced"] for row in status["sources"]) and status["dataplane"]["current"]
                    and status["plan"]["listeners"] >= listeners)
    clusters.wait(Path(clusters.appliance.api_socket).is_socket, "the API")
    clusters.wait(complete, "the complete plan")
    took = time.monotonic() - clusters.started
    if clusters.listeners() < listeners or clusters.rules() < clusters.size:
        raise LabError("the dataplane has not what the plan has")
    return took


def single_changes(clusters, change=None, count=CHANGES):
    took = []
    generation = clusters.settle()
    for i in range(count):
        if change:
            change(i)
        else:
            clusters.change(i * 7919 % clusters.size)
        while (now := clusters.generation()) == generation:
            if time.monotonic() - clusters.event > 5:
                raise LabError(f"change {i} has not reached the dataplane after 5 s")
            time.sleep(0.0002)
        took.append(1000 * (time.monotonic() - clusters.event))
        generation = now
        time.sleep(0.01)  # one at a time: the next is not one of a series
    return took


def summary(took):
    return {"p50_ms": round(median(took), 2), "p99_ms": round(quantiles(took, n=100)[98], 2)}


def other_changes(clusters):
    took = {name: summary(single_changes(clusters, change, OTHERS))
            for name, change in (("ingress", clusters.change_ingress),
                                 ("secret", clusters.rotate_secret),
                                 ("service_added", clusters.add_service),
                                 ("service_gone", clusters.remove_service))}
    clusters.put_in_want()
    took["added_beside_one_in_want"] = summary(single_changes(clusters, clusters.add_service, OTHERS))
    return took


def sustained(clusters):
    """The last change is seen by its endpoint: draining, or ready again."""
    clusters.settle()
    before = clusters.memory_mb("VmRSS")
    started = time.monotonic()
    for i in range(RATE * SECONDS):
        time.sleep(max(0, started + i / RATE - time.monotonic()))
        clusters.change(i * 7919 % clusters.size)
    sent = time.monotonic()
    last = clusters.generation()
    behind = sent
    while time.monotonic() - behind < 0.3:
        now = clusters.generation()
        if now != last:
            last, behind = now, time.monotonic()
        time.sleep(0.001)
    return {"rate": round(RATE * SECONDS / (sent - started)), "seconds": SECONDS,
            "behind_ms": round(1000 * (behind - sent), 1),
            "grew_mb": round(clusters.memory_mb("VmRSS") - before, 1)}


def burst(clusters):
    """Many Services go at once, with their Ingresses: until the dataplane has none of them."""
    clusters.settle()
    left = clusters.listeners() - BURST
    before = clusters.memory_mb("VmRSS")
    started = time.monotonic()
    for number in range(clusters.size - BURST, clusters.size):
        clusters.replace(number, f"{number}.yaml", "# nothing any more\n")
    sent = time.monotonic()
    clusters.wait(lambda: clusters.listeners() <= left, "the end of the burst")
    return {"services": BURST, "sent_s": round(sent - started, 2),
            "gone_s": round(time.monotonic() - started, 2),
            "before_mb": round(before, 1), "after_mb": round(clusters.memory_mb("VmRSS"), 1)}


def kinds(source):
    if source == "manifests":
        return Clusters
    import sync_kube  # which builds on this
    return sync_kube.KubeClusters


def run(args, say):
    directory = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
    destroy(NAME)
    proto = channel.messages(ROOT, directory)
    result = {"endpoints": ENDPOINTS * SIZES[-1], "services": SIZES[-1], "ingresses": SIZES[-1],
              "certificates": SIZES[-1] // TLS_EVERY, "clusters": len(CLUSTERS), "source": args.source, "by_size": []}
    for size in SIZES:
        clusters = kinds(args.source)(directory, proto, size, args.build)
        try:
            cold_s = cold(clusters)
            cold_mb = clusters.memory_mb("VmHWM")
            took = single_changes(clusters)
            others = other_changes(clusters)
            case = {"services": size, "cold_s": round(cold_s, 2), "cold_mb": round(cold_mb, 1),
                    "change_p50_ms": round(median(took), 2),
                    "change_p99_ms": round(quantiles(took, n=100)[98], 2),
                    "change_most_ms": round(max(took), 2), "changes": others}
            result["by_size"].append(case)
            say(f"{size:6} Services: cold {cold_s:.2f} s, {cold_mb:.0f} MB; a change "
                f"{case['change_p50_ms']} ms, p99 {case['change_p99_ms']} ms")
            say("       " + "; ".join(f"{name} {one['p50_ms']} ms, p99 {one['p99_ms']} ms"
                                      for name, one in others.items()))
            if size == SIZES[-1]:
                result["sustained"] = sustained(clusters)
                say(f"       {result['sustained']}")
                result["burst"] = burst(clusters)
                say(f"       {result['burst']}")
                result.update({key: case[key] for key in TARGET})
        finally:
            clusters.close()
    shutil.rmtree(directory)
    result["target"] = TARGET
    result["met"] = all(result[key] < limit for key, limit in TARGET.items())
    return result
