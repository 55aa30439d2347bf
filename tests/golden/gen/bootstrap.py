#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/evaluate/bootstrap.json: the paired bootstrap as core/evaluate/bootstrap.h defines it, in NumPy.

The draws come from an array formula of the definition (not from a generator that is stepped), means and percentiles from
NumPy.
"""
import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent.parent / "evaluate"
G = np.uint64(0x9E3779B97F4A7C15)


def mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def bootstrap(a, b, per_window, resamples, seed):
    d = (a.astype(np.float64) - b.astype(np.float64)).reshape(-1, per_window).mean(axis=1)
    count = len(d)
    k = np.arange(1, resamples * count + 1, dtype=np.uint64)
    x = mix(mix(np.array([seed], dtype=np.uint64)) + k * G)
    index = ((x >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32)
    m = d[index.astype(np.int64)].reshape(resamples, count).mean(axis=1)
    low, high = np.percentile(m, [2.5, 97.5])
    return {"mean": float(d.mean()), "standard_error": float(m.std(ddof=1)), "low": float(low), "high": float(high),
            "probability_below": float((m < 0).mean() + 0.5 * (m == 0).mean())}


def main():
    HERE.mkdir(exist_ok=True)
    rng = np.random.default_rng(20)
    cases = []
    for windows, per_window, shift, resamples, seed in [(2, 3, 0.2, 100, 0), (12, 5, 0.05, 1000, 7),
                                                        (40, 3, -0.02, 2500, 2**63 + 11)]:
        a = rng.exponential(1.0, windows * per_window).astype(np.float32)
        b = (a + shift + rng.normal(0, 0.4, a.size)).astype(np.float32)
        cases.append({"per_window": per_window, "resamples": resamples, "seed": str(seed),
                      "a": [float(v) for v in a], "b": [float(v) for v in b],
                      "expected": bootstrap(a, b, per_window, resamples, seed)})
    (HERE / "bootstrap.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
