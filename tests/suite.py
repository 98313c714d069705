#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What tests/run runs, in order; see there. Each step's output is in build-logs, and shown here
when the step fails. Ends its own processes and removes its own namespaces however it ends."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "images" / "lab"))
import hugepages  # noqa: E402
import topology  # noqa: E402

FUZZ_SECONDS, FUZZ_ASKED_SECONDS = 6, 60  # of a whole run, and when asked for by name
NO_SOURCE = 75  # of what prepares: Debian cannot be reached


class Suite:
    def __init__(self, quick, wanted):
        self.quick, self.wanted = quick, wanted
        self.with_image = not quick and (wanted or "image").startswith("image")
        self.logs = ROOT / "build-logs"
        self.passed, self.failed = 0, []
        self.children, self.lock, self.since = set(), threading.Lock(), time.monotonic()
        self.lab_prefix = f"t{os.getpid()}"
        self.background, self.prepared = ThreadPoolExecutor(), {}

    def wants(self, name):
        return not self.wanted or self.wanted in name

    def say(self, text):
        print(text, flush=True)

    def done(self, text):
        """A step, and how long since the one before."""
        before, self.since = self.since, time.monotonic()
        self.say(f"{text} ({self.since - before:.0f} s)")

    def note(self, name, ok, log=None, what=""):
        with self.lock:
            if ok:
                self.passed += 1
                return
            self.failed.append(name)
        self.say(f"FAILED {name} {what}".rstrip() + (f" (log: {log})" if log else ""))
        if log and Path(log).is_file():
            lines = Path(log).read_text(errors="replace").rstrip().split("\n")
            self.say("\n".join("    " + line for line in lines[-60:]))

    def command(self, name, words, seconds, **environment):
        """Runs it with its output in a log: (exit code, log). 124 when time was up."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{name}.log"
        with open(log, "wb") as stream:
            child = subprocess.Popen(
                [str(word) for word in words], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream,
                stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, **environment},
            )
            self.children.add(child)
            try:
                code = child.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                end_group(child)
                stream.write(f"\nnot done within {seconds} s\n".encode())
                code = 124
            except BaseException:
                end_group(child)
                raise
            finally:
                self.children.discard(child)
        return code, log

    # Steps

    def compile(self, folder, *options, **environment):
        """One build of everything counts as a test: warnings are errors."""
        build = ROOT / folder
        code, log = 0, None
        if not (build / "build.ninja").is_file():
            shutil.rmtree(build, ignore_errors=True)
            code, log = self.command(
                f"setup-{folder}", ["meson", "setup", build, ROOT, *options], 300, **environment)
        if code == 0:
            code, log = self.command(f"compile-{folder}", ["ninja", "-C", build], 1800)
        self.note(f"compile-{folder}", code == 0, log)
        self.done(f"{folder}: built")
        return code == 0

    def meson_tests(self, folder, title, seconds, *options, **environment):
        build = ROOT / folder
        listed = subprocess.run(
            ["meson", "test", "-C", build, "--list", "--no-rebuild", *options],
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
        # "project:suite / name", or the name alone when it has no suite
        names = [line.rsplit(" / ", 1)[-1].strip() for line in listed.stdout.split("\n")
                 if line.strip() and not line.startswith("ninja")]
        chosen = list(dict.fromkeys(name for name in names if self.wants(name)))  # as they are to begin
        if listed.returncode:
            self.note(title, False, what=listed.stderr[-2000:])
        if not chosen:
            return
        results = build / "meson-logs" / "testlog.json"
        results.unlink(missing_ok=True)
        only = chosen if self.wanted else []
        code, log = self.command(
            f"{title}-{folder}",
            ["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", *options, *only],
            seconds, **environment)
        count = 0
        if results.is_file():
            for line in results.read_text().split("\n"):
                if line.strip():
                    row = json.loads(line)
                    count += 1
                    if row["result"] == "SKIP":
                        self.say(f"skipped: {row['name']}")
                        continue
                    ok = row["result"] in ("OK", "EXPECTEDFAIL")
                    self.note(f"{title}: {row['name']} ({folder})", ok,
                              what=row["result"] + "\n" + (row.get("stdout") or "")[-3000:]
                              + (row.get("stderr") or "")[-3000:])
        if code and not count:
            self.note(title, False, log)
        self.done(f"{title} ({folder}): {count} tests")

    def fuzz(self, seconds):
        folder = ROOT / "build-fuzz" / "tests" / "fuzz"
        programs = [path for path in sorted(folder.glob("*"))
                    if path.is_file() and os.access(path, os.X_OK) and self.wants(path.name)]
        if not programs and not self.wanted:
            self.note("fuzz", False, what="no fuzzers were built")

        def one(program):
            name = program.name.removesuffix("_fuzz").removeprefix("fuzz_")
            finds = ROOT / "build-fuzz" / "finds" / name
            seeds = ROOT / "tests" / "fuzz" / "corpus" / name
            finds.mkdir(parents=True, exist_ok=True)
            words = [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=4096",
                     f"-artifact_prefix={finds.parent}/{name}-", "-print_final_stats=1", finds]
            if seeds.is_dir():
                words.append(seeds)
            code, log = self.command(f"fuzz-{name}", words, seconds + 120)
            self.note(f"fuzz-{name}", code == 0, log)

        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(one, programs))
        self.done(f"fuzz: {len(programs)} targets, {seconds} s each")

    def prepare(self, name, *words):
        """What these tests need is made once, which takes minutes: beside the rest."""
        program = ROOT / "tests" / name / "prepare"
        self.prepared[name] = self.background.submit(
            self.command, f"prepare-{name}", ["nice", "-n", "19", program, *words], 3600)

    def is_prepared(self, name, lacking):
        if name not in self.prepared:
            return False
        code, log = self.prepared[name].result()
        if code == NO_SOURCE:
            self.say(f"skipped: {name}: {lacking} cannot be had here (log: {log})")
        elif code:
            self.note(f"prepare-{name}", False, log)
        return code == 0

    def begin_cluster(self):
        files = (ROOT / "tests" / "cluster").glob("test_*.py")
        if not self.quick and (self.wants("cluster") or any(
                self.wanted in f"{path.name} {path.read_text()}" for path in files)):
            self.prepare("cluster")

    def cluster(self):
        if self.is_prepared("cluster", "Debian's source package of Kubernetes"):
            self.end_to_end(title="cluster", tests="cluster", workers=0)

    def begin_image(self):
        if self.with_image:
            self.prepare("image", ROOT / "build")

    def image(self):
        """The firmware, made and started in virtual machines."""
        if self.is_prepared("image", "Debian's packages"):
            self.meson_tests("build", "image", 3600, "--suite", "image",
                             SLUICE_LAB_PREFIX=self.lab_prefix)

    def end_to_end(self, folder="build", title="e2e", marks="", tests="e2e", workers=2):
        self.logs.mkdir(parents=True, exist_ok=True)
        report = self.logs / f"{title}.xml"
        report.unlink(missing_ok=True)
        words = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", workers,
                 "--dist", "loadfile", f"--junitxml={report}", "--tb=short", ROOT / "tests" / tests]
        if marks:
            words += ["-m", marks]
        if self.wanted and self.wanted != tests:
            words += ["-k", self.wanted]
        _code, log = self.command(
            title, words, 2400, SLUICE_BUILD=str(ROOT / folder), SLUICE_LAB_PREFIX=self.lab_prefix,
            PYTHONDONTWRITEBYTECODE="1")
        topology.destroy(self.lab_prefix)
        if not report.is_file():
            if not self.wanted:
                self.note(title, False, log)
            return
        cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
        for case in cases:
            name = f"{title}: {case.get('classname', '').rsplit('.', 1)[-1]}.{case.get('name')}"
            bad = [item for kind in ("failure", "error") for item in case.findall(kind)]
            if case.find("skipped") is not None:
                self.say(f"skipped: {name}: {case.find('skipped').get('message')}")
            else:
                self.note(name, not bad, what="\n" + "\n".join(
                    (item.text or "")[-6000:] for item in bad))
        self.done(f"{title}: {len(cases)} tests; log: {log}")

    def run(self):
        hugepages.reserve()
        only_image = (self.wanted or "").startswith("image")
        if not only_image:
            self.begin_cluster()
        if not self.compile("build"):
            return
        self.begin_image()
        if only_image:
            self.image()
            return
        self.meson_tests("build", "lint", 600, "--suite", "lint")
        self.meson_tests("build", "unit", 1200, "--no-suite", "lint", "--no-suite", "tidy",
                         "--no-suite", "slow", "--no-suite", "image", "--num-processes", "2",
                         *(("--no-suite", "long") if self.quick and not self.wanted else ()))
        if self.quick:
            self.end_to_end(marks="" if self.wanted else "not slow")
            return
        if self.compile("build-asan", "-Db_sanitize=address,undefined", "-Db_lundef=false",
                        "-Doptimization=1"):
            self.meson_tests(
                "build-asan", "sanitized", 1800, "--no-suite", "lint", "--no-suite", "tidy",
                "--no-suite", "slow", "--no-suite", "image", "-t", "4", "--num-processes", "2",
                UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1", ASAN_OPTIONS="detect_leaks=1")
        if self.compile("build-fuzz", "-Dfuzz=true", "-Db_lundef=false", CC="clang"):
            self.fuzz(FUZZ_ASKED_SECONDS if self.wanted else FUZZ_SECONDS)
        self.meson_tests("build", "tidy", 2400, "--suite", "tidy")
        self.meson_tests("build", "slow", 2400, "--suite", "slow")
        self.end_to_end()
        self.cluster()
        self.end_to_end("build-asan", "e2e-sanitized", "sanitized")
        self.image()

    def clean_up(self):
        for child in list(self.children):
            end_group(child)
        topology.destroy(self.lab_prefix)
        hugepages.give_back()


def end_group(child):
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=10)
            break


def interrupted(number, _frame):
    raise KeyboardInterrupt(f"signal {number}")


def main():
    parser = argparse.ArgumentParser(prog="tests/run", description="Builds and tests everything.")
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("filter", nargs="?", help="only tests whose name contains this")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    suite = Suite(options.quick, options.filter)
    started = time.monotonic()
    try:
        suite.run()
    except KeyboardInterrupt:
        suite.note("interrupted", False)
    finally:
        suite.clean_up()
    suite.say(f"{time.monotonic() - started:.0f} s; logs: {suite.logs}")
    for name in suite.failed:
        suite.say(f"failed: {name}")
    if not suite.passed and not suite.failed:
        suite.note(f"no test matches {options.filter}", False)
    suite.say(f"{suite.passed} passed, {len(suite.failed)} failed")
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
