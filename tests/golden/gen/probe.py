#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/probe/<case>.npy: what every key position receives of each block's attention.

float64 [blocks, tokens], mean over heads and queries of the attention weights that the equations of the case give
(architectures.py: the same checkpoint, the same tokens).
"""
import pathlib

import numpy as np

from arch import equations as eq
from architectures import run

HERE = pathlib.Path(__file__).resolve().parent.parent / "probe"
# Grouped heads, sliding window with soft cap, key biases, a parallel block, both directions, norms of heads.
NAMES = ["llama", "gemma2", "bloom", "falcon_7b", "falcon_rw", "bert", "qwen3", "mixtral"]

inside, weights, blocks = [False], [], []
plain_softmax, plain_attention = eq.softmax, eq.attention


def softmax(x):
    out = plain_softmax(x)
    if inside[0]:
        weights.append(out)
    return out


def attention(q, *args, **kwargs):
    weights.clear()
    inside[0] = True
    out = plain_attention(q, *args, **kwargs)
    inside[0] = False
    assert len(weights) == q.shape[1]
    blocks.append(np.mean(weights, axis=(0, 1)))
    return out


def main():
    eq.softmax, eq.attention = softmax, attention
    HERE.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        blocks.clear()
        run(name)
        received = np.array(blocks)
        assert np.abs(received.sum(-1) - 1).max() < 1e-12
        np.save(HERE / f"{name}.npy", received)
        print(f"{name:12} {received.shape} largest {received.max():.3f}")


if __name__ == "__main__":
    main()
