# SPDX-License-Identifier: BSD-3-Clause
"""The log: filters, levels by subsystem at run time, and syslog servers."""

import re
import socket

import pytest
from topology import wait_until


def lines(lab, *words):
    return lab.box.show("log", *words)["log"]


def test_filters(lab):
    lab.box.sluice("token", "create", "looked-for")
    rows = lines(lab)
    assert rows and all(row["time"].endswith("Z") and row["text"] for row in rows)
    audits = lines(lab, "subsystem", "audit")
    assert audits and {row["subsystem"] for row in audits} == {"audit"}
    assert [row["text"] for row in lines(lab, "text", "LOOKED-FOR", "last", "1")] == [
        "root from unix: /v1/token/create name=looked-for: 200 done"]
    assert not lines(lab, "level", "error", "subsystem", "audit")
    assert lines(lab, "since", "1h") and not lines(lab, "since", "2100-01-01T00:00:00Z")
    assert "audit: root from unix" in lab.box.sluice("show", "log", "last", "5").stdout


@pytest.mark.parametrize("words", (("level", "loud"), ("since", "yesterday"), ("last", "0")))
def test_wrong_filters(lab, words):
    assert lab.box.sluice("show", "log", *words, check=False).returncode == 2


def test_levels(lab):
    lab.box.sluice("log", "level", "audit", "error")
    lab.box.sluice("token", "create", "unseen")
    assert not lines(lab, "text", "unseen")
    assert {"subsystem": "audit", "level": "error"} in lab.box.show("log", "levels")["levels"]
    lab.box.sluice("log", "level", "audit", "default")
    assert [row["subsystem"] for row in lab.box.show("log", "levels")["levels"]] == ["all"]
    assert lines(lab, "text", "audit level=default")
    assert lab.box.sluice("log", "level", "audit", "loud", check=False).returncode == 2


def test_syslog(lab):
    with lab.net.client.socket(kind=socket.SOCK_DGRAM) as udp, lab.net.client.socket() as tcp:
        udp.bind(("", 5514))
        tcp.bind(("", 5514))
        tcp.listen()
        udp.settimeout(10)
        tcp.settimeout(10)
        lab.box.settings["syslog"] = [
            {"address": "192.0.2.10", "port": 5514},
            {"address": "192.0.2.10", "port": 5514, "transport": "tcp", "level": "notice"}]
        lab.box.write_settings()
        stream = tcp.accept()[0]
        wait_until(lambda: lines(lab, "text", "was read again"), "the configuration is read")
        lab.box.sluice("token", "create", "told")
        while b"name=told" not in (line := udp.recv(4096)):
            pass
        assert re.match(rb"<29>1 \S+Z \S+ sluice-controlplane \d+ audit \[sluice@32473 SLUICE_WHO=\"root\" ",
                        line)
        got = b""
        stream.settimeout(10)
        while b"name=told" not in got:
            got += stream.recv(4096)
        stream.close()
    del lab.box.settings["syslog"]
    lab.box.write_settings()
