# SPDX-License-Identifier: BSD-3-Clause
"""What `explain` says of a 5-tuple is what its packets then do."""

import contextlib
import json

import pytest

from harness import wan
from test_ingress import SETTINGS, ingress, path, web_service, who
from topology import CLIENT_HOST, wait_until

PORTS = [("echo", "TCP", 7000, 9000), ("dgram", "UDP", 7000, 9000)]
CLIENT = wan(CLIENT_HOST)
PODS = {"web-1a", "web-1b", "web-2a", "web-2b"}


def explain(lab, protocol, client, to):
    """{what: text}, and the answer whole."""
    answer = json.loads(lab.box.sluice("explain", protocol, client, to, "--json").stdout)
    return {step["what"]: step["text"] for step in answer["steps"]}, answer


@pytest.mark.parametrize("family", (4, 6))
def test_the_endpoint_of_a_flow_to_come(lab, family):
    vip = lab.apply_service("foretold", PORTS, families=(family,))[0]
    client = wan(CLIENT_HOST, family)
    form = "{}:{}" if family == 4 else "[{}]:{}"
    pods = set()
    for port in range(40000, 40012):
        steps, answer = explain(lab, "tcp", form.format(client, port), form.format(vip, 7000))
        assert steps["flow"].startswith("none") and "foretold" in steps["listener"]
        assert steps["rewrite"].startswith("full-nat") and steps["route"].startswith("out of lan to ")
        assert answer["endpoint_port"] == 9000
        sock, pod, _, _ = lab.connect(vip, 7000, source_port=port)
        with contextlib.closing(sock):
            assert pod == answer["endpoint_name"]
            steps, answer = explain(lab, "tcp", form.format(client, port), form.format(vip, 7000))
            assert steps["flow"].startswith("there") and answer["endpoint_name"] == pod
            lab.abort(sock)
        pods.add(pod)
    assert len(pods) > 1
    lab.remove("foretold")


def test_it_goes_where_affinity_says(lab):
    vip = lab.apply_service("affine", PORTS, sessionAffinity="ClientIP")[0]
    pod = lab.connect_once(vip, 7000)[0]
    for port in (41000, 41001):
        steps, answer = explain(lab, "tcp", f"{CLIENT}:{port}", f"{vip}:7000")
        assert answer["endpoint_name"] == pod and "the client's affinity" in steps["endpoint"]
    lab.remove("affine")


def test_what_is_not_carried(lab):
    vip = lab.apply_service("closed", PORTS, pods=["web-1a"],
                            loadBalancerSourceRanges=["203.0.113.0/24"])[0]
    asked = {
        (f"{CLIENT}:1000", f"{vip}:7000"): ("dropped", "source_range"),
        ("203.0.113.9:1000", f"{vip}:7000"): ("endpoint", "web-1a"),
        (f"{CLIENT}:1000", f"{vip}:7001"): ("dropped", "no_listener"),
        ("127.0.0.1:1000", f"{vip}:7000"): ("dropped", "ip_source"),
        (f"{CLIENT}:1000", f"{wan(1)}:22"): ("host", "given to the kernel"),
        ("[2001:db8::1]:1000", f"{vip}:7000"): ("refused", "two families"),
    }
    for (client, to), (what, text) in asked.items():
        steps, _ = explain(lab, "udp", client, to)
        assert text in steps[what], (client, to, steps)
    lab.remove("closed")


def test_wrong_ends(lab):
    for words in (("1.2.3.4", "1.2.3.4:5"), ("1.2.3.4:5", "1.2.3.4:0"), ("1.2.3.4:5",)):
        done = lab.box.sluice("explain", "tcp", *words, check=False)
        assert done.returncode == 2 and "PORT" in done.stderr.upper()


def test_a_request_of_this_client(make_lab):
    lab = make_lab(settings=SETTINGS)
    rule = ingress("hashed", {"hashed.example": [path("/", "hashed")]},
                   {"nginx.ingress.kubernetes.io/upstream-hash-by": "$remote_addr"})
    lab.apply("hashed", *web_service(lab, "hashed", sorted(PODS)), rule)
    wait_until(lambda: who(lab, "http://hashed.example/") in PODS, "an answer")
    told = json.loads(lab.box.sluice(
        "explain", "http://hashed.example/", "from", CLIENT, "--json").stdout)
    assert told["endpoint_name"] == who(lab, "http://hashed.example/")
    assert "of the client, of 4 ready" in told["steps"][-1]["text"]
    others = {json.loads(lab.box.sluice("explain", "http://hashed.example/", "from", f"192.0.2.{n}",
                                        "--json").stdout)["endpoint_name"] for n in range(100, 120)}
    assert len(others) > 1
