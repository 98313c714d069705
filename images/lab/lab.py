#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""lab.py up [--pair|--bgp] | down: the lab that stays up, for people. images/lab/up installs and builds before it."""

import collections
import grp
import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import hugepages
import ingresses
import topology
import two
from appliance import Appliance, default_settings
from topology import ROOT, LabError, Topology, run, wait_until

NAME = "sl"
RUN = Path("/run/sluice-lab")
STATE = Path("/var/lib/sluice-lab")
UNDO = STATE / "undo.json"
GROUP = "sluice"


def say(text=""):
    print(text, flush=True)


def undo():
    """What up changed outside its own folders and namespaces."""
    try:
        return json.loads(UNDO.read_text())
    except (OSError, ValueError):
        return {}


def down():
    topology.destroy(NAME)
    todo = undo()
    hugepages.give_back(todo.get("hugepages", {}))
    if todo.get("group"):
        run("groupdel", GROUP, check=False)
    for folder in (RUN, STATE):
        shutil.rmtree(folder, ignore_errors=True)


def ensure_group():
    try:
        grp.getgrnam(GROUP)
        return False
    except KeyError:
        run("groupadd", "--system", GROUP)
        return True


def settings():
    chosen = default_settings(RUN)
    chosen["run_dir"], chosen["state_dir"], chosen["group"] = str(RUN), str(STATE), GROUP
    chosen["sources"][0]["path"] = str(STATE / "manifests")
    chosen["ingress"] = {"addresses": ingresses.ADDRESSES}
    return chosen


def apply_manifests(directory):
    """Copies the examples there; each appears whole, as a rename."""
    reference = [ROOT / "config/examples/reference" / f"{name}.yaml"
                 for name in ("paths-and-rewrite", "two-hosts", "web-app")]
    for source in sorted([*(ROOT / "config/examples").glob("*.yaml"), *reference,
                          *(ROOT / "images/lab/manifests").glob("*.yaml")]):
        half = directory / f".{source.name}.new"
        shutil.copyfile(source, half)
        half.rename(directory / source.name)


def service_address(box, service):
    """The IPv4 address the Service was given."""
    for row in box.show("services")["services"]:
        if row["service"].endswith(f"/{service}"):
            for address in row.get("addresses", []):
                if ":" not in address:
                    return address
    return None


def ask_udp(client, address, port, tries):
    """Which pods answer datagrams, each from a port of its own."""
    seen = collections.Counter()
    for _ in range(tries):
        with client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            sock.sendto(b"hello", (address, port))
            seen[sock.recv(2048).split()[0].decode()] += 1
    return seen


def ask_http(client, url, tries):
    seen = collections.Counter()
    for _ in range(tries):
        seen[client.run("curl", "-sS", "--max-time", "3", url).stdout.split()[0]] += 1
    return seen


def spread(seen):
    return ", ".join(f"{name} {count}" for name, count in sorted(seen.items()))


def start(lab, kind, box):
    """The second appliance, when there is to be one, and the router: both boxes started."""
    if not kind:
        box.start_all()
        return [box], None
    other, router = two.add(lab, kind, box.settings)
    box.write_settings()
    for each in (box, other):
        each.start("sluice-dataplane")
        each.start("sluice-controlplane")
    for each in (box, other):
        each.wait_answers()
    return [box, other], router


def up(kind=None):
    started = time.monotonic()
    if any(topology.Machine(f"{NAME}-{what}").exists() for what in ("box", "client", "switch")):
        say("A lab is there already; taking it down first")
    down()
    for folder in (RUN, STATE, STATE / "manifests"):
        folder.mkdir(parents=True, exist_ok=True)
    say(f"Memory: {hugepages.reserve()}")
    UNDO.write_text(json.dumps({"hugepages": hugepages.changed(), "group": ensure_group()}))

    say(f"Client, {'two appliances' if kind else 'appliance'}, two nodes, four pods")
    lab = Topology(NAME, RUN).create()
    lab.serve()

    say("Starting sluice-dataplane and sluice-controlplane")
    box = Appliance(lab.box, RUN, settings())
    boxes, router = start(lab, kind, box)
    say(f"The dataplane uses {box.memory()}")

    say("Applying config/examples and images/lab/manifests")
    chain = ingresses.write_secret(STATE, STATE / "manifests")
    apply_manifests(STATE / "manifests")
    web = wait_until(lambda: service_address(box, "web"), "an address for the Service web")
    echo = wait_until(lambda: service_address(box, "echo"), "an address for the Service echo")
    wait_until(lambda: lab.client.run("curl", "-sS", "--max-time", "1", f"http://{web}/",
                                      check=False).returncode == 0,
               f"an answer from http://{web}/")
    found = two.wait(kind, boxes, router, web) if kind else []
    say()
    for line in found:
        say(line)
    say(f"$ curl http://{web}/      20 times, from the client")
    say(f"  answered by {spread(ask_http(lab.client, f'http://{web}/', 20))}")
    say(f"  UDP to {echo} port 7    20 times")
    say(f"  answered by {spread(ask_udp(lab.client, echo, 7, 20))}")
    ingresses.wait(lab.client, chain)
    for command in ingresses.commands(chain):
        say(f"$ {ingresses.shown(command)}")
        say(f"  served by {ingresses.ask(lab.client, command)}")
    say()
    say(f"Up after {time.monotonic() - started:.0f} s. To try:")
    console = f"{box.program('sluice')} --socket {box.api_socket}"
    for line in (
        f"ip netns exec {NAME}-client curl http://{web}/",
        f"ip netns exec {NAME}-client ping {web}",
        f"ip netns exec {NAME}-client {ingresses.shown(ingresses.commands(chain)[-1])}",
        f"{console} explain https://{ingresses.HOST}/",
        f"{console} show vips      also: services endpoints ingresses routes certificates ...",
        *(two.to_try(kind, boxes, router) if kind else []),
        f"edit or remove a file in {STATE}/manifests and look again",
        f"ip netns exec {NAME}-box tcpdump -ni lan",
    ):
        say(f"  {line}")
    say(f"Logs: {RUN}/sluice-dataplane.log, {RUN}/sluice-controlplane.log, {RUN}/pods/*/")
    say(f"Configuration: {RUN}/sluice.conf   State: {STATE}")
    say("sudo images/lab/down takes it all away.")


def main():
    what, *options = sys.argv[1:]
    kinds = [option.removeprefix("--") for option in options]
    if what not in ("up", "down") or len(kinds) > (what == "up") or not set(kinds) <= set(two.KINDS):
        print("usage: images/lab/up [--pair | --bgp]; images/lab/down", file=sys.stderr)
        return 2
    try:
        if what == "down":
            down()
        else:
            up(*kinds)
    except (LabError, OSError, subprocess.SubprocessError) as error:
        print(f"images/lab/{sys.argv[1]}: {error}", file=sys.stderr)
        if sys.argv[1] == "up":
            print(f"What is up stays up for a look; logs are in {RUN}. "
                  "sudo images/lab/down takes it away.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
