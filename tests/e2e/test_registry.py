# SPDX-License-Identifier: BSD-3-Clause
"""Clusters registered from the console: the account made in them, its token renewed, checked,
drained, forgotten."""

import json
import signal
import time
from pathlib import Path

import kube_api
import objects
import pytest
from topology import wait_until

PORTS = [("echo", "TCP", 7000, 9000)]


@pytest.fixture(scope="module")
def rlab(make_module_lab):
    lab = make_module_lab(start=False)
    lab.box.settings["sources"] = []
    lab.box.write_settings()
    lab.box.start_all()
    return lab


def make_api(lab, name, port):
    folder = lab.net.dir / name
    folder.mkdir(exist_ok=True)
    api = kube_api.FakeApi(lab.net.box.socket, folder, token=f"admin-of-{name}", port=port)
    api.apply(*lab.node_objects())
    return api


@pytest.fixture
def prod(rlab):
    api = make_api(rlab, "prod", 6443)
    yield api
    rlab.box.sluice("cluster", "unregister", "prod", check=False)
    rlab.box.sluice("cluster", "undrain", "prod", check=False)
    api.down()


def clusters(lab):
    return {row["name"]: row for row in lab.rows("clusters")}


def wait_live(lab, name="prod"):
    return wait_until(lambda: clusters(lab).get(name, {}).get("health") == "live" and clusters(lab)[name],
                      f"{name} live", 15)


def register(lab, api, name="prod", check=True, **changes):
    return lab.box.sluice("cluster", "register", name, "--kubeconfig",
                          str(api.kubeconfig(**changes)), check=check)


def serve(lab, api, name="web"):
    rows = lab.endpoints(4)
    api.apply(
        objects.service(name, PORTS),
        objects.endpoint_slice(name, "IPv4", [(port, protocol, target)
                                              for port, protocol, _, target in PORTS], rows))
    return lab.wait_service(name, 1, {(row["addresses"][0], "ready") for row in rows})[0]


def restart(lab):
    lab.box.kill("sluice-controlplane", signal.SIGTERM)
    lab.box.start("sluice-controlplane")
    lab.box.wait_answers()


def answers(lab, vip):
    try:
        return bool(lab.connect_once(vip, 7000, timeout=1))
    except OSError:
        return False


def on_disk(lab, text):
    """Files of the box that hold the text."""
    folder = Path(lab.box.settings["state_dir"])
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


class TestRegister:
    def test_a_cluster_is_served_under_its_own_account(self, rlab, prod):
        said = register(rlab, prod).stdout
        assert "prod is registered" in said and "cluster check prod" in said
        made = {path.rsplit("/", 1)[0] for path in prod.applied}
        assert {"/api/v1/namespaces", "/api/v1/namespaces/sluice/serviceaccounts",
                "/apis/rbac.authorization.k8s.io/v1/clusterroles",
                "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                "/apis/rbac.authorization.k8s.io/v1/namespaces/sluice/roles",
                "/apis/rbac.authorization.k8s.io/v1/namespaces/sluice/rolebindings",
                "/apis/networking.k8s.io/v1/ingressclasses"} == made
        assert not any("Secret\n" in text for text in prod.applied.values())
        vip = serve(rlab, prod)
        assert rlab.connect_once(vip, 7000)
        row = wait_live(rlab)
        assert row["registered"] and row["account"] == "sluice/sluice" and row["token_ends"]
        # Who registered has nothing to do with it any more.
        prod.token = "revoked"
        prod.bearers.clear()
        wait_until(lambda: prod.bearers, "asked again", 15)
        assert set(prod.bearers) <= set(prod.accounts)
        assert clusters(rlab)["prod"]["problem"] == ""

    def test_nothing_of_it_is_plain_on_the_disk(self, rlab, prod):
        register(rlab, prod)
        wait_live(rlab)
        tokens = list(prod.accounts)
        assert tokens and on_disk(rlab, "cluster") is not None
        for secret in (*tokens, tokens[0].split(".")[1], prod.token):
            assert not on_disk(rlab, secret)
        sealed = Path(rlab.box.settings["state_dir"], "registered")
        assert sealed.stat().st_mode & 0o777 == 0o600

    def test_it_is_there_after_a_restart(self, rlab, prod):
        register(rlab, prod)
        vip = serve(rlab, prod)
        restart(rlab)
        wait_live(rlab)
        assert rlab.wait_service("web", 1)[0] == vip
        assert rlab.connect_once(vip, 7000)

    def test_the_token_is_renewed_and_the_old_one_is_not_used(self, rlab, prod):
        prod.token_life = 6
        register(rlab, prod)
        first = set(prod.accounts)
        prod.only_newest = True
        wait_live(rlab)
        wait_until(lambda: prod.accounts and not set(prod.accounts) & first, "another token", 15)
        second = set(prod.accounts)
        wait_until(lambda: prod.accounts and not set(prod.accounts) & second, "a third", 15)
        vip = serve(rlab, prod)
        assert rlab.connect_once(vip, 7000)
        wait_until(lambda: clusters(rlab)["prod"]["problem"] == "", "no problem", 10)

    def test_a_renewal_that_fails_is_told(self, rlab, prod):
        prod.token_life = 9
        register(rlab, prod)
        wait_live(rlab)
        prod.fault = lambda method, path, query: (
            (403, [], json.dumps({"message": "no more tokens"})) if path.endswith("/token") else None)
        wait_until(lambda: "cannot be renewed" in clusters(rlab)["prod"]["problem"], "the problem", 15)
        assert any("no more tokens" in row["text"] for row in rlab.rows("problems"))

    def test_by_hand(self, rlab, prod):
        token = kube_api.make_token("lb", "reader")
        prod.accounts[token] = "lb/reader"
        rlab.box.sluice("cluster", "register", "prod", "--server", f"https://127.0.0.1:{prod.port}",
                        "--ca", str(prod.ca), "--token", token)
        assert not prod.applied
        row = wait_live(rlab)
        assert row["account"] == "lb/reader"
        assert "lb/reader" in list(prod.accounts.values())[1:]
        prod.bearers.clear()
        wait_until(lambda: prod.bearers, "asked", 10)
        assert token not in prod.bearers

    def test_a_backup_has_it(self, rlab, prod):
        register(rlab, prod)
        vip = serve(rlab, prod)
        file, secret = rlab.net.dir / "box.backup", rlab.net.dir / "passphrase"
        secret.write_text("correct horse battery\n")
        rlab.box.sluice("backup", str(file), "--passphrase-file", str(secret))
        rlab.box.sluice("cluster", "unregister", "prod")
        wait_until(lambda: not rlab.addresses("web"), "the Service gone", 5)
        rlab.box.sluice("restore", str(file), "--passphrase-file", str(secret), "--yes")
        wait_until(lambda: rlab.box.sluice("show", "clusters", check=False).returncode == 0
                   and "prod" in clusters(rlab), "registered again", 20)
        row = wait_live(rlab)
        assert row["registered"] and row["account"] == "sluice/sluice"
        assert rlab.wait_service("web", 1)[0] == vip

    def test_dry_run_prints_the_manifests(self, rlab):
        text = rlab.box.sluice("cluster", "register", "--dry-run").stdout
        kinds = [line.split()[1] for line in text.splitlines() if line.startswith("kind: ")]
        assert kinds == ["Namespace", "ServiceAccount", "Secret", *["ClusterRole", "ClusterRoleBinding"] * 3,
                         "Role", "RoleBinding", "IngressClass"]
        assert text == rlab.box.sluice("cluster", "register", "prod", "--dry-run").stdout

    def test_two_clusters_do_not_disturb_each_other(self, rlab, prod):
        other = make_api(rlab, "edge", 6444)
        try:
            register(rlab, prod)
            vip = serve(rlab, prod)
            with rlab.connect(vip, 7000)[0] as held:
                register(rlab, other, "edge")
                wait_live(rlab, "edge")
                rlab.box.sluice("cluster", "unregister", "edge")
                wait_until(lambda: "edge" not in clusters(rlab), "edge gone", 5)
                held.sendall(b"still here")
                assert held.recv(100)
            assert rlab.connect_once(vip, 7000)
        finally:
            other.down()

    def test_unregistered_nothing_is_left(self, rlab, prod):
        register(rlab, prod)
        serve(rlab, prod)
        assert "not served any more" in rlab.box.sluice("cluster", "unregister", "prod").stdout
        wait_until(lambda: not rlab.addresses("web"), "the Service gone", 5)
        refused = rlab.box.sluice("cluster", "unregister", "prod", check=False)
        assert refused.returncode == 2 and "expected a registered cluster" in refused.stderr


class TestMistakes:
    def refused(self, lab, text, *words, **changes):
        answer = lab.box.sluice("cluster", "register", *words, check=False, **changes)
        assert answer.returncode and text in answer.stderr, answer.stderr
        assert len(answer.stderr.strip().splitlines()) == 1, answer.stderr
        assert not clusters(lab)

    def test_a_wrong_token(self, rlab, prod):
        path = prod.kubeconfig(user={"token": "expired"})
        self.refused(rlab, "(401)", "prod", "--kubeconfig", str(path))

    def test_a_wrong_ca(self, rlab, prod):
        other = kube_api.make_certificates(rlab.net.dir, "wrong")
        path = prod.kubeconfig(cluster={"server": f"https://127.0.0.1:{prod.port}",
                                        "certificate-authority": str(other)})
        self.refused(rlab, "certificate is not accepted", "prod", "--kubeconfig", str(path))

    def test_nobody_there(self, rlab, prod):
        path = prod.kubeconfig(cluster={"server": "https://127.0.0.1:6440"})
        self.refused(rlab, "no connection", "prod", "--kubeconfig", str(path))

    def test_a_port_of_something_else(self, rlab, prod):
        plain = kube_api.plain_http(rlab.net.box.socket, 6441)
        try:
            path = prod.kubeconfig(cluster={"server": "https://127.0.0.1:6441"})
            self.refused(rlab, "is that the port of the API server", "prod", "--kubeconfig", str(path))
        finally:
            plain.close()

    def test_missing_rights(self, rlab, prod):
        prod.fault = lambda method, path, query: (
            (403, [], json.dumps({"message": "forbidden"})) if query.get("fieldManager") else None)
        self.refused(rlab, "an administrator", "prod", "--kubeconfig", str(prod.kubeconfig()))

    def test_no_kubeconfig(self, rlab, prod, tmp_path):
        path = tmp_path / "none"
        self.refused(rlab, "cannot be read", "prod", "--kubeconfig", str(path))
        path.write_text("just: text\n")
        self.refused(rlab, "has no clusters", "prod", "--kubeconfig", str(path))
        self.refused(rlab, "expected kubeconfig FILE", "prod")
        self.refused(rlab, "needs its NAME", "--kubeconfig", str(prod.kubeconfig()))

    def test_a_bad_name(self, rlab, prod):
        self.refused(rlab, "expected 1 to 40 of a-z", "Prod/1", "--kubeconfig", str(prod.kubeconfig()))

    def test_an_insecure_kubeconfig(self, rlab, prod):
        path = prod.kubeconfig(cluster={"server": f"https://127.0.0.1:{prod.port}",
                                        "insecure-skip-tls-verify": True})
        self.refused(rlab, "insecure-skip-tls-verify", "prod", "--kubeconfig", str(path))


def checks(lab, name="prod"):
    return {row["what"]: row for row in json.loads(
        lab.box.sluice("cluster", "check", name, "--json").stdout)["checks"]}


class TestCheck:
    def test_all_is_well(self, rlab, prod):
        register(rlab, prod)
        serve(rlab, prod)
        wait_live(rlab)
        rows = checks(rlab)
        assert rows["API server"]["result"] == "ok" and "v1.27.3" in rows["API server"]["found"]
        assert rows["clock"]["result"] == "ok"
        assert rows["token"]["result"] == "ok" and "sluice/sluice" in rows["token"]["found"]
        assert rows["rights"]["result"] == "ok"
        assert "pod" in rows["endpoint mode"]["found"]
        pods = [row for what, row in rows.items() if what.endswith(" pods")]
        assert pods and all("answers" in row["found"] and row["result"] == "ok" for row in pods)
        assert "0 failed" in rlab.box.sluice("cluster", "check", "prod").stdout

    def test_a_missing_right_is_named(self, rlab, prod):
        register(rlab, prod)
        wait_live(rlab)
        prod.denied = {("patch", "services/status")}
        row = checks(rlab)["right patch services/status"]
        assert row["result"] == "failed" and "not told their address" in row["found"]
        assert "kubectl apply" in row["mend"]

    def test_a_pod_that_is_not_reached(self, rlab, prod):
        register(rlab, prod)
        serve(rlab, prod)
        wait_live(rlab)
        node = rlab.nodes[0]
        node.run("nft", "add table inet closed; add chain inet closed way { type filter hook forward "
                 "priority 0; }; add rule inet closed way tcp dport 9000 drop")
        try:
            rows = checks(rlab)
        finally:
            node.run("nft", "delete table inet closed")
        silent = [row for row in rows.values() if "no answer" in row["found"]]
        assert silent and silent[0]["result"] == "failed" and "firewall" in silent[0]["mend"]

    def test_the_server_is_down(self, rlab, prod):
        register(rlab, prod)
        wait_live(rlab)
        prod.down()
        rows = checks(rlab)
        assert rows["API server"]["result"] == "failed"
        assert "is the API server up" in rows["API server"]["found"]

    def test_a_clock_that_is_wrong(self, rlab, prod):
        register(rlab, prod)
        wait_live(rlab)
        prod.skew = 600
        wait_until(lambda: abs(clusters(rlab)["prod"]["skew_s"]) > 500, "the skew seen", 15)
        assert checks(rlab)["clock"]["result"] == "failed"

    def test_no_such_cluster(self, rlab):
        refused = rlab.box.sluice("cluster", "check", "nowhere", check=False)
        assert refused.returncode == 2 and "expected a cluster" in refused.stderr


class TestDrain:
    def test_a_drained_cluster_gets_nothing_new(self, rlab, prod):
        register(rlab, prod)
        vip = serve(rlab, prod)
        with rlab.connect(vip, 7000)[0] as held:
            assert "drained" in rlab.box.sluice("cluster", "drain", "prod").stdout
            wait_until(lambda: not answers(rlab, vip), "nothing new", 5)
            assert clusters(rlab)["prod"]["drained"]
            held.sendall(b"goes on")
            assert held.recv(100)
            restart(rlab)
            wait_live(rlab)
            assert clusters(rlab)["prod"]["drained"] and not answers(rlab, vip)
        rlab.box.sluice("cluster", "undrain", "prod")
        wait_until(lambda: answers(rlab, vip), "served again", 5)

    def test_show(self, rlab, prod):
        register(rlab, prod)
        wait_live(rlab)
        text = rlab.box.sluice("cluster", "show", "prod").stdout
        assert text.startswith("prod: live") and "sluice/sluice" in text and "token ends" in text
        assert "prod" in rlab.box.sluice("cluster", "list").stdout


def test_time_is_not_lost(rlab, prod):
    """Registering takes a moment, not the patience of somebody."""
    began = time.monotonic()
    register(rlab, prod)
    assert time.monotonic() - began < 5


def ingress(name, host, service):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"rules": [{"host": host, "http": {"paths": [{
                "path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": service, "port": {"number": 80}}}}]}}]}}


def behind(lab, api, pods):
    """Service both, of these pods, and the Ingress for both.test."""
    service = objects.service("both", [("http", "TCP", 80, 8080)])
    service["spec"]["type"] = "ClusterIP"
    api.apply(service, objects.endpoint_slice("both", "IPv4", [("http", "TCP", 8080)],
                                              lab.endpoints(4, pods)),
              ingress("both", "both.test", "both"))


def test_a_host_that_two_clusters_share(make_module_lab):
    lab = make_module_lab(start=False)
    lab.box.settings["sources"] = []
    lab.box.settings["shares"] = [{"service": "default/both", "clusters": [
        {"name": "prod", "weight": 3}, {"name": "edge", "weight": 1}]}]
    lab.box.write_settings()
    lab.box.start_all()
    apis = {name: make_api(lab, name, port) for name, port in (("prod", 6443), ("edge", 6444))}
    names = list(lab.pods)
    try:
        for name in apis:
            register(lab, apis[name], name)
        behind(lab, apis["prod"], names[:2])
        behind(lab, apis["edge"], names[2:3])
        address = wait_until(lambda: [row["addresses"][0] for row in lab.rows("ingresses")
                                      if row["addresses"]], "an address", 10)[0]

        def answered(count):
            said = [lab.curl("-s", "--max-time", "5", "-H", "Host: both.test",
                             f"http://{address}/").stdout for _ in range(count)]
            return {name: sum(name in text for text in said) for name in names[:3]}
        wait_until(lambda: all(answered(24).values()), "all three pods", 15)
        counts = answered(80)
        assert 12 <= counts[names[2]] <= 28, counts
        assert not [row for row in lab.rows("problems") if row["object"].startswith("Ingress")]
        # Without a ready endpoint a cluster has no share, at once.
        behind(lab, apis["prod"], [])
        wait_until(lambda: answered(8) == {names[0]: 0, names[1]: 0, names[2]: 8}, "edge alone", 10)
        behind(lab, apis["prod"], names[:2])
        wait_until(lambda: answered(12)[names[0]], "prod again", 10)
        lab.box.sluice("cluster", "drain", "edge")
        wait_until(lambda: not answered(12)[names[2]], "edge drained", 10)
    finally:
        for api in apis.values():
            api.down()
