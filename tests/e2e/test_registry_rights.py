# SPDX-License-Identifier: BSD-3-Clause
"""With whose rights a cluster is registered, and where the account's own are."""

import json

import kube_api
from test_registry import (  # the fixtures, too
    checks,
    clusters,
    ingress,
    on_disk,
    prod,
    register,
    restart,
    rlab,
    serve,
    wait_live,
)
from topology import wait_until

__all__ = ["prod", "rlab"]

RBAC = "/apis/rbac.authorization.k8s.io/v1"


class TestNamespaces:
    """An account that may read in some namespaces alone."""

    def test_these_alone_are_served(self, rlab, prod):
        rlab.box.sluice("cluster", "register", "prod", "--kubeconfig", str(prod.kubeconfig()),
                        "--namespaces", "default,shop")
        bound = {path for path in prod.applied if "/sluice-" in path and "bindings" in path}
        assert bound == {f"{RBAC}/namespaces/{namespace}/rolebindings/sluice-{what}"
                         for namespace in ("default", "shop") for what in ("objects", "secrets")}
        assert {path for method, path, _ in prod.requests if method == "DELETE"} == {
            f"{RBAC}/clusterrolebindings/sluice-objects", f"{RBAC}/clusterrolebindings/sluice-secrets"}
        row = wait_live(rlab)
        assert row["namespaces"] == ["default", "shop"]
        vip = serve(rlab, prod)
        assert rlab.connect_once(vip, 7000)
        mine = [path for method, path, query in prod.requests
                if method == "GET" and query.get("limit") != "1"
                and path.rsplit("/", 1)[-1] in ("services", "endpointslices", "ingresses", "secrets")]
        assert mine and all("/namespaces/" in path for path in mine), mine
        # sluice.conf may choose some of them.
        rlab.box.settings["clusters"] = [{"name": "prod", "namespaces": ["shop"]}]
        rlab.box.write_settings()
        wait_until(lambda: clusters(rlab)["prod"]["namespaces"] == ["shop"], "shop alone", 10)
        wait_until(lambda: not rlab.addresses("web"), "the other's gone", 10)
        del rlab.box.settings["clusters"]
        rlab.box.write_settings()
        assert rlab.wait_service("web", 1)[0]
        restart(rlab)
        assert wait_live(rlab)["namespaces"] == ["default", "shop"]
        # Fewer than before.
        prod.requests.clear()
        rlab.box.sluice("cluster", "register", "prod", "--kubeconfig", str(prod.kubeconfig()),
                        "--namespaces", "default")
        assert {path for method, path, _ in prod.requests if method == "DELETE"} > {
            f"{RBAC}/namespaces/shop/rolebindings/sluice-{what}" for what in ("objects", "secrets")}
        said = rlab.box.sluice("cluster", "unregister", "prod").stdout
        assert "--dry-run --namespaces default | kubectl delete" in said

    def test_a_namespace_without_the_right_is_named(self, rlab, prod):
        rlab.box.sluice("cluster", "register", "prod", "--kubeconfig", str(prod.kubeconfig()),
                        "--secrets-in", "shop")
        wait_live(rlab)
        prod.allowed = lambda asked: asked["resource"] != "secrets" or asked["namespace"] == "shop"
        assert checks(rlab)["rights"]["found"] == "13 of 13 needed"  # nobody needs one
        one = ingress("tls", "tls.test", "web")
        one["spec"]["tls"] = [{"hosts": ["tls.test"], "secretName": "tls"}]
        prod.apply(one)
        wait_until(lambda: prod.asked("secrets"), "asked for", 10)
        rows = checks(rlab)
        row = rows["right list secrets in default"]
        assert row["result"] == "failed" and "certificates of Ingresses" in row["found"]
        assert row["mend"].endswith("--dry-run --secrets-in default")
        assert rows["rights"]["found"] == "13 of 15 needed"
        prod.delete("ingresses", "tls")

    def test_a_secret_that_may_not_be_read_is_its_own_matter(self, rlab, prod):
        register(rlab, prod)
        serve(rlab, prod)
        prod.fault = lambda method, path, query: (
            (403, [], json.dumps({"message": "secrets is forbidden"})) if path.endswith("/secrets") else None)
        one = ingress("tls", "tls.test", "web")
        one["spec"]["tls"] = [{"hosts": ["tls.test"], "secretName": "tls"}]
        prod.apply(one)
        row = wait_until(lambda: [row for row in rlab.rows("problems")
                                  if "secrets is forbidden" in row["text"]], "the problem", 15)[0]
        assert row["level"] == "warning" and clusters(rlab)["prod"]["health"] == "live"
        prod.delete("ingresses", "tls")

    def test_names_that_cannot_be(self, rlab, prod):
        for words, text in ((("--namespaces", "a,/b"), "names of namespaces"),
                            (("--namespaces", "a,"), "names of namespaces"),
                            (("--namespaces", "a", "--secrets-in", "b"), "namespaces or secrets_in")):
            for more in (("prod", "--kubeconfig", str(prod.kubeconfig())), ("--dry-run",)):
                refused = rlab.box.sluice("cluster", "register", *more, *words, check=False)
                assert refused.returncode and text in refused.stderr, refused
                assert len(refused.stderr.strip().splitlines()) == 1
        assert not clusters(rlab)

    def test_dry_run_says_where(self, rlab):
        text = rlab.box.sluice("cluster", "register", "--dry-run", "--namespaces", "a,b").stdout
        assert text.count("kind: RoleBinding") == 5 and text.count("kind: ClusterRoleBinding") == 1
        assert text.count("namespace: a\n") == 2


class TestPlugins:
    """A user of a kubeconfig that is a program: it is run where the command is typed."""

    def plugin(self, api, script, **more):
        file = api.folder / "login"
        file.write_text("#!/bin/sh\n" + script)
        file.chmod(0o755)
        return {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "./login",
                         "interactiveMode": "IfAvailable", **more}}

    def test_its_token_is_used_this_once(self, rlab, prod):
        status = json.dumps({"kind": "ExecCredential",
                             "apiVersion": "client.authentication.k8s.io/v1beta1",
                             "status": {"token": prod.token}})
        user = self.plugin(prod, f"echo run >>$0.runs\necho '{status}'\n")
        assert "prod is registered" in register(rlab, prod, user=user).stdout
        row = wait_live(rlab)
        assert row["account"] == "sluice/sluice"
        vip = serve(rlab, prod)
        restart(rlab)
        wait_live(rlab)
        assert rlab.connect_once(vip, 7000)
        assert (prod.folder / "login.runs").read_text() == "run\n"
        assert not on_disk(rlab, "login")

    def test_its_client_certificate(self, rlab, prod):
        cert, key = kube_api.make_client_certificate(prod.ca)
        status = json.dumps({"status": {"clientCertificateData": cert.read_text(),
                                        "clientKeyData": key.read_text()}})
        (prod.folder / "login.said").write_text(status)
        user = self.plugin(prod, "cat $0.said\n")
        register(rlab, prod, user=user)
        wait_live(rlab)
        assert prod.bearers[0] == ""

    def test_one_that_fails_is_told_in_a_line(self, rlab, prod):
        user = self.plugin(prod, "echo starting >&2\necho you are not logged in >&2\nexit 4\n")
        refused = register(rlab, prod, check=False, user=user)
        assert refused.returncode == 1
        lines = refused.stderr.strip().splitlines()
        assert len(lines) == 1 and "ended with 4: you are not logged in" in lines[0], lines
        user["exec"]["command"] = "./no-login"
        user["exec"]["installHint"] = "it is in the package login"
        refused = register(rlab, prod, check=False, user=user)
        lines = refused.stderr.strip().splitlines()
        assert len(lines) == 1 and "it is in the package login" in lines[0], lines
        # A token given has nothing to do with it.
        rlab.box.sluice("cluster", "register", "prod", "--kubeconfig",
                        str(prod.kubeconfig(user=user)), "--token", prod.token)
