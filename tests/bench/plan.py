# SPDX-License-Identifier: BSD-3-Clause
"""The world of the benchmarks: addresses (RFC 2544 and RFC 5180 ranges), sluice.conf, manifests.

One cable. Behind it, all of them the generator: a gateway to 16384 clients for each family, and a
node with 64 pods for each family. The box finds both by ARP and neighbour discovery.
"""

import ipaddress

PODS = 64
SNATS = 64
UDP_PORT, UDP_POD_PORT = 53, 5353
TCP_PORT, TCP_POD_PORT = 80, 8080

FAMILIES = {
    4: {
        "box": "198.18.0.1/24", "peer": "198.18.0.2", "node": "198.18.0.3", "vip": "198.18.1.1",
        "pod_cidr": "198.18.2.0/24", "pod": "198.18.2.1", "snat": "198.18.4.0",
        "client": "198.19.0.0", "default": "0.0.0.0/0",
    },
    6: {
        "box": "2001:2::1/64", "peer": "2001:2::2", "node": "2001:2::3", "vip": "2001:2:0:1::1",
        "pod_cidr": "2001:2:0:2::/64", "pod": "2001:2:0:2::1", "snat": "2001:2:0:4::",
        "client": "2001:2:0:100::", "default": "::/0",
    },
}


def at(first, offset):
    return str(ipaddress.ip_address(first) + offset)


def net_order(link, family, protocol):
    """The generator's order that describes this world."""
    names = FAMILIES[family]
    ports = (UDP_PORT, UDP_POD_PORT) if protocol == "udp" else (TCP_PORT, TCP_POD_PORT)
    return (f"net link={link} family={family} client={names['client']} vip={names['vip']} "
            f"pod={names['pod']} pods={PODS} snat={names['snat']} snats={SNATS} "
            f"peer={names['peer']} node={names['node']} vip_port={ports[0]} pod_port={ports[1]}")


def table_size(flows):
    """`flows` of sluice.conf: its default, or the power of two that holds them."""
    return max(262144, 1 << (flows - 1).bit_length())


def settings(directory, socket, cpus, ring_log2, flows):
    both = FAMILIES.values()
    return {
        "dataplane": {
            "workers": [cpus[1]], "main_cpu": cpus[0], "idle": "poll", "hugepages": "required",
            "flows": flows,
        },
        "ports": [{
            "name": "wan", "kind": "memif", "device": str(socket),
            "options": f"role=client,zero-copy=yes,rsize={ring_log2}", "mtu": 1500,
            "addresses": [names["box"] for names in both],
        }],
        "routes": [{"to": names["default"], "via": names["peer"]} for names in both],
        "snat": {"addresses": [f"{names['snat']}-{at(names['snat'], SNATS - 1)}" for names in both]},
        "timeouts": {"udp": 900, "udp_unreplied": 900, "tcp_closed": 1},
        "pools": [{"name": "bench",
                   "addresses": [f"{names['vip']}-{names['vip']}" for names in both]}],
        "sources": [{"name": "bench", "kind": "manifests", "path": f"{directory}/manifests"}],
        "defaults": {"mode": "full-nat", "algorithm": "maglev", "classless": True},
        "run_dir": f"{directory}/run",
        "state_dir": f"{directory}/state",
        "group": "daemon",
    }


def manifests():
    """One Service a family, both protocols, and its endpoints on one node."""
    yield NODE.format(**{f"{key}{family}": value for family, names in FAMILIES.items()
                         for key, value in names.items()})
    for family, names in FAMILIES.items():
        yield SERVICE.format(family=family, vip=names["vip"], udp=UDP_PORT, tcp=TCP_PORT,
                             udp_pod=UDP_POD_PORT, tcp_pod=TCP_POD_PORT)
        yield SLICE.format(family=family, udp_pod=UDP_POD_PORT, tcp_pod=TCP_POD_PORT) + "".join(
            ENDPOINT.format(address=at(names["pod"], index), name=f"pod-{family}-{index}")
            for index in range(PODS))


NODE = """\
apiVersion: v1
kind: Node
metadata: {{name: node}}
spec:
  podCIDR: {pod_cidr4}
  podCIDRs: ["{pod_cidr4}", "{pod_cidr6}"]
status:
  addresses:
  - {{type: InternalIP, address: "{node4}"}}
  - {{type: InternalIP, address: "{node6}"}}
  conditions:
  - {{type: Ready, status: "True"}}
"""

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: bench-{family}
  annotations: {{metallb.io/loadBalancerIPs: "{vip}"}}
spec:
  type: LoadBalancer
  ipFamilies: [IPv{family}]
  ipFamilyPolicy: SingleStack
  ports:
  - {{name: udp, protocol: UDP, port: {udp}, targetPort: {udp_pod}}}
  - {{name: tcp, protocol: TCP, port: {tcp}, targetPort: {tcp_pod}}}
"""

SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: bench-{family}
  labels: {{kubernetes.io/service-name: bench-{family}}}
addressType: IPv{family}
ports:
- {{name: udp, protocol: UDP, port: {udp_pod}}}
- {{name: tcp, protocol: TCP, port: {tcp_pod}}}
endpoints:
"""

ENDPOINT = """\
- addresses: ["{address}"]
  nodeName: node
  targetRef: {{kind: Pod, name: {name}}}
  conditions: {{ready: true, serving: true, terminating: false}}
"""
