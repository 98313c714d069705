# SPDX-License-Identifier: BSD-3-Clause
"""configure: a candidate, commit, undo and history, at a terminal and one command a call."""

import json
import re
import time

import pytest
from terminal import Terminal
from topology import wait_until


@pytest.fixture(scope="module")
def box(lab):
    return lab.box


@pytest.fixture
def terminal(box, tmp_path):
    with Terminal(box.program("sluice"), "--socket", box.api_socket, home=tmp_path) as opened:
        opened.configure()
        yield opened
        box.sluice("configure", "discard", check=False)


def post(box, path):
    """What the console has no words for."""
    done = box.machine.run("curl", "-sS", "--unix-socket", box.api_socket, "-X", "POST",
                           f"http://sluice{path}")
    return json.loads(done.stdout)


def newest(box):
    return box.show("history")["history"][0]


def priority(box):
    """As the file says it; the lab's own has none."""
    found = re.search(r"priority = (\d+);", box.config.read_text())
    return found and int(found.group(1))


def commit_priority(box, value, *words):
    box.sluice("configure", "set", "pools.public.priority", str(value))
    return box.sluice("configure", "commit", *words).stdout


def test_set_compare_commit_rollback(box, terminal):
    before = newest(box)["revision"]
    assert terminal.conf("set pools.public.priority 50") == ""
    shown = terminal.conf("show | compare").split("\n")
    assert any(re.fullmatch(r"\+\s*priority = 50;", row) for row in shown), shown
    assert priority(box) is None  # nothing is in force yet
    assert "revision" in terminal.conf("commit comment the first of all")
    assert priority(box) == 50
    top = newest(box)
    assert (top["revision"], top["who"], top["comment"]) == (before + 1, "root", "the first of all")
    assert "nothing differs" in terminal.conf("show | compare")
    assert "candidate" in terminal.conf("rollback 1")
    assert any(re.fullmatch(r"-\s*priority = 50;", row)
               for row in terminal.conf("compare").split("\n"))
    terminal.conf("commit")
    assert priority(box) is None
    assert "the first of all" in terminal.conf("show history")
    assert box.show("config")["text"] == box.config.read_text()


def test_what_waits_for_the_dataplane_is_told_as_long_as_it_waits(box, terminal):
    """What it has not read: not what the last commit changed."""
    terminal.conf("set dataplane.buffers 16384")
    assert "dataplane: once" in terminal.conf("commit")
    terminal.conf("set pools.public.priority 51")
    assert "dataplane: once" in terminal.conf("commit")  # it still does
    terminal.conf("rollback 2")
    assert "once" not in terminal.conf("commit")  # what it runs with is back


def test_discard(box, terminal):
    before = box.config.read_text()
    terminal.conf("set pools.public.priority 77")
    terminal.conf("delete sources")
    assert "there is a candidate of root since " in terminal.conf("status")
    assert "gone" in terminal.conf("discard")
    assert "nothing differs" in terminal.conf("show | compare")
    assert "nothing differs" in terminal.conf("commit")
    assert terminal.conf("status") == "there is no candidate that differs from what runs"
    assert box.config.read_text() == before


def test_what_is_wrong_is_refused_whole(box, terminal):
    before, revision = box.config.read_text(), newest(box)["revision"]
    assert "cannot be committed yet" in terminal.conf("set pools.public.priority many")
    terminal.conf("set dataplane.idle sometimes")
    refused = terminal.conf("commit")
    assert re.search(r'candidate:\d+: pools\[0\]\.priority: found "many", expected a number', refused)
    assert re.search(r'candidate:\d+: dataplane\.idle: found "sometimes", expected one of', refused)
    assert (box.config.read_text(), newest(box)["revision"]) == (before, revision)
    assert "unknown key, expected one of: name, addresses" in terminal.conf("set pools.public.x 1")
    shown = terminal.conf("show pools")
    assert "many" in shown and "counted" not in shown


def test_completion_of_paths_and_values(box, terminal):
    terminal.type("set poo\t")
    terminal.shows("sluice(config)> set pools")
    terminal.type(".p\t")
    terminal.shows("sluice(config)> set pools.public")
    terminal.type(".auto\t")
    terminal.shows("sluice(config)> set pools.public.auto_assign")
    terminal.type("?")
    terminal.sees(r"(?m)^  true$")
    terminal.type("f\t")
    terminal.shows("sluice(config)> set pools.public.auto_assign false")
    terminal.type("\x15set dataplane.idle \t")
    terminal.sees(r"(?m)^  adaptive$")
    terminal.type("\x15set dataplane.main_cpu ?")
    terminal.sees(r"(?m)^  VALUE +a number from 0 to 1023")
    terminal.type("\x03")


def test_an_open_candidate_is_told_of(box, terminal):
    terminal.conf("set pools.public.priority 60")
    terminal.type("exit\r")
    terminal.sees("there is a candidate of root since .* not committed")
    terminal.prompt("sluice>")
    terminal.type("configure\r")
    terminal.prompt("sluice(config)>")
    terminal.type("exit\r")


def test_commit_goes_on_when_confirmed(box, terminal):
    assert "is undone at" in terminal.conf("set pools.public.priority 61") + terminal.conf(
        "commit confirmed 5")
    assert "undone_at" in newest(box)
    assert "is confirmed" in terminal.conf("commit")
    assert "undone_at" not in newest(box)
    assert priority(box) == 61


def test_commit_is_undone_when_not_confirmed(box):
    before = box.config.read_text()
    box.sluice("configure", "set", "pools.public.priority", "62")
    assert "undone_at" in post(box, "/v1/config/commit?confirmed_s=1")
    assert priority(box) == 62
    wait_until(lambda: box.config.read_text() == before, "undone")
    top = newest(box)
    assert top["who"] == "sluice" and "was not confirmed" in top["comment"]


def test_undo_survives_a_restart(box):
    before = box.config.read_text()
    box.sluice("configure", "set", "pools.public.priority", "63")
    post(box, "/v1/config/commit?confirmed_s=2")
    committed = time.monotonic()
    box.processes["sluice-controlplane"].kill()
    box.processes["sluice-controlplane"].wait()
    box.start("sluice-controlplane")
    box.wait_answers()
    wait_until(lambda: box.config.read_text() == before, "undone")
    assert time.monotonic() - committed >= 1  # seconds of the clock, one of which was begun


def test_a_file_is_committed(box, tmp_path):
    text = "// a person's own\n" + box.config.read_text()
    file = tmp_path / "new.conf"
    file.write_text(text)
    assert "is in use" in box.sluice("commit", "--file", str(file), "comment", "by file").stdout
    assert box.config.read_text() == text and newest(box)["comment"] == "by file"
    file.write_text(text.replace("[ ", "", 1) + "\nnonsense = 1;\n")
    done = box.sluice("commit", "--file", str(file), check=False)
    assert done.returncode != 0 and f"{file}:" in done.stderr
    file.write_text(text + "\nnonsense = 1;\ngroup = 5;\n".replace("group = 5;\n", ""))
    done = box.sluice("commit", "--file", str(file), check=False)
    assert re.search(rf"{file}:\d+: nonsense: unknown key", done.stderr)
    assert box.config.read_text() == text
    file.write_text(text + """
nonsense = 1;
health = { check = "ping"; interval_ms = 0; };
bgp = { asn = "x"; peers = ( { name = "9a"; address = "300.1.1.1"; } ); };
""")
    done = box.sluice("commit", "--file", str(file), check=False)
    line = text.count("\n") + 2
    for mistake in (rf"{line}: nonsense: unknown key, expected one of: dataplane, ",
                    rf'{line + 1}: health\.check: found "ping", expected one of "off", "tcp"',
                    rf"{line + 1}: health\.interval_ms: found 0, expected a number from 100 to ",
                    rf'{line + 2}: bgp\.asn: found "x", expected a number',
                    rf"{line + 2}: bgp\.router_id: missing, expected an IPv4 address",
                    rf'{line + 2}: bgp\.peers\[0\]\.address: found "300\.1\.1\.1", expected an address',
                    rf'{line + 2}: bgp\.peers\[0\]\.name: found "9a", expected up to 32 letters'):
        assert re.search(f"{file}:{mistake}", done.stderr), (mistake, done.stderr)
    assert done.returncode == 2 and len(done.stderr.strip().split("\n")) == 7
    assert box.config.read_text() == text
    assert box.sluice("commit", "--file", "/nowhere", check=False).returncode != 0


def test_a_change_by_hand_is_a_revision(box):
    text = box.config.read_text().replace("// a person's own\n", "") + "// by hand\n"
    before = newest(box)["revision"]
    box.config.write_text(text)
    wait_until(lambda: newest(box)["revision"] > before, "the revision")
    assert newest(box)["who"] == "hand"
    box.config.write_text(text + "nonsense = 1;\n")
    wait_until(lambda: any("nonsense" in row["text"] or "nonsense" in row["where"]
                           for row in box.show("problems")["problems"]), "the problem")
    assert newest(box)["revision"] == before + 1
    box.config.write_text(text)
    wait_until(lambda: not any("nonsense" in row["text"]
                               for row in box.show("problems")["problems"]), "no problem")


def test_commit_refuses_when_another_runs(box):
    box.sluice("configure", "set", "pools.public.priority", "70")
    before = newest(box)["revision"]
    box.config.write_text(box.config.read_text() + "// meanwhile\n")
    wait_until(lambda: newest(box)["revision"] > before, "the revision")
    done = box.sluice("configure", "commit", check=False)
    assert done.returncode != 0
    assert f"revision {before + 1} runs since, by hand" in done.stderr and "discard" in done.stderr
    box.sluice("configure", "discard")
    commit_priority(box, 71)
    assert priority(box) == 71


@pytest.fixture
def second(box, tmp_path):
    home = tmp_path / "second"
    home.mkdir()
    with Terminal(box.program("sluice"), "--socket", box.api_socket, home=home) as opened:
        opened.configure()
        yield opened


def test_two_consoles_of_one_user(box, terminal, second):
    """Who was not looking is told what the other did, and commits nothing that it has not seen."""
    before = newest(box)["revision"]
    assert terminal.conf("set pools.public.priority 40") == ""
    refused = second.conf("set pools.public.auto_assign true")
    assert re.search(r"another console \(root\) has changed the candidate \d+ s ago: look at `show \| compare`",
                     refused)
    assert "auto_assign" not in terminal.conf("show | compare")
    assert "priority = 40" in second.conf("show | compare")
    assert second.conf("set pools.public.auto_assign true") == ""
    for command in ("set pools.public.priority 41", "delete pools.public.priority", "rollback 1",
                    "discard", "commit"):
        assert "another console (root) has changed" in terminal.conf(command), command
    assert newest(box)["revision"] == before and priority(box) != 40
    shown = terminal.conf("show | compare")
    assert "priority = 40" in shown and "auto_assign = true" in shown
    assert "is in use" in terminal.conf("commit")
    assert priority(box) == 40
    # The other one had the same candidate before it; it is gone, and not begun anew in silence.
    assert "another console (root) has committed the candidate" in second.conf("set pools.public.priority 42")
    assert "nothing differs" in second.conf("show | compare")
    assert second.conf("set pools.public.priority 42") == ""
    terminal.conf("status")
    assert "gone" in terminal.conf("discard")
    assert "has discarded the candidate" in second.conf("commit")
    assert priority(box) == 40 and newest(box)["revision"] == before + 1


def test_comments_stay(box):
    lines = box.config.read_text().split("\n")
    commit_priority(box, 72)
    changed = [row for row in box.config.read_text().split("\n") if row not in lines]
    assert [row.strip() for row in changed if "priority" not in row] == []


def test_exit_codes(box):
    assert box.sluice("configure", "discard", check=False).returncode == 2
    assert box.sluice("configure", "rollback", "9999", check=False).returncode == 2
    assert box.sluice("configure", "set", "a", check=False).returncode == 2
    assert box.sluice("show", "history", "--json").returncode == 0
