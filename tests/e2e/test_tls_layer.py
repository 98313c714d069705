# SPDX-License-Identifier: BSD-3-Clause
"""TLS as others see it: handshakes on threads of their own, testssl.sh, and no key in a core file."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from proxied import VIP, Plan, proto  # noqa: F401: a fixture

# Of the certificate that the test makes, of the page served and of the network of the test.
NOT_OURS = ("cert_", "DNS_", "security_headers", "HSTS", "HPKP", "banner", "scanTime", "scanProblem",
            "engine_problem", "overall_grade", "grade_cap")
# Its client leaves as soon as the handshake is done, at times before the ticket of TLS 1.3 is there,
# and cannot resume then. That sessions are resumed is tested beside TLS at the proxy.
NOT_WAITED_FOR = ("sessionresumption_ticket", "check failed because of connect problem")


@pytest.fixture(scope="module")
def lab(make_module_lab):
    lab = make_module_lab(settings={"dataplane": {"crypto_cpus": [0, 1]}})
    lab.box.kill("sluice-controlplane")
    yield lab
    lab.box.check_alive()


@pytest.fixture
def plan(lab, proto):  # noqa: F811
    plan = Plan(lab, proto)
    plan.pool("web", ["web-1a"])
    plan.rule("", "/", "web")
    plan.certificate("ecdsa", "")
    plan.certificate("rsa", "", key="rsa")
    plan.apply(hsts_s=31536000)
    return plan


def process_of(lab, name):
    return lab.box.processes[name].pid


def test_handshakes_on_threads(lab, plan):
    pid = process_of(lab, "sluice-dataplane")
    threads = [path.read_text().strip() for path in Path(f"/proc/{pid}/task").glob("*/comm")]
    assert {"crypto-0", "crypto-1"} <= set(threads)
    for words in ("--tlsv1.3", "--tls-max 1.2", "--tls-max 1.2 --ciphers ECDHE-RSA-AES128-GCM-SHA256"):
        for _ in range(5):
            out = lab.curl(*words.split(), "-k", "-i", f"https://{VIP}/").stdout
            assert "200 OK" in out


@pytest.mark.skipif(not shutil.which("gcore"), reason="no gdb here")
def test_no_key_in_a_debuggers_dump(lab, plan):
    """What gcore writes of the dataplane has neither the key's text nor its number."""
    pid, core = process_of(lab, "sluice-dataplane"), Path(lab.dir) / "core"
    lab.curl("-k", f"https://{VIP}/")
    subprocess.run(["gcore", "-o", core, str(pid)], capture_output=True, check=True)
    dump = Path(f"{core}.{pid}").read_bytes()
    assert len(dump) > 1000
    for name in ("ecdsa", "rsa"):
        pem = plan.certificates[name]["key_pem"]
        der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
        for secret in (pem[40:100], der[40:66], der[-32:], der[-32:][::-1]):
            assert secret not in dump


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("testssl"), reason="no testssl.sh here")
def test_testssl(lab, plan):
    found = Path(lab.dir) / "testssl.json"
    # Protocols, ciphers, forward secrecy, our order, defaults, vulnerabilities: what TLS is.
    # It asks for a name that is none again and again: nobody is to be waited for who could know it.
    lab.client.run("unshare", "-m", "sh", "-c", 'mount --bind /dev/null /etc/resolv.conf && exec testssl "$@"',
                   "testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none",
                   "-p", "-s", "-f", "-P", "-S", "-U", "--jsonfile", found, "--severity", "MEDIUM", f"https://{VIP}:443/", check=False)
    findings = [one for one in json.loads(found.read_text()) if not one["id"].startswith(NOT_OURS)]
    assert [one for one in findings if (one["id"], one["finding"]) != NOT_WAITED_FOR] == []
