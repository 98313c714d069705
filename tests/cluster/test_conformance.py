# SPDX-License-Identifier: BSD-3-Clause
"""What every Ingress controller does alike, end to end: default backend, rules by host and by path,
class, and load balancing. One Ingress is one feature, and a row of a table one scenario."""

import ssl
import subprocess
import time

import pytest
from topology import wait_until
from world import CLASS

DEFAULT, EXACT, WILD = "cf-default", "cf-exact", "cf-wild"
PATHS = {"cf-slash": ("Prefix", "/"), "cf-foo": ("Exact", "/foo"), "cf-aaa": ("Prefix", "/aaa"),
         "cf-bbb": ("Prefix", "/aaa/bbb"), "cf-end": ("Prefix", "/end/"),
         "cf-both-e": ("Exact", "/both"), "cf-both-p": ("Prefix", "/both")}
TLS_HOST = "tls.conformance.test"


@pytest.fixture(scope="module")
def served(world, tmp_path_factory):
    """All Ingresses of the feature files, and the address they have."""
    a = world.a
    for name in (DEFAULT, EXACT, WILD, "cf-other", *PATHS):
        a.deploy(name)
    a.deploy("cf-many", replicas=4)
    context = secret(a, tmp_path_factory.mktemp("tls"))
    a.ingress("cf-hosts", [("exact.conformance.test", "/", "Prefix", EXACT),
                           ("*.wild.conformance.test", "/", "Prefix", WILD),
                           (TLS_HOST, "/", "Prefix", EXACT)],
              tls=[{"hosts": [TLS_HOST], "secretName": "cf-tls"}])
    a.ingress("cf-paths", [("paths.conformance.test", path, kind, name)
                           for name, (kind, path) in PATHS.items()])
    a.ingress("cf-one-exact", [("one.conformance.test", "/foo", "Exact", "cf-foo"),
                               ("one.conformance.test", "/bar/", "Prefix", "cf-end")])
    a.ingress("cf-many", [("many.conformance.test", "/", "Prefix", "cf-many")])
    a.ingress("cf-not-ours", [("other.conformance.test", "/", "Prefix", "cf-other")],
              class_name="of-another")
    a.ingress("cf-default", default=DEFAULT)
    address = a.wait_address("ingresses", "cf-default")
    for host, service in (("exact.conformance.test", EXACT), ("a.wild.conformance.test", WILD),
                          ("paths.conformance.test", "cf-slash"), ("many.conformance.test", "cf-many"),
                          ("nobody.test", DEFAULT)):
        world.wait_served(address, service, host)
    for name, (_, path) in PATHS.items():
        if name != "cf-both-p":
            world.wait_served(address, name, "paths.conformance.test", path)
    return address, context


def secret(a, folder, name="cf-tls", host=TLS_HOST):
    """A certificate as a Secret; what trusts it."""
    key, chain = folder / "key", folder / "crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={host}",
                    "-addext", f"subjectAltName=DNS:{host}", "-keyout", key, "-out", chain],
                   check=True, capture_output=True)
    a.api.create(a.path("secrets"), {
        "metadata": {"name": name}, "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": chain.read_text(), "tls.key": key.read_text()}})
    return ssl.create_default_context(cafile=chain)


def expect(world, address, service, host, path="/", **more):
    """`service` answers; None: nobody of the cluster does."""
    status, said = world.ask(address, host, path, **more)
    if service is None:
        assert (status, said) == (404, None)
    else:
        assert status == 200 and said["service"] == service, (status, said)
        assert (said["path"], said["host"]) == (path, host)
    return said


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/"), ("POST", "/"), ("PUT", "/some/where"), ("DELETE", "/a?b=c"), ("PATCH", "/%20")])
def test_default_backend(world, served, method, path):
    said = expect(world, served[0], DEFAULT, "whoever.test", path, method=method)
    assert said["method"] == method


@pytest.mark.parametrize(("host", "service"), [
    ("exact.conformance.test", EXACT),
    ("EXACT.conformance.test", EXACT),
    ("more.exact.conformance.test", DEFAULT),
    ("a.wild.conformance.test", WILD),
    ("a.b.wild.conformance.test", DEFAULT),
    ("wild.conformance.test", DEFAULT)])
def test_host_rules(world, served, host, service):
    expect(world, served[0], service, host)


def test_host_rules_with_tls(world, served):
    address, context = served
    world.wait_served(address, EXACT, TLS_HOST, tls=context)
    said = expect(world, address, EXACT, TLS_HOST, tls=context)
    assert said["headers"]["x-forwarded-proto"] == "https"


def test_ingress_class_of_another_is_left_alone(world, served):
    world.wait_served(served[0], DEFAULT, "other.conformance.test")
    rows = {row["ingress"]: row for row in world.lab.rows("ingresses")}
    assert not world.a.addresses("ingresses", "cf-not-ours")
    assert not any(row["served"] for name, row in rows.items() if name.endswith("/cf-not-ours"))


def test_ingress_class_changed_to_ours_is_served(world, served):
    a = world.a
    path = a.path("ingresses", "networking.k8s.io/v1")
    a.ingress("cf-becomes", [("becomes.conformance.test", "/", "Prefix", "cf-other")],
              class_name="of-another")
    expect(world, served[0], DEFAULT, "becomes.conformance.test")
    a.api.patch(f"{path}/cf-becomes", {"spec": {"ingressClassName": CLASS}})
    started = time.monotonic()
    a.wait_address("ingresses", "cf-becomes", 2)
    assert time.monotonic() - started < 2
    world.wait_served(served[0], "cf-other", "becomes.conformance.test")
    a.api.patch(f"{path}/cf-becomes", {"spec": {"ingressClassName": "of-another"}})
    world.wait_served(served[0], DEFAULT, "becomes.conformance.test")
    wait_until(lambda: not a.addresses("ingresses", "cf-becomes"), "its status cleared", 60)


def test_load_balancing(world, served):
    wait_until(lambda: world.a.rolled("cf-many"), "four pods", 60)
    counts = {}

    def all_of_them():
        return len(world.in_use(served[0], "many.conformance.test")) == 4
    wait_until(all_of_them, "four pods in use", 60)
    for _ in range(200):
        pod = world.ask(served[0], "many.conformance.test")[1]["pod"]
        counts[pod] = counts.get(pod, 0) + 1
    assert len(counts) == 4 and min(counts.values()) >= 25, counts


@pytest.mark.parametrize(("path", "service"), [
    ("/foo", "cf-foo"), ("/foo/", "cf-slash"), ("/FOO", "cf-slash"), ("/bar", "cf-slash"),
    ("/aaa", "cf-aaa"), ("/aaa/ccc", "cf-aaa"), ("/aaaccc", "cf-slash"),
    ("/aaa/bbb", "cf-bbb"), ("/aaa/bbb/ccc", "cf-bbb"), ("/aaa/bbbxyz", "cf-aaa"),
    ("/end", "cf-end"), ("/both", "cf-both-e"), ("/both/more", "cf-both-p")])
def test_path_rules(world, served, path, service):
    expect(world, served[0], service, "paths.conformance.test", path)


def test_path_rules_that_match_nothing(world, served):
    """No path of the host fits: the default backend, as of a host that nobody names."""
    expect(world, served[0], "cf-foo", "one.conformance.test", "/foo")
    expect(world, served[0], "cf-end", "one.conformance.test", "/bar")
    for path in ("/foo/", "/fo", "/barx"):
        expect(world, served[0], DEFAULT, "one.conformance.test", path)


def test_no_default_backend_answers_404(world, served):
    """The last of the file: the Ingress with the default backend goes."""
    a = world.a
    a.api.delete(f"{a.path('ingresses', 'networking.k8s.io/v1')}/cf-default")
    wait_until(lambda: world.ask(served[0], "nobody.test")[0] == 404, "404", 60)
    expect(world, served[0], None, "a.b.wild.conformance.test")
    expect(world, served[0], EXACT, "exact.conformance.test")
