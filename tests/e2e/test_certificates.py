# SPDX-License-Identifier: BSD-3-Clause
"""Ten thousand certificates: how they come, and one of them that is rotated."""

import json
import re
import time

import pytest

import harness  # noqa: F401  (the lab fixture's)
from test_ingress import SETTINGS, certificate, secret, web_service, who_tls
from topology import BOX_HOST, WAN4, wait_until

COUNT = 10000


def ingress(number):
    host = f"h{number}.many.example"
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": f"i{number}", "namespace": "default"},
            "spec": {"tls": [{"hosts": [host], "secretName": f"s{number}"}], "rules": [
                {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {
                    "service": {"name": "one", "port": {"number": 80}}}}]}}]}}


def text(*things):
    return "\n---\n".join(map(json.dumps, things))


@pytest.mark.slow
def test_ten_thousand_and_one_of_them_rotated(make_module_lab, tmp_path):
    lab = make_module_lab(settings=SETTINGS)
    lab.apply("services", *web_service(lab, "one", ["web-1a"]))
    first, second = (certificate(tmp_path, name, ["*.many.example"]) for name in ("first", "second"))
    rotated = COUNT // 2
    lab.write("rotated", text(secret(f"s{rotated}", *first[:2])))
    # Its own address goes through the dataplane's main thread, which reads the certificates.
    ping = lab.client.start("ping", "-i", "0.05", "-W", "20", WAN4.format(BOX_HOST), log=tmp_path / "ping")
    lab.write("many", text(*(thing for number in range(COUNT) for thing in (
        *([secret(f"s{number}", *first[:2])] if number != rotated else []), ingress(number)))))
    wait_until(lambda: who_tls(lab, f"https://h{COUNT - 1}.many.example/", first) == "web-1a",
               "the certificates in use", 120)
    ping.terminate()
    ping.wait()
    times = [float(ms) for ms in re.findall(r"time=([\d.]+) ms", (tmp_path / "ping").read_text())]
    assert len(times) > 20 and max(times) < 2000, sorted(times)[-5:]
    url = f"https://h{rotated}.many.example/"
    assert who_tls(lab, url, first) == "web-1a"
    started = time.monotonic()
    lab.write("rotated", text(secret(f"s{rotated}", *second[:2])))
    wait_until(lambda: who_tls(lab, url, second) == "web-1a", "the second certificate in use", 5)
    assert time.monotonic() - started < 1
    assert who_tls(lab, f"https://h{rotated + 1}.many.example/", first) == "web-1a"
