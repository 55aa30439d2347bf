#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/gptq: codes packed in the GPTQ layout by a plain reading of its description, with NumPy only.

packing.safetensors   per width b: codes, zeros and their packed words (qzeros in both versions)
<case>/               a checkpoint with one packed linear, and expected.safetensors with its values in float32

The 3-bit pattern is spelled out as in the original packer (10 codes, one split 2 + 1, 10, one split 1 + 2, 10), not
derived from a bit stream.
"""
import json
import pathlib
import struct

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent.parent / "gptq"
NAMES = {"uint8": "U8", "int32": "I32", "float16": "F16", "float32": "F32"}


def save(path, tensors):
    header, offset, blob = {"__metadata__": {"format": "pt"}}, 0, b""
    for name, array in tensors.items():
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": NAMES[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def pack_rows(values, bits):
    """[n, m] fields -> [n * bits / 32, m] words, along the first axis."""
    v = values.astype(np.uint64)
    n, m = v.shape
    words = np.zeros((n * bits // 32, m), np.uint64)
    if bits != 3:
        per = 32 // bits
        for row in range(words.shape[0]):
            for i in range(per):
                words[row] |= v[row * per + i] << np.uint64(bits * i)
    else:
        for block in range(n // 32):
            c, w = v[block * 32:block * 32 + 32], words[block * 3:block * 3 + 3]
            for j in range(10):
                w[0] |= c[j] << np.uint64(3 * j)
            w[0] |= (c[10] & np.uint64(3)) << np.uint64(30)
            w[1] |= (c[10] >> np.uint64(2)) & np.uint64(1)
            for j in range(10):
                w[1] |= c[11 + j] << np.uint64(3 * j + 1)
            w[1] |= (c[21] & np.uint64(1)) << np.uint64(31)
            w[2] |= (c[21] >> np.uint64(1)) & np.uint64(3)
            for j in range(10):
                w[2] |= c[22 + j] << np.uint64(3 * j + 2)
    assert words.max() < 2 ** 32
    return words.astype(np.uint32).view(np.int32)


def pack_zeros(zeros, bits):
    """[groups, n] -> [groups, n * bits / 32]"""
    return np.ascontiguousarray(pack_rows(zeros.T, bits).T)


def packing(rng):
    out, n, k, groups = {}, 64, 96, 3
    for bits in (2, 3, 4, 8):
        codes = rng.integers(0, 2 ** bits, (n, k)).astype(np.uint8)
        zeros = rng.integers(1, 2 ** bits, (groups, n)).astype(np.uint8)
        zeros[0, :4] = [1, 2 ** bits - 1, 1, 2 ** bits - 1]
        zeros[2, 1::2] = 2 ** bits - 1
        out[f"b{bits}.codes"] = codes
        out[f"b{bits}.zeros"] = zeros
        out[f"b{bits}.qweight"] = pack_rows(codes.T, bits)
        out[f"b{bits}.qzeros_v1"] = pack_zeros(zeros - 1, bits)
        out[f"b{bits}.qzeros_v2"] = pack_zeros(zeros, bits)
    save(HERE / "packing.safetensors", out)


def checkpoint(name, rng, bits, version, group, act_order, index=True, sidecar=False, n=32, k=64):
    size = k if group == -1 else group
    groups = k // size
    codes = rng.integers(0, 2 ** bits, (n, k)).astype(np.uint8)
    low = 1 if version == 1 else 0
    zeros = rng.integers(low, 2 ** bits, (groups, n)).astype(np.uint8)
    scales = (rng.uniform(0.5, 2, (groups, n)) * 2.0 ** -6).astype(np.float16)
    order = np.arange(k) // size
    if act_order:
        order = order[rng.permutation(k)]
    values = np.empty((n, k), np.float32)
    for row in range(n):
        for col in range(k):
            g = order[col]
            values[row, col] = np.float32(scales[g, row]) * np.float32(int(codes[row, col]) - int(zeros[g, row]))
    tensors = {
        "model.lin.qweight": pack_rows(codes.T, bits),
        "model.lin.qzeros": pack_zeros(zeros - (1 if version == 1 else 0), bits),
        "model.lin.scales": scales,
        "model.lin.bias": rng.normal(size=n).astype(np.float16),
    }
    if index:
        tensors["model.lin.g_idx"] = order.astype(np.int32)
    save(HERE / name / "model.safetensors", tensors)
    save(HERE / name / "expected.safetensors", {"model.lin.weight": values, "codes": codes})
    settings = {"bits": bits, "group_size": group, "desc_act": act_order, "sym": False}
    if version == 2:
        settings["checkpoint_format"] = "gptq_v2"
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    if sidecar:
        (HERE / name / "quantize_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    else:
        config["quantization_config"] = dict(settings, quant_method="gptq")
    (HERE / name / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def main():
    rng = np.random.default_rng(20260801)
    packing(rng)
    checkpoint("v1_4bit_act_order", rng, 4, 1, 16, True)
    checkpoint("v2_3bit", rng, 3, 2, 32, False)
    checkpoint("v1_8bit_channel", rng, 8, 1, -1, False, index=False, sidecar=True)
    checkpoint("v2_2bit_act_order", rng, 2, 2, 32, True)


if __name__ == "__main__":
    main()
