#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the #include lines of the project and fails on a back edge between its layers.

usage: check_layers.py SOURCE_FOLDER      checks the tree, after checking itself on planted back edges
"""
import os
import re
import sys

# From the top down. A file may include its own folder and everything in the rows below its own row.
LAYERS = [
    ["app"],
    ["widgets"],
    ["core/report"],
    ["core/run", "core/evaluate", "core/export", "core/allocate"],
    ["core/recipe", "core/calibrate", "core/store"],
    ["core/quant"],
    ["core/codec", "core/model"],
    ["core/checkpoint", "core/text", "core/metrics"],
    ["core/backend", "core/linalg", "core/hdf5"],
    ["core/tensor"],
    ["core/base"],
]

# The steps inside one row that are meant: (from, to).
SAME_ROW = {
    ("core/export", "core/run"),
    ("core/allocate", "core/evaluate"),
    ("core/allocate", "core/export"),
    ("core/model", "core/codec"),
    ("core/backend", "core/linalg"),
}

# Further rules: (folder, pattern of forbidden includes, why).
QT = r"^Q([A-Z]|t)\w*(/|$)"
FORBIDDEN = [
    ("core", QT, "core has no Qt"),
    ("app/cli", QT, "the command line has no Qt"),
    ("app/cli", r"^widgets/", "the command line has no widgets"),
    ("app/cli", r"^app/(?!cli/)", "the command line knows nothing of the window"),
    ("app/h5reader", QT, "the reading process has no Qt"),
    ("app/h5reader", r"^widgets/|^app/(?!h5reader/)|^core/(?!hdf5/|tensor/|base/)", "the reading process knows files alone"),
    ("app", r"^app/(cli|h5reader)/", "the window knows nothing of the other programs"),
]

ROW_OF = {folder: row for row, folders in enumerate(LAYERS) for folder in folders}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    """The folder of LAYERS that holds `path` (relative to the source folder), or None."""
    parts = path.split("/")
    for depth in (2, 1):
        folder = "/".join(parts[:depth])
        if len(parts) > depth and folder in ROW_OF:
            return folder
    return None


def inside(path, folder):
    return path.startswith(folder + "/")


def problem(path, include):
    """Why `path` may not include `include`, or None."""
    for folder, pattern, why in FORBIDDEN:
        exempt = folder == "app" and (inside(path, "app/cli") or inside(path, "app/h5reader"))
        if inside(path, folder) and not exempt and re.search(pattern, include):
            return why
    source, target = layer_of(path), layer_of(include)
    if include.split("/")[0] in ("core", "widgets", "app") and "/" in include and target is None:
        return "its folder is in no row of LAYERS"
    if source is None or target is None or source == target:
        return None
    if ROW_OF[source] < ROW_OF[target] or (source, target) in SAME_ROW:
        return None
    same = ROW_OF[source] == ROW_OF[target]
    return f"{source} {'stands beside' if same else 'is below'} {target}"


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(2)


def source_files(root):
    for top in ("core", "widgets", "app"):
        for folder, _, names in sorted(os.walk(os.path.join(root, top))):
            for name in sorted(names):
                if name.endswith((".h", ".cpp", ".hpp", ".cc", ".cu", ".cuh", ".inc")):
                    yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")


def check_tree(root):
    found, files, edges = [], 0, 0
    for path in source_files(root):
        files += 1
        if path.startswith("core/") and path.count("/") > 1 and layer_of(path) is None:
            found.append(f"{path}: its folder is in no row of LAYERS")
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
            text = f.read()
        for number, include in includes(text):
            edges += 1
            why = problem(path, include)
            if why:
                found.append(f'{path}:{number}: includes "{include}": {why}')
    return found, files, edges


def check_self():
    """Planted edges: each must be judged as stated."""
    bad = [
        ("core/base/x.h", '#include "core/tensor/matrix.h"'),
        ("core/codec/codecs/int.cpp", '  #  include "core/quant/method.h"'),
        ("core/codec/codec.cpp", '#include "core/model/model.h"'),
        ("core/checkpoint/x.cpp", '#include "core/text/tokenizer.h"'),
        ("core/checkpoint/x.cpp", '#include "core/store/quantized_store.h"'),
        ("core/calibrate/x.cpp", '#include "core/store/quantized_store.h"'),
        ("core/model/x.cpp", '#include "core/run/run.h"'),
        ("core/run/x.cpp", '#include "core/export/exporter.h"'),
        ("core/linalg/x.cpp", '#include "core/backend/backend.h"'),
        ("core/run/x.cpp", '#include "widgets/theme/Theme.h"'),
        ("core/run/x.cpp", "#include <QString>"),
        ("core/run/x.cpp", "#include <QtCore/qglobal.h>"),
        ("core/run/x.cpp", "#include <Qt>"),
        ("core/unknown/x.cpp", '#include "core/nowhere/y.h"'),
        ("widgets/models/X.cpp", '#include "app/MainWindow.h"'),
        ("app/cli/main.cpp", "#include <QCoreApplication>"),
        ("app/cli/main.cpp", '#include "widgets/theme/Theme.h"'),
        ("app/cli/main.cpp", '#include "app/jobs/JobRunner.h"'),
        ("app/MainWindow.cpp", '#include "app/cli/console.h"'),
        ("app/MainWindow.cpp", '#include "app/h5reader/limits.h"'),
        ("app/h5reader/main.cpp", '#include "app/cli/console.h"'),
        ("app/h5reader/main.cpp", '#include "core/model/model.h"'),
    ]
    good = [
        ("core/run/x.cpp", '#include "core/base/result.h"'),
        ("core/run/x.cpp", '#include "core/calibrate/calibration.h"'),
        ("core/run/journal.cpp", '#include "core/run/run.h"'),
        ("core/export/x.cpp", '#include "core/run/run.h"'),
        ("core/model/weights.cpp", '#include "core/codec/codec.h"'),
        ("core/calibrate/x.cpp", '#include "core/hdf5/h5_file.h"'),
        ("core/run/x.cpp", "#include <queue>"),
        ("core/codec/x.cpp", '#include "qs/codecs.inc"'),
        ("app/MainWindow.cpp", '#include "widgets/theme/Theme.h"'),
        ("app/MainWindow.cpp", "#include <QMainWindow>"),
        ("app/cli/main.cpp", '#include "app/cli/console.h"'),
        ("app/cli/main.cpp", '#include "core/run/run.h"'),
        ("app/h5reader/main.cpp", '#include "app/h5reader/limits.h"'),
        ("app/h5reader/main.cpp", '#include "core/hdf5/h5_foreign_file.h"'),
    ]
    wrong = []
    for expected, cases in ((True, bad), (False, good)):
        for path, line in cases:
            parsed = [include for _, include in includes(line)]
            if len(parsed) != 1 or (problem(path, parsed[0]) is not None) != expected:
                wrong.append(f"self-test: {path}: {line} should be {'refused' if expected else 'allowed'}")
    return wrong


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    wrong = check_self()
    found, files, edges = check_tree(arguments[1])
    if files == 0:
        wrong.append(f"no source file under {arguments[1]}")
    for line in wrong + found:
        print(line)
    print(f"{files} files, {edges} includes, {len(found)} back edges")
    return 1 if wrong or found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
