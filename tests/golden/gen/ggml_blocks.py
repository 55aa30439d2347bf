#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/ggml/blocks.safetensors: for every ggml block format random blocks and their values in float32,
by a plain element-by-element reading of the format descriptions, with NumPy only.

<NAME>.blocks   U8  [count, bytes per block]
<NAME>.values   F32 [count, elements per block]

Values are computed in float64 and rounded once: every product is exact there, and so is every sum's operands, so the
result is what float32 arithmetic must give (products exact, one rounding in the sum).
"""
import pathlib
import struct

import numpy as np

from gptq_packing import NAMES, save

NAMES["uint8"] = "U8"
HERE = pathlib.Path(__file__).resolve().parent.parent / "ggml"
IQ4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
E2M1 += [-v for v in E2M1]


def f16(b, at):
    return float(np.frombuffer(bytes(b[at:at + 2]), "<f2")[0])


def i8(v):
    return v - 256 if v > 127 else v


def nibble(b, at, e):
    """Element e of 32: byte e's low half, then byte e - 16's high half."""
    return b[at + e] & 15 if e < 16 else b[at + e - 16] >> 4


def bit(b, at, e):
    return b[at + e // 8] >> (e % 8) & 1


def q4_0(b, e):
    return f16(b, 0) * (nibble(b, 2, e) - 8)


def q4_1(b, e):
    return f16(b, 0) * nibble(b, 4, e) + f16(b, 2)


def q5_0(b, e):
    return f16(b, 0) * (nibble(b, 6, e) + 16 * bit(b, 2, e) - 16)


def q5_1(b, e):
    return f16(b, 0) * (nibble(b, 8, e) + 16 * bit(b, 4, e)) + f16(b, 2)


def q8_0(b, e):
    return f16(b, 0) * i8(b[2 + e])


def q1_0(b, e):
    return f16(b, 0) if bit(b, 2, e) else -f16(b, 0)


def q2_0(b, e):
    return f16(b, 0) * ((b[2 + e // 4] >> 2 * (e % 4) & 3) - 1)


def split(e):
    """e = 128 n + 32 j + l."""
    return e // 128, e % 128 // 32, e % 32


def q2_k(b, e):
    n, j, l = split(e)
    q = b[16 + 32 * n + l] >> 2 * j & 3
    s = b[8 * n + 2 * j + l // 16]
    return f16(b, 80) * (s & 15) * q - f16(b, 82) * (s >> 4)


def q3_k(b, e):
    n, j, l = split(e)
    q = (b[32 + 32 * n + l] >> 2 * j & 3) - (0 if b[l] >> (4 * n + j) & 1 else 4)
    k = 8 * n + 2 * j + l // 16
    s = b[96 + k] & 15 if k < 8 else b[96 + k - 8] >> 4
    s |= (b[96 + 8 + k % 4] >> 2 * (k // 4) & 3) << 4
    return f16(b, 108) * (s - 32) * q


def scale_min(s, j):
    """Bits as drawn in ggml: bytes 0-3 EEAAAAAA (scales 0-3, top bits of 4-7), 4-7 the same for minima, 8-11 eeeeEEEE."""
    if j < 4:
        return s[j] & 63, s[j + 4] & 63
    return (s[j + 4] & 15) | (s[j - 4] >> 6) << 4, (s[j + 4] >> 4) | (s[j] >> 6) << 4


def q4_k(b, e):
    j, l = e // 32, e % 32
    byte = b[16 + 32 * (j // 2) + l]
    q = byte >> 4 if j % 2 else byte & 15
    sc, m = scale_min(b[4:16], j)
    return f16(b, 0) * sc * q - f16(b, 2) * m


def q5_k(b, e):
    j, l = e // 32, e % 32
    byte = b[48 + 32 * (j // 2) + l]
    q = (byte >> 4 if j % 2 else byte & 15) + 16 * (b[16 + l] >> j & 1)
    sc, m = scale_min(b[4:16], j)
    return f16(b, 0) * sc * q - f16(b, 2) * m


def q6_k(b, e):
    n, quarter, l = split(e)
    low = [b[64 * n + l] & 15, b[64 * n + 32 + l] & 15, b[64 * n + l] >> 4, b[64 * n + 32 + l] >> 4][quarter]
    q = (low | (b[128 + 32 * n + l] >> 2 * quarter & 3) << 4) - 32
    return f16(b, 208) * i8(b[192 + 8 * n + 2 * quarter + l // 16]) * q


def iq4_nl(b, e):
    return f16(b, 0) * IQ4[nibble(b, 2, e)]


def iq4_xs(b, e):
    j, l = e // 32, e % 32
    scales_h = b[2] | b[3] << 8
    ls = (b[4 + j // 2] >> 4 * (j % 2) & 15) | (scales_h >> 2 * j & 3) << 4
    return f16(b, 0) * (ls - 32) * IQ4[nibble(b, 8 + 16 * j, l)]


def trit(byte, n):
    """Digit n of five, most significant first; the stored byte is ceil(256 v / 243) of the base-3 number v."""
    return (byte * 3 ** n % 256) * 3 // 256 - 1


def tq1_0(b, e):
    if e < 160:
        t = trit(b[e % 32], e // 32)
    elif e < 240:
        t = trit(b[32 + (e - 160) % 16], (e - 160) // 16)
    else:
        t = trit(b[48 + (e - 240) % 4], (e - 240) // 4)
    return f16(b, 52) * t


def tq2_0(b, e):
    n, j, l = split(e)
    return f16(b, 64) * ((b[32 * n + l] >> 2 * j & 3) - 1)


def mxfp4(b, e):
    return 2.0 ** (b[0] - 127) * E2M1[nibble(b, 1, e)]


def ue4m3(v):
    if v == 0x7F:
        return 0.0
    exponent, mantissa = v >> 3 & 15, v & 7
    return mantissa * 2.0 ** -9 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)


def nvfp4(b, e):
    s, l = e // 16, e % 16
    byte = b[4 + 8 * s + l % 8]
    return ue4m3(b[s]) * E2M1[byte & 15 if l < 8 else byte >> 4]


# name: (elements, bytes, offsets of f16 scales, value)
FORMATS = {
    "Q4_0": (32, 18, [0], q4_0), "Q4_1": (32, 20, [0, 2], q4_1), "Q5_0": (32, 22, [0], q5_0),
    "Q5_1": (32, 24, [0, 2], q5_1), "Q8_0": (32, 34, [0], q8_0), "Q2_K": (256, 84, [80, 82], q2_k),
    "Q3_K": (256, 110, [108], q3_k), "Q4_K": (256, 144, [0, 2], q4_k), "Q5_K": (256, 176, [0, 2], q5_k),
    "Q6_K": (256, 210, [208], q6_k), "IQ4_NL": (32, 18, [0], iq4_nl), "IQ4_XS": (256, 136, [0], iq4_xs),
    "TQ1_0": (256, 54, [52], tq1_0), "TQ2_0": (256, 66, [64], tq2_0), "MXFP4": (32, 17, [], mxfp4),
    "NVFP4": (64, 36, [], nvfp4), "Q1_0": (128, 18, [0], q1_0), "Q2_0": (64, 18, [0], q2_0),
}
# Least subnormal, largest subnormal, one, largest, zero, negative zero, infinity.
EXTREME = [2.0 ** -24, 1023 * 2.0 ** -24, 1.0, 65504.0, 0.0, -0.0, -65504.0, np.inf]


def blocks_of(name, rng):
    elements, size, scales, _ = FORMATS[name]
    count = 8 if elements == 256 else 32
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for i in range(count):
        for s in scales:
            # The last ones keep random bits in everything but the scales, which are extreme.
            value = EXTREME[i % 8] if i >= count // 2 else rng.normal() * 10.0 ** rng.integers(-4, 2)
            blocks[i, s:s + 2] = list(struct.pack("<e", value))
    if name == "MXFP4":
        blocks[:8, 0] = [0, 1, 2, 127, 128, 252, 254, 255]
    if name == "NVFP4":
        codes = np.arange(count * 4) * 2 % 256
        blocks[:, :4] = codes.reshape(count, 4)
        blocks[0, :4] = [0x7F, 0x7E, 0xFF, 0x01]
    return blocks


def main():
    rng = np.random.default_rng(20240601)
    tensors = {}
    for name, (elements, _, _, value) in FORMATS.items():
        blocks = blocks_of(name, rng)
        with np.errstate(all="ignore"):
            values = np.array([[np.float64(value([int(v) for v in b], e)) for e in range(elements)] for b in blocks])
            tensors[name + ".blocks"] = blocks
            tensors[name + ".values"] = values.astype(np.float32)
    save(HERE / "blocks.safetensors", tensors)


if __name__ == "__main__":
    main()
