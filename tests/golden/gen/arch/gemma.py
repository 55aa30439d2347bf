# SPDX-License-Identifier: Apache-2.0
"""Gemma 1, 2 and 3 (text)."""
import math

from . import equations as eq
from .llama_family import attend, head, rope_of, rotated, sizes, split

# What the class assumes when `text_config` of a multimodal checkpoint leaves it out.
GEMMA3_DEFAULTS = {"rms_norm_eps": 1e-6, "query_pre_attn_scalar": 256, "rope_local_base_freq": 10000.0,
                   "sliding_window_pattern": 6, "max_position_embeddings": 131072}


def norm(t, x, name, eps, mean=0.0):
    """The stored weight is the gain less one."""
    w = t.weight(name + ".weight", x.shape[-1:], 0.3, mean)
    return eq.rms_norm(x, 1 + w if t.on("1 + w") else w, eps)


def is_sliding(c, kind, layer):
    if c.get("layer_types"):
        return c["layer_types"][layer] == "sliding_attention"
    if kind == 2:
        return layer % 2 == 0
    return kind == 3 and (layer + 1) % c["sliding_window_pattern"] != 0


def attention(t, c, kind, x, name, layer):
    heads, kv, size = sizes(c)
    # Normed heads need a gain above one for scores that matter.
    q = split(t.linear(x, name + ".q_proj", heads * size, gain=1.5), heads)
    k = split(t.linear(x, name + ".k_proj", kv * size, gain=1.5), kv)
    v = split(t.linear(x, name + ".v_proj", kv * size), kv)
    if kind == 3:
        normed = [norm(t, y, f"{name}.{letter}_norm", c["rms_norm_eps"], 1.0) for y, letter in ((q, "q"), (k, "k"))]
        q, k = normed if t.on("q and k norm") else (q, k)
    sliding = is_sliding(c, kind, layer)
    if kind > 1 and not t.on("which layers slide"):
        sliding = not sliding
    rope = rope_of(c, "sliding_attention" if sliding else "full_attention")
    if kind == 3 and sliding and not c.get("rope_parameters"):
        rope = {"rope_type": "default", "rope_theta": c["rope_local_base_freq"]}
    if kind == 3 and sliding and not t.on("rope of the sliding layers"):
        rope = rope_of(c, "full_attention")
    q, k = rotated(t, q, k, rope, c["max_position_embeddings"])
    scale = size ** -0.5
    if kind > 1 and c["query_pre_attn_scalar"] != size and t.on("query_pre_attn_scalar"):
        scale = c["query_pre_attn_scalar"] ** -0.5
    y = attend(t, q, k, v, scale, c["sliding_window"] if sliding else None, c.get("attn_logit_softcapping"))
    return t.linear(y, name + ".o_proj", x.shape[1])


def mlp(t, c, x, name):
    size = c["intermediate_size"]
    gate = t.linear(x, name + ".gate_proj", size, gain=2.5)
    act = eq.gelu_tanh if t.on("tanh gelu") else eq.gelu
    hidden = act(gate) * t.linear(x, name + ".up_proj", size, gain=2.5)
    return t.linear(hidden, name + ".down_proj", x.shape[1])


def gemma(t, ids):
    c, base = t.config, "model."
    if "text_config" in c:
        c, base = {**GEMMA3_DEFAULTS, **c["text_config"]}, t.options["base"]
    kind = {"gemma": 1, "gemma2": 2, "gemma3_text": 3}[c["model_type"]]
    eps = c["rms_norm_eps"]
    embedding = t.embedding(base + "embed_tokens", c["vocab_size"], c["hidden_size"], 0.6)
    x = embedding[ids] * (math.sqrt(c["hidden_size"]) if t.on("embedding scale") else 1)
    for layer in range(c["num_hidden_layers"]):
        prefix = f"{base}layers.{layer}."

        def after(y, name):
            if kind == 1:
                return y
            normed = norm(t, y, prefix + name, eps)
            return normed if t.on(name) else y
        y = attention(t, c, kind, norm(t, x, prefix + "input_layernorm", eps), prefix + "self_attn", layer)
        x = x + after(y, "post_attention_layernorm")
        y = norm(t, x, prefix + ("post_attention_layernorm" if kind == 1 else "pre_feedforward_layernorm"), eps)
        x = x + after(mlp(t, c, y, prefix + "mlp"), "post_feedforward_layernorm")
    logits = head(t, norm(t, x, base + "norm", eps), embedding, True)
    cap = c.get("final_logit_softcapping")
    if cap and t.on("final softcap"):
        logits = cap * eq.np.tanh(logits / cap)
    return logits
