#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mixed precision on one model: allocations by every score against uniform recipes of the same bytes, and how well
scores predict the damage of random recipes.

    python3 tests/bench/allocation.py build/release/quantoscope-cli MODEL [--calibration-text T] [--text T] [--window 256]
            [--group 64] [--random 50]

Prints Markdown. Everything is asked of the command line program. KL is measured on the evaluation text, sensitivity
on the calibration text.
"""
import argparse
import json
import pathlib
import random
import shutil
import tempfile
import time

from quality import run

BITS = [2, 3, 4, 6, 8]
SCORES = ["linearity", "kl_alone", "output_error", "weight_error"]


def ranks(values):
    order = sorted(range(len(values)), key=lambda i: values[i])
    out = [0.0] * len(values)
    for place, i in enumerate(order):
        out[i] = float(place)
    return out


def spearman(a, b):
    """Pearson's correlation of ranks; values here have no ties."""
    a, b = ranks(a), ranks(b)
    n, mean = len(a), (len(a) - 1) / 2
    return sum((x - mean) * (y - mean) for x, y in zip(a, b)) / (n * (n * n - 1) / 12) if n > 1 else float("nan")


def cost(score, row, cell):
    return {"linearity": row.get("alpha", 0) * cell["weight_error"], "kl_alone": cell["kl"],
            "output_error": cell["output_error"], "weight_error": cell["weight_error"]}[score]


class Bench:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.calibration = work / "calibration.h5"
        self.text = ["--text", options.calibration_text] if options.calibration_text else []
        run(options.cli, "calibrate", options.model, "--window", options.window, "--output", self.calibration, *self.text)

    def measured(self, recipe):
        file, folder = self.work / "recipe.json", self.work / "run"
        file.write_text(json.dumps(recipe))
        shutil.rmtree(folder, ignore_errors=True)
        run(self.options.cli, "quantize", self.options.model, "--recipe", file, "--calibration", self.calibration,
            "--output", folder)
        text = ["--text", self.options.text] if self.options.text else []
        return run(self.options.cli, "evaluate", folder, "--window", self.options.window, *text)["kl"]

    def sensitivity(self, method):
        file = self.work / f"{method}.json"
        start = time.time()
        table = run(self.options.cli, "sensitivity", self.options.model, "--method", method, "--group",
                    self.options.group, "--candidates", ",".join(map(str, BITS)), "--calibration", self.calibration,
                    "--measure", "linearity,alone", "--window", self.options.window, "--samples", 8, "--output", file,
                    *self.text)
        return file, table, time.time() - start

    def allocated(self, file, score, size):
        return run(self.options.cli, "allocate", self.options.model, "--table", file, "--score", score, "--target-size",
                   size, "--no-keep")

    def against_uniform(self, method, file, table):
        print(f"\n{method}, groups of {self.options.group}: KL at the bytes of uniform recipes.\n")
        print("| Bits per weight | uniform | " + " | ".join(SCORES) + " |")
        print("|---:|---:|" + "---:|" * len(SCORES))
        weights = sum(r["weights"] for r in table["rows"])
        kept = sum(r["kept_bytes"] for r in table["rows"])
        budgets = [(c, sum(r["cells"][c]["bytes"] for r in table["rows"])) for c in range(1, 3)]
        between = (budgets[0][1] + budgets[1][1]) // 2
        for candidate, size in budgets + [(None, between)]:
            uniform = "-"
            if candidate is not None:
                scheme = table["candidates"][candidate]
                uniform = f"{self.measured({'version': 1, 'rules': [{'match': '*', 'scheme': scheme}]}):.4f}"
            target = table["checkpoint_bytes"] - kept + size
            kls = [self.measured(self.allocated(file, s, target)["recipe"]) for s in SCORES]
            print(f"| {8 * size / weights:.2f} | {uniform} | " + " | ".join(f"{k:.4f}" for k in kls) + " |", flush=True)

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
            loss = s in ("linearity", "kl_alone")
            print(f"| {s} | {spearman(predicted[s], measured):.3f} | {spread if loss else '-'} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cli")
    parser.add_argument("model")
    parser.add_argument("--calibration-text")
    parser.add_argument("--text")
    parser.add_argument("--window", default="256")
    parser.add_argument("--group", default="64")
    parser.add_argument("--random", type=int, default=50)
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
            bench.against_uniform(method, file, table)
            if options.random:
                bench.predictions(method, table)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
