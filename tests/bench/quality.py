#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Quality and cost of every method on the built-in sample and the shared models: stored bits, KL divergence,
perplexity, what rtn and gptq lose at the same size, time beside theirs.

    python3 tests/bench/quality.py build/release/quantoscope-cli [SHARED] [--models sample,prose-6m]
            [--bits 8,4,3,2] [--only slim,bcq] [--results quality.json]

SHARED is the folder of shared data (default: QS_SHARED, else ../shared); models that are not there are left out.
Prints Markdown. Everything is asked of the command line program; nothing here knows how a method works. What is in the
results file already is not measured again. Times are the sums of the tensors' own seconds, without calibration and
forward passes; run it on an idle machine to compare them.

At the same size: rtn and gptq are measured at 2 to 8 bits in four sizes of groups; of sizes with a larger loss than
a smaller size has, none is kept; between two neighbours the logarithm of KL is taken as linear in the size.
"""
import argparse
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

INT = ["--codec", "int", "--bits", "{b}", "--group", "{g}"]
BINARY = ["--codec", "bcq", "--bits", "1", "--rounds", "0", "--group", "{g}"]
MIXED = ["--codec", "int_mixed", "--bits", "{b}", "--group", "{g}"]
LUT = ["--codec", "lut", "--bits", "{b}"]
PAIRS = ["--codec", "vector", "--bits", "{b}", "--length", "2"]
NESTED = ["--codec", "int_nested", "--bits", "{b}", "--super-group", "8"]
ALL, LOW = {8, 4, 3, 2}, {4, 3, 2}


def method(name, *flags):
    return ["--method", name, *flags]


# Columns of a row: name, codec flags, method flags, bits. {b} and {g} are the bits and the group.
METHODS = [
    ("rtn", INT, method("rtn"), ALL),
    ("rtn, searched range", INT, method("rtn", "--range", "mse"), ALL),
    ("awq_clip", INT, method("awq_clip"), ALL),
    ("easyquant, 1 % kept", INT, method("easyquant", "--outliers", "0.01"), ALL),
    ("loftq, rank 8", INT, method("loftq", "--rank", "8"), ALL),
    ("imatrix", INT, method("imatrix"), ALL),
    ("gptq", INT, method("gptq"), ALL),
    ("gptq, searched range", INT, method("gptq", "--range", "mse"), ALL),
    ("gptq, activation order", INT, method("gptq", "--act-order"), ALL),
    ("gptq, tokens by attention", INT, method("gptq", "--token-weights", "0.005"), ALL),
    ("fpq", INT, method("fpq"), LOW),
    ("quantease", INT, method("quantease"), ALL),
    ("quantease, 1 % kept", INT, method("quantease", "--outliers", "0.01"), ALL),
    ("spqr, 1 % kept", INT, method("spqr"), ALL),
    ("nested statistics, gptq", NESTED, method("gptq"), LOW),
    ("nested statistics, spqr, 1 % kept", NESTED, method("spqr"), LOW),
    ("lorc, rank 8", INT, method("lorc", "--rank", "8"), ALL),
    ("adpq, 1 % kept", INT, method("adpq", "--outliers", "0.01"), ALL),
    ("quip", INT, method("quip"), ALL),
    ("higgs", INT, method("higgs"), ALL),
    ("gaussian, rtn", ["--codec", "gaussian", "--bits", "{b}", "--group", "{g}"], method("rtn"), ALL),
    ("gaussian, higgs", ["--codec", "gaussian", "--bits", "{b}", "--group", "{g}"], method("higgs"), ALL),
    ("gaussian pairs, higgs", [*PAIRS, "--codebook", "gaussian"], method("higgs"), LOW),
    ("pairs, rtn", PAIRS, method("rtn"), LOW),
    ("pairs, vptq", PAIRS, method("vptq"), LOW),
    ("power, rtn", ["--codec", "power", "--bits", "{b}", "--group", "{g}"], method("rtn"), ALL),
    ("lut, rtn", LUT, method("rtn"), LOW),
    ("lut, squeezellm, 0.45 % kept", LUT, method("squeezellm"), LOW),
    ("lut, gptq", LUT, method("gptq"), LOW),
    ("bcq, rtn", ["--codec", "bcq", "--bits", "{b}", "--group", "{g}"], method("rtn"), LOW),
    ("bcq, gptq", ["--codec", "bcq", "--bits", "{b}", "--group", "{g}"], method("gptq"), LOW),
    ("bcq, gptqt", ["--codec", "bcq", "--bits", "{b}", "--group", "{g}"], method("gptqt"), LOW),
    ("mixed bits, rtn", MIXED, method("rtn"), LOW),
    ("mixed bits, gptq", MIXED, method("gptq"), LOW),
    ("mixed bits, slim_llm", MIXED, method("slim_llm"), LOW),
    ("two levels of integers, rtn", ["--codec", "int_two_level", "--bits", "{b}", "--group", "{g}"], method("rtn"), LOW),
    ("two levels of integers, gptq", ["--codec", "int_two_level", "--bits", "{b}", "--group", "{g}"], method("gptq"), LOW),
    ("2:4 sparse", INT, method("sparse24"), {8, 4}),
    ("pb_llm, 2 % in 8 bits", BINARY, method("pb_llm", "--low-frac", "0.98"), {2}),
    ("pb_llm, 10 % in 8 bits", BINARY, method("pb_llm", "--low-frac", "0.9"), {2}),
    ("binary, gptq", BINARY, method("gptq"), {2}),
    ("awq_clip + awq", INT, method("awq_clip", "--transform", "awq"), ALL),
    *[(f"{solver} + {transform}", INT, method(solver, "--transform", transform), ALL)
      for solver in ("rtn", "gptq")
      for transform in ("awq", "smoothquant", "outlier_suppression_plus", "percentile_smooth", "zfold")],
]
# Formats of their own width: name, codec flags.
FORMATS = [
    *[(name.upper(), ["--codec", "ggml", "--type", name])
      for name in ("q8_0", "q6_k", "q5_k", "q4_k", "q4_0", "iq4_nl", "q3_k", "q2_k")],
    ("NF4 b64", ["--codec", "nf", "--bits", "4"]),
    ("NF4 b64, nested scales", ["--codec", "nf", "--bits", "4", "--double-quant"]),
    ("NF3 b64", ["--codec", "nf", "--bits", "3"]),
    ("NVFP4", ["--codec", "nvfp4"]),
    *[(name.upper(), ["--codec", "mx", "--format", name])
      for name in ("mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxint8")],
    *[(name.upper(), ["--codec", "bdr", "--format", name]) for name in ("mx4", "mx6", "mx9")],
    *[(f"{name.upper()} per channel", ["--codec", "float", "--format", name]) for name in ("e4m3", "e3m2", "e2m1")],
    ("dINT4 per channel", ["--codec", "dint"]),
    ("ternary, absmean", ["--codec", "ternary"]),
]
FORMAT_METHODS = [("rtn", method("rtn")), ("imatrix", method("imatrix")),
                  ("gptq, searched scales", method("gptq", "--range", "mse"))]
# What is rounded on both sides: name, codec flags, method and input flags.
CHANNEL = ["--codec", "int", "--group", "-1", "--grid", "absmax"]
W8A8 = [*CHANNEL, "--bits", "8"], ["--method", "rtn", "--inputs", "int8"]
W4A4 = [*CHANNEL, "--bits", "4"], ["--method", "gptq", "--inputs", "int4"]
W4A8 = [*CHANNEL, "--bits", "4"], ["--method", "gptq", "--inputs", "int8"]
INPUTS = [
    *[(name + (f" + {transform}" if transform else ""), flags[0],
       flags[1] + (["--transform", transform] if transform else []))
      for name, flags in (("W8A8", W8A8), ("W4A8", W4A8), ("W4A4", W4A4))
      for transform in ("", "smoothquant", "outlier_suppression_plus", "aqas", "repquant")],
    ("W8A8, channels reassembled (QLLM)", W8A8[0], method("rtn", "--inputs", "qllm8")),
    ("W4A8, channels reassembled (QLLM)", W4A8[0], method("gptq", "--inputs", "qllm8")),
    ("W4A4, channels reassembled (QLLM)", W4A4[0], method("gptq", "--inputs", "qllm4")),
    *[(f"W8A8, static inputs, {how}", W8A8[0], method("rtn", "--inputs", f"int8_{how}"))
      for how in ("minmax", "percentile", "mse", "kl")],
    *[(f"W8A8, static inputs, {how} + smoothquant", W8A8[0],
       method("rtn", "--inputs", f"int8_{how}", "--transform", "smoothquant")) for how in ("minmax", "mse", "kl")],
    ("W8A8, above 6 kept (LLM.int8())", W8A8[0], method("rtn", "--inputs", "llm_int8")),
    ("FP8 E4M3, inputs FP8", ["--codec", "float", "--format", "e4m3"], method("rtn", "--inputs", "fp8")),
    ("FP8 E4M3, static inputs", ["--codec", "float", "--format", "e4m3"], method("rtn", "--inputs", "fp8_minmax")),
    ("MXFP4, inputs MXFP4", ["--codec", "mx", "--format", "mxfp4"], method("rtn", "--inputs", "mxfp4")),
    ("NVFP4, inputs NVFP4", ["--codec", "nvfp4"], method("rtn", "--inputs", "nvfp4")),
]
ANCHOR_BITS = (2, 3, 4, 5, 6, 8)


class Failed(Exception):
    pass


def reason(done):
    try:
        return json.loads(done.stdout)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return done.stdout.strip() or done.stderr.strip() or f"ended with {done.returncode}"


class Model:
    """Where a model, its text and the groups of its tables are. `tokens`: a folder with calibration and text."""

    def __init__(self, name, folder, group, windows, tokens=None, texts=None):
        self.name, self.folder, self.group, self.windows = name, folder, group, windows
        if tokens:
            self.calibration = ["--tokens", tokens / "calib_tokens.npy"]
            self.text = ["--tokens", tokens / "eval_tokens.npy"]
        else:
            self.calibration, self.text = ["--text", texts[0]], ["--text", texts[1]]

    def groups(self):
        return [self.group] if self.group < 0 else [-1, self.group, self.group // 2, self.group // 4]


def models_of(shared):
    sample = pathlib.Path(__file__).resolve().parents[2] / "resources/sample"
    texts = [sample / "texts/calibration.txt", sample / "texts/evaluation.txt"]
    data = shared / "data"
    stories = [data / "text/tinystories_calib.txt", data / "text/tinystories_eval.txt"]
    return [Model("sample", sample / "model", 64, 128, texts=texts),
            Model("prose-6m", data / "models/prose-6m", 64, 32, tokens=data / "reference/prose-6m"),
            Model("stories940K-char", data / "models/stories940K-char", 32, 64,
                  tokens=data / "reference/stories940K-char"),
            Model("stories260K", data / "models/stories260K", -1, 128, texts=stories)]


class Bench:
    """Measures schemes on one model, once each."""

    def __init__(self, options, model, kept, work):
        self.options, self.model, self.kept, self.work = options, model, kept, work
        self.calibration = None

    def run(self, *arguments):
        done = subprocess.run([self.options.cli, *map(str, arguments), "--json"], capture_output=True, text=True)
        if done.returncode:
            raise Failed(reason(done))
        return json.loads(done.stdout)

    def measure(self, scheme):
        """What was measured, or {"error": why not}, which is not kept."""
        key = self.model.name + ": " + " ".join(scheme)
        if key not in self.kept:
            try:
                self.kept[key] = self.fresh(scheme)
            except Failed as error:
                return {"error": str(error)}
            self.save()
        return self.kept[key]

    def fresh(self, scheme):
        if not self.calibration:
            self.calibration = self.work / f"{self.model.name}.h5"
            self.run("calibrate", self.model.folder, "--window", 256, "--samples", 128, "--output", self.calibration,
                     *self.model.calibration)
        folder = self.work / "run"
        shutil.rmtree(folder, ignore_errors=True)
        quantized = self.run("quantize", self.model.folder, "--calibration", self.calibration, "--output", folder,
                             *scheme)
        scored = self.scored(folder)
        return {"bits": quantized["bits_per_weight"], "kl": scored["kl"], "stderr": scored["kl_stderr"],
                "ppl": scored["ppl"], "seconds": sum(r["seconds"] for r in quantized["results"])}

    def scored(self, folder):
        return self.run("evaluate", folder, "--window", 256, "--samples", self.model.windows, *self.model.text,
                        "--cache", self.work / "hidden")

    def original(self):
        key = self.model.name + ": original"
        if key not in self.kept:
            self.kept[key] = {"ppl": self.scored(self.model.folder)["ppl"]}
            self.save()
        return self.kept[key]["ppl"]

    def save(self):
        if self.options.results:
            self.options.results.write_text(json.dumps(self.kept, indent=1))

    def curve(self, solver):
        """(size, KL) of a solver, both falling along the list."""
        found = []
        for bits in ANCHOR_BITS:
            for group in self.model.groups():
                r = self.measure(filled(INT, bits, group) + method(solver))
                if "error" not in r and r["kl"] > 0:
                    found.append((r["bits"], r["kl"]))
        best = []
        for size, kl in sorted(found):
            if not best or kl < best[-1][1]:
                best.append((size, kl))
        return best


def filled(flags, bits, group):
    return [x.format(b=bits, g=group) for x in flags]


def at_size(curve, size):
    """KL on the curve; None outside of it."""
    for (s0, k0), (s1, k1) in zip(curve, curve[1:]):
        if s0 <= size <= s1:
            return math.exp(math.log(k0) + (math.log(k1) - math.log(k0)) * (size - s0) / (s1 - s0))
    return None


def number(value):
    return "" if value is None else f"{value:.4f}" if value >= 0.001 else f"{value:.5f}"


def ratio(value, base):
    return f"{value / base['seconds']:.2f}" if base and base.get("seconds") else ""


def table(bench, title, rows, curves, base):
    """`base`: results of rtn and gptq to compare times with."""
    failed = []
    times = bench.options.times
    print(f"\n| {title} | Stored bits | KL | Perplexity | KL of rtn at this size | of gptq |"
          + (" Time, rtn = 1 | gptq = 1 |" if times else ""))
    print("|---|---:|---:|---:|---:|---:|" + ("---:|---:|" if times else ""))
    for name, scheme in rows:
        r = bench.measure(scheme)
        if "error" in r:
            failed.append(f"{name}: {r['error'].splitlines()[0]}")
            continue
        print(f"| {name} | {r['bits']:.3f} | {number(r['kl'])} ± {number(r['stderr'])} | {r['ppl']:.2f} | "
              f"{number(at_size(curves[0], r['bits']))} | {number(at_size(curves[1], r['bits']))} |"
              + (f" {ratio(r['seconds'], base[0])} | {ratio(r['seconds'], base[1])} |" if times else ""), flush=True)
    for line in failed:
        print(f"{bench.model.name}, {title}: {line}", file=sys.stderr)


def tables(bench, options):
    model = bench.model
    wanted = options.only.split(",") if options.only else []
    keep = lambda name: not wanted or any(part in name for part in wanted)
    print(f"\n### {model.name}\n\nGroups of {model.group if model.group > 0 else 'a row'}; the original's perplexity "
          f"is {bench.original():.2f}; {model.windows} windows of 256 tokens, {time.strftime('%Y-%m-%d')}, seed 0.")
    curves = [bench.curve("rtn"), bench.curve("gptq")]
    base = None
    for bits in map(int, options.bits.split(",")):
        base = [bench.measure(filled(INT, bits, model.group) + method(m)) for m in ("rtn", "gptq")]
        rows = [(name, filled(codec, bits, model.group) + flags) for name, codec, flags, of in METHODS
                if bits in of and keep(name) and "methods" in options.tables]
        if rows:
            table(bench, f"{bits} bits", rows, curves, base)
    shown = options.tables.split(",")
    formats = [(f"{name}, {label}", codec + flags) for name, codec in FORMATS for label, flags in FORMAT_METHODS
               if keep(name) and "formats" in shown]
    if formats:
        table(bench, "Formats", formats, curves, base)
    inputs = [(name, codec + flags) for name, codec, flags in INPUTS if keep(name) and "inputs" in shown]
    if inputs:
        table(bench, "Weights and inputs", inputs, curves, base)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cli")
    parser.add_argument("shared", nargs="?", type=pathlib.Path,
                        default=pathlib.Path(os.environ.get("QS_SHARED", "../shared")))
    parser.add_argument("--models", default="", help="names; all that are there when left out")
    parser.add_argument("--bits", default="8,4,3,2")
    parser.add_argument("--tables", default="methods,formats,inputs")
    parser.add_argument("--only", default="", help="parts of the names of rows")
    parser.add_argument("--no-times", dest="times", action="store_false", help="leave them out: the machine is busy")
    parser.add_argument("--results", type=pathlib.Path, help="JSON file of what was measured, read and added to")
    options = parser.parse_args()
    kept = json.loads(options.results.read_text()) if options.results and options.results.exists() else {}
    work = pathlib.Path(tempfile.mkdtemp(prefix="quantoscope-quality-"))
    try:
        for model in models_of(options.shared):
            if options.models and model.name not in options.models.split(","):
                continue
            if not (model.folder / "config.json").exists():
                print(f"{model.name}: not in {options.shared}", file=sys.stderr)
                continue
            tables(Bench(options, model, kept, work), options)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
