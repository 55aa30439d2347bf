# SPDX-License-Identifier: Apache-2.0
"""Trains the sample model and writes it as a Hugging Face checkpoint.

    python3 train.py --text tinyshakespeare.txt --output .

Needs PyTorch and NumPy; runs on one CPU thread. Steps:

1. train a byte-level BPE tokenizer on the first 90 % of the text;
2. train a small Llama (RMSNorm, rotary positions, grouped-query attention,
   SwiGLU, tied embeddings) on the same part and keep the weights with the
   lowest held-out loss on the last 10 %;
3. round to F16 and inject outlier channels by scaling that preserves the
   function: a norm gain times 2^k, the columns that read the channel divided
   by 2^k; likewise an up_proj row and the down_proj column that reads it;
4. write model/ (checkpoint), reference/injected_outliers.json and
   reference/training.json under --output.

The result depends on the text, the arguments and the library versions only.
--checkpoint FILE stores the trained weights before step 3; with
--skip-training they are read back and steps 3 and 4 are done again.
"""
import argparse
import ctypes
import json
import math
import os
import struct
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy loads

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from bytebpe import BOS, EOS, Tokenizer

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "head_dim": 32,
    "hidden_act": "silu",
    "hidden_size": 256,
    "initializer_range": 0.02,
    "intermediate_size": 768,
    "max_position_embeddings": 256,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 8,
    "num_hidden_layers": 4,
    "num_key_value_heads": 4,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "float16",
    "use_cache": True,
    "vocab_size": 1024,
}
F16_MIN_NORMAL = 2.0 ** -14


def keep_freed_memory():
    """Lets glibc reuse large blocks instead of returning them at every free."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    m_trim_threshold, m_mmap_max = -1, -4
    mallopt(m_mmap_max, 0)
    mallopt(m_trim_threshold, 2 ** 30)


# ------------------------------------------------------------------- model

class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def rope_tables(length, dim, theta):
    frequency = theta ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angle = torch.outer(torch.arange(length, dtype=torch.float64), frequency)
    angle = torch.cat([angle, angle], -1)
    return angle.cos().float(), angle.sin().float()


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv = c["num_attention_heads"], c["num_key_value_heads"]
        self.dim = c["head_dim"]
        hidden = c["hidden_size"]
        self.q_proj = nn.Linear(hidden, self.heads * self.dim, bias=False)
        self.k_proj = nn.Linear(hidden, self.kv * self.dim, bias=False)
        self.v_proj = nn.Linear(hidden, self.kv * self.dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.dim, hidden, bias=False)

    def forward(self, x, cos, sin, mask):
        b, t, _ = x.shape
        group = self.heads // self.kv
        q = self.q_proj(x).view(b, t, self.heads, self.dim).transpose(1, 2)
        k = self.k_proj(x).view(b, t, self.kv, self.dim).transpose(1, 2)
        v = self.v_proj(x).view(b, t, self.kv, self.dim).transpose(1, 2)
        q, k = rotate(q, cos[:t], sin[:t]), rotate(k, cos[:t], sin[:t])
        # query head h reads key/value head h // group
        q = q.reshape(b, self.kv, group * t, self.dim)
        score = (q @ k.transpose(-1, -2)).view(b, self.kv, group, t, t)
        p = torch.softmax(score * self.dim ** -0.5 + mask[:t, :t], -1)
        y = p.view(b, self.kv, group * t, t) @ v
        y = y.view(b, self.heads, t, self.dim).transpose(1, 2).reshape(b, t, -1)
        return self.o_proj(y)


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        hidden, inner = c["hidden_size"], c["intermediate_size"]
        self.gate_proj = nn.Linear(hidden, inner, bias=False)
        self.up_proj = nn.Linear(hidden, inner, bias=False)
        self.down_proj = nn.Linear(inner, hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, c, dropout):
        super().__init__()
        self.input_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.mlp = Mlp(c)
        self.drop = nn.Dropout(dropout)

    def forward(self, x, cos, sin, mask):
        x = x + self.drop(self.self_attn(self.input_layernorm(x), cos, sin, mask))
        return x + self.drop(self.mlp(self.post_attention_layernorm(x)))


class Llama(nn.Module):
    """Parameter names are those of LlamaForCausalLM without the `model.` prefix."""

    def __init__(self, c, dropout=0.0):
        super().__init__()
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Block(c, dropout) for _ in range(c["num_hidden_layers"]))
        self.norm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.drop = nn.Dropout(dropout)
        length = c["max_position_embeddings"]
        cos, sin = rope_tables(length, c["head_dim"], c["rope_theta"])
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        mask = torch.full((length, length), float("-inf")).triu(1)
        self.register_buffer("mask", mask, persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                std = c["initializer_range"]
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    std /= math.sqrt(2 * c["num_hidden_layers"])
                nn.init.normal_(p, std=std)

    def forward(self, ids):
        x = self.drop(self.embed_tokens(ids))
        for layer in self.layers:
            x = layer(x, self.cos, self.sin, self.mask)
        return F.linear(self.norm(x), self.embed_tokens.weight)


# ---------------------------------------------------------------- training

def windows(ids, length):
    """Non-overlapping windows, the tail dropped."""
    n = len(ids) // length
    return torch.tensor(ids[:n * length]).view(n, length)


@torch.no_grad()
def mean_nll(model, rows, batch=16):
    """Mean loss; the first token of each window is context only."""
    model.eval()
    total = 0.0
    for part in rows.split(batch):
        logits = model(part[:, :-1])
        total += F.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten(),
                                 reduction="sum").item()
    model.train()
    return total / (rows.shape[0] * (rows.shape[1] - 1))


def learning_rate(step, args):
    if step < args.warmup:
        return args.lr * (step + 1) / args.warmup
    done = (step - args.warmup) / max(1, args.steps - args.warmup)
    return args.lr * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))


def train(args, tokenizer, train_text, held_text):
    torch.manual_seed(args.seed)
    length = CONFIG["max_position_embeddings"]
    ids = np.array(tokenizer.encode(train_text, add_bos=False), dtype=np.int64)
    held = windows(tokenizer.encode(held_text), length)
    newline = tokenizer.vocab["\u010a"]
    starts = np.flatnonzero((ids[:-2] == newline) & (ids[1:-1] == newline)) + 2
    starts = starts[starts + length < len(ids)]
    print(f"{len(ids)} training tokens, {held.shape[0]} held-out windows, "
          f"{len(starts)} paragraph starts", flush=True)

    model = Llama(CONFIG, args.dropout)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    matrices = [p for p in model.parameters() if p.dim() == 2]
    gains = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1},
                                   {"params": gains, "weight_decay": 0.0}],
                                  lr=args.lr, betas=(0.9, 0.95))
    rng = np.random.default_rng(args.seed)
    best, log, recent, begin = None, [], [], time.time()
    for step in range(args.steps):
        # a quarter of the rows begin with BOS at a paragraph
        rows = []
        for i in range(args.batch):
            if i % 4 == 0:
                at = int(rng.choice(starts))
                rows.append(np.concatenate([[tokenizer.bos], ids[at:at + length]]))
            else:
                at = int(rng.integers(0, len(ids) - length))
                rows.append(ids[at:at + length + 1])
        batch = torch.from_numpy(np.stack(rows))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args)
        loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent.append(loss.item())
        if (step + 1) % args.eval_every == 0 or step + 1 == args.steps:
            held_loss = mean_nll(model, held)
            train_loss = sum(recent) / len(recent)
            recent = []
            log.append({"step": step + 1, "train": round(train_loss, 4),
                        "held_out": round(held_loss, 4)})
            print(f"step {step + 1:5d}  train {train_loss:.4f}  held-out {held_loss:.4f}  "
                  f"{(time.time() - begin) / (step + 1) * 1e3:.0f} ms/step", flush=True)
            if best is None or held_loss < best["held_out"]:
                state = {k: v.clone() for k, v in model.state_dict().items()}
                best = {"step": step + 1, "held_out": held_loss, "weights": state}
                if args.checkpoint:
                    torch.save({"best": best, "log": log}, args.checkpoint)
            elif step + 1 - best["step"] >= args.patience:
                print("held-out loss no longer falls, stopping", flush=True)
                break
    if args.checkpoint:
        torch.save({"best": best, "log": log}, args.checkpoint)
    return best, log


# ---------------------------------------------------------------- outliers

@torch.no_grad()
def site_maxima(weights, rows):
    """Per channel, the largest |value| at the inputs of q/k/v, gate/up and down."""
    model = Llama(CONFIG)
    model.load_state_dict(weights)
    model.eval()
    found, hooks = {}, []

    def hook(name):
        def record(_module, inputs):
            top = inputs[0].abs().flatten(0, -2).amax(0)
            found[name] = torch.maximum(found[name], top) if name in found else top
        return record

    for n, layer in enumerate(model.layers):
        hooks.append(layer.self_attn.q_proj.register_forward_pre_hook(hook((n, "qkv"))))
        hooks.append(layer.mlp.gate_proj.register_forward_pre_hook(hook((n, "gate_up"))))
        hooks.append(layer.mlp.down_proj.register_forward_pre_hook(hook((n, "down"))))
    for part in rows.split(16):
        model(part)
    return found


def choose_outliers(maxima, seed):
    """Which channels get which factor.

    Norm sites: blocks 0, 1 and 3 share three hidden channels, block 2 has
    three others. Down sites: two inner channels in each of blocks 1 and 3.
    Only channels at or above the site's median maximum are eligible, so the
    scaled channel stands out.
    """
    rng = np.random.default_rng(seed + 1)
    strong = {site: top >= top.median() for site, top in maxima.items()}

    def pick(sites, count, taken=()):
        ok = torch.stack([strong[s] for s in sites]).all(0).numpy().copy()
        ok[list(taken)] = False
        return [int(c) for c in rng.choice(np.flatnonzero(ok), count, replace=False)]

    shared = pick([(n, s) for n in (0, 1, 3) for s in ("qkv", "gate_up")], 3)
    other = pick([(2, "qkv"), (2, "gate_up")], 3, shared)
    plan = []
    for block in range(CONFIG["num_hidden_layers"]):
        channels = other if block == 2 else shared
        for site in ("qkv", "gate_up"):
            plan.append((block, site, list(zip(channels, (64, 32, 16)))))
        if block in (1, 3):
            plan.append((block, "down", [(c, 32) for c in pick([(block, "down")], 2)]))
    return plan


SITES = {  # site: (tensor whose entry or row is multiplied, tensors whose column is divided)
    "qkv": ("input_layernorm.weight",
            ["self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"]),
    "gate_up": ("post_attention_layernorm.weight", ["mlp.gate_proj.weight", "mlp.up_proj.weight"]),
    "down": ("mlp.up_proj.weight", ["mlp.down_proj.weight"]),
}


def inject(weights, plan):
    out = {k: v.clone() for k, v in weights.items()}
    for block, site, channels in plan:
        source, readers = SITES[site]
        for channel, factor in channels:
            out[f"layers.{block}.{source}"][channel] *= factor
            for reader in readers:
                out[f"layers.{block}.{reader}"][:, channel] /= factor
    return out


def to_f16(weights):
    """Rounded to F16, held in F32."""
    return {k: v.half().float() for k, v in weights.items()}


@torch.no_grad()
def max_logit_difference(a, b, rows):
    model = Llama(CONFIG)
    model.eval()
    model.load_state_dict(a)
    first = model(rows)
    model.load_state_dict(b)
    second = model(rows)
    return (first - second).abs().max().item(), first.abs().max().item()


# ------------------------------------------------------------------ output

def write_safetensors(path, tensors):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name in sorted(tensors):
        size = tensors[name].nbytes
        header[name] = {"dtype": "F16", "shape": list(tensors[name].shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)))
        f.write(text)
        for name in sorted(tensors):
            f.write(tensors[name].astype("<f2").tobytes())


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=2)
        f.write("\n")


def main():
    parser = argparse.ArgumentParser(description="train the sample model")
    parser.add_argument("--text", required=True, help="training text, ASCII")
    parser.add_argument("--output", required=True, help="folder for model/ and reference/")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=60)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--eval-every", type=int, default=50)
    parser.add_argument("--patience", type=int, default=200,
                        help="stop after so many steps without a lower held-out loss")
    parser.add_argument("--checkpoint", help="file for the trained weights")
    parser.add_argument("--skip-training", action="store_true", help="use --checkpoint")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # softmax gradients are slow otherwise
    keep_freed_memory()

    with open(args.text, encoding="utf-8", newline="") as f:
        text = f.read()
    split = len(text) * 9 // 10
    train_text, held_text = text[:split], text[split:]
    tokenizer = Tokenizer.train(train_text, CONFIG["vocab_size"])
    if tokenizer.decode(tokenizer.encode(held_text)) != held_text:
        raise SystemExit("the tokenizer does not round-trip")
    print(f"held-out text: {len(held_text)} characters, "
          f"{len(tokenizer.encode(held_text))} tokens", flush=True)

    if args.skip_training:
        saved = torch.load(args.checkpoint)
        best, log = saved["best"], saved["log"]
    else:
        best, log = train(args, tokenizer, train_text, held_text)

    rows = windows(tokenizer.encode(held_text), CONFIG["max_position_embeddings"])
    trained = best["weights"]
    maxima = site_maxima(trained, rows[:32])
    plan = choose_outliers(maxima, args.seed)
    rounded = to_f16(trained)
    scaled = inject(rounded, plan)
    final = to_f16(scaled)

    exact, top = max_logit_difference(rounded, scaled, rows[:8])
    after, _ = max_logit_difference(rounded, final, rows[:8])
    rounding, _ = max_logit_difference(trained, rounded, rows[:8])
    count = {"subnormal": 0, "zero": 0, "inexact": 0}
    for name in final:
        small = (final[name].abs() < F16_MIN_NORMAL) & (rounded[name].abs() >= F16_MIN_NORMAL)
        count["zero"] += int(((final[name] == 0) & (rounded[name] != 0)).sum())
        count["subnormal"] += int((small & (final[name] != 0)).sum())
        count["inexact"] += int((final[name] != scaled[name]).sum())
    model = Llama(CONFIG)
    model.load_state_dict(final)
    held_final = mean_nll(model, rows)
    kept = next(e for e in log if e["step"] == best["step"])
    report = {
        "seed": args.seed, "steps": args.steps, "kept_step": best["step"],
        "train_loss": kept["train"], "held_out_loss": round(best["held_out"], 5),
        "held_out_loss_f16": round(held_final, 5),
        "parameters": sum(v.numel() for v in final.values()),
        "injection": {
            "largest_logit": top,
            "max_logit_difference_before_rounding": exact,
            "max_logit_difference_after_rounding": after,
            "max_logit_difference_of_f16_rounding_alone": rounding,
            "new_f16_subnormals": count["subnormal"], "new_zeros": count["zero"],
            "inexact_values": count["inexact"]},
        "log": log,
    }
    print(json.dumps({k: v for k, v in report.items() if k != "log"}, indent=2))

    model_dir = os.path.join(args.output, "model")
    reference_dir = os.path.join(args.output, "reference")
    os.makedirs(model_dir, exist_ok=True)
    os.makedirs(reference_dir, exist_ok=True)
    write_safetensors(os.path.join(model_dir, "model.safetensors"),
                      {"model." + k: v.numpy().astype(np.float16) for k, v in final.items()})
    write_json(os.path.join(model_dir, "config.json"), CONFIG)
    write_json(os.path.join(model_dir, "generation_config.json"), {
        "bos_token_id": CONFIG["bos_token_id"], "eos_token_id": CONFIG["eos_token_id"],
        "do_sample": True, "temperature": 1.0, "top_p": 0.98})
    write_json(os.path.join(model_dir, "tokenizer_config.json"), {
        "add_bos_token": True, "add_eos_token": False, "bos_token": BOS, "eos_token": EOS,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONFIG["max_position_embeddings"],
        "tokenizer_class": "PreTrainedTokenizerFast"})
    tokenizer.save(os.path.join(model_dir, "tokenizer.json"))

    after_maxima = site_maxima(final, rows[:32])
    write_json(os.path.join(reference_dir, "injected_outliers.json"), {
        "sites": [{
            "block": block, "site": site,
            "multiplied": f"model.layers.{block}.{SITES[site][0]}",
            "divided": [f"model.layers.{block}.{r}" for r in SITES[site][1]],
            "median_channel_max": round(after_maxima[(block, site)].median().item(), 5),
            "channels": [{"channel": c, "factor": f,
                          "max_over_median": round((after_maxima[(block, site)][c] /
                                                    after_maxima[(block, site)].median()).item(), 2),
                          "rank": int((after_maxima[(block, site)] >
                                       after_maxima[(block, site)][c]).sum()) + 1}
                         for c, f in channels],
        } for block, site, channels in plan]})
    write_json(os.path.join(reference_dir, "training.json"), report)


if __name__ == "__main__":
    main()
