#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/packed: linears in every packed layout, from the layouts' descriptions, with the standard
library only.

linears/<case>/  config.json, model.safetensors; expected.safetensors holds X.codes (I16) and X.values (F32)
models/<case>/   the same for a tiny Llama; plain.safetensors holds the model with dequantized float32 weights
                 (same config.json without quantization_config)
tests/fuzz/corpus/fuzz_packed: seeds in the form that fuzz_packed.cpp reads

Streams of bits are Python integers: field i of width b is added as code << (b * i), and words are cut from the sum.
Values are computed in double precision and rounded to float32 where the layout's arithmetic has one rounding.
"""
import json
import pathlib
import random
import struct

OUT = pathlib.Path(__file__).resolve().parent.parent / "packed"
NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
       -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
       0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]
E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
PACK = {"F32": "<f", "F16": "<e", "I8": "<b", "U8": "<B", "I16": "<h", "I32": "<i", "I64": "<q"}


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def f16(x):
    return struct.unpack("<e", struct.pack("<e", x))[0]


def bf16_bits(x):
    bits = struct.unpack("<I", struct.pack("<f", x))[0]
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16


def bf16(x):
    return struct.unpack("<f", struct.pack("<I", bf16_bits(x) << 16))[0]


def e4m3(code):
    sign, exponent, mantissa = code >> 7, code >> 3 & 15, code & 7
    if exponent == 15 and mantissa == 7:
        return float("nan")
    value = mantissa / 8 * 2.0 ** -6 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)
    return -value if sign else value


def flat(values):
    for v in values:
        if isinstance(v, list):
            yield from flat(v)
        else:
            yield v


def shape_of(values):
    return [] if not isinstance(values, list) else [len(values)] + (shape_of(values[0]) if values else [])


class Tensor:
    def __init__(self, dtype, values, shape=None):
        self.dtype, self.shape = dtype, shape_of(values) if shape is None else shape
        items = list(flat([values]))
        if dtype == "BF16":
            self.data = b"".join(struct.pack("<H", bf16_bits(v)) for v in items)
        elif dtype.startswith("F8"):
            self.data = bytes(items)
        else:
            self.data = b"".join(struct.pack(PACK[dtype], v) for v in items)


def save(path, tensors):
    header, offset, blob = {"__metadata__": {"format": "pt"}}, 0, b""
    for name, t in tensors.items():
        header[name] = {"dtype": t.dtype, "shape": t.shape, "data_offsets": [offset, offset + len(t.data)]}
        offset += len(t.data)
        blob += t.data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def signed32(word):
    return word - (1 << 32) if word >> 31 else word


def stream(codes, bits):
    """Dense, least significant bit first."""
    total = sum(c << (bits * i) for i, c in enumerate(codes))
    words = -(-len(codes) * bits // 32)
    return [signed32(total >> (32 * w) & 0xffffffff) for w in range(words)]


def padded(codes, bits):
    per = 32 // bits
    return [signed32(sum(c << (bits * i) for i, c in enumerate(codes[at:at + per])))
            for at in range(0, len(codes), per)]


def transpose(rows):
    return [list(column) for column in zip(*rows)]


class Maker:
    """Makes linears X with random codes; each method returns (tensors by part, codes, values)."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def codes(self, n, k, low, high):
        return [[self.rng.randint(low, high) for _ in range(k)] for _ in range(n)]

    def scales(self, rows, cols, bits, rounding=f16):
        return [[rounding(self.rng.uniform(0.5, 1.5) * 0.3 / 2 ** (bits - 1)) for _ in range(cols)]
                for _ in range(rows)]

    def order(self, k, size, act_order):
        groups = [i // size for i in range(k)]
        if act_order:
            self.rng.shuffle(groups)
        return groups

    def gptq(self, n, k, bits, size, version=1, act_order=False):
        size = k if size == -1 else size
        groups = -(-k // size)
        codes = self.codes(n, k, 0, 2 ** bits - 1)
        zeros = self.codes(groups, n, 1, 2 ** bits - 1)
        scales = self.scales(groups, n, bits)
        order = self.order(k, size, act_order)
        values = [[f32(scales[order[j]][i] * (codes[i][j] - zeros[order[j]][i])) for j in range(k)] for i in range(n)]
        parts = {"qweight": Tensor("I32", transpose([stream(row, bits) for row in codes])),
                 "qzeros": Tensor("I32", [stream([z - (version == 1) for z in row], bits) for row in zeros]),
                 "scales": Tensor("F16", scales), "g_idx": Tensor("I32", order)}
        return parts, codes, values

    def awq(self, n, k, size):
        size = k if size == -1 else size
        groups = -(-k // size)
        order = [0, 2, 4, 6, 1, 3, 5, 7]

        def pack(row):
            return [signed32(sum(row[at + order[i]] << (4 * i) for i in range(8))) for at in range(0, len(row), 8)]

        codes = self.codes(n, k, 0, 15)
        zeros = self.codes(groups, n, 0, 15)
        scales = self.scales(groups, n, 4)
        values = [[f32(scales[j // size][i] * (codes[i][j] - zeros[j // size][i])) for j in range(k)] for i in range(n)]
        parts = {"qweight": Tensor("I32", [pack(row) for row in transpose(codes)]),
                 "qzeros": Tensor("I32", [pack(row) for row in zeros]), "scales": Tensor("F16", scales)}
        return parts, codes, values

    def ct_pack(self, n, k, bits, size, symmetric=True, act_order=False, old=False, unpacked_zero=False):
        """size: -1 per channel, 0 per tensor."""
        pack = padded if old else stream
        middle = 2 ** (bits - 1)
        rows, width = (1, k) if size == 0 else (n, k if size == -1 else size)
        groups = -(-k // width)
        codes = self.codes(n, k, 0, 2 ** bits - 1)
        scales = self.scales(rows, groups, bits, bf16)
        zeros = [[middle] * groups for _ in range(rows)]
        if not symmetric:
            zeros = self.codes(rows, groups, 0, 2 ** bits - 1)
        order = self.order(k, width, act_order)
        at = (lambda i: 0) if size == 0 else (lambda i: i)
        values = [[f32(scales[at(i)][order[j]] * (codes[i][j] - zeros[at(i)][order[j]])) for j in range(k)]
                  for i in range(n)]
        parts = {"weight_packed": Tensor("I32", [pack(row, bits) for row in codes]),
                 "weight_scale": Tensor("BF16", scales, [1] if size == 0 else None),
                 "weight_shape": Tensor("I64", [n, k])}
        if not symmetric and (size == 0 or unpacked_zero):
            parts["weight_zero_point"] = Tensor("I8", [[z - middle for z in row] for row in zeros],
                                                [1] if size == 0 else None)
        elif not symmetric:
            parts["weight_zero_point"] = Tensor("I32", transpose([pack(column, bits) for column in transpose(zeros)]))
        if act_order:
            parts["weight_g_idx"] = Tensor("I32", order)
        return parts, codes, values

    def ct_int(self, n, k, size, symmetric=True):
        rows, width = (1, k) if size == 0 else (n, k if size == -1 else size)
        groups = -(-k // width)
        codes = self.codes(n, k, -128, 127)
        scales = self.scales(rows, groups, 8, f32)
        zeros = [[0] * groups for _ in range(rows)] if symmetric else self.codes(rows, groups, -128, 127)
        at = (lambda i: 0) if size == 0 else (lambda i: i)
        values = [[f32(scales[at(i)][j // width] * (codes[i][j] - zeros[at(i)][j // width])) for j in range(k)]
                  for i in range(n)]
        shape = [1] if size == 0 else None
        parts = {"weight": Tensor("I8", codes), "weight_scale": Tensor("F32", scales, shape),
                 "input_scale": Tensor("F32", [0.5])}
        if not symmetric:
            parts["weight_zero_point"] = Tensor("I8", zeros, shape)
        return parts, codes, values

    def fp8(self, n, k, block, name="weight_scale", dtype="F32", shape=None, powers=False, nan=False):
        """block [rows, columns] of one scale."""
        rows, groups = -(-n // block[0]), -(-k // block[1])
        codes = self.codes(n, k, 0, 255)
        for row in codes:
            for j, code in enumerate(row):
                if code & 0x7f > 0x60:  # up to 16: no value dwarfs the others
                    row[j] = code & 0xbf
        if nan:
            codes[0][0], codes[n - 1][k - 1] = 0x7f, 0xff
        if powers:
            stored = self.codes(rows, groups, 119, 123)
            scales = [[2.0 ** (e - 127) for e in row] for row in stored]
        else:
            scales = stored = [[{"F32": f32, "BF16": bf16}[dtype](self.rng.uniform(0.01, 0.05)) for _ in range(groups)]
                               for _ in range(rows)]
        values = [[f32(e4m3(codes[i][j]) * scales[i // block[0]][j // block[1]]) for j in range(k)] for i in range(n)]
        return ({"weight": Tensor("F8_E4M3", codes), name: Tensor(dtype, stored, shape),
                 "input_scale": Tensor("F32", 0.25)}, codes, values)

    def fp4(self, n, k, nvidia, scale_type=None):
        size = 16 if nvidia else 32
        groups = -(-k // size)
        codes = self.codes(n, k, 0, 15)
        level = [*E2M1, *(-v for v in E2M1)]
        parts = {"weight_packed": Tensor("U8", [[row[j] | row[j + 1] << 4 for j in range(0, k, 2)] for row in codes])}
        if nvidia:
            stored = self.codes(n, groups, 0x40, 0x7e)
            top = f32(448 * 6 / self.rng.uniform(0.3, 0.6))
            scales = [[f32(e4m3(s) / top) for s in row] for row in stored]
            parts["weight_scale"] = Tensor("F8_E4M3", stored)
            parts["weight_global_scale"] = Tensor("F32", [top])
            parts["input_global_scale"] = Tensor("F32", [100.0])
        else:
            stored = self.codes(n, groups, 120, 124)
            scales = [[2.0 ** (s - 127) for s in row] for row in stored]
            parts["weight_scale"] = Tensor(scale_type or "U8", stored)
        values = [[f32(level[codes[i][j]] * scales[i][j // size]) for j in range(k)] for i in range(n)]
        return parts, codes, values

    def bnb(self, n, k, block=64, nested=None, storage="U8"):
        codes = self.codes(n, k, 0, 15)
        listed = list(flat(codes))
        data = [(listed[i] << 4) | (listed[i + 1] if i + 1 < len(listed) else 0) for i in range(0, len(listed), 2)]
        blocks = -(-n * k // block)
        state = {"quant_type": "nf4", "blocksize": block, "dtype": "bfloat16", "shape": [n, k]}
        parts = {"weight": Tensor("U8", data, [len(data), 1]), "weight.quant_map": Tensor("F32", NF4)}
        if storage == "BF16":
            parts["weight"].dtype, parts["weight"].shape = "BF16", [len(data) // 2, 1]
        if nested is None:
            absmax = [f32(self.rng.uniform(0.1, 0.4)) for _ in range(blocks)]
            parts["weight.absmax"] = Tensor("F32", absmax)
        else:
            table = [f32((i - 128) / 128) ** 3 for i in range(256)]
            table = [f32(v) for v in table]
            tops = [f32(self.rng.uniform(0.05, 0.1)) for _ in range(-(-blocks // nested))]
            offset = 0.21875
            picks = [self.rng.randint(0, 255) for _ in range(blocks)]
            absmax = [f32(f32(table[c] * tops[i // nested]) + offset) for i, c in enumerate(picks)]
            parts["weight.absmax"] = Tensor("U8", picks)
            parts["weight.nested_absmax"] = Tensor("F32", tops)
            parts["weight.nested_quant_map"] = Tensor("F32", table)
            state.update(nested_blocksize=nested, nested_dtype="float32", nested_offset=offset)
        parts["weight.quant_state.bitsandbytes__nf4"] = Tensor("U8", list(json.dumps(state).encode()))
        values = [[f32(f32(NF4[codes[i][j]]) * absmax[(i * k + j) // block]) for j in range(k)] for i in range(n)]
        return parts, codes, values


def ct_weights(bits, kind="int", symmetric=True, strategy=None, size=None, block=None, actorder=None):
    if strategy is None:
        strategy = {-1: "channel", 0: "tensor"}.get(size, "group")
    return {"num_bits": bits, "type": kind, "symmetric": symmetric, "strategy": strategy,
            "group_size": size if strategy in ("group", "tensor_group") else None, "block_structure": block,
            "dynamic": False, "actorder": actorder, "observer": "minmax"}


def ct_config(fmt, groups, ignore=(), version="0.18.0"):
    return {"quant_method": "compressed-tensors", "format": fmt, "quantization_status": "compressed", "version": version,
            "ignore": list(ignore), "kv_cache_scheme": None, "global_compression_ratio": None, "sparsity_config": {},
            "transform_config": {},
            "config_groups": {f"group_{i}": dict({"targets": targets, "weights": weights, "input_activations": None,
                                                  "output_activations": None}, **({"format": own} if own else {}))
                              for i, (targets, weights, own) in enumerate(groups)}}


def write_linears(case, settings, modules, plain=(), sidecar=None):
    """modules: name -> (parts, codes, values). plain: names of F16 weights that are not quantized."""
    rng, tensors, expected = random.Random(case), {}, {}
    for name, (parts, codes, values) in modules.items():
        for part, tensor in parts.items():
            tensors[f"{name}.{part}"] = tensor
        tensors[f"{name}.bias"] = Tensor("F16", [f16(rng.uniform(-1, 1)) for _ in codes])
        expected[f"{name}.codes"] = Tensor("I16", codes)
        expected[f"{name}.values"] = Tensor("F32", values)
    for name in plain:
        tensors[f"{name}.weight"] = Tensor("F16", [[f16(rng.uniform(-1, 1)) for _ in range(4)] for _ in range(3)])
    folder = OUT / "linears" / case
    save(folder / "model.safetensors", tensors)
    save(folder / "expected.safetensors", expected)
    config = {"architectures": ["SomethingElse"], "model_type": "something"}
    if sidecar:
        (folder / sidecar).write_text(json.dumps(settings, indent=1) + "\n")
    else:
        config["quantization_config"] = settings
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def linears():
    m = Maker(20261125)
    # Of two rules that match model.three the first in the file decides; sorted by text it would be the other.
    write_linears("gptq_dynamic",
                  {"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": False, "checkpoint_format": "gptq_v2",
                   "dynamic": {"-:^model\\.plain$": {}, "+:model\\.thr": {"bits": 3, "group_size": 16},
                               "+:model\\.t.*": {"bits": 2},
                               "^model\\.eight$": {"bits": 8, "group_size": -1, "sym": True}}},
                  {"model.lin": m.gptq(32, 64, 4, 32, 2, act_order=True), "model.three": m.gptq(64, 96, 3, 16, 2),
                   "model.eight": m.gptq(32, 32, 8, -1, 2), "model.two": m.gptq(32, 96, 2, 32, 2)}, ["model.plain"])
    write_linears("awq", {"quant_method": "awq", "bits": 4, "group_size": 16, "zero_point": True, "version": "gemm",
                          "modules_to_not_convert": ["plain"]},
                  {"model.lin": m.awq(24, 48, 16), "model.odd": m.awq(8, 37, 16)}, ["model.plain"])
    write_linears("awq_channel", {"zero_point": True, "q_group_size": -1, "w_bit": 4, "version": "GEMM"},
                  {"model.lin": m.awq(16, 21, -1)}, sidecar="quant_config.json")
    write_linears("ct_pack", ct_config("pack-quantized", [
        (["Linear"], ct_weights(4, size=32), None), (["re:.*three"], ct_weights(3, size=-1), None),
        (["re:.*five$"], ct_weights(5, symmetric=False, size=16), None),
        (["model.eight", "model.act"], ct_weights(8, symmetric=False, size=32, actorder="group"), None),
        (["model.tensor"], ct_weights(4, symmetric=False, size=0), None),
        (["model.two"], ct_weights(2, symmetric=False, size=-1), None),
        (["model.one"], ct_weights(1, size=-1), None), (["re:.*six"], ct_weights(6, size=-1), None),
        (["model.seven"], ct_weights(7, symmetric=False, size=-1), None)], ["model.plain"]),
        {"model.lin": m.ct_pack(6, 64, 4, 32), "model.three": m.ct_pack(5, 37, 3, -1),
         "model.narrow.three": m.ct_pack(3, 20, 3, -1),  # as wide dense as padded
         "model.five": m.ct_pack(13, 48, 5, 16, symmetric=False),
         "model.eight": m.ct_pack(7, 64, 8, 32, symmetric=False),
         "model.act": m.ct_pack(9, 96, 8, 32, symmetric=False, act_order=True),
         "model.tensor": m.ct_pack(4, 19, 4, 0, symmetric=False), "model.two": m.ct_pack(21, 35, 2, -1, symmetric=False),
         "model.one": m.ct_pack(3, 50, 1, -1), "model.six": m.ct_pack(4, 33, 6, -1),
         "model.seven": m.ct_pack(11, 23, 7, -1, symmetric=False)}, ["model.plain"])
    write_linears("ct_pack_old", ct_config("pack-quantized", [
        ([f"re:.*b{b}"], ct_weights(b, symmetric=b > 5, size=-1), None) for b in (3, 5, 6, 7)]
        + [(["model.group"], ct_weights(4, symmetric=False, size=16), None)], version="0.9.1"),
        {"model.b3": m.ct_pack(4, 44, 3, -1, symmetric=False, old=True),
         "model.b3_narrow": m.ct_pack(12, 20, 3, -1, symmetric=False, old=True),
         "model.b5": m.ct_pack(7, 45, 5, -1, symmetric=False, old=True), "model.b6": m.ct_pack(3, 41, 6, -1, old=True),
         "model.b7": m.ct_pack(5, 33, 7, -1, old=True),
         "model.group": m.ct_pack(6, 48, 4, 16, symmetric=False, unpacked_zero=True)})
    write_linears("ct_int", ct_config("int-quantized", [
        (["re:.*channel"], ct_weights(8, size=-1), None), (["re:.*asym"], ct_weights(8, symmetric=False, size=-1), None),
        (["model.tensor"], ct_weights(8, symmetric=False, size=0), None),
        (["model.group"], ct_weights(8, size=16), "naive-quantized")]),
        {"model.channel": m.ct_int(7, 33, -1), "model.asym": m.ct_int(5, 18, -1, symmetric=False),
         "model.tensor": m.ct_int(3, 11, 0, symmetric=False), "model.group": m.ct_int(4, 40, 16)})
    write_linears("ct_float", ct_config("mixed-precision", [
        (["model.tensor"], ct_weights(8, "float", size=0), "float-quantized"),
        (["model.channel"], ct_weights(8, "float", size=-1), "float-quantized"),
        (["model.block"], ct_weights(8, "float", strategy="block", block=[4, 8]), "float-quantized"),
        (["model.mx8"], ct_weights(8, "float", size=32), "mxfp8-quantized"),
        (["model.nv"], ct_weights(4, "float", strategy="tensor_group", size=16), "nvfp4-pack-quantized"),
        (["re:model.mx4"], ct_weights(4, "float", size=32), "mxfp4-pack-quantized")]),
        {"model.tensor": m.fp8(5, 9, [5, 9], shape=[1]), "model.channel": m.fp8(6, 13, [1, 13], dtype="BF16"),
         "model.block": m.fp8(10, 21, [4, 8]), "model.mx8": m.fp8(3, 70, [1, 32], dtype="U8", powers=True),
         "model.nv": m.fp4(5, 48, True), "model.mx4": m.fp4(3, 64, False),
         "model.mx4e": m.fp4(2, 32, False, "F8_E8M0")})
    bnb = {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False, "bnb_4bit_quant_type": "nf4",
           "bnb_4bit_compute_dtype": "bfloat16", "bnb_4bit_quant_storage": "uint8",
           "llm_int8_skip_modules": ["plain"], "bnb_4bit_use_double_quant": False}
    write_linears("bnb", bnb, {"model.lin": m.bnb(5, 39), "model.small": m.bnb(3, 5),
                               "model.wide": m.bnb(2, 300, block=128)}, ["model.plain"])
    write_linears("bnb_double", dict(bnb, bnb_4bit_use_double_quant=True),
                  {"model.lin": m.bnb(33, 70, nested=16), "model.bf16": m.bnb(6, 32, nested=256, storage="BF16")})
    write_linears("fp8_block", {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [4, 8],
                                "activation_scheme": "dynamic", "modules_to_not_convert": ["plain", "model.li"]},
                  {"model.lin": m.fp8(10, 21, [4, 8], "weight_scale_inv", nan=True),
                   "model.small": m.fp8(2, 3, [4, 8], "weight_scale_inv"),
                   "model.powers": m.fp8(8, 16, [4, 8], "weight_scale_inv", dtype="F8_E8M0", powers=True)},
                  ["model.plain"])
    write_linears("fp8", {"quant_method": "fp8", "activation_scheme": "static"},
                  {"model.tensor": m.fp8(5, 7, [5, 7], shape=[]), "model.channel": m.fp8(6, 9, [1, 9]),
                   "model.list": m.fp8(4, 6, [1, 6], dtype="BF16", shape=[4]),
                   "model.inverse": m.fp8(3, 8, [3, 8], "weight_scale_inv", shape=[1])})


LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "intermediate_size": 64,
         "vocab_size": 41, "num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 1,
         "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
         "tie_word_embeddings": True}
SHAPES = {"self_attn.q_proj": (32, 32), "self_attn.k_proj": (16, 32), "self_attn.v_proj": (16, 32),
          "self_attn.o_proj": (32, 32), "mlp.gate_proj": (64, 32), "mlp.up_proj": (64, 32), "mlp.down_proj": (32, 64)}


def write_model(case, settings, make, head=None, changes=None):
    """make(name, n, k) -> (parts, codes, values); head the same of a separate lm_head."""
    rng, config = random.Random(case), dict(LLAMA, **(changes or {}))
    shapes = {f"model.layers.0.{name}": shape for name, shape in SHAPES.items()}
    if changes and "num_key_value_heads" in changes:
        for name in ("k_proj", "v_proj"):
            shapes[f"model.layers.0.self_attn.{name}"] = (32, 32)
    common = {"model.embed_tokens.weight": Tensor("F32", [[rng.uniform(-0.5, 0.5) for _ in range(32)]
                                                          for _ in range(41)])}
    for norm in ("model.norm", "model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm"):
        common[f"{norm}.weight"] = Tensor("F32", [rng.uniform(0.5, 1.5) for _ in range(32)])
    packed, plain = dict(common), dict(common)
    linears = [(name, make(name.rsplit(".", 1)[1], *shape)) for name, shape in shapes.items()]
    if head:
        config["tie_word_embeddings"] = False
        linears.append(("lm_head", head))
    for name, (parts, _, values) in linears:
        packed.update({f"{name}.{part}": tensor for part, tensor in parts.items()})
        plain[f"{name}.weight"] = Tensor("F32", values)
    folder = OUT / "models" / case
    save(folder / "model.safetensors", packed)
    save(folder / "plain.safetensors", plain)
    (folder / "config.json").write_text(json.dumps(dict(config, quantization_config=settings), indent=1) + "\n")


def models():
    m = Maker(20261126)
    wide = {"num_key_value_heads": 2}  # GPTQ wants outputs in multiples of 32
    write_model("gptq_v1_act_order", {"quant_method": "gptq", "bits": 4, "group_size": 16, "desc_act": True, "sym": False},
                lambda name, n, k: m.gptq(n, k, 4, 16, 1, act_order=True), changes=wide)
    write_model("gptq_v2_3bit", {"quant_method": "gptq", "bits": 3, "group_size": 32, "sym": False,
                                 "checkpoint_format": "gptq_v2", "dynamic": {"+:.*\\.down_proj": {"bits": 8}}},
                lambda name, n, k: m.gptq(n, k, 8 if name == "down_proj" else 3, 32, 2), changes=wide)
    write_model("awq", {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "version": "gemm",
                        "modules_to_not_convert": ["lm_head"]}, lambda name, n, k: m.awq(n, k, 32))
    write_model("ct_pack", ct_config("pack-quantized", [
        (["re:.*down_proj"], ct_weights(3, symmetric=False, size=16), None), (["lm_head"], ct_weights(8, size=-1), None),
        (["Linear"], ct_weights(4, size=32), None)]),
        lambda name, n, k: m.ct_pack(n, k, 3, 16, False) if name == "down_proj" else m.ct_pack(n, k, 4, 32),
        head=m.ct_pack(41, 32, 8, -1))
    write_model("ct_int", ct_config("int-quantized", [(["Linear"], ct_weights(8, size=-1), None)], ["lm_head"]),
                lambda name, n, k: m.ct_int(n, k, -1))
    write_model("ct_float", ct_config("float-quantized", [(["Linear"], ct_weights(8, "float", size=-1), None)], ["lm_head"]),
                lambda name, n, k: m.fp8(n, k, [1, k], dtype="BF16"))
    write_model("ct_fp4", ct_config("mixed-precision", [
        (["re:.*mlp"], ct_weights(4, "float", size=32), "mxfp4-pack-quantized"),
        (["re:.*self_attn"], ct_weights(4, "float", strategy="tensor_group", size=16), "nvfp4-pack-quantized")]),
        lambda name, n, k: m.fp4(n, k, name in ("q_proj", "k_proj", "v_proj", "o_proj")))
    bnb = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4",
           "bnb_4bit_use_double_quant": False, "llm_int8_skip_modules": ["lm_head"]}
    write_model("bnb_nf4", bnb, lambda name, n, k: m.bnb(n, k))
    write_model("bnb_nf4_double", dict(bnb, bnb_4bit_use_double_quant=True), lambda name, n, k: m.bnb(n, k, nested=8))
    write_model("fp8_block", {"quant_method": "fp8", "weight_block_size": [20, 16], "modules_to_not_convert": ["lm_head"]},
                lambda name, n, k: m.fp8(n, k, [20, 16], "weight_scale_inv"))


# In the order of kParts in tests/fuzz/fuzz_packed.cpp, and of DType.
PARTS = ["qweight", "qzeros", "scales", "g_idx", "weight", "weight_packed", "weight_scale", "weight_shape",
         "weight_zero_point", "weight_g_idx", "weight_scale_inv", "weight_global_scale", "weight.absmax",
         "weight.quant_map", "weight.nested_absmax", "weight.nested_quant_map", "weight.quant_state.bitsandbytes__nf4"]
TYPES = ["F32", "F16", "BF16", "F64", "I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "BOOL", "F8_E4M3", "F8_E5M2",
         "F8_E8M0"]


def write_seed(name, settings, linear):
    text = json.dumps(settings, separators=(",", ":")).encode()
    out = struct.pack("<H", len(text)) + text
    for part, t in linear[0].items():
        if part in PARTS:
            out += bytes([PARTS.index(part), TYPES.index(t.dtype), len(t.shape)])
            out += b"".join(struct.pack("<H", d) for d in t.shape) + t.data
    folder = OUT.parent.parent / "fuzz/corpus/fuzz_packed"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(out)


def seeds():
    m = Maker(20261127)
    bnb = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    ct = {"quant_method": "compressed-tensors"}
    both = dict(ct, config_groups={"a": {"targets": ["re:m$"], "weights": ct_weights(3, symmetric=False, size=8)}})
    write_seed("gptq", {"quant_method": "gptq", "bits": 3, "group_size": 16, "sym": False,
                        "dynamic": {"-:x": {}, "m.?$": {"group_size": 32}}}, m.gptq(32, 32, 3, 32, 1, act_order=True))
    write_seed("awq", {"quant_method": "awq", "bits": 4, "group_size": 16, "modules_to_not_convert": ["lm_head"]},
               m.awq(8, 20, 16))
    write_seed("ct_pack", both, m.ct_pack(5, 24, 3, 8, symmetric=False, act_order=True))
    for name, weights, linear in [
            ("ct_int", ct_weights(8, symmetric=False, size=-1), m.ct_int(3, 7, -1, symmetric=False)),
            ("ct_float", ct_weights(8, "float", strategy="block", block=[2, 4]), m.fp8(3, 9, [2, 4])),
            ("ct_nvfp4", ct_weights(4, "float", strategy="tensor_group", size=16), m.fp4(2, 32, True)),
            ("ct_mxfp4", ct_weights(4, "float", size=32), m.fp4(2, 32, False))]:
        write_seed(name, dict(ct, config_groups={"a": {"targets": ["Linear"], "weights": weights}}), linear)
    write_seed("bnb", bnb, m.bnb(3, 21))
    write_seed("bnb_double", bnb, m.bnb(5, 40, nested=2))
    write_seed("fp8_block", {"quant_method": "fp8", "weight_block_size": [2, 4]}, m.fp8(3, 9, [2, 4], "weight_scale_inv"))


if __name__ == "__main__":
    linears()
    models()
    seeds()
