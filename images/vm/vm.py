#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""vm.py IMAGE: the lab of images/lab with the firmware in a virtual machine in place of the box, or
in two that are a pair. Ends with its ends of everything when Enter is pressed, or at once with --once,
which takes the power of one of two away first. See images/vm/run."""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))
import ingresses  # noqa: E402
import topology  # noqa: E402
from appliance import default_settings, libconfig  # noqa: E402
from lab import ask_http, ask_udp, service_address, spread  # noqa: E402
from machine import NIC_ADDRESSES, PATIENCE, Hardware, Machine  # noqa: E402
from topology import BOX_HOST, ROOT, LabError, Topology, wait_until  # noqa: E402

PAIR_MS = 1000  # a machine of software may stand still for longer than VRRP's usual interval


def configuration(host=BOX_HOST, workers=(1,), **more):
    """The lab's, as the firmware has it: its NICs by PCI address."""
    settings = default_settings("/etc/sluice")
    settings["dataplane"] = {"workers": list(workers), "main_cpu": 0, "memory_mb": 512, "flows": 65536}
    for port, pci in zip(settings["ports"], NIC_ADDRESSES, strict=True):
        port["kind"], port["device"] = "pci", pci
        port["addresses"] = [a.replace(f".{BOX_HOST}/", f".{host}/").replace(f"::{BOX_HOST}/",
                                                                            f"::{host}/")
                             for a in port["addresses"]]
    settings["sources"][0]["path"] = "/etc/sluice/manifests"
    settings["ingress"] = {"addresses": ingresses.ADDRESSES}
    for key in ("run_dir", "state_dir", "group"):
        del settings[key]
    settings.update(more)
    return "".join(f"{key} = {libconfig(value)};\n" for key, value in settings.items())


def manifests(folder):
    """({name on the volume: text}, the certificate's chain)."""
    chain = ingresses.write_secret(folder, folder)
    reference = [ROOT / "config/examples/reference" / f"{name}.yaml"
                 for name in ("paths-and-rewrite", "two-hosts", "web-app")]
    files = [*(ROOT / "config/examples").glob("*.yaml"), *reference,
             *(ROOT / "images/lab/manifests").glob("*.yaml"), *folder.glob("*.yaml")]
    return {f"manifests/{file.name}": file.read_text() for file in files}, chain


def what_is_wrong(lab, box, command):
    """What the client sees, and what the box says of it."""
    said = [lab.client.run(*command, "-v", "--max-time", "5", check=False).stderr,
            lab.client.run("ip", "neigh", check=False).stdout]
    for words in ("show status", "show problems", "show ports", "show vips", "show neighbours",
                  "show drops", "show workers", "show log"):
        said.append(f"--- {words}\n{box.ssh(words, check=False).stdout}")
    return "\n".join(said)


def serves(lab, box, chain, seconds=60):
    """Until HTTPS by curl goes through: [(what the client did, who answered)], L4 and L7."""
    command = ingresses.commands(chain)[-1]
    try:
        wait_until(lambda: lab.client.run(*command, "-sS", "--fail", "--max-time", "2",
                                          check=False).returncode == 0,
                   f"an answer to {ingresses.shown(command)}", seconds * PATIENCE, 0.5)
    except LabError as error:
        raise LabError(f"{error}\n{what_is_wrong(lab, box, command)}") from None
    web, echo = service_address(box, "web"), service_address(box, "echo")
    return [(f"curl http://{web}/", spread(ask_http(lab.client, f"http://{web}/", 10))),
            (f"UDP to {echo} port 7", spread(ask_udp(lab.client, echo, 7, 10))),
            *((ingresses.shown(one), ingresses.ask(lab.client, one))
              for one in ingresses.commands(chain))]


def states(machines, address):
    """What each machine says that it is for this VIP."""
    return [next((row["state"] for row in box.show("vips")["vips"] if row["address"] == address),
                 None) for box in machines]


def owner_of(machines, address, seconds=60):
    """The machine that answers for the VIP, once the other one stands by."""
    def settled():
        found = states(machines, address)
        return sorted(map(str, found)) == ["owned", "standby"] and [machines[found.index("owned")]]
    return wait_until(settled, f"one that owns {address}, and one that stands by",
                      seconds * PATIENCE, 1)[0]


def time_without(lab, url, after):
    """Does `after`, asking for the url all the time: seconds from then to the next answer."""
    def asked():
        return lab.client.run("curl", "-sS", "--fail", "--max-time", "0.5", url, check=False)
    wait_until(lambda: asked().returncode == 0, f"an answer from {url}", 30 * PATIENCE)
    after()
    begin = time.monotonic()
    wait_until(lambda: asked().returncode == 0, f"an answer from {url} again", 60 * PATIENCE)
    return time.monotonic() - begin


def bring_up(options, lab, folder, machines, more=(), **hardware):
    """Starts them, each in machines as soon as it runs; the chain of the lab's certificate."""
    files, chain = manifests(folder)
    lab.create()
    lab.serve()
    for number in range(2 if options.pair else 1):
        pair = {"pair": {"interface": "wan", "interval_ms": PAIR_MS}} if options.pair else {}
        box = Machine(folder / f"box{number + 1}", options.image,
                      Hardware(uefi=options.uefi, **hardware))
        box.configure(configuration(BOX_HOST + number, **pair), **files)
        box.start(lab.switch, more=more)
        machines.append(box)
    return chain


def fail_over(lab, machines, chain):
    """Takes the power of the one that answers away: (the other one, seconds until it serves)."""
    address = ingresses.ADDRESSES[0]
    first = owner_of(machines, address)
    other = machines[1 - machines.index(first)]
    print(f"\n{address} is {first.folder.name}'s, and {other.folder.name} stands by. "
          f"The power of {first.folder.name} is taken away.", flush=True)
    url = f"http://{service_address(other, 'web')}/"
    seconds = time_without(lab, url, first.stop)
    print(f"{url} has its answer again after {seconds:.1f} s", flush=True)
    show_serves(lab, other, chain)
    print(f"\n$ show vips\n{other.ssh('show vips').stdout}", flush=True)
    return other, seconds


def show_serves(lab, box, chain):
    for command, answer in serves(lab, box, chain):
        print(f"$ {command}\n  served by {answer}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="images/vm/run", description=__doc__)
    parser.add_argument("--pair", action="store_true", help="two machines, one VRRP")
    parser.add_argument("--uefi", action="store_true")
    parser.add_argument("--once", action="store_true", help="show that it serves, then end")
    parser.add_argument("image")
    options = parser.parse_args()
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    machines = []
    with tempfile.TemporaryDirectory(prefix="sluice-vm-") as folder:
        lab = Topology("slvm", Path(folder))
        topology.destroy(lab.name)
        try:
            chain = bring_up(options, lab, Path(folder), machines)
            for box in machines:
                box.wait_up()
            print(f"Up after {time.monotonic() - started:.0f} s", flush=True)
            show_serves(lab, machines[0], chain)
            for box in machines:
                print(f"\n$ ssh -p {box.port} -i {box.key} admin@127.0.0.1 show status\n"
                      f"{box.ssh('show status').stdout}", flush=True)
            if options.once and options.pair:
                fail_over(lab, machines, chain)
            elif not options.once:
                for box in machines if options.pair else ():
                    print(f"To take the power of {box.folder.name} away: kill {box.process.pid}")
                print(f"From the client: ip netns exec {lab.client.name} curl ...\n"
                      "Enter ends all of it.", flush=True)
                sys.stdin.readline()
        except (LabError, OSError, subprocess.SubprocessError) as error:
            print(f"images/vm/run: {error}", file=sys.stderr)
            return 1
        finally:
            for box in machines:
                box.stop()
            topology.destroy(lab.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
