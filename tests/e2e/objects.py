# SPDX-License-Identifier: BSD-3-Clause
"""Kubernetes objects as the tests need them, as dicts."""

import yaml


def as_yaml(*objects):
    return yaml.safe_dump_all(objects, sort_keys=False)


def service(name, ports, annotations=None, **spec):
    """ports: (name, protocol, port, target)."""
    metadata = {"name": name, "namespace": "default"}
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {
            "type": "LoadBalancer",
            "ports": [{"name": port, "protocol": protocol, "port": number, "targetPort": target}
                      for port, protocol, number, target in ports],
            **spec,
        },
    }


def endpoint(address, pod="pod", node="node1", ready=True, serving=None, terminating=False):
    return {
        "addresses": [address], "nodeName": node, "targetRef": {"kind": "Pod", "name": pod},
        "conditions": {"ready": ready, "serving": ready if serving is None else serving,
                       "terminating": terminating},
    }


def endpoint_slice(service_name, family, ports, endpoints, suffix=""):
    """ports: (name, protocol, number)."""
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": f"{service_name}-{family.lower()}{suffix}", "namespace": "default",
                     "labels": {"kubernetes.io/service-name": service_name}},
        "addressType": family,
        "ports": [{"name": name, "protocol": protocol, "port": number}
                  for name, protocol, number in ports],
        "endpoints": endpoints,
    }


def node(name, addresses, pod_cidrs):
    return {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "spec": {"podCIDR": pod_cidrs[0], "podCIDRs": list(pod_cidrs)},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address} for address in addresses],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
