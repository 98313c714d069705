# SPDX-License-Identifier: BSD-3-Clause
"""/metrics: what Prometheus' own tool finds right, with everything the box serves in it."""

import contextlib
import re
import subprocess

import objects
import pytest
from proxied import Server, read_head
from test_ingress import SETTINGS, VIP, curl, ingress, path, web_service
from topology import ROOT, wait_until


def fetch(lab, path="/metrics"):
    return subprocess.run(
        ["curl", "-sS", "--fail", "--unix-socket", lab.box.api_socket, f"http://sluice{path}"],
        capture_output=True, text=True, check=True).stdout


def samples(text):
    """{(name, labels as a frozenset of pairs): value}"""
    rows = {}
    for line in text.split("\n"):
        if line and not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
            rows[name, frozenset(pairs)] = float(value)
    return rows


def value(rows, name, **labels):
    found = [number for (row, pairs), number in rows.items()
             if row == name and set(labels.items()) <= pairs]
    assert found, f"no {name} with {labels}"
    return sum(found)


@pytest.fixture(scope="module")
def busy(lab):
    lab.vip = lab.apply_service("counted", [("echo", "TCP", 7000, 9000)])[0]
    for _ in range(3):
        lab.connect_once(lab.vip, 7000)
    return lab


def test_promtool_finds_nothing(busy):
    text = fetch(busy)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout + done.stderr, done.stdout + done.stderr


def test_everything_is_there(busy):
    rows = samples(fetch(busy))
    assert value(rows, "sluice_dataplane_up") == 1
    assert value(rows, "sluice_vip_owned", vip=busy.vip) == 1
    assert value(rows, "sluice_vip_flows_created_total", vip=busy.vip) == 3
    assert value(rows, "sluice_listener_receive_packets_total", vip=busy.vip, protocol="tcp",
                 l4_port="7000", service="lab/default/counted") > 3
    assert value(rows, "sluice_pool_endpoints", pool="lab/default/counted:tcp:7000",
                 state="ready") == len(busy.pods)
    assert value(rows, "sluice_pool_flows_created_total", pool="lab/default/counted:tcp:7000") == 3
    assert value(rows, "sluice_worker_packets_total", worker="0") > 0
    assert value(rows, "sluice_port_receive_packets_total", port="wan") > 0
    assert value(rows, "sluice_cluster_synced", cluster="lab") == 1
    problems = [row["level"] for row in busy.rows("problems")]
    assert {level: value(rows, "sluice_problems", level=level) for level in ("warning", "error")} == {
        level: problems.count(level) for level in ("warning", "error")}
    drops = {row["reason"] for row in busy.box.show("drops", "all")["drops"]}
    assert drops == {dict(pairs)["reason"] for name, pairs in rows if name == "sluice_drops_total"}


def test_routes_count_what_was_asked_of_them(make_lab):
    lab = make_lab(settings=SETTINGS)
    lab.apply("shop", *web_service(lab, "shop", ["web-1a"]),
              ingress("shop", {"shop.example": [path("/", "shop"), path("/files", "shop")]}))
    wait_until(lambda: curl(lab, "http://shop.example/")[0] == 200, "an answer")
    before = samples(fetch(lab))
    for url, status in (("/", 200), ("/", 200), ("/files/none", 404), ("/elsewhere", 200)):
        assert curl(lab, f"http://shop.example{url}")[0] == status
    after = samples(fetch(lab))

    def more(name, **labels):
        return value(after, name, **labels) - value(before, name, **labels)
    route = {"host": "shop.example", "ingress": "lab/default/shop", "kind": "prefix"}
    pool = {"pool": "lab/default/shop:80:http"}
    assert more("sluice_route_responses_total", **route, path="/", code="2xx") == 3
    assert more("sluice_route_responses_total", **route, path="/files", code="4xx") == 1
    for name, labels, count in (("route", {**route, "path": "/"}, 3), ("route", {**route, "path": "/files"}, 1),
                                ("pool", pool, 4), ("listener", {"vip": VIP, "l4_port": "80"}, 4)):
        metric = f"sluice_{name}_request_duration_seconds"
        assert more(f"{metric}_count", **labels) == more(f"{metric}_bucket", **labels, le="+Inf") == count
        assert 0 < more(f"{metric}_sum", **labels) < 10
        buckets = [value(after, f"{metric}_bucket", **labels, le=le) for le in ("0.0001", "0.01", "1", "30")]
        assert buckets == sorted(buckets)


@contextlib.contextmanager
def tunnel(lab):
    with contextlib.closing(lab.client.socket()) as sock:
        sock.settimeout(5)
        sock.connect((VIP, 80))
        sock.sendall(b"GET /tunnel HTTP/1.1\r\nHost: shop.example\r\nConnection: upgrade\r\n"
                     b"Upgrade: websocket\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 101 ")
        yield sock
        sock.sendall(b"x")
        assert sock.recv(1) == b""


def test_what_is_under_way_and_what_was_tried_again(make_lab):
    def behave(_, sock):
        if read_head(sock).startswith(b"GET /tunnel "):
            sock.sendall(b"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            sock.recv(1)

    def told(name, **more):
        rows = samples(fetch(lab))
        return {kind: value(rows, f"sluice_{kind}_{name}", **labels, **more) for kind, labels in {
            "route": {"host": "shop.example", "path": "/"}, "pool": {"pool": "lab/default/shop:80:http"},
            "listener": {"vip": VIP, "l4_port": "80"}}.items()}

    def shop():
        lab.apply("shop", objects.service("shop", [("http", "TCP", 80, 8090)], type="ClusterIP"),
                  objects.endpoint_slice("shop", "IPv4", [("http", "TCP", 8090)], lab.endpoints(pods=pods)),
                  ingress("shop", {"shop.example": [path("/", "shop")]}))
        wait_until(lambda: len(lab.rows("ingresses")) == 2, "the Ingress")
        lab.wait_in_force()

    lab = make_lab(settings=SETTINGS)
    lab.apply("other", ingress("other", {"other.example": [path("/", "none")]}))  # keeps the address
    pods = ("web-1a", "web-1b")
    servers = [Server(lab, pod, 8090, behave) for pod in pods]
    shop()
    assert curl(lab, "http://shop.example/")[0] == 502
    assert told("retries_total") == {"route": 1, "pool": 1, "listener": 1}
    with tunnel(lab):
        assert told("requests_open") == {"route": 1, "pool": 1, "listener": 1}
        # It goes on without its pods and its rule; those that come later have nothing of it.
        lab.remove("shop")
        wait_until(lambda: len(lab.rows("ingresses")) == 1, "no Ingress")
        lab.wait_in_force()
    shop()
    with tunnel(lab), tunnel(lab):
        assert told("requests_open") == {"route": 2, "pool": 2, "listener": 2}
    wait_until(lambda: told("responses_total", code="1xx")["listener"] == 3, "the tunnels counted")
    assert told("requests_open") == {"route": 0, "pool": 0, "listener": 0}
    for server in servers:
        server.close()


def spread(name):
    """`a_{b,c}_d`: a_b_d and a_c_d."""
    found = re.fullmatch(r"(.*)\{(.*)\}(.*)", name)
    return [found[1] + part + found[3] for part in found[2].split(",")] if found else [name]


def documented():
    """Every family that docs/operator/metrics.md names."""
    text = (ROOT / "docs/operator/metrics.md").read_text()
    table = re.search(r"\| Of \|.*\n((?:\|.*\n)+)", text).group(1).split("\n")[1:-1]
    common = {"layer 4": re.search(r"Layer 4: ((?:`_\w+`\s*)+)", text).group(1),
              "HTTP": re.search(r"HTTP: (.*?)\.\n", text, re.DOTALL).group(1)}
    names = set()
    for row in table:
        of, _, metrics = (cell.strip() for cell in row.strip("|").split("|"))
        alone = re.sub(r"\(.*?\)|: every .*", "", metrics)
        names |= {name for word in re.findall(r"`([^`]+)`", alone) for name in spread(word)}
        for word, members in common.items():
            if word in metrics:
                names |= {of.lower() + name for name in re.findall(r"`(_\w+)`", re.sub(r"\(.*?\)", "", members))}
    return {f"sluice_{name}" for name in names}


def test_each_is_documented_and_there_is_no_other(busy):
    told = set(re.findall(r"^# TYPE (\w+) ", fetch(busy), re.MULTILINE))
    assert told == documented()
