# SPDX-License-Identifier: BSD-3-Clause
"""config/prometheus as it is: a Prometheus scrapes the box over HTTPS by the example, and answers
every question of the dashboard with numbers."""

import json
import re
import subprocess
import urllib.parse
from pathlib import Path

import pytest
from test_ingress import SETTINGS, curl, ingress, path, web_service
from topology import ROOT, wait_until

CONFIG = ROOT / "config" / "prometheus"
ADDRESS, PORT, OWN = "192.0.2.1", 8443, 9090


def panels(rows):
    for row in rows:
        yield row
        yield from panels(row.get("panels", ()))


DASHBOARD = json.loads((CONFIG / "sluice-dashboard.json").read_text())
ALARMS = re.findall(r"^\| (.*) \| `(.*)` \|$",
                    re.search(r"\| Alarm \|.*?\n\n", (ROOT / "docs/operator/metrics.md").read_text(), re.DOTALL).group(0),
                    re.MULTILINE)
QUESTIONS = [(panel["title"], target["expr"]) for panel in panels(DASHBOARD["panels"])
             for target in panel.get("targets", ())]


class Prometheus:
    def __init__(self, lab, folder):
        self.lab = lab
        token = lab.box.sluice("token", "create", "prometheus", "--role", "view").stdout
        (folder / "sluice.token").write_text(token)
        authority = folder / "sluice-ca.pem"
        authority.write_bytes(Path(lab.box.settings["state_dir"], "api-certificate.pem").read_bytes())
        said = subprocess.run(["openssl", "x509", "-in", authority, "-noout", "-ext", "subjectAltName"],
                              capture_output=True, text=True, check=True).stdout
        name = re.search(r"DNS:(\S+)", said).group(1)
        text = (CONFIG / "scrape.yml").read_text()
        for old, new in (("/etc/prometheus", str(folder)), ("192.0.2.2:8443", f"{ADDRESS}:{PORT}"),
                         ("scrape_interval: 15s", "scrape_interval: 1s"),
                         ("    tls_config:\n", f"    tls_config:\n      server_name: {name}\n")):
            assert text.count(old), old
            text = text.replace(old, new)
        config = folder / "prometheus.yml"
        config.write_text(text)
        self.process = lab.client.start(
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{OWN}", log=folder / "prometheus.log")

    def ask(self, question):
        """What it answers: a list of {metric, value}."""
        out = self.lab.client.run(
            "curl", "-sS", "-m", "10", "--retry", "20", "--retry-connrefused", "--retry-delay", "1",
            f"http://127.0.0.1:{OWN}/api/v1/query?query={urllib.parse.quote(question)}").stdout
        answer = json.loads(out)
        assert answer["status"] == "success", (question, answer)
        return answer["data"]["result"]

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def prometheus(make_module_lab, tmp_path_factory):
    # A router that is not there: its session is what there is to be told of.
    bgp = {"asn": 65001, "router_id": ADDRESS, "peers": [{"name": "tor1", "address": "192.0.2.10", "asn": 65000}],
           "pools": [{"name": "public", "l2": True}]}
    lab = make_module_lab(settings={**SETTINGS, "api": {"https": {"port": PORT}}, "bgp": bgp})
    lab.apply("dashboard", *web_service(lab, "web", list(lab.pods)),
              ingress("web", {"dash.example": [path("/", "web")]}))
    lab.apply_service("counted", [("echo", "TCP", 7000, 9000)])
    made = Prometheus(lab, tmp_path_factory.mktemp("prometheus"))
    yield made
    made.close()


def test_the_example_scrapes(prometheus):
    wait_until(lambda: [row for row in prometheus.ask('up{job="sluice"}') if row["value"][1] == "1"],
               "a scrape that succeeds", 30)


@pytest.mark.parametrize("title, question", [*QUESTIONS, *ALARMS])
def test_every_panel_and_alarm_has_an_answer(prometheus, title, question):
    # What is shown only when it is there (a drop, a pool without an endpoint) is asked for anyway.
    question = re.sub(r" *(>|==) [\d.]+$", "", question.replace("$box", f"{ADDRESS}:{PORT}"))

    def answer():
        assert curl(prometheus.lab, "http://dash.example/")[0] == 200
        rows = prometheus.ask(question)
        return [row for row in rows if row["value"][1] not in ("NaN", "+Inf", "-Inf")]
    wait_until(answer, f"{title}: {question}", 30)


def test_the_dashboard_is_one():
    """As Grafana takes it: panels with numbers and places of their own, and the source of data that is chosen."""
    rows = list(panels(DASHBOARD["panels"]))
    assert DASHBOARD["schemaVersion"] >= 36 and DASHBOARD["title"] and DASHBOARD["uid"]
    assert len({row["id"] for row in rows}) == len(rows)
    source, box = DASHBOARD["templating"]["list"]
    assert (source["type"], source["query"], box["type"]) == ("datasource", "prometheus", "query")
    cells = set()
    for row in (box, *rows):
        assert row["datasource"] == {"type": "prometheus", "uid": f"${{{source['name']}}}"}, row
    for row in rows:
        place = row["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {(x, y) for x in range(place["x"], place["x"] + place["w"])
               for y in range(place["y"], place["y"] + place["h"])}
        assert not own & cells, row["title"]
        cells |= own
        assert len({target["refId"] for target in row["targets"]}) == len(row["targets"]) > 0


def legends():
    return [(panel["title"], target["expr"], label) for panel in panels(DASHBOARD["panels"])
            for target in panel["targets"] for label in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))]


@pytest.mark.parametrize("title, question, label", legends())
def test_every_legend_is_a_label(prometheus, title, question, label):
    question = re.sub(r" *(>|==) [\d.]+$", "", question.replace("$box", f"{ADDRESS}:{PORT}"))
    wait_until(lambda: [row for row in prometheus.ask(question) if row["metric"].get(label)], f"{title}: {label}", 30)


def test_boxes_to_choose_from(prometheus):
    box, = (row for row in DASHBOARD["templating"]["list"] if row["name"] == "box")
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", box["query"]).groups()
    wait_until(lambda: [row["metric"][label] for row in prometheus.ask(metric)] == [f"{ADDRESS}:{PORT}"],
               "the box", 30)
