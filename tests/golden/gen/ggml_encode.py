#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/ggml/encoded.safetensors: rows of float32 values and, for every ggml block format that can be
written, their blocks by the plain rule (core/codec/ggml_grid.h), with NumPy only.

values         F32 [rows, 512]
<NAME>.blocks  U8  [rows, bytes per row]

Codes are the nearest in float64 to (value + offset) / scale with scales as stored. Where a code's bits go is said
element by element, from the format descriptions: code_bits() lists (byte, shift, bits taken from the code).
"""
import math
import pathlib

import numpy as np

from gptq_packing import NAMES, save

NAMES["uint8"] = "U8"
HERE = pathlib.Path(__file__).resolve().parent.parent / "ggml"
IQ4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6]


def half(v):
    return float(np.float16(min(max(v, -65504.0), 65504.0))) + 0.0  # 0 without a sign


def half_bytes(v):
    return list(np.float16(v).tobytes())


def halves(first, e):
    """Byte and shift of element e of 32 in 16 bytes of half bytes."""
    return (first + e % 16, 4 * (e // 16))


def code_bits(name, e):
    """Where element e of a block keeps its code: (byte, shift, lowest bit of the code, how many bits)."""
    n, j, l = e // 128, e % 128 // 32, e % 32
    if name in ("Q4_0", "IQ4_NL"):
        return [(*halves(2, e), 0, 4)]
    if name == "MXFP4":
        return [(*halves(1, e), 0, 4)]
    if name == "Q4_1":
        return [(*halves(4, e), 0, 4)]
    if name == "Q5_0":
        return [(*halves(6, e), 0, 4), (2 + e // 8, e % 8, 4, 1)]
    if name == "Q5_1":
        return [(*halves(8, e), 0, 4), (4 + e // 8, e % 8, 4, 1)]
    if name == "Q8_0":
        return [(2 + e, 0, 0, 8)]
    if name == "Q2_K":
        return [(16 + 32 * n + l, 2 * j, 0, 2)]
    if name == "Q3_K":
        return [(32 + 32 * n + l, 2 * j, 0, 2), (l, 4 * n + j, 2, 1)]
    if name == "Q4_K":
        return [(16 + 32 * (e // 64) + l, 4 * (e // 32 % 2), 0, 4)]
    if name == "Q5_K":
        return [(48 + 32 * (e // 64) + l, 4 * (e // 32 % 2), 0, 4), (16 + l, e // 32, 4, 1)]
    if name == "Q6_K":
        return [(64 * n + 32 * (j % 2) + l, 4 * (j // 2), 0, 4), (128 + 32 * n + l, 2 * j, 4, 2)]
    if name == "IQ4_XS":
        return [(*halves(8 + 16 * (e // 32), e % 32), 0, 4)]
    raise KeyError(name)


def six_bit_pairs(scales, offsets):
    """Q4_K and Q5_K: scales 0..3 in the low 6 bits of bytes 0..3, offsets 0..3 of bytes 4..7; low halves of 4..7 in bytes
    8..11 (offsets in the high half), their high 2 bits at the top of bytes 0..3 and 4..7."""
    return ([scales[i] | scales[i + 4] >> 4 << 6 for i in range(4)] +
            [offsets[i] | offsets[i + 4] >> 4 << 6 for i in range(4)] +
            [scales[i + 4] & 15 | (offsets[i + 4] & 15) << 4 for i in range(4)])


def header(name, b, d, dmin, scales, offsets):
    """Everything but the codes."""
    if name == "MXFP4":
        b[0] = int(math.log2(d)) + 128
    elif name in ("Q4_0", "IQ4_NL", "Q5_0", "Q8_0"):
        b[0:2] = half_bytes(d)
    elif name in ("Q4_1", "Q5_1"):
        b[0:4] = half_bytes(d) + half_bytes(0.0 - dmin)
    elif name == "Q2_K":
        b[0:16] = [s | o << 4 for s, o in zip(scales, offsets)]
        b[80:84] = half_bytes(d) + half_bytes(dmin)
    elif name in ("Q4_K", "Q5_K"):
        b[0:16] = half_bytes(d) + half_bytes(dmin) + six_bit_pairs(scales, offsets)
    elif name == "Q6_K":
        b[192:208] = [s & 255 for s in scales]
        b[208:210] = half_bytes(d)
    elif name == "Q3_K":
        s = [v + 32 for v in scales]
        b[96:104] = [s[i] & 15 | (s[i + 8] & 15) << 4 for i in range(8)]
        b[104:108] = [sum((s[i + 4 * k] >> 4) << 2 * k for k in range(4)) for i in range(4)]
        b[108:110] = half_bytes(d)
    elif name == "IQ4_XS":
        s = [v + 32 for v in scales]
        high = sum((s[i] >> 4) << 2 * i for i in range(8))
        b[0:4] = half_bytes(d) + [high & 255, high >> 8]
        b[4:8] = [s[2 * i] & 15 | (s[2 * i + 1] & 15) << 4 for i in range(4)]


# name: bytes, block, group, level of each code, level of the largest value (None: offsets), scale codes, offset codes
LEVELS = {b: list(range(-2 ** (b - 1), 2 ** (b - 1))) for b in (3, 4, 5, 6, 8)}
POSITIVE = {b: list(range(2 ** b)) for b in (2, 4, 5)}
FORMATS = {
    "Q4_0": (18, 32, 32, LEVELS[4], -8, None, None),
    "Q4_1": (20, 32, 32, POSITIVE[4], None, None, None),
    "Q5_0": (22, 32, 32, LEVELS[5], -16, None, None),
    "Q5_1": (24, 32, 32, POSITIVE[5], None, None, None),
    "Q8_0": (34, 32, 32, LEVELS[8], 127, None, None),
    "IQ4_NL": (18, 32, 32, IQ4, -127, None, None),
    "MXFP4": (17, 32, 32, [2 * v for v in E2M1] + [-2 * v for v in E2M1], 12, None, None),
    "Q2_K": (84, 256, 16, POSITIVE[2], None, (0, 15), 15),
    "Q3_K": (110, 256, 16, LEVELS[3], -4, (-32, 31), None),
    "Q4_K": (144, 256, 32, POSITIVE[4], None, (0, 63), 63),
    "Q5_K": (176, 256, 32, POSITIVE[5], None, (0, 63), 63),
    "Q6_K": (210, 256, 16, LEVELS[6], -32, (-128, 127), None),
    "IQ4_XS": (136, 256, 32, IQ4, -127, (-32, 31), None),
}


def group_rule(x, name, levels, largest, super_blocks):
    """(scale, offset) of one group, not rounded."""
    if largest is None:
        low, high = min(x), max(x)
        if super_blocks:
            low, high = min(low, 0.0), max(high, 0.0)
        return (high - low) / max(levels), -low
    top = max(x, key=abs)
    if name == "MXFP4":
        return 2.0 ** max(math.floor(math.log2(abs(top))) - 3, -128) if top else 2.0 ** -128, 0.0
    return (abs(top) if largest > 0 else top) / largest if top else 0.0, 0.0


def integer(value, unit, low, high):
    return 0 if unit == 0 else int(min(max(np.rint(value / unit), low), high))


def nearest(v, levels):
    """The nearest level's code; the rows are such that float32 arithmetic decides no differently."""
    order = sorted(range(len(levels)), key=lambda c: (abs(levels[c] - v), c))
    a, b = (levels[c] for c in order[:2])
    if a != b and abs(abs(a - v) - abs(b - v)) < 1.2e-7 * len(levels) + 4e-7 * abs(v):
        raise ValueError(f"{v} lies between two codes: choose another seed")
    return order[0]


def encode(name, x):
    """One block of floats to bytes."""
    size, block, group, levels, largest, ends, offset_high = FORMATS[name]
    pairs = [group_rule(x[g:g + group], name, levels, largest, ends) for g in range(0, block, group)]
    scales, offsets = [1] * len(pairs), [1] * len(pairs)
    if ends is None:
        d, dmin = (pairs[0][0] if name == "MXFP4" else half(pairs[0][0])), half(pairs[0][1])
    else:
        top = max((p[0] for p in pairs), key=abs)
        d = half(top / (ends[0] or ends[1]))
        dmin = half(max(p[1] for p in pairs) / offset_high) if offset_high else 0.0
        scales = [integer(p[0], d, *ends) for p in pairs]
        offsets = [integer(p[1], dmin, 0, offset_high or 0) for p in pairs]
    b = [0] * size
    header(name, b, d, dmin, scales, offsets)
    for e in range(block):
        s, m = d * scales[e // group], dmin * offsets[e // group]
        code = nearest((x[e] + m) / s if s else 0.0, levels)
        if name == "Q8_0":
            code = levels[code] & 255
        for byte, shift, first, count in code_bits(name, e):
            b[byte] |= (code >> first & (1 << count) - 1) << shift
    return b


def rows():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((8, 512)) * 0.04
    x[1] *= np.where(rng.random(512) < 0.05, 6.0, 1.0)
    x[2] += 0.3                       # no value below 0 in most groups
    x[3, :256] = 0                    # a whole block of zeros
    x[4] = 0
    x[4, 37] = -30.5
    x[4, 300] = 2.25
    x[5] *= np.exp2(rng.integers(-9, 3, 16).repeat(32))
    x[6] *= 1e-7                      # scales among float16's subnormals, or 0
    x[7] *= 3e6                       # beyond float16
    return x.astype(np.float32)


def main():
    values = rows()
    tensors = {"values": values}
    for name, (_, block, *_) in FORMATS.items():
        out = [[byte for at in range(0, 512, block) for byte in encode(name, [float(v) for v in row[at:at + block]])]
               for row in values]
        tensors[name + ".blocks"] = np.array(out, np.uint8)
    save(HERE / "encoded.safetensors", tensors)


if __name__ == "__main__":
    main()
