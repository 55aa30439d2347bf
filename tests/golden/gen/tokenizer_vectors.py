#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/text: small SentencePiece models trained on the sample texts, and what the sentencepiece library
(Debian: python3-sentencepiece 0.1.97) makes of awkward texts with them; hashes of its ids for the shared models.

<name>.model      trained here on resources/sample/texts/calibration.txt (deterministic)
vectors.json      {"<name>": [{"text" (base64), "ids", "decoded" (base64)}, ...]}
shared.json       {"<model>/<text>": {"tokens", "sha256" of the ids as little-endian int32}}, when ../shared is there
"""
import base64
import hashlib
import json
import pathlib
import sys
import tempfile

import numpy as np
import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2

ROOT = pathlib.Path(__file__).resolve().parents[3]
OUT = ROOT / "tests/golden/text"
TRAINING = ROOT / "resources/sample/texts/calibration.txt"

# A small character map: longest rule first, one that makes spaces, one that deletes.
RULES = "\n".join(["FB01\t66 69", "FB01 0301\t46", "FF21\t41", "00A0\t20", "200B\t", "41 41\t42", "2003\t20 20"]) + "\n"

MODELS = {
    "unigram_bytes": dict(model_type="unigram", vocab_size=560, byte_fallback=True, rules=True,
                          user_defined_symbols=["<sep>", "ab c", "th", "  "], self_test_sample_size=5),
    "unigram_plain": dict(model_type="unigram", vocab_size=300, character_coverage=0.98),
    "unigram_suffix": dict(model_type="unigram", vocab_size=300, treat_whitespace_as_suffix=True,
                           remove_extra_whitespaces=False),
    "bpe_bytes": dict(model_type="bpe", vocab_size=500, byte_fallback=True, rules=True, add_dummy_prefix=False,
                      remove_extra_whitespaces=False, user_defined_symbols=["<sep>", "th"], self_test_sample_size=5),
    "word": dict(model_type="word", vocab_size=200),
    "char": dict(model_type="char", vocab_size=60, user_defined_symbols=["<sep>"]),
}

TEXTS = [
    "", " ", "   ", "a", "The old lamp burned over the harbour.", "  two  spaces  ", "line\r\nline\n\ttab",
    "na\u00efve caf\u00e9", "\U0001F642", "\U0001F469\u200D\U0001F469\u200D\U0001F467 family", "e\u0301a\u0316\u0301z\u0301",
    "\u65e5\u672c\u8a9e text", "<s>mid</s>word<sep>end", "\u2581mark\u2581", "nul\0in\x7fside", "don't 12345 @-@ x",
    "\ufb01sh \ufb01\u0301 \uff21AAA AA\u200bA", "x\u00a0y\u2003z\ufeff", "<0x0A><unk>", "abab cab ccab c", "thththe the  th",
    "  <sep>  <sep>", "a" * 300, "\u00e9" * 50, "zqxjzqxj" * 20, "ab c ab cab  c",
    b"\xffbad\xe2\x82 bytes\xed\xa0\x80", b"half \xf0\x9f\x98", b"\xc0\xaf\xf8\x88",
]


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def train(name, options, rules):
    options = dict(options)
    if options.pop("rules", False):
        options["normalization_rule_tsv"] = rules
    else:
        options["normalization_rule_name"] = "identity"
    spm.SentencePieceTrainer.train(input=str(TRAINING), model_prefix=str(OUT / name), num_threads=1,
                                   hard_vocab_limit=False, minloglevel=2, **options)
    (OUT / f"{name}.vocab").unlink()
    without_paths(OUT / f"{name}.model")


def without_paths(path):
    """Leaves out of the model where it was trained: TrainerSpec input and model_prefix, the rules' file name."""
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(path.read_bytes())
    model.trainer_spec.ClearField("input")
    model.trainer_spec.ClearField("model_prefix")
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    path.write_bytes(model.SerializeToString())


def vectors(model):
    sp = spm.SentencePieceProcessor(model_file=str(model))
    rows = []
    for text in TEXTS:
        ids = sp.encode(text)
        decoded = sp.decode(ids) if ids else ""
        rows.append({"text": b64(text), "ids": ids, "decoded": b64(decoded)})
    return rows


def shared_hashes(shared):
    out = {}
    for model in sorted((shared / "data/models").glob("*/tokenizer.model")):
        sp = spm.SentencePieceProcessor(model_file=str(model))
        for text in sorted((shared / "data/text").glob("*.txt")):
            ids = np.array(sp.encode(text.read_bytes().decode()), dtype="<i4")
            out[f"{model.parent.name}/{text.name}"] = {"tokens": len(ids), "sha256": hashlib.sha256(ids.tobytes()).hexdigest()}
    return out


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        rules = pathlib.Path(scratch) / "rules.tsv"
        rules.write_text(RULES)
        for name, options in MODELS.items():
            train(name, options, str(rules))
    expected = {name: vectors(OUT / f"{name}.model") for name in MODELS}
    lines = ",\n".join(f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"
                       for name, rows in expected.items())
    (OUT / "vectors.json").write_text("{" + lines + "}\n")
    shared = ROOT.parent / "shared"
    if (shared / "data/models").is_dir():
        hashes = shared_hashes(shared)
        rows = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in hashes.items())
        (OUT / "shared.json").write_text("{\n" + rows + "\n}\n")
    else:
        print("shared.json left as it is: no ../shared", file=sys.stderr)


if __name__ == "__main__":
    main()
