# SPDX-License-Identifier: BSD-3-Clause
"""Pods that come and go under load: no request fails, whoever learns of it first."""

import re
from pathlib import Path

from harness import url, wait_until
from proxied import VIP, lab, plan, proto  # noqa: F401: fixtures

SECONDS = 8


def quit_nginx(pod):
    pid = int((pod.dir / "nginx.pid").read_text())
    pod.machine.run("kill", "-QUIT", pid)
    wait_until(lambda: not (pod.dir / "nginx.pid").exists(), "the end of nginx")


def start_nginx(pod):
    pod.machine.run("nginx", "-c", pod.dir / "nginx.conf", "-p", pod.dir)


def replace(plan, name, pod_ends_first):
    """One pod of the pool is replaced by itself, as a rolling update does."""
    endpoint = next(e for e in plan.pools["web"]["endpoints"] if e["name"] == name)
    pod = plan.lab.pods[name]
    if pod_ends_first:
        quit_nginx(pod)
    endpoint["state"] = 2
    plan.apply()
    if not pod_ends_first:
        quit_nginx(pod)
    plan.pools["web"]["endpoints"].remove(endpoint)
    plan.apply()
    start_nginx(pod)
    plan.pools["web"]["endpoints"].append({**endpoint, "state": 1})
    plan.apply()


def test_a_rolling_update_costs_no_request(lab, plan):  # noqa: F811
    plan.pool("web", list(lab.pods))
    plan.rule("", "/", "web")
    plan.apply()
    log = Path(lab.dir) / "wrk.log"
    wrk = lab.client.start("wrk", "-t1", "-c16", f"-d{SECONDS}s", url(VIP), log=log)
    rounds = 0
    while wrk.poll() is None and rounds < 6:
        for name in lab.pods:
            replace(plan, name, pod_ends_first=rounds % 2 == 1)
        rounds += 1
    wrk.wait(SECONDS + 5)
    told = log.read_text()
    assert rounds >= 2
    assert "Non-2xx" not in told and "Socket errors" not in told, told
    assert int(re.search(r"(\d+) requests in", told).group(1)) > 1000 * SECONDS, told
