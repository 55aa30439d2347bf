#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/transforms: factors of AWQ, SmoothQuant, Outlier Suppression+, AQAS, Z-Fold (all for rounded
weights only) and DGQ's percentile smoothing, from their equations, with NumPy only.

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


def lost(x, w, q):
    """What q instead of w loses of the output's energy."""
    return ((x @ (q - w).T) ** 2).sum() / ((x @ w.T) ** 2).sum()


def shares(w, group):
    """|w| in shares of the largest of its group."""
    return np.hstack([np.abs(w[:, g:g + group]) / np.abs(w[:, g:g + group]).max(1, keepdims=True)
                      for g in range(0, w.shape[1], group)])


def awq(weights, x, tie, bits, group):
    rms = pooled(np.sqrt((x ** 2).mean(0)), tie, lambda v: np.sqrt((v ** 2).mean()))
    own = pooled(np.maximum(np.vstack([shares(w, group) for w in weights]).mean(0), 1e-4), tie, np.max)
    ratios = np.arange(1, 20) / 20
    factors = [np.ones(len(rms))]
    factors += [np.maximum(np.maximum(rms, 1e-4) ** r, 1e-4) for r in ratios]
    factors += [np.maximum(np.maximum(rms, 1e-4) ** r / own ** (1 - r), 1e-4) for r in ratios]
    factors = [s / np.sqrt(s.max() * s.min()) for s in factors]
    losses = [sum(lost(x, w, nearest(w * s, bits, group) / s) for w in weights) for s in factors]
    best = int(np.argmin(losses))
    gap = np.sort(losses)[1] / losses[best] - 1
    assert gap > 1e-3, gap  # float32 must choose the same
    return factors[best], best, np.array(losses)


def smoothquant(weights, x, tie, alpha):
    top = pooled(np.abs(x).max(0), tie, np.max)
    weight = pooled(np.abs(np.vstack(weights)).max(0), tie, np.max)
    return np.maximum(top ** alpha / np.maximum(weight, 1e-5) ** (1 - alpha), 1e-5)


def best_of(candidates, weights, x, bits, group):
    """The candidate with the least output error; ones are among them."""
    candidates = [np.ones(x.shape[1])] + candidates
    losses = [sum(lost(x, w, nearest(w * s, bits, group) / s) for w in weights) for s in candidates]
    best = int(np.argmin(losses))
    assert np.sort(losses)[1] / losses[best] > 1 + 1e-5  # float32 must choose the same
    return candidates[best]


def outlier_suppression_plus(weights, x, tie, bits, group):
    top = pooled(np.abs(x).max(0), tie, np.max)
    most, middle = top.max(), np.sort(top)[len(top) // 2]
    thresholds = [most * (middle / most) ** (i / 40) for i in range(1, 41)]
    return best_of([np.maximum(1, top / t) for t in thresholds], weights, x, bits, group)


def aqas(weights, x, tie, bits, group):
    return best_of([smoothquant(weights, x, tie, i / 20) for i in range(21)], weights, x, bits, group)


def percentile_smooth(x, tie, percent):
    top = pooled(np.abs(x).max(0), tie, np.max)
    return np.maximum(1, top / np.sort(top)[::-1][int(percent / 100 * len(top) + 1.5) - 1])


def nearest_searched(w, bits, group, importance, power):
    """On the shrunk range with the least weighted sum of |error|^power, 80 steps of 1 %."""
    out, top = np.empty_like(w), 2 ** bits - 1
    for g in range(0, w.shape[1], group):
        part, weight = w[:, g:g + group], importance[g:g + group]
        least = np.full(len(w), np.inf)
        for i in range(80):
            p = 1 - i / 100
            lo = p * np.minimum(part.min(1, keepdims=True), 0)
            scale = (p * np.maximum(part.max(1, keepdims=True), 0) - lo) / top
            zero = np.clip(np.round(-lo / scale), 0, top)
            q = scale * (np.clip(np.round(part / scale) + zero, 0, top) - zero)
            loss = (weight * np.abs(q - part) ** power).sum(1)
            out[loss < least, g:g + group] = q[loss < least]
            least = np.minimum(loss, least)
    return out


def zfold(weights, x, tie, bits, group):
    squares = (x ** 2).sum(0)

    def rounded(zeta):
        importance = squares * zeta ** 2
        importance = importance / importance.mean() + 1e-4
        return [nearest_searched(w / zeta, bits, group, importance, 2) for w in weights]

    def loss(zeta):  # with ranges searched as in a run: power 2.4, no weights
        q = [nearest_searched(w / zeta, bits, group, np.ones(len(squares)), 2.4) for w in weights]
        return sum(lost(x, w, r * zeta) for w, r in zip(weights, q))
    zeta, least, rounds = np.ones(x.shape[1]), loss(np.ones(x.shape[1])), 0
    for _ in range(30):
        q = rounded(zeta)
        wq = pooled(sum((w * r).sum(0) for w, r in zip(weights, q)), tie, np.sum)
        qq = pooled(sum((r * r).sum(0) for r in q), tie, np.sum)
        new = np.where(wq > 0, wq / qq, zeta)
        if not loss(new) < least:
            break
        zeta, least, rounds = new, loss(new), rounds + 1
    print("zfold rounds", rounds, "loss", least / loss(np.ones(x.shape[1])))
    return 1 / zeta


def main():
    rng = np.random.default_rng(3)
    n = 48
    for name, bits, group, tie in [("w3_g16", 3, 16, np.arange(n)), ("w4_row", 4, n, np.arange(n)),
                                   ("w3_tied", 3, 16, np.arange(n) % 8 + np.arange(n) // 24 * 8)]:
        x = rng.normal(size=(160, n)) * np.exp(rng.normal(size=n)) * np.where(np.arange(n) % 13 == 4, 12, 1)
        x = x.astype(np.float32).astype(np.float64)
        weights = [rng.normal(scale=0.1, size=(rows, n)).astype(np.float32).astype(np.float64) for rows in (24, 9)]
        s, ratio, losses = awq(weights, x, tie, bits, group)
        print(name, "candidate", ratio, "loss", losses[ratio] / losses[0])
        assert ratio > 0
        save(HERE / f"{name}.safetensors", {
            "x": x.astype(np.float32), "w0": weights[0].astype(np.float32), "w1": weights[1].astype(np.float32),
            "tie": tie.astype(np.float32), "awq": s.astype(np.float32),
            "smoothquant_0.5": smoothquant(weights, x, tie, 0.5).astype(np.float32),
            "smoothquant_0.8": smoothquant(weights, x, tie, 0.8).astype(np.float32),
            "outlier_suppression_plus": outlier_suppression_plus(weights, x, tie, bits, group).astype(np.float32),
            "aqas": aqas(weights, x, tie, bits, group).astype(np.float32),
            "zfold": zfold(weights, x, tie, bits, group).astype(np.float32),
            "percentile_0.5": percentile_smooth(x, tie, 0.5).astype(np.float32),
            "percentile_10": percentile_smooth(x, tie, 10).astype(np.float32)})


if __name__ == "__main__":
    main()
