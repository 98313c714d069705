# SPDX-License-Identifier: BSD-3-Clause
"""A second appliance in a lab, beside the first: the same sources, the same pools, its own addresses."""

import contextlib
import json
import os
import signal

import harness
import second
from appliance import default_settings
from topology import kill

HOSTS = (1, 2)


class Boxes:
    """boxes[0] and boxes[1] of a lab that was made with start=False."""

    def __init__(self, lab, settings=None):
        """settings(number, wanted) changes what a box is configured with."""
        self.lab = lab
        self.boxes = [lab.box, second.add(lab.net, default_settings(lab.dir, lab.net.mtu))]
        for number, box in enumerate(self.boxes):
            if settings:
                settings(number, box.settings)
            box.write_settings()

    def __getitem__(self, number):
        return self.boxes[number]

    def start(self):
        for box in self.boxes:
            box.start("sluice-dataplane")
            box.start("sluice-controlplane")
        for box in self.boxes:
            box.wait_answers()

    def stop(self):
        for box in self.boxes:
            with contextlib.suppress(Exception):
                box.stop()

    def state(self, number, vip):
        """"owned", "standby", "withdrawn" or None, as the box says; None also when it cannot."""
        done = self.boxes[number].sluice("show", "vips", "--json", check=False)
        if done.returncode:
            return None
        rows = json.loads(done.stdout)["vips"]
        return next((row["state"] for row in rows if row["address"] == vip), None)

    def owner(self, vip):
        states = [self.state(number, vip) for number in (0, 1)]
        return states.index("owned") if states.count("owned") == 1 else None


def processes(box, *names):
    """Process ids of the programs on the machine of the box."""
    found = []
    for pid in box.machine.pids():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as stream:
            if stream.read().strip() in names:
                found.append(pid)
    return found


def send_signal(box, number, *names):
    kill(processes(box, *names), number)


ALL = ("sluice-dataplan", "sluice-dataplane", "sluice-controlp", "keepalived", "bird")


@contextlib.contextmanager
def frozen(box):
    pids = processes(box, *ALL)
    kill(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        kill([pid for pid in pids if os.path.exists(f"/proc/{pid}")], signal.SIGCONT)


def longest_gap(times, since):
    """The longest time without an answer, of the moments at which one came."""
    later = [moment for moment in times if moment >= since]
    marks = [max((t for t in times if t < since), default=since), *later, harness.now()]
    return max(b - a for a, b in zip(marks, marks[1:]))
