#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""tidy.py BUILD: clang-tidy over the product's sources, two at a time, with .clang-tidy's checks.

What passed is remembered in BUILD by a digest of the file as the preprocessor saw it, so that a
second run looks only at what changed.
"""

import hashlib
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("config", "drivers", "dataplane", "controlplane")


def digest(entry, settings):
    """Of what the compiler sees of the file, and of the checks asked for."""
    words = entry["command"].split()
    words = words[:words.index("-o")] + words[words.index("-o") + 2:]
    words = [word for word in words if word not in ("-c", "-MD")]
    for option in ("-MQ", "-MF"):
        while option in words:
            at = words.index(option)
            del words[at:at + 2]
    seen = subprocess.run([*words, "-E", "-P"], cwd=entry["directory"], capture_output=True)
    return hashlib.sha256(settings + seen.stdout).hexdigest() if seen.returncode == 0 else None


def check(job):
    name, entry, build, settings, passed = job
    mark = digest(entry, settings)
    if mark and mark in passed:
        return name, mark, 0, ""
    run = subprocess.run(
        ["clang-tidy", "-p", build, "--quiet",
         "--extra-arg=-Wno-ignored-optimization-argument", name], cwd=ROOT, capture_output=True, text=True
    )
    text = "\n".join(
        line for line in run.stdout.split("\n")
        if not re.match(r"\d+ warnings? (generated|treated)", line)
    )
    return name, mark, run.returncode, text or run.stderr


def main():
    build = Path(sys.argv[1]).resolve()
    memory = build / "tidy-passed"
    passed = set(memory.read_text().split()) if memory.is_file() else set()
    settings = (ROOT / ".clang-tidy").read_bytes()
    jobs = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = (Path(entry["directory"]) / entry["file"]).resolve()
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in PRODUCT:
            jobs[str(path)] = (str(path.relative_to(ROOT)), entry, str(build), settings, passed)
    failed, now = 0, set()
    with ThreadPoolExecutor(max_workers=2) as pool:
        for name, mark, code, text in pool.map(check, jobs.values()):
            if code:
                failed += 1
                print(f"{name}:\n{text}")
            elif mark:
                now.add(mark)
    memory.write_text("\n".join(sorted(now)))
    print(f"{len(jobs)} files, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
