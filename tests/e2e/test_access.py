# SPDX-License-Identifier: BSD-3-Clause
"""Who may connect to the sockets: root and the group of sluice.conf, nobody else."""

import grp
import stat

import pytest

NOBODY = 65534
PROBE = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(3)
sock.connect(sys.argv[1])
if len(sys.argv) > 2:
    sock.sendall(sys.argv[2].encode().decode("unicode_escape").encode())
data = sock.recv(4096)
served = data.split(b" ")[1:2] == [b"200"] if len(sys.argv) > 2 else data
sys.exit(0 if served else 1)
"""


def sockets(lab):
    return sorted(path for path in (lab.net.dir / "run").iterdir() if path.is_socket())


def probe(lab, path, gid):
    """As a user who is not root: is it served?"""
    words = ["setpriv", f"--reuid={NOBODY}", f"--regid={gid}", "--clear-groups", "/usr/bin/python3",
             "-c", PROBE, path]
    if "api" in path.name:
        words.append(r"GET /v1/vips HTTP/1.0\r\n\r\n")
    return lab.net.box.run(*words, check=False).returncode == 0


class TestSockets:
    def test_there_are_two(self, lab):
        assert {path.name for path in sockets(lab)} == {"dataplane.sock", "api.sock"}

    def test_modes(self, lab):
        for path in sockets(lab):
            found = path.stat()
            assert stat.S_IMODE(found.st_mode) == 0o660
            assert (found.st_uid, found.st_gid) == (0, grp.getgrnam("daemon").gr_gid)

    @pytest.mark.parametrize("name", ("dataplane.sock", "api.sock"))
    def test_a_member_of_the_group_may(self, lab, name):
        assert probe(lab, lab.net.dir / "run" / name, grp.getgrnam("daemon").gr_gid)

    @pytest.mark.parametrize("name", ("dataplane.sock", "api.sock"))
    def test_nobody_else_may(self, lab, name):
        assert not probe(lab, lab.net.dir / "run" / name, NOBODY)

    @pytest.mark.parametrize("name", ("dataplane.sock", "api.sock"))
    def test_not_even_with_an_open_mode(self, lab, name):
        """The peer's credentials are checked, too."""
        path = lab.net.dir / "run" / name
        path.chmod(0o666)
        try:
            assert not probe(lab, path, NOBODY)
        finally:
            path.chmod(0o660)

    def test_the_console_says_why(self, lab):
        done = lab.net.box.run(
            "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
            lab.box.program("sluice"), "--socket", lab.box.api_socket, "show", "vips", check=False)
        assert done.returncode != 0
        assert str(lab.box.api_socket) in done.stderr and "group" in done.stderr
