# SPDX-License-Identifier: BSD-3-Clause
"""Endpoints that Kubernetes calls ready and that do not answer: active checks find them."""

import signal

import harness
from topology import kill, wait_until

PORTS = [("http", "TCP", 80, 8080)]
QUICK = {"sluice.dev/health-check-interval-ms": "100", "sluice.dev/health-check-timeout-ms": "200",
         "sluice.dev/health-check-fall": "2"}


def health(lab, name):
    return {row["name"]: (row["state"], row["health"]) for row in lab.endpoint_rows(name)}


def stop_nginx(pod):
    pids = [pid for pid in pod.machine.pids()
            if open(f"/proc/{pid}/comm", encoding="ascii").read().strip() == "nginx"]
    kill(pids, signal.SIGKILL)
    wait_until(lambda: not set(pids) & set(pod.machine.pids()), "nginx gone")


class TestChecks:
    def test_tcp_who_fails_gets_nothing_and_comes_back(self, make_lab):
        lab = make_lab(pods=(1, 1))
        vip = lab.apply_service("web", PORTS, annotations={"sluice.dev/health-check": "tcp", **QUICK})[0]
        first, second = lab.pods
        wait_until(lambda: {text for _, text in health(lab, "web").values()} == {"passing"}, "both pass")
        stop_nginx(lab.pods[first])
        wait_until(lambda: health(lab, "web")[first][0] == "draining", "left out")
        assert health(lab, "web")[first][1] == "failing: Connection refused"
        lab.wait_in_force()
        for _ in range(20):
            assert lab.curl(harness.url(vip)).stdout.startswith(second + " ")
        assert [line for line in lab.box.tail("sluice-controlplane", 400).split("\n")
                if "port 8080 fails" in line].__len__() == 1  # told once, on change
        lab.pods[first].machine.run("nginx", "-c", lab.pods[first].dir / "nginx.conf", "-p",
                                    lab.pods[first].dir)
        wait_until(lambda: health(lab, "web")[first] == ("ready", "passing"), "back")

    def test_http_by_status_and_never_alone_empties_a_pool(self, make_lab):
        lab = make_lab(pods=(1, 1))
        vip = lab.apply_service("web", PORTS, annotations={
            "sluice.dev/health-check": "http", "sluice.dev/health-check-path": "/files/ok", **QUICK})[0]
        first, second = lab.pods
        for pod in lab.pods.values():
            (pod.dir / "files" / "ok").write_text("ok")
        wait_until(lambda: {text for _, text in health(lab, "web").values()} == {"passing"}, "both pass")
        (lab.pods[first].dir / "files" / "ok").unlink()
        wait_until(lambda: health(lab, "web")[first][0] == "draining", "left out")
        (lab.pods[second].dir / "files" / "ok").unlink()
        wait_until(lambda: {state for state, _ in health(lab, "web").values()} == {"ready"}, "all stay")
        assert "all 2 ready endpoints fail their health check" in str(lab.rows("problems"))
        lab.wait_in_force()
        assert lab.curl(harness.url(vip)).stdout
