# SPDX-License-Identifier: BSD-3-Clause
"""The API over HTTPS: tokens and their roles, what is refused, and who holds up nobody."""

import contextlib
import json
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from topology import wait_until

PORT, METRICS = 8443, 9100
ADDRESS = "192.0.2.1"


@pytest.fixture(scope="module")
def box(make_module_lab):
    lab = make_module_lab(settings={"api": {
        "https": {"port": PORT}, "metrics": {"address": ADDRESS, "port": METRICS}, "rate": 1000}})
    lab.view = lab.box.sluice("token", "create", "viewer", "--role", "view").stdout.strip()
    lab.admin = lab.box.sluice("token", "create", "chief", "role", "admin").stdout.strip()
    lab.vip = lab.apply_service("rest", [("echo", "TCP", 7000, 9000)])[0]
    return lab


def request(box, path, *words, token=None, method="GET", port=PORT, scheme="https", server=None):
    """(status, headers and body) of one request by curl, from the client's machine."""
    more = ["-H", f"Authorization: Bearer {token}"] if token else []
    done = box.net.client.run(
        "curl", "-sS", "-k", "-i", "-m", "10", "-X", method, *more, *words,
        f"{scheme}://{server or ADDRESS}:{port}{path}", check=False)
    assert done.returncode == 0, done.stderr
    head = done.stdout.split("\n\n", 1)
    return int(head[0].split()[1]), head[0].lower(), head[1]


def test_asking_needs_a_token(box):
    status, head, body = request(box, "/v1/vips")
    assert status == 401 and "www-authenticate: bearer" in head and "error" in json.loads(body)
    assert request(box, "/v1/vips", token="sluice_" + "0" * 64)[0] == 401
    assert request(box, "/v1/nonsense")[0] == 401  # nothing is told of what there is
    status, _, body = request(box, "/v1/vips", token=box.view)
    assert status == 200 and json.loads(body)["vips"][0]["address"] == box.vip



def test_the_candidate_of_another(box):
    """It is of the token that began it; `seen` refuses who has not seen what was done since."""
    def post(path):
        status, _, body = request(box, f"/v1/config/{path}", token=box.admin, method="POST")
        return status, json.loads(body)

    status, first = post("set?path=pools.public.priority&value=44")
    assert status == 200 and first["who"] == "chief"
    refused = box.box.sluice("configure", "set", "pools.public.priority", "45", check=False)
    assert refused.returncode == 2 and "chief has a candidate since" in refused.stderr
    refused = box.box.sluice("configure", "commit", check=False)
    assert refused.returncode == 2 and "the candidate is chief's" in refused.stderr
    status, second = post(f"set?path=pools.public.priority&value=46&seen={first['edit']}")
    assert status == 200 and second["edit"] != first["edit"]
    status, wrong = post(f"commit?seen={first['edit']}")
    assert status == 400 and "another console (chief) has changed the candidate" in wrong["error"]
    box.box.sluice("configure", "discard")
    status, wrong = post(f"commit?seen={second['edit']}")
    assert status == 400 and "another console (root) has discarded the candidate" in wrong["error"]


def test_certificate_is_the_one_on_disk(box):
    ca = f"{box.box.settings['state_dir']}/api-certificate.pem"
    name = subprocess.run(["openssl", "x509", "-in", ca, "-noout", "-ext", "subjectAltName"],
                          capture_output=True, text=True, check=True).stdout.split("DNS:")[1].strip()
    done = box.net.client.run(
        "curl", "-sS", "--cacert", ca, "--resolve", f"{name}:{PORT}:{ADDRESS}", "-H",
        f"Authorization: Bearer {box.view}", f"https://{name}:{PORT}/v1/version")
    assert "controlplane" in json.loads(done.stdout)


def test_roles(box):
    assert request(box, f"/v1/drain?vip={box.vip}", token=box.view, method="POST")[0] == 403
    assert request(box, "/v1/tokens", token=box.view)[0] == 403
    status, _, body = request(box, "/v1/tokens", token=box.admin)
    assert status == 200
    assert {(row["name"], row["role"]) for row in json.loads(body)["tokens"]} >= {
        ("viewer", "view"), ("chief", "admin")}
    assert request(box, f"/v1/drain?vip={box.vip}", token=box.admin, method="POST")[0] == 200
    assert request(box, f"/v1/undrain?vip={box.vip}", token=box.admin, method="POST")[0] == 200


def test_only_hashes_are_kept(box):
    kept = Path(box.box.settings["state_dir"], "tokens").read_text()
    assert "viewer view" in kept
    assert box.view.split("_")[1] not in kept and box.admin.split("_")[1] not in kept


def test_a_deleted_token_is_nobodys(box):
    token = box.box.sluice("token", "create", "gone").stdout.strip()
    assert request(box, "/v1/version", token=token)[0] == 200
    box.box.sluice("token", "delete", "gone")
    assert request(box, "/v1/version", token=token)[0] == 401
    assert "gone" not in box.box.sluice("token", "list").stdout


def test_each_change_is_in_the_log(box):
    request(box, "/v1/drain?vip=203.0.113.9", token=box.admin, method="POST")
    request(box, "/v1/drain", token=box.view, method="POST")
    wait_until(lambda: "chief from 192.0.2.10: /v1/drain vip=203.0.113.9: 400" in
               box.box.tail("sluice-controlplane", 200), "the line of a refused change")
    log = box.box.tail("sluice-controlplane", 500)
    assert "viewer from 192.0.2.10: /v1/drain: 403" in log
    assert "root from unix: /v1/token/create name=viewer role=view: 200 done" in log
    assert box.view not in log


@pytest.mark.parametrize("path, method, status", (
    ("/v1/nonsense", "GET", 404), ("/", "GET", 404), ("/v1/vips", "POST", 405),
    ("/v1/vips", "DELETE", 405), ("/v1/drain", "GET", 405), ("/v1/flows?vip=web", "GET", 400),
    ("/v1/vips?x=1", "GET", 400), ("/v1/token/create?name=a%20b", "POST", 400),
    ("/v1/token/create?name=a&role=king", "POST", 400), ("/v1/token/delete?name=nobody", "POST", 400),
))
def test_what_is_wrong_is_told(box, path, method, status):
    got, head, body = request(box, path, token=box.admin, method=method)
    assert got == status and json.loads(body)["error"]
    if status == 405:
        assert "\nallow:" in head


def test_a_large_body_is_refused(box):
    big = Path(box.dir, "big")
    big.write_bytes(b"x" * (1024 * 1024 + 1))
    assert request(box, "/v1/drain", "--data-binary", f"@{big}", token=box.admin, method="POST")[0] == 413


def test_metrics(box):
    assert "sluice_dataplane_up 1" in request(box, "/metrics", token=box.view)[2]
    assert "sluice_dataplane_up 1" in request(box, "/metrics", port=METRICS, scheme="http")[2]
    assert request(box, "/v1/vips", port=METRICS, scheme="http")[0] == 403


def test_slow_and_stuck_clients_hold_up_nobody(box):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    held = []
    try:
        for i in range(150):  # more than there is room for
            sock = box.net.client.socket()
            sock.settimeout(5)
            held.append(sock)
            sock.connect((ADDRESS, PORT))
            if i % 3 == 1:
                sock.sendall(b"\x16\x03\x01\x02")  # a handshake that does not go on
        for _ in range(5):
            sock = box.net.client.socket()
            sock.settimeout(5)
            sock.connect((ADDRESS, PORT))
            sock = context.wrap_socket(sock)
            held.append(sock)
            sock.sendall(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {box.view}\r\n\r\nGET /".encode())
        started = time.monotonic()
        assert request(box, "/v1/version", token=box.view)[0] == 200
        assert box.box.show("version")
        assert time.monotonic() - started < 5
    finally:
        for sock in held:
            sock.close()


def test_garbage_ends_its_own_connection(box):
    for bytes_ in (b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)), b"\x16\x03\x01\xff\xff" + b"\0" * 200):
        with box.net.client.socket() as sock:
            sock.settimeout(5)
            sock.connect((ADDRESS, PORT))
            with contextlib.suppress(ConnectionError):
                sock.sendall(bytes_)
                with contextlib.suppress(OSError):  # it may have ended before
                    sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass
    assert request(box, "/v1/version", token=box.view)[0] == 200


def test_rate(box, make_lab):
    box.box.settings["api"]["rate"] = 1  # less than a slow machine asks
    box.box.write_settings()
    try:
        def limited():
            status, head, _ = request(box, "/v1/version", token=box.view)
            assert status in (200, 429)
            return status == 429 and "retry-after: 1" in head
        wait_until(limited, "too many requests are refused", 10, pause=0)
        assert box.box.show("version")  # the console is not limited
        wait_until(lambda: request(box, "/v1/version", token=box.view)[0] == 200, "asking again", 10, 0.5)
    finally:
        box.box.settings["api"]["rate"] = 1000
        box.box.write_settings()
