# SPDX-License-Identifier: BSD-3-Clause
"""The log: filters, levels by subsystem at run time, and syslog servers."""

import re
import signal
import socket

import pytest
from topology import wait_until

UNREADABLE = "a message of 1 bytes cannot be read: client closed"


def lines(lab, *words):
    return lab.box.show("log", *words)["log"]


def break_channel(lab):
    """Makes the dataplane log a warning of its subsystem `channel`."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(lab.net.dir / "run" / "dataplane.sock"))
        sock.sendall(b"\0\0\0\1\xff")
        while sock.recv(4096):
            pass


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
    assert re.search("controlplane audit: root from unix", lab.box.sluice("show", "log", "subsystem", "audit").stdout)


def test_dataplane(lab):
    """Both processes' lines are one log, by time; filters are of both."""
    rows = lines(lab)
    assert {row["process"] for row in rows} == {"controlplane", "dataplane"}
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    ports = lines(lab, "process", "dataplane", "subsystem", "port")
    assert any(": af_packet" in row["text"] for row in ports)
    assert {row["process"] for row in ports} == {"dataplane"}
    assert not lines(lab, "process", "controlplane", "subsystem", "port")
    assert " dataplane    port: wan: " in lab.box.sluice("show", "log").stdout
    break_channel(lab)  # it is there at once: the console asks for the newest
    assert lines(lab, "process", "dataplane", "last", "1")[0]["text"] == UNREADABLE


def test_dataplane_restart(lab):
    """What a dataplane has said is still there when it is another one, once."""
    before = [row for row in lines(lab, "process", "dataplane") if " workers, " in row["text"]]
    assert len(before) == 1
    lab.box.kill("sluice-dataplane", signal.SIGKILL)
    wait_until(lambda: "nothing newer of the dataplane" in lab.box.sluice("show", "log", "last", "1").stderr,
               "the control plane sees it")
    assert lines(lab, "process", "dataplane", "text", " workers, ") == before
    assert lab.box.sluice("log", "level", "all", "info", "process", "dataplane", check=False).returncode
    lab.box.start("sluice-dataplane")
    lab.wait_in_force()
    after = lines(lab, "process", "dataplane", "text", " workers, ")
    assert after[:-1] == before and len(after) == len(before) + 1


@pytest.mark.parametrize("words", (("level", "loud"), ("since", "yesterday"), ("last", "0"), ("process", "kernel")))
def test_wrong_filters(lab, words):
    assert lab.box.sluice("show", "log", *words, check=False).returncode == 2


def test_levels(lab):
    lab.box.sluice("log", "level", "audit", "error")
    lab.box.sluice("token", "create", "unseen")
    assert not lines(lab, "text", "unseen")
    assert level(lab, "controlplane", "audit") == level(lab, "dataplane", "audit") == "error"
    lab.box.sluice("log", "level", "audit", "default")
    assert [row["subsystem"] for row in lab.box.show("log", "levels")["levels"]] == ["all", "all"]
    assert lines(lab, "text", "audit level=default")
    assert lab.box.sluice("log", "level", "audit", "loud", check=False).returncode == 2


def level(lab, process, subsystem):
    return next((row["level"] for row in lab.box.show("log", "levels")["levels"]
                 if (row["process"], row["subsystem"]) == (process, subsystem)), None)


def test_levels_of_the_dataplane(lab):
    lab.box.sluice("log", "level", "channel", "error", "process", "dataplane")
    assert level(lab, "dataplane", "channel") == "error" and level(lab, "controlplane", "channel") is None
    last = lines(lab, "process", "dataplane")[-1]
    break_channel(lab)
    assert lines(lab, "process", "dataplane")[-1] == last
    lab.box.sluice("log", "level", "channel", "default", "process", "dataplane")
    break_channel(lab)
    assert lines(lab, "process", "dataplane")[-1]["text"] == UNREADABLE
    for words in (("all", "default"), ("channel", "loud"), ("channel", "info", "process", "kernel")):
        assert lab.box.sluice("log", "level", *words, check=False).returncode == 2


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
        break_channel(lab)
        while UNREADABLE.encode() not in (line := udp.recv(4096)):
            pass
        assert re.match(rb"<28>1 \S+Z \S+ sluice-dataplane %d channel - a message"
                        % lab.box.processes["sluice-dataplane"].pid, line)
        lab.box.sluice("token", "create", "later")
        between = []
        while b"name=later" not in (line := udp.recv(4096)):
            between.append(line)
        assert not any(b" sluice-dataplane " in line for line in between)
        # A control plane that begins anew keeps the dataplane's lines, and sends none again.
        lines(lab)
        lines(lab)  # the dataplane hears that the first were had
        lab.box.kill("sluice-controlplane", signal.SIGTERM)
        lab.box.start("sluice-controlplane")
        lab.box.wait_answers()
        assert lines(lab, "text", UNREADABLE)
        lab.box.sluice("token", "create", "last-of-all")
        while b"name=last-of-all" not in (line := udp.recv(4096)):
            assert b" sluice-dataplane " not in line
        got = b""
        stream.settimeout(10)
        while b"name=told" not in got:
            got += stream.recv(4096)
        stream.close()
    del lab.box.settings["syslog"]
    lab.box.write_settings()
