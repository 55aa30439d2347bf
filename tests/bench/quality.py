#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Quality and cost of every method on one model: stored bits, KL divergence, perplexity, time beside rtn and gptq.

    python3 tests/bench/quality.py build/release/quantoscope-cli MODEL [--calibration-text T | --calibration-tokens N]
            [--text T | --tokens N] [--window 256] [--group 32] [--bits 4,3,2] [--only slim,bcq]

Prints Markdown. Everything is asked of the command line program; nothing here knows how a method works. Times are
the sums of the tensors' own seconds, without calibration and forward passes; run it on an idle machine to compare them.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

# Columns of a row: name, codec flags, method flags. {b} and {g} are the bits and the group.
INT = ["--codec", "int", "--bits", "{b}", "--group", "{g}"]
BINARY = ["--codec", "bcq", "--bits", "1", "--rounds", "0", "--group", "{g}"]
MIXED = ["--codec", "int_mixed", "--bits", "{b}", "--group", "{g}"]
PLAIN = [
    ("rtn", INT, ["--method", "rtn"]),
    ("rtn, searched range", INT, ["--method", "rtn", "--range", "mse"]),
    ("easyquant, 1 % kept", INT, ["--method", "easyquant", "--outliers", "0.01"]),
    ("loftq, rank 8", INT, ["--method", "loftq", "--rank", "8"]),
    ("gptq", INT, ["--method", "gptq"]),
    ("gptq, activation order", INT, ["--method", "gptq", "--act-order"]),
    ("quantease", INT, ["--method", "quantease"]),
    ("quantease, 1 % kept", INT, ["--method", "quantease", "--outliers", "0.01", "--sweeps", "10"]),
    ("fpq", INT, ["--method", "fpq"]),
    ("spqr, 1 % kept", INT, ["--method", "spqr"]),
    ("lorc, rank 8", INT, ["--method", "lorc", "--rank", "8"]),
    ("quip", INT, ["--method", "quip"]),
    ("higgs", INT, ["--method", "higgs"]),
    ("gptq, tokens by attention", INT, ["--method", "gptq", "--token-weights", "0.005"]),
    ("rtn + awq", INT, ["--method", "rtn", "--transform", "awq"]),
    ("gptq + awq", INT, ["--method", "gptq", "--transform", "awq"]),
    ("gptq + zfold", INT, ["--method", "gptq", "--transform", "zfold"]),
    ("power, rtn", ["--codec", "power", "--bits", "{b}", "--group", "{g}"], ["--method", "rtn"]),
    ("gaussian, rtn", ["--codec", "gaussian", "--bits", "{b}", "--group", "{g}"], ["--method", "rtn"]),
    ("gaussian, higgs", ["--codec", "gaussian", "--bits", "{b}", "--group", "{g}"], ["--method", "higgs"]),
    ("bcq, rtn", ["--codec", "bcq", "--bits", "{b}", "--group", "{g}"], ["--method", "rtn"]),
    ("bcq, gptq", ["--codec", "bcq", "--bits", "{b}", "--group", "{g}"], ["--method", "gptq"]),
    ("bcq, gptqt", ["--codec", "bcq", "--bits", "{b}", "--group", "{g}"], ["--method", "gptqt"]),
    ("adpq, 1 % kept", INT, ["--method", "adpq", "--outliers", "0.01"]),
    ("lut, rtn", ["--codec", "lut", "--bits", "{b}"], ["--method", "rtn"]),
    ("lut, squeezellm, 0.45 % kept", ["--codec", "lut", "--bits", "{b}"], ["--method", "squeezellm"]),
    ("lut, gptq", ["--codec", "lut", "--bits", "{b}"], ["--method", "gptq"]),
    ("pairs, rtn", ["--codec", "vector", "--bits", "{b}", "--length", "2"], ["--method", "rtn"]),
    ("pairs, vptq", ["--codec", "vector", "--bits", "{b}", "--length", "2"], ["--method", "vptq"]),
    ("gaussian pairs, higgs", ["--codec", "vector", "--bits", "{b}", "--length", "2", "--codebook", "gaussian"],
     ["--method", "higgs"]),
    ("nested statistics, gptq", ["--codec", "int_nested", "--bits", "{b}", "--super-group", "8"],
     ["--method", "gptq"]),
    ("nested statistics, spqr, 1 % kept", ["--codec", "int_nested", "--bits", "{b}", "--super-group", "8"],
     ["--method", "spqr"]),
    ("binary, gptq", BINARY, ["--method", "gptq"]),
    ("pb_llm, 2 % in 8 bits", BINARY, ["--method", "pb_llm", "--low-frac", "0.98"]),
    ("pb_llm, 10 % in 8 bits", BINARY, ["--method", "pb_llm", "--low-frac", "0.9"]),
    ("pb_llm, 10 % by magnitude", BINARY, ["--method", "pb_llm", "--low-frac", "0.9", "--salience", "magnitude"]),
    ("mixed bits, rtn", MIXED, ["--method", "rtn"]),
    ("mixed bits, gptq", MIXED, ["--method", "gptq"]),
    ("mixed bits, slim_llm", MIXED, ["--method", "slim_llm"]),
]


class Failed(Exception):
    pass


def run(cli, *arguments):
    done = subprocess.run([cli, *map(str, arguments), "--json"], capture_output=True, text=True)
    if done.returncode:
        raise Failed(done.stdout.strip() or done.stderr.strip())
    return json.loads(done.stdout)


def measure(options, calibration, work, scheme):
    folder = work / "run"
    shutil.rmtree(folder, ignore_errors=True)
    quantized = run(options.cli, "quantize", options.model, "--calibration", calibration, "--output", folder, *scheme)
    source = ["--text", options.text] if options.text else ["--tokens", options.tokens] if options.tokens else []
    scored = run(options.cli, "evaluate", folder, "--window", options.window, *source)
    shutil.rmtree(folder)
    return (quantized["bits_per_weight"], scored["kl"], scored["kl_stderr"], scored["ppl"],
            sum(r["seconds"] for r in quantized["results"]))


def rows_of(bits, only):
    wider = [(name, [x.replace("{g}", "{small}") for x in codec], method) for name, codec, method in PLAIN
             if name in ("rtn", "gptq")]
    rows = PLAIN + [(f"{name}, smaller groups", codec, method) for name, codec, method in wider]
    if only:
        return [r for r in rows if r[0] in ("rtn", "gptq") or any(part in r[0] for part in only)]
    return rows if bits < 8 else [r for r in rows if r[0] in ("rtn", "gptq", "quantease", "rtn + awq")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cli")
    parser.add_argument("model")
    parser.add_argument("--calibration-text")
    parser.add_argument("--calibration-tokens")
    parser.add_argument("--text")
    parser.add_argument("--tokens")
    parser.add_argument("--window", default="256")
    parser.add_argument("--group", type=int, default=32)
    parser.add_argument("--bits", default="8,4,3,2")
    parser.add_argument("--only", default="", help="parts of the names of rows, beside rtn and gptq")
    options = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="quantoscope-quality-"))
    try:
        table(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def table(options, work):
    calibration = work / "calibration.h5"
    source = (["--text", options.calibration_text] if options.calibration_text else
              ["--tokens", options.calibration_tokens] if options.calibration_tokens else [])
    run(options.cli, "calibrate", options.model, "--window", options.window, "--output", calibration, *source)
    print(f"`{pathlib.Path(options.model).name}`, groups of {options.group} (smaller: {options.group // 2}), "
          f"{time.strftime('%Y-%m-%d')}, seed 0.\n")
    print("| Bits | Method | Stored bits per weight | KL | Perplexity | Time, rtn = 1 | gptq = 1 |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for bits in map(int, options.bits.split(",")):
        results = []
        for name, codec, method in rows_of(bits, options.only.split(",") if options.only else []):
            values = {"b": bits, "g": options.group, "small": options.group // 2}
            scheme = [x.format(**values) for x in codec] + method
            try:
                results.append((name, measure(options, calibration, work, scheme)))
            except Failed as error:
                print(f"{bits} bits, {name}: {error}", file=sys.stderr)
        seconds = {name: r[4] for name, r in results}
        for name, (stored, kl, stderr, ppl, own) in results:
            print(f"| {bits} | {name} | {stored:.3f} | {kl:.4f} ± {stderr:.4f} | {ppl:.2f} | "
                  f"{own / seconds['rtn']:.1f} | {own / seconds['gptq']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
