# SPDX-License-Identifier: BSD-3-Clause
"""The test cluster itself: what other tests build on works as in a cluster with kubelets."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "images" / "lab"))

from agent import Agent  # noqa: E402
from control import ControlPlane  # noqa: E402
from topology import Machine, destroy  # noqa: E402

NAME = os.environ.get("SLUICE_LAB_PREFIX", "e2e") + "-k8s"
SLICES = "/apis/discovery.k8s.io/v1beta1/namespaces/default/endpointslices"
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    destroy(NAME)
    machine = Machine(NAME).create()
    machine.ip("address add 10.250.0.1/32 dev lo")
    try:
        with ControlPlane(machine, tmp_path_factory.mktemp("k8s"), "10.250.0.1") as cluster:
            yield cluster
    finally:
        destroy(NAME)


def endpoints(cluster):
    return {address for item in cluster.get(SLICES)["items"]
            if item["metadata"]["labels"].get("kubernetes.io/service-name") == "web"
            for endpoint in item["endpoints"] or () if endpoint["conditions"].get("ready")
            for address in endpoint["addresses"]}


def test_deployment_scales_and_nodes_go(cluster):
    agent = Agent(cluster)
    agent.add_node("a", "10.250.1.1")
    agent.add_node("b", "10.250.1.2")
    labels = {"app": "web"}
    cluster.create(DEPLOYMENT, {"metadata": {"name": "web"}, "spec": {
        "replicas": 3, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "web", "image": "web"}]}}}})
    cluster.create("/api/v1/namespaces/default/services", {"metadata": {"name": "web"}, "spec": {
        "type": "LoadBalancer", "selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}})

    def has(count):
        agent.step()
        return len(endpoints(cluster)) == count
    cluster.wait(lambda: has(3), "three endpoints")
    cluster.patch(f"{DEPLOYMENT}/web", {"spec": {"replicas": 6}})
    cluster.wait(lambda: has(6), "six endpoints")
    before = endpoints(cluster)
    agent.remove_node("b")
    cluster.wait(lambda: has(6) and endpoints(cluster) != before, "the pods on the other node", 60)
    cluster.kill("kube-apiserver")
    cluster.start("kube-apiserver")
    cluster.wait(lambda: has(6), "the API server again", 60)
