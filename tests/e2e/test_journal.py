# SPDX-License-Identifier: BSD-3-Clause
"""What is logged, as a real systemd-journald has it: one of the test's own, in a mount namespace whose /run is empty."""

import json
import os
import signal
import subprocess

import pytest
from test_controlplane import PROGRAM, Alone
from topology import wait_until

JOURNALD = "/lib/systemd/systemd-journald"
# Without the kernel's own log. JOURNAL_STREAM is what systemd tells a service of its standard error.
SCRIPT = f"""
mount -t tmpfs tmpfs /run && mount --bind /dev/null /dev/kmsg && mkdir -p /run/systemd/journal /run/log/journal || exit 1
{JOURNALD} &
echo $! > "$0/journald.pid"
until [ -S /run/systemd/journal/stdout ]; do sleep 0.05; done
exec systemd-cat -t sluice-controlplane bash -c '
    JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec {PROGRAM} --config "$0"' "$0/sluice.conf"
"""
pytestmark = pytest.mark.skipif(not os.path.exists(JOURNALD), reason="no systemd-journald")


class Logged(Alone):
    def start(self):
        with self.log.open("a") as log:
            self.process = subprocess.Popen(["unshare", "-m", "bash", "-c", SCRIPT, self.dir], stdout=log, stderr=log)
        wait_until(lambda: self.console("show", "version", check=False).returncode == 0, "an answer", 30)

    def entries(self, *matches):
        done = subprocess.run(["nsenter", "-t", str(self.process.pid), "-m", "journalctl", "--directory",
                               "/run/log/journal", "--no-pager", "-q", "-o", "json", *matches],
                              check=True, text=True, capture_output=True)
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def logged(tmp_path):
    one = Logged(tmp_path)
    try:
        one.start()
        yield one
    finally:
        if one.process:
            one.process.kill()
            one.process.wait()
        os.kill(int((tmp_path / "journald.pid").read_text()), signal.SIGTERM)


def test_lines_have_fields(logged):
    lines = wait_until(lambda: logged.entries("SYSLOG_IDENTIFIER=sluice-controlplane", "SLUICE_AREA=main"), "a line")
    assert "runs with" in lines[0]["MESSAGE"] and lines[0]["PRIORITY"] == "5"
    assert lines[0]["_TRANSPORT"] == "journal" and lines[0]["_PID"] == str(logged.process.pid)
    assert logged.console("configure", "set", "pools.first.priority", "7").returncode == 0
    assert logged.console("configure", "set", "pools.first.nonsense", "7", check=False).returncode != 0
    audit = wait_until(lambda: (found := logged.entries("SLUICE_AREA=audit")) and len(found) == 2 and found, "two changes")
    told = audit[0]
    assert (told["SLUICE_WHO"], told["SLUICE_FROM"], told["SLUICE_WHAT"]) == ("root", "unix", "/v1/config/set")
    assert told["SLUICE_ARGUMENTS"] == "path=pools.first.priority value=7"
    assert (told["SLUICE_STATUS"], told["SLUICE_RESULT"]) == ("200", "done")
    assert audit[1]["SLUICE_STATUS"] == "400" and "unknown key" in audit[1]["SLUICE_RESULT"]
    # Nothing of it is on standard error, which the journal has, too.
    assert not logged.entries("SYSLOG_IDENTIFIER=sluice-controlplane", "_TRANSPORT=stdout")
