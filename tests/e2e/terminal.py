# SPDX-License-Identifier: BSD-3-Clause
"""The console as who sits before it sees it: a program on a terminal whose screen can be read."""

import os
import re
import time

import pexpect
import pyte

SECONDS = 30  # a busy machine's
ROWS, COLUMNS = 30, 120


class Terminal:
    def __init__(self, program, *words, home, rows=ROWS, columns=COLUMNS):
        env = dict(os.environ, HOME=str(home), TERM="xterm", LC_ALL="C.UTF-8")
        self.columns = columns
        self.screen = pyte.HistoryScreen(columns, rows, history=2000)
        self.stream = pyte.Stream(self.screen)
        self.child = pexpect.spawn(
            str(program), [str(word) for word in words], env=env, encoding="utf-8",
            dimensions=(rows, columns), timeout=SECONDS)
        self.child.delaybeforesend = None
        self.prompt("sluice>")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.close(force=True)

    # What is seen

    def rows(self):
        """Everything from the first line on, as it looks now."""
        gone = ["".join(row[x].data for x in range(self.columns)).rstrip()
                for row in self.screen.history.top]
        return gone + [row.rstrip() for row in self.screen.display]

    def text(self):
        return "\n".join(self.rows())

    def line(self):
        """The line the cursor is in."""
        return self.screen.display[self.screen.cursor.y].rstrip()

    def until(self, there, what):
        """Reads until the screen is as wanted; gives what `there` gave."""
        end = time.monotonic() + SECONDS
        while not (found := there()):
            if time.monotonic() > end:
                raise AssertionError(f"no {what}; the screen:\n{self.text()}")
            try:
                self.stream.feed(self.child.read_nonblocking(65536, timeout=1))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                raise AssertionError(f"ended, no {what}; the screen:\n{self.text()}") from None
        return found

    def sees(self, pattern):
        return self.until(lambda: re.search(pattern, self.text()), pattern)

    def shows(self, line):
        """Until the line being typed is this."""
        self.until(lambda: self.line() == line.rstrip(), f"line {line!r}")

    def prompt(self, prompt):
        self.shows(prompt)

    # What is typed

    def type(self, keys):
        self.child.send(keys)

    def run(self, command, prompt="sluice>"):
        """The command's output. What was on the screen before is wiped first (Ctrl-L)."""
        self.clear()
        self.child.send(command + "\r")
        # The line with the command, the output, and a prompt with nothing behind it.
        self.until(lambda: self.line() == prompt and len(self.filled()) > 1, f"end of {command}")
        return "\n".join(self.filled()[1:-1])

    def filled(self):
        return [row for row in self.rows() if row]

    def clear(self):
        self.child.send("\x0c")
        self.until(lambda: self.screen.cursor.y == 0, "clear screen")
        self.screen.history.top.clear()

    def configure(self):
        self.child.send("configure\r")
        self.prompt("sluice(config)>")

    def conf(self, command):
        return self.run(command, "sluice(config)>")

    def ends(self):
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus
