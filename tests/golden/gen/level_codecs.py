#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/codec/levels.json: one [4, 64] matrix of float32 weights and, for the formats whose values
come from a table, scales and dequantized values by round to nearest, from the formats' definitions alone: values are
listed by decoding every bit pattern, and the nearest is found among all of them in exact arithmetic. Python only.

{"weights": [[..]], "cases": [{"codec", "params", "scale": [[..]], "super_scale": [..], "super_zero": [..],
                               "values": [[..]], "patterns": [[..]]}]}
"""
import json
import pathlib
import random
import struct
from fractions import Fraction
from statistics import NormalDist

OUT = pathlib.Path(__file__).resolve().parent.parent / "codec" / "levels.json"
ROWS, COLS = 4, 64
FLOATS = {"e4m3": (4, 3, 7), "e5m2": (5, 2, 15), "e3m2": (3, 2, 3), "e2m3": (2, 3, 1), "e2m1": (2, 1, 1),
          "e3m0": (3, 0, 3), "e1m2": (1, 2, 1)}


def f32(x):
    return struct.unpack("f", struct.pack("f", float(x)))[0]


def bf16(x):
    bits = struct.unpack("I", struct.pack("f", x))[0]
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16
    return struct.unpack("f", struct.pack("I", bits))[0]


def float_values(name):
    """pattern -> value, finite patterns only."""
    e_bits, m_bits, bias = FLOATS[name]
    out = {}
    for p in range(1 << (1 + e_bits + m_bits)):
        sign = -1 if p >> (e_bits + m_bits) else 1
        e, m = p >> m_bits & ((1 << e_bits) - 1), p & ((1 << m_bits) - 1)
        if name == "e4m3" and e == 15 and m == 7 or name == "e5m2" and e == 31:
            continue
        if sign < 0 and e == m == 0:
            continue  # -0 is never needed
        v = Fraction(m, 1 << m_bits) * Fraction(2) ** (1 - bias) if e == 0 else \
            (1 + Fraction(m, 1 << m_bits)) * Fraction(2) ** (e - bias)
        out[p] = sign * v
    return out


def nearest(values, x):
    """Ties to even patterns."""
    return min(values, key=lambda p: (abs(values[p] - Fraction(x)), p & 1))


def rounded(values, w, scale):
    p = nearest(values, f32(w / scale))
    return p, f32(Fraction(scale) * values[p])


def floor_log2(x):
    x, k = Fraction(x), 0
    while x >= 2:
        x, k = x / 2, k + 1
    while x < 1:
        x, k = x * 2, k - 1
    return k


def quantize(weights, values, scales, group):
    pairs = [[rounded(values, w, scales[r][c // group]) for c, w in enumerate(row)] for r, row in enumerate(weights)]
    return {"scale": scales, "values": [[v for _, v in row] for row in pairs],
            "patterns": [[p for p, _ in row] for row in pairs]}


def groups(row, group):
    return [row[c:c + group] for c in range(0, len(row), group)]


def absmax(values):
    return max(abs(v) for v in values)


def float_case(weights, fmt, group, dtype):
    values = float_values(fmt)
    top = f32(max(values.values()))
    store = bf16 if dtype == "bf16" else f32
    scales = [[store(f32(absmax(g) / top)) for g in groups(row, group)] for row in weights]
    return {"codec": "float", "params": {"format": fmt, "group": group, "scale_dtype": dtype},
            **quantize(weights, values, scales, group)}


def mx_case(weights, fmt):
    element = {"mxfp4": "e2m1", "mxint8": None}.get(fmt, fmt[-4:])
    values = float_values(element) if element else {i & 255: Fraction(i, 64) for i in range(-127, 128)}
    top = floor_log2(max(values.values()))
    scales = [[float(Fraction(2) ** (floor_log2(absmax(g)) - top)) for g in groups(row, 32)] for row in weights]
    return {"codec": "mx", "params": {"format": fmt}, **quantize(weights, values, scales, 32)}


def nvfp4_case(weights):
    e4m3 = float_values("e4m3")
    divisor = f32(448 * 6 / absmax([v for row in weights for v in row]))
    scales = []
    for row in weights:
        scales.append([f32(float(e4m3[nearest(e4m3, f32(f32(absmax(g) / 6) * divisor))]) / divisor)
                       for g in groups(row, 16)])
    return {"codec": "nvfp4", "params": {}, "super_scale": [divisor],
            **quantize(weights, float_values("e2m1"), scales, 16)}


def normal_float(bits):
    ppf, outer, half = NormalDist().inv_cdf, 0.9677083, 2 ** (bits - 1)

    def spread(n):  # n probabilities from outer to 1/2
        return [outer + (0.5 - outer) * i / (n - 1) for i in range(n)]
    values = sorted([ppf(p) for p in spread(half + 1)[:-1]] + [-ppf(p) for p in spread(half)[:-1]] + [0.0])
    return {i: Fraction(f32(v / values[-1])) for i, v in enumerate(values)}


def dynamic_map():
    out = [0.0, 1.0]
    for i in range(7):
        edges = [0.1 + 0.9 * k / 2 ** i for k in range(2 ** i + 1)]
        out += [s * 10.0 ** (i - 6) * (a + b) / 2 for a, b in zip(edges, edges[1:]) for s in (1, -1)]
    return sorted(f32(v) for v in out)


def nf_case(weights, bits, double):
    scales = [[f32(absmax(g)) for g in groups(row, 32)] for row in weights]
    case = {"codec": "nf", "params": {"bits": bits, "group": 32, "double_quant": double}}
    if double:
        flat = [s for row in scales for s in row]
        mean = f32(sum(flat) / len(flat))
        nested = max(f32(abs(f32(s - mean))) for s in flat)
        table = dynamic_map()

        def stored(s):
            x = f32(f32(s - mean) / nested)
            return f32(f32(min(table, key=lambda v: abs(Fraction(v) - Fraction(x))) * nested) + mean)
        scales = [[stored(s) for s in row] for row in scales]
        case |= {"super_scale": [nested], "super_zero": [mean]}
    return case | quantize(weights, normal_float(bits), scales, 32)


def main():
    rng = random.Random(20)
    weights = [[f32(rng.gauss(0, 0.05) * (6 if rng.random() < 0.03 else 1) * 2 ** (r - 1)) for _ in range(COLS)]
               for r in range(ROWS)]
    cases = [float_case(weights, fmt, 32, "f32") for fmt in FLOATS]
    cases += [float_case(weights, "e4m3", 64, "bf16"), float_case(weights, "e2m1", 16, "bf16")]
    cases += [mx_case(weights, f) for f in
              ("mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2", "mxint8")]
    cases.append(nvfp4_case(weights))
    cases += [nf_case(weights, bits, double) for bits in (2, 3, 4) for double in (False, True)]
    OUT.parent.mkdir(exist_ok=True)
    text = [json.dumps(c, separators=(",", ":")) for c in cases]
    OUT.write_text('{"weights":' + json.dumps(weights, separators=(",", ":")) + ',"cases":[\n' + ",\n".join(text) + "\n]}\n")


if __name__ == "__main__":
    main()
