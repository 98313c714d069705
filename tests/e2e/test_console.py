# SPDX-License-Identifier: BSD-3-Clause
"""The console: each noun, plain and as JSON, and what it says when something is wrong."""

import json

import objects
import pytest
from terminal import Terminal
from topology import wait_until

NOUNS = ("vips", "services", "endpoints", "flows", "workers", "ports", "drops", "problems")
PORTS = [("echo", "TCP", 7000, 9000), ("dgram", "UDP", 7000, 9000)]


@pytest.fixture(scope="module")
def busy(lab):
    lab.vip = lab.apply_service("shown", PORTS)[0]
    lab.ask_once(lab.vip, 7000)
    lab.held = lab.connect(lab.vip, 7000)[0]
    lab.write("wrong", "apiVersion: v1\nkind: Service\nmetadata: [\n")
    yield lab
    lab.held.close()


@pytest.mark.parametrize("noun", NOUNS)
class TestShow:
    def test_json(self, busy, noun):
        answer = json.loads(busy.box.sluice("show", noun, "--json").stdout)
        assert isinstance(answer[noun], list)
        if noun != "drops":
            assert answer[noun]

    def test_plain(self, busy, noun):
        text = busy.box.sluice("show", noun).stdout
        assert text and "{" not in text.split("\n")[0]

    def test_json_before_the_command(self, busy, noun):
        assert json.loads(busy.box.sluice("--json", "show", noun).stdout)[noun] is not None


def test_what_it_shows(busy):
    assert busy.vip in busy.box.sluice("show", "vips").stdout
    assert "default/shown" in busy.box.sluice("show", "services").stdout
    endpoints = busy.box.sluice("show", "endpoints").stdout
    assert all(pod in endpoints for pod in busy.pods)
    assert "wrong.yaml" in busy.box.sluice("show", "problems").stdout
    rows = busy.flows(busy.vip)
    assert {row["protocol"] for row in rows} == {"tcp", "udp"}
    assert all(row["client_port"] and row["endpoint"] and row["source_port"] for row in rows)


def test_counters_move(busy):
    def counted():
        return sum(row["packets_in"] for row in busy.endpoint_rows("shown"))
    before = counted()
    for _ in range(5):
        busy.ask_once(busy.vip, 7000)
    assert counted() >= before + 5


@pytest.mark.parametrize("words", (("show", "nonsense"), ("shew",), ("show",), ("show", "vips", "x")))
def test_wrong_commands_are_explained(busy, words):
    done = busy.box.sluice(*words, check=False)
    assert done.returncode != 0 and (done.stderr + done.stdout).strip()


def test_no_control_plane(busy):
    done = busy.net.box.run(
        busy.box.program("sluice"), "--socket", "/nowhere/api.sock", "show", "vips", check=False)
    assert done.returncode != 0 and "/nowhere/api.sock" in done.stderr


class TestStatus:
    """One screen: does traffic flow, what is wrong, what to type next."""

    def test_it_flows(self, make_lab):
        lab = make_lab()
        text = lab.box.sluice("show", "status").stdout
        assert text.startswith("traffic        has nowhere to go: ")
        lab.apply_service("fine", PORTS)
        text = lab.box.sluice("show", "status").stdout
        assert text.startswith("traffic        flows: 1 VIPs answered for, 2 pools")
        assert "problems       none" in text and "next " not in text and "\n\n" not in text
        lab.apply_service("empty", PORTS, pods=())
        lab.write("wrong", "apiVersion: v1\nkind: Service\nmetadata: [\n")
        wait_until(lambda: lab.rows("problems"), "the problem")
        text = lab.box.sluice("show", "status").stdout
        assert text.startswith("traffic        flows in part: 2 of 4 pools are without a ready")
        assert "next           show endpoints" in text and "show problems" in text
        assert len(text.split("\n")) <= 24
        lab.box.processes["sluice-dataplane"].terminate()
        lab.box.processes["sluice-dataplane"].wait()
        wait_until(lambda: not lab.box.show("status")["dataplane"]["connected"], "the loss")
        text = lab.box.sluice("show", "status").stdout
        assert text.startswith("traffic        DOES NOT FLOW: the dataplane does not answer")
        assert "next           systemctl status sluice-dataplane" in text

    def test_whatever_the_state_one_screen_has_it(self, make_lab, tmp_path):
        """24 lines of 80 columns, the prompt's among them: many VIPs, clusters and mistakes, a port
        that is down; then the dataplane gone, too."""
        lab = make_lab()
        for number in range(12):
            (tmp_path / f"cluster-with-a-name-that-says-much-{number}").mkdir()
        lab.box.settings["sources"] += [
            {"name": path.name, "kind": "manifests", "path": str(path)} for path in sorted(tmp_path.iterdir())]
        lab.box.write_settings()
        lab.apply("many", *(objects.service(f"a-service-of-many-others-{number}", [("echo", "TCP", 7000, 9000)])
                            for number in range(40)))
        for number in range(10):
            lab.write(f"a-file-with-a-mistake-{number}", "apiVersion: v1\nkind: Service\nmetadata: [\n")
        wait_until(lambda: len(lab.rows("problems")) >= 10 and len(lab.box.show("status")["sources"]) == 13
                   and lab.box.show("status")["plan"]["vips"] >= 20, "all of it")
        with Terminal(lab.box.program("sluice"), "--socket", lab.box.api_socket, home=tmp_path,
                      rows=24, columns=80) as terminal:
            text = self.one_screen(terminal)
            assert text.startswith("traffic        flows in part: ") and "more: show clusters" in text, text
            assert "\nproblems " in text and "\nnext " in text and "show problems" in text, text
            assert "show endpoints" in text and "and 9 more" in text, text
            lab.box.kill("sluice-dataplane")
            wait_until(lambda: not lab.box.show("status")["dataplane"]["connected"], "the loss")
            assert "DOES NOT FLOW" in self.one_screen(terminal)

    @staticmethod
    def one_screen(terminal):
        text = terminal.run("show status")
        assert len(text.split("\n")) <= 23, text
        # A line that is broken by the terminal begins anywhere; ours begin with a name or an indentation.
        assert all(line[14] == " " and (line[15] != " ") for line in text.split("\n")), text
        return text
