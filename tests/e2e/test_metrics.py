# SPDX-License-Identifier: BSD-3-Clause
"""/metrics: what Prometheus' own tool finds right, with everything the box serves in it."""

import re
import subprocess

import pytest
from topology import ROOT


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
