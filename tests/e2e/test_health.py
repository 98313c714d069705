# SPDX-License-Identifier: BSD-3-Clause
"""Endpoints that Kubernetes calls ready and that do not answer: active checks find them."""

import os
import signal

import harness
import http_server
import objects
from topology import kill, run, wait_until

PORTS = [("http", "TCP", 80, 8080)]
FIRST = 20000
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

    def test_https_whatever_the_certificate_says_and_with_the_name(self, make_lab):
        lab = make_lab(pods=(1, 1))
        first, second = lab.pods
        for pod in lab.pods.values():
            secure_nginx(pod)
        lab.apply_service("web", [("https", "TCP", 443, 8443)], annotations={
            "sluice.dev/health-check": "https", "sluice.dev/health-check-host": "app.example", **QUICK})
        wait_until(lambda: {text for _, text in health(lab, "web").values()} == {"passing"}, "both pass")
        pod = lab.pods[first]
        conf = pod.dir / "nginx.conf"
        conf.write_text(conf.read_text().replace("app.example", "other.example"))
        pod.machine.run("nginx", "-c", conf, "-p", pod.dir, "-s", "reload")
        wait_until(lambda: health(lab, "web")[first] == ("draining", "failing: its status is not 200 to 399"),
                   "left out")
        assert health(lab, "web")[second] == ("ready", "passing")

    def test_https_spoken_to_who_does_not_speak_it(self, make_lab):
        lab = make_lab(pods=(1, 1))
        secure_nginx(lab.pods[list(lab.pods)[1]])
        lab.apply_service("web", [("https", "TCP", 443, 8080)], annotations={
            "sluice.dev/health-check": "https", **QUICK})
        wait_until(lambda: "failing: the TLS handshake fails" in str(health(lab, "web")), "a failure")


class TestMany:
    def test_a_thousand_endpoints_each_second(self, make_lab):
        """On little CPU, and each of them: the pods count the connections."""
        lab = make_lab(settings={"health": {"check": "tcp", "interval_ms": 1000}})
        pods = [pod.machine for pod in lab.pods.values()]
        count = 1000 // len(pods)
        for pod in pods:  # each port of many is another endpoint
            pod.run("nft", "-f", "-", input=f"""table ip many {{
                chain prerouting {{
                    type nat hook prerouting priority 0
                    tcp dport {FIRST}-{FIRST + count - 1} redirect to :8080
                }}
            }}
            """)
        lab.apply("many", *(thing for port in range(FIRST, FIRST + count) for thing in (
            objects.service(f"web-{port}", [("http", "TCP", port, port)], {"metallb.io/allow-shared-ip": "one"}),
            objects.endpoint_slice(f"web-{port}", "IPv4", [("http", "TCP", port)], lab.endpoints()))))

        def states():
            return [row["health"] for row in lab.rows("endpoints")]
        wait_until(lambda: states() == ["passing"] * 1000, "all pass", 30, 0.5)
        control = lab.box.processes["sluice-controlplane"].pid
        since, opened, spent = harness.now(), accepted(pods), cpu_seconds(control)
        wait_until(lambda: harness.now() - since > 5, "five seconds", 10, 0.1)
        took = harness.now() - since
        rate, share = (accepted(pods) - opened) / took, (cpu_seconds(control) - spent) / took
        print(f"{rate:.0f} checks a second, {100 * share:.1f} % of a CPU")
        assert 500 < rate < 1300
        assert share < 0.3
        assert not [line for line in lab.box.tail("sluice-controlplane", 2000).split("\n") if "fails" in line]


def accepted(machines):
    """Connections that their kernels have taken, together."""
    total = 0
    for machine in machines:
        names, numbers = (line.split() for line in machine.run("cat", "/proc/net/snmp").stdout.split("\n")
                          if line.startswith("Tcp:"))
        total += int(numbers[names.index("PassiveOpens")])
    return total


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
        words = stream.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def secure_nginx(pod):
    """Adds a server with TLS at 8443 that answers 500 unless the client named app.example."""
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", "/CN=nobody", "-days", "1", "-keyout", pod.dir / "key.pem", "-out", pod.dir / "cert.pem")
    conf = pod.dir / "nginx.conf"
    text = conf.read_text().rstrip().removesuffix("}")
    conf.write_text(text + f"""
    server {{
        listen 8443 ssl;
        listen [::]:8443 ssl;
        ssl_certificate {pod.dir}/cert.pem;
        ssl_certificate_key {pod.dir}/key.pem;
        location / {{ if ($ssl_server_name != app.example) {{ return 500; }} return 200 "ok"; }}
    }}
}}
""")
    pod.machine.run("nginx", "-c", conf, "-p", pod.dir, "-s", "reload")


class HealthOfNode(http_server.Handler):
    """kube-proxy's answer at healthCheckNodePort."""

    def do_GET(self):
        good = self.server.good and self.path == "/healthz"
        self.send_response(200 if good else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_nodes_say_at_their_health_port_whether_they_have_a_pod(make_lab):
    lab = make_lab(settings={"clusters": [{"name": "lab", "endpoints": "nodeport"}],
                             "health": {"interval_ms": 100, "timeout_ms": 200, "fall": 2}})
    ports = [("http", "TCP", 80, 8080)]
    service = objects.service("local-only", ports, externalTrafficPolicy="Local",
                              healthCheckNodePort=32100)
    service["spec"]["ports"][0]["nodePort"] = 31000
    servers = [http_server.serve_on(node.socket(), ("0.0.0.0", 32100), HealthOfNode)
               for node in lab.nodes]
    for server in servers:
        server.good = True
    try:
        lab.apply("local-only", service, objects.endpoint_slice(
            "local-only", "IPv4", [("http", "TCP", 8080)], lab.endpoints(4)))
        wait_until(lambda: {text for _, text in health(lab, "local-only").values()} == {"passing"},
                   "all nodes pass")
        servers[0].good = False
        wait_until(lambda: health(lab, "local-only")["node1"][0] == "draining", "the node left out")
        assert health(lab, "local-only")["node2"] == ("ready", "passing")
        assert "status" in health(lab, "local-only")["node1"][1]
        servers[0].good = True
        wait_until(lambda: health(lab, "local-only")["node1"] == ("ready", "passing"), "back")
    finally:
        for server in servers:
            server.end()
