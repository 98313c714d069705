# SPDX-License-Identifier: BSD-3-Clause
"""The lab's Ingresses: a certificate for the one with TLS, and requests to show them."""

import collections
import textwrap

from topology import WAN4, WAN6, LabError, run, wait_until

ADDRESSES = [WAN4.format(110), WAN6.format(110)]
HOST, SECRET = "shop.example.com", "shop-tls"


def write_secret(directory, manifests):
    """A self-signed certificate as the Secret that config/examples/reference names; its file."""
    key, chain = directory / "shop.key", directory / "shop.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-keyout", key, "-out", chain, "-days", "30", "-subj", f"/CN={HOST}",
        "-addext", f"subjectAltName=DNS:{HOST}")
    key.chmod(0o600)
    half = manifests / ".shop-tls.yaml.new"
    half.write_text(
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {SECRET}}}\ntype: kubernetes.io/tls\n"
        f"stringData:\n  tls.crt: |\n{textwrap.indent(chain.read_text(), '    ')}"
        f"  tls.key: |\n{textwrap.indent(key.read_text(), '    ')}")
    half.chmod(0o600)
    half.rename(manifests / "shop-tls.yaml")
    return chain


def commands(chain):
    """curl as a person would type it, for each of the lab's Ingresses."""
    address = ADDRESSES[0]
    return [
        ["curl", "-H", "Host: news.example.com", f"http://{address}/"],
        ["curl", "-H", "Host: mail.example.com", f"http://{address}/"],
        ["curl", "-H", "Host: example.com", f"http://{address}/stock"],
        ["curl", "-H", "Host: example.com", f"http://{address}/orders"],
        ["curl", "-H", "Host: api.example.com", f"http://{address}/"],
        ["curl", "--cacert", chain, "--resolve", f"{HOST}:443:{address}", f"https://{HOST}/"],
    ]


def ask(client, command, tries=10):
    seen = collections.Counter()
    for _ in range(tries):
        done = client.run(*command, "-sS", "--fail", "--max-time", "3", check=False)
        if done.returncode:
            return f"nobody: {done.stderr.strip()}"
        seen[done.stdout.split()[0]] += 1
    return ", ".join(f"{name} {count}" for name, count in sorted(seen.items()))


def wait(client, chain):
    command = commands(chain)[-1]
    try:
        wait_until(lambda: client.run(*command, "-sS", "--fail", "--max-time", "1",
                                      check=False).returncode == 0, "")
    except LabError:
        raise LabError(f"no answer to {shown(command)}") from None


def shown(command):
    return " ".join(f"'{word}'" if " " in f"{word}" else f"{word}" for word in command)
