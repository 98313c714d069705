# SPDX-License-Identifier: BSD-3-Clause
"""GET /v1/openapi.json is the API as it is: every path, parameter and answer, and nothing else."""

import json
import re
import subprocess
import urllib.parse

import pytest
from harness import wan
from test_ingress import SETTINGS, VIP, curl, ingress, path, web_service
from topology import CLIENT_HOST, ROOT, wait_until

JSON = "application/json"
# What is not of a lab: of an appliance's image, of a live cluster, of programs of their own.
ELSEWHERE = {"/v1/upgrade", "/v1/upgrade/install", "/v1/upgrade/rollback", "/v1/reboot", "/v1/factory-reset",
             "/v1/cluster/check", "/v1/cluster/register", "/v1/cluster/unregister", "/v1/cluster/drain",
             "/v1/cluster/undrain", "/v1/backup", "/v1/restore", "/v1/support", "/metrics"}


def ask(lab, where, method="GET", body=None, **query):
    """(status, the JSON) of the API."""
    words = ["--data-binary", body] if body else []
    text = urllib.parse.urlencode(query)
    done = subprocess.run(["curl", "-sS", "-X", method, *words, "-w", "\n%{http_code}", "--unix-socket", lab.box.api_socket,
                           f"http://sluice{where}{'?' if text else ''}{text}"], capture_output=True, text=True, check=True)
    answer, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(answer)


def unfit(value, schema, at="answer"):
    """What of the value is not as the schema says, members that it does not name too."""
    if value is None:
        return [] if schema.get("nullable") else [f"{at}: null"]
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float), "integer": int}
    kind = schema.get("type")
    if not kind:
        return []  # anything
    if not isinstance(value, kinds[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return [f"{at}: {value!r} is no {kind}"]
    found = []
    if kind == "array":
        for number, element in enumerate(value):
            found += unfit(element, schema["items"], f"{at}[{number}]")
    if kind == "object":
        members = schema.get("properties", {})
        found += [f"{at}.{name}: missing" for name in schema.get("required", ()) if name not in value]
        found += [f"{at}.{name}: not described" for name in value if name not in members]
        for name in set(value) & set(members):
            found += unfit(value[name], members[name], f"{at}.{name}")
    return found


@pytest.fixture(scope="module")
def lab(make_module_lab):
    """A bit of everything. Neither the router nor the other box is there."""
    def adjust(settings):
        settings["access_log"] = {"path": f"{settings['run_dir']}/access.log"}
        settings["bgp"] = {"asn": 65001, "router_id": wan(1), "pools": [{"name": "public", "l2": True}],
                           "peers": [{"name": "tor1", "address": wan(CLIENT_HOST), "asn": 65000}]}
        settings["pair"] = {"interface": "lan"}
    made = make_module_lab(pods=(1, 1), settings=SETTINGS, adjust=adjust)
    made.vip = made.apply_service("web", [("http", "TCP", 80, 8080), ("echo", "TCP", 7000, 9000)], annotations={
        "sluice.dev/health-check": "tcp"}, loadBalancerSourceRanges=["192.0.2.0/24"])[0]
    made.apply("shop", *web_service(made, "shop", ["web-1a"]), ingress("shop", {"shop.example": [path("/", "shop")]}))
    made.write("wrong", "apiVersion: v1\nkind: Service\nmetadata: [\n")
    made.box.sluice("token", "create", "one")
    wait_until(lambda: made.rows("vips") and {row["state"] for row in made.rows("vips")} == {"owned"}, "a master")
    wait_until(lambda: curl(made, "http://shop.example/")[0] == 200, "an answer")
    made.held = made.connect(made.vip, 7000)[0]
    with pytest.raises(ConnectionRefusedError):
        made.connect(VIP, 7999)  # a drop
    yield made
    made.held.close()


@pytest.fixture(scope="module")
def document(lab):
    return ask(lab, "/v1/openapi.json")[1]


def operations(document):
    return [(where, method, operation) for where, methods in document["paths"].items()
            for method, operation in methods.items()]


def test_its_form(document):
    """What validators look at (openapi-spec-validator and Redocly's have nothing to say)."""
    assert re.fullmatch(r"3\.0\.\d", document["openapi"]) and document["info"]["title"] and document["servers"]
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"\w+", name) for name in names)
    for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
        place = document
        for word in reference.removeprefix("#/").split("/"):
            place = place[word]
    for where, method, operation in operations(document):
        assert where.startswith("/") and method in ("get", "post") and len(document["paths"][where]) == 1
        assert set(operation["security"] if "security" in operation else []) == set()
        assert {"200", "400", "401", "403", "429"} <= set(operation["responses"]), where
        assert all(response["description"] for response in operation["responses"].values())
        parameters = [parameter["name"] for parameter in operation["parameters"]]
        assert len(set(parameters)) == len(parameters)
        content = operation["responses"]["200"]["content"]
        if JSON in content:  # said in full
            assert content[JSON]["schema"]["properties"], where


def fits(document, lab, where, method="get", body=None, **query):
    status, answer = ask(lab, where, method.upper(), body, **query)
    assert status == 200, (where, query, answer)
    content = document["paths"][where][method]["responses"]["200"]["content"]
    assert not unfit(answer, content[JSON]["schema"]), (where, query)
    return answer


def rows_of(answer):
    """How many there are of what there may be many of."""
    return sum(len(value) for value in answer.values() if isinstance(value, (list, dict)))


GETS = (
    ("/v1/status", {}), ("/v1/version", {}), ("/v1/vips", {}), ("/v1/services", {}), ("/v1/endpoints", {}),
    ("/v1/endpoints", {"brief": "true"}), ("/v1/pools", {}), ("/v1/flows", {}), ("/v1/workers", {}), ("/v1/ports", {}),
    ("/v1/neighbours", {}), ("/v1/host-routes", {}), ("/v1/drops", {}), ("/v1/drops", {"all": ""}), ("/v1/problems", {}),
    ("/v1/ingresses", {}), ("/v1/routes", {}), ("/v1/certificates", {}), ("/v1/requests", {}),
    ("/v1/explain", {"url": "http://shop.example/"}), ("/v1/explain", {"url": "http://nobody.example/"}),
    ("/v1/explain/tcp", {"client": "192.0.2.10:4000", "to": f"{VIP}:80"}),
    ("/v1/explain/udp", {"client": "192.0.2.10:4000", "to": f"{VIP}:80"}),
    ("/v1/requests/log", {"after": 0}), ("/v1/clusters", {}), ("/v1/cluster", {"name": "lab"}),
    ("/v1/cluster/manifests", {}), ("/v1/bgp", {}), ("/v1/vrrp", {}), ("/v1/tokens", {}), ("/v1/log", {}),
    ("/v1/log", {"levels": ""}), ("/v1/config", {}), ("/v1/config/history", {}), ("/v1/config/compare", {}),
    ("/v1/config/candidate", {}), ("/v1/config/complete", {"typed": "p"}), ("/v1/openapi.json", {}),
)


@pytest.mark.parametrize("where, query", GETS)
def test_answers_are_as_described(document, lab, where, query):
    answer = fits(document, lab, where, **query)
    if where not in ("/v1/version", "/v1/explain", "/v1/config", "/v1/config/compare", "/v1/config/candidate",
                     "/v1/cluster", "/v1/cluster/manifests"):
        assert rows_of(answer), "nothing was there to be compared"


def test_changes_answer_as_described(document, lab):
    def post(where, body=None, **query):
        return fits(document, lab, where, "post", body, **query)

    def end(number):
        post("/v1/capture/end", capture=number)
        wait_until(lambda: fits(document, lab, "/v1/capture/next", capture=number)["over"], "its end")

    for what in ({"vip": lab.vip}, {"endpoint": lab.pods["web-1a"].v4}, {}):
        post("/v1/drain", **what)
        post("/v1/undrain", **what)
    post("/v1/token/create", name="two", role="admin")
    post("/v1/token/delete", name="two")
    post("/v1/log/level", subsystem="audit", level="debug")
    post("/v1/log/level", subsystem="audit", level="default")
    fits(document, lab, "/v1/log", levels="")
    number = post("/v1/capture", host=VIP)["capture"]
    curl(lab, "http://shop.example/")
    wait_until(lambda: fits(document, lab, "/v1/capture/next", capture=number)["packets"], "packets")
    end(number)
    number = post("/v1/trace", vip=VIP)["capture"]
    curl(lab, "http://shop.example/")
    wait_until(lambda: fits(document, lab, "/v1/capture/next", capture=number)["traces"], "traces")
    end(number)
    post("/v1/config/set", path="pools.public.priority", value="9")
    fits(document, lab, "/v1/config/candidate")
    fits(document, lab, "/v1/config/compare")
    post("/v1/config/delete", path="pools.public.priority")
    post("/v1/config/rollback", revision=0)
    post("/v1/config/discard")
    post("/v1/config/commit", body="// another\n" + lab.box.config.read_text(), confirmed=5)
    fits(document, lab, "/v1/config/history")
    post("/v1/config/commit")
    post("/v1/neighbours/clear", interface="lan")
    post("/v1/flows/clear", vip=VIP)
    post("/v1/counters/clear")
    for where in ("/v1/drops", "/v1/workers", "/v1/ports", "/v1/requests"):
        assert "counted_since" in fits(document, lab, where)


def test_all_was_asked(document):
    source = open(__file__, encoding="utf-8").read()
    for where in document["paths"]:
        assert where in ELSEWHERE or f'"{where}"' in source, where


def test_parameters_are_as_described(document, lab):
    """Those that are required are; each value of an enum is taken, and no other; numbers have their bounds."""
    for where, method, operation in operations(document):
        if where in ELSEWHERE or where == "/v1/openapi.json":
            continue
        for parameter in operation["parameters"]:
            schema, name = parameter["schema"], parameter["name"]
            wrong = ["nonsense"] if "enum" in schema or schema["type"] == "integer" else []
            wrong += [str(schema["minimum"] - 1)] if schema.get("minimum", 0) > 0 else []
            wrong += [str(schema["maximum"] + 1)] if "maximum" in schema else []
            for value in wrong:
                status, answer = ask(lab, where, method.upper(), **{name: value})
                assert status == 400 and f"{name}: found \"{value}\"" in answer["error"], (where, name, value, answer)
            if method == "get":
                for value in schema.get("enum", ()):
                    assert ask(lab, where, **{name: value})[0] == 200, (where, name, value)
        if any(parameter.get("required") for parameter in operation["parameters"]):
            status, answer = ask(lab, where, method.upper())
            assert status == 400 and not unfit(answer, document["components"]["schemas"]["Error"]), (where, answer)
        status, answer = ask(lab, where, method.upper(), nobody="x")
        assert status == 400 and "has no argument \"nobody\"" in answer["error"], where
        assert ask(lab, where, {"get": "POST", "post": "GET"}[method])[0] == 405, where


COUNTERS = {"flows", "flows_created", "packets_in", "bytes_in", "packets_out", "bytes_out", "requests", "requests_open"}


def test_the_table_for_people_has_the_same(document):
    """docs/api.md: each noun's arguments, and each member of its rows; counters, which many have, are told of once."""
    table = re.search(r"\| Noun \|.*\n((?:\|.*\n)+)", (ROOT / "docs/api.md").read_text()).group(1)
    for line in table.split("\n")[1:-1]:
        noun, arguments, row = (re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|"))
        operation = document["paths"][f"/v1/{noun[0]}"]["get"]
        schema = operation["responses"]["200"]["content"][JSON]["schema"]
        assert arguments == [parameter["name"] for parameter in operation["parameters"]], noun
        members = schema["properties"].get(noun[0].replace("-", "_"), schema)
        members = members.get("items", members).get("properties")
        assert not set(members) - COUNTERS - {"warning", "counted_since"} - set(row), noun
