# SPDX-License-Identifier: BSD-3-Clause
"""The console on a terminal: completion, help, history, paging, filters and Ctrl-C."""

import json
import socket

import pytest
from terminal import Terminal


@pytest.fixture(scope="module")
def shown(lab):
    lab.vip = lab.apply_service("shown", [("dgram", "UDP", 7000, 9000), ("echo", "TCP", 7000, 9000)])[0]
    return lab


@pytest.fixture
def terminal(shown, tmp_path):
    with open_terminal(shown, tmp_path) as opened:
        yield opened


def open_terminal(lab, home, **options):
    return Terminal(
        lab.box.program("sluice"), "--socket", lab.box.api_socket, home=home, **options)


def test_tab_completes_words(terminal):
    terminal.type("sh\t")
    terminal.shows("sluice> show")
    terminal.type("vi\t")
    terminal.shows("sluice> show vips")
    terminal.type("\x15show v\t")  # several go on: they are listed
    terminal.sees(r"(?m)^  vips ")
    terminal.sees(r"(?m)^  version ")
    terminal.shows("sluice> show v")


def test_tab_completes_what_the_api_knows(terminal, shown):
    terminal.type("drain vip \t")
    terminal.shows(f"sluice> drain vip {shown.vip}")
    terminal.type("\x15show endpoints service lab/\t")
    terminal.shows("sluice> show endpoints service lab/default/shown")
    terminal.type("\x15show flows protocol t\t")
    terminal.shows("sluice> show flows protocol tcp")


@pytest.mark.parametrize("typed, whole", (
    ("capture port w", "wan"), ("trace port l", "lan"), ("show neighbours interface w", "wan"),
    ("clear neighbours interface w", "wan"), ("show log level w", "warning"), ("show log process d", "dataplane"),
    ("show log subsystem publ", "publish"), ("log level publ", "publish"), ("log level publish de", None),
    ("token create x role a", "admin"), ("token delete kn", "known"), ("show flows endpoint 10.244.1.11", "10.244.1.11"),
    ("trace host ", ""),
))
def test_tab_completes_values(terminal, shown, typed, whole):
    if "known" == whole:
        shown.box.sluice("token", "create", "known")
    terminal.type(f"{typed}\t")
    if whole is None:  # several begin so
        terminal.sees(r"(?m)^  debug ")
        terminal.sees(r"(?m)^  default ")
    else:
        terminal.shows(f"sluice> {typed[:len(typed) - len(typed.split(' ')[-1])]}{whole}")


def test_each_value_is_offered_once(terminal, shown):
    terminal.type("drain endpoint ?")

    def offered():
        return sorted(row.split()[0] for row in terminal.filled() if row.startswith("  10.244."))

    terminal.until(offered, "endpoints")
    terminal.shows("sluice> drain endpoint")
    assert offered() == sorted(pod.v4 for pod in shown.pods.values())


def test_a_flag_with_dashes_is_known(terminal):
    terminal.type("commit --file ?")
    terminal.sees(r"(?m)^  FILE ")
    terminal.type("\x15commit --file /tmp/x com\t")
    terminal.shows("sluice> commit --file /tmp/x comment")


def test_question_mark_helps_anywhere(terminal):
    terminal.type("?")
    terminal.sees(r"(?m)^  show +status, vips")
    terminal.shows("sluice>")
    terminal.type("show flows ?")
    terminal.sees(r"(?m)^  client +only from this client")
    terminal.sees(r"(?m)^  <Enter> ")
    terminal.shows("sluice> show flows")
    terminal.type("client ?")
    terminal.sees(r"(?m)^  ADDRESS ")
    terminal.shows("sluice> show flows client")


def test_question_mark_in_a_url_is_one(terminal):
    terminal.type("explain https://web/a?b")
    terminal.shows("sluice> explain https://web/a?b")
    terminal.type("\x15show vips | include \"a?")
    terminal.shows("sluice> show vips | include \"a?")


def test_abbreviations_and_mistakes(terminal, shown):
    assert shown.vip in terminal.run("sh vi")
    assert "expected one of" in terminal.run("show cats")
    assert "may be" in terminal.run("show v")
    assert "a quote is open" in terminal.run("show vips | include 'a")
    assert json.loads(terminal.run("show vips --json"))["vips"][0]["address"] == shown.vip
    assert "ADDRESS" in terminal.run("show vips").split("\n")[0]


def test_filters(terminal, shown):
    reasons = shown.box.show("drops", "all")["drops"]
    assert terminal.run("show drops all | count") == f"{len(reasons)} lines"
    found = terminal.run("show drops all | include no_endpoint").split("\n")
    assert found[0].startswith("REASON") and all("no_endpoint" in row for row in found[1:])
    assert "no_endpoint" not in terminal.run("show drops all | exclude no_endpoint | no-more")
    assert "expected one of include" in terminal.run("show drops | sort")


def test_history_is_kept_for_the_next_time(shown, tmp_path):
    with open_terminal(shown, tmp_path) as terminal:
        terminal.run("show version")
        terminal.run("show vips")
        terminal.type("\x1b[A\x1b[A")
        terminal.shows("sluice> show version")
        terminal.type("\x03\x04")
        assert terminal.ends() == 0
    assert (tmp_path / ".sluice_history").stat().st_mode & 0o777 == 0o600
    with open_terminal(shown, tmp_path) as terminal:
        terminal.type("\x1b[A")
        terminal.shows("sluice> show vips")


def test_long_output_comes_page_by_page(shown, tmp_path):
    with open_terminal(shown, tmp_path, rows=10) as terminal:
        terminal.type("show drops all\r")
        terminal.until(lambda: terminal.line() == ":", "pager")
        assert terminal.screen.display[0].startswith(("sluice> show drops", "REASON"))
        terminal.type("q")
        terminal.prompt("sluice>")


def test_ctrl_c_ends_the_line_only(terminal):
    terminal.type("show nonsense")
    terminal.shows("sluice> show nonsense")
    terminal.type("\x03")
    terminal.sees(r"(?m)^sluice> show nonsense\^C$")
    terminal.prompt("sluice>")
    assert "console" in terminal.run("show version")


def test_ctrl_c_on_an_empty_line_leaves_nothing(terminal):
    """Neither the console nor `configure`: Ctrl-D and `exit` do."""
    for prompt, typed in (("sluice>", "configure\r"), ("sluice(config)>", None)):
        for _ in range(2):
            terminal.clear()
            terminal.type("\x03")
            terminal.until(lambda prompt=prompt: terminal.filled() == [f"{prompt} ^C", prompt], "a new prompt")
        if typed:
            terminal.type(typed)
            terminal.prompt("sluice(config)>")
    terminal.type("\x04")
    terminal.prompt("sluice>")


def test_ctrl_c_ends_a_command_that_waits(shown, tmp_path):
    """An API that takes the question and says nothing."""
    path = str(tmp_path / "silent.sock")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        with Terminal(shown.box.program("sluice"), "--socket", path, home=tmp_path) as terminal:
            terminal.type("show vips\r")
            connection, _ = silent.accept()
            assert connection.recv(4096).startswith(b"GET /v1/vips")
            terminal.type("\x03")
            terminal.sees("interrupted")
            terminal.prompt("sluice>")
            connection.close()


def test_a_shell_and_back(terminal):
    terminal.type("start shell\r")
    terminal.sees("no commit undoes")
    terminal.type("echo at-$((40 + 2))-$(id -u)\r")
    terminal.sees("at-42-0")
    terminal.type("exit\r")
    terminal.prompt("sluice>")
    terminal.type("show version\r")
    terminal.sees("(?m)^console ")


def test_no_shell_without_a_terminal(shown):
    done = shown.box.sluice("start", "shell", check=False)
    assert done.returncode == 1 and "needs a terminal" in done.stderr
