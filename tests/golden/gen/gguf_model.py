#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Llama checkpoints as GGUF files, written from the format's specification with NumPy only.

    gguf_model.py golden                     writes tests/golden/gguf: a tiny seeded model of mixed types as GGUF, its
                                             values under Hugging Face's names and in that layout (values.safetensors),
                                             and the loss that float64 arithmetic gives it (expected.json)
    gguf_model.py convert FOLDER FILE TYPE   a Hugging Face Llama folder as GGUF; TYPE is F32, F16, Q8_0 or Q4_0
    gguf_model.py seeds                      writes tests/fuzz/corpus/fuzz_gguf: one small file per way of presenting

Names, the order of q and k rows and what stays in float32 are those of llama.cpp's converter.
"""
import json
import pathlib
import struct
import sys

import numpy as np

from gptq_packing import save

HERE = pathlib.Path(__file__).resolve().parent.parent / "gguf"
TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 8, "BF16": 30}


# ---- values: encode gives the stored bytes, decode the values in float32 that they stand for

def blocks_of(x):
    return x.reshape(-1, 32)


def encode(x, kind):
    x = np.ascontiguousarray(x, np.float32)
    if kind == "F32":
        return x.tobytes()
    if kind == "F16":
        return x.astype("<f2").tobytes()
    if kind == "BF16":
        bits = x.view(np.uint32).astype(np.uint64)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2").tobytes()
    b = blocks_of(x)
    if kind == "Q8_0":
        d = np.abs(b).max(1) / np.float32(127)
        inverse = np.divide(1, d, out=np.zeros_like(d), where=d != 0)
        q = b * inverse[:, None]
        codes = np.trunc(q + np.copysign(np.float32(0.5), q)).astype(np.int8).view(np.uint8)
    else:
        most = b[np.arange(len(b)), np.abs(b).argmax(1)]
        d = most / np.float32(-8)
        inverse = np.divide(1, d, out=np.zeros_like(d), where=d != 0)
        q = np.clip(np.floor(b * inverse[:, None] + 8.5), 0, 15).astype(np.uint8)
        codes = q[:, :16] | q[:, 16:] << 4
    scales = d.astype("<f2").view(np.uint8).reshape(-1, 2)
    return np.concatenate([scales, codes], 1).tobytes()


def decode(data, kind, shape):
    if kind == "F32":
        return np.frombuffer(data, "<f4").reshape(shape)
    if kind == "F16":
        return np.frombuffer(data, "<f2").astype(np.float32).reshape(shape)
    if kind == "BF16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    b = np.frombuffer(data, np.uint8).reshape(-1, 34 if kind == "Q8_0" else 18)
    d = b[:, :2].copy().view("<f2").astype(np.float32)
    if kind == "Q8_0":
        q = b[:, 2:].copy().view(np.int8).astype(np.float32)
    else:
        q = np.concatenate([b[:, 2:] & 15, b[:, 2:] >> 4], 1).astype(np.float32) - 8
    return (d * q).reshape(shape)


# ---- the container

def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def value(v):
    """u32, f32, bool, string, or an array of strings, f32 or i32."""
    if isinstance(v, bool):
        return struct.pack("<IB", 7, v)
    if isinstance(v, int):
        return struct.pack("<II", 4, v)
    if isinstance(v, float):
        return struct.pack("<If", 6, v)
    if isinstance(v, str):
        return struct.pack("<I", 8) + string(v)
    if isinstance(v, np.ndarray):
        kind = {"float32": 6, "int32": 5}[str(v.dtype)]
        return struct.pack("<IIQ", 9, kind, len(v)) + v.tobytes()
    return struct.pack("<IIQ", 9, 8, len(v)) + b"".join(string(s) for s in v)


def write_gguf(path, metadata, tensors):
    """tensors: name -> (shape, kind, bytes)."""
    out = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))
    out += b"".join(string(k) + value(v) for k, v in metadata.items())
    data = b""
    for name, (shape, kind, stored) in tensors.items():
        data += b"\0" * (-len(data) % 32)
        out += string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape))
        out += struct.pack("<IQ", TYPES[kind], len(data))
        data += stored
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out + b"\0" * (-len(out) % 32) + data)


# ---- Llama

def gguf_name(name):
    parts = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
             "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
             "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    stem, suffix = name.rsplit(".", 1)
    if stem.startswith("model.layers."):
        _, _, number, rest = stem.split(".", 3)
        return f"blk.{number}.{parts[rest]}.{suffix}"
    return f"{parts[stem]}.{suffix}"


def in_pairs(w, heads):
    """Halves of each head interleaved: (0, d/2, 1, d/2 + 1, ...)."""
    half = w.shape[0] // heads // 2
    return w.reshape(heads, 2, half, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def llama_metadata(config):
    m = {"general.architecture": "llama", "general.type": "model", "general.quantization_version": 2}
    for key, name in [("embedding_length", "hidden_size"), ("block_count", "num_hidden_layers"),
                      ("feed_forward_length", "intermediate_size"), ("context_length", "max_position_embeddings"),
                      ("attention.head_count", "num_attention_heads"),
                      ("attention.head_count_kv", "num_key_value_heads"), ("vocab_size", "vocab_size")]:
        m["llama." + key] = config[name]
    m["llama.attention.layer_norm_rms_epsilon"] = float(config["rms_norm_eps"])
    m["llama.rope.freq_base"] = float(config["rope_theta"])
    m["llama.rope.dimension_count"] = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return m


def llama_tensors(config, weights, kind_of):
    tensors = {}
    for name, w in weights.items():
        kind = kind_of(name) if w.ndim == 2 else "F32"
        if kind.startswith("Q") and w.shape[-1] % 32:
            sys.exit(f"{name}: rows of {w.shape[-1]} are not whole blocks of {kind}")
        if "q_proj" in name:
            w = in_pairs(w, config["num_attention_heads"])
        if "k_proj" in name:
            w = in_pairs(w, config["num_key_value_heads"])
        tensors[gguf_name(name)] = (w.shape, kind, encode(w, kind))
    return tensors


# ---- the tiny model

CONFIG = {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64, "max_position_embeddings": 64,
          "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 48, "rms_norm_eps": 1e-5,
          "rope_theta": 5000.0}
KINDS = {"embed": "BF16", "q_proj": "Q8_0", "k_proj": "Q4_0", "v_proj": "F16", "o_proj": "Q8_0", "gate": "Q4_0",
         "up": "Q8_0", "down": "Q8_0", "lm_head": "F16"}


def tiny_weights(rng):
    h, f, kv = CONFIG["hidden_size"], CONFIG["intermediate_size"], 16
    weights = {"model.embed_tokens.weight": rng.normal(0, 1, (48, h))}
    for i in range(CONFIG["num_hidden_layers"]):
        p = f"model.layers.{i}."
        for name, shape in [("self_attn.q_proj", (h, h)), ("self_attn.k_proj", (kv, h)), ("self_attn.v_proj", (kv, h)),
                            ("self_attn.o_proj", (h, h)), ("mlp.gate_proj", (f, h)), ("mlp.up_proj", (f, h)),
                            ("mlp.down_proj", (h, f))]:
            weights[p + name + ".weight"] = rng.normal(0, 0.3, shape)
        for name in ["input_layernorm", "post_attention_layernorm"]:
            weights[p + name + ".weight"] = rng.normal(1, 0.2, h)
    weights["model.norm.weight"] = rng.normal(1, 0.2, h)
    weights["lm_head.weight"] = rng.normal(0, 0.3, (48, h))
    return {k: v.astype(np.float32) for k, v in weights.items()}


def rms(x, w):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + CONFIG["rms_norm_eps"]) * w


def rotate(x):
    """x [heads, positions, d]: pairs (i, i + d / 2)."""
    d = x.shape[-1]
    angle = np.arange(x.shape[1])[:, None] * CONFIG["rope_theta"] ** (-2.0 * np.arange(d // 2) / d)
    a, b = x[..., :d // 2], x[..., d // 2:]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], -1)


def attention(x, w, p):
    heads, kv = CONFIG["num_attention_heads"], CONFIG["num_key_value_heads"]
    q, k, v = (x @ w[p + f"self_attn.{n}_proj.weight"].T for n in "qkv")
    q, k, v = (t.reshape(len(x), n, -1).swapaxes(0, 1) for t, n in [(q, heads), (k, kv), (v, kv)])
    q, k = rotate(q), np.repeat(rotate(k), heads // kv, 0)
    scores = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])
    scores[:, np.triu_indices(len(x), 1)[0], np.triu_indices(len(x), 1)[1]] = -np.inf
    share = np.exp(scores - scores.max(-1, keepdims=True))
    share /= share.sum(-1, keepdims=True)
    out = share @ np.repeat(v, heads // kv, 0)
    return out.swapaxes(0, 1).reshape(len(x), -1) @ w[p + "self_attn.o_proj.weight"].T


def loss(w, ids):
    """Mean natural-log loss over all ids but the first."""
    w = {k: v.astype(np.float64) for k, v in w.items()}
    x = w["model.embed_tokens.weight"][ids]
    for i in range(CONFIG["num_hidden_layers"]):
        p = f"model.layers.{i}."
        x = x + attention(rms(x, w[p + "input_layernorm.weight"]), w, p)
        n = rms(x, w[p + "post_attention_layernorm.weight"])
        gate = n @ w[p + "mlp.gate_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * (n @ w[p + "mlp.up_proj.weight"].T)) @ w[p + "mlp.down_proj.weight"].T
    logits = rms(x, w["model.norm.weight"]) @ w["lm_head.weight"].T
    logits -= logits.max(-1, keepdims=True)
    logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return float(-logp[np.arange(len(ids) - 1), ids[1:]].mean())


def golden():
    rng = np.random.default_rng(20240602)
    weights = tiny_weights(rng)
    kind_of = lambda name: next(k for part, k in KINDS.items() if part in name)
    metadata = llama_metadata(CONFIG)
    letters = [chr(ord("a") + i) for i in range(26)]
    tokens = ["<unk>", "<s>", "</s>", "\u2581"] + letters + [f"[PAD{i}]" for i in range(30, 48)]
    metadata |= {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens,
                 "tokenizer.ggml.scores": -np.arange(48, dtype=np.float32),
                 "tokenizer.ggml.token_type": np.array([2, 3, 3] + [1] * 27 + [5] * 18, np.int32),
                 "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
                 "tokenizer.ggml.unknown_token_id": 0, "tokenizer.ggml.add_bos_token": True}
    write_gguf(HERE / "tiny.gguf", metadata, llama_tensors(CONFIG, weights, kind_of))
    values = {}
    for name, w in weights.items():
        kind = kind_of(name) if w.ndim == 2 else "F32"
        values[name] = decode(encode(w, kind), kind, w.shape)
    save(HERE / "values.safetensors", values)
    ids = rng.integers(0, 48, 40)
    (HERE / "expected.json").write_text(json.dumps({"ids": ids.tolist(), "loss": loss(values, ids)}) + "\n")


# ---- seeds of the fuzz target

def seeds():
    """Per architecture the tensors whose layout it changes, four heads of 2, one block."""
    out = HERE.parent.parent / "fuzz" / "corpus" / "fuzz_gguf"
    q = ("blk.0.attn_qkv.weight", (24, 8))
    shapes = {"llama": [("blk.0.attn_q.weight", (8, 8)), ("blk.0.attn_q.bias", (8,)), ("rope_freqs.weight", (1,)),
                        ("blk.0.ffn_up_exps.weight", (2, 4, 8))],
              "qwen2moe": [("blk.0.ffn_up_exps.weight", (2, 4, 8)), ("blk.0.ffn_gate_inp_shexp.weight", (8,)),
                           ("blk.0.ffn_up_shexp.weight", (4, 8))],
              "gemma3": [("blk.0.attn_norm.weight", (8,))], "gpt2": [q], "gptneox": [q, ("blk.0.attn_qkv.bias", (24,))],
              "falcon": [q, ("blk.0.attn_norm_2.weight", (8,))], "stablelm": [("blk.0.attn_q_norm.weight", (4, 2))],
              "bert": [("token_types.weight", (2, 8))], "mamba": [("x", (2, 3))],
              "phi3": [("rope_factors_long.weight", (1,)), ("rope_factors_short.weight", (1,))]}
    for arch, extra in shapes.items():
        config = CONFIG | {"hidden_size": 8, "num_hidden_layers": 1, "intermediate_size": 4, "num_key_value_heads": 4}
        m = {k.replace("llama", arch): v for k, v in llama_metadata(config).items()} | {"general.architecture": arch}
        m[arch + ".attention.layer_norm_epsilon"] = 1e-5
        m |= {arch + ".expert_count": 2, "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": ["a", "b"],
              "tokenizer.ggml.scores": np.zeros(2, np.float32)}
        tensors = {n: (s, "F32", encode(np.ones(s), "F32")) for n, s in [("token_embd.weight", (3, 8))] + extra}
        tensors["blocks"] = ((1, 32), "Q4_0", encode(np.ones(32), "Q4_0"))
        write_gguf(out / arch, m, tensors)


# ---- conversion of a folder

def read_safetensors(path):
    data = path.read_bytes()
    n, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + n])
    header.pop("__metadata__", None)
    out = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        out[name] = decode(data[8 + n + begin:8 + n + end], t["dtype"], t["shape"])
    return out


def fields(data):
    """(number, value) of a protobuf message."""
    at = 0

    def varint():
        nonlocal at
        v = shift = 0
        while True:
            byte = data[at]
            at += 1
            v |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return v
    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            size = {1: 8, 5: 4}.get(key & 7) or varint()
            yield key >> 3, data[at:at + size]
            at += size


def vocabulary(folder):
    model = folder / "tokenizer.model"
    if model.exists():
        pieces = [dict(fields(v)) for n, v in fields(model.read_bytes()) if n == 1]
        return {"tokenizer.ggml.model": "llama",
                "tokenizer.ggml.tokens": [p[1] for p in pieces],
                "tokenizer.ggml.scores": np.array([struct.unpack("<f", p.get(2, b"\0" * 4))[0] for p in pieces],
                                                  np.float32),
                "tokenizer.ggml.token_type": np.array([p.get(3, 1) for p in pieces], np.int32),
                "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
                "tokenizer.ggml.unknown_token_id": 0}
    t = json.loads((folder / "tokenizer.json").read_text())
    ids = dict(t["model"]["vocab"]) | {a["content"]: a["id"] for a in t["added_tokens"]}
    tokens = sorted(ids, key=ids.get)
    special = {a["content"] for a in t["added_tokens"] if a["special"]}
    merges = [m if isinstance(m, str) else " ".join(m) for m in t["model"]["merges"]]
    return {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": np.array([3 if s in special else 1 for s in tokens], np.int32),
            "tokenizer.ggml.merges": merges}


def convert(folder, path, kind):
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    weights = read_safetensors(folder / "model.safetensors")
    metadata = llama_metadata(config) | vocabulary(folder)
    special = json.loads((folder / "tokenizer_config.json").read_text())
    metadata["tokenizer.ggml.add_bos_token"] = bool(special.get("add_bos_token", False))
    for name in ["bos", "eos"]:
        if config.get(f"{name}_token_id") is not None:
            metadata[f"tokenizer.ggml.{name}_token_id"] = config[f"{name}_token_id"]
    write_gguf(pathlib.Path(path), metadata, llama_tensors(config, weights, lambda name: kind))


if __name__ == "__main__":
    if sys.argv[1:] == ["golden"]:
        golden()
    elif sys.argv[1:] == ["seeds"]:
        seeds()
    elif len(sys.argv) == 5 and sys.argv[1] == "convert":
        convert(*sys.argv[2:])
    else:
        sys.exit(__doc__)
