#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/arch/<case>: a tiny checkpoint of every architecture and the logits that its equations give.

config.json, model.safetensors (F32), tokens.npy (int32 [T]), logits.npy (float32 [T, vocabulary], computed in float64).

architectures.py [case...]            writes the cases (all by default)
architectures.py --check [case...]    turns every feature of every case off, one at a time, and fails where logits stay
"""
import json
import pathlib
import sys

import numpy as np

from arch.cases import CASES, TOKENS
from arch.tiny import Tiny, write_safetensors

HERE = pathlib.Path(__file__).resolve().parent.parent / "arch"
LEAST = 1e-2   # a feature that moves no logit by this much is not tested by its case
LARGEST = 120 * 1024


def seed_of(name):
    return 20260900 + list(CASES).index(name)


def run(name, off=None):
    case = CASES[name]
    tiny = Tiny(case.config, seed_of(name), off, **case.options)
    vocabulary = case.config.get("text_config", case.config)["vocab_size"]
    ids = np.random.default_rng(seed_of(name)).integers(3, vocabulary, TOKENS).astype(np.int32)
    return ids, case.forward(tiny, ids), tiny


def extra_tensors(name, tiny):
    """What published files of the kind also hold, and a reader has to pass over or translate."""
    arrays = dict(tiny.arrays)
    if name == "gemma3_nested":
        arrays["vision_tower.vision_model.embeddings.patch_embedding.bias"] = np.ones(8, np.float32)
        arrays["multi_modal_projector.mm_soft_emb_norm.weight"] = np.ones(8, np.float32)
    if name == "bert_legacy":
        arrays = {key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
                  for key, value in arrays.items()}
        arrays["cls.predictions.decoder.weight"] = arrays["bert.embeddings.word_embeddings.weight"]
        arrays["cls.seq_relationship.weight"] = np.ones((2, 32), np.float32)
        arrays["cls.seq_relationship.bias"] = np.ones(2, np.float32)
        arrays["bert.pooler.dense.weight"] = np.eye(32, dtype=np.float32)
        arrays["bert.pooler.dense.bias"] = np.ones(32, np.float32)
    return arrays


def write(name):
    ids, logits, tiny = run(name)
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CASES[name].config, indent=2) + "\n")
    write_safetensors(folder / "model.safetensors", extra_tensors(name, tiny))
    np.save(folder / "tokens.npy", ids)
    np.save(folder / "logits.npy", logits.astype(np.float32))
    size = (folder / "model.safetensors").stat().st_size
    assert size <= LARGEST, (name, size)
    assert np.isfinite(logits).all() and 1.5 < logits.std() < 12, (name, logits.std())
    assert tiny.closest_routing > 2e-3, (name, tiny.closest_routing)
    print(f"{name:20} {size:7} bytes, logits {logits.min():7.2f} .. {logits.max():6.2f}, deviation {logits.std():.2f}")


def check(name):
    """One line per feature; True when every one matters."""
    case, good = CASES[name], True
    _, logits, tiny = run(name)
    for feature in sorted(tiny.features):
        moved = np.abs(run(name, feature)[1] - logits).max()
        inert = feature in case.inert
        fine = moved < 1e-9 if inert else moved > case.small.get(feature, LEAST)
        remark = "" if fine else " <- NOT TESTED"
        print(f"{name:20} {feature:40} {moved:9.2e} {'has no effect' if inert else ''}{remark}")
        good &= bool(fine)
    return good


def main():
    arguments = sys.argv[1:]
    checking = "--check" in arguments
    names = [a for a in arguments if a != "--check"] or list(CASES)
    if not checking:
        for name in names:
            write(name)
        return
    bad = [name for name in names if not check(name)]
    if bad:
        sys.exit(f"features without effect in: {', '.join(bad)}")


if __name__ == "__main__":
    main()
