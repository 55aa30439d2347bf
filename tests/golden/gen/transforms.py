#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/transforms: factors of AWQ's scale search and of SmoothQuant, from their equations, with NumPy
only.

A case is two linears that read the same channels, x [tokens, n] with a few large channels, rounded to nearest on the
grid q = clamp(round(w / s) + z, 0, 2^b - 1) of groups of g, s = (max(0, w) - min(0, w)) / (2^b - 1), z = round(-min / s).
"""
import pathlib

import numpy as np

from gptq_packing import save

HERE = pathlib.Path(__file__).resolve().parent.parent / "transforms"


def nearest(w, bits, group):
    out = np.empty_like(w)
    top = 2 ** bits - 1
    for g in range(0, w.shape[1], group):
        part = w[:, g:g + group]
        lo = np.minimum(part.min(1, keepdims=True), 0)
        hi = np.maximum(part.max(1, keepdims=True), 0)
        scale = (hi - lo) / top
        zero = np.clip(np.round(-lo / scale), 0, top)
        out[:, g:g + group] = scale * (np.clip(np.round(part / scale) + zero, 0, top) - zero)
    return out


def pooled(values, tie, how):
    return np.array([how(values[tie == tie[c]]) for c in range(len(values))])


def awq(weights, x, tie, bits, group):
    rms = pooled(np.sqrt((x ** 2).mean(0)), tie, lambda v: np.sqrt((v ** 2).mean()))
    losses, factors = [], []
    for i in range(20):
        s = np.maximum(np.maximum(rms, 1e-4) ** (i / 20), 1e-4)
        s = s / np.sqrt(s.max() * s.min()) if i else np.ones_like(s)
        factors.append(s)
        losses.append(sum(((x @ (nearest(w * s, bits, group) / s - w).T) ** 2).sum() for w in weights))
    best = int(np.argmin(losses))
    gap = np.sort(losses)[1] / losses[best] - 1
    assert gap > 1e-3, gap  # float32 must choose the same
    return factors[best], best, np.array(losses)


def smoothquant(weights, x, tie, alpha):
    top = pooled(np.abs(x).max(0), tie, np.max)
    weight = pooled(np.abs(np.vstack(weights)).max(0), tie, np.max)
    return np.maximum(top ** alpha / np.maximum(weight, 1e-5) ** (1 - alpha), 1e-5)


def main():
    rng = np.random.default_rng(3)
    n = 48
    for name, bits, group, tie in [("w3_g16", 3, 16, np.arange(n)), ("w4_row", 4, n, np.arange(n)),
                                   ("w3_tied", 3, 16, np.arange(n) % 8 + np.arange(n) // 24 * 8)]:
        x = rng.normal(size=(160, n)) * np.exp(rng.normal(size=n)) * np.where(np.arange(n) % 13 == 4, 12, 1)
        x = x.astype(np.float32).astype(np.float64)
        weights = [rng.normal(scale=0.1, size=(rows, n)).astype(np.float32).astype(np.float64) for rows in (24, 9)]
        s, ratio, losses = awq(weights, x, tie, bits, group)
        print(name, "ratio", ratio / 20, "loss", losses[ratio] / losses[0])
        assert ratio > 0
        save(HERE / f"{name}.safetensors", {
            "x": x.astype(np.float32), "w0": weights[0].astype(np.float32), "w1": weights[1].astype(np.float32),
            "tie": tie.astype(np.float32), "awq": s.astype(np.float32),
            "smoothquant_0.5": smoothquant(weights, x, tie, 0.5).astype(np.float32),
            "smoothquant_0.8": smoothquant(weights, x, tie, 0.8).astype(np.float32)})


if __name__ == "__main__":
    main()
