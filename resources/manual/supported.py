#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes supported.md, the manual's tables of what opens, runs and is written, from the program's own registries.

usage: supported.py PROGRAM            writes supported.md beside this script
       supported.py PROGRAM --check    fails when supported.md is not what it would write
"""
import json
import pathlib
import subprocess
import sys

PAGE = pathlib.Path(__file__).with_name("supported.md")


def entries(program, kind):
    done = subprocess.run([program, "list", kind, "--json"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def code(words):
    return ", ".join(f"`{w}`" for w in words)


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in rows:
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |")
    return "\n".join(lines)


def page(program):
    def of(kind):
        return entries(program, kind)

    parts = [
        "# What is supported",
        "Made by `resources/manual/supported.py` from the registries of the program; do not edit by hand.",
        "## Files that open",
        table(["Format", "Files", "What opens", "Refused, with a reason"],
              [[e["label"], code(e["extensions"]), e["summary"], e["refuses"]] for e in of("readers")]),
        "## Architectures that run",
        "A model of any other architecture opens at tensor level: inspection and data-free methods work.",
        table(["Architecture", "`config.json` says", "What runs", "Refused, with a reason"],
              [[e["label"], code(e["class_names"]), e["summary"], e["refuses"]] for e in of("architectures")]),
        "## Number formats",
        table(["Id", "Format", "Family", "What it is", "Source"],
              [[f"`{e['id']}`", e["label"], e["family"], e["summary"], e["citation"]] for e in of("codecs")]),
        "## Methods",
        table(["Id", "Method", "Family", "What it does", "Needs", "Source"],
              [[f"`{e['id']}`", e["label"], e["family"], e["summary"], e["needs"], e["citation"]] for e in of("methods")]),
        "## Exports",
        table(["Id", "Format", "What is written", "Loads in"],
              [[f"`{e['id']}`", e["label"], e["summary"], ", ".join(e["runtimes"])] for e in of("exporters")]),
    ]
    return "\n\n".join(parts) + "\n"


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--check"]):
        sys.exit(__doc__)
    made = page(sys.argv[1])
    if "--check" not in sys.argv:
        PAGE.write_text(made, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
        sys.exit(f"{PAGE.name} is not what the registries say; run: resources/manual/supported.py PROGRAM")


main()
