# SPDX-License-Identifier: Apache-2.0
"""Decoders with LayerNorm and a plain MLP, and BERT. Each function: (tiny, ids [tokens]) -> logits."""
import math

import numpy as np

from . import equations as eq
from .llama_family import attend, head, rope_of, rotated, split


def mlp(t, x, up, down, size, activation, bias=True):
    hidden = activation(t.linear(x, up, size, bias, 1.5))
    return t.linear(hidden, down, x.shape[1], bias)


def interleaved_qkv(t, y, heads):
    """Rows of the fused linear: q, k, v of head 0, then of head 1, ..."""
    if t.on("q, k, v of one head side by side"):
        y = y.reshape(y.shape[0], heads, 3, -1)
        return y[:, :, 0], y[:, :, 1], y[:, :, 2]
    y = y.reshape(y.shape[0], 3, heads, -1)
    return y[:, 0], y[:, 1], y[:, 2]


def gpt2(t, ids):
    c = t.config
    heads, width, eps = c["n_head"], c["n_embd"], c["layer_norm_epsilon"]
    size, base = width // heads, t.options["base"]
    embedding = t.embedding(base + "wte", c["vocab_size"], width, 0.6)
    positions = t.embedding(base + "wpe", c["n_positions"], width, 0.4)
    x = embedding[ids] + (positions[:len(ids)] if t.on("positions") else 0)
    for layer in range(c["n_layer"]):
        prefix = f"{base}h.{layer}."
        y = t.layer_norm(x, prefix + "ln_1", eps)
        q, k, v = (split(y, heads) for y in np.split(t.conv1d(y, prefix + "attn.c_attn", 3 * width, 1.5), 3, axis=1))
        scale = size ** -0.5
        if c["scale_attn_by_inverse_layer_idx"] and t.on("scale by layer"):
            scale /= layer + 1
        x = x + t.conv1d(attend(t, q, k, v, scale), prefix + "attn.c_proj", width)
        y = t.layer_norm(x, prefix + "ln_2", eps)
        hidden = t.conv1d(y, prefix + "mlp.c_fc", c["n_inner"] or 4 * width, 2.5)
        x = x + t.conv1d((eq.gelu_tanh if t.on("tanh gelu") else eq.gelu)(hidden), prefix + "mlp.c_proj", width, 2.0)
    x = t.layer_norm(x, base + "ln_f", eps)
    for layer in range(c["n_layer"] if t.options["buffers"] else 0):
        # Old files carry the causal mask of every block.
        mask = np.tril(np.ones((1, 1, c["n_positions"], c["n_positions"]), np.float32))
        t.arrays[f"{base}h.{layer}.attn.bias"] = mask
    return x @ embedding.T


def gpt_neox(t, ids):
    c = t.config
    heads, width, eps = c["num_attention_heads"], c["hidden_size"], c["layer_norm_eps"]
    size = width // heads
    embedding = t.embedding("gpt_neox.embed_in", c["vocab_size"], width, 0.6)
    x = embedding[ids]
    rope = {"rope_type": "default", "rope_theta": c["rotary_emb_base"]}
    for layer in range(c["num_hidden_layers"]):
        prefix = f"gpt_neox.layers.{layer}."
        y = t.layer_norm(x, prefix + "input_layernorm", eps)
        qkv = t.linear(y, prefix + "attention.query_key_value", 3 * width, True, 1.5)
        q, k, v = interleaved_qkv(t, qkv, heads)
        q, k = rotated(t, q, k, rope, c["max_position_embeddings"], int(size * c["rotary_pct"]))
        a = t.linear(attend(t, q, k, v, size ** -0.5), prefix + "attention.dense", width, True)
        parallel = c["use_parallel_residual"]
        if t.on("residual"):
            y = x if parallel else x + a
        else:
            y = x + a if parallel else x
        y = t.layer_norm(y, prefix + "post_attention_layernorm", eps)
        m = mlp(t, y, prefix + "mlp.dense_h_to_4h", prefix + "mlp.dense_4h_to_h", c["intermediate_size"], eq.gelu)
        x = x + a + m
    return head(t, t.layer_norm(x, "gpt_neox.final_layer_norm", eps), embedding, False, "embed_out")


def opt(t, ids):
    c = t.config
    heads, width, eps, before = c["num_attention_heads"], c["hidden_size"], 1e-5, c["do_layer_norm_before"]
    size, base, narrow, bias = width // heads, "model.decoder.", c["word_embed_proj_dim"], c["enable_bias"]

    def norm(y, name):
        return t.layer_norm(y, name, eps) if c["layer_norm_elementwise_affine"] else eq.layer_norm(y, 1, 0, eps)
    activation = {"relu": eq.relu, "gelu": eq.gelu}[c["activation_function"]]
    embedding = t.embedding(base + "embed_tokens", c["vocab_size"], narrow, 0.6)
    positions = t.embedding(base + "embed_positions", c["max_position_embeddings"] + 2, width, 0.4)
    x = embedding[ids]
    if narrow != width:
        x = t.linear(x, base + "project_in", width)
    first = 2 if t.on("position offset") else 0
    x = x + positions[first:first + len(ids)]
    for layer in range(c["num_hidden_layers"]):
        prefix = f"{base}layers.{layer}."
        y = norm(x, prefix + "self_attn_layer_norm") if before else x
        q, k, v = (split(t.linear(y, f"{prefix}self_attn.{name}_proj", width, bias, gain), heads)
                   for name, gain in (("q", 1.5), ("k", 1.5), ("v", 1.0)))
        y = t.linear(attend(t, q, k, v, size ** -0.5), prefix + "self_attn.out_proj", width, bias)
        x = x + y if before else norm(x + y, prefix + "self_attn_layer_norm")
        y = norm(x, prefix + "final_layer_norm") if before else x
        x = x + mlp(t, y, prefix + "fc1", prefix + "fc2", c["ffn_dim"], activation, bias)
        x = x if before else norm(x, prefix + "final_layer_norm")
    if before and not c["_remove_final_layer_norm"]:
        x = norm(x, base + "final_layer_norm")
    if narrow != width:
        x = t.linear(x, base + "project_out", narrow, gain=1.5)
    return x @ embedding.T


def bloom(t, ids):
    c = t.config
    heads, width, eps = c["n_head"], c["hidden_size"], c["layer_norm_epsilon"]
    size, base, after = width // heads, "transformer.", c["apply_residual_connection_post_layernorm"]
    embedding = t.embedding(base + "word_embeddings", c["vocab_size"], width, 0.6)
    x = embedding[ids]
    normed = t.layer_norm(x, base + "word_embeddings_layernorm", eps)
    x = normed if t.on("norm of the embedding") else x
    bias = eq.alibi_slopes(heads)[:, None] * np.arange(len(ids)) * (1 if t.on("alibi") else 0)
    bias = bias * (1 if t.on("alibi after the scale") else size ** -0.5)
    for layer in range(c["n_layer"]):
        prefix = f"{base}h.{layer}."
        y = t.layer_norm(x, prefix + "input_layernorm", eps)
        residual = y if after and t.on("residual after the norm") else x
        qkv = t.linear(y, prefix + "self_attention.query_key_value", 3 * width, True, 1.5)
        q, k, v = interleaved_qkv(t, qkv, heads)
        a = eq.attention(q, k, v, size ** -0.5, key_bias=bias)
        x = residual + t.linear(a, prefix + "self_attention.dense", width, True)
        y = t.layer_norm(x, prefix + "post_attention_layernorm", eps)
        residual = y if after and t.on("residual after the norm") else x
        act = eq.gelu_tanh if t.on("tanh gelu") else eq.gelu
        x = residual + mlp(t, y, prefix + "mlp.dense_h_to_4h", prefix + "mlp.dense_4h_to_h", 4 * width, act)
    return t.layer_norm(x, base + "ln_f", eps) @ embedding.T


# Falcon

def falcon_qkv(t, y, heads, kv, new):
    """[tokens, rows] -> q, k, v: rows are groups of q heads with their k and v (new), or all q, then k, then v."""
    c, tokens = t.config, y.shape[0]
    if new:
        if not t.on("groups of q, k, v"):
            q, k, v = np.split(y, np.cumsum([heads, kv])[:2] * (y.shape[1] // (heads + 2 * kv)), axis=1)
            return split(q, heads), split(k, kv), split(v, kv)
        y = y.reshape(tokens, kv, heads // kv + 2, -1)
        return y[:, :, :-2].reshape(tokens, heads, -1), y[:, :, -2], y[:, :, -1]
    if c["multi_query"]:
        y = split(y, heads + 2)
        k, v = (-2, -1) if t.on("order of k and v") else (-1, -2)
        return y[:, :-2], y[:, [k]], y[:, [v]]
    return interleaved_qkv(t, y, heads)


def falcon(t, ids):
    c = t.config
    heads, width, eps, new = c["num_attention_heads"], c["hidden_size"], c["layer_norm_epsilon"], \
        c["new_decoder_architecture"]
    size, bias, base = width // heads, c["bias"], "transformer."
    kv = c["num_kv_heads"] if new else 1 if c["multi_query"] else heads
    two_norms = new and (c.get("num_ln_in_parallel_attn") or 2) == 2
    embedding = t.embedding(base + "word_embeddings", c["vocab_size"], width, 0.6)
    x = embedding[ids]
    slopes = eq.alibi_slopes(heads)[:, None]
    # The reference keeps the slopes and their products with the positions in bfloat16, and scales them with the scores.
    rounded = eq.round_bf16 if c["alibi"] and t.on("alibi in bfloat16") else lambda y: y
    key_bias = rounded(rounded(slopes) * rounded(np.arange(len(ids))))
    if c["alibi"]:
        key_bias = key_bias * (size ** -0.5 if t.on("alibi before the scale") else 1) * (1 if t.on("alibi") else 0)
    for layer in range(c["num_hidden_layers"]):
        prefix = f"{base}h.{layer}."
        if two_norms:
            y = t.layer_norm(x, prefix + "ln_attn", eps)
            z = t.layer_norm(x, prefix + "ln_mlp", eps)
            z = z if t.on("norm of its own for the mlp") else y
        else:
            y = z = t.layer_norm(x, prefix + "input_layernorm", eps)
        qkv = t.linear(y, prefix + "self_attention.query_key_value", (heads + 2 * kv) * size, bias, 1.5)
        q, k, v = falcon_qkv(t, qkv, heads, kv, new)
        if c["alibi"]:
            a = eq.attention(q, k, v, size ** -0.5, key_bias=key_bias)
        else:
            q, k = rotated(t, q, k, rope_of(c), c["max_position_embeddings"])
            a = attend(t, q, k, v, size ** -0.5)
        a = t.linear(a, prefix + "self_attention.dense", width, bias)
        if not (new or c["parallel_attn"]):
            z = t.layer_norm(x + a, prefix + "post_attention_layernorm", eps)
        m = mlp(t, z, prefix + "mlp.dense_h_to_4h", prefix + "mlp.dense_4h_to_h", c.get("ffn_hidden_size") or 4 * width,
                eq.gelu, bias)
        x = x + a + m
    return t.layer_norm(x, base + "ln_f", eps) @ embedding.T


def bert(t, ids):
    c = t.config
    heads, width, eps = c["num_attention_heads"], c["hidden_size"], c["layer_norm_eps"]
    size, base = width // heads, "bert.embeddings."
    embedding = t.embedding(base + "word_embeddings", c["vocab_size"], width, 0.6)
    positions = t.embedding(base + "position_embeddings", c["max_position_embeddings"], width, 0.4)
    types = t.embedding(base + "token_type_embeddings", c["type_vocab_size"], width, 0.4)
    x = embedding[ids] + positions[:len(ids)] + (types[0] if t.on("token type") else 0)
    x = t.layer_norm(x, base + "LayerNorm", eps)
    for layer in range(c["num_hidden_layers"]):
        prefix = f"bert.encoder.layer.{layer}."
        q, k, v = (split(t.linear(x, f"{prefix}attention.self.{name}", width, True, gain), heads)
                   for name, gain in (("query", 1.5), ("key", 1.5), ("value", 1.0)))
        a = eq.attention(q, k, v, size ** -0.5, causal=not t.on("both directions"))
        x = x + t.linear(a, prefix + "attention.output.dense", width, True)
        x = t.layer_norm(x, prefix + "attention.output.LayerNorm", eps)
        x = x + mlp(t, x, prefix + "intermediate.dense", prefix + "output.dense", c["intermediate_size"], eq.gelu)
        x = t.layer_norm(x, prefix + "output.LayerNorm", eps)
    x = eq.gelu(t.linear(x, "cls.predictions.transform.dense", width, True, 1.5))
    x = t.layer_norm(x, "cls.predictions.transform.LayerNorm", eps)
    return t.add_bias(x @ embedding.T, "cls.predictions", c["vocab_size"])
