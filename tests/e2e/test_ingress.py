# SPDX-License-Identifier: BSD-3-Clause
"""Ingresses end to end: manifests in, curl out."""

import http.client
import json
import re
import ssl
import time

import pytest

import harness  # noqa: F401  (the lab fixture's)
import objects
from topology import ROOT, WAN4, run, wait_until

VIP = WAN4.format(140)
SETTINGS = {"ingress": {"addresses": [VIP]}}


def backend(service, port=80):
    return {"service": {"name": service, "port": {"number": port}}}


def path(text, service, kind="Prefix", port=80):
    return {"path": text, "pathType": kind, "backend": backend(service, port)}


def ingress(name, hosts, annotations=None, created=None, **spec):
    """hosts: {host: paths}; host "" = all."""
    metadata = {"name": name, "namespace": "default"}
    if annotations:
        metadata["annotations"] = annotations
    if created:
        metadata["creationTimestamp"] = created
    rules = [{**({"host": host} if host else {}), "http": {"paths": paths}}
             for host, paths in hosts.items()]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata,
            "spec": {**({"rules": rules} if rules else {}), **spec}}


def web_service(lab, name, pods, **conditions):
    """A ClusterIP Service and its endpoints, each pod's nginx."""
    return [
        objects.service(name, [("http", "TCP", 80, 8080)], type="ClusterIP"),
        objects.endpoint_slice(name, "IPv4", [("http", "TCP", 8080)],
                               lab.endpoints(pods=pods, **conditions)),
    ]


def curl(lab, url, *words):
    """(status, body, headers) of one request."""
    host = url.split("/")[2]
    name, _, port = host.partition(":")
    port = port or ("443" if url.startswith("https") else "80")
    done = lab.client.run("curl", "-sS", "-i", "--path-as-is", "--max-time", "5", "--resolve",
                          f"{name}:{port}:{VIP}", *words, url, check=False)
    if done.returncode:
        return 0, done.stderr, {}
    head, _, body = done.stdout.partition("\n\n")
    lines = head.split("\n")
    return (int(lines[0].split()[1]), body.strip(),
            {line.split(":")[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]
             if ":" in line})


def who(lab, url):
    """The Service's pod that answered, or the status."""
    status, body, _ = curl(lab, url)
    return body.split()[0] if status == 200 else status


@pytest.fixture(scope="module")
def lab(make_module_lab):
    made = make_module_lab(settings=SETTINGS)
    made.apply("services", *web_service(made, "one", ["web-1a"]),
               *web_service(made, "two", ["web-1b"]), *web_service(made, "three", ["web-2a"]))
    return made


def settle(lab, count):
    """Until so many Ingresses are known and the dataplane has the newest plan."""
    wait_until(lambda: len(lab.rows("ingresses")) == count, f"{count} Ingresses", 3)
    lab.wait_in_force()


class TestRouting:
    @pytest.fixture(scope="class", autouse=True)
    def rules(self, lab):
        lab.apply("routing", ingress("routing", {
            "exact.example": [path("/foo", "one", "Exact")],
            "prefix.example": [path("/aaa/bbb", "one"), path("/aaa", "two"),
                               path("/aaa/bbb", "three", "Exact")],
            "*.wild.example": [path("/", "one")],
            "own.wild.example": [path("/only", "two")],
            "": [path("/any", "three")],
        }), ingress("empty", {"none.example": [path("/", "missing")]}))
        settle(lab, 2)
        yield
        lab.remove("routing")
        settle(lab, 0)

    @pytest.mark.parametrize("url, answer", [
        ("http://exact.example/foo", "web-1a"),
        ("http://EXACT.example/foo?x=1", "web-1a"),
        ("http://exact.example/foo/", 404),
        ("http://exact.example/FOO", 404),
        ("http://prefix.example/aaa", "web-1b"),
        ("http://prefix.example/aaa/", "web-1b"),
        ("http://prefix.example/aaa/bbb", "web-2a"),
        ("http://prefix.example/aaa/bbb/", "web-1a"),
        ("http://prefix.example/aaa/bbb/ccc", "web-1a"),
        ("http://prefix.example/aaa/bbbxyz", "web-1b"),
        ("http://prefix.example/aaab", 404),
        ("http://prefix.example/aaa/./x/../bbb//ccc", "web-1a"),
        ("http://a.wild.example/x", "web-1a"),
        ("http://a.b.wild.example/x", 404),
        ("http://wild.example/x", 404),
        ("http://own.wild.example/only", "web-1b"),
        ("http://own.wild.example/other", 404),
        ("http://other.example/any", "web-2a"),
        ("http://none.example/", 503),
    ])
    def test_a_path_takes_its_rule(self, lab, url, answer):
        assert who(lab, url) == answer

    def test_shown(self, lab):
        row = next(row for row in lab.rows("ingresses") if row["ingress"].endswith("/routing"))
        assert row["served"] and row["addresses"] == [VIP]
        rules = lab.rows("routes")
        assert {"host": "exact.example", "path": "/foo", "kind": "exact", "ready": 1}.items() <= \
            next(rule for rule in rules if rule["host"] == "exact.example").items()


class TestTogether:
    def test_the_older_wins_and_the_younger_is_told(self, lab):
        lab.apply("old", ingress("old", {"shared.example": [path("/", "one")]},
                                 created="2024-01-01T00:00:00Z"))
        lab.apply("young", ingress("young", {"shared.example": [path("/", "two"),
                                                                path("/young", "two")]},
                                   created="2024-02-01T00:00:00Z"))
        settle(lab, 2)
        assert who(lab, "http://shared.example/") == "web-1a"
        assert who(lab, "http://shared.example/young") == "web-1b"
        assert any("Ingress lab/default/young" in row["object"] and "older" in row["text"]
                   for row in lab.rows("problems"))
        lab.remove("old")
        settle(lab, 1)
        assert who(lab, "http://shared.example/") == "web-1b"
        lab.remove("young")
        settle(lab, 0)

    def test_default_backends(self, lab):
        lab.apply("defaults",
                  ingress("catch-all", {}, defaultBackend=backend("one")),
                  ingress("own", {"own.example": [path("/x", "two")]},
                          defaultBackend=backend("three")))
        settle(lab, 2)
        assert who(lab, "http://nobody.example/") == "web-1a"
        assert who(lab, "http://own.example/x") == "web-1b"
        assert who(lab, "http://own.example/y") == "web-2a"
        lab.remove("defaults")
        settle(lab, 0)

    def test_classes(self, lab):
        lab.apply("classes", {
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": "theirs"}, "spec": {"controller": "example.com/other"},
        }, ingress("theirs", {"theirs.example": [path("/", "one")]}, ingressClassName="theirs"),
            ingress("ours", {"ours.example": [path("/", "one")]}, ingressClassName="sluice"))
        settle(lab, 2)
        assert who(lab, "http://theirs.example/") == 404
        assert who(lab, "http://ours.example/") == "web-1a"
        rows = {row["ingress"]: row for row in lab.rows("ingresses")}
        assert not rows["lab/default/theirs"]["served"]
        assert "controller" in rows["lab/default/theirs"]["why"]
        lab.remove("classes")
        settle(lab, 0)

    def test_rewrite_target_replaces_the_whole_path(self, lab):
        (lab.net.dir / "pods/web-1a/files/big").write_text("a file\n")
        lab.apply("rewrite", ingress("rewrite", {"rewrite.example": [path("/app", "one")]},
                                     {"nginx.ingress.kubernetes.io/rewrite-target": "/files/big"}))
        settle(lab, 1)
        assert curl(lab, "http://rewrite.example/app/x?y=z")[:2] == (200, "a file")
        lab.remove("rewrite")
        settle(lab, 0)

    def test_groups_of_a_regular_expression(self, lab):
        lab.apply("regex", ingress("regex", {"regex.example": [
            path("/something(/|$)(.*)", "one", "ImplementationSpecific"),
            path("/(v[0-9]+)/users/([^/]+)", "two", "ImplementationSpecific"),
        ]}, {"nginx.ingress.kubernetes.io/rewrite-target": "/$2"}),
            ingress("beside", {"regex.example": [path("/", "three"), path("/something/new", "two")]}))
        settle(lab, 2)

        def asked(text):
            status, body, headers = curl(lab, f"http://regex.example{text}")
            return (body.split()[0], headers["x-asked"]) if status == 200 else status

        assert asked("/something") == ("web-1a", "/")
        assert asked("/something/") == ("web-1a", "/")
        assert asked("/SomeThing/a%20b%2Fc/d?x=1&y=/") == ("web-1a", "/a%20b%2Fc/d?x=1&y=/")
        assert asked("/something/new") == ("web-1a", "/new")  # the expression is the longer one
        assert asked("/somethings") == ("web-2a", "/somethings")
        assert asked("/v12/users/me?q") == ("web-1b", "/me?q")
        assert asked("/x/v12/users/me") == ("web-2a", "/x/v12/users/me")
        told = lab.box.sluice("explain", "http://regex.example/something/new?x").stdout
        assert "/something(/|$)(.*): a regular expression" in told
        assert "the path becomes /new" in told
        kinds = {row["path"]: row["kind"] for row in lab.rows("routes")}
        assert kinds["/something(/|$)(.*)"] == "regex" and kinds["/"] == "prefix"
        lab.remove("regex")
        settle(lab, 0)

    def test_targets_with_queries_and_urls(self, lab):
        prefix = "nginx.ingress.kubernetes.io/"
        lab.apply("targets",
                  ingress("query", {"query.example": [path("/a/(.*)", "one")]},
                          {f"{prefix}rewrite-target": "/index?page=$1"}),
                  ingress("none", {"none.example": [path("/a/(.*)", "one")]},
                          {f"{prefix}rewrite-target": "/b/$1?"}),
                  ingress("away", {"away.example": [path("/(.*)", "one")]},
                          {f"{prefix}rewrite-target": "https://new.example/$1"}))
        settle(lab, 3)
        for url, asked in (("query.example/a/x&y?z=1", "/index?page=x%26y&z=1"),
                           ("query.example/a/x", "/index?page=x"), ("none.example/a/x?z", "/b/x")):
            assert curl(lab, f"http://{url}")[2]["x-asked"] == asked
        for uri, location in (("/a/b?c=d", "/a/b?c=d"), ("/%0D%0AX:%20y", "/%0D")):
            status, _, headers = curl(lab, f"http://away.example{uri}")
            assert (status, headers["location"]) == (302, f"https://new.example{location}")
        lab.remove("targets")
        settle(lab, 0)

    def test_a_wrong_expression_is_told_and_the_rest_is_served(self, lab):
        lab.apply("regex", ingress("regex", {"regex.example": [
            path("/a(", "one", "ImplementationSpecific"),
            path("/((a+)+)+b", "one", "ImplementationSpecific"),
            path("/c.", "two", "ImplementationSpecific"),
        ]}, {"nginx.ingress.kubernetes.io/use-regex": "true"}))
        settle(lab, 1)
        row = wait_until(lambda: [row for row in lab.rows("problems")
                                  if "Ingress lab/default/regex" in row["object"]], "told", 3)[0]
        assert 'path "/a(" is no regular expression: missing closing parenthesis' in row["text"]
        assert who(lab, "http://regex.example/cd") == "web-1b"
        assert who(lab, "http://regex.example/aab") == "web-1a"
        started = time.monotonic()
        assert who(lab, f"http://regex.example/{'a' * 3000}cb") == 500
        assert time.monotonic() - started < 1
        assert "route_costly" in lab.box.sluice("show", "requests").stdout
        lab.remove("regex")
        settle(lab, 0)

    def test_who_may_come_and_who_is_sent_away(self, lab):
        def ours(name, **annotations):
            return ingress(name, {f"{name}.example": [path("/", "one")]}, {
                f"nginx.ingress.kubernetes.io/{key.replace('_', '-')}": value
                for key, value in annotations.items()})

        lab.apply("access", ours("in", allowlist_source_range=f"{WAN4.format(10)}/32"),
                  ours("out", whitelist_source_range="203.0.113.0/24"),
                  ours("not", denylist_source_range=f"2001:db8::/32,{WAN4.format(10)}"),
                  ours("closed", auth_url="http://auth.example/"),
                  ours("moved", permanent_redirect="https://new.example$request_uri"),
                  ours("root", app_root="/app"), ours("share", canary="true"))
        settle(lab, 7)
        for host, status in (("in", 200), ("out", 403), ("not", 403), ("closed", 503), ("share", 404),
                             ("root", 302), ("moved", 301)):
            assert curl(lab, f"http://{host}.example/")[0] == status, host
        assert curl(lab, "http://root.example/")[2]["location"] == "http://root.example/app"
        assert who(lab, "http://root.example/app") == "web-1a"
        assert curl(lab, "http://moved.example/a?b")[2]["location"] == "https://new.example/a?b"
        told = " ".join(row["text"] for row in lab.rows("problems"))
        assert "all requests are answered 503" in told and "the Ingress is not served" in told
        assert "503" in lab.box.sluice("explain", "http://closed.example/").stdout
        # The lists change with the manifest.
        lab.apply("access", ours("out", whitelist_source_range="203.0.113.0/24,0.0.0.0/0"))
        wait_until(lambda: who(lab, "http://out.example/") == "web-1a", "the new list", 2)
        lab.remove("access")
        settle(lab, 0)

    def test_exact_goes_ahead_of_a_prefix_with_a_slash(self, lab):
        lab.apply("slash", ingress("slash", {"slash.example": [
            path("/foo", "one", "Exact"), path("/foo/", "two")]}))
        settle(lab, 1)
        assert who(lab, "http://slash.example/foo") == "web-1a"
        assert who(lab, "http://slash.example/foo/") == who(lab, "http://slash.example/foo/x") == "web-1b"
        lab.remove("slash")
        settle(lab, 0)

    def test_heads_of_32_kb_and_no_more(self, lab):
        lab.apply("long", *web_service(lab, "long", ["web-1a"]),
                  ingress("long", {"long.example": [path("/", "long")]}))
        wait_until(lambda: who(lab, "http://long.example/") == "web-1a", "the route")

        def fields(count):
            return [word for n in range(count) for word in ("-H", f"X-Long-{n}: {'x' * 7900}")]
        assert curl(lab, "http://long.example/", *fields(3))[0] == 200
        assert curl(lab, "http://long.example/", *fields(5))[0] == 431
        lab.remove("long")
        settle(lab, 0)

    def test_what_is_carried_is_shown(self, lab):
        """Requests and their bytes: of the VIP, the pool, the endpoint, and all together."""
        def carried():
            vip = next(row for row in lab.rows("vips") if row["address"] == VIP)
            pool = next(row for row in lab.rows("pools") if "/one:" in row["pool"] and row["layer"] == 7)
            end = next(row for row in lab.rows("endpoints") if row["pool"] == pool["pool"])
            proxy = json.loads(lab.box.sluice("show", "status", "--json").stdout)["dataplane"]["proxy"]
            return [row["requests"] for row in (vip, pool, end, proxy)] + [
                row[way] for row in (vip, pool, end) for way in ("bytes_in", "bytes_out")]
        lab.apply("carried", ingress("carried", {"carried.example": [path("/", "one")]}))
        settle(lab, 1)
        before = carried()
        for _ in range(3):
            assert who(lab, "http://carried.example/") == "web-1a"
        wait_until(lambda: carried()[3] == before[3] + 3, "the last one counted", 3)
        more = [now - then for now, then in zip(carried(), before)]
        assert more[:4] == [3, 3, 3, 3] and all(bytes > 100 for bytes in more[4:]), more
        assert re.search(r"0 requests open, \d+ answered", lab.box.sluice("show", "status").stdout)
        lab.remove("carried")
        settle(lab, 0)

    def test_a_change_is_served_within_a_second(self, lab):
        lab.apply("quick", ingress("quick", {"quick.example": [path("/", "one")]}))
        settle(lab, 1)
        assert who(lab, "http://quick.example/") == "web-1a"
        started = time.monotonic()
        lab.apply("quick", ingress("quick", {"quick.example": [path("/", "two")]}))
        wait_until(lambda: who(lab, "http://quick.example/") == "web-1b", "the new rule", 1)
        assert time.monotonic() - started < 1
        lab.remove("quick")
        settle(lab, 0)

    def test_layer_4_on_the_same_address(self, lab):
        lab.apply("one", ingress("one", {"one.example": [path("/", "one")]}))
        vip = lab.apply_service("beside", [("echo", "TCP", 7000, 9000)],
                                annotations={"metallb.io/loadBalancerIPs": VIP})[0]
        assert vip == VIP
        assert lab.connect_once(VIP, 7000)
        assert who(lab, "http://one.example/") == "web-1a"
        lab.remove("beside")
        lab.remove("one")
        settle(lab, 0)


def certificate(directory, name, hosts, kind="ec"):
    """A self-signed one: (chain, key) as text, and the file of the chain."""
    options = (["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["rsa:2048"])
    key, chain = directory / f"{name}.key", directory / f"{name}.pem"
    run("openssl", "req", "-x509", "-newkey", *options, "-nodes", "-keyout", key, "-out", chain,
        "-days", "2", "-subj", f"/CN={name}", "-addext",
        "subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts))
    return chain.read_text(), key.read_text(), chain


def secret(name, chain, key):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "type": "kubernetes.io/tls", "stringData": {"tls.crt": chain, "tls.key": key}}


def who_tls(lab, url, pair):
    """As who(), trusting that certificate alone; 0 when it is not what is shown."""
    status, body, _ = curl(lab, url, "--cacert", str(pair[2]))
    return body.split()[0] if status == 200 else status


def tls_connection(lab, name, pair):
    context = ssl.create_default_context(cafile=str(pair[2]))
    sock = lab.client.socket()
    sock.settimeout(5)
    sock.connect((VIP, 443))
    return context.wrap_socket(sock, server_hostname=name)


def ask(sock, host):
    """The status of one more request on the connection."""
    sock.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    response = http.client.HTTPResponse(sock)
    response.begin()
    response.read()
    return response.status


def test_manifests_as_people_write_them(lab, tmp_path):
    """Those of config/examples/reference, with the endpoints a cluster would have."""
    for file in ("paths-and-rewrite", "two-hosts", "web-app"):
        lab.write(file, (ROOT / f"config/examples/reference/{file}.yaml").read_text())
    behind = {"orders": "web-1a", "stock": "web-1b", "news": "web-2a", "mail": "web-2b",
              "shop": "web-1a"}
    lab.apply("behind", objects.service("stock", [("", "TCP", 80, 8080)], type="ClusterIP"), *(
        objects.endpoint_slice(name, "IPv4", [("", "TCP", 8080)], lab.endpoints(pods=[pod]))
        for name, pod in behind.items()))
    pair = certificate(tmp_path, "shop", ["shop.example.com"])
    lab.apply("shop-tls", secret("shop-tls", *pair[:2]))
    settle(lab, 5)
    assert who(lab, "http://example.com/orders") == "web-1a"
    assert who(lab, "http://example.com/stock/1") == "web-1b"
    assert who(lab, "http://example.com/") == 404
    assert who(lab, "http://api.example.com/any") == "web-1a"
    assert who(lab, "http://news.example.com/") == "web-2a"
    assert who(lab, "http://mail.example.com/") == "web-2b"
    assert who(lab, "http://shop.example.com/") == 308
    assert who_tls(lab, "https://shop.example.com/", pair) == "web-1a"
    explained = lab.box.sluice("explain", "https://shop.example.com/x").stdout
    assert "lab/default/shop" in explained and "web-app.yaml:" in explained
    assert "lab/default/shop-tls" in explained  # which lost
    for file in ("paths-and-rewrite", "two-hosts", "web-app", "behind", "shop-tls"):
        lab.remove(file)
    settle(lab, 0)


class TestTls:
    """SNI chooses the certificate, Host the route; Secrets come, turn and break."""

    @pytest.fixture(scope="class")
    def pairs(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("pairs")
        return {name: certificate(folder, name, hosts) for name, hosts in (
            ("first", ["tls.example"]), ("second", ["tls.example"]),
            ("wild", ["*.wild.example"]))}

    @pytest.fixture(autouse=True)
    def ingresses(self, lab, pairs):
        lab.apply("tls", ingress("tls", {
            "tls.example": [path("/", "one")], "a.wild.example": [path("/", "two")],
        }, tls=[{"hosts": ["tls.example"], "secretName": "tls"},
                {"hosts": ["*.wild.example"], "secretName": "wild"}]),
            ingress("plain", {"plain.example": [path("/", "three")]}))
        lab.apply("secret", secret("tls", *pairs["first"][:2]))
        lab.apply("wild", secret("wild", *pairs["wild"][:2]))
        settle(lab, 2)
        wait_until(lambda: who_tls(lab, "https://tls.example/", pairs["first"]) == "web-1a",
                   "the first certificate in use", 3)
        yield
        for file in ("tls", "secret", "wild"):
            lab.remove(file)
        settle(lab, 0)

    def test_the_certificate_is_the_names(self, lab, pairs):
        assert who_tls(lab, "https://tls.example/", pairs["first"]) == "web-1a"
        assert who_tls(lab, "https://a.wild.example/", pairs["wild"]) == "web-1b"
        assert who_tls(lab, "https://plain.example/", pairs["first"]) == 0  # our own, not to trust
        assert curl(lab, "https://plain.example/", "-k")[0] == 200

    def test_http_goes_to_https_where_there_is_a_certificate(self, lab):
        status, _, headers = curl(lab, "http://tls.example/x/?y=1")
        assert status == 308
        assert headers["location"] == "https://tls.example/x/?y=1"
        assert curl(lab, "http://plain.example/")[0] == 200

    def test_hsts_on_https_alone(self, lab):
        assert "max-age=31536000" in curl(lab, "https://tls.example/", "-k")[2][
            "strict-transport-security"]
        assert "strict-transport-security" not in curl(lab, "http://plain.example/")[2]

    def test_a_new_secret_is_used_within_a_second_and_old_connections_live(self, lab, pairs):
        with tls_connection(lab, "tls.example", pairs["first"]) as old:
            assert ask(old, "tls.example") == 200
            started = time.monotonic()
            lab.apply("secret", secret("tls", *pairs["second"][:2]))
            wait_until(lambda: who_tls(lab, "https://tls.example/", pairs["second"]) == "web-1a",
                       "the second certificate in use", 1)
            assert time.monotonic() - started < 1
            assert ask(old, "tls.example") == 200

class TestSecrets:
    def test_a_bad_one_keeps_the_last_good_one(self, lab, tmp_path):
        chain, key, _ = certificate(tmp_path, "first", ["tls.example"])
        other_key = certificate(tmp_path, "second", ["tls.example"])[1]
        lab.apply("tls", ingress("tls", {"tls.example": [path("/", "one")]},
                                 tls=[{"hosts": ["tls.example"], "secretName": "tls"}]))
        lab.apply("secret", secret("tls", chain, key))
        settle(lab, 1)

        def shown():
            rows = {row["certificate"]: row for row in lab.rows("certificates")}
            return rows.get("lab/default/tls")

        wait_until(lambda: shown() and shown()["used_by"] == ["tls.example"], "the certificate", 3)
        first = shown()["fingerprint"]
        lab.apply("secret", secret("tls", chain, other_key))
        row = wait_until(lambda: [row for row in lab.rows("problems")
                                  if "Secret lab/default/tls" in row["object"]], "told", 3)[0]
        assert "secret.yaml:" in row["where"] and "does not belong" in row["text"]
        assert shown()["fingerprint"] == first
        everything = json.dumps([lab.rows(noun) for noun in ("problems", "certificates")])
        assert key.split("\n")[1] not in everything
        for name in ("sluice-controlplane", "sluice-dataplane"):
            assert other_key.split("\n")[1] not in lab.box.tail(name, 200)
        for file in (path for path in (lab.net.dir / "state").rglob("*") if path.is_file()):
            assert key.split("\n")[1].encode() not in file.read_bytes(), file
            assert b"PRIVATE KEY" not in file.read_bytes(), file
        for file in ("plan", "default-certificate", "state.key"):
            assert (lab.net.dir / "state" / file).stat().st_mode & 0o077 == 0
        lab.remove("tls")
        lab.remove("secret")
        settle(lab, 0)
