# SPDX-License-Identifier: Apache-2.0
"""Reference values for the sample model, from the equations in plain NumPy.

    python3 reference.py --model model --text texts/evaluation.txt --output reference

Shares no code with train.py: reads model.safetensors, config.json and
tokenizer.json itself and computes in float64 on the stored F16 weights. Writes

    reference.json         ids, mean loss and perplexity, per-window losses
    reference_logits.npy   float32 [32, vocab], logits of the first 32 ids

Protocol: the text is one stream with BOS once; windows of `context` ids that
do not overlap; the first id of a window is context only; the tail is dropped;
the loss is the mean of -ln p over all other ids.
"""
import argparse
import hashlib
import json
import os
import re

import numpy as np

CONTEXT = 256
LOGIT_ROWS = 32


# ------------------------------------------------------------------- files

def read_safetensors(path):
    """The weights as float64, after checking the layout of the file."""
    raw = open(path, "rb").read()
    n = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + n].decode("utf-8"))
    assert n % 8 == 0
    assert header.pop("__metadata__") == {"format": "pt"}
    buffer = raw[8 + n:]
    weights, at = {}, 0
    for name, entry in sorted(header.items(), key=lambda e: e[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        assert entry["dtype"] == "F16" and begin == at
        at = end
        array = np.frombuffer(buffer, dtype="<f2", count=(end - begin) // 2, offset=begin)
        assert np.isfinite(array).all()
        weights[name] = array.reshape(entry["shape"]).astype(np.float64)
    assert at == len(buffer)
    return weights


def encode(path, text):
    """Byte-level BPE by the tokenizer.json at path; ASCII text."""
    spec = json.load(open(path, encoding="utf-8"))
    assert spec["model"]["type"] == "BPE" and spec["normalizer"] is None
    assert spec["pre_tokenizer"]["use_regex"] and not spec["pre_tokenizer"]["add_prefix_space"]
    vocab = spec["model"]["vocab"]
    ranks = {}
    for i, (left, right) in enumerate(spec["model"]["merges"]):
        assert left + right in vocab
        ranks[left, right] = i

    # the printable stand-ins of the 128 ASCII bytes
    stand_in = {b: (chr(b) if 33 <= b <= 126 else None) for b in range(128)}
    unprintable = [b for b in range(128) if stand_in[b] is None]
    for i, b in enumerate(unprintable):
        stand_in[b] = chr(0x100 + i)

    first = spec["post_processor"]["single"][0]["SpecialToken"]["id"]
    ids = list(spec["post_processor"]["special_tokens"][first]["ids"])
    text.encode("ascii")
    pattern = (r"'(?:s|t|re|ve|m|ll|d)| ?[a-zA-Z]+| ?[0-9]+| ?[^a-zA-Z0-9\s]+"
               r"|\s+(?!\S)|\s+")
    for match in re.finditer(pattern, text, re.ASCII):
        parts = [stand_in[ord(c)] for c in match.group()]
        while True:  # apply the lowest-ranked merge at its leftmost place
            found = [(ranks[p], i) for i, p in enumerate(zip(parts, parts[1:])) if p in ranks]
            if not found:
                break
            _, i = min(found)
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        ids.extend(vocab[p] for p in parts)
    return ids


# --------------------------------------------------------------- equations

def rms_norm(x, gain, eps):
    return x / np.sqrt(np.mean(np.square(x), axis=-1, keepdims=True) + eps) * gain


def rope(x, theta):
    """x[t, d]: pair (i, i + d/2) turns by t * theta^(-2i/d)."""
    t, d = x.shape
    out = np.empty_like(x)
    for i in range(d // 2):
        angle = np.arange(t) * theta ** (-2.0 * i / d)
        out[:, i] = x[:, i] * np.cos(angle) - x[:, i + d // 2] * np.sin(angle)
        out[:, i + d // 2] = x[:, i + d // 2] * np.cos(angle) + x[:, i] * np.sin(angle)
    return out


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def forward(config, w, ids):
    """Logits [len(ids), vocab] of one sequence."""
    heads = config["num_attention_heads"]
    group = heads // config["num_key_value_heads"]
    d, eps, theta = config["head_dim"], config["rms_norm_eps"], config["rope_theta"]
    t = len(ids)
    future = np.triu(np.ones((t, t), bool), 1)
    x = w["model.embed_tokens.weight"][ids]
    for n in range(config["num_hidden_layers"]):
        def at(name):
            return w[f"model.layers.{n}.{name}.weight"]

        h = rms_norm(x, at("input_layernorm"), eps)
        q, k, v = (h @ at(f"self_attn.{m}_proj").T for m in "qkv")
        mixed = np.empty((t, heads * d))
        for head in range(heads):
            mine = slice(head * d, head * d + d)
            theirs = slice(head // group * d, head // group * d + d)
            score = rope(q[:, mine], theta) @ rope(k[:, theirs], theta).T / np.sqrt(d)
            score[future] = -np.inf
            mixed[:, mine] = softmax(score) @ v[:, theirs]
        x = x + mixed @ at("self_attn.o_proj").T
        h = rms_norm(x, at("post_attention_layernorm"), eps)
        gate = h @ at("mlp.gate_proj").T
        silu = gate / (1.0 + np.exp(-gate))
        x = x + (silu * (h @ at("mlp.up_proj").T)) @ at("mlp.down_proj").T
    x = rms_norm(x, w["model.norm.weight"], eps)
    return x @ w["model.embed_tokens.weight"].T  # tied


def main():
    parser = argparse.ArgumentParser(description="reference logits and loss")
    parser.add_argument("--model", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--output", required=True)
    args = parser.parse_args()

    config = json.load(open(os.path.join(args.model, "config.json"), encoding="utf-8"))
    weights_file = os.path.join(args.model, "model.safetensors")
    weights = read_safetensors(weights_file)
    raw = open(args.text, "rb").read()
    ids = encode(os.path.join(args.model, "tokenizer.json"), raw.decode("ascii"))

    logits = forward(config, weights, ids[:LOGIT_ROWS]).astype(np.float32)
    count = len(ids) // CONTEXT
    losses = []
    for i in range(count):
        window = ids[i * CONTEXT:(i + 1) * CONTEXT]
        z = forward(config, weights, window)[:-1]
        top = z.max(axis=-1)
        log_sum = top + np.log(np.exp(z - top[:, None]).sum(axis=-1))
        losses.append(log_sum - z[np.arange(CONTEXT - 1), window[1:]])
    losses = np.array(losses)
    nll = float(losses.mean())
    os.makedirs(args.output, exist_ok=True)
    np.save(os.path.join(args.output, "reference_logits.npy"), logits)
    result = {
        "arithmetic": "NumPy float64 on the stored F16 weights; logits rounded to float32",
        "text": os.path.basename(args.text),
        "text_sha256": hashlib.sha256(raw).hexdigest(),
        "weights_sha256": hashlib.sha256(open(weights_file, "rb").read()).hexdigest(),
        "protocol": {"stream": "one, BOS once at the start", "context": CONTEXT,
                     "stride": CONTEXT, "first_token_of_window": "context only",
                     "tail": "dropped", "loss": "mean of -ln p"},
        "stream_tokens": len(ids), "windows": count, "tokens_scored": int(losses.size),
        "nll": nll, "ppl": float(np.exp(nll)),
        "window_nll": [float(v) for v in losses.mean(axis=1)],
        "logits_file": "reference_logits.npy", "logits_shape": list(logits.shape),
        "input_ids": ids[:LOGIT_ROWS], "first_200_ids": ids[:200],
    }
    with open(os.path.join(args.output, "reference.json"), "w", encoding="utf-8") as f:
        lists = ("window_nll", "input_ids", "first_200_ids")
        text = json.dumps({k: ("@" + k if k in lists else v) for k, v in result.items()}, indent=2)
        for k in lists:  # long lists on one line each
            text = text.replace(f'"@{k}"', json.dumps(result[k]))
        f.write(text + "\n")
    print(f"{len(ids)} ids, {count} windows, {losses.size} scored, nll {nll:.6f}, "
          f"ppl {np.exp(nll):.4f}")


if __name__ == "__main__":
    main()
