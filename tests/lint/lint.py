#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The house rules, as far as a program can tell.

lint.py RULE [BUILD]: checks one rule over the whole source tree and prints each breach as
file:line: what. `meson test --suite lint` runs all of them. BUILD, the build folder, is for the
rules that need compile commands or object files.

A rule may be broken where a comment says why: `// house: reason` (`# house: reason` in scripts) on
the line or the one above it; for a function, within its comment, its head or its first line; for
the length of a file, within its first 40 lines.
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARK = re.compile(r"(//|#|/\*|;|<!--) *house: +\S")
FILE_LINES, HEADER_LINES, FUNCTION_LINES, PARAMETERS = 500, 200, 80, 5

# Who may include what. A fence without a mention here is no fence; paths are prefixes.
FENCES = {
    "libcurl": (r"<curl/", ["controlplane/cluster/", "controlplane/cli/", "controlplane/firmware/",
                             "controlplane/health/"]),
    "libyaml": (r"<yaml\.h>", ["controlplane/cluster/"]),
    "libconfig": (r"<libconfig\.h>", ["config/settings/"]),
    "libmnl": (r"<libmnl/", ["dataplane/host/", "drivers/"]),
    "protobuf-c": (
        r"<protobuf-c/|\"channel\.pb-c\.h\"",
        ["config/", "dataplane/channel", "dataplane/plan_change", "dataplane/explain", "dataplane/stats",
         "controlplane/publish/"],
    ),
    "jansson": (r"<jansson\.h>", ["controlplane/api/", "controlplane/cli/", "controlplane/cluster/",
                                   "controlplane/registry/"]),
    "libmicrohttpd": (r"<microhttpd\.h>", ["controlplane/api/"]),
    "libuv": (r"<uv\.h>", ["controlplane/"]),
    "libedit": (r"<(histedit|editline/.*)\.h>", ["controlplane/cli/"]),
    "OpenSSL": (r"<openssl/", ["dataplane/proxy/tls/", "controlplane/pair/", "config/pem/", "config/seal/",
                              "controlplane/api/tls_front", "controlplane/health/health_tls", "controlplane/api/token",
                              "controlplane/backup/envelope"]),
    "PCRE2": (r"<pcre2", ["dataplane/proxy/route/pattern"]),
    "zlib": (r"<zlib\.h>", ["controlplane/cli/tar"]),
    "DPDK": (r"<rte_", ["dataplane/", "drivers/"]),
}

# Stages, where packets are handled: neither memory nor text nor threads are made there.
STAGES = ["classify", "flow", "pick", "rewrite", "transmit"]
NOT_IN_STAGES = re.compile(
    r"\b(malloc|calloc|realloc|aligned_alloc|posix_memalign|strdup|rte_[a-z]*malloc\w*|rte_calloc\w*|"
    r"v?[fs]?n?printf|puts|log_\w+|rte_log|pthread_\w+)\s*\("
)


def tracked(*suffixes):
    """Files of the repository with one of the endings, as paths relative to ROOT."""
    try:
        listed = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z", "--cached"],
            check=True, capture_output=True, text=True,
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        listed = [
            str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
            if path.is_file() and not re.match(r"\.git/|build", str(path.relative_to(ROOT)))
        ]
    return sorted(
        name for name in listed
        if name and name.endswith(suffixes) and (ROOT / name).is_file()
    )


def read(name):
    return (ROOT / name).read_text(encoding="utf-8", errors="replace").split("\n")


def is_data(name):
    return bool(re.search(r"^tests/fuzz/.*corpus/|\.(png|pcap|bin)$", name))


def c_files():
    return tracked(".c", ".h")


def ours(name):
    """Product code, as against its tests, which may include anything."""
    return not name.startswith("tests/")


def marked(lines, index):
    return bool(MARK.search(lines[index]) or (index and MARK.search(lines[index - 1])))


def functions(lines):
    """(first line, last line, head) of each function; relies on what clang-format makes of them."""
    start = None
    for number, line in enumerate(lines):
        if line == "{":
            head = number - 1
            while head > 0 and lines[head - 1].strip() and not re.match(
                r"[}#/]|.*[;{]$|.*\*/$", lines[head - 1]
            ):
                head -= 1
            start = head
        elif line.startswith("}") and start is not None:
            yield start, number, " ".join(lines[start:number + 1]).split("{", 1)[0]
            start = None


def function_marked(lines, start):
    above = start
    while above > 0 and lines[above - 1].startswith("//"):
        above -= 1
    body = start
    while lines[body] != "{":
        body += 1
    return any(MARK.search(line) for line in lines[above:body + 2])


def parameter_count(head):
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", head)
    opening = text.find("(")
    depth, count, inner = 0, 1, text[opening + 1:text.rfind(")")]
    if inner.strip() in ("", "void"):
        return 0
    for letter in inner:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        count += letter == "," and depth == 0
    return count


# Each rule yields (file, line counted from one, what is wrong).


def rule_file_length(_build):
    for name in tracked(""):
        lines = read(name) if not is_data(name) else [""]
        if not name.endswith((".c", ".h", ".py", ".proto", ".build")) and lines[0][:2] != "#!":
            continue
        limit = HEADER_LINES if name.endswith(".h") else FILE_LINES
        count = len(lines) - 1
        if count > limit and not any(MARK.search(line) for line in lines[:40]):
            yield name, limit, f"{count} lines; a file of this kind has at most {limit}"


def rule_function_length(_build):
    for name in c_files():
        lines = read(name)
        for start, end, _ in functions(lines):
            if end - start + 1 > FUNCTION_LINES and not function_marked(lines, start):
                yield name, start + 1, f"{end - start + 1} lines; a function has at most {FUNCTION_LINES}"


def rule_parameters(_build):
    for name in filter(ours, c_files()):
        lines = read(name)
        for start, _, head in functions(lines):
            count = parameter_count(head)
            if count > PARAMETERS and not function_marked(lines, start):
                yield name, start + 1, f"{count} parameters; a function has at most {PARAMETERS}"


def rule_includes(_build):
    seen = {}
    for name in c_files():
        lines = read(name)
        for index, line in enumerate(lines):
            found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if found and "/" in found.group(1) and not marked(lines, index):
                yield name, index + 1, "a quoted include is a file name, never a path"
        if name.endswith(".h"):
            if "#pragma once" not in lines:
                yield name, 1, "a header has #pragma once"
            base = os.path.basename(name)
            if base in seen and ours(name):
                yield name, 1, f"header names are unique; there is {seen[base]}"
            seen[base] = name


def rule_fences(_build):
    for name in filter(ours, c_files()):
        lines = read(name)
        for index, line in enumerate(lines):
            if not re.match(r"\s*#\s*include", line):
                continue
            for what, (pattern, allowed) in FENCES.items():
                if re.search(pattern, line) and not name.startswith(tuple(allowed)):
                    if not marked(lines, index):
                        yield name, index + 1, f"{what} is for {', '.join(allowed)} only"


def rule_stages(_build):
    for name in c_files():
        if not name.startswith(tuple(f"dataplane/{stage}/" for stage in STAGES)):
            continue
        lines = read(name)
        for index, line in enumerate(lines):
            found = NOT_IN_STAGES.search(line.split("//")[0])
            if found and not marked(lines, index):
                yield name, index + 1, f"a stage may not name {found.group(1)}"


def rule_spdx(_build):
    for name in c_files():
        if read(name)[0] != "// SPDX-License-Identifier: BSD-3-Clause":
            yield name, 1, "a file begins with // SPDX-License-Identifier: BSD-3-Clause"
        elif not read(name)[1].startswith("//") and not (ROOT / (name[:-1] + "h")).is_file():
            yield name, 2, "a file says at its head what it is for"
    for name in tracked(".py", ".sh"):
        if not any("SPDX-License-Identifier: BSD-3-Clause" in line for line in read(name)[:3]):
            yield name, 1, "a script names its licence (SPDX-License-Identifier) at its head"


def rule_words(_build):
    """Open ends, and what hides order: constructors and pasted tokens."""
    for name in tracked(".c", ".h", ".py", ".sh", ".md", ".proto", ".conf", ".yaml", ".build"):
        if name.startswith("tests/lint/"):
            continue
        lines = read(name)
        code = name.endswith((".c", ".h"))
        for index, line in enumerate(lines):
            if marked(lines, index):
                continue
            if re.search(r"\b(TODO|FIXME)\b", line):
                yield name, index + 1, "an open end is written XXX #number"
            elif re.search(r"\bXXX\b(?! #\d)", line):
                yield name, index + 1, "XXX is followed by #number"
            elif code and re.search(r"__attribute__\s*\(\(\s*constructor|\bRTE_INIT\w*\(", line):
                yield name, index + 1, "no constructors: they hide order"
            elif code and re.match(r"\s*#\s*define\b.*\w\s*##\s*\w", line):
                yield name, index + 1, "no token pasting: everything is found by grep for its name"


def run_all(jobs, work):
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield from pool.map(work, jobs)


def rule_format(_build):
    def check(name):
        run = subprocess.run(
            ["clang-format", "--dry-run", "-Werror", name], cwd=ROOT, capture_output=True, text=True
        )
        return name, re.search(r":(\d+):", run.stderr), run.returncode
    for name, where, code in run_all(c_files(), check):
        if code:
            yield name, int(where.group(1)) if where else 1, f"clang-format -i {name} would change it"


def compile_commands(build):
    with open(Path(build) / "compile_commands.json", encoding="utf-8") as stream:
        for entry in json.load(stream):
            path = (Path(entry["directory"]) / entry["file"]).resolve()
            if path.is_relative_to(ROOT):
                yield str(path.relative_to(ROOT)), entry


def rule_headers(build):
    """Each header compiles alone, with the flags of the source files of its own folder or, for want
    of one, of all."""
    flags, everything, some_entry = {}, {}, None
    for name, entry in compile_commands(build):
        words = [word for word in entry["command"].split() if re.match(r"-[IDfm]|-std", word)]
        words = {word: None for word in words if not word.startswith("-fsanitize")}
        flags.setdefault(os.path.dirname(name), (entry, {}))[1].update(words)
        everything.update(words)
        some_entry = some_entry or entry
    if not some_entry:
        return

    def check(name):
        entry, words = flags.get(os.path.dirname(name), (some_entry, everything))
        run = subprocess.run(
            [entry["command"].removeprefix("ccache ").split()[0], *words, "-D_GNU_SOURCE", "-Wno-pragma-once-outside-header", "-fsyntax-only",
             "-x", "c", str(ROOT / name)],
            cwd=entry["directory"], capture_output=True, text=True,
        )
        return name, run
    headers = [name for name in tracked(".h") if ours(name)]
    for name, run in run_all(headers, check):
        if run.returncode:
            errors = [line for line in run.stderr.split("\n") if "error:" in line]
            yield name, 1, "does not compile alone: " + (errors or [run.stderr.strip()])[0]


def rule_globals(build):
    """No mutable global but those that globals.txt names, each with its reason."""
    allowed = {
        tuple(line.split()[:2]) for line in read("tests/lint/globals.txt")
        if line.strip() and not line.startswith("#")
    }
    for name, entry in compile_commands(build):
        if not ours(name) or name.startswith("build"):
            continue
        words = entry["command"].split()
        built = Path(entry["directory"]) / words[words.index("-o") + 1]
        if not built.is_file():
            continue
        listed = subprocess.run(
            ["nm", "--format=sysv", "--defined-only", built], capture_output=True, text=True).stdout
        for line in listed.split("\n"):
            parts = [part.strip() for part in line.split("|")]
            if len(parts) != 7 or parts[3] != "OBJECT" or parts[6].startswith((".data.rel.ro", ".rodata")):
                continue
            symbol = re.sub(r"\.\d+$", "", parts[0])
            if (name, symbol) not in allowed and ("*", symbol) not in allowed:
                yield name, 1, f"{symbol} is a mutable global; state hangs from a struct passed in"


def rule_links(_build):
    for name in tracked(".md"):
        for index, line in enumerate(read(name)):
            for target in re.findall(r"\]\(([^)\s]+)\)", line):
                if re.match(r"[a-z]+:", target):
                    continue
                path, _, anchor = target.partition("#")
                full = (ROOT / name).parent / path if path else ROOT / name
                if not full.exists():
                    yield name, index + 1, f"the link to {target} leads nowhere"
                elif anchor and full.suffix == ".md" and anchor not in anchors(full):
                    yield name, index + 1, f"{path or name} has no heading for #{anchor}"


def rule_console(_build):
    """What the documents show of the console is there: the heads of its tables, and the commands."""
    source = "\n".join("\n".join(read(name)) for name in tracked(".c") if name.startswith("controlplane/"))
    text, array = r'"((?:[^"\\]|\\.)*)"', r"\(const char \*const\[\]\)\{(.*?)\}"
    heads = {"|".join(re.findall(text, found)) for found in re.findall(array, source, re.DOTALL)}
    one_by_one = "|".join(re.findall(text, re.sub(array, "", source, flags=re.DOTALL)))
    commands = {tuple(re.findall(r'"([^"]+)"', found)) for found in re.findall(r"\.words = \{(.*?)\}", source)}
    commands |= {("configure",), ("exit",), ("help",)}
    for name in tracked(".md"):
        code = False
        for index, line in enumerate(read(name)):
            code ^= line.startswith("```")
            if code and re.fullmatch(r" *[A-Z][A-Z ]+( {2,}[A-Z0-9][A-Za-z0-9 ]*){2,}", line):
                head = re.sub(r" {2,}", "|", line.strip())
                if head not in heads and f"|{head}" not in heads and f"|{head}|" not in one_by_one:
                    yield name, index + 1, f"no table of the console has the columns {head}"
            typed = re.match(r"(?:[#$] (?:sluice|box[12])|sluice>) +([^|]*)", line) if code else None
            words = re.split(r"[ |]+", typed.group(1)) if typed else []
            if words and not words[0].startswith("-") and "?" not in typed.group(1) and not any(
                    command[:1] == (words[0],) and (command[1:2] == tuple(words[1:2]) or len(command) == 1)
                    or command[0] == words[0] and command[1:2] and command[1].isupper() for command in commands):
                yield name, index + 1, f"the console has no command {' '.join(words[:2])}"


def anchors(path):
    heads = re.findall(r"^#+ +(.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def rule_scripts(_build):
    for name in tracked(""):
        lines = read(name) if not is_data(name) else [""]
        if re.match(r"#!.*\b(ba)?sh\b", lines[0]):
            run = subprocess.run(["bash", "-n", ROOT / name], capture_output=True, text=True)
            if run.returncode:
                yield name, 1, run.stderr.strip()
            if not any("set -" in line for line in lines) and len(lines) > 4:
                yield name, 1, "a script begins with set -euo pipefail"
        elif name.endswith(".py"):
            try:
                compile("\n".join(lines), name, "exec")
            except SyntaxError as error:
                yield name, error.lineno, f"python: {error.msg}"


def main():
    rules = {name[5:].replace("_", "-"): rule for name, rule in globals().items()
             if name.startswith("rule_")}
    if len(sys.argv) < 2 or sys.argv[1] not in rules:
        print(f"usage: lint.py {'|'.join(rules)} [BUILD]", file=sys.stderr)
        return 2
    breaches = list(rules[sys.argv[1]](sys.argv[2] if len(sys.argv) > 2 else None))
    for name, line, what in breaches:
        print(f"{name}:{line}: {what}")
    if sys.argv[1] in ("file-length", "function-length"):
        show_longest(sys.argv[1])
    return 1 if breaches else 0


def show_longest(rule):
    if rule == "file-length":
        rows = [(len(read(name)) - 1, name) for name in c_files()]
    else:
        rows = [(end - start + 1, f"{name}:{start + 1}")
                for name in c_files() for start, end, _ in functions(read(name))]
    print("The longest ten:")
    for count, where in sorted(rows, reverse=True)[:10]:
        print(f"{count:6} {where}")


if __name__ == "__main__":
    sys.exit(main())
