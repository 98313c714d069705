# SPDX-License-Identifier: BSD-3-Clause
"""HTTP/2 in front of a scripted API server, by nghttpx: what our client says to it, and what it does
when it goes away or hangs."""

import contextlib
import os
import signal

from topology import wait_until


class H2Proxy:
    """Listens on `port` of `machine` with the API server's own certificate."""

    def __init__(self, machine, api, port):
        self.machine, self.port = machine, port
        self.access, self.log = api.folder / f"h2-{port}-access", api.folder / f"h2-{port}-log"
        self.process = machine.start(
            "nghttpx", "--conf=/dev/null", "--workers=1", "--insecure",
            f"--frontend=127.0.0.1,{port}", f"--backend=127.0.0.1,{api.port};;tls",
            f"--accesslog-file={self.access}",
            "--accesslog-format=$remote_port $alpn $method $path",
            "--frontend-http2-read-timeout=1h", "--backend-read-timeout=1h",
            api.ca.with_suffix(".key"), api.ca, log=self.log)
        wait_until(self.listens, "nghttpx", 20)

    def listens(self):
        with contextlib.suppress(OSError), self.machine.socket() as sock:
            sock.connect(("127.0.0.1", self.port))
            return True
        return False

    def say_goaway(self):
        """It takes nothing more, and ends when what is under way has."""
        self.process.send_signal(signal.SIGQUIT)

    def freeze(self):
        os.killpg(self.process.pid, signal.SIGSTOP)

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)

    def said(self):
        """(client's port, protocol, method, path) of each request that ended."""
        with contextlib.suppress(FileNotFoundError):
            return [line.split(" ", 3) for line in self.access.read_text().splitlines()]
        return []

    def connections(self):
        return {port for port, protocol, _, _ in self.said() if protocol == "h2"}
