# SPDX-License-Identifier: BSD-3-Clause
"""The three programs of a benchmark: the generator, testpmd as the yardstick, the box.

The generator has one CPU; testpmd and the box's worker have the other, one at a time.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "images" / "lab"))

import channel  # noqa: E402
import hugepages  # noqa: E402
import plan  # noqa: E402
from appliance import Appliance  # noqa: E402
from topology import LabError, Machine, destroy, wait_until  # noqa: E402

RING_LOG2 = 10  # of every memif, both directions
BURST = 32      # of every program
NAME = "sluice-bench"


def favour(pid, nice=-20):
    """All threads of the process go before whatever else the machine does. The box, testpmd and the
    generator all get it, so it is of no advantage to any; the numbers vary less."""
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.setpriority(os.PRIO_PROCESS, int(thread), nice)
        # Where the kernel shares out by session first, that is what counts.
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


class Generator:
    """Orders as keyword arguments, results as dicts; see generator.c."""

    LINKS = {"testpmd": 0, "box": 1}

    def __init__(self, build, directory, cpu, eager=True):
        self.sockets = {name: directory / f"{name}.sock" for name in self.LINKS}
        words = [build / "tests/bench/sluice-bench-generator", "-l", cpu, "--in-memory", "-m", 128,
                 "--no-pci", "--no-telemetry", "--log-level", "error"]
        for name, number in self.LINKS.items():
            words += ["--vdev", f"net_memif{number},role=server,socket={self.sockets[name]},"
                                f"socket-abstract=no,rsize={RING_LOG2},"
                                f"mac=02:00:00:00:01:0{number}"]
        self.log = directory / "generator.log"
        self.process = subprocess.Popen(
            [str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(self.log, "w"), text=True, start_new_session=True)
        if self._reply("start")["links"] != len(self.LINKS):
            raise LabError(f"the generator has no memif ports:\n{self.log.read_text()}")
        if eager:
            favour(self.process.pid)

    def _reply(self, order):
        line = self.process.stdout.readline()
        if not line:
            raise LabError(f"the generator ended at `{order}`:\n{self.log.read_text()}")
        result = json.loads(line)
        if "error" in result:
            raise LabError(f"generator: {order}: {result['error']}")
        return result

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self._reply(text)

    def net(self, link, family, protocol):
        return self.order(plan.net_order(self.LINKS[link], family, protocol))

    def do(self, what, link, family, **words):
        return self.order(" ".join([what, f"link={self.LINKS[link]}", f"family={family}"] +
                                   [f"{key}={value}" for key, value in words.items()]))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Testpmd:
    """DPDK's own forwarder, swapping MACs: the least that can be done with a packet."""

    def __init__(self, socket, cpus, directory):
        self.log = directory / "testpmd.log"
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", "dpdk-testpmd", "-l", f"{cpus[0]},{cpus[1]}", "--main-lcore", str(cpus[0]),
             "--no-pci", "--no-telemetry", "--file-prefix", NAME, "--single-file-segments",
             "-m", "256", "--log-level", "error", "--vdev",
             f"net_memif0,role=client,socket={socket},socket-abstract=no,zero-copy=yes,"
             f"rsize={RING_LOG2}",
             "--", "--forward-mode=macswap", f"--burst={BURST}", "--rxd=1024", "--txd=1024",
             "--no-flush-rx", "-i"],
            stdin=subprocess.PIPE, stdout=open(self.log, "w"), stderr=subprocess.STDOUT, text=True,
            start_new_session=True)
        wait_until(lambda: "testpmd>" in self._said(), "testpmd's prompt", 20)
        favour(self.process.pid)
        self.runs = 0

    def _said(self):
        if self.process.poll() is not None:
            raise LabError(f"testpmd ended:\n{self.log.read_text()}")
        return self.log.read_text()

    def _say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def start(self):
        self.runs += 1
        self._say("start")
        wait_until(lambda: self._said().count("TX RS bit threshold=") == self.runs,
                   "testpmd's start")

    def stop(self):
        self._say("stop")
        wait_until(lambda: self._said().count("\nDone.") >= self.runs, "testpmd's stop")

    def close(self):
        if self.process.poll() is None:
            self._say("quit")
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Box:
    """Both processes of the product, in a network namespace of their own."""

    def __init__(self, bench, flows):
        self.bench = bench
        self.machine = Machine(f"{NAME}-box").create(forwards=True)
        self.dir = bench.dir / "box"
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir()
        self.appliance = Appliance(
            self.machine, self.dir,
            plan.settings(self.dir, bench.generator.sockets["box"], bench.cpus, RING_LOG2, flows),
            bench.build)
        for number, text in enumerate(plan.manifests()):
            (self.dir / "manifests" / f"{number}.yaml").write_text(text)
        self.dataplane = self.appliance.start("sluice-dataplane")
        socket = self.dir / "run" / "dataplane.sock"
        self.wait(socket.is_socket, "the dataplane's channel")
        self.channel = channel.Channel(socket, bench.proto)
        self.appliance.start("sluice-controlplane")
        self.wait(lambda: self.channel.stats().hello.generation > 0, "the first plan")
        favour(self.dataplane.pid)

    def wait(self, condition, what):
        def checked():
            self.appliance.check_alive()
            return condition()
        try:
            wait_until(checked, what, 20)
        except LabError as error:
            raise LabError(f"{error}\n" + "".join(
                f"--- {name}\n{self.appliance.tail(name)}\n" for name in self.appliance.processes)
            ) from None

    def pause(self):
        os.kill(self.dataplane.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.dataplane.pid, signal.SIGCONT)

    def hugetlb_bytes(self):
        text = Path(f"/proc/{self.dataplane.pid}/smaps_rollup").read_text()
        return 1024 * sum(int(number) for number in re.findall(r"_Hugetlb: +(\d+) kB", text))

    def close(self):
        self.bench.generator.do("ignore", "box", 4)
        self.channel.close()
        try:
            self.appliance.stop()
        finally:
            destroy(NAME)


class Bench:
    """What every benchmark needs; a context manager that leaves nothing behind."""

    def __init__(self, build):
        self.build = Path(build)
        self.cpus = sorted(os.sched_getaffinity(0))[:2]
        if len(self.cpus) < 2:
            raise LabError("two CPUs are needed: one for the box's worker, one for the generator")
        self.generator = self.testpmd = self.box = None

    def __enter__(self):
        self.dir = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
        try:
            destroy(NAME)
            hugepages.reserve(768)
            self.proto = channel.messages(ROOT, self.dir)
            self.generator = Generator(self.build, self.dir, self.cpus[0])
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def start_testpmd(self):
        self.testpmd = Testpmd(self.generator.sockets["testpmd"], self.cpus, self.dir)

    def start_box(self, flows):
        self.stop_box()
        self.box = Box(self, flows)
        return self.box

    def stop_box(self):
        if self.box:
            box, self.box = self.box, None
            box.close()

    def __exit__(self, kind, error, trace):
        for part in (self.box, self.testpmd, self.generator):
            try:
                if part:
                    part.close()
            except (LabError, OSError, ValueError) as problem:
                print(f"while ending: {problem}", file=sys.stderr)
        destroy(NAME)
        hugepages.give_back()
        if kind is None:
            shutil.rmtree(self.dir, ignore_errors=True)
        else:
            print(f"Logs are in {self.dir}", file=sys.stderr)


def stage_cycles(before, after):
    """Cycles a packet of each stage, between two Stats."""
    first = {stage.stage: stage for worker in before.workers for stage in worker.stages}
    packets = (sum(worker.packets for worker in after.workers) -
               sum(worker.packets for worker in before.workers))
    result = {}
    for worker in after.workers:
        for stage in worker.stages:
            spent = stage.cycles - (first[stage.stage].cycles if stage.stage in first else 0)
            result[stage.stage] = round(result.get(stage.stage, 0) + spent / max(packets, 1), 1)
    return result


def drops(stats):
    return {drop.reason: drop.packets for drop in stats.drops if drop.packets}


def processor():
    text = Path("/proc/cpuinfo").read_text()
    return {
        "model": re.search(r"model name\s*: (.*)", text).group(1),
        "mhz": float(re.search(r"cpu MHz\s*: (.*)", text).group(1)),
        "cpus": os.cpu_count(),
    }
