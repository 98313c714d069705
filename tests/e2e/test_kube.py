# SPDX-License-Identifier: BSD-3-Clause
"""A live cluster as the source of objects: what is served, and what goes on when the API server does
not answer, answers rubbish, or answers no."""

import json
import signal
import time

import kube_api
import objects
import pytest
from topology import wait_until

PORTS = [("echo", "TCP", 7000, 9000)]


def use_cluster(lab, make_api_options=None, **source):
    api = kube_api.FakeApi(lab.net.box.socket, lab.net.dir, **(make_api_options or {}))
    api.apply(*lab.node_objects())
    lab.box.settings["sources"] = [{
        "name": "prod", "kind": "kube", "path": str(api.kubeconfig()), "watch_s": 5, **source}]
    lab.box.write_settings()
    lab.api = api
    return api


@pytest.fixture(scope="module")
def klab(make_module_lab):
    lab = make_module_lab(start=False)
    use_cluster(lab)
    lab.box.start_all()
    yield lab
    lab.api.down()


@pytest.fixture
def live(klab):
    """The shared lab with its API server in order before and after."""
    yield klab
    api = klab.api
    api.fault, api.kinds_missing, api.stall, api.endless, api.skew = None, set(), False, False, 0
    if not api.server:
        api.up()
    klab.api.kubeconfig()
    wait_until(lambda: not problems(klab, "cluster prod"), "no problem with the cluster", 30)


def apply_service(lab, name, pods=None, ports=PORTS, wait=True, **spec):
    rows = lab.endpoints(4, pods)
    lab.api.apply(
        objects.service(name, ports, **spec),
        objects.endpoint_slice(name, "IPv4", [(port, protocol, target)
                                              for port, protocol, _, target in ports], rows))
    if not wait:
        return None
    return lab.wait_service(name, 1, {(row["addresses"][0], "ready") for row in rows})[0]


def problems(lab, text):
    return [row for row in lab.rows("problems") if text in f"{row}"]


def wait_problem(lab, text, seconds=15):
    return wait_until(lambda: problems(lab, text), f"the problem {text!r}", seconds)[0]


class TestServed:
    def test_a_service_is_served_and_follows_its_endpoints(self, live):
        started = time.monotonic()
        vip = apply_service(live, "web")
        assert live.connect_once(vip, 7000)
        assert time.monotonic() - started < 2
        apply_service(live, "web", pods=list(live.pods)[:1])
        assert live.connect_once(vip, 7000)
        live.api.delete("services", "web")
        wait_until(lambda: not live.addresses("web"), "the Service gone", 3)

    def test_show_clusters_says_how_it_is(self, live):
        row = wait_until(lambda: [row for row in live.rows("clusters") if row["health"] == "live"],
                         "live", 10)[0]
        assert row["name"] == "prod" and row["kind"] == "kube" and row["synced"]
        assert row["server"].startswith("https://") and row["nodes"] == len(live.node_objects())
        assert row["problem"] == "" and abs(row["skew_s"]) <= 2 and row["since"]
        assert "prod" in live.box.sluice("show", "clusters").stdout
        live.api.down()
        row = wait_until(lambda: [row for row in live.rows("clusters") if row["health"] == "last known"],
                         "last known", 30)[0]
        assert row["problem"] and row["nodes"] == len(live.node_objects())

    def test_a_bad_object_is_quarantined_alone(self, live):
        bad = objects.service("bad", PORTS)
        bad["spec"]["ports"][0]["port"] = 99999
        live.api.apply(bad)
        wait_problem(live, "Service prod/default/bad")
        vip = apply_service(live, "good")
        assert live.connect_once(vip, 7000)
        live.api.delete("services", "bad")
        wait_until(lambda: not problems(live, "prod/default/bad"), "the problem gone", 3)

    def test_a_watch_that_ends_goes_on_where_it_was(self, live):
        apply_service(live, "steady")
        count = len(live.api.asked("services", watch=False))
        watches = len(live.api.asked("services", watch=True))
        wait_until(lambda: len(live.api.asked("services", watch=True)) >= watches + 2,
                   "two watches more", 20)
        vip = apply_service(live, "after")
        assert live.connect_once(vip, 7000)
        assert len(live.api.asked("services", watch=False)) == count
        query = live.api.asked("services", watch=True)[-1]
        assert query["allowWatchBookmarks"] == "true"
        assert int(query["resourceVersion"]) >= live.api.oldest

    def test_secrets_are_asked_for_by_name(self, live):
        live.api.apply({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "shop", "namespace": "default"},
            "spec": {"tls": [{"hosts": ["shop.test"], "secretName": "shop-tls"}],
                     "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}})
        wait_until(lambda: live.api.asked("secrets", watch=True), "the Secret watched", 5)
        assert {query.get("fieldSelector") for query in live.api.asked("secrets")} == {
            "metadata.name=shop-tls"}


class TestEvents:
    def events(self, lab, name):
        return [thing for (_, _), thing in sorted(lab.api.objects["events"].items())
                if thing["involvedObject"]["name"] == name]

    def test_what_is_wrong_is_told_on_the_object(self, live):
        apply_service(live, "elsewhere", wait=False, loadBalancerIP="203.0.113.250")
        found = wait_until(lambda: self.events(live, "elsewhere"), "an Event", 5)
        refusal = [row for row in found if "203.0.113.250" in row["message"]][0]
        assert refusal["type"] == "Warning" and refusal["metadata"]["namespace"] == "default"
        assert refusal["involvedObject"] == {
            "kind": "Service", "apiVersion": "v1", "namespace": "default", "name": "elsewhere",
            "uid": live.api.get("services", "elsewhere")["metadata"]["uid"]}
        assert refusal["source"] == {"component": "sluice"}
        # Once, also after a restart: the API server has it already.
        count, writes = len(self.events(live, "elsewhere")), len(live.api.writes)
        live.box.kill("sluice-controlplane", signal.SIGTERM)
        live.box.start("sluice-controlplane")
        live.box.wait_answers()
        wait_until(lambda: [w for w in live.api.writes[writes:] if w[1] == "events"], "told again", 20)
        assert len(self.events(live, "elsewhere")) == count
        live.api.delete("services", "elsewhere")

    def test_what_passes_is_not_told(self, live):
        """A Service that comes before its endpoints is nothing to warn of."""
        live.api.apply(objects.service("early", PORTS))
        wait_problem(live, "Service prod/default/early")
        apply_service(live, "early")
        apply_service(live, "refused", wait=False, loadBalancerIP="203.0.113.252")
        wait_until(lambda: self.events(live, "refused"), "another Event", 5)
        assert not self.events(live, "early")
        live.api.delete("services", "refused")

    def test_a_cluster_is_not_flooded(self, live):
        names = [f"many-{i}" for i in range(150)]
        for name in names:
            apply_service(live, name, wait=False, loadBalancerIP="203.0.113.251")
        began = time.monotonic()
        told = lambda: {thing["involvedObject"]["name"] for thing in live.api.objects["events"].values()}
        wait_until(lambda: len(told() & set(names)) >= 60, "some Events", 20)
        seconds = time.monotonic() - began
        assert len(told() & set(names)) < 110 + 15 * seconds
        for name in names:
            live.api.delete("services", name)
        wait_until(lambda: not problems(live, "prod/default/many-"), "the problems gone", 20)


class TestStatus:
    def addresses(self, lab, name):
        status = lab.api.get("services", name).get("status", {})
        return [row["ip"] for row in status.get("loadBalancer", {}).get("ingress") or []]

    def test_a_service_has_its_address_within_two_seconds(self, live):
        started = time.monotonic()
        vip = apply_service(live, "told")
        wait_until(lambda: self.addresses(live, "told") == [vip], "the address in status", 2)
        assert time.monotonic() - started < 2
        apply_service(live, "told", pods=list(live.pods)[:1])
        apply_service(live, "another")
        wait_until(lambda: self.addresses(live, "another"), "the other's address", 2)
        written = [row[3][0] for row in live.api.writes if row[1] == "services"]
        assert (written.count("told"), written.count("another")) == (1, 1)  # on change only

    def test_ip_mode_where_the_server_knows_it(self, live):
        live.api.git_version = "v1.31.2"
        try:
            vip = apply_service(live, "moded")
            row = wait_until(lambda: [row for row in live.api.get("services", "moded").get("status", {})
                                      .get("loadBalancer", {}).get("ingress") or []
                                      if "ipMode" in row], "the mode", 20)[0]
            assert row == {"ip": vip, "ipMode": "Proxy"}
            written = [row for row in live.api.writes if row[3][:1] == ["moded"]]
            apply_service(live, "after-moded")
            assert written == [row for row in live.api.writes if row[3][:1] == ["moded"]]
        finally:
            live.api.git_version = "v1.27.3-fake"
        wait_until(lambda: live.api.get("services", "moded")["status"]["loadBalancer"]["ingress"]
                   == [{"ip": vip}], "an older server told without", 20)

    def test_a_restart_tells_nothing_again(self, live):
        apply_service(live, "kept")
        wait_until(lambda: self.addresses(live, "kept"), "the address in status", 2)
        apply_service(live, "kept-next")  # comes by the same watch, after that status
        live.box.kill("sluice-controlplane", signal.SIGTERM)
        live.box.start("sluice-controlplane")
        live.box.wait_answers()
        apply_service(live, "kept-last")
        wait_until(lambda: self.addresses(live, "kept-last"), "the last one's address", 10)
        written = [row[3][0] for row in live.api.writes if row[1] == "services"]
        assert written.count("kept") == 1

    def test_what_somebody_else_wrote_over_is_told_again(self, live):
        vip = apply_service(live, "over")
        wait_until(lambda: self.addresses(live, "over") == [vip], "the address in status", 2)
        other = live.api.get("services", "over")
        live.api.apply({**other, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.254"}]}}})
        wait_until(lambda: self.addresses(live, "over") == [vip], "the address again", 20)

    def test_what_is_served_no_more_is_cleared(self, live):
        apply_service(live, "demoted")
        wait_until(lambda: self.addresses(live, "demoted"), "the address in status", 2)
        apply_service(live, "demoted", wait=False, type="ClusterIP")
        wait_until(lambda: not self.addresses(live, "demoted"), "the address gone", 3)


class TestGoesOn:
    """Traffic goes on, an alarm shows, and what changed meanwhile is there afterwards."""

    def outage(self, lab, begin, text, end):
        name = f"out{abs(hash(text)) % 10000}"
        vip = apply_service(lab, name)
        apply_service(lab, f"{name}-goes")
        begin()
        # Of a Secret alone it is a warning, which may come first.
        row = wait_until(lambda: [row for row in problems(lab, text) if row["level"] == "error"],
                         f"the problem {text!r}", 15)[0]
        assert "stays in force" in row["text"]
        for _ in range(3):
            assert lab.connect_once(vip, 7000)
        end()
        wait_until(lambda: not problems(lab, "cluster prod"), "the alarm gone", 30)
        assert lab.addresses(name) == [vip]
        assert lab.connect_once(vip, 7000)
        return name

    def test_down_and_back(self, live):
        def end():
            live.api.delete("services", name_of["goes"])
            live.api.up()
        name_of = {}
        begun = []

        def begin():
            name_of["goes"] = [key[1] for key in live.api.objects["services"] if key[1].endswith("-goes")][-1]
            begun.append(live.api.down())
        name = self.outage(live, begin, "no connection", end)
        wait_until(lambda: not live.addresses(f"{name}-goes"), "what was deleted meanwhile is gone", 10)

    def test_what_is_back_is_heard_soon(self, live):
        """However long it was away, by when who asked has learned to wait."""
        live.api.down()
        wait_problem(live, "no connection")
        time.sleep(15)
        live.api.up()
        wait_until(lambda: not problems(live, "cluster prod"), "the alarm gone", 7)

    @pytest.mark.parametrize(("fault", "text"), [
        ((500, (), "boom"), "answered 500"),
        ((429, (("Retry-After", "1"),), "slow down"), "answered 429"),
        ((403, (), '{"message":"services is forbidden"}'), "not allowed (403): services is forbidden"),
        ((401, (), "no"), "does not take our credentials (401)"),
        ((200, (), '{"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {"na'), "cannot be read"),
        ((200, (), "<html>hello</html>"), "cannot be read"),
        ((200, (), '{"items": []}'), "without a resourceVersion"),
    ])
    def test_an_api_server_that_refuses(self, live, fault, text):
        def begin():
            live.api.fault = lambda method, path, query: fault if path != "/version" else None
            live.api.compact()
            live.api.break_off()

        def end():
            live.api.fault = None
        self.outage(live, begin, text, end)

    def test_history_that_is_gone(self, live):
        vip = apply_service(live, "compacted")
        live.api.compact()
        lists = len(live.api.asked("services", watch=False))
        live.api.break_off()
        wait_until(lambda: len(live.api.asked("services", watch=False)) > lists, "listed anew", 10)
        assert live.connect_once(vip, 7000)
        assert apply_service(live, "afterwards")

    def test_an_endless_list(self, live):
        def begin():
            live.api.endless = True
            live.api.compact()
            live.api.break_off()

        def end():
            live.api.endless = False
        self.outage(live, begin, "a list that does not end", end)

    def test_a_backup_is_restored(self, live):
        vip = apply_service(live, "in-backup")
        backup = json.loads(json.dumps({
            plural: {"/".join(key): thing for key, thing in rows.items()}
            for plural, rows in live.api.objects.items()}))
        apply_service(live, "too-new")
        live.api.down()
        wait_problem(live, "no connection")
        live.api.restore({plural: {tuple(key.split("/")): thing for key, thing in rows.items()}
                          for plural, rows in backup.items()}, 500)
        live.api.up()
        wait_until(lambda: not live.addresses("too-new"), "what the backup does not have is gone", 30)
        assert live.connect_once(vip, 7000)
        vip = apply_service(live, "newest")
        assert live.connect_once(vip, 7000)

    def test_a_clock_that_is_wrong(self, live):
        live.api.skew = 3600
        row = wait_problem(live, "its clock is")
        assert "ahead of" in row["text"] and row["level"] == "warning"

    def test_a_missing_kind_is_found_when_it_appears(self, live):
        live.api.kinds_missing = {"ingresses"}
        live.api.compact()
        live.api.break_off()
        lists = len(live.api.asked("ingresses", watch=False))
        wait_until(lambda: len(live.api.asked("ingresses", watch=False)) > lists, "asked for", 10)
        # What was broken off is told until it is there again.
        wait_until(lambda: not problems(live, "cluster prod"), "no problem left", 15)


def test_plain_errors(make_lab, tmp_path):
    lab = make_lab(start=False)
    api = use_cluster(lab)
    try:
        api.kubeconfig(user={"token": "expired"})
        lab.box.start_all()
        assert "does not take our credentials (401)" in wait_problem(lab, "cluster prod")["text"]
        api.kubeconfig("other", cluster={
            "server": "https://127.0.0.1:6443",
            "certificate-authority": str(kube_api.make_certificates(lab.net.dir, "wrong"))})
        lab.box.settings["sources"][0]["path"] = str(lab.net.dir / "other")
        lab.box.write_settings()
        assert "its certificate is not accepted" in wait_problem(lab, "its certificate")["text"]
        (lab.net.dir / "broken").write_text("clusters: [")
        lab.box.settings["sources"][0]["path"] = str(lab.net.dir / "broken")
        lab.box.write_settings()
        assert "not YAML" in str(wait_problem(lab, "not YAML"))
    finally:
        api.down()


def test_a_cold_boot_without_the_api_server(make_lab):
    lab = make_lab(start=False)
    api = use_cluster(lab)
    lab.box.start_all()
    vip = apply_service(lab, "kept")
    assert lab.connect_once(vip, 7000)
    time.sleep(1.2)  # journals are flushed each second
    api.down()
    lab.box.stop()
    lab.box.start_all()
    wait_problem(lab, "no connection")
    lab.wait_service("kept")
    assert lab.addresses("kept") == [vip]
    assert lab.connect_once(vip, 7000)
    api.delete("services", "kept")
    api.up()
    wait_until(lambda: not lab.addresses("kept"), "what is gone is gone", 30)
    api.down()


def test_pages_old_slices_and_plugins(make_lab):
    lab = make_lab(start=False)
    plugin = lab.net.dir / "plugin"
    plugin.write_text("#!/bin/sh\necho \"$KUBERNETES_EXEC_INFO\" >$0.info\n"
                      "echo '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"a-token\"}}'\n")
    plugin.chmod(0o755)
    api = use_cluster(lab)
    try:
        api.slice_versions = {"v1beta1"}
        api.kubeconfig(user={"exec": {"command": "./plugin",
                                      "apiVersion": "client.authentication.k8s.io/v1"}})
        for number in range(1100):
            api.apply(objects.service(f"many-{number}", PORTS, type="ClusterIP"))
        vip = apply_service(lab, "paged", wait=False)
        lab.box.start_all()
        vip = lab.wait_service("paged")[0]
        assert lab.connect_once(vip, 7000)
        assert [query.get("continue") for query in api.asked("services", watch=False)] == [None, "500", "1000"]
        assert "ExecCredential" in (lab.net.dir / "plugin.info").read_text()
    finally:
        api.down()


def live_lab(make_lab, tmp_path, user=None, cluster=None, **settings):
    """A lab whose cluster is reached as the user and cluster of its kubeconfig say."""
    lab = make_lab(start=False, settings=settings)
    api = use_cluster(lab)
    api.kubeconfig(**{key: value(api) for key, value in (("user", user), ("cluster", cluster)) if value})
    lab.box.start_all()
    wait_until(lambda: [row for row in lab.rows("clusters") if row["health"] == "live"], "live", 15)
    return lab, api


class TestCredentials:
    def test_a_client_certificate(self, make_lab, tmp_path):
        def user(api):
            cert, key = kube_api.make_client_certificate(api.ca)
            return {"client-certificate": str(cert), "client-key": str(key)}
        lab, api = live_lab(make_lab, tmp_path, user=user)
        lab.connect_once(apply_service(lab, "web"), 7000)
        assert set(api.bearers) == {""}
        api.down()

    def test_a_token_file_that_is_replaced(self, make_lab, tmp_path):
        file = tmp_path / "token"
        file.write_text("first\n")
        lab, api = live_lab(make_lab, tmp_path, user=lambda api: (
            setattr(api, "token", "first"), {"tokenFile": str(file)})[1])
        half = tmp_path / "half"
        half.write_text("second\n")
        half.rename(file)
        api.token = "second"
        api.break_off()
        wait_until(lambda: "second" in api.bearers, "the other token", 15)
        lab.connect_once(apply_service(lab, "web"), 7000)
        api.down()

    def test_by_a_proxy(self, make_lab, tmp_path):
        proxies = []

        def cluster(api):
            proxies.append(kube_api.Proxy(api.make_socket, 3128))
            return {"server": f"https://127.0.0.1:{api.port}", "certificate-authority": str(api.ca),
                    "proxy-url": "http://127.0.0.1:3128"}
        lab, api = live_lab(make_lab, tmp_path, cluster=cluster)
        lab.connect_once(apply_service(lab, "web"), 7000)
        assert set(proxies[0].asked) == {f"127.0.0.1:{api.port}"}
        proxies[0].close()
        api.down()

    def test_another_name_on_its_certificate(self, make_lab, tmp_path):
        lab, api = live_lab(make_lab, tmp_path, cluster=lambda api: {
            "server": f"https://127.0.0.1:{api.port}", "certificate-authority": str(api.ca),
            "tls-server-name": "api.test"})
        lab.connect_once(apply_service(lab, "web"), 7000)
        api.down()


def test_only_the_namespaces_and_labels_that_are_chosen(make_lab, tmp_path):
    lab, api = live_lab(make_lab, tmp_path, clusters=[
        {"name": "prod", "namespaces": ["default", "shop"], "labels": "tier=gold"}])

    def place(name, namespace, tier):
        thing = objects.service(name, PORTS)
        thing["metadata"].update(namespace=namespace, labels={"tier": tier})
        api.apply(thing)
    for name, namespace, tier in (("mine", "default", "gold"), ("theirs", "other", "gold"),
                                  ("base", "shop", "tin"), ("fine", "shop", "gold")):
        place(name, namespace, tier)
    wait_until(lambda: {row["service"] for row in lab.rows("services")} ==
               {"prod/default/mine", "prod/shop/fine"}, "those two alone", 10)
    api.down()
