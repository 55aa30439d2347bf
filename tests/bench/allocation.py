#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mixed precision on one model: allocations by every score and every allocator against uniform recipes, and how well
scores predict the damage of random recipes.

    python3 tests/bench/allocation.py build/release/quantoscope-cli MODEL [--calibration-text T | --calibration-tokens N]
            [--text T | --tokens N] [--window 256] [--group 64] [--targets 3.0,3.5,4.25] [--random 50]
            [--evaluations 100] [--methods rtn,gptq]

Prints Markdown. Everything is asked of the command line program. Three texts that share nothing: the calibration's, which
sensitivity is measured on too; the first half of the evaluation text, which allocators that measure search on; its second
half, which every KL of the tables is measured on. Times depend on the machine and on what else it does.
"""
import argparse
import ast
import json
import pathlib
import random
import shutil
import struct
import tempfile
import time

from quality import Failed, run

SAMPLE_TEXTS = pathlib.Path(__file__).parents[2] / "resources" / "sample" / "texts"
BITS = [2, 3, 4, 6, 8]
MEASURES = "linearity,alone,entropy,salience,prune,cca,keep_alone"
SCORES = ["linearity", "kl_alone", "keep_alone", "prune", "cca", "salience", "output_error", "entropy", "weight_error"]
LOSSES = ["linearity", "kl_alone"]
SOLVERS = ["exact", "greedy", "ilp"]
SEARCHES = ["bisection", "evolutionary", "boosted_trees"]
SAMPLES = 8  # windows for sensitivity and for searches


def ranks(values):
    """From 0; equal values share the mean of their places."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    out, first = [0.0] * len(values), 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and values[order[last + 1]] == values[order[first]]:
            last += 1
        for i in order[first:last + 1]:
            out[i] = (first + last) / 2
        first = last + 1
    return out


def spearman(a, b):
    """Pearson's correlation of ranks."""
    a, b = ranks(a), ranks(b)
    mean = (len(a) - 1) / 2
    cross = sum((x - mean) * (y - mean) for x, y in zip(a, b))
    square = sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b)
    return cross / square ** 0.5 if square > 0 else float("nan")


def cost(score, row, cell):
    """As core/allocate/scores has it."""
    if score == "linearity":
        return row["alpha"] * cell["weight_error"]
    if score == "prune":
        return row["prune_kl"] / row["prune_error"] * cell["weight_error"]
    if score == "cca":
        return (1 - row["block_cca"]) * cell["weight_error"]
    return cell[{"kl_alone": "kl", "keep_alone": "kept_gain", "entropy": "entropy_loss",
                 "salience": "salience_error"}.get(score, score)]


def halves_of_text(path, work):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    middle = text.index("\n", len(text) // 2) + 1
    files = [work / "search.txt", work / "final.txt"]
    for file, part in zip(files, (text[:middle], text[middle:])):
        file.write_text(part, encoding="utf-8")
    return [["--text", f] for f in files]


def halves_of_tokens(path, work):
    """Of an .npy file of version 1, [windows, length] in C order."""
    raw = pathlib.Path(path).read_bytes()
    assert raw[:7] == b"\x93NUMPY\x01"
    start = 10 + struct.unpack("<H", raw[8:10])[0]
    header = ast.literal_eval(raw[10:start].decode("latin1"))
    rows, length = header["shape"]
    size = int(header["descr"][2:]) * length
    parts = []
    for name, first, last in (("search", 0, rows // 2), ("final", rows // 2, rows)):
        text = repr(dict(header, shape=(last - first, length)))
        text += " " * (-(len(text) + 11) % 64) + "\n"
        file = work / f"{name}.npy"
        file.write_bytes(raw[:8] + struct.pack("<H", len(text)) + text.encode("latin1") +
                         raw[start + first * size:start + last * size])
        parts.append(["--tokens", file])
    return parts


class Bench:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.calibration = work / "calibration.h5"
        self.text = (["--text", options.calibration_text] if options.calibration_text else
                     ["--tokens", options.calibration_tokens] if options.calibration_tokens else [])
        self.search, self.final = (halves_of_tokens(options.tokens, work) if options.tokens else
                                   halves_of_text(options.text or SAMPLE_TEXTS / "evaluation.txt", work))
        run(options.cli, "calibrate", options.model, "--window", options.window, "--output", self.calibration, *self.text)
        self.known = {}

    def measured(self, recipe):
        """KL on the final text; equal rules are measured once."""
        key = json.dumps(recipe["rules"], sort_keys=True)
        if key not in self.known:
            file, folder = self.work / "recipe.json", self.work / "run"
            file.write_text(json.dumps(recipe))
            shutil.rmtree(folder, ignore_errors=True)
            run(self.options.cli, "quantize", self.options.model, "--recipe", file, "--calibration", self.calibration,
                "--output", folder)
            self.known[key] = run(self.options.cli, "evaluate", folder, "--window", self.options.window, "--samples",
                                  self.options.samples, *self.final)["kl"]
        return self.known[key]

    def sensitivity(self, method):
        file = self.work / f"{method}.json"
        start = time.time()
        table = run(self.options.cli, "sensitivity", self.options.model, "--method", method, "--group",
                    self.options.group, "--candidates", ",".join(map(str, BITS)), "--calibration", self.calibration,
                    "--measure", MEASURES, "--window", self.options.window, "--samples", SAMPLES, "--output", file,
                    *self.text)
        return file, table, time.time() - start

    def allocated(self, file, score, allocator, target):
        start = time.time()
        result = run(self.options.cli, "allocate", self.options.model, "--table", file, "--score", score, "--allocator",
                     allocator, "--target-bpw", target, "--no-keep", "--evaluations", self.options.evaluations,
                     "--calibration", self.calibration, "--window", self.options.window, "--samples", SAMPLES,
                     *self.search)
        assert result["bytes"] <= result["budget"], result
        return dict(result, seconds=time.time() - start)

    def uniforms(self, method):
        """(stored bits per weight, scheme) of every uniform recipe of 2 to 8 bits in the groups that fit."""
        out = []
        for bits in BITS + [5]:
            for group in (-1, 32, 64, 128):
                try:
                    plan = run(self.options.cli, "plan", self.options.model, "--method", method, "--bits", bits,
                               "--group", group)
                except Failed:
                    continue
                entries = plan["entries"]
                if all(e.get("scheme") for e in entries):
                    out.append((plan["bits_per_weight"], bits, group, entries[0]["scheme"]))
        return sorted(out, key=lambda u: u[0])

    def uniform_text(self, found):
        if not found:
            return "-"
        stored, bits, group, scheme = found
        kl = self.measured({"version": 1, "rules": [{"match": "*", "scheme": scheme}]})
        places = f"g{group}" if group > 0 else "channels"
        return f"{kl:.4f} ({bits} bits, {places}: {stored:.2f})"

    def tables(self, method, file):
        targets = [float(t) for t in self.options.targets.split(",")]
        uniforms = self.uniforms(method)
        print(f"\n{method}, groups of {self.options.group}: KL by score, allocator `exact`.\n")
        print("| Bits per weight | uniform, not larger | next larger | " + " | ".join(f"`{s}`" for s in SCORES) + " |")
        print("|---:|---:|---:|" + "---:|" * len(SCORES), flush=True)
        for target in targets:
            below = [u for u in uniforms if u[0] <= target]
            above = [u for u in uniforms if u[0] > target]
            kls = [self.measured(self.allocated(file, s, "exact", target)["recipe"]) for s in SCORES]
            print(f"| {target:.2f} | {self.uniform_text(below[-1] if below else None)} | "
                  f"{self.uniform_text(above[0] if above else None)} | " + " | ".join(f"{k:.4f}" for k in kls) + " |",
                  flush=True)
        print(f"\n{method}: KL by allocator, score `kl_alone`, {self.options.evaluations} evaluations; in brackets the KL "
              "on the text of the search, and seconds.\n")
        print("| Bits per weight | " + " | ".join(f"`{a}`" for a in SOLVERS + SEARCHES) + " |")
        print("|---:|" + "---:|" * len(SOLVERS + SEARCHES), flush=True)
        for target in targets:
            cells = []
            for allocator in SOLVERS + SEARCHES:
                a = self.allocated(file, "kl_alone", allocator, target)
                own = f"{a['measured']:.4f}, " if a["measured"] is not None else ""
                cells.append(f"{self.measured(a['recipe']):.4f} ({own}{a['seconds']:.1f} s)")
            print(f"| {target:.2f} | " + " | ".join(cells) + " |", flush=True)

    def predictions(self, method, table):
        """Random recipes of 3 bits and more."""
        rng = random.Random(1)
        predicted, measured = {s: [] for s in SCORES}, []
        for _ in range(self.options.random):
            favoured = rng.choice([1, 2, 3, 4])
            chosen = [favoured if rng.random() < 0.4 else rng.choice([1, 2, 3, 4]) for _ in table["rows"]]
            rules = [{"match": r["module"], "scheme": table["candidates"][c]} for r, c in zip(table["rows"], chosen)]
            measured.append(self.measured({"version": 1, "rules": rules}))
            for s in SCORES:
                predicted[s].append(sum(cost(s, r, r["cells"][c]) for r, c in zip(table["rows"], chosen)))
        print(f"\n{method}: {self.options.random} random recipes of 3 to 8 bits, predicted against measured KL.\n")
        print("| Score | Spearman | Predicted / measured, 10 % to 90 % |")
        print("|---|---:|---:|")
        for s in SCORES:
            ratio = sorted(p / m for p, m in zip(predicted[s], measured))
            spread = f"{ratio[len(ratio) // 10]:.2f} to {ratio[-1 - len(ratio) // 10]:.2f}"
            print(f"| `{s}` | {spearman(predicted[s], measured):.3f} | {spread if s in LOSSES else '-'} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cli")
    parser.add_argument("model")
    parser.add_argument("--calibration-text")
    parser.add_argument("--calibration-tokens")
    parser.add_argument("--text")
    parser.add_argument("--tokens")
    parser.add_argument("--window", default="256")
    parser.add_argument("--samples", default="32", help="windows of the final text")
    parser.add_argument("--group", default="64")
    parser.add_argument("--targets", default="3.0,3.5,4.25", help="stored bits per weight")
    parser.add_argument("--random", type=int, default=50)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--methods", default="rtn,gptq")
    options = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="quantoscope-allocation-"))
    try:
        print(f"`{pathlib.Path(options.model).name}`, {time.strftime('%Y-%m-%d')}, seed 0, random recipes by seed 1.")
        bench = Bench(options, work)
        for method in options.methods.split(","):
            file, table, seconds = bench.sensitivity(method)
            cells = len(table["rows"]) * len(BITS)
            print(f"\nSensitivity of {method}: {cells} cells in {seconds:.0f} s.")
            bench.tables(method, file)
            if options.random:
                bench.predictions(method, table)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
