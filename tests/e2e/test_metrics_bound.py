# SPDX-License-Identifier: BSD-3-Clause
"""/metrics of a box that serves more than is told of a kind: docs/operator/metrics.md, "How many there can be"."""

import json
import re
import subprocess
from collections import defaultdict

import objects
import pytest
from test_ingress import VIP, curl
from test_metrics import fetch, samples, value
from topology import ROOT, wait_until

COUNT, ROWS, HISTOGRAMS = 10100, 10000, 1000
SETTINGS = {
    "ingress": {"addresses": [VIP]},
    "pools": [{"name": "many", "addresses": ["10.128.0.0/16"], "interfaces": ["wan"]},
              {"name": "own", "addresses": [VIP], "interfaces": ["wan"], "auto_assign": False}],
}
LABELS = {"vip": ("vip", "pool"), "listener": ("vip", "protocol", "l4_port", "service"), "pool": ("pool",),
          "route": ("host", "kind", "path", "ingress")}


def manifests(pod):
    """A Service with an address of its own, and an Ingress with one path, COUNT times."""
    for number in range(COUNT):
        name = f"service-{number}"
        meta = {"name": name, "namespace": "default"}
        yield {"apiVersion": "v1", "kind": "Service", "metadata": meta,
               "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}
        yield objects.endpoint_slice(name, "IPv4", [("http", "TCP", 8080)], [objects.endpoint(pod)])
        yield {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta,
               "spec": {"rules": [{"host": f"{name}.example", "http": {"paths": [
                   {"path": "/", "pathType": "Prefix",
                    "backend": {"service": {"name": name, "port": {"number": 80}}}}]}}]}}


def told(rows, suffix=""):
    """{kind: how many things have a metric whose name ends so}"""
    found = defaultdict(set)
    for name, pairs in rows:
        for kind, keys in LABELS.items():
            if name.startswith(f"sluice_{kind}_") and name.endswith(suffix):
                labels = dict(pairs)
                found[kind].add(tuple(labels[key] for key in keys))
    return {kind: len(things) for kind, things in found.items()}


@pytest.mark.slow
def test_no_more_than_is_documented(make_lab):
    lab = make_lab(settings=SETTINGS)
    lab.write("many", "\n---\n".join(map(json.dumps, manifests(lab.pods["web-1a"].v4))))
    wait_until(lambda: lab.box.show("status")["plan"]["vips"] == COUNT + 1, "the plan", 60, 0.5)
    wait_until(lab.box.in_force, "the plan in force", 60, 0.5)
    text = fetch(lab)
    rows = samples(text)
    assert told(rows) == dict.fromkeys(LABELS, ROWS)
    assert told(rows, "_bucket") == {"pool": HISTOGRAMS, "route": HISTOGRAMS}
    # A Service that an Ingress names has two pools; the Ingresses' address has two listeners.
    for kind, count in {"vip": COUNT + 1, "listener": COUNT + 2, "pool": 2 * COUNT, "route": COUNT}.items():
        assert value(rows, "sluice_metrics_omitted", kind=kind) == count - ROWS, kind
    # What clients send makes no series.
    for number in range(20):
        assert curl(lab, f"http://nobody-{number}.example/{number}")[0] == 404
        assert curl(lab, f"http://service-1.example/{number}")[0] == 200
    after = samples(fetch(lab))
    assert set(after) == set(rows)
    most = int(re.search(r"about ([\d,]+) series", (ROOT / "docs/operator/metrics.md").read_text())
               .group(1).replace(",", ""))
    assert len(rows) < most
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout + done.stderr, done.stdout + done.stderr
