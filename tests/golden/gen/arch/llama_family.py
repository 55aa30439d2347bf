# SPDX-License-Identifier: Apache-2.0
"""Decoders with rotary embedding and a gated MLP. Each function: (tiny, ids [tokens]) -> logits."""
import math

import numpy as np

from . import equations as eq

# `rope_theta` that the classes assume when config.json does not say.
DEFAULT_THETA = {"mixtral": 1e6, "gemma3_text": 1e6}


def rope_of(config, layer_type=None):
    """The rope of a layer type in the v5 spelling, from either spelling."""
    flat = config.get("rope_parameters")
    if flat:
        return flat[layer_type] if layer_type in flat else flat
    scaling = config.get("rope_scaling") or {}
    original = scaling.get("original_max_position_embeddings") or \
        config.get("original_max_position_embeddings") or config.get("max_position_embeddings")
    theta = config.get("rope_theta", DEFAULT_THETA.get(config["model_type"], 10000.0))
    return {**scaling, "rope_theta": theta, "rope_type": scaling.get("rope_type", scaling.get("type", "default")),
            "original_max_position_embeddings": original}


def rotated(t, q, k, rope, max_positions, dim=None):
    size = q.shape[2]
    dim = dim or size
    if not t.on("rope"):
        return q, k
    if dim < size and not t.on("partial rotary"):
        dim = size
        rope = {key: np.resize(value, size // 2) if key.endswith("_factor") and isinstance(value, list) else value
                for key, value in rope.items()}
    if rope["rope_type"] != "default" and not t.on("rope scaling"):
        rope = dict(rope, rope_type="default")
    frequencies, factor = eq.rope_frequencies(rope, dim, q.shape[0], max_positions)
    if factor != 1 and not t.on("rope attention factor"):
        factor = 1.0
    interleaved = not t.on("half-split pairs")
    return tuple(eq.rotate(x, frequencies, factor, interleaved) for x in (q, k))


def attend(t, q, k, v, scale, window=None, cap=None):
    heads, kv = q.shape[1], k.shape[1]
    if window and not t.on("sliding window"):
        window = None
    if cap and not t.on("attention softcap"):
        cap = None
    kv_head = None
    if 1 < kv < heads and not t.on("grouped heads"):
        kv_head = lambda h: h % kv
    return eq.attention(q, k, v, scale, window=window, cap=cap, kv_head=kv_head)


def split(x, heads):
    return x.reshape(x.shape[0], heads, -1)


def sizes(c):
    heads = c["num_attention_heads"]
    return heads, c.get("num_key_value_heads") or heads, c.get("head_dim") or c["hidden_size"] // heads


def gated(t, gate, up, activation):
    return activation(gate) * up if t.on("gate and up") else gate * activation(up)


def swiglu(t, x, name, size, bias=False):
    gate = t.linear(x, name + ".gate_proj", size, bias, 1.5)
    up = t.linear(x, name + ".up_proj", size, bias, 1.5)
    return t.linear(gated(t, gate, up, eq.silu), name + ".down_proj", x.shape[1], bias)


def head(t, x, embedding, tied, name="lm_head"):
    if tied:
        return x @ embedding.T
    weight = t.weight(name + ".weight", embedding.shape, 3 / math.sqrt(x.shape[1]))
    return x @ (weight if t.on("untied head") else embedding).T


def windows(c):
    """Sliding window per layer, None for full attention."""
    layers, window = range(c["num_hidden_layers"]), c.get("sliding_window")
    if c.get("layer_types"):
        return [window if kind == "sliding_attention" else None for kind in c["layer_types"]]
    if c["model_type"].startswith("qwen"):
        first = c["max_window_layers"] if c.get("use_sliding_window") else len(layers)
        return [window if i >= first else None for i in layers]
    return [window for _ in layers]


# Llama, Mistral, Qwen2, Qwen3 and their mixtures of experts

def llama_attention(t, x, name, window, qkv_bias, out_bias, qk_norm):
    c = t.config
    heads, kv, size = sizes(c)
    q = split(t.linear(x, name + ".q_proj", heads * size, qkv_bias, 1.5), heads)
    k = split(t.linear(x, name + ".k_proj", kv * size, qkv_bias, 1.5), kv)
    v = split(t.linear(x, name + ".v_proj", kv * size, qkv_bias), kv)
    if qk_norm:
        normed = [t.rms_norm(y, f"{name}.{letter}_norm", c["rms_norm_eps"]) for y, letter in ((q, "q"), (k, "k"))]
        q, k = normed if t.on("q and k norm") else (q, k)
    q, k = rotated(t, q, k, rope_of(c), c["max_position_embeddings"])
    y = attend(t, q, k, v, size ** -0.5, window)
    return t.linear(y, name + ".o_proj", x.shape[1], out_bias)


def mixture(t, x, gate, experts, top_k, renormalise, expert):
    """sum over the top_k experts of p_e expert_e(x), p the softmax over all experts, renormalised or not."""
    p = eq.softmax(t.matrix(x, gate + ".weight", experts, 1.5))
    ranked = -np.sort(-p, axis=1)
    gap = np.log(ranked[:, top_k - 1] / ranked[:, top_k]).min()
    t.closest_routing = min(t.closest_routing, gap)
    p = np.where(p >= ranked[:, top_k - 1:top_k], p, 0) if t.on("top k") else p
    if t.on("renormalised" if renormalise else "not renormalised") == renormalise:
        p = p / p.sum(1, keepdims=True)
    return sum(p[:, e:e + 1] * expert(e) for e in range(experts))


def mixtral_mlp(t, x, prefix, _):
    c = t.config
    name = prefix + "block_sparse_moe"

    def expert(e):
        w = f"{name}.experts.{e}.w"
        hidden = gated(t, t.linear(x, w + "1", c["intermediate_size"], gain=1.5),
                       t.linear(x, w + "3", c["intermediate_size"], gain=1.5), eq.silu)
        return t.linear(hidden, w + "2", x.shape[1])
    return mixture(t, x, name + ".gate", c["num_local_experts"], c["num_experts_per_tok"], True, expert)


def qwen_moe_mlp(t, x, prefix, layer):
    c, name = t.config, prefix + "mlp"
    sparse = layer not in c["mlp_only_layers"] and (layer + 1) % c["decoder_sparse_step"] == 0
    if not sparse:
        return swiglu(t, x, name, c["intermediate_size"])
    y = mixture(t, x, name + ".gate", c["num_experts"], c["num_experts_per_tok"], c["norm_topk_prob"],
                lambda e: swiglu(t, x, f"{name}.experts.{e}", c["moe_intermediate_size"]))
    if c["model_type"] == "qwen2_moe":
        shared = swiglu(t, x, name + ".shared_expert", c["shared_expert_intermediate_size"])
        gate = eq.sigmoid(t.linear(x, name + ".shared_expert_gate", 1, gain=1.5))
        y = y + (shared * (gate if t.on("shared expert gate") else 1) if t.on("shared expert") else 0)
    return y


def llama(t, ids):
    c, kind = t.config, t["model_type"]
    qkv_bias = c.get("attention_bias", False) or kind == "qwen2" or (kind == "qwen2_moe" and c.get("qkv_bias", True))
    out_bias, mlp_bias = c.get("attention_bias", False), c.get("mlp_bias", False)
    mlp = {"mixtral": mixtral_mlp, "qwen2_moe": qwen_moe_mlp, "qwen3_moe": qwen_moe_mlp}.get(
        kind, lambda t, x, prefix, _: swiglu(t, x, prefix + "mlp", c["intermediate_size"], mlp_bias))
    embedding = t.embedding("model.embed_tokens", c["vocab_size"], c["hidden_size"], 0.6)
    x = embedding[ids]
    for layer, window in enumerate(windows(c)):
        prefix = f"model.layers.{layer}."
        y = t.rms_norm(x, prefix + "input_layernorm", c["rms_norm_eps"])
        x = x + llama_attention(t, y, prefix + "self_attn", window, qkv_bias, out_bias, kind.startswith("qwen3"))
        y = t.rms_norm(x, prefix + "post_attention_layernorm", c["rms_norm_eps"])
        x = x + mlp(t, y, prefix, layer)
    x = t.rms_norm(x, "model.norm", c["rms_norm_eps"])
    return head(t, x, embedding, c["tie_word_embeddings"])


# Phi-3: the linears of attention and MLP are fused

def phi3(t, ids):
    c = t.config
    heads, kv, size = sizes(c)
    inter, eps = c["intermediate_size"], c["rms_norm_eps"]
    rotary = int(size * c.get("partial_rotary_factor", 1.0))
    embedding = t.embedding("model.embed_tokens", c["vocab_size"], c["hidden_size"], 0.6)
    x = embedding[ids]
    for layer, window in enumerate(windows(c)):
        prefix = f"model.layers.{layer}."
        y = t.rms_norm(x, prefix + "input_layernorm", eps)
        qkv = t.linear(y, prefix + "self_attn.qkv_proj", (heads + 2 * kv) * size, gain=1.5)
        q, k, v = np.split(qkv, [heads * size, (heads + kv) * size], axis=1)
        k, v = (k, v) if t.on("order of k and v") else (v, k)
        q, k = rotated(t, split(q, heads), split(k, kv), rope_of(c), c["max_position_embeddings"], rotary)
        y = attend(t, q, k, split(v, kv), size ** -0.5, window)
        x = x + t.linear(y, prefix + "self_attn.o_proj", x.shape[1])
        y = t.rms_norm(x, prefix + "post_attention_layernorm", eps)
        both = t.linear(y, prefix + "mlp.gate_up_proj", 2 * inter, gain=1.5)
        x = x + t.linear(gated(t, both[:, :inter], both[:, inter:], eq.silu), prefix + "mlp.down_proj", x.shape[1])
    return head(t, t.rms_norm(x, "model.norm", eps), embedding, c["tie_word_embeddings"])


# StableLM: Llama with LayerNorm, a rotary part of the head, and optionally one norm for attention and MLP

def per_head_norm(t, y, name, eps):
    """LayerNorm without bias, with a gain of its own for every head."""
    normed = [eq.layer_norm(y[:, h], t.weight(f"{name}.norms.{h}.weight", y.shape[2:], 0.3, 1.0), 0.0, eps)
              for h in range(y.shape[1])]
    return np.stack(normed, 1) if t.on("q and k norm") else y


def stablelm(t, ids):
    c = t.config
    heads, kv, size = sizes(c)
    eps, bias = c["layer_norm_eps"], c["use_qkv_bias"]
    embedding = t.embedding("model.embed_tokens", c["vocab_size"], c["hidden_size"], 0.6)
    x = embedding[ids]
    for layer in range(c["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        y = t.layer_norm(x, prefix + "input_layernorm", eps)
        q = split(t.linear(y, prefix + "self_attn.q_proj", heads * size, bias, 1.5), heads)
        k = split(t.linear(y, prefix + "self_attn.k_proj", kv * size, bias, 1.5), kv)
        v = split(t.linear(y, prefix + "self_attn.v_proj", kv * size, bias), kv)
        if c["qk_layernorm"]:
            q = per_head_norm(t, q, prefix + "self_attn.q_layernorm", eps)
            k = per_head_norm(t, k, prefix + "self_attn.k_layernorm", eps)
        q, k = rotated(t, q, k, rope_of(c), c["max_position_embeddings"], int(size * c["partial_rotary_factor"]))
        a = t.linear(attend(t, q, k, v, size ** -0.5), prefix + "self_attn.o_proj", x.shape[1])
        if c["use_parallel_residual"]:
            x = x + a + swiglu(t, y if t.on("parallel residual") else x + a, prefix + "mlp", c["intermediate_size"])
        else:
            x = x + a
            y = t.layer_norm(x, prefix + "post_attention_layernorm", eps)
            x = x + swiglu(t, y, prefix + "mlp", c["intermediate_size"])
    return head(t, t.layer_norm(x, "model.norm", eps), embedding, c["tie_word_embeddings"])
