# SPDX-License-Identifier: BSD-3-Clause
"""The appliance of a lab: its configuration and its two processes, on one machine of the topology.

Used by images/lab/lab.py and tests/e2e. The processes are the real ones, from the build folder.
"""

import json
import os
import signal
import subprocess

from topology import BOX_HOST, LAN4, LAN6, ROOT, WAN4, WAN6, LabError, run, wait_until


def libconfig(value, depth=0):
    """A Python value as libconfig writes it: dict a group, list of dicts a list, list an array."""
    tabs = "\t" * (depth + 1)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        rows = "".join(
            f"{tabs}{key} = {libconfig(item, depth + 1)};\n" for key, item in value.items()
        )
        return "{\n" + rows + "\t" * depth + "}"
    if value and isinstance(value[0], dict):
        return "( " + ", ".join(libconfig(item, depth) for item in value) + " )"
    return "[ " + ", ".join(libconfig(item) for item in value) + " ]"


def port(name, device, v4, v6, mtu=1500, kind="af_packet", **more):
    return {
        "name": name, "kind": kind, "device": device, "mtu": mtu,
        "addresses": [f"{v4}/24", f"{v6}/64"], **more,
    }


def default_settings(directory, mtu=1500):
    """What a lab's sluice.conf says, to be changed by who needs something else."""
    cpus = sorted(os.sched_getaffinity(0))
    return {
        "dataplane": {
            "workers": [cpus[-1]], "main_cpu": cpus[0], "idle": "adaptive", "hugepages": "auto",
            "flows": 65536,
        },
        "ports": [
            port("wan", "eth0", WAN4.format(BOX_HOST), WAN6.format(BOX_HOST), mtu),
            port("lan", "eth1", LAN4.format(BOX_HOST), LAN6.format(BOX_HOST), mtu),
        ],
        "pools": [{
            "name": "public",
            "addresses": [f"{WAN4.format(100)}-{WAN4.format(149)}",
                          f"{WAN6.format(100)}-{WAN6.format(149)}"],
            "interfaces": ["wan"],
        }],
        "sources": [{"name": "lab", "kind": "manifests", "path": f"{directory}/manifests"}],
        "defaults": {"mode": "full-nat", "algorithm": "maglev", "classless": True},
        "run_dir": f"{directory}/run",
        "state_dir": f"{directory}/state",
        "group": "daemon",
    }


class Appliance:
    def __init__(self, machine, directory, settings, build=None):
        self.machine, self.dir, self.settings = machine, directory, settings
        self.build = build or os.environ.get("SLUICE_BUILD") or ROOT / "build"
        self.config = self.dir / "sluice.conf"
        self.processes = {}
        for folder in ("manifests", "state", "run"):
            (self.dir / folder).mkdir(parents=True, exist_ok=True)
        self.write_settings()

    def write_settings(self):
        text = "".join(f"{key} = {libconfig(value)};\n" for key, value in self.settings.items())
        self.config.write_text(text)

    def program(self, name):
        folder = {"sluice-dataplane": "dataplane", "sluice-controlplane": "controlplane",
                  "sluice": "controlplane/cli"}[name]
        return f"{self.build}/{folder}/{name}"

    def log(self, name):
        return self.dir / f"{name}.log"

    def start(self, name):
        process = self.machine.start(
            self.program(name), "--config", self.config, log=self.log(name))
        self.processes[name] = process
        (self.dir / f"{name}.pid").write_text(f"{process.pid}\n")
        return process

    def start_all(self):
        self.start("sluice-dataplane")
        self.start("sluice-controlplane")
        self.wait_answers()

    def check_alive(self):
        for name, process in self.processes.items():
            code = process.poll()
            if code is not None:
                raise LabError(f"{name} ended with {code}:\n{self.tail(name)}")

    def tail(self, name, lines=30):
        try:
            text = self.log(name).read_text(errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(text.split("\n")[-lines:])

    def kill(self, name, signal_number=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(signal_number)
        return process.wait(timeout=30)

    def sluice(self, *words, check=True):
        """The console, one command a call."""
        return run(
            self.program("sluice"), "--socket", self.api_socket, *words, check=check, timeout=20)

    @property
    def api_socket(self):
        return f"{self.settings['run_dir']}/api.sock"

    def show(self, noun, *words):
        return json.loads(self.sluice("show", noun, *words, "--json").stdout)

    def in_force(self):
        """Has the dataplane the newest plan?"""
        dataplane = self.show("status")["dataplane"]
        if dataplane.get("refused"):
            raise LabError(f"the plan was refused: {dataplane['refused']}")
        return dataplane["connected"] and dataplane["current"]

    def kept(self):
        """Has the plan file the newest plan? What starts with neither cluster nor control plane has it."""
        return self.in_force() and self.show("status")["dataplane"]["kept"]

    def memory(self):
        """What pages the dataplane uses: "hugepages 2 MB" or "4 kB pages"."""
        return self.show("workers")["memory"]

    def wait_answers(self, seconds=20):
        """Until the console is answered by both processes."""
        def answered():
            self.check_alive()
            return self.sluice("show", "workers", "--json", check=False).returncode == 0
        wait_until(answered, f"`sluice show workers`; logs in {self.dir}", seconds)

    def stop(self):
        """Both end as they should, with zero. LabError when not."""
        processes, self.processes = self.processes, {}
        wrong = []
        for process in processes.values():
            process.terminate()
        for name, process in processes.items():
            try:
                code = process.wait(timeout=15)
                if code:
                    wrong.append(f"{name} ended with {code}:\n{self.tail(name, 60)}")
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                wrong.append(f"{name} did not end within 15 s of SIGTERM")
        if wrong:
            raise LabError("\n".join(wrong))
