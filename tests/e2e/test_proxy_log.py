# SPDX-License-Identifier: BSD-3-Clause
"""The access log: a line of JSON for each request, sampled and bounded, in a file that may be moved."""

import json
from pathlib import Path

import pytest

from channel import Channel, packed
from harness import url, wait_until, wan
from proxied import VIP, Plan, ask, proto  # noqa: F401: fixtures


@pytest.fixture(scope="module")
def lab(make_module_lab):
    logged = {"path": "", "rate": 200}

    def adjust(settings):
        logged["path"] = f"{settings['run_dir']}/access.log"
        settings["access_log"] = logged

    lab = make_module_lab(adjust=adjust)
    lab.log = Path(logged["path"])
    lab.box.kill("sluice-controlplane")
    yield lab
    lab.box.check_alive()


@pytest.fixture
def plan(lab, proto):  # noqa: F811
    plan = Plan(lab, proto)
    plan.pool("web", ["web-1a"])
    plan.rule("log.example", "/", "web")
    plan.rule("log.example", "/none", None)
    return plan


def lines(lab, path):
    """The lines about this path so far."""
    return [row for row in map(json.loads, lab.log.read_text().splitlines())
            if row.get("path", "") == path]


def get(lab, path, *more):
    return lab.curl("-o", "/dev/null", "-H", "Host: log.example", *more, url(VIP, path=path))


def test_a_line_says_it_all(lab, plan):
    plan.apply(log_sample=1)
    get(lab, "/one?x=1", "-A", 'me "\\')
    wait_until(lambda: lines(lab, "/one?x=1"), "the line")
    row = lines(lab, "/one?x=1")[0]
    assert row["status"] == 200 and row["upstream_status"] == 200 and row["method"] == "GET"
    assert row["host"] == "log.example" and row["user_agent"] == 'me "\\'
    assert row["client"] == wan(10) and row["vip"] == VIP and row["vip_port"] == 80
    assert row["upstream"] == lab.pods["web-1a"].v4 and row["upstream_port"] == 8080
    assert row["pool"] == "web" and row["ingress"] == "lab/default/test" and row["rule"] == "/"
    assert len(row["request_id"]) == 32 and row["bytes_out"] > 0
    assert row["connect_us"] <= row["header_us"] <= row["total_us"]
    get(lab, "/two", "-H", "X-Request-ID: its-own")
    assert wait_until(lambda: lines(lab, "/two"), "the line")[0]["request_id"] == "its-own"
    plan.listener["trusted"] = [{"address": packed(wan(10)), "length": 32 if "." in wan(10) else 128}]
    plan.apply(log_sample=1)
    get(lab, "/three", "-H", "X-Forwarded-For: 203.0.113.7:99")
    row = wait_until(lambda: lines(lab, "/three"), "the line")[0]
    assert row["client"] == "203.0.113.7" and row["client_port"] == 99
    plan.listener.clear()


def test_errors_are_logged_whatever_the_sample(lab, plan):
    plan.apply(log_sample=0)
    get(lab, "/unseen")
    get(lab, "/none")
    ask(lab, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
    wait_until(lambda: any(row.get("refusal") == "host" for row in map(
        json.loads, lab.log.read_text().splitlines())), "the line of what was refused")
    assert lines(lab, "/none")[0]["refusal"] == "no_endpoint" and not lines(lab, "/unseen")


def test_a_sample(lab, plan):
    plan.apply(log_sample=10)
    lab.curl("-o", "/dev/null", "-H", "Host: log.example", *[url(VIP, path="/sampled")] * 100)
    get(lab, "/none")
    wait_until(lambda: len(lines(lab, "/sampled")) == 10, "ten lines")


def test_a_file_that_cannot_be_opened_holds_up_nothing(make_lab, proto):  # noqa: F811
    """The dataplane starts without it, says so, and writes as soon as it can."""
    def adjust(settings):
        settings["access_log"] = {"path": f"{settings['run_dir']}/no/access.log"}
    lab = make_lab(adjust=adjust)
    assert "access.log: No such file or directory: requests are not logged" in lab.box.tail("sluice-dataplane", 200)
    lab.box.kill("sluice-controlplane")
    lab.log = Path(lab.box.settings["access_log"]["path"])
    plan = Plan(lab, proto)
    plan.pool("web", ["web-1a"])
    plan.rule("log.example", "/", "web")
    plan.apply(log_sample=1)
    get(lab, "/before")
    lab.log.parent.mkdir()
    wait_until(lab.log.exists, "the file")
    get(lab, "/after")
    wait_until(lambda: lines(lab, "/after"), "the line")
    with Channel(lab, proto) as channel:
        proxy = channel.ask(stats=proto.StatsRequest()).stats.proxy
    assert proxy.log_lost == 1 and not lines(lab, "/before")
    lab.box.check_alive()


def test_a_long_file_is_put_aside(make_lab, proto):  # noqa: F811
    """Twice: the disk holds no more than two of them."""
    def adjust(settings):
        settings["access_log"] = {"path": f"{settings['run_dir']}/access.log", "rate": 0, "max_mb": 1}
    lab = make_lab(adjust=adjust)
    lab.box.kill("sluice-controlplane")
    lab.log = Path(lab.box.settings["access_log"]["path"])
    aside = Path(f"{lab.log}.1")
    plan = Plan(lab, proto)
    plan.pool("web", ["web-1a"])
    plan.rule("log.example", "/", "web")
    plan.apply(log_sample=1)

    def asked(path):
        """Whether what is aside ends with it, after some more of it."""
        lab.curl("-o", "/dev/null", "-H", "Host: log.example", "-A", "a" * 1000, *[url(VIP, path=path)] * 200)
        return aside.exists() and path in aside.read_text().splitlines()[-1]

    for path in "/one", "/two":
        wait_until(lambda path=path: asked(path), f"a file with {path} put aside", 30)
    assert sorted(path.name for path in lab.log.parent.glob("access.log*")) == ["access.log", "access.log.1"]
    assert aside.stat().st_size >= 1 << 20
    for row in map(json.loads, aside.read_text().splitlines()):
        assert row["status"] == 200


def test_a_moved_file_is_begun_anew(lab, plan):
    plan.apply(log_sample=1)
    lab.log.rename(f"{lab.log}.1")
    wait_until(lab.log.exists, "a new file")
    get(lab, "/anew")
    wait_until(lambda: lines(lab, "/anew"), "the line")


def test_the_rate_is_bounded_and_what_is_lost_is_counted(lab, plan):
    plan.apply(log_sample=1)

    def counted():
        with Channel(lab, plan.proto) as channel:
            proxy = channel.ask(stats=plan.proto.StatsRequest()).stats.proxy
        return proxy.log_lines, proxy.log_lost, proxy.requests

    before = counted()
    lab.curl("-o", "/dev/null", "-H", "Host: log.example", *[url(VIP, path="/many")] * 1000)
    written, lost, requests = (b - a for a, b in zip(before, counted(), strict=True))
    assert written + lost == requests == 1000 and 0 < lost < 1000
