#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""embed.py FILE NAME: the file as a C string of that name, on standard output."""

import sys

print(f"extern const char {sys.argv[2]}[];\nconst char {sys.argv[2]}[] =")
with open(sys.argv[1], encoding="utf-8") as file:
    for line in file:
        text = line.rstrip("\n").replace("\\", "\\\\").replace('"', '\\"')
        print(f'\t"{text}\\n"')
print("\t;")
