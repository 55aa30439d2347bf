#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/codec/grids.json: more cases for the weights of levels.json, in its form, for formats whose grids
follow from the values of a group: ternary, gaussian, power, bdr, int_two_level, bcq. From the definitions alone, with
NumPy: tables come from integrals of the normal density by Gauss-Legendre quadrature, exponents from a fine scan, binary
bases from a general least squares solver. Cases also hold "zero" where it is not 0 throughout."""
import json
import math
import pathlib
from fractions import Fraction

import numpy as np

from level_codecs import absmax, bf16, f32, floor_log2, groups, nearest

HERE = pathlib.Path(__file__).resolve().parent.parent / "codec"
STORE = {"f16": lambda x: float(np.float16(x)), "bf16": bf16, "f32": f32}


def cut(weights, group):
    """Groups in the shape of the scale matrix."""
    if group == 0:
        return [[[w for row in weights for w in row]]]
    return [groups(row, group if group > 0 else len(row)) for row in weights]


def scale_at(scales, r, c, group):
    return scales[0][0] if group == 0 else scales[r][c // group if group > 0 else 0]


def on_levels(weights, levels, scales, group, ties=None):
    """Nearest of levels (floats, ascending) times the scale."""
    table = {i: Fraction(v) for i, v in enumerate(levels)}
    ties = ties or (lambda i: i)
    out = []
    for r, row in enumerate(weights):
        out.append([])
        for c, w in enumerate(row):
            s = scale_at(scales, r, c, group)
            x = Fraction(f32(w / s))
            best = min(table, key=lambda i: (abs(table[i] - x), ties(i)))
            out[r].append(f32(Fraction(s) * table[best]))
    return {"scale": scales, "values": out}


def ternary(weights, statistic, group, dtype):
    def scale(values):
        m = sorted(abs(v) for v in values)
        mean = math.fsum(m) / len(m)
        return STORE[dtype]({"absmean": mean, "absmedian": m[(len(m) - 1) // 2], "entropy": 4 / 3 * mean}[statistic])
    scales = [[scale(g) for g in row] for row in cut(weights, group)]
    return {"codec": "ternary", "params": {"statistic": statistic, "group": group, "scale_dtype": dtype},
            **on_levels(weights, [-1.0, 0.0, 1.0], scales, group, lambda i: i != 1)}


def integral(f, low, high):
    """Over the normal density; in pieces of at most 1/4, 20 points each. 12 is infinity."""
    low, high = max(low, -12.0), min(high, 12.0)
    pieces = max(1, math.ceil((high - low) * 4))
    x, w = np.polynomial.legendre.leggauss(20)
    total = 0.0
    for i in range(pieces):
        a, b = low + (high - low) * i / pieces, low + (high - low) * (i + 1) / pieces
        t = (a + b) / 2 + (b - a) / 2 * x
        total += float(np.sum(w * f(t) * np.exp(-t * t / 2))) * (b - a) / 2 / math.sqrt(2 * math.pi)
    return total


def cells(levels):
    edges = [-12.0] + [(a + b) / 2 for a, b in zip(levels, levels[1:])] + [12.0]
    return list(zip(levels, edges, edges[1:]))


def even_levels(bits):
    n = 2 ** bits
    u = [(2 * k - n + 1) / (n - 1) for k in range(n)]

    def slope(c):  # of the mean squared error by c
        return sum(integral(lambda x: -2 * (x - v) * v / c, a, b) for v, a, b in cells([c * x for x in u]))
    low, high = 0.3, 6.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return [low * x for x in u]


def lloyd_levels(bits):
    n = 2 ** bits
    v = [(2 * k - n + 1) / n * 2.0 for k in range(n)]
    for _ in range(5000):
        new = [integral(lambda x: x, a, b) / integral(lambda x: x * 0 + 1, a, b) for _, a, b in cells(v)]
        moved = max(abs(a - b) for a, b in zip(v, new))
        v = new
        if moved < 1e-13:
            break
    return [(b - a) / 2 for a, b in zip(reversed(v), v)]  # symmetric to the last bit


def gaussian(weights, bits, steps, group, dtype):
    levels = [f32(v) for v in (even_levels(bits) if steps == "even" else lloyd_levels(bits))]
    scales = [[STORE[dtype](f32(math.sqrt(math.fsum(v * v for v in g) / len(g)))) for g in row]
              for row in cut(weights, group)]
    return {"codec": "gaussian", "params": {"bits": bits, "steps": steps, "group": group, "scale_dtype": dtype},
            **on_levels(weights, levels, scales, group)}


def power_levels(bits, exponent):
    m = 2 ** (bits - 1) - 1
    return [f32(math.copysign((abs(q) / m) ** (1 / exponent), q)) if q else 0.0 for q in range(-m, m + 1)]


def power(weights, bits, exponent, group, dtype):
    exponent = f32(exponent)
    scales = [[STORE[dtype](absmax(g)) for g in row] for row in cut(weights, group)]
    return {"codec": "power", "params": {"bits": bits, "search_exponent": False, "exponent": exponent, "group": group,
                                         "scale_dtype": dtype},
            "super_scale": [exponent], "zero": [[exponent] * len(row) for row in scales],
            **on_levels(weights, power_levels(bits, exponent), scales, group)}


def power_search(weights, bits, group):
    """Least squared error over exponents in steps of 0.002."""
    w = np.array(weights)
    scales = [[f32(absmax(g)) for g in row] for row in cut(weights, group)]
    s = np.array([[scale_at(scales, r, c, group) for c in range(w.shape[1])] for r in range(w.shape[0])])

    def error(exponent):
        levels = np.array(power_levels(bits, exponent))
        return float((np.abs((w / s)[:, :, None] - levels).min(2) ** 2 * s ** 2).sum())
    return {"bits": bits, "group": group, "error": min(error(0.1 + 0.002 * i) for i in range(451)),
            "plain": error(1.0)}


def bdr(weights, fmt):
    m = {"mx9": 7, "mx6": 4, "mx4": 2}[fmt]
    shared, scales, values = [], [], []
    for row in weights:
        scales.append([])
        values.append([])
        for block in groups(row, 16):
            top = floor_log2(absmax(block))
            shared.append(float(Fraction(2) ** top))
            for pair in groups(block, 2):
                shift = 1 if floor_log2(absmax(pair)) < top else 0
                step = Fraction(2) ** (top - shift - m + 1)
                scales[-1].append(float(Fraction(2) ** (top - shift)))
                for w in pair:
                    k = min(round(abs(Fraction(w)) / step), 2 ** m - 1)  # ties to even
                    values[-1].append(float(k * step) * (1 if w >= 0 else -1))
    return {"codec": "bdr", "params": {"format": fmt}, "super_scale": shared, "scale": scales, "values": values}


def int_two_level(weights, bits, group):
    w, top = np.array(weights, np.float32), np.float32(2 ** bits - 1)
    parts = w.reshape(w.shape[0], -1, group)
    low, high = np.minimum(parts.min(2), 0), np.maximum(parts.max(2), 0)
    step = (high - low) / top
    zero = np.clip(np.rint(-low / step), 0, top)
    most = np.floor(127 / np.maximum(zero, top - zero))
    s8 = (step / most).max(1, keepdims=True)
    factor = np.clip(np.rint(step / s8), 1, most)
    assert (factor * np.maximum(zero, top - zero)).max() <= 127 and len(set(factor.ravel())) > 1
    scale = factor * s8
    codes = np.clip(np.rint(parts / scale[:, :, None]) + zero[:, :, None], 0, top)
    values = scale[:, :, None] * (codes - zero[:, :, None])
    assert values.dtype == np.float32
    return {"codec": "int_two_level", "params": {"bits": bits, "group": group}, "super_scale": s8.ravel().tolist(),
            "scale": scale.tolist(), "zero": zero.tolist(), "values": values.reshape(w.shape).tolist()}


def signs(bits):
    """All sign vectors; the first sign is the highest bit of their number."""
    return np.array([[1 if code >> (bits - 1 - p) & 1 else -1 for p in range(bits)] for code in range(2 ** bits)])


def binary_basis(values, bits, rounds):
    v = np.array(values)
    offset, a = v.mean(), []
    rest = v - offset
    for _ in range(bits):
        a.append(np.abs(rest).mean())
        rest = rest - a[-1] * np.where(rest < 0, -1, 1)
    table = signs(bits)

    def codes(a, offset):
        return np.abs(v[:, None] - (table @ np.array(a) + offset)).argmin(1)

    def error(a, offset):
        return (np.abs(v[:, None] - (table @ np.array(a) + offset)).min(1) ** 2).sum()
    for _ in range(rounds):
        x = np.linalg.lstsq(np.hstack([table[codes(a, offset)], np.ones((len(v), 1))]), v, rcond=None)[0]
        new = sorted(np.abs(x[:-1]), reverse=True)
        if not error(new, x[-1]) < error(a, offset):
            break
        a, offset = new, x[-1]
    return sorted(a, reverse=True), offset


def bcq(weights, bits, group, rounds):
    case = {"codec": "bcq", "params": {"bits": bits, "group": group, "rounds": rounds}, "scale": [], "zero": [],
            "values": []}
    half = 2 ** (24 // bits - 1)
    for row in weights:
        scales, zeros, values = [], [], []
        for g in groups(row, group):
            a, offset = binary_basis(g, bits, rounds)
            first = STORE["f16"](a[0])
            if bits == 1:
                offset = zero = STORE["f16"](offset)
                a = [first]
            else:
                share = [int(np.rint(x / first * half)) for x in a[1:]]
                shift = int(np.clip(np.rint(offset / first * half), -half, half - 1))
                zero = sum(k * (2 * half) ** i for i, k in enumerate(share + [shift + half]))
                a, offset = [first] + [first * k / half for k in share], first * shift / half
            levels = signs(bits) @ np.array(a) + offset
            scales.append(first)
            zeros.append(float(zero))
            values += [f32(levels[np.abs(levels - w).argmin()]) for w in g]
        case["scale"].append(scales)
        case["zero"].append(zeros)
        case["values"].append(values)
    return case


def main():
    weights = json.loads((HERE / "levels.json").read_text())["weights"]
    cases = [ternary(weights, s, g, d) for s, g, d in [("absmean", 0, "f32"), ("absmean", 32, "f16"),
                                                        ("absmedian", -1, "f32"), ("absmedian", 16, "bf16"),
                                                        ("entropy", -1, "f32"), ("entropy", 0, "f16")]]
    cases += [gaussian(weights, b, s, g, d) for b, s, g, d in [(1, "even", 32, "f16"), (2, "even", -1, "f32"),
                                                                (3, "best", 32, "f32"), (4, "best", 16, "f16"),
                                                                (4, "even", 0, "f32"), (8, "even", 64, "f16")]]
    cases += [power(weights, b, a, g, d) for b, a, g, d in [(4, 0.5, -1, "f32"), (3, 0.37, 32, "f16"),
                                                             (8, 0.75, 0, "f32"), (2, 1.0, 16, "f16")]]
    cases += [bdr(weights, f) for f in ("mx9", "mx6", "mx4")]
    cases += [int_two_level(weights, b, g) for b, g in [(4, 16), (3, 32), (6, 16), (2, 8)]]
    cases += [bcq(weights, b, g, n) for b, g, n in [(1, 32, 0), (1, 16, 15), (2, 32, 15), (3, 32, 15), (4, 64, 15),
                                                     (2, 16, 0)]]
    searches = [power_search(weights, b, g) for b, g in [(4, -1), (3, 16), (6, 0)]]
    (HERE / "grids.json").write_text(
        '{"power_search":' + json.dumps(searches, separators=(",", ":")) + ',"cases":[\n'
        + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]}\n")


if __name__ == "__main__":
    main()
