# SPDX-License-Identifier: Apache-2.0
"""The pieces that architectures share, in float64. x is [tokens, channels]; q, k, v are [tokens, heads, head size]."""
import math

import numpy as np


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def relu(x):
    return np.maximum(x, 0)


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def rms_norm(x, gain, eps):
    return x / np.sqrt((x ** 2).mean(-1, keepdims=True) + eps) * gain


def layer_norm(x, gain, bias, eps):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + eps) * gain + bias


def attention(q, k, v, scale, causal=True, window=None, cap=None, key_bias=None, kv_head=None):
    """softmax(scale q k^T + bias) v over the visible keys; head h reads key/value head kv_head(h).

    A query i sees keys i - window < j <= i. The cap is applied to the scaled products, before bias and mask. key_bias
    is [heads, tokens]. Returns [tokens, heads * head size].
    """
    tokens, heads, size = q.shape
    group = heads // k.shape[1]
    kv_head = kv_head or (lambda h: h // group)
    i, j = np.arange(tokens)[:, None], np.arange(tokens)[None, :]
    visible = (j <= i) if causal else np.ones((tokens, tokens), bool)
    if window:
        visible = visible & (j > i - window)
    out = np.empty((tokens, heads, v.shape[2]))
    for h in range(heads):
        s = q[:, h] @ k[:, kv_head(h)].T * scale
        if cap:
            s = cap * np.tanh(s / cap)
        if key_bias is not None:
            s = s + key_bias[h][None, :]
        out[:, h] = softmax(np.where(visible, s, -np.inf)) @ v[:, kv_head(h)]
    return out.reshape(tokens, -1)


def alibi_slopes(heads):
    """Press et al., section 3 and their released code for head counts that are not a power of two."""
    def geometric(n, count, step):
        base = 2.0 ** -(2.0 ** -(math.log2(n) - 3))
        return [base ** (1 + step * i) for i in range(count)]
    power = 2 ** math.floor(math.log2(heads))
    return np.array(geometric(power, power, 1) + geometric(2 * power, heads - power, 2))


def round_bf16(x):
    """The nearest bfloat16 (ties to even) of each value."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


# Rotary position embedding

def rope_frequencies(rope, dim, tokens, max_positions):
    """(inverse frequencies [dim / 2], factor of cos and sin) for the parameters of one rope in their v5 spelling."""
    kind, theta = rope["rope_type"], rope["rope_theta"]
    i = np.arange(0, dim, 2)
    plain = theta ** -(i / dim)
    original = rope.get("original_max_position_embeddings")
    if kind == "default":
        return plain, 1.0
    if kind == "linear":
        return plain / rope["factor"], 1.0
    if kind == "dynamic":
        factor, length = rope["factor"], max(tokens, max_positions)
        theta = theta * (factor * length / max_positions - (factor - 1)) ** (dim / (dim - 2))
        return theta ** -(i / dim), 1.0
    if kind == "llama3":
        return llama3_frequencies(plain, rope), 1.0
    if kind == "yarn":
        return yarn_frequencies(plain, rope, dim), yarn_factor(rope)
    if kind == "longrope":
        scale = np.array(rope["long_factor"] if tokens > original else rope["short_factor"])
        stretch = rope.get("factor") or max_positions / original
        factor = 1.0 if stretch <= 1 else math.sqrt(1 + math.log(stretch) / math.log(original))
        return plain / scale, rope.get("attention_factor") or factor
    raise ValueError(kind)


def llama3_frequencies(plain, rope):
    original, low, high = (rope[key] for key in
                           ("original_max_position_embeddings", "low_freq_factor", "high_freq_factor"))
    out = []
    for f in plain:
        wavelength = 2 * math.pi / f
        if wavelength < original / high:
            out.append(f)
        elif wavelength > original / low:
            out.append(f / rope["factor"])
        else:
            s = (original / wavelength - low) / (high - low)
            out.append((1 - s) * f / rope["factor"] + s * f)
    return np.array(out)


def yarn_frequencies(plain, rope, dim):
    def dimension(rotations):
        original = rope["original_max_position_embeddings"]
        return dim * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(rope["rope_theta"]))
    low, high = dimension(rope.get("beta_fast") or 32), dimension(rope.get("beta_slow") or 1)
    if rope.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    if low == high:
        high += 0.001
    ramp = np.clip((np.arange(dim // 2) - low) / (high - low), 0, 1)
    return plain / rope["factor"] * ramp + plain * (1 - ramp)


def yarn_factor(rope):
    def mscale(scale, m=1.0):
        return 1.0 if scale <= 1 else 0.1 * m * math.log(scale) + 1
    if rope.get("attention_factor"):
        return rope["attention_factor"]
    if rope.get("mscale") and rope.get("mscale_all_dim"):
        return mscale(rope["factor"], rope["mscale"]) / mscale(rope["factor"], rope["mscale_all_dim"])
    return mscale(rope["factor"])


def rotate(x, frequencies, factor=1.0, interleaved=False):
    """Rotates the pairs (i, i + d/2) of the first d = 2 * len(frequencies) channels of every head."""
    angle = np.arange(x.shape[0])[:, None, None] * frequencies[None, None, :]
    cos, sin = np.cos(angle) * factor, np.sin(angle) * factor
    half = len(frequencies)
    first, second = (slice(0, 2 * half, 2), slice(1, 2 * half, 2)) if interleaved else \
        (slice(0, half), slice(half, 2 * half))
    a, b = x[..., first], x[..., second]
    out = x.copy()
    out[..., first], out[..., second] = a * cos - b * sin, b * cos + a * sin
    return out
