# SPDX-License-Identifier: BSD-3-Clause
"""Registering a real cluster: by the context that is named, and what is said when it cannot be."""

import base64
import json
import subprocess
import time

import pytest
from test_life import serve
from test_truth import row_of
from topology import wait_until

NAME = "again"
SPACE = "registered"


@pytest.fixture(scope="module")
def there(world):
    """A namespace of b with a ServiceAccount that may do nothing."""
    there = world.b.in_namespace(SPACE)
    there.name = NAME
    there.api.create(there.path("serviceaccounts"), {"metadata": {"name": "nobody"}})
    return there


def token(there, name="nobody"):
    return there.api.create(f"{there.path('serviceaccounts')}/{name}/token", {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 600}})["status"]["token"]


def coded(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def expired(there):
    """A token as the cluster itself gave it, three hours ago for one."""
    head, claims, _ = token(there).split(".")
    claims, now = json.loads(decoded(claims)), int(time.time())
    claims.update(iat=now - 3 * 3600, nbf=now - 3 * 3600, exp=now - 2 * 3600 - 60)
    signed = f"{head}.{coded(json.dumps(claims).encode())}"
    mark = subprocess.run(["openssl", "dgst", "-sha256", "-sign", there.api.dir / "accounts.key"],
                          input=signed.encode(), check=True, capture_output=True).stdout
    return f"{signed}.{coded(mark)}"


@pytest.fixture
def kubeconfig(there, tmp_path):
    """kubeconfig(current, name=(cluster changes, user)): the path of one with those contexts."""
    def make(current, **contexts):
        whole = {"server": there.api.server, "certificate-authority": str(there.api.dir / "ca.crt")}
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": current,
            "contexts": [{"name": name, "context": {"cluster": f"c-{name}", "user": f"u-{name}"}}
                         for name in contexts],
            "clusters": [{"name": f"c-{name}", "cluster": {**whole, **cluster}}
                         for name, (cluster, _) in contexts.items()],
            "users": [{"name": f"u-{name}", "user": user} for name, (_, user) in contexts.items()]}))
        return path
    return make


def register(world, *words, check=True):
    return world.lab.box.sluice("cluster", "register", NAME, *map(str, words), "--namespaces", SPACE,
                                check=check)


def refused(world, *words):
    """What it says, in its one line; and nothing is kept."""
    answer = register(world, *words, check=False)
    assert answer.returncode, answer
    line, = answer.stderr.strip().splitlines()
    assert NAME not in {row["name"] for row in world.lab.rows("clusters")}
    return line


def test_the_context_that_is_named(world, there, kubeconfig):
    good = json.loads((there.api.dir / "kubeconfig").read_text())["users"][0]["user"]
    file = kubeconfig("old", old=({"server": f"https://{there.api.address}:6440"}, good),
                      new=({}, good))
    said = refused(world, "--kubeconfig", file)
    assert "no connection" in said and "is its address right" in said, said
    said = refused(world, "--kubeconfig", file, "--context", "newest")
    assert 'there is no context "newest" in the file, but old, new' in said, said
    assert "is registered" in register(world, "--kubeconfig", file, "--context", "new").stdout
    try:
        wait_until(lambda: row_of(world, NAME)["health"] == "live", "live", 60)
        row = row_of(world, NAME)
        assert (row["server"], row["account"]) == (there.api.server, "sluice/sluice"), row
        serve(world, there, "by-context", 1)
        checks = json.loads(world.lab.box.sluice("cluster", "check", NAME, "--json").stdout)["checks"]
        assert not [row for row in checks if row["result"] == "failed"], checks
    finally:
        world.lab.box.sluice("cluster", "unregister", NAME)
    wait_until(lambda: not [row for row in world.lab.rows("services")
                            if row["service"] == f"{NAME}/{SPACE}/by-context"], "served no more", 60)


def test_a_token_that_ended(world, there, kubeconfig):
    user = {"token": expired(there)}
    said = refused(world, "--kubeconfig", kubeconfig("it", it=({}, user)))
    assert "the token given ended 2 h ago (401): get a new one" in said, said
    said = refused(world, "--server", there.api.server, "--ca", there.api.dir / "ca.crt",
                   "--token", user["token"])
    assert "the token given ended 2 h ago (401): get a new one" in said, said


def test_a_token_of_an_account_that_is_gone(world, there, kubeconfig):
    there.api.create(there.path("serviceaccounts"), {"metadata": {"name": "passing"}})
    user = {"token": token(there, "passing")}
    there.api.delete(f"{there.path('serviceaccounts')}/passing")
    # The API server goes on believing it for some seconds.
    file = kubeconfig("it", it=({}, user))
    said = wait_until(lambda: (text := refused(world, "--kubeconfig", file)) and "(401)" in text
                      and text, "refused", 60)
    assert "does not take our credentials" in said and "sluice cluster register" in said, said


def test_a_ca_of_another(world, there, kubeconfig):
    user = {"token": "any"}
    other = {"certificate-authority": str(world.a.api.dir / "ca.crt")}
    said = refused(world, "--kubeconfig", kubeconfig("it", it=(other, user)))
    assert "its certificate is not accepted" in said and "certificate-authority-data" in said, said


def test_rights_that_do_not_do(world, there, kubeconfig):
    user = {"token": token(there)}
    said = refused(world, "--kubeconfig", kubeconfig("it", it=({}, user)))
    assert "(403)" in said and "take those of an administrator" in said, said
    said = refused(world, "--server", there.api.server, "--ca", there.api.dir / "ca.crt",
                   "--token", user["token"])
    assert "(403)" in said and "sluice cluster register --dry-run" in said, said
    assert '"system:serviceaccount:' in said and "\\" not in said, said


@pytest.mark.parametrize(("text", "said"), [
    ("{", "not YAML"), ("just: text\n", "has no clusters"),
    ('{"clusters": [], "contexts": []}', "which context is meant")])
def test_a_file_that_is_no_kubeconfig(world, tmp_path, text, said):
    (tmp_path / "file").write_text(text)
    assert said in refused(world, "--kubeconfig", tmp_path / "file")
    assert "cannot be read" in refused(world, "--kubeconfig", tmp_path / "none")
