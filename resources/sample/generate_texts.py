# SPDX-License-Identifier: Apache-2.0
"""Writes calibration.txt and evaluation.txt, sampled from the sample model.

    python3 generate_texts.py --model model --output texts --training-text tinyshakespeare.txt

Needs NumPy only. Passages are sampled in batches with a key/value cache, each
from BOS up to the context length, and cut at the last paragraph or sentence
end. A passage is dropped when it has non-ASCII characters or shares more than
--max-copy characters in a row with the training text (both lower-cased, runs
of white space taken as one space).
"""
import argparse
import json
import os
import re
import struct

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy loads

import numpy as np

from bytebpe import Tokenizer


def load(folder):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    with open(os.path.join(folder, "model.safetensors"), "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
        data = f.read()
    weights = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            weights[name] = np.frombuffer(data[begin:end], "<f2").astype(
                np.float32).reshape(entry["shape"])
    return config, weights


class Generator:
    """A batch of sequences that grow by one token per call."""

    def __init__(self, config, weights, batch):
        self.c, self.w, self.batch, self.position = config, weights, batch, 0
        shape = (batch, config["num_key_value_heads"], config["max_position_embeddings"],
                 config["head_dim"])
        self.keys = [np.zeros(shape, np.float32) for _ in range(config["num_hidden_layers"])]
        self.values = [np.zeros(shape, np.float32) for _ in range(config["num_hidden_layers"])]
        half = np.arange(0, config["head_dim"], 2) / config["head_dim"]
        self.frequency = config["rope_theta"] ** -half

    def norm(self, x, name):
        scale = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + self.c["rms_norm_eps"])
        return x * scale * self.w[name]

    def rotate(self, x):
        angle = self.position * self.frequency
        cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        a, b = np.split(x, 2, -1)
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def step(self, ids):
        """Logits [batch, vocab] after the given next tokens."""
        c, w = self.c, self.w
        heads, kv, dim = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        end = self.position + 1
        x = w["model.embed_tokens.weight"][ids]
        for n in range(c["num_hidden_layers"]):
            p = f"model.layers.{n}."
            h = self.norm(x, p + "input_layernorm.weight")
            q = self.rotate((h @ w[p + "self_attn.q_proj.weight"].T).reshape(-1, heads, dim))
            k = self.rotate((h @ w[p + "self_attn.k_proj.weight"].T).reshape(-1, kv, dim))
            self.keys[n][:, :, end - 1] = k
            self.values[n][:, :, end - 1] = \
                (h @ w[p + "self_attn.v_proj.weight"].T).reshape(-1, kv, dim)
            q = q.reshape(-1, kv, heads // kv, dim)
            score = q @ self.keys[n][:, :, :end].transpose(0, 1, 3, 2) / np.sqrt(np.float32(dim))
            score = np.exp(score - score.max(-1, keepdims=True))
            y = (score / score.sum(-1, keepdims=True)) @ self.values[n][:, :, :end]
            x = x + y.reshape(self.batch, heads * dim) @ w[p + "self_attn.o_proj.weight"].T
            h = self.norm(x, p + "post_attention_layernorm.weight")
            gate = h @ w[p + "mlp.gate_proj.weight"].T
            up = h @ w[p + "mlp.up_proj.weight"].T
            x = x + (gate / (1 + np.exp(-gate)) * up) @ w[p + "mlp.down_proj.weight"].T
        self.position = end
        return self.norm(x, "model.norm.weight") @ w["model.embed_tokens.weight"].T


def sample(logits, rng, temperature, top_p):
    logits = logits.astype(np.float64) / temperature
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    order = np.argsort(-p, -1, kind="stable")
    p = np.take_along_axis(p, order, -1)
    p[np.cumsum(p, -1) - p >= top_p] = 0  # the smallest set of at least top_p
    total = np.cumsum(p, -1)
    at = (total < rng.random((len(p), 1)) * total[:, -1:]).sum(-1)
    return np.take_along_axis(order, at[:, None], -1)[:, 0]


def passages(config, weights, tokenizer, rng, args):
    """One batch of passages."""
    generator = Generator(config, weights, args.batch)
    ids = np.full(args.batch, tokenizer.bos)
    columns = []
    for _ in range(config["max_position_embeddings"]):
        logits = generator.step(ids)
        logits[:, [tokenizer.bos, tokenizer.eos]] = -np.inf
        ids = sample(logits, rng, args.temperature, args.top_p)
        columns.append(ids)
    for row in np.stack(columns, 1).tolist():
        text = tokenizer.decode(row)
        cut = text.rfind("\n\n")
        if cut < len(text) // 2:
            cut = max(text.rfind(mark) for mark in ".!?") + 1
        yield text[:cut].strip()


def normalize(text):
    return re.sub(r"\s+", " ", text.lower())


class Copies:
    """Finds the longest piece that a text shares with the training text."""

    GRAM = 12  # pieces this long are looked up in a set before the slow search

    def __init__(self, corpus):
        self.corpus = normalize(corpus)
        self.grams = {self.corpus[i:i + self.GRAM] for i in range(len(self.corpus))}

    def has(self, piece):
        if len(piece) >= self.GRAM and not (piece[:self.GRAM] in self.grams
                                            and piece[-self.GRAM:] in self.grams):
            return False
        return piece in self.corpus

    def longest(self, text):
        text, best = normalize(text), ""
        for begin in range(len(text)):
            while begin + len(best) < len(text) and \
                    self.has(text[begin:begin + len(best) + 1]):
                best = text[begin:begin + len(best) + 1]
        return best


def main():
    parser = argparse.ArgumentParser(description="sample the calibration and evaluation texts")
    parser.add_argument("--model", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--training-text", required=True, help="to look for copies")
    parser.add_argument("--calibration-bytes", type=int, default=96 * 1024)
    parser.add_argument("--evaluation-bytes", type=int, default=48 * 1024)
    parser.add_argument("--calibration-seed", type=int, default=11)
    parser.add_argument("--evaluation-seed", type=int, default=12)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--top-p", type=float, default=0.98)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--max-copy", type=int, default=80)
    args = parser.parse_args()

    config, weights = load(args.model)
    tokenizer = Tokenizer.load(os.path.join(args.model, "tokenizer.json"))
    with open(args.training_text, encoding="utf-8") as f:
        copies = Copies(f.read())
    os.makedirs(args.output, exist_ok=True)
    for name, size, seed in (("calibration", args.calibration_bytes, args.calibration_seed),
                             ("evaluation", args.evaluation_bytes, args.evaluation_seed)):
        rng = np.random.default_rng(seed)
        kept, length, dropped = [], 0, 0
        while length < size:
            for text in passages(config, weights, tokenizer, rng, args):
                if length >= size:
                    break
                if not text or not text.isascii() or \
                        len(copies.longest(text)) > args.max_copy:
                    dropped += 1
                    continue
                kept.append(text)
                length += len(text) + 2
        joined = "\n\n".join(kept) + "\n"
        with open(os.path.join(args.output, name + ".txt"), "w", encoding="ascii",
                  newline="\n") as f:
            f.write(joined)
        match = copies.longest(joined)
        print(f"{name}: {len(joined)} bytes, {len(tokenizer.encode(joined))} tokens with BOS, "
              f"{len(kept)} passages, {dropped} dropped, longest copy {len(match)} "
              f"characters: {match!r}", flush=True)


if __name__ == "__main__":
    main()
